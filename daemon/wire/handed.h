/* daemon/wire/handed.h: datagrams that an in thread received but the first one is to judge: only it
 * looks at handshakes, and tells of strangers. One ring a further shard. Internal to inbound.c. */
#pragma once
#include <stddef.h>

#include "common/std/attr.h"
#include "daemon/wire/framering.h"
#include "daemon/wire/udp.h"

#define WIRE_HANDED_BYTES (64u * 1024u) /* a ring */

/** wire_handed_put: what is longer than a datagram of interest can be is cut. Returns: 0; -ENOSPC:
 * the ring is full; -EMSGSIZE: cut, it would not be itself. Its in thread; then the reader is to be
 * rung. */
MESH_CHECKED int wire_handed_put(WireFrameRing *ring, const WireDatagram *datagram);

/** wire_handed_take: at most @max. @hops: room for as many. What is given lies in the ring until
 * wire_framering_release(). First in thread. Returns: how many. */
MESH_CHECKED size_t wire_handed_take(WireFrameRing *ring, WireDatagram *out_datagrams,
                                     WireHop *out_hops, size_t max);
