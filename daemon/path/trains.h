/* daemon/path/trains.h: do datagrams that leave as one message arrive? Some cards and boxes lose
 * the parts of such a burst, or all but the first, and carry single ones. The same datagrams are
 * sent both ways in turns, and what is answered is held against each other: what loses both alike,
 * a full queue or a bad link, says nothing of bursts. Pure. Inside of daemon/path. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PATH_TRAIN = 12 }; /* datagrams each */

typedef enum {
    PATH_TRAINS_RUN,   /* not over */
    PATH_TRAINS_WHOLE, /* a burst arrived: nothing is wrong with them */
    PATH_TRAINS_LOST,  /* bursts do not arrive, the same datagrams one by one do */
    PATH_TRAINS_OPEN,  /* neither arrives, or now one, now the other */
} PathTrainsEnd;

typedef struct {
    PathTrainsEnd end;
    bool          single; /* what is under way goes one by one */
    bool          lost;   /* the burst of this round was */
    unsigned      round, proofs;
    uint32_t      came; /* bits: what was answered of the train under way */
} PathTrains;

/** path_trains_begin: a first burst is under way; if it arrives, that is all. */
void path_trains_begin(PathTrains *self);

/** path_trains_answer: datagram @i of the train under way came there, and its answer back. */
void path_trains_answer(PathTrains *self, size_t i);

bool path_trains_is_whole(const PathTrains *self);

/** path_trains_step: the time for answers is over, or all are there. Returns: what came of it; RUN:
 * the next train is to be sent, as self->single says. */
PathTrainsEnd path_trains_step(PathTrains *self);
