/* tests/daemon/wire/test-churn.c: traffic both ways while everything around it changes: peers come
 * and go, ports, routes and keys change. Made for the sanitizers. */
#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "common/std/endpoint.h"
#include "daemon/wire/state.h"
#include "pair-steer.h"

enum { ROUNDS = 150, OTHERS = 20 };

/* A host that sends all the time and reads what comes. */
typedef struct {
    PairSide        *side;
    bool             is_a;
    _Atomic bool     stop;
    _Atomic unsigned n_got;
} Host;

static gpointer run_host(gpointer data)
{
    Host   *self = data;
    uint8_t packet[600], got[2048];

    for (uint8_t i = 0; !atomic_load(&self->stop); i++) {
        struct pollfd ready = { .fd = self->side->host, .events = POLLIN | POLLOUT };

        poll(&ready, 1, 10);
        pair_make_packet(self->is_a, i % 2, i, sizeof(packet), packet);
        (void)!send(self->side->host, packet, sizeof(packet), MSG_DONTWAIT);
        while (recv(self->side->host, got, sizeof(got), MSG_DONTWAIT) > 0)
            atomic_fetch_add(&self->n_got, 1);
    }
    return NULL;
}

/* Adds or removes peers with allowed IPs, candidates and a keepalive, none of whom answers. */
static void change_others(PairSide *side, const MeshKey keys[OTHERS], unsigned round)
{
    for (unsigned i = 0; i < OTHERS; i++) {
        WirePeerSpec spec = { .public_key = keys[i], .keepalive_s = (uint16_t)(i % 3) };
        MeshPrefix   prefix = { .bits = 32 };
        WireRoute    route = { .n_candidates = 1 };

        if ((i + round) % 3 == 0) {
            wire_config_remove_peer(side->config, &keys[i]);
            continue;
        }
        prefix.addr = mesh_ip_make_addr(AF_INET, (const uint8_t[]){ 10, 10, 0, (uint8_t)i });
        g_assert_cmpint(wire_config_put_peer(side->config, &spec), ==, 0);
        g_assert_cmpint(wire_config_add_allowed_ip(side->config, &keys[i], &prefix), ==, 0);
        route.endpoint = mesh_endpoint_make4(0x7f000001, (uint16_t)(1 + i));
        route.candidates[0] = mesh_endpoint_make4(0x7f000001, (uint16_t)(40 + i));
        (void)!wire_plane_set_route(side->plane, &keys[i], &route, true);
    }
    pair_apply(side);
}

static void change_way(Pair *pair, unsigned round)
{
    MeshEndpoint to = pair_endpoint(&pair->b, round % 2 == 0);
    WireEvent    event;
    WireStats    stats;

    pair_route(&pair->a, &pair->b, &to);
    if (round % 10 == 0)
        wire_config_set_listen(pair->a.config, 0, 0);
    if (round % 40 == 0)
        g_assert_cmpint(wire_plane_set_private_key(pair->a.plane, &pair->a.private_key), ==, 0);
    while (wire_plane_next_event(pair->a.plane, &event) ||
           wire_plane_next_event(pair->b.plane, &event)) {
    }
    wire_plane_get_stats(pair->a.plane, &stats);
    (void)pair_info(&pair->b, &pair->a);
}

static bool has_got_some(void *data)
{
    Host *hosts = data;

    return atomic_load(&hosts[0].n_got) > 0 && atomic_load(&hosts[1].n_got) > 0;
}

/* The road out changes threads again and again. */
static void share_often(PairSide *side)
{
    atomic_store(&side->plane->busy_percent, 0);
}

static bool was_shared(void *data)
{
    Pair *pair = data;

    pair_advance(pair, 20);
    return atomic_load(&pair->a.plane->n_helped) > 1 && atomic_load(&pair->b.plane->n_helped) > 1;
}

static void test_churn(void)
{
    MeshKey  keys[OTHERS];
    Host     hosts[2];
    GThread *threads[2];
    Pair     pair;

    pair_start(&pair, &(PairOptions){ .psk = true });
    for (unsigned i = 0; i < OTHERS; i++) {
        mesh_key_make_private(&keys[i]);
        mesh_key_make_public(&keys[i], &keys[i]);
    }
    share_often(&pair.a);
    share_often(&pair.b);
    for (int i = 0; i < 2; i++) {
        hosts[i] = (Host){ .side = i == 0 ? &pair.a : &pair.b, .is_a = i == 0 };
        threads[i] = g_thread_new("host", run_host, &hosts[i]);
    }
    pair_wait_until(has_got_some, hosts);
    for (unsigned round = 0; round < ROUNDS; round++) {
        change_others(&pair.a, keys, round);
        change_way(&pair, round);
        pair_advance(&pair, round % 7 == 0 ? 121000 : 400);
        atomic_store(&hosts[0].n_got, 0);
        atomic_store(&hosts[1].n_got, 0);
        if (round % 25 == 24)
            pair_wait_until(has_got_some, hosts); /* it goes on */
    }
    pair_wait_until(was_shared, &pair);
    for (int i = 0; i < 2; i++) {
        atomic_store(&hosts[i].stop, true);
        g_thread_join(threads[i]);
    }
    pair_stop(&pair);
}

/* A peer goes, and what brings it back is refused before it is taken, while it calls and sends. */
static void test_refused_return(void)
{
    enum { RETURNS = 30 };
    WirePlaneInfo taken;
    WirePeerInfo  info;
    MeshEndpoint  to;
    WireConfig   *without, *refused;
    Host          hosts[2];
    GThread      *threads[2];
    Pair          pair;

    pair_start(&pair, &(PairOptions){ .psk = true });
    to = pair_endpoint(&pair.a, false);
    wire_plane_get_info(pair.a.plane, &taken);
    without = wire_config_dup(pair.b.config);
    wire_config_remove_peer(without, &pair.a.public_key);
    refused = wire_config_dup(pair.b.config);
    wire_config_set_listen(refused, taken.listen_port, 0);
    for (int i = 0; i < 2; i++) {
        hosts[i] = (Host){ .side = i == 0 ? &pair.a : &pair.b, .is_a = i == 0 };
        threads[i] = g_thread_new("host", run_host, &hosts[i]);
    }
    for (unsigned round = 0; round < RETURNS; round++) {
        g_assert_cmpint(wire_plane_apply(pair.b.plane, without), ==, 0);
        g_assert_cmpint(wire_plane_apply(pair.b.plane, refused), ==, -EADDRINUSE);
        g_assert_cmpint(wire_plane_get_peer(pair.b.plane, &pair.a.public_key, &info), ==, -ENOENT);
        pair_advance(&pair, 16000); /* no answers: it calls again */
        pair_apply(&pair.b);
        pair_route(&pair.b, &pair.a, &to);
        atomic_store(&hosts[0].n_got, 0);
        atomic_store(&hosts[1].n_got, 0);
        if (round % 10 == 9)
            pair_wait_until(has_got_some, hosts);
    }
    for (int i = 0; i < 2; i++) {
        atomic_store(&hosts[i].stop, true);
        g_thread_join(threads[i]);
    }
    g_assert_cmpint(wire_plane_apply(pair.b.plane, without), ==, 0);
    g_assert_cmpint(wire_plane_apply(pair.b.plane, refused), ==, -EADDRINUSE);
    pair_stop(&pair); /* the end of the refused one is perhaps not read yet */
    wire_config_free(without);
    wire_config_free(refused);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    pair_use_clock();
    g_test_add_func("/churn/all", test_churn);
    g_test_add_func("/churn/refused-return", test_refused_return);
    return g_test_run();
}
