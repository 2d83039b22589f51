/* daemon/wire/outbound.h: TUN → UDP. Thread: one of a shard at a time. */
#pragma once
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/std/attr.h"
#include "daemon/wire/lanes.h"
#include "daemon/wire/plane.h"

#define WIRE_OUTBOUND_FDS (3u + WIRE_MAX_LANES)

typedef struct WireOutbound WireOutbound;

MESH_CHECKED int wire_outbound_new(WirePlane *plane, unsigned shard,
                                   WireOutbound **out_self); /* 0; -ENOMEM */
void             wire_outbound_free(WireOutbound *self);     /* NULL is fine */

/** wire_outbound_work: one round, of at most a batch. Returns: false: there is no
 * more; wait. */
bool wire_outbound_work(WireOutbound *self);

/** wire_outbound_flush: sends what waits for a next round, which another thread may do. */
void wire_outbound_flush(WireOutbound *self);

/** wire_outbound_list: what to poll between rounds, at most WIRE_OUTBOUND_FDS. Returns: how many.
 */
size_t wire_outbound_list(const WireOutbound *self, struct pollfd *out_fds);

/** wire_outbound_patience: poll's timeout where there is nothing to do. */
int wire_outbound_patience(const WireOutbound *self);

/** wire_outbound_is_mixed: flows that say little share the road with such that say much. */
bool wire_outbound_is_mixed(const WireOutbound *self);

/** wire_outbound_wake: what poll said of those. */
void wire_outbound_wake(WireOutbound *self, const struct pollfd *fds);
