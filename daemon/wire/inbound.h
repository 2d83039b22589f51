/* daemon/wire/inbound.h: UDP → TUN. Thread: the in thread of a shard. */
#pragma once
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/std/attr.h"
#include "daemon/wire/plane.h"
#include "daemon/wire/sockets.h"

#define WIRE_INBOUND_FDS (WIRE_N_SOCKETS + 1u + WIRE_MAX_SOCKETS)

typedef struct WireInbound WireInbound;

MESH_CHECKED int wire_inbound_new(WirePlane *plane, unsigned shard,
                                  WireInbound **out_self); /* 0; -ENOMEM */
void             wire_inbound_free(WireInbound *self);     /* NULL is fine */

/** wire_inbound_work: one round, of at most a batch a socket. Returns: false: both are empty; wait.
 */
bool wire_inbound_work(WireInbound *self);

/** wire_inbound_list: what to poll between rounds, at most WIRE_INBOUND_FDS. Returns: how many. */
size_t wire_inbound_list(const WireInbound *self, struct pollfd *out_fds);

/** wire_inbound_patience: poll's timeout where there is nothing to do. */
int wire_inbound_patience(WireInbound *self);

/** wire_inbound_wake: what poll said of those. */
void wire_inbound_wake(WireInbound *self, const struct pollfd *fds, size_t n_fds);
