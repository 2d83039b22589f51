/* daemon/wire/freshness.h: the timestamps of initiations, over restarts and clocks that jump: ours
 * only rise, a peer's are taken once, and one clock that was wrong for a day locks nobody out.
 *
 * Pure. Times are nanoseconds since 1970; 0: not known, no bound. A peer's timestamp beyond what an
 * int64_t holds counts as its greatest value. Source: WireGuard paper §5.1; CVE-2021-46873. */
#pragma once

#include "common/std/attr.h"
#include "daemon/wire/noise.h"

#include <stdint.h>

#define WIRE_FRESHNESS_TRUST_NS (INT64_C(3600) * 1000000000) /* that far off the true time */
#define WIRE_FRESHNESS_STEP_NS  (INT64_C(1) << 24)           /* the fineness of our timestamps */

/** WireMoment: what a timestamp of ours is made of. */
typedef struct {
    int64_t wall_ns;           /* our clock */
    int64_t true_ns;           /* a better clock */
    int64_t from_ns, until_ns; /* neither before nor after is sent */
} WireMoment;

/** wire_freshness_next: the timestamp after *last_ns (0: none yet): the time at @at, or if that is
 * not later the least step, even past until_ns. Written back to *last_ns. */
int64_t wire_freshness_next(int64_t *last_ns, const WireMoment *at);

/** wire_freshness_check: may a peer's timestamp be looked at? One further ahead than we trust may
 * not; if an older one is stored, from a time when nobody knew better, the true time takes its
 * place. Returns: 0; -ERANGE: too far ahead. Then comes wire_noise_accept_timestamp(). */
MESH_CHECKED int wire_freshness_check(WireFreshness *self,
                                      const uint8_t timestamp[WIRE_TAI64N_BYTES], int64_t true_ns);

int64_t wire_freshness_decode(const uint8_t timestamp[WIRE_TAI64N_BYTES]);
void    wire_freshness_encode(int64_t ns, uint8_t out_timestamp[WIRE_TAI64N_BYTES]); /* exact */
