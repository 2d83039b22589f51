/* daemon/wire/limiter.h: handshakes per source: a token bucket for each IPv4 address or IPv6 /64.
 * 20 a second, 5 at once; bounded: in a full table the stalest bucket near the hash makes room.
 * Thread: handshake. */
#pragma once

#include "common/std/attr.h"
#include "common/std/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct WireLimiter WireLimiter;

#define WIRE_LIMITER_PER_SECOND 20u
#define WIRE_LIMITER_BURST      5u

/** wire_limiter_new: @max_sources: rounded up to a power of two, at least 64; 32 bytes each.
 * Returns: 0; -ENOMEM. */
MESH_CHECKED int wire_limiter_new(size_t max_sources, WireLimiter **out_limiter);
void             wire_limiter_free(WireLimiter *self); /* NULL is fine */

/** wire_limiter_allow: takes a token of @source's bucket; @now_ms: boot clock.
 * Returns: false: over its rate; drop. */
bool wire_limiter_allow(WireLimiter *self, const MeshAddr *source, int64_t now_ms);
