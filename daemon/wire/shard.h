/* daemon/wire/shard.h: the two packet threads of a shard: in, which takes both roads (TUN → UDP and
 * UDP → TUN), and out, which takes the first of them off it under load both ways. They share
 * nothing but the snapshot, peers' atomics and counters; nor do shards. */
#pragma once
#include "common/std/attr.h"
#include "daemon/wire/state.h"

/** wire_shard_start: @number: from 0. Returns: 0; -ENOMEM; -EAGAIN: no threads. */
MESH_CHECKED int wire_shard_start(WirePlane *plane, unsigned number, WireShard **out_shard);

/** wire_shard_stop: after plane->stopping was set; rings, joins, frees. NULL is fine. */
void wire_shard_stop(WireShard *self);
