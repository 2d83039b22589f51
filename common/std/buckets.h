/* common/std/buckets.h: how often a source may do something: token buckets per IPv4 network of a
 * given size and IPv6 /64, in a table of fixed size. One thread. */
#pragma once

#include "common/std/attr.h"
#include "common/std/ip.h"

typedef struct MeshBuckets MeshBuckets;

enum {
    MESH_BUCKETS_BY_24 = 3, /* bytes of an IPv4 address that name its network */
    MESH_BUCKETS_BY_32 = 4,
};

/* @rate tokens a second, at most @burst at once; both ≥ 1. Returns: 0; -ENOMEM. */
MESH_CHECKED int mesh_buckets_new(unsigned ip4_bytes, unsigned rate, unsigned burst,
                                  MeshBuckets **out_buckets);
void             mesh_buckets_free(MeshBuckets *self); /* NULL is fine */

/* Takes a token of @addr's network; false: it has none left. When the table is full, the network
 * that has been quiet longest is forgotten. */
bool mesh_buckets_take(MeshBuckets *self, const MeshAddr *addr, int64_t now_ms);
