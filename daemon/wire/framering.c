/* daemon/wire/framering.c: two counters of bytes that only grow. A frame that would go round the
 * end begins at the start: what is left over before the end is filled by a gap. */
#include "daemon/wire/framering.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/wire/packet.h"

enum { ALIGN = 8, GAP = 1 };

/* Before each frame; places are multiples of its size, so there is always room for one. */
typedef struct {
    uint32_t len;
    uint32_t kind; /* GAP: nothing up to the end of the ring */
} Head;

_Static_assert(sizeof(Head) == ALIGN, "fits before the end");

struct WireFrameRing {
    WireSlab slab;
    size_t   mask;

    _Alignas(64) _Atomic uint64_t committed; /* producer writes */
    uint64_t written;                        /* producer's own: reserved up to here */
    uint64_t seen_released;                  /* the same: what it last saw */

    _Alignas(64) _Atomic uint64_t released; /* consumer writes */
    uint64_t read;                          /* consumer's own: gone past up to here */
    uint64_t seen_committed;                /* the same */
};

int wire_framering_new(size_t bytes, WireFrameRing **out_self)
{
    WireFrameRing *self = aligned_alloc(_Alignof(WireFrameRing), sizeof(*self));

    if (self == NULL)
        return -ENOMEM;
    memset(self, 0, sizeof(*self));
    if (wire_slab_init(&self->slab, bytes) < 0) {
        free(self);
        return -ENOMEM;
    }
    self->mask = bytes - 1;
    *out_self = self;
    return 0;
}

void wire_framering_free(WireFrameRing *self)
{
    if (self == NULL)
        return;
    wire_slab_done(&self->slab);
    free(self);
}

static Head *head_at(const WireFrameRing *self, uint64_t at)
{
    return (Head *)(void *)(self->slab.base + (at & self->mask));
}

static size_t whole_length(size_t len)
{
    return sizeof(Head) + ((len + ALIGN - 1) & ~(size_t)(ALIGN - 1));
}

static size_t left_before_end(const WireFrameRing *self, uint64_t at)
{
    return self->mask + 1 - (size_t)(at & self->mask);
}

static bool has_room(WireFrameRing *self, size_t need)
{
    size_t size = self->mask + 1;

    if (size - (size_t)(self->written - self->seen_released) >= need)
        return true;
    self->seen_released = atomic_load_explicit(&self->released, memory_order_acquire);
    return size - (size_t)(self->written - self->seen_released) >= need;
}

uint8_t *wire_framering_reserve(WireFrameRing *self, size_t len)
{
    size_t whole = whole_length(len), end = left_before_end(self, self->written);
    size_t gap = end < whole ? end : 0;
    Head  *head;

    if (whole > (self->mask + 1) / 4 || !has_room(self, gap + whole))
        return NULL;
    if (gap > 0)
        *head_at(self, self->written) = (Head){ .kind = GAP };
    head = head_at(self, self->written + gap);
    *head = (Head){ .len = (uint32_t)len };
    self->written += gap + whole;
    return (uint8_t *)(head + 1);
}

void wire_framering_commit(WireFrameRing *self)
{
    atomic_store_explicit(&self->committed, self->written, memory_order_release);
}

static bool has_more(WireFrameRing *self)
{
    if (self->read != self->seen_committed)
        return true;
    self->seen_committed = atomic_load_explicit(&self->committed, memory_order_acquire);
    return self->read != self->seen_committed;
}

uint8_t *wire_framering_peek(WireFrameRing *self, size_t *out_len)
{
    Head *head;

    if (!has_more(self))
        return NULL;
    head = head_at(self, self->read);
    if (head->kind == GAP) { /* a frame is behind it: they were reserved together */
        self->read += left_before_end(self, self->read);
        head = head_at(self, self->read);
    }
    *out_len = head->len;
    return (uint8_t *)(head + 1);
}

void wire_framering_skip(WireFrameRing *self)
{
    self->read += whole_length(head_at(self, self->read)->len);
}

void wire_framering_release(WireFrameRing *self)
{
    atomic_store_explicit(&self->released, self->read, memory_order_release);
}

size_t wire_framering_used(const WireFrameRing *self)
{
    return (size_t)(atomic_load_explicit(&self->committed, memory_order_acquire) - self->read);
}
