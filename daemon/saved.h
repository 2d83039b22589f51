/* daemon/saved.h: an engine's map and floors on disk. Thread: main loop.
 *
 * Both are documents of the state, "map" and "floors". A change of a large map adds what changed to
 * their journals (statelog.h); when those are full, or nothing is known of them in this run, the
 * whole is written. */
#pragma once

#include "common/proto/netmap.h"
#include "daemon/engine.h"

#include <stdbool.h>

/** meshd_saved_put_map: in the background, unless it is there already. */
void meshd_saved_put_map(MeshdEngine *self, const MeshNetmap *map);

/** meshd_saved_put_floors: if they changed; returns when the first ones of a network are on disk,
 * the others are written in the background, after a map that was put before them. */
void meshd_saved_put_floors(MeshdEngine *self);

/** meshd_saved_start: begins the conversation with the server, with the map that is on disk, which
 * is in force then. Without one, or with one of no use, which is said in the log, the server's is
 * waited for. @again: only if the disk lets us read now what it refused at first. */
void meshd_saved_start(MeshdEngine *self, bool again);

/** meshd_saved_load_floors: of earlier runs, once. False: MESH_ERROR_STATE or MESH_ERROR_UNREAD; a
 * network that had some does not go on without them. */
bool meshd_saved_load_floors(MeshdEngine *self, GError **error);
