/* daemon/wire/tun.h: the TUN device: batches of IP packets in and out, its state, its end.
 *
 * With a virtio header the host hands over super-packets (TSO, USO), which the reader splits; what
 * is written is merged behind the call, while the kernel takes it. A descriptor that is no TUN (a
 * datagram socket pair) serves as well: it is always up. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/std/attr.h"
#include "daemon/wire/counters.h"
#include "daemon/wire/offload.h"
#include "daemon/wire/packet.h"
#include "daemon/wire/plane.h"

#define WIRE_TUN_SLAB_BYTES (512u * 1024u)

/* What a round reads, about: much at once costs less; little, where flows that say little are
 * beside others, is sooner back at those. */
#define WIRE_TUN_READ_BYTES  (160u * 1024u)
#define WIRE_TUN_MIXED_BYTES (64u * 1024u)

typedef struct WireTun WireTun;

/** wire_tun_new: opens the device with a queue for each of @options->shards, or takes over
 * @options->tun_fd and what is with it (on success only). The kernel gives a flow always to the
 * same queue, and lane of it, by its hash. A device that was there already and is of one queue
 * stays so. Returns: 0; -EPERM; -EBUSY: name taken; -EINVAL: bad name; -ENODEV: no TUN here;
 * -ENOMEM; -EOPNOTSUPP: offloads are switched on and not to be had. */
MESH_CHECKED int wire_tun_new(const WirePlaneOptions *options, WireTun **out_tun);
void             wire_tun_free(WireTun *self); /* removes the device; NULL is fine */

void wire_tun_give_back(WireTun *self); /* free will not close descriptors taken over */

unsigned wire_tun_count(const WireTun *self); /* queues: one a shard */

/* A packet, or a super-packet, as the host gave it: for wire_split_start(). */
typedef struct {
    WirePacket packet;
    WireVnet   vnet;
} WireSuper;

/** wire_tun_read_batch: reads what waits, at most @max and about what a round may, each into its
 * own part of @slab: first of flows that say little; where there are lanes, from those only that
 * wire_tun_wake() named. Out thread of the queue.
 * Returns: how many, 0: none wait; -EBADFD, -EPIPE: the device is gone. */
MESH_CHECKED int wire_tun_read_batch(WireTun *self, unsigned queue, WireSlab *slab,
                                     WireSuper *out_supers, size_t max);

/** wire_tun_write_batch: gives packets to the host, those of a flow as one where that is to be had.
 * In thread of @queue; @counters are its. Returns how many it took. */
size_t wire_tun_write_batch(WireTun *self, unsigned queue, WireCounters *counters,
                            const WirePacket *packets, size_t n_packets);

/** wire_tun_write: one, as it is. Any thread. Returns: false: the host did not take it. */
bool wire_tun_write(WireTun *self, const WirePacket *packet);

/* Any thread: as last seen. */
uint32_t    wire_tun_mtu(const WireTun *self);
bool        wire_tun_up(const WireTun *self);
const char *wire_tun_name(const WireTun *self);

/** wire_tun_watch_fd: readable when links, addresses or routes of the host changed; -1: no watch.
 */
int wire_tun_watch_fd(const WireTun *self);

typedef struct {
    bool link;   /* the TUN's own state or MTU is another one */
    bool routes; /* addresses or routes changed: source addresses may be stale */
} WireTunChange;

/** wire_tun_watch_read: takes what the watch has and brings MTU and state up to date. */
void wire_tun_watch_read(WireTun *self, WireTunChange *out_change);
