/* daemon/path/rungs.h: the search for the longest datagram that a way carries, as RFC 8899 means
 * it: by what is answered alone. A round asks for several lengths at once, so that few round trips
 * are enough; the first one asks for the longest, which is what most ways carry. Pure. Inside of
 * daemon/path. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PATH_MAX_RUNGS = 8 };

typedef struct {
    uint16_t low;  /* it is carried, as far as is known */
    uint16_t high; /* more is not asked for */
    size_t   n;
    uint16_t rungs[PATH_MAX_RUNGS]; /* asked for in this round, rising, all above @low at first */
    unsigned tries;                 /* of this round, so far */
    bool     first;
    bool     shown; /* @low was answered, not merely assumed */
} PathRungs;

/** path_rungs_begin: between @low, which every way should carry, and @high, bytes of UDP payload.
 */
void path_rungs_begin(PathRungs *self, uint16_t low, uint16_t high);

/** path_rungs_ask: is place @i to be asked for (again) now? */
bool path_rungs_ask(const PathRungs *self, size_t i);

/** path_rungs_answer: what was asked at place @i has come there and back. */
void path_rungs_answer(PathRungs *self, size_t i);

/** path_rungs_step: the time for answers is over; or it may be: ask after each answer.
 * @waited: it is. Returns: true: ask again for what path_rungs_ask() says; false: wait, or, if
 * path_rungs_is_over(), the search has ended. */
bool path_rungs_step(PathRungs *self, bool waited);

/** path_rungs_is_over: self->low is the result, if it is @shown; else nothing was answered. */
bool path_rungs_is_over(const PathRungs *self);
