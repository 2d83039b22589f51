/* daemon/wire/allowedips.h: which peer owns an inner address: longest prefix, both families.
 *
 * Built aside by one thread, then immutable: readers look up without locks while the snapshot that
 * owns it lives. */
#pragma once

#include "common/std/attr.h"
#include "common/std/ip.h"

#include <stddef.h>
#include <stdint.h>

typedef struct WirePeer       WirePeer;
typedef struct WireAllowedIps WireAllowedIps;

MESH_CHECKED int wire_allowedips_new(WireAllowedIps **out_self); /* 0; -ENOMEM */
void             wire_allowedips_free(WireAllowedIps *self);     /* NULL is fine */

/** wire_allowedips_put: @prefix (host bits zero) belongs to @peer; replaces an equal prefix.
 * Before readers see it only. Returns: 0; -EINVAL: no family, too many bits; -ENOMEM. */
MESH_CHECKED int wire_allowedips_put(WireAllowedIps *self, const MeshPrefix *prefix,
                                     WirePeer *peer);

/** wire_allowedips_settle: gives back the room that was for more prefixes. Before readers see it.
 */
void wire_allowedips_settle(WireAllowedIps *self);

/** Longest prefix that contains the address (network byte order); NULL: none. Any reader.
 * Cost: one step per distinct prefix length on the way, at most 33 or 129; no allocation. */
WirePeer *wire_allowedips_get4(const WireAllowedIps *self, const uint8_t addr[4]);
WirePeer *wire_allowedips_get6(const WireAllowedIps *self, const uint8_t addr[16]);

/** wire_allowedips_get_destination / _source: the same for the address in the IP packet at @packet.
 * NULL also when it is no whole IPv4 or IPv6 header in @len bytes. */
WirePeer *wire_allowedips_get_destination(const WireAllowedIps *self, const uint8_t *packet,
                                          size_t len);
WirePeer *wire_allowedips_get_source(const WireAllowedIps *self, const uint8_t *packet, size_t len);
