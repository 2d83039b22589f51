/* daemon/wire/way.h: one way to a peer: straight to an address, or by a relay. A value. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/std/endpoint.h"
#include "common/std/ip.h"

#define WIRE_MAX_LINKS   16u /* relays known to a plane at once, numbered from 1 */
#define WIRE_MAX_SOCKETS 16u /* adopted sockets of a plane at once, numbered from 1 */

/** WireWay: @link 0: direct to @endpoint, by the plane's own socket or the adopted one of number
 * @socket. @link > 0: by that relay, where the peer is number @index; the rest is zero. */
typedef struct {
    uint8_t      link;
    uint8_t      socket;
    uint32_t     index;
    MeshEndpoint endpoint; /* family 0 and link 0: no way */
} WireWay;

static inline bool wire_way_is_set(const WireWay *way)
{
    return way->link != 0 || way->endpoint.addr.family != 0;
}

static inline bool wire_way_equal(const WireWay *a, const WireWay *b)
{
    return a->link == b->link && a->socket == b->socket && a->index == b->index &&
           mesh_endpoint_equal(&a->endpoint, &b->endpoint);
}
