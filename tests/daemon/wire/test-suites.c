/* tests/daemon/wire/test-suites.c: two planes and two suites: who begins what, who answers it, how
 * a session moves from one to the other, and what keys of AES-GCM may seal. */
#include <glib.h>
#include <string.h>

#include "daemon/wire/exchange.h"
#include "daemon/wire/state.h"
#include "pair-steer.h"

#define ONLY_WG1 WIRE_SUITE_BIT(WIRE_SUITE_WG1)
#define BOTH     (WIRE_SUITE_BIT(WIRE_SUITE_WG1) | WIRE_SUITE_BIT(WIRE_SUITE_AESGCM1))

static void set_suite(PairSide *side, const PairSide *peer, WireSuite suite, uint8_t answers)
{
    WirePeerSpec spec;

    g_assert_cmpint(wire_config_get_peer(side->config, &peer->public_key, &spec), ==, 0);
    spec.suite = suite;
    spec.answers = answers;
    g_assert_cmpint(wire_config_put_peer(side->config, &spec), ==, 0);
    pair_apply(side);
}

static void start(Pair *pair, WireSuite a, WireSuite b)
{
    pair_start(pair, &(PairOptions){ .psk = true });
    set_suite(&pair->a, &pair->b, a, BOTH);
    set_suite(&pair->b, &pair->a, b, BOTH);
}

static WireKeypair *current(PairSide *side, const PairSide *peer)
{
    const WireSnapshot *snapshot = wire_rcu_load(&side->plane->snapshot);

    return wire_slots_current(&wire_snapshot_get_peer(snapshot, &peer->public_key)->slots);
}

static bool speak_aes(void *data)
{
    Pair *pair = data;

    return pair_info(&pair->a, &pair->b).suite == WIRE_SUITE_AESGCM1 &&
           pair_info(&pair->b, &pair->a).suite == WIRE_SUITE_AESGCM1;
}

static bool speak_wg1(void *data)
{
    Pair *pair = data;

    return pair_info(&pair->a, &pair->b).suite == WIRE_SUITE_WG1 &&
           pair_info(&pair->b, &pair->a).suite == WIRE_SUITE_WG1;
}

/* All lengths of padding, both ways, and over a renewal. */
static void test_carries(void)
{
    Pair pair;

    start(&pair, WIRE_SUITE_AESGCM1, WIRE_SUITE_AESGCM1);
    for (uint8_t i = 0; i < 40; i++) {
        pair_pass(&pair, true, i % 2 == 0, i, 60u + i);
        pair_pass(&pair, false, i % 2 == 0, i, 1380u + i % 20);
    }
    pair_wait_until(speak_aes, &pair);
    g_assert_cmphex(current(&pair.a, &pair.b)->type, ==, 0x64);
    pair_advance(&pair, 121000);
    pair_pass(&pair, true, false, 1, 100);
    pair_wait_event(&pair.b, WIRE_EVENT_HANDSHAKE, NULL);
    pair_pass(&pair, true, false, 2, 100);
    g_assert_true(speak_aes(&pair));
    pair_stop(&pair);
}

/* Who begins decides; the other answers in that suite, whatever it would begin itself. */
static void test_initiator_decides(void)
{
    Pair pair;

    start(&pair, WIRE_SUITE_AESGCM1, WIRE_SUITE_WG1);
    pair_pass(&pair, true, false, 0, 100);
    pair_pass(&pair, false, false, 1, 100);
    pair_wait_until(speak_aes, &pair);
    pair_stop(&pair);
    start(&pair, WIRE_SUITE_WG1, WIRE_SUITE_AESGCM1);
    pair_pass(&pair, true, false, 0, 100);
    pair_pass(&pair, false, false, 1, 100);
    pair_wait_until(speak_wg1, &pair);
    pair_stop(&pair);
}

/* The wish of one side moves a session that runs; no packet is lost in between. */
static void test_live(void)
{
    Pair pair;

    start(&pair, WIRE_SUITE_WG1, WIRE_SUITE_WG1);
    pair_pass(&pair, true, false, 0, 100);
    pair_pass(&pair, false, false, 0, 100);
    for (uint8_t i = 0; i < 8; i++) {
        bool      from_a = i < 4;
        WireSuite suite = i % 2 == 0 ? WIRE_SUITE_AESGCM1 : WIRE_SUITE_WG1;

        pair_advance(&pair, 1000); /* two initiations of one moment would be one */
        if (from_a)
            set_suite(&pair.a, &pair.b, suite, BOTH);
        else
            set_suite(&pair.b, &pair.a, suite, BOTH);
        for (int n = 0; !(suite == WIRE_SUITE_WG1 ? speak_wg1 : speak_aes)(&pair); n++)
            pair_pass(&pair, n % 2 == 0, false, (uint8_t)n, 200);
        pair_pass(&pair, true, false, i, 300);
        pair_pass(&pair, false, false, i, 300);
    }
    g_assert_cmpuint(pair_drops(&pair.a, WIRE_DROP_FORGED), ==, 0);
    g_assert_cmpuint(pair_drops(&pair.b, WIRE_DROP_FORGED), ==, 0);
    pair_stop(&pair);
}

static bool has_refused(void *data)
{
    Pair *pair = data;

    return pair_drops(&pair->b, WIRE_DROP_FORGED) > 0;
}

/* A suite that is not answered makes no session, however authentic the wish; and it says nothing
 * of the way, so that the one that is takes over as soon as the initiator wishes. */
static void test_unanswered(void)
{
    static uint8_t packet[200];
    Pair           pair;

    start(&pair, WIRE_SUITE_AESGCM1, WIRE_SUITE_WG1);
    set_suite(&pair.b, &pair.a, WIRE_SUITE_WG1, ONLY_WG1);
    pair_make_packet(true, false, 7, sizeof(packet), packet);
    pair_write(&pair.a, packet, sizeof(packet));
    pair_wait_until(has_refused, &pair);
    g_assert_false(pair_info(&pair.a, &pair.b).has_session);
    g_assert_null(current(&pair.b, &pair.a));
    g_assert_cmpuint(pair_info(&pair.b, &pair.a).tx_bytes, ==, 0);
    pair_advance(&pair, 1000);
    set_suite(&pair.a, &pair.b, WIRE_SUITE_WG1, ONLY_WG1);
    g_assert_cmpuint(pair_read(&pair.b, packet, sizeof(packet)), ==, sizeof(packet));
    pair_wait_until(speak_wg1, &pair);
    pair_stop(&pair);
}

static WirePeer *give_peer(const WirePeerSpec *spec, void *data)
{
    (void)spec;
    return data;
}

/* What the handshake thread reads when handshakes with the peer are of @suite. */
static void wish_suite(WireExchange *exchange, WireConfig *config, WirePeer *peer, WireSuite suite)
{
    WirePeerSpec  spec = { .public_key = peer->public_key, .suite = suite };
    WireSnapshot *snapshot;

    g_assert_cmpint(wire_config_put_peer(config, &spec), ==, 0);
    g_assert_cmpint(wire_snapshot_new(config, exchange->snapshot, give_peer, peer, &snapshot), ==,
                    0);
    wire_snapshot_free((WireSnapshot *)exchange->snapshot);
    exchange->snapshot = snapshot;
}

/* A wish that is taken back takes what was begun for it back, too: its answer may come late. */
static void test_taken_back(void)
{
    static const uint8_t key[32] = { 1 };
    static WirePlane     plane;
    WirePeerSpec         spec = { .public_key = { { 2 } } };
    WireConfig          *config = wire_config_new();
    WireExchange         exchange = { .plane = &plane, .now_ms = 1000 };
    WireKeypairInit      init = { .send_key = key, .receive_key = key, .now_ms = 1 };
    WireIndexTable      *index;
    WirePeer            *peer;
    WireKeypair         *keypair;

    g_assert_cmpint(wire_aead_init(), ==, 0);
    g_assert_cmpint(wire_index_new(&index), ==, 0);
    init.peer = peer = wire_peer_new(&spec, index, 0);
    peer->talk = calloc(1, sizeof(*peer->talk));
    wish_suite(&exchange, config, peer, WIRE_SUITE_WG1);
    g_assert_cmpint(wire_keypair_new(wire_aead_best(WIRE_SUITE_WG1), &init, &keypair), ==, 0);
    atomic_store(&peer->slots.current, keypair);
    g_assert_false(wire_exchange_is_other_suite(&exchange, peer));
    peer->talk->pending.suite = WIRE_SUITE_AESGCM1;
    g_assert_false(wire_exchange_is_other_suite(&exchange, peer)); /* it was answered */
    peer->talk->pending.state = WIRE_HANDSHAKE_INITIATED;
    g_assert_true(wire_exchange_is_other_suite(&exchange, peer));
    peer->talk->pending.suite = WIRE_SUITE_WG1;
    g_assert_false(wire_exchange_is_other_suite(&exchange, peer));
    wish_suite(&exchange, config, peer, WIRE_SUITE_AESGCM1);
    g_assert_true(wire_exchange_is_other_suite(&exchange, peer));
    atomic_store(&peer->slots.current, NULL);
    wire_keypair_retire(keypair);
    wire_snapshot_free((WireSnapshot *)exchange.snapshot);
    wire_config_free(config);
    wire_peer_unref(peer);
    wire_rcu_barrier();
    wire_index_free(index);
}

/* Between two packets nobody reads these, but nothing says so: not for ThreadSanitizer. */
__attribute__((noinline, no_sanitize("thread"))) static void flip_type(WireKeypair *keypair)
{
    keypair->type ^= WIRE_SUITE_AES_BITS;
}

__attribute__((noinline, no_sanitize("thread"))) static void lift_limit(WireKeypair *keypair)
{
    keypair->limits.reject_after = UINT64_MAX;
}

/* A packet whose first byte is the other suite's is of no session. */
static void test_other_type(void)
{
    static uint8_t packet[100];
    Pair           pair;

    for (WireSuite suite = 0; suite < WIRE_N_SUITES; suite++) {
        start(&pair, suite, suite);
        pair_pass(&pair, true, false, 0, 100);
        pair_wait_event(&pair.a, WIRE_EVENT_HANDSHAKE, NULL);
        flip_type(current(&pair.a, &pair.b));
        pair_make_packet(true, false, 7, sizeof(packet), packet);
        pair_write(&pair.a, packet, sizeof(packet));
        pair_wait_until(has_refused, &pair);
        g_assert_true(pair_is_quiet(&pair.b));
        flip_type(current(&pair.a, &pair.b));
        pair_pass(&pair, true, false, 1, 100);
        pair_stop(&pair);
    }
}

static bool has_new_session(void *data)
{
    Pair *pair = data;

    return current(&pair->a, &pair->b) != NULL &&
           atomic_load(&current(&pair->a, &pair->b)->send_counter) < 1000;
}

/* 2^29 packets ask for new keys, 2^30 are the end. */
static void test_limits(void)
{
    Pair pair;

    start(&pair, WIRE_SUITE_AESGCM1, WIRE_SUITE_AESGCM1);
    pair_pass(&pair, true, false, 0, 100);
    pair_wait_event(&pair.a, WIRE_EVENT_HANDSHAKE, NULL);
    pair_advance(&pair, 6000);
    atomic_store(&current(&pair.a, &pair.b)->send_counter, (1u << 29) - 3);
    pair_pass(&pair, true, false, 2, 100);
    pair_pass(&pair, true, false, 3, 100);
    g_assert_false(has_new_session(&pair));
    pair_pass(&pair, true, false, 4, 100);
    pair_wait_until(has_new_session, &pair);
    pair_advance(&pair, 6000);
    atomic_store(&current(&pair.a, &pair.b)->send_counter, (1u << 30));
    pair_pass(&pair, true, false, 5, 100); /* waits for new keys */
    g_assert_true(has_new_session(&pair));
    g_assert_cmpuint(pair_drops(&pair.b, WIRE_DROP_REPLAYED), ==, 0);
    pair_stop(&pair);
}

static bool has_dropped(void *data)
{
    Pair *pair = data;

    return pair_drops(&pair->b, WIRE_DROP_REPLAYED) > 0;
}

/* A sender that goes on beyond the end is not heard. */
static void test_receiving_limit(void)
{
    static uint8_t packet[100];
    Pair           pair;

    start(&pair, WIRE_SUITE_AESGCM1, WIRE_SUITE_AESGCM1);
    pair_pass(&pair, true, false, 0, 100);
    pair_wait_event(&pair.a, WIRE_EVENT_HANDSHAKE, NULL);
    lift_limit(current(&pair.a, &pair.b));
    atomic_store(&current(&pair.a, &pair.b)->send_counter, (1u << 30) - 1);
    pair_pass(&pair, true, false, 2, 100); /* the last */
    pair_make_packet(true, false, 7, sizeof(packet), packet);
    pair_write(&pair.a, packet, sizeof(packet));
    pair_wait_until(has_dropped, &pair);
    g_assert_true(pair_is_quiet(&pair.b));
    pair_stop(&pair);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (!wire_suite_is_fit(WIRE_SUITE_AESGCM1)) {
        g_print("1..0 # SKIP no AES in this processor\n");
        return 0;
    }
    pair_use_clock();
    g_test_add_func("/suites/carries", test_carries);
    g_test_add_func("/suites/initiator-decides", test_initiator_decides);
    g_test_add_func("/suites/live", test_live);
    g_test_add_func("/suites/unanswered", test_unanswered);
    g_test_add_func("/suites/taken-back", test_taken_back);
    g_test_add_func("/suites/other-type", test_other_type);
    g_test_add_func("/suites/limits", test_limits);
    g_test_add_func("/suites/receiving-limit", test_receiving_limit);
    return g_test_run();
}
