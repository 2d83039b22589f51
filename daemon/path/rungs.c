#include "daemon/path/rungs.h"

enum {
    FIRST_TRIES = 3, /* a way that carries the longest is not to look narrow by two losses */
    TRIES = 2,
    CLOSE_ENOUGH = 4, /* bytes */
};

void path_rungs_begin(PathRungs *self, uint16_t low, uint16_t high)
{
    *self = (PathRungs){ .low = low, .high = high, .n = 1, .rungs = { high }, .first = true };
    if (high <= low)
        self->low = self->high = high;
}

bool path_rungs_ask(const PathRungs *self, size_t i)
{
    return i < self->n && (self->rungs[i] > self->low || !self->shown);
}

void path_rungs_answer(PathRungs *self, size_t i)
{
    if (i >= self->n || self->rungs[i] < self->low)
        return;
    self->low = self->rungs[i];
    self->shown = true;
}

bool path_rungs_is_over(const PathRungs *self)
{
    return self->n == 0;
}

/* Lengths from @low on, the least being @low itself as long as it is assumed only. */
static void spread(PathRungs *self)
{
    unsigned range = (unsigned)(self->high - self->low), from = self->shown ? 1 : 0;

    self->n = 0;
    for (unsigned i = from; i < PATH_MAX_RUNGS + from; i++) {
        uint16_t rung = (uint16_t)(self->low + range * i / PATH_MAX_RUNGS);

        if (self->n == 0 || rung > self->rungs[self->n - 1])
            self->rungs[self->n++] = rung;
    }
}

/* The least length above @low of this round: it went unanswered. */
static uint16_t find_failed(const PathRungs *self)
{
    for (size_t i = 0; i < self->n; i++)
        if (self->rungs[i] > self->low)
            return self->rungs[i];
    return (uint16_t)(self->high + 1);
}

static bool is_whole(const PathRungs *self)
{
    return self->shown && self->rungs[self->n - 1] <= self->low;
}

static void end(PathRungs *self)
{
    self->n = 0;
}

bool path_rungs_step(PathRungs *self, bool waited)
{
    if (self->n == 0)
        return false;
    if (!is_whole(self)) {
        if (!waited)
            return false;
        if (++self->tries < (self->first ? FIRST_TRIES : TRIES))
            return true;
        self->high = (uint16_t)(find_failed(self) - 1);
    }
    if ((!self->shown && !self->first) || self->high < self->low + CLOSE_ENOUGH) {
        end(self);
        return false;
    }
    self->first = false;
    self->tries = 0;
    spread(self);
    return true;
}
