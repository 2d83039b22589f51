/* daemon/wire/route.h: where a peer's packets go now: its endpoint, and our source address for it.
 *
 * Read once a run by the out thread, written by whoever authenticated a packet (in thread,
 * handshake thread) or was told by the control thread. The cell is a sequence lock of atomic words:
 * readers retry, writers never wait for readers; a packet thread that meets another writer gives
 * way. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/std/attr.h"
#include "common/std/ip.h"
#include "daemon/wire/way.h"

/** WireHop: one way through the underlay; as sender of what was received or target of what is sent.
 */
typedef struct {
    MeshEndpoint remote;    /* family 0: none known, or by a relay */
    MeshAddr     source;    /* our address that the peer knows; family 0: the kernel chooses */
    uint32_t     source_if; /* interface of a link-local source, else 0 */
    uint32_t     index;     /* of the peer at the relay */
    uint8_t      link;      /* number of the relay; 0: direct */
    uint8_t      socket;    /* number of the adopted socket; 0: the plane's own */
} WireHop;

static inline bool wire_hop_is_set(const WireHop *hop)
{
    return hop->link != 0 || hop->remote.addr.family != 0;
}

WireHop wire_hop_from_way(const WireWay *way);
WireWay wire_hop_get_way(const WireHop *hop);

/** wire_hop_get_source: whom a message over @hop counts as: its address, or, by a relay, one made
 * of the relay's number and the sender's index there. */
MeshEndpoint wire_hop_get_source(const WireHop *hop);

typedef struct WireRouteWords WireRouteWords;

/** WireRouteCell: of ten thousand peers most have no way: its memory is there from the first on. */
typedef struct {
    _Atomic(WireRouteWords *) words; /* owned; NULL: none was known yet */
} WireRouteCell;

void wire_route_init(WireRouteCell *self);
void wire_route_done(WireRouteCell *self); /* nobody reads it any more */

/** wire_route_prepare: memory for a way; there already: nothing. Control and handshake thread,
 * before set and learn, which without do nothing. Returns: 0; -ENOMEM. */
MESH_CHECKED int wire_route_prepare(WireRouteCell *self);

/** wire_route_get: a consistent copy. Returns: false: no way is known. Any thread. */
bool wire_route_get(const WireRouteCell *self, WireHop *out_hop);

/** wire_route_set: replaces the whole. Control and handshake thread. */
void wire_route_set(WireRouteCell *self, const WireHop *hop);

/** wire_route_learn: an authentic packet came over @hop.
 * Returns: true when that moved the endpoint (not merely our source). Any thread; when another
 * thread writes at this moment nothing happens: the next packet will do. */
bool wire_route_learn(WireRouteCell *self, const WireHop *hop);

/** wire_route_learn_source: the same for a peer that does not move by itself: takes over our source
 * when the way is the one there is. Returns: false: it came another way. */
bool wire_route_learn_source(WireRouteCell *self, const WireHop *hop);

/** wire_route_forget_source: the kernel shall choose again, if the source is still @hop's. */
void wire_route_forget_source(WireRouteCell *self, const WireHop *hop);
