/* tests/daemon/path/test-width.c: how long a way is looked at whose width is known. Timers are made
 * due by hand, the clock stands. */
#include "daemon/path/width.h"

#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "common/std/key.h"
#include "daemon/path/seeking.h"
#include "daemon/wire/ways.h"

#include <string.h>

enum { MTU = 1400, WIDTH = MTU + 32, SECOND_MS = 1000 };

static struct {
    PathSeekHost host;
    PathPeer     told;
    PathSeek     seek;
    PathWay      way;
    WirePeerInfo info;
    int64_t      now_ms;
    unsigned     n_probes;
    unsigned     n_pings; /* short ones, at @way */
    bool         narrow;  /* shorter ones are sent, too */
    bool         refused; /* they may not go there now */
    bool         relayed; /* there is no other way */
    bool         tls;     /* that one is over TLS now */
} lab;

/* ---- what width.c and canary.c call ---- */

PathWay *path_seek_get_active(PathSeek *self)
{
    (void)self;
    return lab.relayed ? NULL : &lab.way;
}

void path_seek_steer(PathSeek *self, uint16_t n_copies)
{
    (void)self, (void)n_copies;
    g_assert_not_reached(); /* nothing changes */
}

void path_seek_leave(PathSeek *self)
{
    (void)self;
    g_assert_not_reached();
}

bool path_relays_look(PathRelays *self, const WireWay *way, bool ping, PathRelayLook *out_look)
{
    (void)self, (void)ping;
    g_assert_true(wire_way_equal(way, &lab.seek.relay));
    *out_look = (PathRelayLook){ .tls = lab.tls };
    return true;
}

bool path_seek_ping(PathSeek *self, PathWay *way, uint8_t ttl)
{
    (void)self, (void)ttl;
    g_assert_true(way == &lab.way);
    lab.n_pings += !lab.refused;
    return !lab.refused;
}

bool path_seek_send(PathSeek *self, const MeshProbe *probe, const WireWay *way, uint8_t ttl)
{
    (void)self, (void)probe, (void)way, (void)ttl;
    g_assert_true(lab.relayed);
    return true;
}

int wire_ways_probe(WirePlane *self, const WireWay *way, MeshSpan bytes, size_t len)
{
    (void)self, (void)way, (void)bytes;
    g_assert_true(lab.narrow ? len <= WIDTH : len == WIDTH);
    lab.n_probes++;
    return 0;
}

int wire_ways_send_train(WirePlane *self, const WireWay *way, const WireTrain *train)
{
    (void)self, (void)way, (void)train;
    g_assert_not_reached();
}

void wire_ways_watch_bursts(WirePlane *self, const MeshKey *peer)
{
    (void)self, (void)peer;
    g_assert_not_reached();
}

void wire_plane_get_info(WirePlane *self, WirePlaneInfo *out_info)
{
    (void)self;
    *out_info = (WirePlaneInfo){ .mtu = MTU };
}

int wire_plane_get_peer(WirePlane *self, const MeshKey *key, WirePeerInfo *out_info)
{
    (void)self, (void)key;
    *out_info = lab.info;
    return 0;
}

/* ---- */

static int64_t get_boot_ns(void *user_data)
{
    (void)user_data;
    return lab.now_ms * 1000000;
}

static const MeshClockSource clock_source = { .boot_ns = get_boot_ns, .wall_ns = get_boot_ns };

static void set_up(void)
{
    static const uint8_t net[8] = { 1 };
    MeshKey              secret, own, peer_secret, peer;

    memset(&lab, 0, sizeof lab);
    lab.now_ms = 1000 * SECOND_MS;
    mesh_clock_set_source(&clock_source);
    lab.seek.host = &lab.host;
    lab.seek.told = &lab.told;
    g_assert_cmpint(mesh_endpoint_parse("192.0.2.7:7", &lab.way.to.endpoint), ==, 0);
    lab.way.width = WIDTH;
    lab.way.trusted = true;
    mesh_key_make_private(&secret);
    mesh_key_make_public(&secret, &own);
    mesh_key_make_private(&peer_secret);
    mesh_key_make_public(&peer_secret, &peer);
    g_assert_cmpint(mesh_probekey_derive(&secret, &own, &peer, net, &lab.seek.keys), ==, 0);
}

static void tear_down(void)
{
    path_width_end(&lab.seek);
    mesh_probekey_wipe(&lab.seek.keys);
    mesh_clock_set_source(NULL);
}

static void pass_time(int64_t ms)
{
    guint    before = lab.seek.width.timer;
    GSource *source = g_main_context_find_source_by_id(NULL, before);

    g_assert_nonnull(source);
    lab.now_ms += ms;
    g_source_set_ready_time(source, 0);
    while (lab.seek.width.timer == before)
        g_main_context_iteration(NULL, TRUE);
}

static void answer(void)
{
    g_assert_true(path_width_take_pong(&lab.seek, lab.seek.width.txid));
    g_assert_false(lab.seek.width.asking);
}

/* Asked while data moves; an idle way is not asked, but is not forgotten as long as the data plane
 * would not tell of its next data: by then that may have gone on a while, and the way be another.
 */
static void test_looks(void)
{
    set_up();
    lab.info.last_data_ms = (uint64_t)lab.now_ms;
    path_width_ask(&lab.seek);
    g_assert_cmpuint(lab.n_probes, ==, 1);
    answer();
    pass_time(14 * SECOND_MS);
    g_assert_cmpuint(lab.n_probes, ==, 2); /* there was data a moment ago */
    answer();
    pass_time(6 * SECOND_MS); /* 20 s without */
    g_assert_cmpuint(lab.n_probes, ==, 2);
    lab.info.last_data_ms = (uint64_t)lab.now_ms; /* after less than 30: that is not told */
    pass_time(14 * SECOND_MS);
    g_assert_cmpuint(lab.n_probes, ==, 3);
    answer();
    pass_time(17 * SECOND_MS); /* 31 s without: the next data is told */
    g_assert_cmpuint(lab.n_probes, ==, 3);
    g_assert_cmpuint(lab.seek.width.timer, ==, 0);
    tear_down();
}

/* By relay @link, over TLS or not, as path_seek_relayed() tells it. */
static void relay_by(uint8_t link, bool tls)
{
    lab.relayed = true;
    lab.tls = tls;
    lab.seek.relay = (WireWay){ .link = link, .index = 7 };
    path_width_moved(&lab.seek);
}

/* The first time: what is sent that way is asked for after a while. */
static void begin_by(uint8_t link, bool tls)
{
    relay_by(link, tls);
    path_width_relayed(&lab.seek);
    pass_time(5 * SECOND_MS);
    answer();
}

/* A session at the relay that goes over to TLS, or back, is asked anew: at once if data moves, else
 * by the next look, and only when it was asked before. */
static void test_moved(void)
{
    set_up();
    lab.seek.relayed = (PathWay){ .to = { .link = 1, .index = 7 }, .width = WIDTH };
    lab.info.last_data_ms = (uint64_t)lab.now_ms;
    relay_by(1, true);
    g_assert_cmpuint(lab.n_probes, ==, 0);
    path_width_ask(&lab.seek);
    g_assert_true(lab.seek.width.proving);
    answer();
    for (unsigned turn = 0; turn < 2; turn++) {
        relay_by(1, turn == 1);
        g_assert_cmpuint(lab.n_probes, ==, turn + 2);
        g_assert_true(lab.seek.width.asking);
        g_assert_false(lab.seek.width.proving); /* it may be more */
        answer();
        relay_by(1, turn == 1);
        g_assert_cmpuint(lab.n_probes, ==, turn + 2);
    }
    lab.now_ms += 20 * SECOND_MS;
    relay_by(1, false);
    g_assert_cmpuint(lab.n_probes, ==, 3);
    lab.info.last_data_ms = (uint64_t)lab.now_ms;
    pass_time(SECOND_MS);
    g_assert_cmpuint(lab.n_probes, ==, 4);
    g_assert_false(lab.seek.width.proving);
    tear_down();
}

/* The first session is over TLS: news of it are none as long as it stays there. */
static void test_moved_from_tls(void)
{
    set_up();
    lab.info.last_data_ms = (uint64_t)lab.now_ms;
    begin_by(1, true);
    g_assert_cmpuint(lab.n_probes, ==, 1);
    relay_by(1, true);
    g_assert_cmpuint(lab.n_probes, ==, 1);
    relay_by(1, false); /* UDP is back */
    g_assert_cmpuint(lab.n_probes, ==, 2);
    g_assert_true(lab.seek.width.asking);
    tear_down();
}

/* Over what the relay before was says nothing of the next one. */
static void test_moved_elsewhere(void)
{
    set_up();
    lab.info.last_data_ms = (uint64_t)lab.now_ms;
    begin_by(1, false);
    relay_by(1, true);
    answer();
    begin_by(2, false);
    g_assert_cmpuint(lab.n_probes, ==, 3);
    relay_by(2, false);
    g_assert_cmpuint(lab.n_probes, ==, 3);
    relay_by(2, true);
    g_assert_cmpuint(lab.n_probes, ==, 4);
    g_assert_true(lab.seek.width.asking);
    tear_down();
}

/* What ways.c and seek.c make of a pong. */
static void pong(void)
{
    lab.way.valid_ms = lab.now_ms;
    lab.way.trusted = true;
    path_width_proved(&lab.seek);
}

/* A peer writes as the source of its packets what it likes: long pings go there when a short one
 * was answered, not before. */
static void test_unproved(void)
{
    unsigned rounds = 0;

    set_up();
    lab.way.trusted = false;
    path_width_ask(&lab.seek);
    for (; lab.seek.width.timer != 0; rounds++)
        pass_time(150);
    g_assert_cmpuint(lab.n_pings, ==, rounds);
    g_assert_cmpuint(rounds, >, 8);
    g_assert_cmpuint(lab.n_probes, ==, 0);
    g_assert_false(lab.seek.width.asking);
    pong(); /* at last */
    g_assert_cmpuint(lab.n_probes, ==, 1);
    answer();
    pong();
    g_assert_cmpuint(lab.n_probes, ==, 1);
    tear_down();
}

/* And if the short ping may not go there either, nothing does, nor is that waited for. */
static void test_unproved_refused(void)
{
    unsigned rounds = 0;

    set_up();
    lab.way.trusted = false;
    lab.refused = true;
    path_width_ask(&lab.seek);
    for (; lab.seek.width.timer != 0; rounds++)
        pass_time(150);
    g_assert_cmpuint(lab.n_pings + lab.n_probes, ==, 0);
    g_assert_cmpuint(rounds, <, 8);
    tear_down();
}

/* Its relay says that it is there, while it was asked: all of the search is still to be done. */
static void test_unproved_seen(void)
{
    set_up();
    lab.way.trusted = false;
    lab.refused = true;
    path_width_ask(&lab.seek);
    pass_time(150);
    g_assert_cmpuint(lab.seek.width.rungs.tries, ==, 1);
    lab.way.trusted = true;
    lab.refused = false;
    pass_time(150);
    g_assert_cmpuint(lab.n_probes, ==, 1);
    g_assert_cmpuint(lab.seek.width.rungs.tries, ==, 0);
    tear_down();
}

/* A round that is answered in part counts, though its short ping was lost; one that is not
 * answered at all is repeated. */
static void test_late(void)
{
    const PathRungs *rungs = &lab.seek.width.rungs;

    set_up();
    lab.narrow = true;
    path_width_ask(&lab.seek);
    for (unsigned tries = 0; tries < 3; tries++) {
        g_assert_cmpuint(rungs->n, ==, 1);
        lab.way.valid_ms = lab.now_ms; /* the short one alone */
        pass_time(150);
    }
    g_assert_cmpuint(rungs->n, >, 2);
    g_assert_cmpuint(rungs->tries, ==, 0);
    g_assert_true(path_width_take_pong(&lab.seek, lab.seek.width.txid + 1));
    pass_time(150);
    g_assert_cmpuint(rungs->tries, ==, 1);
    pass_time(150); /* it went dark */
    g_assert_cmpuint(rungs->tries, ==, 1);
    tear_down();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/width/looks", test_looks);
    g_test_add_func("/width/moved", test_moved);
    g_test_add_func("/width/moved/from-tls", test_moved_from_tls);
    g_test_add_func("/width/moved/elsewhere", test_moved_elsewhere);
    g_test_add_func("/width/late", test_late);
    g_test_add_func("/width/unproved", test_unproved);
    g_test_add_func("/width/unproved/refused", test_unproved_refused);
    g_test_add_func("/width/unproved/seen", test_unproved_seen);
    return g_test_run();
}
