/* common/std/codel.h: CoDel (RFC 8289): when a queue has stood for too long, not when it is long.
 * Pure; times in µs of any clock. One for each flow, by one thread. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    int64_t target_us;   /* to wait for longer is a standing queue, when it lasts for */
    int64_t interval_us; /* so long */
} MeshCodelTimes;

/* Zeroed: nothing has waited yet. */
typedef struct {
    int64_t  first_above_us; /* then the target has been missed for an interval; 0: it is met */
    int64_t  drop_next_us;
    uint32_t count, last_count; /* drops since it began to drop, and the last time */
    bool     dropping;
} MeshCodel;

/** mesh_codel_judge: of the packet that is next.
 * @waited_us: since it came
 * @more: enough waits behind it to speak of a queue
 * Returns: true: drop or mark it. After a drop it is asked about the one behind; after a mark the
 * packet goes. Cost: O(1). */
bool mesh_codel_judge(MeshCodel *self, const MeshCodelTimes *times, int64_t waited_us, bool more,
                      int64_t now_us);

void mesh_codel_rest(MeshCodel *self); /* the queue is empty */
