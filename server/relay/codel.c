#include "server/relay/codel.h"

#include <math.h>

#define MS_NS       INT64_C(1000000)
#define TARGET_NS   (RELAY_CODEL_TARGET_MS * MS_NS)
#define INTERVAL_NS (RELAY_CODEL_INTERVAL_MS * MS_NS)

enum { SOON = 16 }; /* intervals: dropping again so soon goes on where it ended */

/* The control law: ever shorter times between drops, until the senders notice. */
static int64_t next_after(int64_t from_ns, uint32_t count)
{
    return from_ns + (int64_t)((double)INTERVAL_NS / sqrt((double)count));
}

/* Whether the wait has been above the target for a whole interval. */
static bool stands(RelayCodel *self, int64_t waited_ns, bool is_last, int64_t now_ns)
{
    if (waited_ns < TARGET_NS || is_last) {
        self->above_ns = 0;
        return false;
    }
    if (self->above_ns == 0) {
        self->above_ns = now_ns + INTERVAL_NS;
        return false;
    }
    return now_ns >= self->above_ns;
}

static void begin(RelayCodel *self, int64_t now_ns)
{
    uint32_t last = self->count - self->before;

    self->count = last > 1 && now_ns - self->next_ns < SOON * INTERVAL_NS ? last : 1;
    self->before = self->count;
    self->next_ns = next_after(now_ns, self->count);
    self->dropping = true;
}

bool relay_codel_drops(RelayCodel *self, int64_t waited_ns, bool is_last, int64_t now_ns)
{
    bool standing = stands(self, waited_ns, is_last, now_ns);

    if (waited_ns > RELAY_CODEL_MAX_MS * MS_NS)
        return true;
    if (!standing) {
        self->dropping = false;
        return false;
    }
    if (!self->dropping) {
        begin(self, now_ns);
        return true;
    }
    if (now_ns < self->next_ns)
        return false;
    self->count++;
    self->next_ns = next_after(self->next_ns, self->count);
    return true;
}
