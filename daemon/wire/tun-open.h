/* daemon/wire/tun-open.h: the descriptors of a TUN. Internal to tun.c.
 *
 * A shard has several queues, its lanes (lanes.h). The kernel gives a flow to the queue that its
 * hash names; but from what is written it learns to send the other direction to the queue that this
 * was written on, which would gather all flows of a peer in one, and move a flow while it runs. So
 * with several queues each shard writes on a descriptor of its own that is detached from the
 * device's queues: the kernel learns nothing from it, and nothing is ever to be read there. */
#pragma once
#include <stdbool.h>

#include "common/std/attr.h"
#include "daemon/wire/index.h"
#include "daemon/wire/lanes.h"
#include "daemon/wire/plane.h"

typedef struct {
    unsigned n_queues; /* one a shard */
    unsigned n_lanes;  /* of each */
    int      fds[WIRE_MAX_SHARDS][WIRE_MAX_LANES];
    int      write_fds[WIRE_MAX_SHARDS]; /* equal: one for both */
} WireTunDescriptors;

bool wire_tun_is_valid_name(const char *name);

/** wire_tun_open: a new device. Returns: as wire_tun_new(). */
MESH_CHECKED int wire_tun_open(const WirePlaneOptions *options, WireTunDescriptors *out);

/** wire_tun_take_over: what the caller opened; its descriptors are made non-blocking. */
MESH_CHECKED int wire_tun_take_over(const WirePlaneOptions *options, WireTunDescriptors *out);

void wire_tun_close(const WireTunDescriptors *descriptors);
