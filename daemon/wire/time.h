/* daemon/wire/time.h: the time that a plane's initiations are stamped with and judged by. As
 * plane.h: called from its control thread. */
#pragma once

#include "daemon/wire/plane.h"

/** WireTime: what the timestamps of initiations are held to, Unix seconds. Zeroed: our clock alone,
 * as the plane starts. */
typedef struct {
    int64_t true_s; /* now, by one whose clock is better than ours; 0: there is nobody. Own time
                     * more than an hour off is not used then, nor a peer's more than one ahead */
    int64_t from_s, until_s; /* nothing outside is sent; 0: no bound. At @until_s time stands still:
                              * some minutes of initiations still get later and later ones */
} WireTime;

/** wire_time_set: copies; before the first peer is configured, and whenever it changed. */
void wire_time_set(WirePlane *plane, const WireTime *time);
