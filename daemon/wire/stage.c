/* daemon/wire/stage.c: a free list of blocks over one mapping. */
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
    for (size_t i = WIRE_STAGE_BLOCKS; i-- > 0;) {
        self->blocks[i].room = self->slab.base + i * WIRE_STAGE_BLOCK_BYTES;
        self->blocks[i].next_free = self->free;
        self->free = &self->blocks[i];
    }
    return 0;
}

void wire_stage_done(WireStage *self)
{
    wire_slab_done(&self->slab);
    free(self->blocks);
    *self = (WireStage){ .free = NULL };
}

bool wire_stage_put(WireStage *self, WireStaged **inout_staged, const WirePacket *packet)
{
    WireStaged *staged = *inout_staged != NULL ? *inout_staged : self->free;
    size_t      need = WIRE_HEADROOM + ((packet->len + WIRE_TAILROOM + 63u) & ~(size_t)63u);

    if (staged == NULL || staged->n_packets == WIRE_MAX_BATCH ||
        WIRE_STAGE_BLOCK_BYTES - staged->used < need)
        return false;
    if (*inout_staged == NULL) {
        self->free = staged->next_free;
        *inout_staged = staged;
    }
    staged->packets[staged->n_packets] = (WirePacket){
        .data = staged->room + staged->used + WIRE_HEADROOM,
        .len = packet->len,
    };
    memcpy(staged->packets[staged->n_packets].data, packet->data, packet->len);
    staged->n_packets++;
    staged->used += need;
    return true;
}

size_t wire_stage_drop(WireStage *self, WireStaged **inout_staged)
{
    WireStaged *staged = *inout_staged;
    size_t      n;

    if (staged == NULL)
        return 0;
    n = staged->n_packets;
    staged->n_packets = 0;
    staged->used = 0;
    staged->next_free = self->free;
    self->free = staged;
    *inout_staged = NULL;
    return n;
}
