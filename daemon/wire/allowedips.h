/* daemon/wire/allowedips.h: which peer owns an inner address: longest prefix, both families.
 *
 * Nodes are shared by tables that agree: a change copies those on its way from the root unless they
 * belong to this table alone. One thread changes; readers look up without locks while the snapshot
 * that holds the table lives. */
#pragma once

#include "common/std/attr.h"
#include "common/std/ip.h"
#include "daemon/wire/card.h"

#include <stddef.h>
#include <stdint.h>

typedef struct WireAllowedIps WireAllowedIps;

MESH_CHECKED int wire_allowedips_new(WireAllowedIps **out_self); /* 0; -ENOMEM */
void             wire_allowedips_free(WireAllowedIps *self);     /* NULL is fine */

/** wire_allowedips_dup: the same table, to be changed apart; what both hold is there once.
 * NULL: out of memory. */
WireAllowedIps *wire_allowedips_dup(const WireAllowedIps *self);

/** wire_allowedips_put: @prefix (host bits zero) belongs to @owner (a reference is taken); replaces
 * an equal prefix. Returns: 0; -EINVAL: no family, too many bits; -ENOMEM: as it was. */
MESH_CHECKED int wire_allowedips_put(WireAllowedIps *self, const MeshPrefix *prefix,
                                     WireOwner *owner);

/** wire_allowedips_remove: exactly this prefix; not in it: nothing. Returns: 0; -ENOMEM. */
MESH_CHECKED int wire_allowedips_remove(WireAllowedIps *self, const MeshPrefix *prefix);

/** wire_allowedips_find: whose exactly this prefix is; NULL: nobody's. */
WireOwner *wire_allowedips_find(const WireAllowedIps *self, const MeshPrefix *prefix);

/** Longest prefix that contains the address (network byte order); NULL: none. Any reader.
 * Cost: one step per distinct prefix length on the way, at most 33 or 129; no allocation. */
WirePeer *wire_allowedips_get4(const WireAllowedIps *self, const uint8_t addr[4]);
WirePeer *wire_allowedips_get6(const WireAllowedIps *self, const uint8_t addr[16]);

/** wire_allowedips_get_destination / _source: the same for the address in the IP packet at @packet.
 * NULL also when it is no whole IPv4 or IPv6 header in @len bytes. */
WirePeer *wire_allowedips_get_destination(const WireAllowedIps *self, const uint8_t *packet,
                                          size_t len);
WirePeer *wire_allowedips_get_source(const WireAllowedIps *self, const uint8_t *packet, size_t len);
