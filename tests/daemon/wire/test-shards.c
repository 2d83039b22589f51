/* tests/daemon/wire/test-shards.c: planes of several shards: flows that the host gives to different
 * queues, datagrams that come to another shard than the peer's, and how the kernel divides them. */
#include <glib.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/std/endpoint.h"
#include "daemon/wire/index.h"
#include "daemon/wire/shards.h"
#include "daemon/wire/steer.h"
#include "daemon/wire/udp-open.h"
#include "daemon/wire/waiting.h"
#include "daemon/wire/ways.h"
#include "pair-steer.h"

enum {
    SHARDS = 4,
    LEN = 200,
    LIMIT_MS = 60000,
    IN_FLIGHT = 64, /* what a socket pair surely holds */
};

/* ---- packets with a flow and a number ---- */

/* The flow is its queue's number. */
static void write_numbered(PairSide *side, bool from_a, unsigned flow, uint32_t number)
{
    uint8_t packet[LEN];
    int     host = flow == 0 ? side->host : side->more_hosts[flow - 1];

    pair_make_packet(from_a, false, (uint8_t)number, sizeof(packet), packet);
    packet[24] = (uint8_t)flow;
    memcpy(packet + 28, &number, sizeof(number));
    g_assert_cmpint(send(host, packet, sizeof(packet), 0), ==, sizeof(packet));
}

/* What comes next, on whichever queue. */
static void read_numbered(PairSide *side, unsigned *out_flow, uint32_t *out_number)
{
    uint8_t packet[LEN + 1];

    g_assert_cmpuint(pair_read(side, packet, sizeof(packet)), ==, LEN);
    *out_flow = packet[24];
    memcpy(out_number, packet + 28, sizeof(*out_number));
    g_assert_cmpuint(packet[LEN - 1], ==, (uint8_t)(*out_number + LEN - 1));
}

/* @n packets of each flow, of which never more than IN_FLIGHT are under way: each arrives once, and
 * those of a flow in their order. */
static void pass_flows(Pair *pair, bool from_a, uint32_t n)
{
    PairSide *to = from_a ? &pair->b : &pair->a, *from = from_a ? &pair->a : &pair->b;
    uint32_t  n_sent = 0, n_got = 0, next[SHARDS] = { 0 };

    while (n_got < n * SHARDS) {
        unsigned flow;
        uint32_t number;

        for (; n_sent < n * SHARDS && n_sent - n_got < IN_FLIGHT; n_sent++)
            write_numbered(from, from_a, n_sent % SHARDS, n_sent / SHARDS);
        read_numbered(to, &flow, &number);
        g_assert_cmpuint(flow, <, SHARDS);
        g_assert_cmpuint(number, ==, next[flow]++);
        n_got++;
    }
    g_assert_true(pair_is_quiet(to));
}

static void test_flows(void)
{
    Pair pair;

    pair_start(&pair, &(PairOptions){ .shards = SHARDS });
    pass_flows(&pair, true, 2000);
    pass_flows(&pair, false, 2000);
    g_assert_cmpuint(pair_drops(&pair.b, WIRE_DROP_REPLAYED), ==, 0);
    pair_stop(&pair);
}

/* Before there is a session they wait in the shards that read them. */
static void test_staged(void)
{
    for (int round = 0; round < 20; round++) {
        Pair pair;

        pair_start(&pair, &(PairOptions){ .shards = SHARDS, .v6 = round % 2 != 0 });
        pass_flows(&pair, true, 32);
        g_assert_cmpuint(pair_drops(&pair.a, WIRE_DROP_STAGED), ==, 0);
        pair_stop(&pair);
    }
}

/* What a shard reads only after the peer left has no peer. */
static bool are_all_dropped(void *data)
{
    PairSide *a = &((Pair *)data)->a;

    return pair_drops(a, WIRE_DROP_STAGED) + pair_drops(a, WIRE_DROP_NO_PEER) == SHARDS;
}

/* Each shard forgets what it holds for a peer that leaves. */
static void test_staged_and_gone(void)
{
    static const char nowhere[] = "127.0.0.1:9";
    MeshEndpoint      to;
    Pair              pair;

    g_assert_cmpint(mesh_endpoint_parse(nowhere, &to), ==, 0);
    pair_start(&pair, &(PairOptions){ .shards = SHARDS, .unrouted = true });
    pair_route(&pair.a, &pair.b, &to);
    for (unsigned flow = 0; flow < SHARDS; flow++)
        write_numbered(&pair.a, true, flow, 0);
    pair_wait_event(&pair.a, WIRE_EVENT_ACTIVE, NULL);
    wire_config_remove_peer(pair.a.config, &pair.b.public_key);
    pair_apply(&pair.a);
    pair_wait_until(are_all_dropped, &pair);
    pair_stop(&pair);
}

/* A session that came between the look for it and the first packet that waits: nobody else will
 * say so, and the thread must not fall asleep over it. */
static void test_staged_late(void)
{
    const WirePeerSpec spec = { .keepalive_s = 0 };
    WirePlane         *plane = g_new0(WirePlane, 1);
    WireKeypair       *some = (WireKeypair *)(void *)plane; /* not looked into */
    WireStaged         staged = { .owner = NULL };
    WireIndexTable    *index;
    WirePeer          *peer;
    struct pollfd      bell;

    g_assert_cmpint(wire_index_new(&index), ==, 0);
    g_assert_cmpint(wire_mailbox_init(&plane->to_out[1]), ==, 0);
    peer = wire_peer_new(&spec, index, 0);
    bell = (struct pollfd){ .fd = wire_mailbox_fd(&plane->to_out[1]), .events = POLLIN };
    wire_waiting_own(plane, 1, peer, &staged);
    g_assert_cmpint(poll(&bell, 1, 0), ==, 0); /* no session: a note will tell */
    g_assert_false(wire_waiting_take(plane, 1));
    wire_waiting_disown(1, peer);
    wire_peer_unref(peer);
    atomic_store(&peer->slots.current, some);
    wire_waiting_own(plane, 1, peer, &staged);
    g_assert_cmpint(poll(&bell, 1, 0), ==, 1);
    g_assert_true(wire_waiting_take(plane, 1));
    atomic_store(&peer->slots.current, NULL);
    wire_waiting_disown(1, peer);
    wire_peer_unref(peer);
    wire_peer_unref(peer);
    wire_mailbox_done(&plane->to_out[1]);
    wire_index_free(index);
    g_free(plane);
}

/* ---- another shard's sockets ---- */

static int adopt(PairSide *side, MeshEndpoint *out_at)
{
    struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t          len = sizeof(name);
    int                fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), number;

    g_assert_cmpint(bind(fd, (struct sockaddr *)&name, len), ==, 0);
    g_assert_cmpint(getsockname(fd, (struct sockaddr *)&name, &len), ==, 0);
    *out_at = mesh_endpoint_make4(INADDR_LOOPBACK, ntohs(name.sin_port));
    number = wire_ways_adopt_socket(side->plane, fd);
    g_assert_cmpint(number, >, 0);
    return number;
}

/* The adopted socket of number 1 is not read by the shard that has the peer. All goes there: the
 * handshake is handed to the first shard, data is taken where it came. */
static void test_adopted(void)
{
    static const uint8_t probe[] = "\xd5 a datagram of our own kind";
    MeshEndpoint         at;
    WireEvent            event;
    Pair                 pair;

    pair_start(&pair, &(PairOptions){ .shards = SHARDS, .unrouted = true });
    g_assert_cmpint(adopt(&pair.b, &at), ==, 1);
    pair_route(&pair.a, &pair.b, &at);
    pass_flows(&pair, true, 500);
    pass_flows(&pair, false, 500);
    g_assert_cmpint(wire_plane_send_raw(pair.a.plane, &at, probe, sizeof(probe)), ==, 0);
    pair_wait_event(&pair.b, WIRE_EVENT_RAW, &event);
    g_assert_cmpmem(event.data, event.n_data, probe, sizeof(probe));
    g_assert_cmpint(event.way.socket, ==, 1);
    pair_stop(&pair);
}

/* Every datagram comes twice, to two shards at once: each packet arrives once. */
static void test_twice(void)
{
    MeshEndpoint at;
    WireRoute    route = { .pinned = true, .n_copies = UINT16_MAX };
    Pair         pair;
    uint64_t     n_got = 0;
    bool         seen[SHARDS][1000] = { { false } };

    pair_start(&pair, &(PairOptions){ .shards = SHARDS });
    pass_flows(&pair, true, 1);
    (void)adopt(&pair.b, &at);
    route.way.endpoint = pair_endpoint(&pair.b, false);
    route.copy.endpoint = at;
    g_assert_cmpint(wire_plane_set_route(pair.a.plane, &pair.b.public_key, &route, false), ==, 0);
    for (uint32_t n_sent = 0; n_got < 1000 * SHARDS; n_got++) {
        unsigned flow;
        uint32_t number;

        for (; n_sent < 1000 * SHARDS && n_sent - n_got < IN_FLIGHT; n_sent++)
            write_numbered(&pair.a, true, n_sent % SHARDS, n_sent / SHARDS);
        read_numbered(&pair.b, &flow, &number);
        g_assert_false(seen[flow][number]);
        seen[flow][number] = true;
    }
    pair_stop(&pair);
}

/* Data without a session is told of, whichever shard got it. */
static void test_strangers(void)
{
    uint8_t                 data[64] = { 4, 0, 0, 0 };
    struct sockaddr_storage name;
    socklen_t               len;
    MeshEndpoint            b;
    WireEvent               event;
    Pair                    pair;
    int                     fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    pair_start(&pair, &(PairOptions){ .shards = SHARDS });
    b = pair_endpoint(&pair.b, false);
    len = mesh_endpoint_to_sockaddr(&b, &name);
    data[4] = 3; /* names a session of the last shard, which there is not */
    g_assert_cmpint(sendto(fd, data, sizeof(data), 0, (struct sockaddr *)&name, len), ==, 64);
    pair_wait_event(&pair.b, WIRE_EVENT_STRAY, &event);
    g_assert_cmpuint(event.n_data, ==, 0);
    close(fd);
    pair_stop(&pair);
}

/* ---- what the kernel does ---- */

static void expect_at(const int fds[SHARDS], int from, unsigned shard, const uint8_t bytes[64])
{
    struct sockaddr_in6 name;
    socklen_t           len = sizeof(name);
    uint8_t             got[64];

    g_assert_cmpint(getsockname(fds[0], (struct sockaddr *)&name, &len), ==, 0);
    name.sin6_addr = in6addr_loopback;
    g_assert_cmpint(sendto(from, bytes, 64, 0, (struct sockaddr *)&name, len), ==, 64);
    for (unsigned i = 0; i < SHARDS; i++) {
        struct pollfd wait = { .fd = fds[i], .events = POLLIN };

        if (i != shard)
            continue;
        g_assert_cmpint(poll(&wait, 1, LIMIT_MS), ==, 1);
        g_assert_cmpint(recv(fds[i], got, sizeof(got), 0), ==, 64);
    }
    for (unsigned i = 0; i < SHARDS; i++)
        g_assert_cmpint(recv(fds[i], got, sizeof(got), MSG_DONTWAIT), ==, -1);
}

static void test_steering(void)
{
    int      fds[SHARDS], from = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    uint16_t port = 0;
    uint8_t  bytes[64] = { 0 };

    fds[0] = wire_udp_open(AF_INET6, &port, 0);
    if (fds[0] < 0) {
        g_test_skip("no IPv6 here");
        return;
    }
    g_assert_cmpint(wire_udp_share(fds[0]), ==, 0);
    for (unsigned i = 1; i < SHARDS; i++)
        fds[i] = wire_udp_open_beside(AF_INET6, port, 0);
    g_assert_cmpint(wire_steer_attach(fds[0], SHARDS), ==, 0);
    for (unsigned i = 0; i < 256; i++) {
        bytes[0] = 4;
        bytes[4] = (uint8_t)i;
        expect_at(fds, from, i % WIRE_MAX_SHARDS % SHARDS, bytes);
        bytes[0] = 0x64; /* the same of the other suite */
        expect_at(fds, from, i % WIRE_MAX_SHARDS % SHARDS, bytes);
        bytes[0] = 0x40; /* a relay's */
        bytes[3] = (uint8_t)i;
        expect_at(fds, from, i % SHARDS, bytes);
        bytes[3] = 0;
        bytes[0] = (uint8_t)i;
        if (i != 4 && i != 0x40 && i != 0x64)
            expect_at(fds, from, 0, bytes);
    }
    g_assert_cmpint(wire_udp_open(AF_INET6, &port, 0), ==, -EADDRINUSE); /* another plane's */
    for (unsigned i = 0; i < SHARDS; i++)
        close(fds[i]);
    close(from);
}

static void test_number(void)
{
    g_assert_cmpuint(wire_shards_quota("max 100000\n"), ==, 0);
    g_assert_cmpuint(wire_shards_quota("50000 100000\n"), ==, 1);
    g_assert_cmpuint(wire_shards_quota("250000 100000\n"), ==, 3);
    g_assert_cmpuint(wire_shards_quota(""), ==, 0);
    g_assert_cmpuint(wire_shards_default(), >=, 1);
    wire_shards_choose(100);
    g_assert_cmpuint(wire_shards_default(), ==, WIRE_MAX_SHARDS);
    wire_shards_choose(3);
    g_assert_cmpuint(wire_shards_default(), ==, 3);
    wire_shards_choose(0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/shards/number", test_number);
    g_test_add_func("/shards/steering", test_steering);
    g_test_add_func("/shards/flows", test_flows);
    g_test_add_func("/shards/staged", test_staged);
    g_test_add_func("/shards/staged-and-gone", test_staged_and_gone);
    g_test_add_func("/shards/staged-late", test_staged_late);
    g_test_add_func("/shards/adopted", test_adopted);
    g_test_add_func("/shards/twice", test_twice);
    g_test_add_func("/shards/strangers", test_strangers);
    return g_test_run();
}
