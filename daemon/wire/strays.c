#include "daemon/wire/strays.h"

#include <string.h>
#include <sys/socket.h>

/* By relay its number there, else the last bytes of the address: who makes many collide is told of
 * less. */
static uint32_t get_place(const WireWay *way)
{
    uint32_t tail = way->index;

    if (way->link == 0)
        memcpy(&tail, way->endpoint.addr.bytes + (way->endpoint.addr.family == AF_INET ? 0 : 12),
               sizeof tail);
    tail ^= way->endpoint.port ^ (uint32_t)way->link << 8;
    return tail * UINT32_C(2654435761) >> 26; /* Knuth: the upper bits are the mixed ones */
}

bool wire_strays_is_news(WireStrays *self, const WireWay *way, int64_t now_ms)
{
    int64_t *told_ms = &self->told_ms[get_place(way)];

    if (*told_ms != 0 && now_ms - *told_ms < WIRE_STRAYS_MS)
        return false;
    *told_ms = now_ms;
    return true;
}
