/* tests/daemon/wire/test-roaming.c: endpoints follow authentic packets and nothing else; what a man
 * between the two can do to packets changes nothing.
 *   a ── proxy ── b: the proxy's two sockets stand for the network, a third for somebody else. */
#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/std/endpoint.h"
#include "pair-steer.h"

typedef struct {
    int                     to_a, to_b, stranger;
    struct sockaddr_storage a, b; /* where they are */
    socklen_t               len;
    MeshEndpoint            front, back; /* what a and b see */
} Proxy;

static int open_socket(MeshEndpoint *out_endpoint)
{
    struct sockaddr_storage name;
    MeshEndpoint            any = mesh_endpoint_make4(0x7f000001, 0);
    socklen_t               len = mesh_endpoint_to_sockaddr(&any, &name);
    int                     fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(bind(fd, (struct sockaddr *)&name, len), ==, 0);
    g_assert_cmpint(getsockname(fd, (struct sockaddr *)&name, &len), ==, 0);
    g_assert_cmpint(mesh_endpoint_from_sockaddr((struct sockaddr *)&name, len, false, out_endpoint),
                    ==, 0);
    return fd;
}

static void proxy_start(Proxy *self, Pair *pair)
{
    MeshEndpoint a = pair_endpoint(&pair->a, false), b = pair_endpoint(&pair->b, false), unused;

    self->to_a = open_socket(&self->front);
    self->to_b = open_socket(&self->back);
    self->stranger = open_socket(&unused);
    self->len = mesh_endpoint_to_sockaddr(&a, &self->a);
    self->len = mesh_endpoint_to_sockaddr(&b, &self->b);
    pair_route(&pair->a, &pair->b, &self->front);
}

static void proxy_stop(Proxy *self)
{
    close(self->to_a);
    close(self->to_b);
    close(self->stranger);
}

static size_t take(int fd, uint8_t *out, size_t size)
{
    struct pollfd wait = { .fd = fd, .events = POLLIN };

    g_assert_cmpint(poll(&wait, 1, 20000), ==, 1);
    return (size_t)recv(fd, out, size, 0);
}

static void give(const Proxy *self, int fd, bool to_a, const uint8_t *bytes, size_t len)
{
    const struct sockaddr *name = (const struct sockaddr *)(to_a ? &self->a : &self->b);

    g_assert_cmpint(sendto(fd, bytes, len, 0, name, self->len), ==, (int)len);
}

/* One datagram on to b; it stays in @out for later. */
static size_t forward_to_b(const Proxy *self, uint8_t *out, size_t size)
{
    size_t len = take(self->to_a, out, size);

    give(self, self->to_b, false, out, len);
    return len;
}

static void forward_to_a(const Proxy *self)
{
    uint8_t bytes[2048];
    size_t  len = take(self->to_b, bytes, sizeof(bytes));

    give(self, self->to_a, true, bytes, len);
}

/* A session through the proxy; a's first data lies in @out as it went over the wire. */
static size_t open_session(Pair *pair, const Proxy *proxy, uint8_t *out, size_t size)
{
    uint8_t packet[100], got[100];
    size_t  len;

    pair_make_packet(true, false, 1, sizeof(packet), packet);
    pair_write(&pair->a, packet, sizeof(packet));
    g_assert_cmpuint(forward_to_b(proxy, out, size), ==, 148);
    forward_to_a(proxy);
    len = forward_to_b(proxy, out, size);
    g_assert_cmpuint(len, ==, 112 + 32);
    g_assert_cmpuint(pair_read(&pair->b, got, sizeof(got)), ==, sizeof(packet));
    return len;
}

static void wait_drops(PairSide *side, WireDrop why, uint64_t n)
{
    gint64 limit = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;

    while (pair_drops(side, why) < n) {
        g_assert_cmpint(g_get_monotonic_time(), <, limit);
        g_thread_yield();
    }
    g_assert_cmpuint(pair_drops(side, why), ==, n);
}

static void assert_endpoint(PairSide *side, const PairSide *peer, const MeshEndpoint *want)
{
    WirePeerInfo info = pair_info(side, peer);

    g_assert_true(mesh_endpoint_equal(&info.endpoint, want));
}

static void test_replay_and_forgery(void)
{
    uint8_t wire[2048];
    size_t  len;
    Proxy   proxy;
    Pair    pair;

    pair_start(&pair, &(PairOptions){ .unrouted = true });
    proxy_start(&proxy, &pair);
    len = open_session(&pair, &proxy, wire, sizeof(wire));
    assert_endpoint(&pair.b, &pair.a, &proxy.back);
    give(&proxy, proxy.stranger, false, wire, len);
    wait_drops(&pair.b, WIRE_DROP_REPLAYED, 1);
    wire[8] ^= 0x40; /* a counter never used: the tag cannot fit */
    give(&proxy, proxy.stranger, false, wire, len);
    wait_drops(&pair.b, WIRE_DROP_FORGED, 1);
    wire[8] ^= 0x40;
    wire[len - 1] ^= 1;
    give(&proxy, proxy.stranger, false, wire, len);
    wait_drops(&pair.b, WIRE_DROP_FORGED, 2);
    give(&proxy, proxy.stranger, false, wire, len - 1); /* the tag is cut */
    wait_drops(&pair.b, WIRE_DROP_FORGED, 3);
    wire[4] ^= 0xff;
    give(&proxy, proxy.stranger, false, wire, len);
    wait_drops(&pair.b, WIRE_DROP_NO_SESSION, 1);
    give(&proxy, proxy.stranger, false, wire, 31);
    wait_drops(&pair.b, WIRE_DROP_MALFORMED, 1);
    g_assert_true(pair_is_quiet(&pair.b));
    assert_endpoint(&pair.b, &pair.a, &proxy.back); /* forgers and replays move nothing */
    proxy_stop(&proxy);
    pair_stop(&pair);
}

/* A copy of the initiation from elsewhere is a replay: no answer, no move. Garbage that races the
 * response leaves the initiator waiting for the real one. */
static void test_handshake_garbage(void)
{
    uint8_t       wire[2048], response[2048], bad[2048], packet[100];
    struct pollfd now;
    size_t        len;
    Proxy         proxy;
    Pair          pair;

    pair_start(&pair, &(PairOptions){ .unrouted = true });
    proxy_start(&proxy, &pair);
    pair_make_packet(true, false, 1, sizeof(packet), packet);
    pair_write(&pair.a, packet, sizeof(packet));
    len = take(proxy.to_a, wire, sizeof(wire));
    memcpy(bad, wire, len);
    bad[20] ^= 1; /* mac1 no longer fits */
    give(&proxy, proxy.stranger, false, bad, len);
    wait_drops(&pair.b, WIRE_DROP_FORGED, 1);
    give(&proxy, proxy.to_b, false, wire, len);
    len = take(proxy.to_b, response, sizeof(response));
    g_assert_cmpuint(len, ==, 92);
    give(&proxy, proxy.stranger, false, wire, 148);
    wait_drops(&pair.b, WIRE_DROP_REPLAYED, 1);
    memcpy(bad, response, len);
    bad[50] ^= 1;
    give(&proxy, proxy.stranger, true, bad, len);
    wait_drops(&pair.a, WIRE_DROP_FORGED, 1);
    now = (struct pollfd){ .fd = proxy.stranger, .events = POLLIN };
    g_assert_cmpint(poll(&now, 1, 0), ==, 0); /* not a byte to the stranger */
    assert_endpoint(&pair.b, &pair.a, &proxy.back);
    give(&proxy, proxy.to_a, true, response, len);
    pair_wait_event(&pair.a, WIRE_EVENT_HANDSHAKE, NULL);
    assert_endpoint(&pair.a, &pair.b, &proxy.front);
    forward_to_b(&proxy, wire, sizeof(wire));
    g_assert_cmpuint(pair_read(&pair.b, packet, sizeof(packet)), ==, sizeof(packet));
    proxy_stop(&proxy);
    pair_stop(&pair);
}

/* Authentic but not acceptable inside: the endpoint may move, nothing reaches the host. */
static void test_inner_checks(void)
{
    uint8_t packet[100];
    Pair    pair;

    pair_start(&pair, &(PairOptions){ .psk = false });
    pair_pass(&pair, true, false, 1, 100);
    pair_make_packet(true, false, 1, sizeof(packet), packet);
    packet[15] = 77; /* not a's address */
    pair_write(&pair.a, packet, sizeof(packet));
    wait_drops(&pair.b, WIRE_DROP_SPOOFED, 1);
    pair_make_packet(true, false, 1, sizeof(packet), packet);
    packet[3] = 200; /* longer than it is */
    pair_write(&pair.a, packet, sizeof(packet));
    wait_drops(&pair.b, WIRE_DROP_MALFORMED, 1);
    pair_make_packet(true, false, 1, sizeof(packet), packet);
    packet[3] = 19; /* shorter than its header */
    pair_write(&pair.a, packet, sizeof(packet));
    wait_drops(&pair.b, WIRE_DROP_MALFORMED, 2);
    g_assert_true(pair_is_quiet(&pair.b));
    pair_pass(&pair, true, true, 1, 100);
    pair_stop(&pair);
}

static void test_roam_port(void)
{
    MeshEndpoint where;
    WireEvent    event;
    Pair         pair;

    pair_start(&pair, &(PairOptions){ .psk = false });
    pair_pass(&pair, true, false, 1, 100);
    pair_wait_event(&pair.b, WIRE_EVENT_HANDSHAKE, NULL);
    for (uint8_t i = 0; i < 5; i++) {
        close(open_socket(&where)); /* a port that was free a moment ago */
        wire_config_set_listen(pair.a.config, where.port, 0);
        pair_apply(&pair.a);
        pair_pass(&pair, true, false, i, 100);
        pair_wait_event(&pair.b, WIRE_EVENT_ROAMED, &event);
        g_assert_true(mesh_endpoint_equal(&event.endpoint, &where));
        pair_pass(&pair, false, false, i, 100);
    }
    pair_stop(&pair);
}

static void test_roam_family(void)
{
    MeshEndpoint to, from;
    Pair         pair;

    pair_start(&pair, &(PairOptions){ .psk = false });
    for (uint8_t i = 0; i < 6; i++) {
        to = pair_endpoint(&pair.b, i % 2 == 0);
        from = pair_endpoint(&pair.a, i % 2 == 0);
        pair_route(&pair.a, &pair.b, &to);
        pair_pass(&pair, true, false, i, 100);
        pair_pass(&pair, false, false, i, 100);
        assert_endpoint(&pair.b, &pair.a, &from);
        assert_endpoint(&pair.a, &pair.b, &to);
    }
    pair_stop(&pair);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/roaming/replay-and-forgery", test_replay_and_forgery);
    g_test_add_func("/roaming/handshake-garbage", test_handshake_garbage);
    g_test_add_func("/roaming/inner-checks", test_inner_checks);
    g_test_add_func("/roaming/port", test_roam_port);
    g_test_add_func("/roaming/family", test_roam_family);
    return g_test_run();
}
