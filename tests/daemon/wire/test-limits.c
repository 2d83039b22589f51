/* tests/daemon/wire/test-limits.c: WireGuard's constants are what others count on; what they limit
 * is limited, in running planes with counters set near their ends; and what deserves no answer gets
 * not a byte, seen on the socket it came from. */
#include <glib.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/std/endpoint.h"
#include "daemon/wire/freshness.h"
#include "daemon/wire/limiter.h"
#include "daemon/wire/state.h"
#include "pair-steer.h"

/* ---- constants ---- */

typedef struct {
    const char *name;
    uint64_t    have, want;
} Constant;

static const Constant constants[] = {
    /* The paper's §6.1 and wireguard-go's device/constants.go. */
    { "rekey-after-messages", WIRE_REKEY_AFTER_MESSAGES, UINT64_C(1) << 60 },
    { "reject-after-messages", WIRE_REJECT_AFTER_MESSAGES, UINT64_C(18446744073709543423) },
    { "rekey-after-time", WIRE_REKEY_AFTER_MS, 120000 },
    { "reject-after-time", WIRE_REJECT_AFTER_MS, 180000 },
    { "rekey-timeout", WIRE_REKEY_TIMEOUT_MS, 5000 },
    { "rekey-timeout-jitter", WIRE_TIMERS_JITTER_MS, 334 },
    { "rekey-attempts-90-s", WIRE_TIMERS_ATTEMPTS, 18 },
    { "keepalive-timeout", WIRE_KEEPALIVE_MS, 10000 },
    { "unanswered-data", WIRE_TIMERS_UNANSWERED, 15000 },
    { "zeroing", WIRE_TIMERS_ZERO_MS, 540000 },
    { "replay-window", WIRE_REPLAY_WINDOW, 8128 },
    { "cookie-life", WIRE_COOKIE_LIFE_MS, 120000 },
    { "handshake-queue", WIRE_MAX_MESSAGES, 1024 },
    { "queue-of-the-proven", WIRE_MAX_PROVEN, 256 },
    { "under-load", WIRE_LOADED, 128 },
    { "limiter-rate", WIRE_LIMITER_PER_SECOND, 20 },
    { "limiter-burst", WIRE_LIMITER_BURST, 5 },
    { "peers", WIRE_MAX_PEERS, 65536 },
    { "timestamp-step", WIRE_FRESHNESS_STEP_NS, 16777216 },
    /* Lengths of messages, §5.4. */
    { "initiation", WIRE_INITIATION_BYTES, 148 },
    { "response", WIRE_RESPONSE_BYTES, 92 },
    { "cookie-reply", WIRE_COOKIE_BYTES, 64 },
    { "data-overhead", WIRE_DATA_OVERHEAD, 32 },
};

static void test_constant(gconstpointer data)
{
    const Constant *c = data;

    g_assert_cmpuint(c->have, ==, c->want);
}

/* ---- message counters ---- */

static WirePeer *find_peer(PairSide *side, const PairSide *peer)
{
    return wire_snapshot_get_peer(wire_rcu_load(&side->plane->snapshot), &peer->public_key);
}

static WireKeypair *current(PairSide *side, const PairSide *peer)
{
    return wire_slots_current(&find_peer(side, peer)->slots);
}

static void start(Pair *pair)
{
    pair_start(pair, &(PairOptions){ .psk = false });
    pair_pass(pair, true, false, 0, 100);
    pair_wait_event(&pair->a, WIRE_EVENT_HANDSHAKE, NULL);
    pair_pass(pair, false, false, 1, 100);
    pair_advance(pair, 6000); /* a new initiation may follow at once */
}

static bool has_new_session(void *data)
{
    Pair *pair = data;

    return current(&pair->a, &pair->b) != NULL &&
           atomic_load(&current(&pair->a, &pair->b)->send_counter) < 1000;
}

/* The message that uses up 2^60 asks for new keys; it goes under the old ones. */
static void test_rekey_after_messages(void)
{
    Pair pair;

    start(&pair);
    atomic_store(&current(&pair.a, &pair.b)->send_counter, (UINT64_C(1) << 60) - 3);
    pair_pass(&pair, true, false, 2, 100);
    pair_pass(&pair, true, false, 3, 100);
    g_assert_false(has_new_session(&pair));
    g_assert_cmpuint(pair_info(&pair.a, &pair.b).handshake_attempts, ==, 0);
    pair_pass(&pair, true, false, 4, 100);
    pair_wait_event(&pair.a, WIRE_EVENT_HANDSHAKE, NULL);
    pair_wait_until(has_new_session, &pair);
    pair_pass(&pair, true, false, 5, 100);
    pair_stop(&pair);
}

/* Nothing is sent under the last counters: what would need them waits for new keys. */
static void test_reject_after_messages(void)
{
    Pair pair;

    start(&pair);
    atomic_store(&current(&pair.a, &pair.b)->send_counter, WIRE_REJECT_AFTER_MESSAGES);
    pair_pass(&pair, true, false, 2, 100);
    g_assert_true(has_new_session(&pair));
    g_assert_cmpuint(pair_drops(&pair.b, WIRE_DROP_REPLAYED), ==, 0); /* none came past the end */
    pair_stop(&pair);
}

static bool is_empty(void *data)
{
    WirePeer *peer = data;

    return wire_slots_current(&peer->slots) == NULL &&
           wire_rcu_load(&peer->slots.previous) == NULL && wire_rcu_load(&peer->slots.next) == NULL;
}

static bool is_wiped(const void *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (((const uint8_t *)bytes)[i] != 0)
            return false;
    }
    return true;
}

/* Nobody owes an answer or waits for one. */
static bool is_settled(void *data)
{
    Pair     *pair = data;
    WirePeer *peers[] = { find_peer(&pair->a, &pair->b), find_peer(&pair->b, &pair->a) };

    for (int i = 0; i < 2; i++) {
        if (atomic_load(&peers[i]->timers.owed_ms) != 0 ||
            atomic_load(&peers[i]->timers.unanswered_ms) != 0)
            return false;
    }
    return true;
}

/* Three lives after the last keys nothing of them is left. */
static void test_zeroing(void)
{
    WirePeer *peer;
    Pair      pair;

    start(&pair);
    peer = find_peer(&pair.a, &pair.b);
    g_assert_false(is_empty(peer));
    pair_advance(&pair, 5000); /* keepalives are due */
    pair_wait_until(is_settled, &pair);
    pair_advance(&pair, 540000);
    pair_wait_event(&pair.a, WIRE_EVENT_EXPIRED, NULL);
    pair_wait_until(is_empty, peer);
    g_assert_true(
        is_wiped(peer->talk->pending.chaining_key, sizeof peer->talk->pending.chaining_key));
    g_assert_true(is_wiped(&peer->talk->pending.ephemeral_private, sizeof(MeshKey)));
    g_assert_false(pair_info(&pair.a, &pair.b).has_session);
    pair_stop(&pair);
}

/* ---- silence ---- */

typedef struct {
    Pair          pair;
    int           fd; /* the stranger's */
    WireIdentity  stranger;
    WireCookieJar jar; /* makes macs that b takes */
} Silence;

static void silence_start(Silence *self)
{
    MeshEndpoint            to;
    struct sockaddr_storage name;
    socklen_t               len;

    pair_start(&self->pair, &(PairOptions){ .unrouted = true });
    to = pair_endpoint(&self->pair.b, false);
    len = mesh_endpoint_to_sockaddr(&to, &name);
    self->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(connect(self->fd, (struct sockaddr *)&name, len), ==, 0);
    mesh_key_make_private(&self->stranger.private_key);
    mesh_key_make_public(&self->stranger.private_key, &self->stranger.public_key);
    wire_cookie_jar_init(&self->jar, &self->pair.b.public_key);
}

static void say(Silence *self, const uint8_t *bytes, size_t len)
{
    g_assert_cmpint(send(self->fd, bytes, len, 0), ==, (int)len);
}

/* A whole initiation from whoever @who is. */
static void make_initiation(Silence *self, const WireIdentity *who, uint8_t out[148])
{
    WireHandshake  handshake = { .local_index = 77 };
    WireNoiseFresh fresh;
    WireRemote     remote;
    MeshKey        no_psk = { { 0 } };
    int64_t        last_ns = 0;

    g_assert_cmpint(wire_noise_make_remote(who, &self->pair.b.public_key, &no_psk, &remote), ==, 0);
    mesh_key_make_private(&fresh.ephemeral);
    wire_freshness_encode(wire_freshness_next(&last_ns, &(WireMoment){ .wall_ns = 1 << 30 }),
                          fresh.timestamp);
    g_assert_cmpint(wire_noise_create_initiation(&handshake, who, &remote, &fresh, out), ==, 0);
    wire_cookie_add_macs(&self->jar, out, 148, 1);
}

/* The seven points of order 1, 2, 4 and 8 and their aliases (RFC 7748 §6.1 and libsodium's list).
 */
static const uint8_t low_order[][32] = {
    { 0 },
    { 1 },
    { 0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3,
      0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32,
      0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00 },
    { 0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1,
      0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c,
      0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57 },
    { 0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
    { 0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
    { 0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
};

static void say_garbage(Silence *self)
{
    uint8_t bytes[1500];

    for (unsigned type = 0; type < 64; type++) { /* what is above is meant for the probes */
        for (size_t len = 1; len <= 200; len += type < 5 ? 1 : 31) {
            mesh_key_random(bytes, len);
            memset(bytes, 0, len < 4 ? len : 4);
            bytes[0] = (uint8_t)type;
            say(self, bytes, len);
        }
        g_usleep(1000); /* not more than the socket's buffer holds */
    }
}

/* With right mac1, and nothing else right. */
static void say_sealed_garbage(Silence *self)
{
    uint8_t bytes[148];

    for (size_t i = 0; i < G_N_ELEMENTS(low_order); i++) {
        mesh_key_random(bytes, sizeof bytes);
        memset(bytes, 0, 4);
        bytes[0] = WIRE_MESSAGE_INITIATION;
        memcpy(bytes + 8, low_order[i], 32); /* the ephemeral key */
        wire_cookie_add_macs(&self->jar, bytes, 148, 1);
        say(self, bytes, 148);
        bytes[0] = WIRE_MESSAGE_RESPONSE;
        memcpy(bytes + 12, low_order[i], 32);
        wire_cookie_add_macs(&self->jar, bytes, 92, 1);
        say(self, bytes, 92);
    }
    make_initiation(self, &self->stranger, bytes); /* all right, but nobody's */
    say(self, bytes, 148);
    bytes[147 - 16] ^= 1; /* mac1 */
    say(self, bytes, 148);
}

/* The last of all is b's peer; that it is answered tells that all before it was judged. */
static void test_silence(void)
{
    struct pollfd wait = { .events = POLLIN };
    WireIdentity  a;
    uint8_t       bytes[1500];
    Silence       self;

    silence_start(&self);
    say_garbage(&self);
    say_sealed_garbage(&self);
    a = (WireIdentity){ self.pair.a.private_key, self.pair.a.public_key };
    make_initiation(&self, &a, bytes);
    say(&self, bytes, 148);
    wait.fd = self.fd;
    g_assert_cmpint(poll(&wait, 1, 20000), ==, 1);
    g_assert_cmpint(recv(self.fd, bytes, sizeof bytes, 0), ==, 92); /* the first that comes */
    g_assert_cmpuint(bytes[0], ==, WIRE_MESSAGE_RESPONSE);
    g_assert_cmpuint(bytes[8] | bytes[9] << 8, ==, 77);
    say_garbage(&self);
    g_assert_cmpint(poll(&wait, 1, 0), ==, 0);
    close(self.fd);
    pair_stop(&self.pair);
}

/* A peer whose key is of low order, or our own, is never called and never answered. */
static void test_impossible_peers(void)
{
    struct pollfd wait = { .events = POLLIN };
    MeshEndpoint  here;
    Silence       self;

    silence_start(&self);
    wait.fd = self.fd;
    {
        struct sockaddr_storage name;
        socklen_t               len = sizeof name;

        g_assert_cmpint(getsockname(self.fd, (struct sockaddr *)&name, &len), ==, 0);
        g_assert_cmpint(mesh_endpoint_from_sockaddr((struct sockaddr *)&name, len, false, &here),
                        ==, 0);
    }
    for (size_t i = 0; i <= G_N_ELEMENTS(low_order); i++) {
        WirePeerSpec spec = { .keepalive_s = 1 };
        WireRoute    route = { .endpoint = here };
        bool         own = i == G_N_ELEMENTS(low_order);

        if (own)
            spec.public_key = self.pair.b.public_key;
        else
            memcpy(spec.public_key.bytes, low_order[i], 32);
        if (mesh_key_is_zero(&spec.public_key))
            continue; /* refused as configuration already */
        g_assert_cmpint(wire_config_put_peer(self.pair.b.config, &spec), ==, 0);
        pair_apply(&self.pair.b);
        g_assert_cmpint(wire_plane_set_route(self.pair.b.plane, &spec.public_key, &route, true), ==,
                        0);
    }
    pair_advance(&self.pair, 6000);
    pair_advance(&self.pair, 6000);
    g_assert_cmpint(wire_plane_set_route(self.pair.b.plane, &self.pair.a.public_key,
                                         &(WireRoute){ .endpoint = here }, true),
                    ==, 0);
    g_assert_cmpint(poll(&wait, 1, 20000), ==, 1); /* a real peer is called, after all of them */
    {
        uint8_t bytes[200];

        g_assert_cmpint(recv(self.fd, bytes, sizeof bytes, 0), ==, 148);
        g_assert_cmpint(recv(self.fd, bytes, sizeof bytes, MSG_DONTWAIT), ==, -1);
    }
    for (size_t i = 1; i < G_N_ELEMENTS(low_order); i++) {
        WirePeerInfo info;
        MeshKey      key;

        memcpy(key.bytes, low_order[i], 32);
        g_assert_cmpint(wire_plane_get_peer(self.pair.b.plane, &key, &info), ==, 0);
        g_assert_cmpuint(info.tx_bytes, ==, 0);
    }
    close(self.fd);
    pair_stop(&self.pair);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    pair_use_clock();
    for (size_t i = 0; i < G_N_ELEMENTS(constants); i++) {
        g_autofree char *path = g_strdup_printf("/limits/constant/%s", constants[i].name);

        g_test_add_data_func(path, &constants[i], test_constant);
    }
    g_test_add_func("/limits/rekey-after-messages", test_rekey_after_messages);
    g_test_add_func("/limits/reject-after-messages", test_reject_after_messages);
    g_test_add_func("/limits/zeroing", test_zeroing);
    g_test_add_func("/limits/silence", test_silence);
    g_test_add_func("/limits/impossible-peers", test_impossible_peers);
    return g_test_run();
}
