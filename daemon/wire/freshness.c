/* daemon/wire/freshness.c: see freshness.h. */
#include "daemon/wire/freshness.h"

#include <errno.h>
#include <string.h>

#define NS_PER_S INT64_C(1000000000)
#define TAI_1970 UINT64_C(0x400000000000000a) /* TAI64 label of 1970, UTC + 10 s */

static int64_t round_down(int64_t ns)
{
    return ns - ns % NS_PER_S % WIRE_FRESHNESS_STEP_NS; /* as TAI64N: a second begins anew */
}

static int64_t step(int64_t ns)
{
    int64_t next_ns = round_down(ns) + WIRE_FRESHNESS_STEP_NS;

    if (next_ns / NS_PER_S != ns / NS_PER_S)
        next_ns -= next_ns % NS_PER_S;
    return next_ns;
}

int64_t wire_freshness_next(int64_t *last_ns, const WireMoment *at)
{
    int64_t now_ns = at->wall_ns;

    if (at->true_ns != 0) {
        if (now_ns > at->true_ns + WIRE_FRESHNESS_TRUST_NS ||
            now_ns < at->true_ns - WIRE_FRESHNESS_TRUST_NS)
            now_ns = at->true_ns;
        if (*last_ns > at->true_ns + WIRE_FRESHNESS_TRUST_NS)
            *last_ns = 0; /* who knows the time refused it, as we would */
    }
    if (now_ns < at->from_ns)
        now_ns = at->from_ns;
    if (at->until_ns != 0 && now_ns > at->until_ns)
        now_ns = at->until_ns;
    now_ns = round_down(now_ns);
    if (now_ns <= *last_ns)
        now_ns = step(*last_ns);
    *last_ns = now_ns;
    return now_ns;
}

int wire_freshness_check(WireFreshness *self, const uint8_t timestamp[WIRE_TAI64N_BYTES],
                         int64_t true_ns)
{
    uint8_t limit[WIRE_TAI64N_BYTES];

    if (true_ns == 0)
        return 0;
    wire_freshness_encode(true_ns + WIRE_FRESHNESS_TRUST_NS, limit);
    if (memcmp(self->newest, limit, sizeof limit) > 0) /* big-endian: order of time */
        wire_freshness_encode(true_ns, self->newest);
    return memcmp(timestamp, limit, sizeof limit) > 0 ? -ERANGE : 0;
}

int64_t wire_freshness_decode(const uint8_t timestamp[WIRE_TAI64N_BYTES])
{
    uint64_t s = 0, ns = 0;

    for (int i = 0; i < 8; i++)
        s = s << 8 | timestamp[i];
    for (int i = 8; i < 12; i++)
        ns = ns << 8 | timestamp[i];
    if (s < TAI_1970)
        return 0;
    s -= TAI_1970;
    if (s >= (uint64_t)(INT64_MAX / NS_PER_S) - 4) /* the nanoseconds may be four seconds */
        return INT64_MAX;
    return (int64_t)(s * (uint64_t)NS_PER_S + ns);
}

void wire_freshness_encode(int64_t ns, uint8_t out_timestamp[WIRE_TAI64N_BYTES])
{
    uint64_t s = TAI_1970 + (uint64_t)(ns / NS_PER_S);
    uint32_t rest = (uint32_t)(ns % NS_PER_S);

    for (int i = 0; i < 8; i++)
        out_timestamp[i] = (uint8_t)(s >> 8 * (7 - i));
    for (int i = 0; i < 4; i++)
        out_timestamp[8 + i] = (uint8_t)(rest >> 8 * (3 - i));
}
