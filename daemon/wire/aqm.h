/* daemon/wire/aqm.h: the queue of a road whose socket takes no more: fair between flows, sparse
 * ones first (deficit round robin, RFC 8290), CoDel in each flow, marks instead of drops where the
 * ends know ECN. Bounded in bytes and packets; when it is full the longest flow loses its oldest.
 * All memory is mapped at the start. Pure: no clock. One thread at a time. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/std/attr.h"
#include "daemon/wire/packet.h"

#define WIRE_AQM_BYTES       (1024u * 1024u) /* of inner packets */
#define WIRE_AQM_PACKETS     1024u           /* of at most WIRE_AQM_SMALL; of longer ones 16 */
#define WIRE_AQM_SMALL       1984u
#define WIRE_AQM_FLOWS       256u
#define WIRE_AQM_QUANTUM     1514
#define WIRE_AQM_TARGET_US   5000 /* CoDel's */
#define WIRE_AQM_INTERVAL_US 100000

typedef struct WireAqm WireAqm;

/** wire_aqm_new: @salt: random, so that nobody chooses whose queue he shares. Returns: 0; -ENOMEM.
 */
MESH_CHECKED int wire_aqm_new(uint64_t salt, WireAqm **out_self);
void             wire_aqm_free(WireAqm *self); /* NULL is fine */

/** wire_aqm_put: a copy of @packet, which came at @now_us. Returns: packets dropped for it, itself
 * among them perhaps. */
unsigned wire_aqm_put(WireAqm *self, const WirePacket *packet, int64_t now_us);

typedef struct {
    unsigned dropped, marked; /* by CoDel */
} WireAqmToll;

/** wire_aqm_take: the packet to go next, with room around it as packet.h says; it lies here until
 * wire_aqm_release(). Adds to @inout_toll. Returns: false: none waits. */
MESH_CHECKED bool wire_aqm_take(WireAqm *self, int64_t now_us, WirePacket *out,
                                WireAqmToll *inout_toll);

void wire_aqm_release(WireAqm *self); /* all that were taken */

size_t wire_aqm_bytes(const WireAqm *self); /* waiting */

/** wire_aqm_flow: which of the WIRE_AQM_FLOWS a packet belongs to: by addresses, protocol and
 * ports, those of fragments left out. */
unsigned wire_aqm_flow(uint64_t salt, const uint8_t *packet, uint32_t len);
