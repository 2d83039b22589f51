/* Tests of daemon/path/relays.c and relayhome.c with two relays, which are this test: which of them
 * is home, what happens when it goes, where a peer is found. */
#include "common/codec/relaybind.h"
#include "common/codec/relayframe.h"
#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "common/std/hash.h"
#include "common/std/sign.h"
#include "daemon/path/peerrelays.h"
#include "daemon/path/relayhome.h"
#include "daemon/wire/ways.h"

#include <string.h>

enum { N = 2, MS = 1000, PEER = 9 };

/* A relay, played. */
typedef struct {
    PathRelay     told;
    MeshKey       secret;
    uint32_t      session; /* that it gives */
    MeshRelayKeys keys;
    uint8_t       nonce[MESH_RELAYKEY_NONCE_BYTES];
    bool          dead;
    unsigned      n_bound;
} Played;

typedef struct {
    PathPeerRelays *peers;
    PathRelays     *relays;
    Played          played[N];
    MeshSignSecret  node;
    unsigned        n_changed, n_gone, n_measure;
} Fixture;

/* ---- the data plane: a queue of what was sent, and its links ---- */

typedef struct {
    MeshEndpoint to;
    size_t       len;
    uint8_t      bytes[WIRE_MAX_RAW];
} Sent;

static GQueue   sent = G_QUEUE_INIT; /* of owned Sent */
static uint32_t links[WIRE_MAX_LINKS + 1];

int wire_ways_send(WirePlane *self, const WireWay *way, uint8_t ttl, MeshSpan bytes)
{
    Sent *one = g_new0(Sent, 1);

    (void)self, (void)ttl;
    g_assert_cmpuint(bytes.len, <=, sizeof one->bytes);
    one->to = way->endpoint;
    one->len = bytes.len;
    memcpy(one->bytes, bytes.data, bytes.len);
    g_queue_push_tail(&sent, one);
    return 0;
}

int wire_ways_put_link(WirePlane *self, uint8_t link, const WireLink *what)
{
    (void)self;
    links[link] = what->session;
    return 0;
}

int wire_ways_adopt_stream(WirePlane *self, uint8_t link, struct ssl_st *ssl, bool websocket)
{
    (void)self, (void)link, (void)ssl, (void)websocket;
    g_assert_not_reached();
}

void wire_ways_remove_link(WirePlane *self, uint8_t link)
{
    (void)self;
    links[link] = 0;
}

/* ---- the relays ---- */

static void bring(Fixture *f, const Played *from, const uint8_t *bytes, size_t len)
{
    WireEvent event = { .kind = WIRE_EVENT_RAW, .endpoint = from->told.at4 };

    event.way.endpoint = from->told.at4;
    event.n_data = (uint16_t)len;
    memcpy(event.data, bytes, len);
    g_assert_true(path_relays_handle(f->relays, &event));
}

static void say(Fixture *f, Played *from, MeshRelayFrame frame)
{
    uint8_t bytes[64];
    size_t  len;

    frame.session = from->session;
    g_assert_cmpint(mesh_relayframe_encode(&frame, &from->keys.down, bytes, sizeof bytes, &len), ==,
                    0);
    bring(f, from, bytes, len);
}

/* Who is asked: of two at one address the one without a session. */
static Played *find_asked(Fixture *f, const MeshEndpoint *at)
{
    Played *found = NULL;

    for (size_t i = 0; i < N; i++)
        if (mesh_endpoint_equal(&f->played[i].told.at4, at) &&
            (found == NULL || f->played[i].n_bound < found->n_bound))
            found = &f->played[i];
    g_assert_nonnull(found);
    return found;
}

static void answer_hello(Fixture *f, const Sent *one, const MeshRelayGreeting *greeting)
{
    Played *relay = find_asked(f, &one->to);
    uint8_t cookie[MESH_RELAYBIND_COOKIE_BYTES];

    if (relay->dead)
        return;
    memcpy(relay->nonce, greeting->nonce, sizeof relay->nonce);
    mesh_relaybind_encode_cookie(greeting, cookie);
    bring(f, relay, cookie, sizeof cookie);
}

static void answer_bind(Fixture *f, const MeshRelayBind *bind)
{
    for (size_t i = 0; i < N; i++) {
        Played          *relay = &f->played[i];
        MeshRelayPublics publics = { .relay = relay->told.key, .ephemeral = bind->ephemeral };
        MeshRelayBound   bound = { .session = relay->session, .life_s = 3600 };
        uint8_t          bytes[MESH_RELAYBIND_BOUND_BYTES];

        if (memcmp(relay->nonce, bind->greeting.nonce, sizeof relay->nonce) != 0)
            continue;
        g_assert_cmpint(mesh_relaykey_derive(&relay->secret, true, &publics, &relay->keys), ==, 0);
        memcpy(bound.nonce, relay->nonce, sizeof bound.nonce);
        g_assert_cmpint(mesh_endpoint_parse("192.0.2.77:1000", &bound.seen), ==, 0);
        mesh_relaybind_encode_bound(&bound, &relay->keys.down, bytes);
        relay->n_bound++;
        bring(f, relay, bytes, sizeof bytes);
        return;
    }
}

static void answer_frame(Fixture *f, MeshSpan bytes)
{
    for (size_t i = 0; i < N; i++) {
        Played        *relay = &f->played[i];
        MeshRelayFrame frame;

        if (relay->dead ||
            mesh_relayframe_decode(MESH_RELAY_UP, &relay->keys.up, bytes, &frame) < 0 ||
            frame.session != relay->session)
            continue;
        if (frame.kind == MESH_RELAY_PING) {
            frame.kind = MESH_RELAY_PONG;
            g_assert_cmpint(mesh_endpoint_parse("192.0.2.77:1000", &frame.seen), ==, 0);
            say(f, relay, frame);
        }
    }
}

/* Answers all that was sent. */
static void serve(Fixture *f)
{
    Sent *one;

    while ((one = g_queue_pop_head(&sent)) != NULL) {
        MeshSpan          bytes = { one->bytes, one->len };
        MeshRelayGreeting greeting;
        MeshRelayBind     bind;

        if (mesh_relaybind_decode_hello(bytes, &greeting) == 0)
            answer_hello(f, one, &greeting);
        else if (mesh_relaybind_decode_bind(bytes, &bind) == 0)
            answer_bind(f, &bind);
        else
            answer_frame(f, bytes);
        g_free(one);
    }
}

static uint16_t get_home(Fixture *f)
{
    MeshEndpoint seen;
    uint16_t     id = 0;

    return path_relayhome_get_home(f->relays, &id, &seen) ? id : 0;
}

/* Time passes: what has to be decided is, by timers. The test's own limit ends a hang. */
static void wait_home(Fixture *f, uint16_t id)
{
    while (get_home(f) != id) {
        serve(f);
        if (get_home(f) != id)
            g_main_context_iteration(NULL, true);
    }
}

static void assert_homes(Fixture *f, uint16_t first, uint16_t second)
{
    uint16_t ids[PATH_MAX_HOMES] = { 0 };

    g_assert_cmpuint(path_relayhome_list_homes(f->relays, ids), ==, (first != 0) + (second != 0));
    g_assert_cmpuint(ids[0], ==, first);
    g_assert_cmpuint(ids[1], ==, second);
}

static void set_map(Fixture *f, size_t n)
{
    PathRelay told[N];

    for (size_t i = 0; i < N; i++)
        told[i] = f->played[i].told;
    path_relays_set(f->relays, &(PathRelayMap){ .relays = told,
                                                .n_relays = n,
                                                .token = MESH_SPAN("token", 5),
                                                .secret = &f->node });
}

/* Both were measured: relay 1 is @first_ms away, relay 2 @second_ms. */
static void measure(Fixture *f, int64_t first_ms, int64_t second_ms)
{
    path_relayhome_met(f->relays, 1, first_ms * MS);
    path_relayhome_met(f->relays, 2, second_ms * MS);
    path_relayhome_measured(f->relays);
    serve(f);
}

/* ---- the fixture ---- */

static void on_changed(uint16_t relay, void *user_data)
{
    (void)relay;
    ((Fixture *)user_data)->n_changed++;
}

static void on_found(uint16_t relay, uint32_t index, const MeshEndpoint *at, void *user_data)
{
    (void)relay, (void)index, (void)at, (void)user_data;
}

static void on_gone(uint32_t index, void *user_data)
{
    g_assert_cmpuint(index, ==, PEER);
    ((Fixture *)user_data)->n_gone++;
}

static bool is_used(uint8_t link, void *user_data)
{
    (void)link, (void)user_data;
    return false;
}

static void on_measure(void *user_data)
{
    ((Fixture *)user_data)->n_measure++;
}

static unsigned get_silence_ms(void *user_data)
{
    (void)user_data;
    return 25000;
}

static void on_peers(void *user_data)
{
    (void)user_data;
}

static void set_up(Fixture *f, gconstpointer data)
{
    static const PathRelaysEvents events = { .changed = on_changed,
                                             .found = on_found,
                                             .gone = on_gone,
                                             .is_used = is_used,
                                             .measure = on_measure,
                                             .get_silence_ms = get_silence_ms };
    uint8_t                       seed[MESH_SIGN_SEED_BYTES] = { 1 };
    MeshKey                       public_key;

    (void)data;
    memset(links, 0, sizeof links);
    mesh_sign_make_pair(seed, &f->node, &public_key);
    for (size_t i = 0; i < N; i++) {
        Played *relay = &f->played[i];

        mesh_key_make_private(&relay->secret);
        relay->session = 7; /* numbers of different relays may be the same */
        relay->told = (PathRelay){ .id = (uint16_t)(i + 1), .usable = true };
        g_snprintf(relay->told.name, sizeof relay->told.name, "r%zu", i + 1);
        mesh_key_make_public(&relay->secret, &relay->told.key);
        g_assert_cmpint(mesh_endpoint_parse(i == 0 ? "192.0.2.1:3478" : "192.0.2.2:3478",
                                            &relay->told.at4),
                        ==, 0);
    }
    f->peers = path_peerrelays_new(NULL, &(PathPeerRelaysEvents){ .changed = on_peers });
    f->relays = path_relays_new(NULL, f->peers, &events, f);
    path_relays_set_reach(f->relays, &(PathReach){ .has4 = true });
}

static void tear_down(Fixture *f, gconstpointer data)
{
    (void)data;
    path_relays_free(f->relays);
    path_peerrelays_free(f->peers);
    g_queue_clear_full(&sent, g_free);
}

/* ---- */

/* With one there is nothing to wait for, with two the first to answer. */
static void test_first(Fixture *f, gconstpointer data)
{
    (void)data;
    set_map(f, 1);
    serve(f);
    assert_homes(f, 1, 0);
    path_relays_set(f->relays, &(PathRelayMap){ .n_relays = 0 });
    g_assert_cmpuint(get_home(f), ==, 0);
    serve(f);
    set_map(f, 2);
    g_assert_true(g_queue_is_empty(&sent));
    g_assert_true(path_relayhome_is_hopeful(f->relays));
    path_relayhome_met(f->relays, 2, 20 * MS);
    serve(f);
    assert_homes(f, 2, 1);
    g_assert_cmpuint(f->played[0].n_bound, ==, 1); /* no session there but the one before */
}

/* Nobody answers STUN, as where it is blocked: still there is a home. */
static void test_unmeasured(Fixture *f, gconstpointer data)
{
    (void)data;
    set_map(f, 2);
    wait_home(f, 1);
    assert_homes(f, 1, 2);
}

/* Clearly nearer, twice. */
static void test_nearer(Fixture *f, gconstpointer data)
{
    (void)data;
    set_map(f, 2);
    measure(f, 80, 120);
    assert_homes(f, 1, 2);
    measure(f, 80, 75);
    measure(f, 80, 75);
    assert_homes(f, 1, 2);
    measure(f, 80, 20);
    assert_homes(f, 1, 2);
    g_assert_cmpuint(f->n_measure, ==, 1); /* to be sure */
    measure(f, 80, 120);                   /* it was chance */
    measure(f, 80, 20);
    assert_homes(f, 1, 2);
    measure(f, 80, 20);
    assert_homes(f, 2, 1);
}

/* Silence of the home: the other one takes its place, and keeps it. */
static void test_silent(Fixture *f, gconstpointer data)
{
    (void)data;
    set_map(f, 2);
    measure(f, 10, 80);
    assert_homes(f, 1, 2);
    f->played[0].dead = true;
    path_relays_doubt(f->relays, NULL);
    wait_home(f, 2);
    assert_homes(f, 2, 1);
    f->played[0].dead = false;
    measure(f, 10, 80);
    measure(f, 10, 80);
    assert_homes(f, 2, 1); /* it was lost just now */
}

static void test_restart(Fixture *f, gconstpointer data)
{
    (void)data;
    set_map(f, 2);
    measure(f, 10, 80);
    say(f, &f->played[0], (MeshRelayFrame){ .kind = MESH_RELAY_RESTART, .arg = 60000 });
    assert_homes(f, 2, 1); /* where it will be in a moment */
    serve(f);
    g_assert_cmpuint(get_home(f), ==, 2);
}

static void test_states(Fixture *f, gconstpointer data)
{
    (void)data;
    set_map(f, 2);
    measure(f, 10, 80);
    f->played[0].told.usable = false; /* to be avoided */
    set_map(f, 2);
    serve(f);
    assert_homes(f, 2, 1);
    f->played[1].told.usable = false;
    f->played[1].told.draining = true;
    set_map(f, 2);
    serve(f);
    assert_homes(f, 1, 0); /* whom it leaves is no second */
    set_map(f, 1);
    assert_homes(f, 1, 0);
}

/* Two at one address, with sessions of one number: each frame goes to its own. */
static void test_one_address(Fixture *f, gconstpointer data)
{
    PathPeer peer = { .index = PEER, .n_relays = 1, .relays = { 2 } };
    WireWay  way;

    (void)data;
    f->played[1].told.at4 = f->played[0].told.at4;
    set_map(f, 2);
    measure(f, 10, 80);
    g_assert_cmpuint(get_home(f), ==, 1);
    g_assert_false(path_relays_get_way(f->relays, &peer, true, &way));
    serve(f);
    g_assert_true(path_relays_get_way(f->relays, &peer, true, &way));
    g_assert_cmpuint(f->played[0].n_bound + f->played[1].n_bound, ==, 2);
    say(f, &f->played[1], (MeshRelayFrame){ .kind = MESH_RELAY_RESTART, .arg = 60000 });
    g_assert_false(path_relays_get_way(f->relays, &peer, false, &way));
    g_assert_cmpuint(get_home(f), ==, 1);
}

/* A peer that is not where it was looked for is tried at its next relay. */
static void test_gone(Fixture *f, gconstpointer data)
{
    PathPeer peer = { .index = PEER, .n_relays = 2, .relays = { 1, 2 } };
    WireWay  at[2], way;

    (void)data;
    set_map(f, 2);
    measure(f, 10, 80);
    g_assert_true(path_relays_get_way(f->relays, &peer, true, &at[0]));
    say(f, &f->played[0], (MeshRelayFrame){ .kind = MESH_RELAY_GONE, .arg = PEER });
    say(f, &f->played[0], (MeshRelayFrame){ .kind = MESH_RELAY_GONE, .arg = PEER });
    g_assert_cmpuint(f->n_gone, ==, 1); /* a relay that says it often is heard once */
    g_assert_true(path_relays_get_way(f->relays, &peer, true, &way));
    g_assert_true(wire_way_equal(&way, &at[0])); /* better than nothing, until */
    serve(f);
    g_assert_true(path_relays_get_way(f->relays, &peer, true, &at[1]));
    g_assert_cmpuint(at[1].link, !=, at[0].link);
    g_assert_cmpuint(get_home(f), ==, 1);
}

static const struct {
    const char *name;
    void (*run)(Fixture *f, gconstpointer data);
} tests[] = {
    { "/relayhome/first", test_first },     { "/relayhome/unmeasured", test_unmeasured },
    { "/relayhome/nearer", test_nearer },   { "/relayhome/silent", test_silent },
    { "/relayhome/restart", test_restart }, { "/relayhome/states", test_states },
    { "/relayhome/gone", test_gone },       { "/relayhome/one-address", test_one_address },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_true(mesh_key_init() == 0 && mesh_hash_init() == 0);
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].name, Fixture, NULL, set_up, tests[i].run, tear_down);
    return g_test_run();
}
