/* common/std/ring.c: see ring.h. Indexes count entries without end; their difference is the fill.
 *
 * The bell: @rung tells that a byte is on its way to the consumer. The producer publishes its entry
 * before it swaps @rung up; the consumer swaps it down before it looks for entries. Whichever swap
 * comes second sees the other side's work, so no entry stays behind unannounced. */
#include "common/std/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RING_LINE        64 /* producer's and consumer's index share no cache line */
#define RING_ENTRY_MAX   4096
#define RING_ENTRIES_MAX 65536

struct MeshRing {
    _Alignas(RING_LINE) atomic_size_t head; /* entries pushed; written by the producer */
    atomic_uint_fast64_t dropped;           /* written by the producer */
    _Alignas(RING_LINE) atomic_size_t tail; /* entries popped; written by the consumer */
    _Alignas(RING_LINE) atomic_bool rung;
    int      bell[2]; /* read end, write end */
    size_t   entry_bytes;
    size_t   mask;    /* entries - 1 */
    uint8_t *entries; /* owned */
};

int mesh_ring_new(size_t entry_bytes, size_t min_entries, MeshRing **out_ring)
{
    MeshRing *self;
    size_t    entries = 1;
    int       rc;

    if (entry_bytes == 0 || entry_bytes > RING_ENTRY_MAX || min_entries == 0 ||
        min_entries > RING_ENTRIES_MAX)
        return -EINVAL;
    while (entries < min_entries)
        entries *= 2;
    self = aligned_alloc(RING_LINE, sizeof(*self));
    if (self == NULL)
        return -ENOMEM;
    memset(self, 0, sizeof(*self));
    self->entry_bytes = entry_bytes;
    self->mask = entries - 1;
    self->entries = calloc(entries, entry_bytes);
    if (self->entries == NULL) {
        free(self);
        return -ENOMEM;
    }
    if (pipe2(self->bell, O_CLOEXEC | O_NONBLOCK) < 0) {
        rc = -errno;
        free(self->entries);
        free(self);
        return rc;
    }
    *out_ring = self;
    return 0;
}

void mesh_ring_free(MeshRing *self)
{
    if (self == NULL)
        return;
    close(self->bell[0]);
    close(self->bell[1]);
    free(self->entries);
    free(self);
}

static void ring_bell(MeshRing *self)
{
    ssize_t n;

    do
        n = write(self->bell[1], "", 1);
    while (n < 0 && errno == EINTR);
    /* EAGAIN: the pipe is full of rings not yet heard, which is as good. */
}

bool mesh_ring_push(MeshRing *self, const void *entry)
{
    size_t head = atomic_load_explicit(&self->head, memory_order_relaxed);
    size_t tail = atomic_load_explicit(&self->tail, memory_order_acquire);

    if (head - tail > self->mask) {
        atomic_fetch_add_explicit(&self->dropped, 1, memory_order_relaxed);
        return false;
    }
    memcpy(self->entries + (head & self->mask) * self->entry_bytes, entry, self->entry_bytes);
    atomic_store_explicit(&self->head, head + 1, memory_order_release);
    if (!atomic_exchange_explicit(&self->rung, true, memory_order_acq_rel))
        ring_bell(self);
    return true;
}

bool mesh_ring_pop(MeshRing *self, void *out_entry)
{
    size_t tail = atomic_load_explicit(&self->tail, memory_order_relaxed);
    size_t head = atomic_load_explicit(&self->head, memory_order_acquire);

    if (head == tail)
        return false;
    memcpy(out_entry, self->entries + (tail & self->mask) * self->entry_bytes, self->entry_bytes);
    atomic_store_explicit(&self->tail, tail + 1, memory_order_release);
    return true;
}

int mesh_ring_fd(const MeshRing *self)
{
    return self->bell[0];
}

void mesh_ring_hush(MeshRing *self)
{
    uint8_t rings[64];
    ssize_t n;

    do
        n = read(self->bell[0], rings, sizeof(rings));
    while (n == (ssize_t)sizeof(rings) || (n < 0 && errno == EINTR));
    atomic_exchange_explicit(&self->rung, false, memory_order_acq_rel);
}

uint64_t mesh_ring_dropped(const MeshRing *self)
{
    return atomic_load_explicit(&self->dropped, memory_order_relaxed);
}
