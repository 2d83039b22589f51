#include "daemon/path/trains.h"

enum {
    GOOD = PATH_TRAIN - PATH_TRAIN / 4, /* it arrives, but for what any link may lose */
    BAD = PATH_TRAIN / 3,               /* at most: it does not */
    PROOFS = 5,  /* rounds in which the burst was lost and the single ones came */
    ROUNDS = 12, /* at most */
};

void path_trains_begin(PathTrains *self)
{
    *self = (PathTrains){ .end = PATH_TRAINS_RUN };
}

void path_trains_answer(PathTrains *self, size_t i)
{
    if (i < PATH_TRAIN)
        self->came |= UINT32_C(1) << i;
}

bool path_trains_is_whole(const PathTrains *self)
{
    return self->came == (UINT32_C(1) << PATH_TRAIN) - 1;
}

static unsigned count(uint32_t bits)
{
    return (unsigned)__builtin_popcount(bits);
}

/* One good burst is enough: what loses bursts loses all of them. */
static PathTrainsEnd judge_burst(PathTrains *self, unsigned came)
{
    if (came >= GOOD)
        return self->end = PATH_TRAINS_WHOLE;
    self->lost = came <= BAD;
    self->single = true;
    return PATH_TRAINS_RUN;
}

static PathTrainsEnd judge_round(PathTrains *self, unsigned came)
{
    self->single = false;
    self->proofs += self->lost && came >= GOOD ? 1 : 0;
    if (self->proofs == PROOFS)
        return self->end = PATH_TRAINS_LOST;
    if (++self->round == ROUNDS)
        return self->end = PATH_TRAINS_OPEN;
    return PATH_TRAINS_RUN;
}

PathTrainsEnd path_trains_step(PathTrains *self)
{
    unsigned came = count(self->came);

    self->came = 0;
    if (self->end != PATH_TRAINS_RUN)
        return self->end;
    return self->single ? judge_round(self, came) : judge_burst(self, came);
}
