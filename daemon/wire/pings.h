/* daemon/wire/pings.h: echo requests that the plane sends itself, and how their answers are known.
 *
 * The control thread makes them, the out thread sends them as if they came from the TUN, the in
 * thread keeps the answers from it. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/std/attr.h"
#include "common/std/ip.h"
#include "common/std/ring.h"

enum {
    WIRE_PINGS_WAITING = 64,   /* answers waited for at once; the oldest makes room */
    WIRE_PINGS_QUEUED = 64,    /* not yet taken by the out thread */
    WIRE_PING_BYTES = 40 + 40, /* the larger header (IPv6), echo header and 32 bytes */
};

typedef struct {
    uint32_t len;
    uint8_t  bytes[WIRE_PING_BYTES]; /* a whole IP packet */
} WirePing;

typedef struct {
    MeshRing        *ring;
    uint8_t          salt[16];                    /* of the tags; constant */
    unsigned         next;                        /* control thread */
    _Atomic uint64_t waiting[WIRE_PINGS_WAITING]; /* tag of the answer; 0: none */
} WirePings;

MESH_CHECKED int wire_pings_init(WirePings *self); /* 0; -ENOMEM, -EMFILE */
void             wire_pings_done(WirePings *self);

typedef struct {
    MeshAddr source, destination; /* of one family */
    uint16_t id, sequence;
} WirePingSpec;

/** wire_pings_put: Control thread. Returns: 0; -EINVAL: families; -ENOBUFS: queue full. */
MESH_CHECKED int wire_pings_put(WirePings *self, const WirePingSpec *spec);

/** wire_pings_take: Out thread. Returns: false: none waits. */
bool wire_pings_take(WirePings *self, WirePing *out_ping);

/** wire_pings_match: In thread: is this authentic, whole inner packet an answer we wait for? Then
 * it is not for the TUN. */
bool wire_pings_match(WirePings *self, const uint8_t *packet, uint32_t len, uint16_t *out_id,
                      uint16_t *out_sequence);
