/* daemon/wire/tun-frames.c: frames of a TUN, with virtio header or without. Linux only. */
#include <errno.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "daemon/wire/tun-device.h"
#include "daemon/wire/tun-lanes.h"

/* Linux 6.2; Debian 12's headers are older. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

enum {
    ROOM = WIRE_MAX_PACKET + 41, /* a super-packet over IPv6 counts its header apart; and one more,
                                  * to see what is too long */
    PROBE_PAYLOAD = 2,
};

/* A super-packet of two segments of a byte each, to nobody: addresses are from 192.0.2.0/24 and
 * 2001:db8::/32 (RFC 5737, 3849), the port is discard. */
static size_t make_probe(uint8_t kind, uint8_t out[WIRE_MERGE_HEAD + PROBE_PAYLOAD])
{
    bool       v6 = kind == WIRE_MERGE_TCP6 || kind == WIRE_MERGE_UDP6;
    bool       udp = kind == WIRE_MERGE_UDP4 || kind == WIRE_MERGE_UDP6;
    uint16_t   l4_at = v6 ? 40 : 20, header_len = (uint16_t)(l4_at + (udp ? 8 : 20));
    uint8_t    packet[60] = { 0 };
    WirePacket first = { .data = packet, .len = header_len + 1u };
    size_t     len;

    packet[0] = v6 ? 0x60 : 0x45;
    packet[v6 ? 7 : 8] = 1; /* hops: would not get far */
    packet[v6 ? 6 : 9] = udp ? IPPROTO_UDP : IPPROTO_TCP;
    memcpy(packet + (v6 ? 8 : 12), v6 ? "\x20\x01\x0d\xb8" : "\xc0\x00\x02\x01", 4);
    memcpy(packet + (v6 ? 24 : 16), v6 ? "\x20\x01\x0d\xb8" : "\xc0\x00\x02\x02", 4);
    packet[l4_at + 3] = 9;
    if (!udp) {
        packet[l4_at + 12] = 0x50;
        packet[l4_at + 13] = 0x10; /* ACK of nothing */
    }
    len = wire_merge_make_head(&(WireMergeRun){ .n_packets = 2,
                                                .kind = kind,
                                                .l4_at = l4_at,
                                                .header_len = header_len,
                                                .gso_size = 1,
                                                .len = header_len + PROBE_PAYLOAD },
                               &first, out);
    memset(out + len, 0, PROBE_PAYLOAD);
    return len + PROBE_PAYLOAD;
}

/* The kernel looks at the virtio header before it looks whether the device is up: a new one, which
 * is down, says EIO to what it would take, and nothing goes anywhere. */
static bool takes(const WireTun *self, uint8_t kind)
{
    uint8_t frame[WIRE_MERGE_HEAD + PROBE_PAYLOAD];
    size_t  len = make_probe(kind, frame);

    return write(self->queues[0].fds[0], frame, len) >= 0 || errno == EIO;
}

int wire_tun_probe(WireTun *self, WireSwitch wish)
{
    static const unsigned all = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
    static const uint8_t  kinds[] = { WIRE_MERGE_TCP4, WIRE_MERGE_TCP6, WIRE_MERGE_UDP4,
                                      WIRE_MERGE_UDP6 };
    int                   size = WIRE_VNET_BYTES, fd = self->queues[0].fds[0];
    unsigned             *found = &self->queues[0].kinds;
    bool                  uso = false, tso = false;

    *found = 0;
    if (self->has_vnet && ioctl(fd, TUNSETVNETHDRSZ, &size) < 0)
        return -EINVAL; /* one that came with a header we cannot read */
    if (self->has_vnet && wish != WIRE_SWITCH_OFF) {
        uso = ioctl(fd, TUNSETOFFLOAD, all | TUN_F_USO4 | TUN_F_USO6) == 0;
        tso = uso || ioctl(fd, TUNSETOFFLOAD, all) == 0;
    }
    if (self->has_vnet && !tso)
        (void)!ioctl(fd, TUNSETOFFLOAD, 0);
    self->splits = tso;
    for (size_t i = 0; tso && i < MESH_N_ELEMENTS(kinds); i++) {
        bool udp = (kinds[i] & (WIRE_MERGE_UDP4 | WIRE_MERGE_UDP6)) != 0;

        if ((uso || !udp) && takes(self, kinds[i]))
            *found |= kinds[i];
    }
    return wish == WIRE_SWITCH_ON && *found == 0 ? -EOPNOTSUPP : 0;
}

/* Why a read says that there will never be more; 0: it says nothing of the kind. */
static int end_of_device(const WireTun *self, ssize_t n)
{
    if (n == 0)
        return self->is_device ? 0 : -EPIPE;
    if (errno == EBADFD || errno == EIO || errno == ENODEV)
        return -EBADFD;
    return errno == ECONNRESET ? -EPIPE : 0;
}

/* The virtio header lies in the headroom for a moment: two vectors would cost a small packet more
 * than copying it does. Returns: as read(), without the virtio header's bytes. */
static ssize_t read_frame(WireTun *self, int fd, uint8_t *room, WireVnet *out_vnet)
{
    size_t  before = self->has_vnet ? WIRE_VNET_BYTES : 0;
    ssize_t n;

    do {
        n = read(fd, room - before, before + ROOM);
    } while (n < 0 && errno == EINTR);
    if (!self->has_vnet || n <= 0)
        return n;
    memcpy(out_vnet, room - before, sizeof(*out_vnet));
    if (n > WIRE_VNET_BYTES)
        return n - WIRE_VNET_BYTES;
    errno = EAGAIN; /* only a test's socket pair sends such a thing */
    return -1;
}

size_t wire_tun_list(const WireTun *self, unsigned queue, struct pollfd *out_fds)
{
    const WireTunQueue *of = &self->queues[queue];

    for (unsigned i = 0; i < of->lanes.n_lanes; i++)
        out_fds[i] = (struct pollfd){ .fd = of->fds[i], .events = POLLIN };
    return of->lanes.n_lanes;
}

void wire_tun_wake(WireTun *self, unsigned queue, const struct pollfd *fds)
{
    WireLanes *lanes = &self->queues[queue].lanes;

    for (unsigned i = 0; i < lanes->n_lanes; i++)
        lanes->ready |= (fds[i].revents != 0 ? 1u : 0u) << i;
}

bool wire_tun_begin(WireTun *self, unsigned queue, int64_t now_ms)
{
    WireTunQueue *of = &self->queues[queue];
    bool          mixed = wire_lanes_begin(&of->lanes, now_ms);

    of->round_bytes = mixed ? WIRE_TUN_MIXED_BYTES : WIRE_TUN_READ_BYTES;
    return mixed;
}

size_t wire_tun_round_bytes(const WireTun *self, unsigned queue)
{
    return self->queues[queue].round_bytes;
}

int wire_tun_read_batch(WireTun *self, unsigned queue, WireSlab *slab, WireSuper *out_supers,
                        size_t max)
{
    WireTunQueue *of = &self->queues[queue];
    size_t        at = 0, n = 0;
    unsigned      lane;

    if (of->lanes.n_lanes == 1)
        of->lanes.ready = 1;
    while (n < max && at < of->round_bytes &&
           slab->size - at >= WIRE_HEADROOM + ROOM + WIRE_TAILROOM &&
           wire_lanes_choose(&of->lanes, &lane)) {
        WireSuper *out = &out_supers[n];
        uint8_t   *room = slab->base + at + WIRE_HEADROOM;
        ssize_t    len;
        int        rc;

        out->vnet = (WireVnet){ .gso_type = WIRE_VNET_NONE };
        len = read_frame(self, of->fds[lane], room, &out->vnet);
        if (len > 0) {
            out->packet = (WirePacket){ .data = room, .len = (uint32_t)len };
            at += WIRE_HEADROOM + (((size_t)len + WIRE_TAILROOM + 63u) & ~(size_t)63u);
            n++;
        }
        rc = len > 0 ? 0 : end_of_device(self, len);
        wire_lanes_read(&of->lanes, lane, len > 0 ? (uint32_t)len : 0);
        if (rc < 0 && n == 0)
            return rc;
    }
    return (int)n;
}

static ssize_t put(WireTun *self, int fd, const struct iovec *parts, size_t n_parts)
{
    ssize_t n;

    do {
        n = self->write(fd, parts, (int)n_parts);
    } while (n < 0 && errno == EINTR);
    return n;
}

static bool write_one(WireTun *self, int fd, const WirePacket *packet)
{
    static const WireVnet plain = { .gso_type = WIRE_VNET_NONE };
    struct iovec          parts[] = { { (void *)(uintptr_t)&plain, sizeof(plain) },
                                      { packet->data, packet->len } };
    size_t                skipped = self->has_vnet ? 0 : 1;

    return put(self, fd, parts + skipped, 2 - skipped) >= 0;
}

bool wire_tun_write(WireTun *self, const WirePacket *packet)
{
    return write_one(self, self->queues[0].write_fd, packet);
}

/* Returns: as writev(). */
static ssize_t write_run(WireTun *self, WireTunQueue *queue, const WirePacket *packets,
                         const WireMergeRun *run)
{
    struct iovec parts[1 + WIRE_MERGE_MAX_SEGMENTS];
    uint8_t      head[WIRE_MERGE_HEAD];
    size_t       place = run->first;

    parts[0] = (struct iovec){ head, wire_merge_make_head(run, &packets[place], head) };
    for (size_t i = 1; i <= run->n_packets; i++) {
        const WirePacket *packet = &packets[place];

        parts[i] = (struct iovec){ packet->data + run->header_len, packet->len - run->header_len };
        place = queue->merge.next[place];
    }
    return put(self, queue->write_fd, parts, 1u + run->n_packets);
}

static size_t write_singly(WireTun *self, WireTunQueue *queue, const WirePacket *packets,
                           const WireMergeRun *run)
{
    size_t place = run->first, taken = 0;

    for (size_t i = 0; i < run->n_packets; i++, place = queue->merge.next[place])
        taken += write_one(self, queue->write_fd, &packets[place]);
    return taken;
}

/* One run. A kernel that refuses super-packets of a kind (some of 6.6 do) gets no more of them. */
static size_t write_merged(WireTun *self, WireTunQueue *queue, WireOffloadCount *count,
                           const WirePacket *packets, const WireMergeRun *run)
{
    if (run->n_packets == 1)
        return write_one(self, queue->write_fd, &packets[run->first]);
    if ((queue->kinds & run->kind) == 0)
        return write_singly(self, queue, packets, run);
    if (write_run(self, queue, packets, run) >= 0) {
        wire_count_unit(count, run->n_packets);
        return run->n_packets;
    }
    if (errno != EINVAL)
        return 0;
    wire_count(&count->refused, 1);
    wire_count(&count->given_up, 1);
    queue->kinds &= ~(unsigned)run->kind;
    return write_singly(self, queue, packets, run);
}

size_t wire_tun_write_batch(WireTun *self, unsigned queue_number, WireCounters *counters,
                            const WirePacket *packets, size_t n_packets)
{
    WireTunQueue     *queue = &self->queues[queue_number];
    WireOffloadCount *count = &counters->offloads[WIRE_OFFLOAD_TUN_WRITE];
    size_t            taken = 0;

    while (n_packets > 0) {
        size_t n = n_packets < WIRE_MERGE_MAX_PACKETS ? n_packets : WIRE_MERGE_MAX_PACKETS;

        wire_merge_batch(&queue->merge, packets, n, queue->kinds);
        for (size_t i = 0; i < queue->merge.n_runs; i++)
            taken += write_merged(self, queue, count, packets, &queue->merge.runs[i]);
        packets += n;
        n_packets -= n;
    }
    return taken;
}
