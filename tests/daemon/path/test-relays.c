/* Tests of daemon/path/relays.c and of what relays bring: a path whose only relay, and the peer
 * there, are this test. */
#include "common/codec/probe.h"
#include "common/codec/relaybind.h"
#include "common/codec/relayframe.h"
#include "common/codec/stun.h"
#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "common/std/hash.h"
#include "common/std/sign.h"
#include "daemon/path/path.h"
#include "daemon/wire/ways.h"

#include <string.h>

enum { SESSION = 7, INDEX = 5 };

/* ---- the data plane: keeps what was sent ---- */

static struct {
    int       n_hello, n_direct; /* n_direct: probes not by relay */
    int       n_ping;            /* to the relay */
    int       n_initiated;       /* routes by which a handshake was begun */
    bool      has_session;       /* with every peer */
    WireRoute route;
    uint8_t   bytes[WIRE_MAX_RAW];
    size_t    len;
    WireWay   way; /* of those bytes */
    uint8_t   frame[WIRE_MAX_RAW];
    size_t    n_frame;                   /* the last that was no probe */
    uint8_t   link;                      /* bound */
    uint8_t   stun[MESH_STUN_MAX_BYTES]; /* the last question */
    size_t    n_stun;
    uint8_t   told[WIRE_MAX_RAW]; /* the last probe by relay */
    size_t    n_told;
} plane;

int wire_plane_set_route(WirePlane *self, const MeshKey *peer, const WireRoute *route,
                         bool initiate)
{
    (void)self, (void)peer;
    plane.n_initiated += initiate;
    plane.route = *route;
    return 0;
}

int wire_plane_get_peer(WirePlane *self, const MeshKey *peer, WirePeerInfo *out_info)
{
    (void)self;
    *out_info = (WirePeerInfo){ .public_key = *peer, .has_session = plane.has_session };
    return 0;
}

int wire_plane_ping(WirePlane *self, const MeshAddr *source, const MeshAddr *destination,
                    uint16_t id, uint16_t sequence)
{
    (void)self, (void)source, (void)destination, (void)id, (void)sequence;
    return 0;
}

void wire_plane_get_info(WirePlane *self, WirePlaneInfo *out_info)
{
    (void)self;
    *out_info = (WirePlaneInfo){ .listen_port = 51820 };
}

int wire_ways_send(WirePlane *self, const WireWay *way, uint8_t ttl, MeshSpan bytes)
{
    const uint8_t *data = bytes.data;

    (void)self, (void)ttl;
    if (mesh_stun_is(bytes)) { /* netcheck.c, which has tests of its own, or natlook.c */
        g_assert_cmpuint(bytes.len, <=, sizeof plane.stun);
        memcpy(plane.stun, data, plane.n_stun = bytes.len);
        return 0;
    }
    if (data[0] == MESH_PROBE_FIRST_BYTE) {
        plane.n_direct += way->link == 0;
        if (way->link != 0)
            memcpy(plane.told, data, plane.n_told = bytes.len);
        memcpy(plane.bytes, data, bytes.len);
        plane.len = bytes.len;
        plane.way = *way;
        return 0;
    }
    plane.n_hello += data[0] == MESH_RELAYBIND_KIND_HELLO;
    plane.n_ping += data[0] == MESH_RELAY_PING;
    memcpy(plane.frame, data, bytes.len);
    plane.n_frame = bytes.len;
    return 0;
}

int wire_ways_send_train(WirePlane *self, const WireWay *way, const WireTrain *train)
{
    (void)self, (void)way, (void)train;
    return -EINVAL;
}

void wire_ways_watch_bursts(WirePlane *self, const MeshKey *peer)
{
    (void)self, (void)peer;
}

int wire_ways_probe(WirePlane *self, const WireWay *way, MeshSpan bytes, size_t len)
{
    g_assert_cmpuint(bytes.len, <=, len);
    return wire_ways_send(self, way, 0, bytes);
}

int wire_ways_put_link(WirePlane *self, uint8_t link, const WireLink *what)
{
    (void)self;
    g_assert_cmpuint(what->session, ==, SESSION);
    plane.link = link;
    return 0;
}

int wire_ways_adopt_stream(WirePlane *self, uint8_t link, struct ssl_st *ssl, bool websocket)
{
    (void)self;
    (void)link;
    (void)ssl;
    (void)websocket;
    g_assert_not_reached(); /* the relays of these tests have no TLS port */
}

bool wire_ways_is_open(WirePlane *self, uint8_t link)
{
    (void)self, (void)link;
    g_assert_not_reached(); /* there are no streams */
}

int wire_ways_adopt_direct(WirePlane *self, uint8_t link, struct ssl_st *ssl, uint32_t index)
{
    (void)self, (void)link, (void)ssl, (void)index;
    g_assert_not_reached();
}

int wire_ways_adopt_socket(WirePlane *self, int fd)
{
    (void)self, (void)fd;
    g_assert_not_reached();
}

void wire_ways_drop_socket(WirePlane *self, uint8_t socket)
{
    (void)self, (void)socket;
    g_assert_not_reached();
}

void wire_ways_remove_link(WirePlane *self, uint8_t link)
{
    (void)self;
    if (plane.link == link)
        plane.link = 0;
}

/* ---- a clock that stands ---- */

static int64_t now_ms;

static int64_t get_boot_ns(void *user_data)
{
    (void)user_data;
    return now_ms * 1000000;
}

static const MeshClockSource clock_source = { .boot_ns = get_boot_ns, .wall_ns = get_boot_ns };

/* ---- the relay ---- */

typedef struct {
    Path          *path;
    unsigned       n_changed, n_self_changed;
    MeshKey        rk_secret;
    MeshSignSecret node;
    PathRelay      relay;
    MeshRelayKeys  keys;
    MeshAddr       own;
    PathPeer       peer;
    MeshKey        peer_secret;
    MeshProbeKeys  probes; /* the peer's */
} Fixture;

static void on_changed(const MeshKey *peer, void *user_data)
{
    (void)peer;
    ((Fixture *)user_data)->n_changed++;
}

static void on_self_changed(void *user_data)
{
    ((Fixture *)user_data)->n_self_changed++;
}

/* Bytes by @way; WIRE_WHOLE_FRAME: the relay's own. */
static void bring(Fixture *f, const WireWay *way, const uint8_t *bytes, size_t len)
{
    WireEvent event = { .kind = WIRE_EVENT_RAW, .way = *way, .endpoint = way->endpoint };

    g_assert_cmpuint(len, <=, sizeof event.data);
    event.n_data = (uint16_t)len;
    memcpy(event.data, bytes, len);
    path_handle_event(f->path, &event);
}

static void bring_frame(Fixture *f, const uint8_t *bytes, size_t len)
{
    WireWay way = { .endpoint = f->relay.at4 };

    if (plane.link != 0)
        way = (WireWay){ .link = plane.link, .index = WIRE_WHOLE_FRAME };
    bring(f, &way, bytes, len);
}

static void set_relays(Fixture *f, size_t n)
{
    path_set_relays(f->path, &(PathRelayMap){ .relays = &f->relay,
                                              .n_relays = n,
                                              .token = MESH_SPAN("token", 5),
                                              .secret = &f->node });
}

/* Plays HELLO, COOKIE, BIND, BOUND. */
static void bind_path(Fixture *f)
{
    MeshRelayGreeting greeting;
    MeshRelayBind     bind;
    MeshRelayPublics  publics = { .relay = f->relay.key };
    MeshRelayBound    bound = { .session = SESSION, .life_s = 3600 };
    uint8_t           cookie[MESH_RELAYBIND_COOKIE_BYTES], bytes[MESH_RELAYBIND_BOUND_BYTES];

    set_relays(f, 1);
    g_assert_cmpint(mesh_relaybind_decode_hello((MeshSpan){ plane.frame, plane.n_frame },
                                                &greeting),
                    ==, 0);
    mesh_relaybind_encode_cookie(&greeting, cookie);
    bring_frame(f, cookie, sizeof cookie);
    g_assert_cmpint(mesh_relaybind_decode_bind((MeshSpan){ plane.frame, plane.n_frame }, &bind), ==,
                    0);
    publics.ephemeral = bind.ephemeral;
    g_assert_cmpint(mesh_relaykey_derive(&f->rk_secret, true, &publics, &f->keys), ==, 0);
    memcpy(bound.nonce, bind.greeting.nonce, sizeof bound.nonce);
    g_assert_cmpint(mesh_endpoint_parse("192.0.2.77:1000", &bound.seen), ==, 0);
    mesh_relaybind_encode_bound(&bound, &f->keys.down, bytes);
    bring_frame(f, bytes, sizeof bytes);
    g_assert_cmpuint(plane.link, !=, 0);
}

static void set_host(Fixture *f, const char *addr)
{
    PathHost host = { .addrs = &f->own, .n_addrs = 1, .presence_known = true };

    g_assert_cmpint(mesh_ip_parse_addr(addr, &f->own), ==, 0);
    path_set_host(f->path, &host);
}

static void set_up(Fixture *f, gconstpointer data)
{
    uint8_t seed[MESH_SIGN_SEED_BYTES] = { 1 };
    MeshKey public_key;

    (void)data;
    memset(&plane, 0, sizeof plane);
    now_ms = 1000000;
    mesh_clock_set_source(&clock_source);
    mesh_sign_make_pair(seed, &f->node, &public_key);
    mesh_key_make_private(&f->rk_secret);
    f->relay = (PathRelay){ .id = 1, .name = "near", .usable = true };
    mesh_key_make_public(&f->rk_secret, &f->relay.key);
    g_assert_cmpint(mesh_endpoint_parse("192.0.2.1:3478", &f->relay.at4), ==, 0);
    f->path =
        path_start(&(PathOptions){ .events = { on_changed, on_self_changed }, .user_data = f });
    set_host(f, "10.0.0.2");
    f->peer = (PathPeer){ .online = true, .has_probe_key = true, .index = INDEX, .n_relays = 1 };
    f->peer.relays[0] = 1;
    f->peer.wg.bytes[0] = 1;
    mesh_key_make_private(&f->peer_secret);
    mesh_key_make_public(&f->peer_secret, &f->peer.probe_key);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    (void)data;
    path_stop(f->path);
    mesh_clock_set_source(NULL);
}

/* ---- */

static void bring_reset(Fixture *f, const WireWay *way, uint8_t session)
{
    const uint8_t head[8] = { MESH_RELAY_PING, 0, 0, session };
    uint8_t       bytes[MESH_RELAYBIND_RESET_BYTES];

    mesh_relaybind_encode_reset(head, bytes);
    bring(f, way, bytes, sizeof bytes);
}

/* RESET has no MAC: whoever says it has to know our session, and be the relay, not a node there. */
static void test_reset(Fixture *f, gconstpointer data)
{
    WireWay relay = { .index = WIRE_WHOLE_FRAME }, node = { .index = INDEX };

    (void)data;
    bind_path(f);
    now_ms += 5000;
    relay.link = node.link = plane.link;
    g_assert_cmpint(plane.n_hello, ==, 1);
    bring_reset(f, &node, SESSION);
    bring_reset(f, &relay, SESSION + 1);
    g_assert_cmpint(plane.n_hello, ==, 1);
    bring_reset(f, &relay, SESSION);
    g_assert_cmpint(plane.n_hello, ==, 2);
}

static void bring_pong(Fixture *f, uint32_t sequence, const char *seen)
{
    MeshRelayFrame frame = { .kind = MESH_RELAY_PONG, .session = SESSION, .arg = sequence };
    uint8_t        bytes[64];
    size_t         len;

    g_assert_cmpint(mesh_endpoint_parse(seen, &frame.seen), ==, 0);
    g_assert_cmpint(mesh_relayframe_encode(&frame, &f->keys.down, bytes, sizeof bytes, &len), ==,
                    0);
    bring_frame(f, bytes, len);
}

/* What a relay tells of us goes to everybody: one answer to one question. */
static void test_pong(Fixture *f, gconstpointer data)
{
    PathSelf self;
    unsigned before;

    (void)data;
    bind_path(f);
    before = f->n_self_changed;
    bring_pong(f, 0, "192.0.2.78:1");
    g_assert_cmpuint(f->n_self_changed, ==, before); /* nobody asked */
    set_host(f, "10.0.0.3");                         /* asks */
    before = f->n_self_changed;
    bring_pong(f, 1, "192.0.2.78:1");
    g_assert_cmpuint(f->n_self_changed, ==, before + 1);
    bring_pong(f, 1, "192.0.2.78:2");
    g_assert_cmpuint(f->n_self_changed, ==, before + 1);
    path_get_self(f->path, &self);
    g_assert_cmpuint(self.seen.port, ==, 1);
}

/* A relay that is no more on the list: nobody is sent to its link any longer. */
static void test_removed(Fixture *f, gconstpointer data)
{
    unsigned before;

    (void)data;
    bind_path(f);
    path_apply(f->path, &f->peer, 1);
    g_assert_true(path_connect(f->path, &f->peer.wg));
    g_assert_cmpuint(plane.route.way.link, ==, plane.link);
    before = f->n_self_changed;
    set_relays(f, 0);
    g_assert_cmpuint(plane.link, ==, 0);
    g_assert_cmpuint(plane.route.way.link, ==, 0);
    g_assert_cmpuint(f->n_self_changed, ==, before + 1);
}

/* A refused token is not the end: the next is tried when it comes. */
static void test_new_token(Fixture *f, gconstpointer data)
{
    MeshRelayFrame frame = { .kind = MESH_RELAY_RESTART, .session = SESSION, .arg = 60000 };
    uint8_t        bytes[64];
    size_t         len;

    (void)data;
    bind_path(f);
    g_assert_cmpint(mesh_relayframe_encode(&frame, &f->keys.down, bytes, sizeof bytes, &len), ==,
                    0);
    bring_frame(f, bytes, len); /* it waits now, as it does after a refusal */
    g_assert_cmpuint(plane.link, ==, 0);
    g_assert_cmpint(plane.n_hello, ==, 1);
    set_relays(f, 1);
    g_assert_cmpint(plane.n_hello, ==, 2);
}

/* ---- a peer there ---- */

static void bring_probe(Fixture *f, const MeshProbe *probe, const WireWay *way)
{
    uint8_t bytes[MESH_PROBE_MAX_BYTES];
    size_t  len;

    g_assert_cmpint(mesh_probe_seal(&f->probes, probe, bytes, sizeof bytes, &len), ==, 0);
    bring(f, way, bytes, len);
}

/* Ready to bring what the peer seals. */
static void meet_peer(Fixture *f)
{
    PathSelf self;

    bind_path(f);
    path_get_self(f->path, &self);
    path_apply(f->path, &f->peer, 1);
    g_assert_cmpint(mesh_probekey_derive(&f->peer_secret, &f->peer.probe_key, &self.probe_key,
                                         (const uint8_t[8]){ 0 }, &f->probes),
                    ==, 0);
}

static void call(Fixture *f, uint64_t txid)
{
    MeshProbe probe = { .type = MESH_PROBE_CALL, .id = (uint16_t)txid, .txid = txid };
    WireWay   way = { .link = plane.link, .index = INDEX };

    probe.n_candidates = MESH_PROBE_MAX_CANDIDATES;
    for (uint16_t i = 0; i < MESH_PROBE_MAX_CANDIDATES; i++) {
        g_assert_cmpint(mesh_endpoint_parse("10.0.0.9:1", &probe.candidates[i].endpoint), ==, 0);
        probe.candidates[i].endpoint.port = (uint16_t)(txid * 100 + i);
    }
    bring_probe(f, &probe, &way);
}

/* Each call may name new addresses of our LAN: no peer has us ping them at its own pace. */
static void test_calls(Fixture *f, gconstpointer data)
{
    MeshProbe probe;
    WireWay   relayed = { .index = INDEX };
    unsigned  before;
    int       n_direct;

    (void)data;
    meet_peer(f);
    relayed.link = plane.link;
    call(f, 1);
    g_assert_cmpint(plane.n_direct, >, 0);
    plane.n_direct = 0;
    call(f, 2); /* while the attempt goes on */
    g_assert_cmpint(plane.n_direct, ==, 0);
    /* A way is found, so that the attempt ends at once: */
    before = f->n_changed;
    bring_probe(f, &(MeshProbe){ .type = MESH_PROBE_PING, .length = MESH_PROBE_PING_BYTES },
                &(WireWay){ .endpoint = { .addr = f->own, .port = 9 } });
    g_assert_cmpint(mesh_probe_open(&f->probes, plane.bytes, plane.len, &probe), ==, 0);
    g_assert_cmpint(probe.type, ==, MESH_PROBE_PING); /* pinged back */
    probe.type = MESH_PROBE_PONG;
    bring_probe(f, &probe, &plane.way);
    bring_probe(f, &(MeshProbe){ .type = MESH_PROBE_SYNC, .id = 1, .txid = 1 }, &relayed);
    while (f->n_changed < before + 2) /* direct; the attempt is over */
        g_main_context_iteration(NULL, true);
    n_direct = plane.n_direct;
    call(f, 3);
    g_assert_cmpint(plane.n_direct, ==, n_direct);
    now_ms += 1000;
    call(f, 4);
    g_assert_cmpint(plane.n_direct, >, n_direct);
}

static void say_silent(Fixture *f)
{
    WireEvent event = { .kind = WIRE_EVENT_SILENT, .peer = f->peer.wg };

    path_handle_event(f->path, &event);
}

/* Data by relay goes unanswered: three pings, then the link is gone; nobody waits for a keepalive.
 */
static void test_silent(Fixture *f, gconstpointer data)
{
    (void)data;
    meet_peer(f);
    g_assert_true(path_connect(f->path, &f->peer.wg));
    g_assert_cmpint(plane.n_ping, ==, 0);
    say_silent(f);
    while (plane.link != 0)
        g_main_context_iteration(NULL, true);
    g_assert_cmpint(plane.n_ping, ==, 3);
}

/* A flow that is slow to answer, again and again: the relay is not asked each time. */
static void test_silent_often(Fixture *f, gconstpointer data)
{
    (void)data;
    meet_peer(f);
    g_assert_true(path_connect(f->path, &f->peer.wg));
    for (uint32_t i = 1; i <= 20; i++) {
        say_silent(f);
        bring_pong(f, i, "192.0.2.77:1000"); /* of a ping that was not sent: not heard */
    }
    g_assert_cmpint(plane.n_ping, ==, 3);
    now_ms += 1000;
    say_silent(f); /* is due already */
    g_assert_cmpuint(plane.link, !=, 0);
    g_assert_cmpint(plane.n_ping, <=, 4);
}

static int bring_stray(Fixture *f, const WireWay *way)
{
    WireEvent event = { .kind = WIRE_EVENT_STRAY, .way = *way, .endpoint = way->endpoint };
    int       before = plane.n_initiated;

    path_handle_event(f->path, &event);
    return plane.n_initiated - before;
}

/* Data of a session from before we started: who sent it is called at once, and no stranger, nor who
 * has a session, nor is one called twice. */
static void test_stray(Fixture *f, gconstpointer data)
{
    MeshRecordEndpoint told = { .kind = MESH_RECORD_LOCAL };
    WireWay            relayed = { .index = INDEX }, direct = { .link = 0 };

    (void)data;
    g_assert_cmpint(mesh_endpoint_parse("10.0.0.9:7", &told.endpoint), ==, 0);
    f->peer.endpoints = &told;
    f->peer.n_endpoints = 1;
    meet_peer(f);
    relayed.link = plane.link;
    relayed.index++;
    g_assert_cmpint(bring_stray(f, &relayed), ==, 0);
    direct.endpoint = told.endpoint;
    direct.endpoint.port++;
    g_assert_cmpint(bring_stray(f, &direct), ==, 0);
    relayed.index = INDEX;
    plane.has_session = true;
    g_assert_cmpint(bring_stray(f, &relayed), ==, 0);
    plane.has_session = false;
    g_assert_cmpint(bring_stray(f, &relayed), >, 0);
    g_assert_cmpuint(plane.route.way.link, ==, plane.link);
    g_assert_cmpint(bring_stray(f, &relayed), ==, 0);
}

/* By its address, if its record names that; not all the time. */
static void test_stray_direct(Fixture *f, gconstpointer data)
{
    MeshRecordEndpoint told = { .kind = MESH_RECORD_LOCAL };
    WireWay            direct = { .link = 0 };

    (void)data;
    g_assert_cmpint(mesh_endpoint_parse("10.0.0.9:7", &told.endpoint), ==, 0);
    f->peer.endpoints = &told;
    f->peer.n_endpoints = 1;
    meet_peer(f);
    direct.endpoint = told.endpoint;
    for (uint16_t i = 1; i <= 8; i++) {
        direct.endpoint.port = (uint16_t)(100 + i);
        g_assert_cmpint(bring_stray(f, &direct), ==, 0);
    }
    direct.endpoint = told.endpoint;
    g_assert_cmpint(bring_stray(f, &direct), ==, 0); /* strangers used up what there is */
    now_ms += 1000;
    g_assert_cmpint(bring_stray(f, &direct), >, 0);
}

/* However many addresses a peer tells: so many pings an attempt. */
static void test_attempt(Fixture *f, gconstpointer data)
{
    WireWay  relayed = { .index = INDEX };
    unsigned before;

    (void)data;
    meet_peer(f);
    relayed.link = plane.link;
    call(f, 1);
    before = f->n_changed;
    bring_probe(f, &(MeshProbe){ .type = MESH_PROBE_SYNC, .id = 1, .txid = 1 }, &relayed);
    while (f->n_changed == before) { /* until it is given up */
        now_ms += 1000;
        g_main_context_iteration(NULL, true);
    }
    g_assert_cmpint(plane.n_direct, >, MESH_PROBE_MAX_CANDIDATES);
    g_assert_cmpint(plane.n_direct, <=, 60);
}

/* The answer to natlook.c: that STUN sees us where the relay does. */
static void bring_stun(Fixture *f)
{
    MeshStunMessage message;
    uint8_t         bytes[MESH_STUN_MAX_BYTES];
    size_t          len;
    WireWay         way = { .endpoint = f->relay.at4 };

    g_assert_cmpint(mesh_stun_decode((MeshSpan){ plane.stun, plane.n_stun }, &message), ==, 0);
    message.type = MESH_STUN_SUCCESS;
    g_assert_cmpint(mesh_endpoint_parse("192.0.2.77:1000", &message.mapped), ==, 0);
    g_assert_cmpint(mesh_stun_encode_answer(&message, bytes, sizeof bytes, &len), ==, 0);
    bring(f, &way, bytes, len);
}

/* What our calls say of the NAT before us. */
static int read_told_nat(Fixture *f)
{
    MeshProbe probe;

    call(f, 9);
    g_assert_cmpint(mesh_probe_open(&f->probes, plane.told, plane.n_told, &probe), ==, 0);
    g_assert_cmpint(probe.type, ==, MESH_PROBE_CALL_ACK);
    return (int)probe.nat.mapping;
}

/* To a peer elsewhere we come from another port than to the relay: the NAT goes by address, which
 * the relay's two ports cannot tell. */
static void test_observer(Fixture *f, gconstpointer data)
{
    WireWay   direct = { .link = 0 };
    MeshProbe probe;

    (void)data;
    f->relay.alt_port = 3479;
    meet_peer(f);
    bring_stun(f);
    g_assert_cmpint(read_told_nat(f), ==, MESH_PROBE_INDEPENDENT);
    now_ms += 1000;
    g_assert_cmpint(mesh_endpoint_parse("198.51.100.1:7", &direct.endpoint), ==, 0);
    bring_probe(f, &(MeshProbe){ .type = MESH_PROBE_PING, .length = MESH_PROBE_PONG_BYTES },
                &direct);
    g_assert_cmpint(mesh_probe_open(&f->probes, plane.bytes, plane.len, &probe), ==, 0);
    g_assert_cmpint(probe.type, ==, MESH_PROBE_PING); /* back */
    probe.type = MESH_PROBE_PONG;
    g_assert_cmpint(mesh_endpoint_parse("192.0.2.77:2000", &probe.observed), ==, 0);
    bring_probe(f, &probe, &direct);
    g_assert_cmpint(read_told_nat(f), ==, MESH_PROBE_BY_ADDRESS);
}

static int ping_from(Fixture *f, const WireWay *way)
{
    int before = plane.n_direct;

    bring_probe(f, &(MeshProbe){ .type = MESH_PROBE_PING, .length = MESH_PROBE_PING_BYTES }, way);
    return plane.n_direct - before;
}

/* A peer that writes others' addresses as its own: they get no more than an answer of the ping's
 * length each, and ten pings in all. */
static void test_spoofed(Fixture *f, gconstpointer data)
{
    WireWay relayed = { .index = INDEX }, claimed = { .link = 0 };
    int     n = 0;

    (void)data;
    meet_peer(f);
    relayed.link = plane.link;
    (void)ping_from(f, &relayed); /* it is known now */
    for (uint16_t i = 0; i < 100; i++) {
        g_assert_cmpint(mesh_endpoint_parse("198.51.100.1:7", &claimed.endpoint), ==, 0);
        claimed.endpoint.port = (uint16_t)(1000 + i);
        n += ping_from(f, &claimed);
    }
    g_assert_cmpint(n, >, 100);
    g_assert_cmpint(n, <=, 100 + 10);
}

/* A relay that tells of one peer what is not its: nothing is kept of it, and at most 256 times. */
static void test_lying_relay(Fixture *f, gconstpointer data)
{
    WireWay  relayed = { .index = INDEX }, direct = { .link = 0 };
    uint8_t  forged[MESH_PROBE_PING_BYTES] = { MESH_PROBE_FIRST_BYTE, 1 };
    unsigned n = 0;

    (void)data;
    meet_peer(f);
    relayed.link = plane.link;
    g_assert_cmpint(mesh_endpoint_parse("198.51.100.1:7", &direct.endpoint), ==, 0);
    bring(f, &relayed, forged, sizeof forged);
    g_assert_cmpint(ping_from(f, &direct), ==, 0); /* as if nothing had come */
    for (n = 1; n < 256; n++)
        bring(f, &relayed, forged, sizeof forged);
    (void)ping_from(f, &relayed);
    g_assert_cmpint(ping_from(f, &direct), ==, 0); /* it has to wait, too */
    now_ms += 1000;
    (void)ping_from(f, &relayed);
    g_assert_cmpint(ping_from(f, &direct), >, 0);
}

static const struct {
    const char *name;
    void (*run)(Fixture *f, gconstpointer data);
} tests[] = {
    { "/relays/reset", test_reset },
    { "/relays/pong", test_pong },
    { "/relays/removed", test_removed },
    { "/relays/new-token", test_new_token },
    { "/relays/calls-of-peer", test_calls },
    { "/relays/spoofed", test_spoofed },
    { "/relays/lying-relay", test_lying_relay },
    { "/relays/silent", test_silent },
    { "/relays/silent-often", test_silent_often },
    { "/relays/stray", test_stray },
    { "/relays/stray-direct", test_stray_direct },
    { "/relays/attempt", test_attempt },
    { "/relays/observer", test_observer },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_true(mesh_key_init() == 0 && mesh_hash_init() == 0);
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].name, Fixture, NULL, set_up, tests[i].run, tear_down);
    return g_test_run();
}
