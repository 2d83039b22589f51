/* server/loop/buckets.h: how many new connections a network may open: token buckets per IPv4 /24
 * and IPv6 /64, in a table of fixed size. One thread. */
#pragma once

#include "common/std/attr.h"
#include "common/std/ip.h"

typedef struct LoopBuckets LoopBuckets;

/* @rate tokens a second, at most @burst at once; both ≥ 1. Returns: 0; -ENOMEM. */
MESH_CHECKED int loop_buckets_new(unsigned rate, unsigned burst, LoopBuckets **out_buckets);
void             loop_buckets_free(LoopBuckets *self); /* NULL is fine */

/* Takes a token of @addr's network; false: it has none left. When the table is full, the network
 * that has been quiet longest is forgotten. */
bool loop_buckets_take(LoopBuckets *self, const MeshAddr *addr, int64_t now_ms);
