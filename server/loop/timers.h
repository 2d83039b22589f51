/* server/loop/timers.h: deadlines of one shard: a binary heap, soonest first. Pure; one thread. */
#pragma once

#include "common/std/attr.h"

#include <stddef.h>
#include <stdint.h>

/* Embedded in what has the deadline. Zeroed: not armed. */
typedef struct {
    int64_t due_ms;
    size_t  place; /* in the heap, from 1; 0: not armed */
} LoopTimer;

typedef struct {
    LoopTimer **heap;
    size_t      n, room;
} LoopTimers; /* zeroed: empty */

void loop_timers_done(LoopTimers *self);

/* Arms @timer, or moves it. Returns: 0; -ENOMEM. */
MESH_CHECKED int loop_timers_set(LoopTimers *self, LoopTimer *timer, int64_t due_ms);
void             loop_timers_cancel(LoopTimers *self, LoopTimer *timer); /* not armed is fine */

/* Milliseconds from @now_ms to the soonest, at least 0; -1: none is armed. */
int loop_timers_wait_ms(const LoopTimers *self, int64_t now_ms);

/* The soonest that is due, no longer armed; NULL: none is. */
LoopTimer *loop_timers_pop(LoopTimers *self, int64_t now_ms);
