/* tests/daemon/wire/pair.c: see pair.h. */
#include "pair-steer.h"

#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "daemon/wire/rcu.h"

enum { LIMIT_MS = 60000, STEP_MS = 20, MAX_PACKET = 65536 };

static _Atomic int64_t moved_ns;

static int64_t read_ns(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec + atomic_load(&moved_ns);
}

static int64_t boot_ns(void *data)
{
    (void)data;
    return read_ns(CLOCK_BOOTTIME);
}

static int64_t wall_ns(void *data)
{
    (void)data;
    return read_ns(CLOCK_REALTIME);
}

void pair_use_clock(void)
{
    static const MeshClockSource source = { .boot_ns = boot_ns, .wall_ns = wall_ns };

    mesh_clock_set_source(&source);
}

void pair_advance(Pair *self, int64_t ms)
{
    atomic_fetch_add(&moved_ns, ms * 1000000);
    pair_apply(&self->a);
    pair_apply(&self->b);
    wire_rcu_wait(); /* no thread is still in a round that goes by the time of before */
}

/* Returns the plane's end. */
static int make_queue(int *out_host)
{
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), ==, 0);
    *out_host = fds[0];
    return fds[1];
}

static void start_plane(PairSide *side)
{
    WirePlaneOptions options = { .ifname = "pair", .mtu = 1420, .gso = side->gso };
    int              queues[PAIR_MAX_SHARDS - 1];

    options.tun_fd = make_queue(&side->host);
    options.shards = side->shards;
    for (uint16_t i = 0; i + 1 < side->shards; i++)
        queues[i] = make_queue(&side->more_hosts[i]);
    options.tun_queues = queues;
    options.offload = side->offload ? WIRE_SWITCH_ON : WIRE_SWITCH_AUTO;
    g_assert_cmpint(wire_plane_start(&options, &side->plane), ==, 0);
    g_assert_cmpint(wire_plane_set_private_key(side->plane, &side->private_key), ==, 0);
}

static void start_side(PairSide *side, const PairOptions *options)
{
    side->offload = options->offload;
    side->gso = options->gso;
    side->shards = options->shards != 0 ? options->shards : 1;
    mesh_key_make_private(&side->private_key);
    mesh_key_make_public(&side->private_key, &side->public_key);
    side->config = wire_config_new();
    start_plane(side);
}

static void stop_plane(PairSide *side)
{
    wire_plane_stop(side->plane);
    close(side->host);
    for (uint16_t i = 0; i + 1 < side->shards; i++)
        close(side->more_hosts[i]);
}

void pair_restart(PairSide *side)
{
    stop_plane(side);
    start_plane(side);
}

static void add_ip(PairSide *side, const MeshKey *key, const char *text)
{
    MeshPrefix prefix;

    g_assert_cmpint(mesh_ip_parse_prefix(text, &prefix), ==, 0);
    g_assert_cmpint(wire_config_add_allowed_ip(side->config, key, &prefix), ==, 0);
}

static void add_peer(PairSide *side, const PairSide *peer, const WirePeerSpec *like, bool is_a)
{
    WirePeerSpec spec = *like;

    spec.public_key = peer->public_key;
    g_assert_cmpint(wire_config_put_peer(side->config, &spec), ==, 0);
    add_ip(side, &spec.public_key, is_a ? "10.9.0.1" : "10.9.0.2");
    add_ip(side, &spec.public_key, is_a ? "fd09::1" : "fd09::2");
    pair_apply(side);
}

void pair_start(Pair *self, const PairOptions *options)
{
    WirePeerSpec spec = { .keepalive_s = options->keepalive_s };

    g_assert_cmpint(mesh_key_init(), ==, 0);
    start_side(&self->a, options);
    start_side(&self->b, options);
    if (options->psk)
        mesh_key_random(spec.preshared_key.bytes, sizeof(spec.preshared_key.bytes));
    add_peer(&self->a, &self->b, &spec, false);
    spec.keepalive_s = 0;
    if (options->psk_differs)
        spec.preshared_key.bytes[0] ^= 1;
    add_peer(&self->b, &self->a, &spec, true);
    if (!options->unrouted) {
        MeshEndpoint to = pair_endpoint(&self->b, options->v6);

        pair_route(&self->a, &self->b, &to);
    }
}

static void stop_side(PairSide *side)
{
    stop_plane(side);
    wire_config_free(side->config);
}

void pair_stop(Pair *self)
{
    stop_side(&self->a);
    stop_side(&self->b);
}

void pair_apply(PairSide *side)
{
    g_assert_cmpint(wire_plane_apply(side->plane, side->config), ==, 0);
}

void pair_route(PairSide *side, const PairSide *peer, const MeshEndpoint *to)
{
    WireRoute route = { .endpoint = *to };

    g_assert_cmpint(wire_plane_set_route(side->plane, &peer->public_key, &route, false), ==, 0);
}

MeshEndpoint pair_endpoint(const PairSide *side, bool v6)
{
    MeshEndpoint  endpoint = { .port = 0 };
    WirePlaneInfo info;

    wire_plane_get_info(side->plane, &info);
    g_assert_cmpuint(info.listen_port, !=, 0);
    g_assert_cmpint(mesh_endpoint_parse(v6 ? "[::1]:1" : "127.0.0.1:1", &endpoint), ==, 0);
    endpoint.port = info.listen_port;
    return endpoint;
}

WirePeerInfo pair_info(PairSide *side, const PairSide *peer)
{
    WirePeerInfo info;

    g_assert_cmpint(wire_plane_get_peer(side->plane, &peer->public_key, &info), ==, 0);
    return info;
}

uint64_t pair_drops(PairSide *side, WireDrop why)
{
    WireStats stats;

    wire_plane_get_stats(side->plane, &stats);
    return stats.drops[why];
}

size_t pair_make_packet(bool from_a, bool v6, uint8_t seed, size_t len, uint8_t *out)
{
    size_t header = v6 ? 40 : 20;

    g_assert_cmpuint(len, >=, header);
    memset(out, 0, header);
    for (size_t i = header; i < len; i++)
        out[i] = (uint8_t)(seed + i);
    out[0] = v6 ? 0x60 : 0x45;
    if (v6) {
        out[4] = (uint8_t)((len - 40) >> 8);
        out[5] = (uint8_t)(len - 40);
        out[6] = 59; /* no next header */
        out[8] = out[24] = 0xfd;
        out[9] = out[25] = 0x09;
        out[23] = from_a ? 1 : 2;
        out[39] = from_a ? 2 : 1;
        return len;
    }
    out[2] = (uint8_t)(len >> 8);
    out[3] = (uint8_t)len;
    out[9] = 253; /* for experiments (RFC 3692) */
    out[12] = out[16] = 10;
    out[13] = out[17] = 9;
    out[15] = from_a ? 1 : 2;
    out[19] = from_a ? 2 : 1;
    return len;
}

void pair_write(PairSide *side, const uint8_t *packet, size_t len)
{
    g_assert_cmpint(send(side->host, packet, len, 0), ==, (int)len);
}

/* Waits for a queue with a packet. Returns: its descriptor; -1: none in time. */
static int wait_queue(PairSide *side, int timeout_ms)
{
    struct pollfd fds[PAIR_MAX_SHARDS];

    for (unsigned i = 0; i < side->shards; i++)
        fds[i] = (struct pollfd){ .fd = i == 0 ? side->host : side->more_hosts[i - 1],
                                  .events = POLLIN };
    if (poll(fds, side->shards, timeout_ms) <= 0)
        return -1;
    for (unsigned i = 0; i < side->shards; i++) {
        if (fds[i].revents != 0)
            return fds[i].fd;
    }
    return -1;
}

size_t pair_read(PairSide *side, uint8_t *out, size_t size)
{
    int     fd = wait_queue(side, LIMIT_MS);
    ssize_t n;

    g_assert_cmpint(fd, >=, 0);
    n = recv(fd, out, size, 0);
    g_assert_cmpint(n, >, 0);
    return (size_t)n;
}

bool pair_is_quiet(PairSide *side)
{
    return wait_queue(side, 0) < 0;
}

void pair_pass(Pair *self, bool from_a, bool v6, uint8_t seed, size_t len)
{
    static uint8_t sent[MAX_PACKET], got[MAX_PACKET];

    pair_make_packet(from_a, v6, seed, len, sent);
    pair_write(from_a ? &self->a : &self->b, sent, len);
    g_assert_cmpuint(pair_read(from_a ? &self->b : &self->a, got, sizeof(got)), ==, len);
    g_assert_cmpmem(got, len, sent, len);
}

void pair_wait_event(PairSide *side, WireEventKind kind, WireEvent *out_event)
{
    struct pollfd wait = { .fd = wire_plane_event_fd(side->plane), .events = POLLIN };
    gint64        limit = g_get_monotonic_time() + LIMIT_MS * 1000;
    WireEvent     event;

    while (g_get_monotonic_time() < limit) {
        while (wire_plane_next_event(side->plane, &event)) {
            if (event.kind != kind)
                continue;
            if (out_event != NULL)
                *out_event = event;
            return;
        }
        poll(&wait, 1, STEP_MS);
    }
    g_error("event %d did not come", kind);
}

void pair_wait_until(bool (*holds)(void *data), void *data)
{
    gint64 limit = g_get_monotonic_time() + LIMIT_MS * 1000;

    while (!holds(data)) {
        g_assert_cmpint(g_get_monotonic_time(), <, limit);
        g_usleep(1000); /* between two looks; the condition ends the wait */
    }
}
