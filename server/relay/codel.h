/* server/relay/codel.h: how long packets of one source may wait for a receiver. Pure.
 *
 * Source: RFC 8289 (CoDel) with the values of RFC 8290 for slow links, and an end for who does not
 * react to it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RELAY_CODEL_TARGET_MS = 10,    /* waiting for longer is a standing queue, when it lasts for */
    RELAY_CODEL_INTERVAL_MS = 100, /* so long */
    RELAY_CODEL_MAX_MS = 500,      /* who waited longer is of no use to anybody */
};

/* Zeroed: nothing has waited yet. */
typedef struct {
    int64_t  above_ns; /* when the wait has been above the target for an interval; 0: it is below */
    int64_t  next_ns;  /* while dropping: when the next one goes */
    uint32_t count;    /* dropped since this began */
    uint32_t before;   /* what @count began with */
    bool     dropping;
} RelayCodel;

/** relay_codel_drops: whether the packet whose turn has come is to be dropped instead.
 * @waited_ns: since it came
 * @is_last: nothing waits behind it: it goes, unless it is of no use any more
 * @now_ns: boot time
 *
 * Asked again for the next packet when it says so. Cost: O(1). */
bool relay_codel_drops(RelayCodel *self, int64_t waited_ns, bool is_last, int64_t now_ns);
