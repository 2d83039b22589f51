/* daemon/wire/codel.h: CoDel (RFC 8289): when a queue has stood for too long, not when it is long.
 * Pure; times in µs of any clock. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define WIRE_CODEL_TARGET_US   5000
#define WIRE_CODEL_INTERVAL_US 100000

typedef struct {
    int64_t  first_above_us; /* then the target has been missed for an interval; 0: it is met */
    int64_t  drop_next_us;
    uint32_t count, last_count; /* drops since it began to drop, and the last time */
    bool     dropping;
} WireCodel;

/** wire_codel_judge: of the packet that is next, which waited since @at_us; @more: bytes wait
 * behind it, of more than one packet's. Returns: true: drop or mark it. After a drop it is asked
 * about the one behind; after a mark the packet goes. */
bool wire_codel_judge(WireCodel *self, int64_t at_us, bool more, int64_t now_us);

void wire_codel_rest(WireCodel *self); /* the queue is empty */
