/* common/std/ring.h: a bounded ring of entries of one size, one producer, one consumer, no lock.
 *
 * The bell is the read end of a non-blocking pipe: the consumer polls it, calls mesh_ring_hush()
 * and then pops until the ring is empty. It rings once per emptying, so a busy producer makes no
 * system call per entry. */
#pragma once

#include "common/std/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct MeshRing MeshRing;

/* @entry_bytes 1-4096 each; @min_entries 1-65536, rounded up to a power of two.
 * Returns: 0; -EINVAL: outside these; -ENOMEM; -EMFILE, -ENFILE: no descriptors for the bell. */
MESH_CHECKED int mesh_ring_new(size_t entry_bytes, size_t min_entries, MeshRing **out_ring);

/* Both threads have let go of it. NULL is fine. */
void mesh_ring_free(MeshRing *self);

/* Producer: copies one entry in and rings if the consumer sleeps. False: full; the entry is counted
 * as dropped. Never blocks, never allocates. */
bool mesh_ring_push(MeshRing *self, const void *entry);

/* Consumer: copies the oldest entry out. False: empty. */
bool mesh_ring_pop(MeshRing *self, void *out_entry);

/* The descriptor to poll for reading; the ring's own, not to be closed. */
int mesh_ring_fd(const MeshRing *self);

/* Consumer: empties the bell. Before popping, never after, or a ring in between is lost. */
void mesh_ring_hush(MeshRing *self);

/* Entries refused because the ring was full, since it was made. Any thread. */
uint64_t mesh_ring_dropped(const MeshRing *self);
