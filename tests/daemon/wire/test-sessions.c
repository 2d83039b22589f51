/* tests/daemon/wire/test-sessions.c: sessions begin, are renewed and end when WireGuard's timers
 * say so. The clock is the test's. */
#include <glib.h>
#include <string.h>

#include "common/std/endpoint.h"
#include "pair-steer.h"

enum { QUIET = 15 }; /* looks, one a millisecond */

/* Between two looks nothing moved and nobody waits for an answer, QUIET times in a row. */
typedef struct {
    Pair    *pair;
    uint64_t bytes;
    unsigned quiet;
} Settling;

static bool is_settled(void *data)
{
    Settling    *self = data;
    WirePeerInfo a = pair_info(&self->pair->a, &self->pair->b);
    WirePeerInfo b = pair_info(&self->pair->b, &self->pair->a);
    uint64_t     bytes = a.tx_bytes + a.rx_bytes + b.tx_bytes + b.rx_bytes;

    if (bytes != self->bytes || a.handshake_attempts != 0 || b.handshake_attempts != 0)
        self->quiet = 0;
    self->bytes = bytes;
    return ++self->quiet > QUIET;
}

/* Only when all is quiet may time jump: else what is on its way would be minutes late. */
static void settle_and_advance(Pair *pair, int64_t ms)
{
    Settling settling = { .pair = pair };

    pair_wait_until(is_settled, &settling);
    pair_advance(pair, ms);
}

/* What a test waits for: a byte counter of one side about the other. */
typedef struct {
    PairSide *side, *peer;
    uint64_t  rx_bytes;
} Received;

static bool has_received(void *data)
{
    Received *want = data;

    return pair_info(want->side, want->peer).rx_bytes >= want->rx_bytes;
}

static bool has_session_ended(void *data)
{
    Pair *pair = data;

    return !pair_info(&pair->a, &pair->b).has_session;
}

/* Each time one side or both renew, in whatever order: nothing is lost. */
static void test_rekey(void)
{
    Pair pair;

    pair_start(&pair, &(PairOptions){ .psk = true });
    pair_pass(&pair, true, false, 0, 100);
    pair_wait_event(&pair.a, WIRE_EVENT_HANDSHAKE, NULL);
    for (uint8_t i = 1; i <= 30; i++) {
        settle_and_advance(&pair, 121000);
        pair_pass(&pair, true, true, i, 100); /* under the old key, and asks for a new one */
        pair_wait_event(&pair.a, WIRE_EVENT_HANDSHAKE, NULL);
        pair_pass(&pair, false, false, i, 200);
        pair_pass(&pair, true, false, i, 300);
    }
    pair_stop(&pair);
}

/* An initiator that only receives renews after 165 s. */
static void test_rekey_by_receiving(void)
{
    Pair pair;

    pair_start(&pair, &(PairOptions){ .psk = false });
    pair_pass(&pair, true, false, 0, 100);
    pair_wait_event(&pair.a, WIRE_EVENT_HANDSHAKE, NULL);
    settle_and_advance(&pair, 166000);
    pair_pass(&pair, false, false, 1, 100);
    pair_wait_event(&pair.a, WIRE_EVENT_HANDSHAKE, NULL);
    pair_stop(&pair);
}

/* After 180 s nothing goes under the old key: a packet waits for the new one. */
static void test_reject_after_time(void)
{
    Pair pair;

    pair_start(&pair, &(PairOptions){ .psk = false });
    pair_pass(&pair, true, false, 0, 100);
    pair_wait_event(&pair.a, WIRE_EVENT_HANDSHAKE, NULL);
    settle_and_advance(&pair, 181000);
    pair_pass(&pair, true, false, 1, 100);
    pair_wait_event(&pair.a, WIRE_EVENT_HANDSHAKE, NULL);
    settle_and_advance(&pair, 181000);
    pair_pass(&pair, false, false, 2, 100); /* and the other side knows the way, too */
    pair_wait_event(&pair.b, WIRE_EVENT_HANDSHAKE, NULL);
    pair_stop(&pair);
}

/* Three lives of a key after it was made, with nothing owed to anybody, it is wiped. */
static void test_expire(void)
{
    WireEvent event;
    Received  want;
    Pair      pair;

    pair_start(&pair, &(PairOptions){ .psk = false });
    pair_pass(&pair, true, false, 0, 100);
    pair_wait_event(&pair.a, WIRE_EVENT_HANDSHAKE, NULL);
    pair_pass(&pair, false, false, 0, 100);
    settle_and_advance(&pair, 10100); /* a owed an answer */
    want = (Received){ &pair.b, &pair.a, 148 + 144 + 32 };
    pair_wait_until(has_received, &want);
    settle_and_advance(&pair, 531000);
    pair_wait_event(&pair.a, WIRE_EVENT_EXPIRED, &event);
    g_assert_true(mesh_key_equal(&event.peer, &pair.b.public_key));
    pair_wait_event(&pair.b, WIRE_EVENT_EXPIRED, NULL);
    pair_stop(&pair);
}

typedef struct {
    Pair    *pair;
    uint64_t attempts;
} Attempts;

static bool has_tried(void *data)
{
    Attempts *want = data;

    return pair_info(&want->pair->a, &want->pair->b).handshake_attempts >= want->attempts;
}

static void test_give_up(void)
{
    uint8_t      packet[100];
    MeshEndpoint dead;
    Attempts     want;
    Pair         pair;

    pair_start(&pair, &(PairOptions){ .unrouted = true });
    want = (Attempts){ &pair, 1 };
    g_assert_cmpint(mesh_endpoint_parse("127.0.0.1:9", &dead), ==, 0);
    pair_route(&pair.a, &pair.b, &dead);
    pair_make_packet(true, false, 1, sizeof(packet), packet);
    pair_write(&pair.a, packet, sizeof(packet));
    pair_wait_until(has_tried, &want);
    for (want.attempts = 2; want.attempts <= 18; want.attempts++) {
        pair_advance(&pair, 5400); /* 5 s and the most jitter */
        pair_wait_until(has_tried, &want);
    }
    pair_advance(&pair, 5400);
    pair_wait_event(&pair.a, WIRE_EVENT_GAVE_UP, NULL);
    while (pair_drops(&pair.a, WIRE_DROP_STAGED) == 0)
        g_thread_yield();
    g_assert_cmpuint(pair_info(&pair.a, &pair.b).handshake_attempts, ==, 18);
    pair_stop(&pair);
}

/* Who got data and has nothing to say answers with an empty packet after 10 s. */
static void test_passive_keepalive(void)
{
    Received want;
    Pair     pair;

    pair_start(&pair, &(PairOptions){ .psk = false });
    pair_pass(&pair, true, false, 0, 100);
    pair_wait_event(&pair.b, WIRE_EVENT_HANDSHAKE, NULL);
    pair_pass(&pair, true, false, 1, 100);
    want = (Received){ &pair.a, &pair.b, 92 + 32 };
    g_assert_cmpuint(pair_info(&pair.a, &pair.b).rx_bytes, ==, 92);
    settle_and_advance(&pair, 10100);
    pair_wait_until(has_received, &want);
    g_assert_cmpuint(pair_info(&pair.a, &pair.b).rx_bytes, ==, 92 + 32);
    pair_stop(&pair);
}

/* Persistent keepalive calls by itself, and again each interval. */
static void test_persistent_keepalive(void)
{
    Received want;
    Pair     pair;

    pair_start(&pair, &(PairOptions){ .keepalive_s = 25 });
    pair_wait_event(&pair.b, WIRE_EVENT_HANDSHAKE, NULL);
    want = (Received){ &pair.b, &pair.a, 148 + 32 };
    pair_wait_until(has_received, &want);
    for (int i = 0; i < 4; i++) {
        settle_and_advance(&pair, 26000);
        want.rx_bytes += 32;
        pair_wait_until(has_received, &want);
    }
    pair_stop(&pair);
}

/* The initiation goes to every candidate; who answers becomes the endpoint. */
static void test_candidates(void)
{
    WireRoute route = { .n_candidates = 3 };
    WireEvent event;
    Pair      pair;

    pair_start(&pair, &(PairOptions){ .unrouted = true });
    g_assert_cmpint(mesh_endpoint_parse("127.0.0.1:9", &route.endpoint), ==, 0);
    g_assert_cmpint(mesh_endpoint_parse("127.0.0.1:11", &route.candidates[0]), ==, 0);
    g_assert_cmpint(mesh_endpoint_parse("[::1]:9", &route.candidates[1]), ==, 0);
    route.candidates[2] = pair_endpoint(&pair.b, true);
    g_assert_cmpint(wire_plane_set_route(pair.a.plane, &pair.b.public_key, &route, true), ==, 0);
    pair_wait_event(&pair.a, WIRE_EVENT_HANDSHAKE, &event);
    g_assert_true(mesh_endpoint_equal(&event.endpoint, &route.candidates[2]));
    pair_pass(&pair, true, false, 1, 100);
    pair_pass(&pair, false, false, 2, 100);
    pair_stop(&pair);
}

/* Candidates that come while an initiation waits get a copy at once. */
static void test_late_candidates(void)
{
    WireRoute route = { .n_candidates = 0 };
    Attempts  want;
    Pair      pair;

    pair_start(&pair, &(PairOptions){ .unrouted = true });
    want = (Attempts){ &pair, 1 };
    g_assert_cmpint(mesh_endpoint_parse("127.0.0.1:9", &route.endpoint), ==, 0);
    g_assert_cmpint(wire_plane_set_route(pair.a.plane, &pair.b.public_key, &route, true), ==, 0);
    pair_wait_until(has_tried, &want);
    route.endpoint.addr.family = 0;
    route.n_candidates = 1;
    route.candidates[0] = pair_endpoint(&pair.b, false);
    g_assert_cmpint(wire_plane_set_route(pair.a.plane, &pair.b.public_key, &route, false), ==, 0);
    pair_wait_event(&pair.a, WIRE_EVENT_HANDSHAKE, NULL);
    pair_stop(&pair);
}

/* Both start at once: whatever order the messages take, both directions work. */
static void test_simultaneous(void)
{
    for (uint8_t i = 0; i < 10; i++) {
        uint8_t      a[100], b[120], got[200];
        MeshEndpoint to;
        Pair         pair;

        pair_start(&pair, &(PairOptions){ .psk = false });
        to = pair_endpoint(&pair.a, false);
        pair_route(&pair.b, &pair.a, &to);
        pair_make_packet(true, false, i, sizeof(a), a);
        pair_make_packet(false, false, i, sizeof(b), b);
        pair_write(&pair.a, a, sizeof(a));
        pair_write(&pair.b, b, sizeof(b));
        g_assert_cmpuint(pair_read(&pair.a, got, sizeof(got)), ==, sizeof(b));
        g_assert_cmpuint(pair_read(&pair.b, got, sizeof(got)), ==, sizeof(a));
        pair_pass(&pair, true, false, i, 100);
        pair_pass(&pair, false, false, i, 100);
        pair_stop(&pair);
    }
}

static void test_new_private_key(void)
{
    WirePeerSpec spec = { .keepalive_s = 0 };
    MeshPrefix   prefix;
    Pair         pair;

    pair_start(&pair, &(PairOptions){ .psk = false });
    pair_pass(&pair, true, false, 0, 100);
    mesh_key_make_private(&pair.a.private_key);
    mesh_key_make_public(&pair.a.private_key, &spec.public_key);
    g_assert_cmpint(wire_config_put_peer(pair.b.config, &spec), ==, 0);
    g_assert_cmpint(mesh_ip_parse_prefix("10.9.0.1", &prefix), ==, 0);
    g_assert_cmpint(wire_config_add_allowed_ip(pair.b.config, &spec.public_key, &prefix), ==, 0);
    pair_apply(&pair.b);
    g_assert_cmpint(wire_plane_set_private_key(pair.a.plane, &pair.a.private_key), ==, 0);
    pair_wait_until(has_session_ended, &pair);
    pair_pass(&pair, true, false, 1, 100);
    pair_pass(&pair, false, false, 2, 100);
    pair_stop(&pair);
}

/* No key: silence. Our own key as a peer's: left out. */
static void test_silence(void)
{
    WirePeerSpec spec = { .keepalive_s = 1 };
    uint8_t      packet[100];
    MeshEndpoint to;
    Pair         pair;

    pair_start(&pair, &(PairOptions){ .psk = false });
    g_assert_cmpint(wire_plane_set_private_key(pair.b.plane, NULL), ==, 0);
    pair_make_packet(true, false, 1, sizeof(packet), packet);
    pair_write(&pair.a, packet, sizeof(packet));
    spec.public_key = pair.a.public_key;
    g_assert_cmpint(wire_config_put_peer(pair.a.config, &spec), ==, 0);
    pair_apply(&pair.a);
    to = pair_endpoint(&pair.a, false);
    pair_route(&pair.a, &pair.a, &to);
    pair_advance(&pair, 5400);
    pair_advance(&pair, 5400);
    g_assert_cmpuint(pair_info(&pair.b, &pair.a).tx_bytes, ==, 0);
    g_assert_cmpuint(pair_info(&pair.a, &pair.a).tx_bytes, ==, 0);
    g_assert_cmpint(wire_plane_set_private_key(pair.b.plane, &pair.b.private_key), ==, 0);
    pair_advance(&pair, 5400);
    pair_wait_event(&pair.a, WIRE_EVENT_HANDSHAKE, NULL); /* the next try finds it */
    g_assert_cmpuint(pair_read(&pair.b, packet, sizeof(packet)), ==, sizeof(packet));
    pair_stop(&pair);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    pair_use_clock();
    g_test_add_func("/sessions/rekey", test_rekey);
    g_test_add_func("/sessions/rekey-by-receiving", test_rekey_by_receiving);
    g_test_add_func("/sessions/reject-after-time", test_reject_after_time);
    g_test_add_func("/sessions/expire", test_expire);
    g_test_add_func("/sessions/give-up", test_give_up);
    g_test_add_func("/sessions/passive-keepalive", test_passive_keepalive);
    g_test_add_func("/sessions/persistent-keepalive", test_persistent_keepalive);
    g_test_add_func("/sessions/candidates", test_candidates);
    g_test_add_func("/sessions/late-candidates", test_late_candidates);
    g_test_add_func("/sessions/simultaneous", test_simultaneous);
    g_test_add_func("/sessions/new-private-key", test_new_private_key);
    g_test_add_func("/sessions/silence", test_silence);
    return g_test_run();
}
