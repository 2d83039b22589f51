/* Tests of daemon/path/path.c against a data plane that only notes what it is told. */
#include "common/std/bytes.h"
#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "common/std/hash.h"
#include "daemon/path/path.h"
#include "daemon/wire/ways.h"

#include <errno.h>
#include <string.h>

/* ---- the data plane: what path.c calls of it ---- */

static struct {
    int          n_pings;
    int          n_sent; /* probes */
    int          n_long; /* of those, such as ask for the width of @watched */
    WireWay      watched;
    WireWay      to; /* where the last one went */
    uint8_t      probe[MESH_PROBE_MAX_BYTES];
    size_t       n_probe; /* and its bytes; that, if it was none of those */
    uint32_t     index;   /* of the last probe */
    uint64_t     counter;
    int          n_routes, n_initiations;
    WireRoute    last;
    bool         known;
    WirePeerInfo info; /* of every peer */
} plane;

int wire_plane_set_route(WirePlane *self, const MeshKey *peer, const WireRoute *route,
                         bool initiate)
{
    (void)self;
    (void)peer;
    plane.n_routes++;
    plane.n_initiations += initiate ? 1 : 0;
    plane.last = *route;
    return 0;
}

int wire_plane_get_peer(WirePlane *self, const MeshKey *peer, WirePeerInfo *out_info)
{
    (void)self;
    *out_info = plane.info;
    out_info->public_key = *peer;
    return plane.known ? 0 : -ENOENT;
}

int wire_plane_ping(WirePlane *self, const MeshAddr *source, const MeshAddr *destination,
                    uint16_t id, uint16_t sequence)
{
    (void)self, (void)source, (void)destination, (void)sequence;
    g_assert_cmpuint(id, ==, PATH_NUDGE_ID);
    plane.n_pings++;
    return 0;
}

void wire_plane_get_info(WirePlane *self, WirePlaneInfo *out_info)
{
    (void)self;
    *out_info = (WirePlaneInfo){ .listen_port = 51820 };
}

/* There are no relays. */
int wire_ways_send(WirePlane *self, const WireWay *way, uint8_t ttl, MeshSpan bytes)
{
    MeshReader r = mesh_bytes_make_reader(bytes.data, bytes.len);

    (void)self, (void)ttl;
    plane.n_sent++;
    plane.to = *way;
    plane.n_probe = MIN(bytes.len, sizeof plane.probe);
    memcpy(plane.probe, bytes.data, plane.n_probe);
    g_assert_true(mesh_bytes_skip(&r, 4) && mesh_bytes_read_u32be(&r, &plane.index) &&
                  mesh_bytes_read_u64be(&r, &plane.counter));
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
    (void)self;
    g_assert_cmpuint(bytes.len, <=, len);
    plane.n_sent++;
    plane.n_long += wire_way_equal(way, &plane.watched);
    return 0;
}

int wire_ways_put_link(WirePlane *self, uint8_t link, const WireLink *what)
{
    (void)self, (void)link, (void)what;
    g_assert_not_reached();
}

int wire_ways_adopt_stream(WirePlane *self, uint8_t link, struct ssl_st *ssl, bool websocket)
{
    (void)self;
    (void)link;
    (void)ssl;
    (void)websocket;
    g_assert_not_reached(); /* the relays of these tests have no TLS port */
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

bool wire_ways_is_open(WirePlane *self, uint8_t link)
{
    (void)self, (void)link;
    g_assert_not_reached(); /* there are no streams */
}

void wire_ways_remove_link(WirePlane *self, uint8_t link)
{
    (void)self, (void)link;
    g_assert_not_reached();
}

/* ---- a clock that stands ---- */

static int64_t now_ms;

static int64_t get_boot_ns(void *user_data)
{
    (void)user_data;
    return now_ms * 1000000;
}

static const MeshClockSource clock_source = { .boot_ns = get_boot_ns, .wall_ns = get_boot_ns };

/* ---- */

typedef struct {
    Path              *path;
    unsigned           n_changed;
    PathPeer           peer;
    MeshRecordEndpoint endpoint; /* the peer's one */
    MeshAddr           own;
} Fixture;

static void on_changed(const MeshKey *peer, void *user_data)
{
    Fixture *f = user_data;

    (void)peer;
    f->n_changed++;
}

static void on_self_changed(void *user_data)
{
    (void)user_data;
}

static void set_host(Fixture *f, const char *addr, bool known)
{
    PathHost host = { .addrs = &f->own, .n_addrs = 1, .presence_known = known };

    g_assert_cmpint(mesh_ip_parse_addr(addr, &f->own), ==, 0);
    path_set_host(f->path, &host);
}

static void set_up(Fixture *f, gconstpointer data)
{
    (void)data;
    memset(&plane, 0, sizeof plane);
    plane.known = true;
    now_ms = 1000000;
    mesh_clock_set_source(&clock_source);
    f->path = path_start(&(PathOptions){ .inner = f->own,
                                         .relayless = true,
                                         .events = { on_changed, on_self_changed },
                                         .user_data = f });
    set_host(f, "10.0.0.2", true);
    f->peer = (PathPeer){ .online = true, .eager = true, .e_seq = 1, .n_endpoints = 1 };
    f->peer.endpoints = &f->endpoint;
    f->peer.wg.bytes[0] = 1;
    g_assert_cmpint(mesh_endpoint_parse("10.0.0.5:4", &f->endpoint.endpoint), ==, 0);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    (void)data;
    path_stop(f->path);
    mesh_clock_set_source(NULL);
}

static PathKind get_kind(Fixture *f)
{
    PathInfo info;

    g_assert_true(path_explain(f->path, &f->peer.wg, &info));
    path_clear_info(&info);
    return info.kind;
}

static void send_event(Fixture *f, WireEventKind kind)
{
    WireEvent event = { .kind = kind, .peer = f->peer.wg };

    path_handle_event(f->path, &event);
}

static void test_eager(Fixture *f, gconstpointer data)
{
    (void)data;
    path_apply(f->path, &f->peer, 1);
    g_assert_cmpint(plane.n_initiations, ==, 1);
    g_assert_cmpuint(plane.last.n_candidates, ==, 1);
    g_assert_cmpuint(plane.last.endpoint.addr.family, ==, 0); /* what the peer has is kept */
    g_assert_cmpint(get_kind(f), ==, PATH_CONNECTING);
    path_apply(f->path, &f->peer, 1); /* idempotent */
    g_assert_cmpint(plane.n_routes, ==, 1);
}

static void test_not_eager(Fixture *f, gconstpointer data)
{
    (void)data;
    f->peer.eager = false;
    path_apply(f->path, &f->peer, 1);
    g_assert_cmpint(plane.n_routes, ==, 1); /* traffic finds the candidates */
    g_assert_cmpint(plane.n_initiations, ==, 0);
    g_assert_cmpint(get_kind(f), ==, PATH_IDLE);
    g_assert_true(path_connect(f->path, &f->peer.wg));
    g_assert_cmpint(plane.n_initiations, ==, 1);
}

static void test_offline(Fixture *f, gconstpointer data)
{
    (void)data;
    f->peer.online = false;
    path_apply(f->path, &f->peer, 1);
    g_assert_cmpint(plane.n_initiations, ==, 0);
    f->peer.online = true;
    path_apply(f->path, &f->peer, 1);
    g_assert_cmpint(plane.n_initiations, ==, 1);
}

static void test_server_away(Fixture *f, gconstpointer data)
{
    (void)data;
    f->peer.online = false;
    path_apply(f->path, &f->peer, 1);
    set_host(f, "10.0.0.2", false);
    g_assert_cmpint(plane.n_initiations, ==, 1);
}

static void test_session(Fixture *f, gconstpointer data)
{
    unsigned before;

    (void)data;
    path_apply(f->path, &f->peer, 1);
    before = f->n_changed;
    plane.info.has_session = true;
    plane.info.last_received_ms = (uint64_t)now_ms;
    g_assert_cmpint(get_kind(f), !=, PATH_DIRECT); /* its relay is lost: there is no way to it */
    plane.info.endpoint = f->endpoint.endpoint;
    send_event(f, WIRE_EVENT_HANDSHAKE);
    g_assert_cmpint(get_kind(f), ==, PATH_DIRECT);
    g_assert_cmpuint(f->n_changed, ==, before + 1);
    send_event(f, WIRE_EVENT_HANDSHAKE); /* a rekey is no news */
    g_assert_cmpuint(f->n_changed, ==, before + 1);
    now_ms += 200000; /* silent through a rekey */
    g_assert_cmpint(get_kind(f), !=, PATH_DIRECT);
}

static void test_gave_up(Fixture *f, gconstpointer data)
{
    (void)data;
    path_apply(f->path, &f->peer, 1);
    send_event(f, WIRE_EVENT_GAVE_UP);
    g_assert_cmpint(get_kind(f), ==, PATH_NONE);
    g_assert_cmpint(plane.n_initiations, ==, 1);
    now_ms += 60000;
    while (plane.n_initiations == 1) /* the retry is a timer of the loop */
        g_main_context_iteration(NULL, true);
    g_assert_cmpint(plane.n_initiations, ==, 2);
}

static void test_new_endpoint(Fixture *f, gconstpointer data)
{
    (void)data;
    path_apply(f->path, &f->peer, 1);
    send_event(f, WIRE_EVENT_GAVE_UP);
    f->peer.e_seq++;
    f->endpoint.endpoint.port = 5;
    path_apply(f->path, &f->peer, 1);
    g_assert_cmpint(plane.n_initiations, ==, 2);
    g_assert_cmpuint(plane.last.candidates[0].port, ==, 5);
    g_assert_cmpint(get_kind(f), ==, PATH_CONNECTING);
}

static void test_host_moved(Fixture *f, gconstpointer data)
{
    (void)data;
    path_apply(f->path, &f->peer, 1);
    set_host(f, "10.0.0.2", true); /* the same */
    g_assert_cmpint(plane.n_routes, ==, 1);
    set_host(f, "192.168.7.7", true);
    g_assert_cmpint(plane.n_routes, ==, 2);
    g_assert_cmpint(plane.n_initiations, ==, 2);
    g_assert_cmpint(plane.n_pings, ==, 0); /* nobody to tell */
    plane.info.has_session = true;
    set_host(f, "192.168.7.8", true);
    g_assert_cmpint(plane.n_pings, ==, 1); /* the peer learns our new address now */
}

static void test_peer_gone(Fixture *f, gconstpointer data)
{
    PathInfo info;

    (void)data;
    path_apply(f->path, &f->peer, 1);
    path_apply(f->path, NULL, 0);
    g_assert_false(path_explain(f->path, &f->peer.wg, &info));
    g_assert_false(path_connect(f->path, &f->peer.wg));
    send_event(f, WIRE_EVENT_GAVE_UP); /* late news of it is no harm */
}

/* A peer that tells a probe key: its route is the seek's from then on; a new key begins anew. */
static void test_probe_key(Fixture *f, gconstpointer data)
{
    MeshKey secret;

    (void)data;
    mesh_key_make_private(&secret);
    f->peer.has_probe_key = true;
    mesh_key_make_public(&secret, &f->peer.probe_key);
    path_apply(f->path, &f->peer, 1);
    g_assert_cmpint(plane.n_initiations, >, 0);
    g_assert_false(plane.last.pinned); /* neither relay nor proof: the handshakes try */
    g_assert_cmpuint(plane.last.n_candidates, ==, 1);
    g_assert_cmpint(plane.n_sent, >, 0); /* pings at what may be its LAN */
    mesh_key_make_private(&secret);
    mesh_key_make_public(&secret, &f->peer.probe_key);
    f->peer.e_seq++;
    path_apply(f->path, &f->peer, 1);
    path_apply(f->path, NULL, 0);
}

/* A counter is a nonce: with the same key it is never used again, whatever the map says. */
static void test_probe_counter(Fixture *f, gconstpointer data)
{
    MeshKey  secret;
    uint32_t index;
    uint64_t counter;

    (void)data;
    mesh_key_make_private(&secret);
    f->peer.has_probe_key = true;
    mesh_key_make_public(&secret, &f->peer.probe_key);
    path_apply(f->path, &f->peer, 1);
    index = plane.index;
    counter = plane.counter;
    g_assert_cmpuint(counter, >, 0);
    path_apply(f->path, NULL, 0); /* a node that is suspended, and comes back */
    path_apply(f->path, &f->peer, 1);
    g_assert_cmpuint(plane.index, ==, index);
    g_assert_cmpuint(plane.counter, >, counter);
}

/* The peer answers the last short ping. */
static void answer(Fixture *f, MeshProbeKeys *keys)
{
    WireEvent event = { .kind = WIRE_EVENT_RAW, .way = plane.to };
    MeshProbe ping, pong = { .type = MESH_PROBE_PONG };
    size_t    len;

    g_assert_cmpint(mesh_probe_open(keys, plane.probe, plane.n_probe, &ping), ==, 0);
    g_assert_cmpint(ping.type, ==, MESH_PROBE_PING);
    pong.id = ping.id;
    pong.txid = ping.txid;
    pong.length = ping.length;
    g_assert_cmpint(mesh_probe_seal(keys, &pong, event.data, sizeof event.data, &len), ==, 0);
    event.n_data = (uint16_t)len;
    path_handle_event(f->path, &event);
}

/* The way in use goes silent, and the peer was heard elsewhere since: what it wrote as its address
 * may be another's. The packets go there, but no pings for its width until a short one is answered.
 */
static void test_heard_elsewhere(Fixture *f, gconstpointer data)
{
    WireEvent     heard = { .kind = WIRE_EVENT_ROAMED, .peer = f->peer.wg };
    MeshProbeKeys keys;
    MeshKey       secret;
    PathSelf      self;

    (void)data;
    g_assert_cmpint(mesh_endpoint_parse("203.0.113.9:9", &heard.way.endpoint), ==, 0);
    mesh_key_make_private(&secret);
    f->peer.has_probe_key = true;
    mesh_key_make_public(&secret, &f->peer.probe_key);
    path_get_self(f->path, &self);
    g_assert_cmpint(mesh_probekey_derive(&secret, &f->peer.probe_key, &self.probe_key,
                                         (const uint8_t[8]){ 0 }, &keys),
                    ==, 0);
    path_apply(f->path, &f->peer, 1);
    answer(f, &keys);
    g_assert_true(wire_way_equal(&plane.last.way, &(WireWay){ .endpoint = f->endpoint.endpoint }));
    now_ms += 1000;
    send_event(f, WIRE_EVENT_SILENT);
    path_handle_event(f->path, &heard);
    plane.watched = heard.way;
    while (!wire_way_equal(&plane.last.way, &heard.way)) /* its pings go unanswered */
        g_main_context_iteration(NULL, TRUE);
    g_assert_true(wire_way_equal(&plane.to, &heard.way));
    g_assert_cmpint(plane.n_long, ==, 0);
    answer(f, &keys);
    g_assert_cmpint(plane.n_long, ==, 1);
    mesh_probekey_wipe(&keys);
}

static const struct {
    const char *name;
    void (*run)(Fixture *f, gconstpointer data);
} tests[] = {
    { "/path/eager", test_eager },
    { "/path/not-eager", test_not_eager },
    { "/path/offline", test_offline },
    { "/path/server-away", test_server_away },
    { "/path/session", test_session },
    { "/path/gave-up", test_gave_up },
    { "/path/new-endpoint", test_new_endpoint },
    { "/path/host-moved", test_host_moved },
    { "/path/peer-gone", test_peer_gone },
    { "/path/probe-key", test_probe_key },
    { "/path/probe-counter", test_probe_counter },
    { "/path/heard-elsewhere", test_heard_elsewhere },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_true(mesh_key_init() == 0 && mesh_hash_init() == 0);
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].name, Fixture, NULL, set_up, tests[i].run, tear_down);
    return g_test_run();
}
