#include "server/loop/timers.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

enum {
    FIRST_ROOM = 64,
};

void loop_timers_done(LoopTimers *self)
{
    free(self->heap);
    *self = (LoopTimers){ 0 };
}

static LoopTimer **slot(LoopTimers *self, size_t place)
{
    return &self->heap[place - 1];
}

static void put(LoopTimers *self, LoopTimer *timer, size_t place)
{
    *slot(self, place) = timer;
    timer->place = place;
}

static void sift_up(LoopTimers *self, LoopTimer *timer)
{
    size_t place = timer->place;

    while (place > 1 && (*slot(self, place / 2))->due_ms > timer->due_ms) {
        put(self, *slot(self, place / 2), place);
        place /= 2;
    }
    put(self, timer, place);
}

static void sift_down(LoopTimers *self, LoopTimer *timer)
{
    size_t place = timer->place;

    for (size_t child = place * 2; child <= self->n; child = place * 2) {
        if (child < self->n && (*slot(self, child + 1))->due_ms < (*slot(self, child))->due_ms)
            child++;
        if ((*slot(self, child))->due_ms >= timer->due_ms)
            break;
        put(self, *slot(self, child), place);
        place = child;
    }
    put(self, timer, place);
}

int loop_timers_set(LoopTimers *self, LoopTimer *timer, int64_t due_ms)
{
    if (timer->place == 0) {
        if (self->n == self->room) {
            size_t      room = self->room != 0 ? self->room * 2 : FIRST_ROOM;
            LoopTimer **grown = realloc(self->heap, room * sizeof(*grown));

            if (grown == NULL)
                return -ENOMEM;
            self->heap = grown;
            self->room = room;
        }
        put(self, timer, ++self->n);
    }
    timer->due_ms = due_ms;
    sift_up(self, timer);
    sift_down(self, timer);
    return 0;
}

void loop_timers_cancel(LoopTimers *self, LoopTimer *timer)
{
    LoopTimer *last;
    size_t     place = timer->place;

    if (place == 0)
        return;
    timer->place = 0;
    last = *slot(self, self->n--);
    if (last == timer)
        return;
    put(self, last, place);
    sift_up(self, last);
    sift_down(self, last);
}

int loop_timers_wait_ms(const LoopTimers *self, int64_t now_ms)
{
    int64_t wait;

    if (self->n == 0)
        return -1;
    wait = self->heap[0]->due_ms - now_ms;
    if (wait < 0)
        return 0;
    return wait < INT_MAX ? (int)wait : INT_MAX;
}

LoopTimer *loop_timers_pop(LoopTimers *self, int64_t now_ms)
{
    LoopTimer *timer;

    if (self->n == 0 || self->heap[0]->due_ms > now_ms)
        return NULL;
    timer = self->heap[0];
    loop_timers_cancel(self, timer);
    return timer;
}
