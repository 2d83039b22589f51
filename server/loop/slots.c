#include "server/loop/slots.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    UNIT = 16,
    GROW_BYTES = 1 << 16, /* made accessible at a time */
    GROUP = 64,           /* places in a word of the map */
};

struct LoopSlots {
    pthread_mutex_t lock; /* all below it */
    uint8_t        *range;
    size_t          bytes, range_bytes, ready_bytes; /* of a thing; reserved; may be touched */
    size_t          page_bytes;
    uint32_t        max, lowest; /* no place before @lowest is free */
    uint64_t       *used;        /* a bit a place */
};

int loop_slots_new(size_t bytes, uint32_t max, LoopSlots **out_slots)
{
    LoopSlots *self = calloc(1, sizeof(*self));
    long       page = sysconf(_SC_PAGESIZE);

    if (self == NULL)
        return -ENOMEM;
    (void)pthread_mutex_init(&self->lock, NULL);
    self->bytes = (bytes + UNIT - 1) / UNIT * UNIT;
    self->page_bytes = page > 0 ? (size_t)page : GROW_BYTES;
    self->max = max;
    self->range_bytes = (self->bytes * max + GROW_BYTES - 1) / GROW_BYTES * GROW_BYTES;
    self->used = calloc(max / GROUP + 1, sizeof(*self->used));
    self->range = mmap(NULL, self->range_bytes, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (self->range == MAP_FAILED)
        self->range = NULL;
    if (self->used == NULL || self->range == NULL) {
        loop_slots_free(self);
        return -ENOMEM;
    }
    (void)madvise(self->range, self->range_bytes, MADV_NOHUGEPAGE);
    *out_slots = self;
    return 0;
}

void loop_slots_free(LoopSlots *self)
{
    if (self == NULL)
        return;
    if (self->range != NULL)
        (void)munmap(self->range, self->range_bytes);
    (void)pthread_mutex_destroy(&self->lock);
    free(self->used);
    free(self);
}

#if !defined(__SANITIZE_ADDRESS__)
static bool is_used(const LoopSlots *self, size_t place)
{
    return self->used[place / GROUP] >> place % GROUP & 1;
}

/* The first free place at or behind @lowest; max: there is none. */
static uint32_t find_free(const LoopSlots *self)
{
    uint32_t place = self->lowest;

    while (place < self->max && self->used[place / GROUP] == UINT64_MAX)
        place = (place / GROUP + 1) * GROUP;
    while (place < self->max && is_used(self, place))
        place++;
    return place < self->max ? place : self->max;
}

static bool make_ready(LoopSlots *self, size_t end)
{
    while (self->ready_bytes < end) {
        if (mprotect(self->range + self->ready_bytes, GROW_BYTES, PROT_READ | PROT_WRITE) < 0)
            return false;
        self->ready_bytes += GROW_BYTES;
    }
    return true;
}

void *loop_slots_take(LoopSlots *self)
{
    uint8_t *thing = NULL;
    uint32_t place;

    (void)pthread_mutex_lock(&self->lock);
    place = find_free(self);
    self->lowest = place;
    if (place < self->max && make_ready(self, (place + (size_t)1) * self->bytes)) {
        self->used[place / GROUP] |= (uint64_t)1 << place % GROUP;
        self->lowest = place + 1;
        thing = self->range + place * self->bytes;
    }
    (void)pthread_mutex_unlock(&self->lock);
    return thing != NULL ? memset(thing, 0, self->bytes) : NULL;
}

/* Whether no thing reaches into the page at @at. */
static bool is_empty(const LoopSlots *self, size_t at)
{
    size_t last = (at + self->page_bytes - 1) / self->bytes;

    for (size_t place = at / self->bytes; place <= last && place < self->max; place++) {
        if (is_used(self, place))
            return false;
    }
    return true;
}

void loop_slots_give(LoopSlots *self, void *thing)
{
    size_t from, end;

    if (thing == NULL)
        return;
    from = (size_t)((uint8_t *)thing - self->range);
    end = from + self->bytes;
    (void)pthread_mutex_lock(&self->lock);
    self->used[from / self->bytes / GROUP] &= ~((uint64_t)1 << from / self->bytes % GROUP);
    if (from / self->bytes < self->lowest)
        self->lowest = (uint32_t)(from / self->bytes);
    for (size_t at = from / self->page_bytes * self->page_bytes; at < end; at += self->page_bytes) {
        if (is_empty(self, at)) /* if it fails the page costs memory, no more */
            (void)madvise(self->range + at, self->page_bytes, MADV_DONTNEED);
    }
    (void)pthread_mutex_unlock(&self->lock);
}
#else
void *loop_slots_take(LoopSlots *self)
{
    return calloc(1, self->bytes);
}

void loop_slots_give(LoopSlots *self, void *thing)
{
    (void)self;
    free(thing);
}
#endif
