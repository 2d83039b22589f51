/* common/std/codel.c: see codel.h; names as in RFC 8289, §5. */
#include "common/std/codel.h"

enum { SCALE = 1000, SOON = 16 }; /* intervals: dropping again so soon goes on where it ended */

/* The interval divided by the square root of @count: by Newton's iteration, in whole numbers. */
static int64_t shorten(const MeshCodelTimes *times, uint32_t count)
{
    int64_t square = (int64_t)count * SCALE * SCALE, root = square, next = (square + 1) / 2;

    while (next < root) {
        root = next;
        next = (root + square / root) / 2;
    }
    return times->interval_us * SCALE / root;
}

static bool is_late(MeshCodel *self, const MeshCodelTimes *times, int64_t waited_us, bool more,
                    int64_t now_us)
{
    if (waited_us < times->target_us || !more) {
        self->first_above_us = 0;
        return false;
    }
    if (self->first_above_us == 0) {
        self->first_above_us = now_us + times->interval_us;
        return false;
    }
    return now_us >= self->first_above_us;
}

bool mesh_codel_judge(MeshCodel *self, const MeshCodelTimes *times, int64_t waited_us, bool more,
                      int64_t now_us)
{
    uint32_t recent = self->count - self->last_count;

    if (!is_late(self, times, waited_us, more, now_us)) {
        self->dropping = false;
        return false;
    }
    if (self->dropping) {
        if (now_us < self->drop_next_us)
            return false;
        self->count++;
        self->drop_next_us += shorten(times, self->count);
        return true;
    }
    self->dropping = true;
    self->count =
        recent > 1 && now_us - self->drop_next_us < SOON * times->interval_us ? recent : 1;
    self->last_count = self->count;
    self->drop_next_us = now_us + shorten(times, self->count);
    return true;
}

void mesh_codel_rest(MeshCodel *self)
{
    self->first_above_us = 0;
    self->dropping = false;
}
