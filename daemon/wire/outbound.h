/* daemon/wire/outbound.h: TUN → UDP. Thread: the out thread of a shard. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/std/attr.h"
#include "daemon/wire/plane.h"

typedef struct WireOutbound WireOutbound;

MESH_CHECKED int wire_outbound_new(WirePlane *plane, unsigned shard,
                                   WireOutbound **out_self); /* 0; -ENOMEM */
void             wire_outbound_free(WireOutbound *self);     /* NULL is fine */

/** wire_outbound_work: one round, of at most a batch. Returns: false: nothing was to do; wait. */
bool wire_outbound_work(WireOutbound *self);

/** wire_outbound_wait: until there is something; offline for writers. */
void wire_outbound_wait(WireOutbound *self);
