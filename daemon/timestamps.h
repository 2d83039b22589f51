/* daemon/timestamps.h: what the timestamps of WireGuard initiations are held to over restarts and
 * wrong clocks, for one network (docs/WIREGUARD.md).
 *
 * The document "timestamps" has a time that no timestamp of ours reached yet, stored before one
 * does, and of each peer the greatest that was taken, stored once a minute and at the end. The time
 * is half an hour ahead at most, for peers refuse what is an hour ahead. Thread: main loop. */
#pragma once

#include "daemon/lock/gate.h"
#include "daemon/state.h"
#include "daemon/wire/plane.h"

#include <stdint.h>

#define MESHD_TIMESTAMPS_LOOK_S 60 /* between two calls of _keep() while the plane runs */

typedef struct MeshdTimestamps MeshdTimestamps;

/** meshd_timestamps_new: reads nothing yet. Borrows @state and @gate. */
MeshdTimestamps *meshd_timestamps_new(MeshdState *state, const MeshNetworkId *net,
                                      const LockGate *gate);
void             meshd_timestamps_free(MeshdTimestamps *self); /* NULL is fine */

/** meshd_timestamps_start: reads the document, stores the next bound, tells a fresh plane. A
 * document that is damaged is said in the log, and the clock decides. */
void meshd_timestamps_start(MeshdTimestamps *self, WirePlane *plane);

/** meshd_timestamps_get: for WirePeerSpec.taken_ns; 0: none known. After _start(). */
int64_t meshd_timestamps_get(const MeshdTimestamps *self, const MeshKey *peer);

/** meshd_timestamps_keep: tells the plane the time again, stores a later bound if the one there is
 * comes near, and what was taken of the peers of @map (NULL: none). */
void meshd_timestamps_keep(MeshdTimestamps *self, WirePlane *plane, LockVerified *map);

/** meshd_timestamps_stop: stores all, on disk when it returns. @plane sends nothing after it. */
void meshd_timestamps_stop(MeshdTimestamps *self, WirePlane *plane, LockVerified *map);
