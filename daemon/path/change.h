/* daemon/path/change.h: some of the peers of a Path are others; part of path.h. */
#pragma once

#include "daemon/path/path.h"

/** PathChange: borrowed. A key of @peers is not in @gone. */
typedef struct {
    const PathPeer *peers; /* new ones, and those that changed */
    size_t          n_peers;
    const MeshKey  *gone; /* who is no more; may name one that never was */
    size_t          n_gone;
} PathChange;

/** path_change: as path_apply() with all peers, where what the others were told stays as it is, and
 * nobody's relay for others comes, goes or changes by it. */
void path_change(Path *self, const PathChange *change);
