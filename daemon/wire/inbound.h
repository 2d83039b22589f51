/* daemon/wire/inbound.h: UDP → TUN. Thread: the in thread of a shard. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/std/attr.h"
#include "daemon/wire/plane.h"

typedef struct WireInbound WireInbound;

MESH_CHECKED int wire_inbound_new(WirePlane *plane, unsigned shard,
                                  WireInbound **out_self); /* 0; -ENOMEM */
void             wire_inbound_free(WireInbound *self);     /* NULL is fine */

/** wire_inbound_work: one round, of at most a batch a socket. Returns: false: both are empty; wait.
 */
bool wire_inbound_work(WireInbound *self);

/** wire_inbound_wait: until there is something; offline for writers. */
void wire_inbound_wait(WireInbound *self);
