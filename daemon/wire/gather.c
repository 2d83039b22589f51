/* daemon/wire/gather.c: see gather.h. Looks back once a millisecond. */
#include "daemon/wire/gather.h"

#include <stdbool.h>

enum {
    MANY_WAITS = 30,       /* in a millisecond: packets come one by one, and too fast for that */
    MANY_PACKETS = 60,     /* in a millisecond: it still pays */
    SMALL_BYTES = 512,     /* if they are smaller than this, on average */
    GATHERED = 64,         /* so many shall come together, */
    MAX_GATHER_NS = 200000 /* but not for longer than this */
};

static long look_back(WireGather *self, uint64_t ms, uint64_t n_packets, uint64_t n_bytes)
{
    uint64_t packets = n_packets - self->n_packets, bytes = n_bytes - self->n_bytes;
    bool many = self->n_waits > MANY_WAITS * ms || (self->ns > 0 && packets > MANY_PACKETS * ms);
    uint64_t ns;

    if (!many || packets == 0 || bytes >= SMALL_BYTES * packets)
        return 0;
    ns = GATHERED * ms * 1000000 / packets;
    return ns < MAX_GATHER_NS ? (long)ns : MAX_GATHER_NS;
}

long wire_gather_wait(WireGather *self, int64_t now_ms, uint64_t n_packets, uint64_t n_bytes)
{
    self->n_waits++;
    if (now_ms == self->ms)
        return self->ns;
    self->ns = look_back(self, (uint64_t)(now_ms - self->ms), n_packets, n_bytes);
    self->ms = now_ms;
    self->n_waits = 0;
    self->n_packets = n_packets;
    self->n_bytes = n_bytes;
    return self->ns;
}
