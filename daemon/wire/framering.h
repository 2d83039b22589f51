/* daemon/wire/framering.h: frames of varying length from one thread to another, without a lock.
 *
 * One producer thread, one consumer thread, as MeshRing; but a frame lies in one piece and is read,
 * even written over, where it lies. Nobody is woken: that is the users' business. Internal to
 * daemon/wire. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "common/std/attr.h"

typedef struct WireFrameRing WireFrameRing;

/** wire_framering_new: @bytes: a power of two, at least 4096. Memory that was never used costs
 * nothing. Returns: 0; -ENOMEM. */
MESH_CHECKED int wire_framering_new(size_t bytes, WireFrameRing **out_self);
void wire_framering_free(WireFrameRing *self); /* both threads have let go; NULL: fine */

/* Producer. */

/** wire_framering_reserve: a place for a frame of @len bytes, at most a quarter of the ring, behind
 * those reserved before. Returns: NULL: full. */
uint8_t *wire_framering_reserve(WireFrameRing *self, size_t len);

/** wire_framering_commit: what was reserved so far may be read. */
void wire_framering_commit(WireFrameRing *self);

/* Consumer. */

/** wire_framering_peek: the next frame; it stays until it is released. Returns: NULL: none. */
uint8_t *wire_framering_peek(WireFrameRing *self, size_t *out_len);

/** wire_framering_skip: goes past what peek() gave. */
void wire_framering_skip(WireFrameRing *self);

/** wire_framering_release: the places of all frames gone past are free again. */
void wire_framering_release(WireFrameRing *self);

/** wire_framering_used: bytes between what was gone past and what is committed, with what the ring
 * adds to each frame. */
size_t wire_framering_used(const WireFrameRing *self);
