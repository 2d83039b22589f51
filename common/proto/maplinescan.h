/* common/proto/maplinescan.h: lines of a large map in the form that our encoder writes, see scan.h.
 * Inside of common/proto; any thread. */
#pragma once

#include "common/proto/mapline.h"

/* "peers" and "ep". Owned; NULL: another line, or not in that form. */
MeshMapline *mesh_maplinescan_line(const char *text, size_t len);

/* A peer alone; @out holds references. False: not in that form. */
bool mesh_maplinescan_peer(const char *text, size_t len, MeshPeer *out);
