/* tests/daemon/wire/test-ways.c: peers reached by a relay, by an adopted socket, and by two ways at
 * once; who is pinned does not move.
 *   a ── relay ── b: a thread with one socket that reads and writes the frames of docs/PATHS.md. */
#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/std/endpoint.h"
#include "daemon/wire/ways.h"
#include "pair-steer.h"

enum { HEADER = 16, SESSION_A = 0x00a1a1, SESSION_B = 0x00b2b2, INDEX_A = 7, INDEX_B = 0x01020304 };

typedef struct {
    int          fd, end[2];
    MeshEndpoint at;
    GThread     *thread;
    WireLink     a, b; /* sessions of both */
    MeshEndpoint at_a, at_b;
    gint         deaf;   /* atomic: it drops everything */
    gint         n_data; /* atomic: DATA frames forwarded */
} Relay;

static int open_socket(MeshEndpoint *out_endpoint)
{
    struct sockaddr_storage name;
    MeshEndpoint            any = mesh_endpoint_make4(0x7f000001, 0);
    socklen_t               len = mesh_endpoint_to_sockaddr(&any, &name);
    int                     fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    g_assert_cmpint(bind(fd, (struct sockaddr *)&name, len), ==, 0);
    g_assert_cmpint(getsockname(fd, (struct sockaddr *)&name, &len), ==, 0);
    g_assert_cmpint(mesh_endpoint_from_sockaddr((struct sockaddr *)&name, len, false, out_endpoint),
                    ==, 0);
    return fd;
}

/* Written here once more from the document. */
static void make_header(const uint8_t *key, uint32_t session, uint32_t index, uint8_t *frame,
                        size_t len)
{
    uint8_t text[24];
    size_t  n = MIN(len - HEADER, 16);

    for (int i = 0; i < 4; i++) {
        frame[i] = (uint8_t)((0x40000000u | session) >> (24 - 8 * i));
        frame[4 + i] = (uint8_t)(index >> (24 - 8 * i));
    }
    memcpy(text, frame, 8);
    memcpy(text + 8, frame + HEADER, n);
    crypto_shorthash(frame + 8, text, 8 + n, key);
}

static void send_to(int fd, const MeshEndpoint *to, const uint8_t *bytes, size_t len)
{
    struct sockaddr_storage name;
    socklen_t               name_len = mesh_endpoint_to_sockaddr(to, &name);

    g_assert_cmpint(sendto(fd, bytes, len, 0, (struct sockaddr *)&name, name_len), ==, (int)len);
}

/* A frame that a client sent: its header is right, and goes on with the other's. */
static void forward(Relay *self, uint8_t *frame, size_t len)
{
    bool            from_a = frame[3] == (SESSION_A & 0xff);
    const WireLink *from = from_a ? &self->a : &self->b, *to = from_a ? &self->b : &self->a;
    uint8_t         want[2048];

    g_assert_cmpuint(len, >, HEADER);
    memcpy(want, frame, len);
    make_header(from->keys.up.bytes, from->session, from_a ? INDEX_B : INDEX_A, want, len);
    g_assert_cmpmem(frame, len, want, len);
    make_header(to->keys.down.bytes, to->session, from_a ? INDEX_A : INDEX_B, frame, len);
    g_atomic_int_inc(&self->n_data); /* before it arrives and is counted there */
    send_to(self->fd, from_a ? &self->at_b : &self->at_a, frame, len);
}

static gpointer run_relay(gpointer data)
{
    Relay        *self = data;
    struct pollfd fds[] = { { .fd = self->fd, .events = POLLIN },
                            { .fd = self->end[0], .events = POLLIN } };
    uint8_t       frame[2048];

    while (poll(fds, 2, -1) > 0 && fds[1].revents == 0) {
        ssize_t len = recv(self->fd, frame, sizeof frame, 0);

        if (len > 0 && frame[0] == 0x40 && !g_atomic_int_get(&self->deaf))
            forward(self, frame, (size_t)len);
    }
    return NULL;
}

static WireRoute by_relay(uint32_t index)
{
    return (WireRoute){ .pinned = true, .way = { .link = 1, .index = index } };
}

static void set_route(PairSide *side, const PairSide *peer, const WireRoute *route)
{
    g_assert_cmpint(wire_plane_set_route(side->plane, &peer->public_key, route, false), ==, 0);
}

static void start_link(Relay *self, PairSide *side, WireLink *link, uint32_t session)
{
    *link = (WireLink){ .relay = self->at, .session = session };
    mesh_key_random(link->keys.up.bytes, sizeof link->keys.up.bytes);
    mesh_key_random(link->keys.down.bytes, sizeof link->keys.down.bytes);
    g_assert_cmpint(wire_ways_put_link(side->plane, 1, link), ==, 0);
}

static void relay_start(Relay *self, Pair *pair)
{
    WireRoute to_b = by_relay(INDEX_B), to_a = by_relay(INDEX_A);

    memset(self, 0, sizeof *self);
    pair_start(pair, &(PairOptions){ .unrouted = true });
    self->fd = open_socket(&self->at);
    g_assert_cmpint(pipe(self->end), ==, 0);
    start_link(self, &pair->a, &self->a, SESSION_A);
    start_link(self, &pair->b, &self->b, SESSION_B);
    self->at_a = pair_endpoint(&pair->a, false);
    self->at_b = pair_endpoint(&pair->b, false);
    set_route(&pair->a, &pair->b, &to_b);
    set_route(&pair->b, &pair->a, &to_a);
    self->thread = g_thread_new("relay", run_relay, self);
}

static void relay_stop(Relay *self, Pair *pair)
{
    pair_stop(pair);
    g_assert_cmpint(write(self->end[1], "", 1), ==, 1);
    g_thread_join(self->thread);
    close(self->fd);
    close(self->end[0]);
    close(self->end[1]);
}

static void test_relayed(void)
{
    Pair      pair;
    Relay     relay;
    WireEvent event;

    relay_start(&relay, &pair);
    for (int i = 0; i < 20; i++) {
        pair_pass(&pair, true, i % 2 != 0, (uint8_t)i, 60 + 60 * (size_t)i);
        pair_pass(&pair, false, i % 2 != 0, (uint8_t)(i + 100), 1200);
    }
    g_assert_cmpint(g_atomic_int_get(&relay.n_data), >=, 42);
    pair_wait_event(&pair.a, WIRE_EVENT_HANDSHAKE, &event);
    g_assert_cmpuint(event.way.link, ==, 1);
    g_assert_cmpuint(event.way.index, ==, INDEX_B);
    g_assert_cmpuint(event.endpoint.addr.family, ==, 0);
    g_assert_cmpuint(pair_info(&pair.a, &pair.b).way.index, ==, INDEX_B);
    wire_ways_remove_link(pair.a.plane, 1);
    g_assert_cmpint(wire_ways_send(pair.a.plane, &event.way, 0, MESH_SPAN("\xd5", 1)), ==,
                    -ENOTCONN);
    relay_stop(&relay, &pair);
}

static bool b_dropped_forged(void *data)
{
    return pair_drops(data, WIRE_DROP_FORGED) >= 3;
}

/* Frames that are not of our session end at the relay's header. */
static void test_forged(void)
{
    Pair    pair;
    Relay   relay;
    uint8_t frame[HEADER + 32] = { 0 };

    relay_start(&relay, &pair);
    pair_pass(&pair, true, false, 1, 100);
    frame[HEADER] = 0xD5;
    make_header(relay.a.keys.down.bytes, SESSION_B, INDEX_A, frame,
                sizeof frame); /* another's key */
    send_to(relay.fd, &relay.at_b, frame, sizeof frame);
    make_header(relay.b.keys.down.bytes, SESSION_A, INDEX_A, frame,
                sizeof frame); /* another's session */
    send_to(relay.fd, &relay.at_b, frame, sizeof frame);
    frame[HEADER] = 0x40; /* a frame in a frame */
    make_header(relay.b.keys.down.bytes, SESSION_B, INDEX_A, frame, sizeof frame);
    send_to(relay.fd, &relay.at_b, frame, sizeof frame);
    pair_wait_until(b_dropped_forged, &pair.b);
    pair_pass(&pair, true, false, 2, 100);
    relay_stop(&relay, &pair);
}

/* A probe through the relay, a frame of the relay's own, each told with the way it came. */
static void test_raw(void)
{
    Pair          pair;
    Relay         relay;
    WireEvent     event;
    const uint8_t probe[48] = { 0xD5, 1, 0, 0, 9, 9, 9 }, pong[40] = { 0x45, 1, 2, 3 };
    WireWay       way = { .link = 1, .index = INDEX_B }, whole = { .link = 1 };

    relay_start(&relay, &pair);
    g_assert_cmpint(wire_ways_send(pair.a.plane, &way, 0, MESH_SPAN(probe, sizeof probe)), ==, 0);
    pair_wait_event(&pair.b, WIRE_EVENT_RAW, &event);
    g_assert_cmpmem(event.data, event.n_data, probe, sizeof probe);
    g_assert_cmpuint(event.way.link, ==, 1);
    g_assert_cmpuint(event.way.index, ==, INDEX_A);
    send_to(relay.fd, &relay.at_b, pong, sizeof pong);
    pair_wait_event(&pair.b, WIRE_EVENT_RAW, &event);
    g_assert_cmpmem(event.data, event.n_data, pong, sizeof pong);
    g_assert_cmpuint(event.way.link, ==, 1);
    g_assert_cmpuint(event.way.index, ==, WIRE_WHOLE_FRAME);
    whole.index = WIRE_WHOLE_FRAME;
    g_assert_cmpint(wire_ways_send(pair.a.plane, &whole, 0, MESH_SPAN("\x01", 1)), ==, -EINVAL);
    relay_stop(&relay, &pair);
}

static bool b_lost_an_event(void *data)
{
    return pair_drops(data, WIRE_DROP_EVENTS) > 0;
}

/* Whoever throws datagrams at our port takes no room from what a relay says, nor comes before it;
 * the relay's address alone does not help. */
static void test_strangers(void)
{
    Pair         pair;
    Relay        relay;
    MeshEndpoint at;
    WireEvent    event;
    uint8_t      junk[48] = { 0xD5, 1, 0, 0, 9, 9, 9 }, pong[40] = { 0x45 }, text[32];
    int          fd;

    relay_start(&relay, &pair);
    fd = open_socket(&at);
    while (!b_lost_an_event(&pair.b))
        send_to(fd, &relay.at_b, junk, sizeof junk);
    junk[0] = 0x45;
    send_to(relay.fd, &relay.at_b, junk, sizeof junk);
    for (int i = 1; i < 4; i++)
        pong[i] = (uint8_t)(SESSION_B >> (24 - 8 * i));
    memcpy(text, pong, 8);
    memcpy(text + 8, pong + HEADER, 24);
    crypto_shorthash(pong + 8, text, sizeof text, relay.b.keys.down.bytes);
    send_to(relay.fd, &relay.at_b, pong, sizeof pong);
    pair_pass(&pair, true, false, 1, 500); /* behind them all: they have been seen */
    do {
        g_assert_true(wire_plane_next_event(pair.b.plane, &event));
        g_assert_true(event.kind != WIRE_EVENT_RAW || event.n_data == sizeof pong);
    } while (event.kind != WIRE_EVENT_RAW);
    g_assert_cmpmem(event.data, event.n_data, pong, sizeof pong);
    g_assert_cmpuint(event.way.index, ==, WIRE_WHOLE_FRAME);
    close(fd);
    relay_stop(&relay, &pair);
}

static bool b_dropped_two(void *data)
{
    return pair_drops(data, WIRE_DROP_REPLAYED) == 2;
}

static bool b_dropped_seven(void *data)
{
    return pair_drops(data, WIRE_DROP_REPLAYED) == 7;
}

/* From the relay to a direct way: the first packets go on both, each arrives once. */
static void test_upgrade(void)
{
    Pair      pair;
    Relay     relay;
    WireRoute route = by_relay(INDEX_B);
    int       relayed;

    relay_start(&relay, &pair);
    pair_pass(&pair, true, false, 1, 500);
    route.copy = route.way;
    route.way = (WireWay){ .endpoint = relay.at_b };
    route.n_copies = 2;
    set_route(&pair.a, &pair.b, &route);
    for (uint8_t i = 0; i < 5; i++)
        pair_pass(&pair, true, i % 2 != 0, i, 800);
    pair_wait_until(b_dropped_two, &pair.b);
    relayed = g_atomic_int_get(&relay.n_data);
    for (uint8_t i = 0; i < 5; i++)
        pair_pass(&pair, true, false, i, 800);
    g_assert_cmpint(g_atomic_int_get(&relay.n_data), ==, relayed);
    g_assert_true(pair_is_quiet(&pair.b));
    route.way = (WireWay){ .link = 1, .index = INDEX_B }; /* and back, with copies straight */
    route.copy = (WireWay){ .endpoint = relay.at_b };
    route.n_copies = UINT16_MAX;
    set_route(&pair.a, &pair.b, &route);
    for (uint8_t i = 0; i < 5; i++)
        pair_pass(&pair, true, false, i, 800);
    pair_wait_until(b_dropped_seven, &pair.b); /* each came both ways */
    g_assert_cmpint(g_atomic_int_get(&relay.n_data), ==, relayed + 5);
    relay_stop(&relay, &pair);
}

/* a sends straight, b is pinned to the relay: b hears of it, and stays where it is. */
static void test_pinned(void)
{
    Pair      pair;
    Relay     relay;
    WireEvent event;
    WireRoute direct = { .pinned = true };
    int       before;

    relay_start(&relay, &pair);
    pair_pass(&pair, true, false, 1, 500);
    pair_wait_event(&pair.b, WIRE_EVENT_ACTIVE, &event);
    g_assert_true(mesh_key_equal(&event.peer, &pair.a.public_key));
    direct.way.endpoint = relay.at_b;
    set_route(&pair.a, &pair.b, &direct);
    pair_pass(&pair, true, false, 2, 500);
    pair_wait_event(&pair.b, WIRE_EVENT_ROAMED, &event);
    g_assert_true(mesh_endpoint_equal(&event.way.endpoint, &relay.at_a));
    g_assert_cmpuint(pair_info(&pair.b, &pair.a).way.link, ==, 1);
    before = g_atomic_int_get(&relay.n_data);
    pair_pass(&pair, false, false, 3, 500);
    g_assert_cmpint(g_atomic_int_get(&relay.n_data), ==, before + 1);
    g_assert_cmpuint(pair_info(&pair.b, &pair.a).last_data_ms, >, 0);
    relay_stop(&relay, &pair);
}

static void test_silent(void)
{
    Pair      pair;
    Relay     relay;
    WireEvent event;
    uint8_t   packet[100];
    WireRoute route = by_relay(INDEX_B);

    relay_start(&relay, &pair);
    pair_pass(&pair, true, false, 1, 500);
    pair_pass(&pair, false, false, 1, 500);
    route.silent_ms = 300;
    set_route(&pair.a, &pair.b, &route);
    g_atomic_int_set(&relay.deaf, 1);
    for (int i = 0; i < 2; i++) { /* told once, until it was heard again */
        pair_write(&pair.a, packet, pair_make_packet(true, false, 1, sizeof packet, packet));
        pair_wait_event(&pair.a, WIRE_EVENT_SILENT, &event);
        g_assert_true(mesh_key_equal(&event.peer, &pair.b.public_key));
        g_atomic_int_set(&relay.deaf, 0);
        pair_pass(&pair, false, false, 2, 100);
        g_atomic_int_set(&relay.deaf, 1);
    }
    relay_stop(&relay, &pair);
}

static void test_adopted(void)
{
    Pair         pair;
    MeshEndpoint at, unused;
    WirePeerInfo info;
    int          fd = open_socket(&at), extra[WIRE_MAX_SOCKETS];
    WireRoute    route = { .pinned = true, .way = { .socket = 1 } };

    pair_start(&pair, &(PairOptions){ .unrouted = true });
    g_assert_cmpint(wire_ways_adopt_socket(pair.a.plane, 0), ==, -EINVAL);
    g_assert_cmpint(wire_ways_adopt_socket(pair.a.plane, fd), ==, 1);
    route.way.endpoint = pair_endpoint(&pair.b, false);
    set_route(&pair.a, &pair.b, &route);
    for (uint8_t i = 0; i < 10; i++) {
        pair_pass(&pair, true, i % 2 != 0, i, 300);
        pair_pass(&pair, false, i % 2 != 0, i, 1000);
    }
    info = pair_info(&pair.b, &pair.a); /* who roams saw it come from there */
    g_assert_true(mesh_endpoint_equal(&info.endpoint, &at));
    g_assert_cmpuint(pair_info(&pair.a, &pair.b).way.socket, ==, 1);
    for (size_t i = 1; i < WIRE_MAX_SOCKETS; i++)
        g_assert_cmpint(wire_ways_adopt_socket(pair.a.plane, open_socket(&unused)), >, 1);
    extra[0] = open_socket(&unused);
    g_assert_cmpint(wire_ways_adopt_socket(pair.a.plane, extra[0]), ==, -ENOSPC);
    close(extra[0]);
    wire_ways_drop_socket(pair.a.plane, 1);
    wire_ways_drop_socket(pair.a.plane, 1);
    g_assert_cmpint(wire_ways_send(pair.a.plane, &route.way, 0, MESH_SPAN("\xd5", 1)), ==,
                    -ENOTCONN);
    route.way.socket = 0;
    set_route(&pair.a, &pair.b, &route);
    pair_pass(&pair, true, false, 1, 300);
    pair_stop(&pair);
}

/* A datagram whose hops end before it is there does not arrive; with enough of them it does. */
static void test_ttl(void)
{
    Pair          pair;
    WireEvent     event;
    const uint8_t probe[48] = { 0xD5, 1 };
    WireWay       way = { .link = 0 };

    pair_start(&pair, &(PairOptions){ .unrouted = true });
    for (int v6 = 0; v6 < 2; v6++) {
        way.endpoint = pair_endpoint(&pair.b, v6 != 0);
        g_assert_cmpint(wire_ways_send(pair.a.plane, &way, 1, MESH_SPAN(probe, sizeof probe)), ==,
                        0);
        pair_wait_event(&pair.b, WIRE_EVENT_RAW, &event);
        g_assert_cmpuint(event.way.link, ==, 0);
    }
    pair_stop(&pair);
}

static void test_limits(void)
{
    Pair     pair;
    WireLink link = { .session = 1 };

    pair_start(&pair, &(PairOptions){ .unrouted = true });
    g_assert_cmpint(wire_ways_put_link(pair.a.plane, 1, &link), ==, -EINVAL); /* no relay */
    link.relay = mesh_endpoint_make4(0x7f000001, 9);
    g_assert_cmpint(wire_ways_put_link(pair.a.plane, 0, &link), ==, -EINVAL);
    g_assert_cmpint(wire_ways_put_link(pair.a.plane, WIRE_MAX_LINKS + 1, &link), ==, -EINVAL);
    link.session = 1u << 24;
    g_assert_cmpint(wire_ways_put_link(pair.a.plane, 1, &link), ==, -EINVAL);
    wire_ways_remove_link(pair.a.plane, 200);
    pair_stop(&pair);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ways/relayed", test_relayed);
    g_test_add_func("/ways/forged", test_forged);
    g_test_add_func("/ways/raw", test_raw);
    g_test_add_func("/ways/strangers", test_strangers);
    g_test_add_func("/ways/upgrade", test_upgrade);
    g_test_add_func("/ways/pinned", test_pinned);
    g_test_add_func("/ways/silent", test_silent);
    g_test_add_func("/ways/adopted", test_adopted);
    g_test_add_func("/ways/ttl", test_ttl);
    g_test_add_func("/ways/limits", test_limits);
    return g_test_run();
}
