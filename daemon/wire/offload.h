/* daemon/wire/offload.h: super-packets of a TUN with virtio header (TSO, USO) and the packets in
 * them. Pure: bytes in, bytes out, no state but the caller's; no descriptor, clock or memory.
 *
 * Splitting: what the host hands over becomes the packets that go to the network. Merging: packets
 * of a batch become super-packets again, such that splitting gives back the same packets (with
 * IPv4 identifications counted on where DF is set).
 * Sources: virtio 1.2 §5.1.6; RFC 9293, 768, 791, 8200, 1071; Linux net/ipv4/tcp_offload.c. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/std/attr.h"
#include "daemon/wire/packet.h"

enum {
    WIRE_VNET_BYTES = 10,
    WIRE_VNET_NEEDS_CSUM = 1, /* in flags */
    WIRE_VNET_NONE = 0,       /* in gso_type */
    WIRE_VNET_TCP4 = 1,
    WIRE_VNET_TCP6 = 4,
    WIRE_VNET_UDP = 5, /* USO; unknown to headers before Linux 6.2 */
    WIRE_VNET_ECN = 0x80,
    WIRE_MAX_SEGMENTS = 8192,                /* split: of one super-packet */
    WIRE_MAX_HEADERS = 160,                  /* IP with extension headers, and TCP with options */
    WIRE_MERGE_MAX_SEGMENTS = 64,            /* of one super-packet to a TUN */
    WIRE_MERGE_MAX_PACKETS = 256,            /* a batch */
    WIRE_MERGE_HEAD = WIRE_VNET_BYTES + 100, /* virtio header, IPv6, TCP with options */
};

/** WireVnet: struct virtio_net_hdr, host byte order (a TUN's unless told otherwise). */
typedef struct {
    uint8_t  flags, gso_type;
    uint16_t hdr_len; /* a hint, not to be believed */
    uint16_t gso_size, csum_start, csum_offset;
} WireVnet;
_Static_assert(sizeof(WireVnet) == WIRE_VNET_BYTES, "as on the wire");

typedef struct {
    uint8_t *packet;
    uint32_t len;
    uint32_t n_segments, next;
    uint32_t l4_at, header_len, gso_size; /* header_len: IP and TCP or UDP */
    uint32_t seq;
    uint16_t id;
    uint8_t  tcp_flags;
    bool     is_v6, is_udp;
    uint64_t ip_sum, l4_sum; /* of what is the same in all segments */
    uint8_t  headers[WIRE_MAX_HEADERS];
} WireSplit;

/** wire_split_start: looks at a packet as read from the TUN and finishes the checksum of a plain
 * one. @packet is borrowed and written to. On success self->n_segments is 1 … WIRE_MAX_SEGMENTS.
 * Returns: 0; -EBADMSG: header and packet do not fit each other, nothing was written. */
MESH_CHECKED int wire_split_start(WireSplit *self, const WireVnet *vnet, uint8_t *packet,
                                  size_t len);

/** wire_split_longest: Returns: bytes of the longest segment; @self was just started. */
static inline uint32_t wire_split_longest(const WireSplit *self)
{
    return self->n_segments > 1 ? self->header_len + self->gso_size : self->len;
}

/** wire_split_next: the next segment, inside the super-packet: its headers are written over the
 * tail of the segment before, which must be used up by now. Bytes behind it are payload that is
 * still to come. Returns: false: there are no more. */
bool wire_split_next(WireSplit *self, WirePacket *out_segment);

/* What packets may be merged to; bits of a mask. */
enum {
    WIRE_MERGE_TCP4 = 1,
    WIRE_MERGE_TCP6 = 2,
    WIRE_MERGE_UDP4 = 4,
    WIRE_MERGE_UDP6 = 8,
    WIRE_MERGE_ALL = 15,
};

/** WireMergeRun: packets that go to the TUN as one. A run of one goes as it is. */
typedef struct {
    uint16_t first, last, n_packets; /* places in the batch, linked by WireMerge.next */
    uint8_t  kind;                   /* one of WIRE_MERGE_…; 0: goes as it is */
    bool     verified;               /* checksum of the first; the others' always */
    bool     has_push;
    uint16_t l4_at, header_len, gso_size;
    uint16_t next_id;
    uint32_t next_seq;
    uint32_t len; /* of the super-packet */
} WireMergeRun;

typedef struct {
    WireMergeRun runs[WIRE_MERGE_MAX_PACKETS]; /* in the order in which to write them */
    size_t       n_runs;
    uint16_t     next[WIRE_MERGE_MAX_PACKETS];
    uint16_t     open[512]; /* by hash of the flow: place in runs + 1 of what may still grow */
} WireMerge;

/** wire_merge_batch: sorts packets, at most WIRE_MERGE_MAX_PACKETS, into runs; in each flow in
 * their order, but for TCP segments without payload. @kinds: what may be merged. Reads packets
 * only. */
void wire_merge_batch(WireMerge *self, const WirePacket *packets, size_t n_packets, unsigned kinds);

/** wire_merge_make_head: virtio header and packet headers of a run of several; behind them go the
 * payloads of all its packets (run->header_len bytes into each).
 * @first: the first packet. Returns: how many bytes of @out_head are used. */
size_t wire_merge_make_head(const WireMergeRun *run, const WirePacket *first,
                            uint8_t out_head[WIRE_MERGE_HEAD]);
