/* daemon/wire/deadlines.h: many deadlines, the earliest first: a wheel of wheels, of embedded
 * entries. It never ticks: who waits asks for the earliest and sleeps until then.
 * Thread: handshake. */
#pragma once

#include "common/std/attr.h"

#include <stddef.h>
#include <stdint.h>

/** WireDeadline: embedded in what waits; zeroed: not armed. */
typedef struct WireDeadline {
    int64_t               at_ms; /* boot clock */
    struct WireDeadline  *next;  /* in the same place of the wheel */
    struct WireDeadline **link;  /* what points to it; NULL: not armed */
} WireDeadline;

typedef struct WireDeadlines WireDeadlines;

MESH_CHECKED int wire_deadlines_new(WireDeadlines **out_self); /* 0; -ENOMEM */
void             wire_deadlines_free(WireDeadlines *self);     /* entries are the caller's */

/** wire_deadlines_arm: (re)sets @entry to @at_ms; INT64_MAX disarms. What is before the time that
 * wire_deadlines_pop() was told last is due then. O(1). */
void wire_deadlines_arm(WireDeadlines *self, WireDeadline *entry, int64_t at_ms);
void wire_deadlines_disarm(WireDeadlines *self, WireDeadline *entry); /* not armed: nothing */

/** wire_deadlines_next: the earliest; INT64_MAX: none. O(1), but when the earliest was moved: then
 * by how many are about as early as the next one. */
int64_t wire_deadlines_next(WireDeadlines *self);

/** wire_deadlines_pop: takes one that is due at @now_ms, which does not go back, disarmed; earlier
 * ones first; NULL: none. The caller gets from it to its object with offsetof. Each is moved at
 * most LEVELS times in its life. */
WireDeadline *wire_deadlines_pop(WireDeadlines *self, int64_t now_ms);
