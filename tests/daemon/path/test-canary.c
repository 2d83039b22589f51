/* tests/daemon/path/test-canary.c: of which way it is asked whether bursts arrive, and that it goes
 * on being asked when the way changes in between. Timers are made due by hand. */
#include "daemon/path/canary.h"

#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "common/std/key.h"
#include "daemon/path/seeking.h"
#include "daemon/wire/ways.h"

#include <errno.h>
#include <string.h>

enum { MOST_ROUNDS = 40 };

static struct {
    PathSeekHost host;
    PathPeer     told;
    PathSeek     seek;
    PathWay      direct;
    bool         is_direct;
    bool         listens; /* as the plane: a burst is told once */
    int          refuses; /* what the plane says to a train; 0: it takes it */
    unsigned     n_trains, n_joined;
    WireWay      last; /* of the last train */
    unsigned     n_steered;
} lab;

/* ---- what canary.c calls ---- */

PathWay *path_seek_get_active(PathSeek *self)
{
    g_assert_true(self == &lab.seek);
    return lab.is_direct ? &lab.direct : NULL;
}

void path_seek_steer(PathSeek *self, uint16_t n_copies)
{
    (void)self, (void)n_copies;
    lab.n_steered++;
}

int wire_ways_send_train(WirePlane *self, const WireWay *way, const WireTrain *train)
{
    (void)self;
    if (lab.refuses != 0)
        return lab.refuses;
    g_assert_cmpuint(train->n, ==, PATH_TRAIN);
    lab.last = *way;
    lab.n_trains++;
    lab.n_joined += train->joined;
    return 0;
}

void wire_ways_watch_bursts(WirePlane *self, const MeshKey *peer)
{
    (void)self;
    g_assert_true(peer == &lab.told.wg);
    lab.listens = true;
}

static void on_changed(const MeshKey *peer, void *user_data)
{
    (void)peer, (void)user_data;
}

/* ---- */

static void set_up(void)
{
    static const uint8_t net[8] = { 1 };
    MeshKey              secret, own, peer_secret, peer;

    memset(&lab, 0, sizeof lab);
    lab.host.changed = on_changed;
    lab.seek.host = &lab.host;
    lab.seek.told = &lab.told;
    lab.seek.relay = (WireWay){ .link = 1, .index = 2 };
    g_assert_cmpint(mesh_endpoint_parse("192.0.2.7:7", &lab.direct.to.endpoint), ==, 0);
    lab.direct.rtt_us = 20000;
    mesh_key_make_private(&secret);
    mesh_key_make_public(&secret, &own);
    mesh_key_make_private(&peer_secret);
    mesh_key_make_public(&peer_secret, &peer);
    g_assert_cmpint(mesh_probekey_derive(&secret, &own, &peer, net, &lab.seek.keys), ==, 0);
    lab.listens = true;
}

static void tear_down(void)
{
    path_canary_end(&lab.seek);
    mesh_probekey_wipe(&lab.seek.keys);
}

/* The plane sends bursts by the way in use. */
static void send_bursts(void)
{
    if (!lab.listens)
        return;
    lab.listens = false;
    path_canary_hear(&lab.seek);
}

static void pass_time(void)
{
    guint    before = lab.seek.canary.timer;
    GSource *source = g_main_context_find_source_by_id(NULL, before);

    g_assert_nonnull(source);
    g_source_set_ready_time(source, 0);
    while (lab.seek.canary.timer == before)
        g_main_context_iteration(NULL, TRUE);
}

/* Single ones arrive, bursts do not. Returns: so it was found. */
static bool finds_loss(void)
{
    for (int i = 0; i < MOST_ROUNDS && !lab.seek.canary.singly; i++) {
        send_bursts();
        if (lab.seek.canary.asking && lab.seek.canary.trains.single)
            for (uint64_t n = 0; n < PATH_TRAIN; n++)
                (void)path_canary_take_pong(&lab.seek, lab.seek.canary.txid + n);
        else if (lab.seek.canary.timer != 0)
            pass_time();
    }
    return lab.seek.canary.singly;
}

static void test_one_way(void)
{
    set_up();
    lab.is_direct = true;
    send_bursts();
    g_assert_true(wire_way_equal(&lab.last, &lab.direct.to));
    for (uint64_t n = 0; n < PATH_TRAIN; n++)
        g_assert_true(path_canary_take_pong(&lab.seek, lab.seek.canary.txid + n));
    g_assert_cmpuint(lab.n_trains, ==, 1);
    g_assert_false(lab.listens);
    pass_time(); /* and in some seconds again */
    g_assert_true(lab.listens);
    g_assert_true(finds_loss());
    g_assert_true(path_canary_wants_single(&lab.seek, &lab.direct.to));
    g_assert_false(path_canary_wants_single(&lab.seek, &lab.seek.relay));
    g_assert_cmpuint(lab.n_steered, ==, 1);
    tear_down();
}

/* The usual beginning: by relay, and a direct way is found while a train is under way there. A card
 * that loses bursts loses them here and there. */
static void test_way_found_meanwhile(void)
{
    set_up();
    send_bursts();
    g_assert_true(lab.seek.canary.asking && lab.last.link == 1);
    lab.is_direct = true;
    lab.listens = true; /* a new way, by set_route */
    send_bursts();
    g_assert_true(wire_way_equal(&lab.last, &lab.direct.to));
    g_assert_true(finds_loss());
    g_assert_true(path_canary_wants_single(&lab.seek, &lab.direct.to));
    tear_down();
}

/* It left the way for a moment and is back there: for the plane that is no new one. */
static void test_way_back(void)
{
    WireWay relay;

    set_up();
    relay = lab.seek.relay;
    send_bursts();
    lab.seek.relay = (WireWay){ .link = 0 };
    pass_time();
    lab.seek.relay = relay;
    g_assert_true(finds_loss());
    g_assert_true(path_canary_wants_single(&lab.seek, &relay));
    tear_down();
}

/* Told when there was no way any more. */
static void test_no_way(void)
{
    WireWay relay;

    set_up();
    relay = lab.seek.relay;
    lab.seek.relay = (WireWay){ .link = 0 };
    send_bursts();
    g_assert_cmpuint(lab.n_trains, ==, 0);
    lab.seek.relay = relay;
    g_assert_true(finds_loss());
    tear_down();
}

/* The peer started again, and has another probe key: what was found is forgotten, and the plane
 * goes on as before, by the same relay. */
static void test_begins_anew(void)
{
    set_up();
    g_assert_true(finds_loss());
    g_assert_false(lab.listens);
    path_canary_end(&lab.seek);
    lab.seek.canary = (PathCanary){ .timer = 0 };
    path_canary_listen(&lab.seek);
    g_assert_true(finds_loss());
    g_assert_true(path_canary_wants_single(&lab.seek, &lab.seek.relay));
    tear_down();
}

/* A full socket, or a kernel that joins none: later. */
static void test_refused(void)
{
    set_up();
    lab.refuses = -EAGAIN;
    send_bursts();
    g_assert_false(lab.seek.canary.asking);
    pass_time();
    g_assert_true(lab.listens);
    lab.refuses = 0;
    g_assert_true(finds_loss());
    tear_down();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/canary/one-way", test_one_way);
    g_test_add_func("/canary/way-found-meanwhile", test_way_found_meanwhile);
    g_test_add_func("/canary/way-back", test_way_back);
    g_test_add_func("/canary/no-way", test_no_way);
    g_test_add_func("/canary/begins-anew", test_begins_anew);
    g_test_add_func("/canary/refused", test_refused);
    return g_test_run();
}
