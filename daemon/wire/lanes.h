/* daemon/wire/lanes.h: which of a shard's queues of the TUN to read from next, and how much.
 *
 * The kernel sorts the host's flows into these lanes by their hash, so one that fills its lane does
 * not stand before what lies in another. Lanes that carry little go first, all of what they have;
 * the others take turns. Pure: no clock, no descriptor. Out thread. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/std/attr.h"

#define WIRE_MAX_LANES 16u

/* Little: no more than this in a period, in which another carried at least WIRE_LANE_BULK. */
#define WIRE_LANE_SPARSE    4096u
#define WIRE_LANE_BULK      (256u * 1024u)
#define WIRE_LANE_PERIOD_MS 16
#define WIRE_LANE_MIXED_MS  100 /* for so long both are taken to be there */

typedef struct {
    unsigned n_lanes, next; /* whose turn is next among those that carry much */
    uint32_t ready;         /* bits: may have something */
    uint32_t busy;          /* bits: carried much in the last period */
    int64_t  period, mixed_until_ms;
    uint32_t bytes[WIRE_MAX_LANES]; /* in this period */
} WireLanes;

/** wire_lanes_begin: a round at @now_ms. Returns: lanes with little traffic and such with much were
 * both in use a moment ago. */
bool wire_lanes_begin(WireLanes *self, int64_t now_ms);

/** wire_lanes_choose: the lane to read one packet from. Returns: false: nothing waits in any. */
MESH_CHECKED bool wire_lanes_choose(WireLanes *self, unsigned *out_lane);

/** wire_lanes_read: @bytes were read from @lane; 0: it is empty. */
void wire_lanes_read(WireLanes *self, unsigned lane, uint32_t bytes);
