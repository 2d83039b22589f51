/* daemon/wire/codel.c: see codel.h; names as in RFC 8289, §5. */
#include "daemon/wire/codel.h"

enum { SCALE = 1000 };

/* The interval divided by the square root of @count: by Newton's iteration, in whole numbers. */
static int64_t shorten(uint32_t count)
{
    int64_t square = (int64_t)count * SCALE * SCALE, root = square, next = (square + 1) / 2;

    while (next < root) {
        root = next;
        next = (root + square / root) / 2;
    }
    return (int64_t)WIRE_CODEL_INTERVAL_US * SCALE / root;
}

static bool is_late(WireCodel *self, int64_t at_us, bool more, int64_t now_us)
{
    if (now_us - at_us < WIRE_CODEL_TARGET_US || !more) {
        self->first_above_us = 0;
        return false;
    }
    if (self->first_above_us == 0) {
        self->first_above_us = now_us + WIRE_CODEL_INTERVAL_US;
        return false;
    }
    return now_us >= self->first_above_us;
}

bool wire_codel_judge(WireCodel *self, int64_t at_us, bool more, int64_t now_us)
{
    bool     late = is_late(self, at_us, more, now_us);
    uint32_t recent = self->count - self->last_count;

    if (!late) {
        self->dropping = false;
        return false;
    }
    if (self->dropping) {
        if (now_us < self->drop_next_us)
            return false;
        self->count++;
        self->drop_next_us += shorten(self->count);
        return true;
    }
    self->dropping = true;
    /* Soon after it last dropped it goes on at about that rate. */
    self->count =
        recent > 1 && now_us - self->drop_next_us < 16 * WIRE_CODEL_INTERVAL_US ? recent : 1;
    self->last_count = self->count;
    self->drop_next_us = now_us + shorten(self->count);
    return true;
}

void wire_codel_rest(WireCodel *self)
{
    self->first_above_us = 0;
    self->dropping = false;
}
