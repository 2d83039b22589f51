/* tests/daemon/wire/test-tun.c: frames of a TUN with virtio header, on a socket pair, and a kernel
 * that refuses super-packets: a pretended one. */
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/wire/tun-device.h"
#include "tests/daemon/wire/offload-reference.h"

typedef struct {
    WireTun      *tun;
    WireCounters *counters;
    int           host;
} World;

static void start(World *world, WireSwitch offload)
{
    WirePlaneOptions options = { .ifname = "test", .offload = offload };
    int              fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), ==, 0);
    world->host = fds[0];
    options.tun_fd = fds[1];
    g_assert_cmpint(wire_tun_new(&options, &world->tun), ==, 0);
    world->counters = g_aligned_alloc0(1, sizeof(*world->counters), _Alignof(WireCounters));
}

static void stop(World *world)
{
    wire_tun_free(world->tun);
    close(world->host);
    g_aligned_free(world->counters);
}

/* The nth segment of a flow, IPv4 with DF; @udp: a datagram. Returns it in static memory. */
static WirePacket make(size_t n, bool udp)
{
    static uint8_t store[64][256];
    uint8_t       *p = store[n + (udp ? 32 : 0)];
    size_t         header = udp ? 28 : 40, len = header + 100;
    uint16_t       check;

    memset(p, 0, header);
    memset(p + header, (int)n, 100);
    p[0] = 0x45;
    p[3] = (uint8_t)len;
    p[6] = 0x40;
    p[8] = 64;
    p[9] = udp ? 17 : 6;
    p[12] = p[16] = 10;
    p[19] = 1;
    check = 0xffff ^ reference_sum(p, 20, 0);
    p[10] = (uint8_t)(check >> 8);
    p[11] = (uint8_t)check;
    if (udp) {
        p[25] = 108;
    } else {
        p[26] = (uint8_t)(n * 100 >> 8);
        p[27] = (uint8_t)(n * 100);
        p[32] = 0x50;
        p[33] = 0x10;
    }
    check = 0xffff ^
            reference_sum(p + 20, len - 20, reference_sum(p + 12, 8, (uint32_t)(len - 20) + p[9]));
    p[udp ? 26 : 36] = (uint8_t)(check >> 8);
    p[udp ? 27 : 37] = (uint8_t)check;
    g_assert_true(reference_is_right(p, len, 20, udp));
    return (WirePacket){ p, (uint32_t)len };
}

/* What the host reads next: the lengths of the frames that are there. */
static char *read_frames(World *world)
{
    static uint8_t frame[70000];
    GString       *text = g_string_new(NULL);
    ssize_t        n;

    while ((n = recv(world->host, frame, sizeof(frame), MSG_DONTWAIT)) > 0)
        g_string_append_printf(text, "%s%zd", text->len > 0 ? " " : "", n);
    return g_string_free(text, FALSE);
}

static WireOffloadStats get_stats(const World *world)
{
    const WireOffloadCount *count = &world->counters->offloads[WIRE_OFFLOAD_TUN_WRITE];

    return (WireOffloadStats){ wire_count_read(&count->units), wire_count_read(&count->packets),
                               wire_count_read(&count->refused), wire_count_read(&count->held),
                               wire_count_read(&count->given_up) };
}

static void write_and_check(World *world, const char *want)
{
    WirePacket       packets[6];
    g_autofree char *got = NULL;

    for (size_t i = 0; i < 3; i++) {
        packets[2 * i] = make(i, false);
        packets[2 * i + 1] = make(i, true);
    }
    g_assert_cmpuint(wire_tun_write_batch(world->tun, 0, world->counters, packets, 6), ==, 6);
    got = read_frames(world);
    g_assert_cmpstr(got, ==, want);
}

static void test_merged(void)
{
    World world;

    start(&world, WIRE_SWITCH_ON);
    write_and_check(&world, "350 338"); /* 10 + 40 + 300, 10 + 28 + 300 */
    g_assert_cmpuint(get_stats(&world).units, ==, 2);
    g_assert_cmpuint(get_stats(&world).packets, ==, 6);
    stop(&world);
}

static void test_without_header(void)
{
    World world;

    start(&world, WIRE_SWITCH_AUTO);
    write_and_check(&world, "140 128 140 128 140 128");
    g_assert_cmpuint(get_stats(&world).units, ==, 0);
    stop(&world);
}

static int refused_type; /* virtio gso_type that the pretended kernel does not take */

static ssize_t refuse(int fd, const struct iovec *parts, int n)
{
    const uint8_t *vnet = parts[0].iov_base;

    if (vnet[1] != refused_type)
        return writev(fd, parts, n);
    errno = EINVAL;
    return -1;
}

/* Nothing is lost, and that protocol is merged no more; the other still is. */
static void test_refused(void)
{
    World world;

    start(&world, WIRE_SWITCH_ON);
    world.tun->write = refuse;
    refused_type = WIRE_VNET_TCP4;
    write_and_check(&world, "150 150 150 338");
    write_and_check(&world, "150 338 150 150");
    g_assert_cmpuint(get_stats(&world).refused, ==, 1);
    g_assert_cmpuint(get_stats(&world).units, ==, 2);
    refused_type = WIRE_VNET_UDP;
    write_and_check(&world, "150 138 138 138 150 150");
    write_and_check(&world, "150 138 150 138 150 138");
    g_assert_cmpuint(get_stats(&world).refused, ==, 2);
    g_assert_cmpuint(get_stats(&world).given_up, ==, 2);
    stop(&world);
}

static ssize_t be_down(int fd, const struct iovec *parts, int n)
{
    (void)fd;
    (void)parts;
    (void)n;
    errno = EIO;
    return -1;
}

/* A device that is down takes nothing, but has nothing against super-packets either. */
static void test_down(void)
{
    World      world;
    WirePacket packets[] = { make(0, false), make(1, false) };

    start(&world, WIRE_SWITCH_ON);
    world.tun->write = be_down;
    g_assert_cmpuint(wire_tun_write_batch(world.tun, 0, world.counters, packets, 2), ==, 0);
    g_assert_cmpuint(get_stats(&world).refused, ==, 0);
    world.tun->write = writev;
    write_and_check(&world, "350 338");
    stop(&world);
}

static void test_read(void)
{
    World      world;
    WireSlab   slab;
    WireSuper  supers[4];
    WirePacket packet = make(0, true);
    WireVnet   vnet = { .flags = WIRE_VNET_NEEDS_CSUM, .gso_type = WIRE_VNET_UDP, .gso_size = 50 };
    struct iovec parts[] = { { &vnet, sizeof(vnet) }, { packet.data, packet.len } };

    g_assert_cmpint(wire_slab_init(&slab, WIRE_TUN_SLAB_BYTES), ==, 0);
    start(&world, WIRE_SWITCH_ON);
    g_assert_cmpint(writev(world.host, parts, 2), ==, 138);
    g_assert_cmpint(wire_tun_read_batch(world.tun, 0, &slab, supers, 4), ==, 1);
    g_assert_cmpmem(&supers[0].vnet, sizeof(vnet), &vnet, sizeof(vnet));
    g_assert_cmpmem(supers[0].packet.data, supers[0].packet.len, packet.data, packet.len);
    g_assert_cmpint(write(world.host, "short", 5), ==, 5); /* no whole header: no packet */
    g_assert_cmpint(wire_tun_read_batch(world.tun, 0, &slab, supers, 4), ==, 0);
    stop(&world);
    wire_slab_done(&slab);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tun/merged", test_merged);
    g_test_add_func("/tun/without-header", test_without_header);
    g_test_add_func("/tun/refused", test_refused);
    g_test_add_func("/tun/down", test_down);
    g_test_add_func("/tun/read", test_read);
    return g_test_run();
}
