/* daemon/wire/stage.h: packets that wait for their peer's session, in a bounded pool of one thread.
 *
 * A peer has at most one block, and there are WIRE_STAGE_BLOCKS of them: what does not fit is
 * dropped (the peer's oldest first), so a host that calls ten thousand absent peers costs no more
 * memory than that. Packets lie ready to be sealed in place. Owner: the out thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/std/attr.h"
#include "daemon/wire/packet.h"

#define WIRE_STAGE_BLOCKS 128u
#define WIRE_STAGE_BLOCK_BYTES                                         \
    (128u * 1024u) /* one packet of the greatest length, 80 usual ones \
                    */

typedef struct WireStaged {
    void              *owner; /* whose they are; NULL: nobody's */
    uint32_t           mark;  /* the owner's */
    uint8_t           *room;
    size_t             end;              /* where in @room the next one goes, if it fits */
    size_t             first, n_packets; /* in @packets, a ring: wire_stage_get() */
    WirePacket         packets[WIRE_MAX_BATCH];
    struct WireStaged *next_free;
} WireStaged;

typedef struct {
    WireSlab    slab; /* untouched blocks cost no memory */
    WireStaged *blocks;
    WireStaged *free;
    size_t      n_used;
    size_t      n_made; /* that were in use at some time; those behind were never touched */
} WireStage;

MESH_CHECKED int wire_stage_init(WireStage *self); /* 0; -ENOMEM */
void             wire_stage_done(WireStage *self);

/** wire_stage_put: copies a packet behind those that wait; the oldest make room for it, as with the
 * kernel's WireGuard: what was sent last is most likely still wanted. *inout_staged is the peer's
 * block, NULL before the first. Returns: packets dropped; 1 also if it was this one, because no
 * block is free. */
MESH_CHECKED size_t wire_stage_put(WireStage *self, WireStaged **inout_staged,
                                   const WirePacket *packet);

/** wire_stage_find: the block that belongs to @owner; NULL: none. Nothing waits, usually. */
static inline WireStaged *wire_stage_find(const WireStage *self, const void *owner)
{
    for (size_t i = 0; self->n_used > 0 && i < self->n_made; i++) {
        if (self->blocks[i].owner == owner)
            return &self->blocks[i];
    }
    return NULL;
}

/** wire_stage_each: calls @done for each block that has an owner; it may drop that block. */
void wire_stage_each(WireStage *self, void (*done)(WireStaged *staged, void *data), void *data);

/** wire_stage_get: the @n-th of those that wait, oldest first. */
static inline WirePacket *wire_stage_get(WireStaged *staged, size_t n)
{
    return &staged->packets[(staged->first + n) % WIRE_MAX_BATCH];
}

/** wire_stage_skip: the first @n of those that wait have gone. */
static inline void wire_stage_skip(WireStaged *staged, size_t n)
{
    staged->first = (staged->first + n) % WIRE_MAX_BATCH;
    staged->n_packets -= n;
}

/** wire_stage_drop: gives the block back; *inout_staged is NULL then. Returns packets it held. */
size_t wire_stage_drop(WireStage *self, WireStaged **inout_staged);
