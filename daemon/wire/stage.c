/* daemon/wire/stage.c: a free list of blocks over one mapping; in a block packets lie one behind
 * the other, and begin again at its start when its end is reached. */
#include "daemon/wire/stage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int wire_stage_init(WireStage *self)
{
    *self = (WireStage){ .free = NULL };
    self->blocks = calloc(WIRE_STAGE_BLOCKS, sizeof(*self->blocks));
    if (self->blocks == NULL)
        return -ENOMEM;
    if (wire_slab_init(&self->slab, (size_t)WIRE_STAGE_BLOCKS * WIRE_STAGE_BLOCK_BYTES) < 0) {
        free(self->blocks);
        self->blocks = NULL;
        return -ENOMEM;
    }
    return 0;
}

void wire_stage_done(WireStage *self)
{
    wire_slab_done(&self->slab);
    free(self->blocks);
    *self = (WireStage){ .free = NULL };
}

/* Of the block, with what belongs before and behind a packet. */
static size_t room_of(const WirePacket *packet)
{
    return WIRE_HEADROOM + ((packet->len + WIRE_TAILROOM + 63u) & ~(size_t)63u);
}

static size_t place_of(WireStaged *staged, size_t n)
{
    return (size_t)(wire_stage_get(staged, n)->data - staged->room) - WIRE_HEADROOM;
}

static bool is_taken(WireStaged *staged, size_t at, size_t len)
{
    for (size_t n = 0; n < staged->n_packets; n++) {
        size_t place = place_of(staged, n);

        if (place < at + len && at < place + room_of(wire_stage_get(staged, n)))
            return true;
    }
    return false;
}

/* NULL: there is none. */
static WireStaged *take_block(WireStage *self)
{
    WireStaged *staged = self->free;

    if (staged != NULL) {
        self->free = staged->next_free;
    } else if (self->n_made < WIRE_STAGE_BLOCKS) {
        staged = &self->blocks[self->n_made];
        staged->room = self->slab.base + self->n_made++ * WIRE_STAGE_BLOCK_BYTES;
    }
    self->n_used += staged != NULL;
    return staged;
}

size_t wire_stage_put(WireStage *self, WireStaged **inout_staged, const WirePacket *packet)
{
    WireStaged *staged = *inout_staged != NULL ? *inout_staged : take_block(self);
    size_t      need = room_of(packet), at, n_dropped = 0;

    if (staged == NULL)
        return 1;
    *inout_staged = staged;
    at = WIRE_STAGE_BLOCK_BYTES - staged->end >= need ? staged->end : 0;
    while (staged->n_packets == WIRE_MAX_BATCH || is_taken(staged, at, need)) {
        staged->first = (staged->first + 1) % WIRE_MAX_BATCH;
        staged->n_packets--;
        n_dropped++;
    }
    staged->n_packets++;
    staged->end = at + need;
    *wire_stage_get(staged, staged->n_packets - 1) =
        (WirePacket){ .data = staged->room + at + WIRE_HEADROOM, .len = packet->len };
    memcpy(staged->room + at + WIRE_HEADROOM, packet->data, packet->len);
    return n_dropped;
}

void wire_stage_each(WireStage *self, void (*done)(WireStaged *staged, void *data), void *data)
{
    for (size_t i = 0; self->n_used > 0 && i < self->n_made; i++) {
        if (self->blocks[i].owner != NULL)
            done(&self->blocks[i], data);
    }
}

size_t wire_stage_drop(WireStage *self, WireStaged **inout_staged)
{
    WireStaged *staged = *inout_staged;
    size_t      n;

    if (staged == NULL)
        return 0;
    n = staged->n_packets;
    staged->n_packets = staged->first = staged->end = 0;
    staged->owner = NULL;
    staged->next_free = self->free;
    self->free = staged;
    self->n_used--;
    *inout_staged = NULL;
    return n;
}

_Static_assert(WIRE_STAGE_BLOCK_BYTES >= WIRE_HEADROOM + WIRE_MAX_PACKET + WIRE_TAILROOM + 63,
               "an empty block takes any packet");
