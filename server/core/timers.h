/* server/core/timers.h: timers of the control thread, on the clock that counts sleep. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    int64_t  due_ms; /* boot time */
    uint64_t order;  /* of arming: no two are equal */
    void (*fire)(void *context, void *data);
    void *data;
    bool  armed;
} CoreTimer; /* embedded in what it is about; zeroed: not armed */

typedef struct CoreTimers CoreTimers;

CoreTimers *core_timers_new(void);
void        core_timers_free(CoreTimers *self); /* forgets what is armed; NULL is fine */

/* Arms @timer (fire and data are set) in @delay_ms; an armed one is moved. */
void core_timers_arm(CoreTimers *self, CoreTimer *timer, int64_t delay_ms);
void core_timers_disarm(CoreTimers *self, CoreTimer *timer); /* fine when it is not armed */

/* Fires what is due, each disarmed before. @context is handed through. */
void core_timers_run(CoreTimers *self, void *context);

/* Milliseconds until the next one, at least 0; -1: none is armed. */
int64_t core_timers_next_ms(CoreTimers *self);
