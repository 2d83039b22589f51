/* daemon/wire/tun.h: the TUN device: batches of plain IP packets in and out, its state, its end.
 *
 * Callers see whole IP packets only; offloads (virtio header, TSO, USO) go behind the two batch
 * calls. A descriptor that is no TUN (a datagram socket pair) serves as well: it is always up. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/std/attr.h"
#include "daemon/wire/packet.h"
#include "daemon/wire/plane.h"

#define WIRE_TUN_SLAB_BYTES (512u * 1024u)

typedef struct WireTun WireTun;

/** wire_tun_new: opens the device, or takes over @options->tun_fd (on success only).
 * Returns: 0; -EPERM; -EBUSY: name taken; -EINVAL: bad name; -ENODEV: no TUN here; -ENOMEM. */
MESH_CHECKED int wire_tun_new(const WirePlaneOptions *options, WireTun **out_tun);
void             wire_tun_free(WireTun *self); /* removes the device; NULL is fine */

void wire_tun_give_back(WireTun *self); /* free will not close a descriptor taken over */

int wire_tun_fd(const WireTun *self); /* to poll for reading */

/** wire_tun_read_batch: reads packets that wait, at most @max, each into its own part of @slab.
 * Out thread. Returns: how many, 0: none wait; -EBADFD, -EPIPE: the device is gone. */
MESH_CHECKED int wire_tun_read_batch(WireTun *self, WireSlab *slab, WirePacket *out_packets,
                                     size_t max);

/** wire_tun_write_batch: gives packets to the host. In thread. Returns how many it took. */
size_t wire_tun_write_batch(WireTun *self, const WirePacket *packets, size_t n_packets);

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
