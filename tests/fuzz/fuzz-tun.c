/* tests/fuzz/fuzz-tun.c: frames of the host through a TUN with virtio header: each is read as it
 * was written, split, and written back; what the host gets is the same packets, merged or not.
 *
 * Input: which kinds the kernel takes as one (a byte), then frames, each behind its length (two
 * bytes): virtio header and packet. */
#include "daemon/wire/tun-device.h"
#include "tests/daemon/wire/offload-reference.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_FRAMES = 16, MAX_PACKETS = 512, MAX_FRAME = 9000 };

static struct {
    WireTun      *tun;
    WireSlab      slab;
    WireCounters *counters;
    int           host;
} world;

static ReferencePacket segment;
static uint8_t         frames[MAX_FRAMES][MAX_FRAME];
static size_t          lengths[MAX_FRAMES];

static void start(void)
{
    WirePlaneOptions options = { .ifname = "fuzz", .offload = WIRE_SWITCH_ON };
    int              fds[2], rc = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds);
    int              room = 8 << 20; /* for all that one input can make */

    assert(rc == 0);
    (void)setsockopt(fds[1], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
    world.host = fds[0];
    options.tun_fd = fds[1];
    rc = wire_tun_new(&options, &world.tun);
    assert(rc == 0);
    rc = wire_slab_init(&world.slab, WIRE_TUN_SLAB_BYTES);
    assert(rc == 0);
    world.counters = aligned_alloc(_Alignof(WireCounters), sizeof(*world.counters));
    assert(world.counters != NULL);
    memset(world.counters, 0, sizeof(*world.counters));
}

static size_t send_frames(FuzzInput *in)
{
    size_t n = 0;

    while (in->left > 0 && n < MAX_FRAMES) {
        size_t len = fuzz_take_u16(in) % MAX_FRAME;

        len = fuzz_take_bytes(in, frames[n], len);
        if (len == 0 || send(world.host, frames[n], len, MSG_DONTWAIT) != (ssize_t)len)
            break;
        lengths[n++] = len;
    }
    return n;
}

/* One frame's packets, appended to @packets. Returns how many there are then. */
static size_t split(WireSuper *super, WirePacket *packets, size_t n)
{
    WireSplit state;

    if (wire_split_start(&state, &super->vnet, super->packet.data, super->packet.len) < 0)
        return n;
    while (n < MAX_PACKETS && wire_split_next(&state, &packets[n]))
        n++;
    return n;
}

/* How many packets, and how many bytes of them, a frame for the host holds. */
static size_t count_frame(const uint8_t *frame, size_t len, size_t *bytes)
{
    WireVnet vnet;
    size_t   n = 0;

    assert(len > WIRE_VNET_BYTES);
    memcpy(&vnet, frame, sizeof vnet);
    if (vnet.gso_type == WIRE_VNET_NONE) {
        *bytes += len - WIRE_VNET_BYTES;
        return 1;
    }
    while (reference_split(frame + WIRE_VNET_BYTES, len - WIRE_VNET_BYTES, &vnet, n, &segment)) {
        *bytes += segment.len;
        n++;
    }
    assert(n >= 2);
    return n;
}

static void check_host(size_t want, size_t want_bytes)
{
    static uint8_t frame[REFERENCE_MAX];
    size_t         n = 0, bytes = 0;
    ssize_t        len;

    while ((len = recv(world.host, frame, sizeof frame, MSG_DONTWAIT)) > 0)
        n += count_frame(frame, (size_t)len, &bytes);
    assert(n == want && bytes == want_bytes);
}

/* What was read is what was sent; a frame too short to have a packet is passed over, and ends a
 * batch. */
static size_t check_read(const WireSuper *supers, size_t n_read, size_t at, size_t n_sent)
{
    for (size_t i = 0; i < n_read; i++, at++) {
        while (at < n_sent && lengths[at] <= WIRE_VNET_BYTES)
            at++;
        assert(at < n_sent && supers[i].packet.len == lengths[at] - WIRE_VNET_BYTES);
        assert(memcmp(&supers[i].vnet, frames[at], WIRE_VNET_BYTES) == 0);
        assert(memcmp(supers[i].packet.data, frames[at] + WIRE_VNET_BYTES, supers[i].packet.len) ==
               0);
    }
    return at;
}

static void pass(size_t n_sent)
{
    static WireSuper  supers[MAX_FRAMES];
    static WirePacket packets[MAX_PACKETS];
    size_t            at = 0, tries = 0;

    while (tries++ < 2 * MAX_FRAMES) { /* short frames end a batch each */
        size_t n = 0, taken, bytes = 0;
        int    n_read = wire_tun_read_batch(world.tun, 0, &world.slab, supers, MAX_FRAMES);

        assert(n_read >= 0);
        at = check_read(supers, (size_t)n_read, at, n_sent);
        for (int i = 0; i < n_read; i++)
            n = split(&supers[i], packets, n);
        for (size_t i = 0; i < n; i++)
            bytes += packets[i].len;
        taken = wire_tun_write_batch(world.tun, 0, world.counters, packets, n);
        assert(taken == n);
        check_host(n, bytes);
    }
    for (; at < n_sent; at++)
        assert(lengths[at] <= WIRE_VNET_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    FuzzInput in = fuzz_make_input(data, len);

    if (world.tun == NULL)
        start();
    world.tun->queues[0].kinds = fuzz_take_u8(&in) & WIRE_MERGE_ALL;
    pass(send_frames(&in));
    return 0;
}
