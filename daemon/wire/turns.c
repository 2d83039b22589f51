/* daemon/wire/turns.c: see turns.h. */
#include "daemon/wire/turns.h"

enum {
    TURN_BYTES = 256 * 1024,
    LONG_NS = 2000000, /* more than who works in turns as well ever needs */
    REST = 4,          /* times as long without */
};

bool wire_turns_is_due(const WireTurns *self, uint64_t n_bytes, int64_t now_ns)
{
    return n_bytes - self->n_bytes >= TURN_BYTES && now_ns >= self->until_ns;
}

void wire_turns_done(WireTurns *self, uint64_t n_bytes, int64_t from_ns, int64_t to_ns)
{
    self->n_bytes = n_bytes;
    self->until_ns = to_ns - from_ns > LONG_NS ? to_ns + (to_ns - from_ns) * REST : 0;
}
