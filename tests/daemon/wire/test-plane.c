/* tests/daemon/wire/test-plane.c: two planes pass packets, over both families, inside and outside.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/std/endpoint.h"
#include "pair-steer.h"

static const size_t lengths[] = { 40, 41, 55, 56, 57, 576, 1279, 1280, 1405, 1419, 1420 };

typedef struct {
    const char *name;
    PairOptions options;
} PassCase;

static const PassCase passes[] = {
    { "outer-ipv4", { .v6 = false } },
    { "outer-ipv6", { .v6 = true } },
    { "outer-ipv4-preshared-key", { .psk = true } },
    { "outer-ipv6-preshared-key", { .psk = true, .v6 = true } },
};

static void test_passes(gconstpointer data)
{
    const PassCase *c = data;
    Pair            pair;

    pair_start(&pair, &c->options);
    for (size_t i = 0; i < G_N_ELEMENTS(lengths); i++) {
        pair_pass(&pair, true, false, 1, lengths[i]);
        pair_pass(&pair, false, true, 2, lengths[i]);
        pair_pass(&pair, false, false, 3, lengths[i]);
        pair_pass(&pair, true, true, 4, lengths[i]);
    }
    pair_stop(&pair);
}

static void test_large(void)
{
    Pair pair;

    pair_start(&pair, &(PairOptions){ .v6 = false });
    pair_pass(&pair, true, false, 1, 100);
    pair_pass(&pair, true, false, 1, 9000); /* above the MTU: no padding, the outer is fragmented */
    pair_pass(&pair, false, true, 1, 40000);
    pair_stop(&pair);
}

/* Packets that wait for the first handshake arrive after it, all and in their order. */
static void test_staged(void)
{
    uint8_t packet[200];
    Pair    pair;

    pair_start(&pair, &(PairOptions){ .unrouted = false });
    for (uint8_t i = 0; i < 60; i++) {
        pair_make_packet(true, i % 2, i, sizeof(packet), packet);
        pair_write(&pair.a, packet, sizeof(packet));
    }
    for (uint8_t i = 0; i < 60; i++) {
        g_assert_cmpuint(pair_read(&pair.b, packet, sizeof(packet)), ==, sizeof(packet));
        g_assert_cmpuint(packet[sizeof(packet) - 1], ==, (uint8_t)(i + sizeof(packet) - 1));
    }
    g_assert_cmpuint(pair_drops(&pair.a, WIRE_DROP_STAGED), ==, 0);
    pair_stop(&pair);
}

static bool has_b_dropped_forged(void *data)
{
    Pair *pair = data;

    return pair_drops(&pair->a, WIRE_DROP_FORGED) > 0 || pair_drops(&pair->b, WIRE_DROP_FORGED) > 0;
}

static void test_wrong_psk(void)
{
    uint8_t packet[100];
    Pair    pair;

    pair_start(&pair, &(PairOptions){ .psk = true, .psk_differs = true });
    pair_make_packet(true, false, 1, sizeof(packet), packet);
    pair_write(&pair.a, packet, sizeof(packet));
    pair_wait_until(has_b_dropped_forged, &pair);
    g_assert_true(pair_is_quiet(&pair.b));
    g_assert_false(pair_info(&pair.a, &pair.b).has_session);
    pair_stop(&pair);
}

/* Initiation and response; 1372 padded to 1376, 100 to 112; 32 around each. The sender counts after
 * the kernel took it, so perhaps after it arrived. */
static bool are_counts_right(void *data)
{
    Pair        *pair = data;
    WirePeerInfo a = pair_info(&pair->a, &pair->b), b = pair_info(&pair->b, &pair->a);

    return a.tx_bytes == 148 + 1408 && b.rx_bytes == 148 + 1408 && b.tx_bytes == 92 + 144 &&
           a.rx_bytes == 92 + 144;
}

static void test_counts(void)
{
    WirePeerInfo a, b;
    WireStats    stats;
    WireEvent    event;
    Pair         pair;

    pair_start(&pair, &(PairOptions){ .v6 = false });
    pair_pass(&pair, true, false, 1, 1372);
    pair_wait_event(&pair.a, WIRE_EVENT_HANDSHAKE, &event);
    g_assert_true(mesh_key_equal(&event.peer, &pair.b.public_key));
    g_assert_cmpuint(event.endpoint.port, ==, pair_endpoint(&pair.b, false).port);
    pair_wait_event(&pair.b, WIRE_EVENT_HANDSHAKE, &event);
    pair_pass(&pair, false, false, 1, 100);
    pair_wait_until(are_counts_right, &pair);
    a = pair_info(&pair.a, &pair.b);
    b = pair_info(&pair.b, &pair.a);
    g_assert_cmpint(a.last_handshake_s, >, 0);
    g_assert_cmpint(b.last_handshake_s, >, 0);
    g_assert_true(a.has_session && b.has_session);
    g_assert_cmpuint(a.handshake_attempts, ==, 0);
    wire_plane_get_stats(pair.b.plane, &stats);
    g_assert_cmpuint(stats.rx_packets, ==, 1);
    g_assert_cmpuint(stats.rx_bytes, ==, 1372);
    pair_stop(&pair);
}

/* Answers the echo request that the host of @side reads. */
static void answer_echo(PairSide *side, bool v6)
{
    uint8_t packet[200], swap[16];
    size_t  len = pair_read(side, packet, sizeof(packet)), n = v6 ? 16 : 4, at = v6 ? 8 : 12;

    g_assert_cmpuint(packet[v6 ? 40 : 20], ==, v6 ? 128 : 8);
    memcpy(swap, packet + at, n);
    memcpy(packet + at, packet + at + n, n);
    memcpy(packet + at + n, swap, n);
    packet[v6 ? 40 : 20] = v6 ? 129 : 0;
    pair_write(side, packet, len);
}

static void test_ping(gconstpointer data)
{
    bool         v6 = GPOINTER_TO_INT(data) != 0;
    MeshAddr     a, b, other;
    MeshEndpoint from;
    WireEvent    event;
    Pair         pair;

    g_assert_cmpint(mesh_ip_parse_addr(v6 ? "fd09::1" : "10.9.0.1", &a), ==, 0);
    g_assert_cmpint(mesh_ip_parse_addr(v6 ? "fd09::2" : "10.9.0.2", &b), ==, 0);
    g_assert_cmpint(mesh_ip_parse_addr(v6 ? "fd09::3" : "10.9.0.3", &other), ==, 0);
    pair_start(&pair, &(PairOptions){ .v6 = false });
    g_assert_cmpint(wire_plane_ping(pair.a.plane, &a, &other, 1, 1), ==, -ENOENT);
    for (uint16_t i = 1; i <= 3; i++) {
        g_assert_cmpint(wire_plane_ping(pair.a.plane, &a, &b, 77, i), ==, 0);
        answer_echo(&pair.b, v6);
        pair_wait_event(&pair.a, WIRE_EVENT_PONG, &event);
        g_assert_cmpint(event.id, ==, 77);
        g_assert_cmpuint(event.sequence, ==, i);
        g_assert_true(mesh_key_equal(&event.peer, &pair.b.public_key));
        from = pair_endpoint(&pair.b, false);
        g_assert_true(mesh_endpoint_equal(&event.endpoint, &from)); /* the way it came */
    }
    g_assert_true(pair_is_quiet(&pair.a)); /* answers are not the host's */
    pair_stop(&pair);
}

static void test_no_peer(void)
{
    uint8_t packet[100];
    Pair    pair;

    pair_start(&pair, &(PairOptions){ .unrouted = true });
    pair_make_packet(true, false, 1, sizeof(packet), packet);
    pair_write(&pair.a, packet, sizeof(packet)); /* no endpoint */
    packet[19] = 99;
    pair_write(&pair.a, packet, sizeof(packet)); /* nobody's address */
    packet[0] = 0x15;
    pair_write(&pair.a, packet, sizeof(packet)); /* no IP at all */
    for (int i = 0; i < 2; i++) {                /* the host is told, but of the last */
        uint8_t told[200];

        g_assert_cmpuint(pair_read(&pair.a, told, sizeof(told)), ==, 20 + 8 + sizeof(packet));
        g_assert_cmpuint(told[9], ==, 1);
        g_assert_cmpuint(told[20] << 8 | told[21], ==, 3 << 8 | 1);
    }
    while (pair_drops(&pair.a, WIRE_DROP_NO_PEER) != 2 ||
           pair_drops(&pair.a, WIRE_DROP_NO_ROUTE) != 1)
        g_thread_yield();
    pair_stop(&pair);
}

static void test_raw(void)
{
    static const uint8_t probe[] = { 0xd5, 1, 2, 3 };
    static const uint8_t stun[20] = { 1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 9 };
    static const uint8_t data[] = { 4, 0, 0, 0, 1 };
    MeshEndpoint         to;
    WireEvent            event;
    Pair                 pair;

    pair_start(&pair, &(PairOptions){ .unrouted = true });
    to = pair_endpoint(&pair.b, true);
    g_assert_cmpint(wire_plane_send_raw(pair.a.plane, &to, data, sizeof(data)), ==, -EINVAL);
    g_assert_cmpint(wire_plane_send_raw(pair.a.plane, &to, probe, sizeof(probe)), ==, 0);
    pair_wait_event(&pair.b, WIRE_EVENT_RAW, &event);
    g_assert_cmpmem(event.data, event.n_data, probe, sizeof(probe));
    g_assert_cmpuint(event.endpoint.port, ==, pair_endpoint(&pair.a, true).port);
    g_assert_cmpint(wire_plane_send_raw(pair.a.plane, &to, stun, sizeof(stun)), ==, 0);
    pair_wait_event(&pair.b, WIRE_EVENT_RAW, &event);
    g_assert_cmpmem(event.data, event.n_data, stun, sizeof(stun));
    pair_stop(&pair);
}

/* A configuration that another plane has applied, too: each has peers of its own. */
static void test_shared_config(void)
{
    MeshEndpoint to;
    Pair         pair;

    pair_start(&pair, &(PairOptions){ .v6 = false });
    to = pair_endpoint(&pair.a, false);
    pair_pass(&pair, true, false, 1, 100);
    for (uint8_t i = 0; i < 3; i++) {
        g_assert_cmpint(wire_plane_apply(pair.b.plane, pair.a.config), ==, 0);
        pair_apply(&pair.a); /* whose session goes on */
        pair_apply(&pair.b); /* whose does not */
        g_assert_true(pair_info(&pair.a, &pair.b).has_session);
        pair_route(&pair.b, &pair.a, &to);
        pair_pass(&pair, false, true, i, 200);
        pair_pass(&pair, true, false, i, 200);
    }
    pair_stop(&pair);
}

/* Removing a peer ends its session at once; adding it again makes a new one. */
static void test_remove(void)
{
    MeshPrefix   prefix;
    WirePeerSpec spec = { .keepalive_s = 0 };
    WirePeerInfo info;
    uint8_t      packet[100];
    Pair         pair;

    pair_start(&pair, &(PairOptions){ .v6 = false });
    pair_pass(&pair, true, false, 1, 100);
    wire_config_remove_peer(pair.b.config, &pair.a.public_key);
    pair_apply(&pair.b);
    g_assert_cmpint(wire_plane_get_peer(pair.b.plane, &pair.a.public_key, &info), ==, -ENOENT);
    pair_make_packet(true, false, 1, sizeof(packet), packet);
    pair_write(&pair.a, packet, sizeof(packet));
    while (pair_drops(&pair.b, WIRE_DROP_NO_SESSION) + pair_drops(&pair.b, WIRE_DROP_SPOOFED) == 0)
        g_thread_yield();
    g_assert_true(pair_is_quiet(&pair.b));
    spec.public_key = pair.a.public_key;
    g_assert_cmpint(wire_config_put_peer(pair.b.config, &spec), ==, 0);
    g_assert_cmpint(mesh_ip_parse_prefix("10.9.0.1", &prefix), ==, 0);
    g_assert_cmpint(wire_config_add_allowed_ip(pair.b.config, &spec.public_key, &prefix), ==, 0);
    pair_apply(&pair.b);
    pair_apply(&pair.b); /* and once more: nothing changes */
    {
        MeshEndpoint to = pair_endpoint(&pair.a, false);

        pair_route(&pair.b, &pair.a, &to);
    }
    pair_pass(&pair, false, false, 7, 100);
    pair_pass(&pair, true, false, 8, 100);
    pair_stop(&pair);
}

static void test_ports(void)
{
    WirePlaneInfo info;
    uint16_t      port;
    Pair          pair;

    pair_start(&pair, &(PairOptions){ .unrouted = true });
    wire_plane_get_info(pair.a.plane, &info);
    port = info.listen_port;
    pair_apply(&pair.a);
    wire_plane_get_info(pair.a.plane, &info);
    g_assert_cmpuint(info.listen_port, ==, port); /* 0 is kept while unchanged */
    wire_config_set_listen(pair.b.config, port, 0);
    g_assert_cmpint(wire_plane_apply(pair.b.plane, pair.b.config), ==, -EADDRINUSE);
    wire_plane_get_info(pair.b.plane, &info);
    g_assert_cmpuint(info.listen_port, !=, port);
    g_assert_cmpuint(info.mtu, ==, 1420);
    g_assert_true(info.up);
    g_assert_cmpstr(info.ifname, ==, "pair");
    pair_stop(&pair);
}

static void test_tun_closed(void)
{
    WireEvent event;
    Pair      pair;

    pair_start(&pair, &(PairOptions){ .unrouted = true });
    shutdown(pair.a.host, SHUT_RDWR);
    pair_wait_event(&pair.a, WIRE_EVENT_FAILED, &event);
    g_assert_cmpint(event.id, <, 0);
    pair_stop(&pair);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(passes); i++) {
        g_autofree char *path = g_strdup_printf("/plane/passes/%s", passes[i].name);

        g_test_add_data_func(path, &passes[i], test_passes);
    }
    g_test_add_func("/plane/large", test_large);
    g_test_add_func("/plane/staged", test_staged);
    g_test_add_func("/plane/wrong-preshared-key", test_wrong_psk);
    g_test_add_func("/plane/counts", test_counts);
    g_test_add_data_func("/plane/ping/ipv4", GINT_TO_POINTER(0), test_ping);
    g_test_add_data_func("/plane/ping/ipv6", GINT_TO_POINTER(1), test_ping);
    g_test_add_func("/plane/no-peer", test_no_peer);
    g_test_add_func("/plane/raw", test_raw);
    g_test_add_func("/plane/remove", test_remove);
    g_test_add_func("/plane/shared-config", test_shared_config);
    g_test_add_func("/plane/ports", test_ports);
    g_test_add_func("/plane/tun-closed", test_tun_closed);
    return g_test_run();
}
