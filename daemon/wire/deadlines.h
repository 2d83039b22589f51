/* daemon/wire/deadlines.h: many deadlines, the earliest first: a binary heap of embedded entries.
 * Thread: handshake. Room is made when a peer is added, so that arming never fails. */
#pragma once

#include "common/std/attr.h"

#include <stddef.h>
#include <stdint.h>

/** WireDeadline: embedded in what waits; zeroed: not armed. */
typedef struct {
    int64_t at_ms; /* boot clock */
    size_t  place; /* in the heap, from 1; 0: not armed */
} WireDeadline;

typedef struct WireDeadlines WireDeadlines;

MESH_CHECKED int wire_deadlines_new(WireDeadlines **out_self); /* 0; -ENOMEM */
void             wire_deadlines_free(WireDeadlines *self);     /* entries are the caller's */

/** wire_deadlines_reserve: room for @n_entries armed at once. Returns: 0; -ENOMEM. */
MESH_CHECKED int wire_deadlines_reserve(WireDeadlines *self, size_t n_entries);

/** wire_deadlines_arm: (re)sets @entry to @at_ms; INT64_MAX disarms. O(log n). */
void wire_deadlines_arm(WireDeadlines *self, WireDeadline *entry, int64_t at_ms);
void wire_deadlines_disarm(WireDeadlines *self, WireDeadline *entry); /* not armed: nothing */

/** wire_deadlines_next: the earliest; INT64_MAX: none. */
int64_t wire_deadlines_next(const WireDeadlines *self);

/** wire_deadlines_pop: takes one that is due at @now_ms, disarmed; NULL: none. The caller gets from
 * it to its object with offsetof. */
WireDeadline *wire_deadlines_pop(WireDeadlines *self, int64_t now_ms);
