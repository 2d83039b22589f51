/* common/proto/netmaplearn.h: what a peer told of itself without the server (docs/PATHS.md §7), put
 * where the server would have put it. Thread: the map's. */
#pragma once

#include "common/proto/netmap.h"

/* Newer records of the peer @index, which the caller has verified; @k NULL: as it was. What the
 * server says of the peer next replaces them. Returns: false: no such peer, or nothing is new. */
bool mesh_netmap_learn(MeshNetmap *self, uint32_t index, MeshSigned *k, MeshSigned *e);
