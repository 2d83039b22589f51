/* daemon/lock/floorsfile.h: floors as JSON, for the disk, and back. Inside of daemon/lock; main
 * loop only. */
#pragma once

#include "daemon/lock/floors.h"

char *lock_floors_encode(const LockFloors *self, size_t *out_len); /* owned */

/* Into a fresh one. False: MESH_ERROR_BAD_JSON, or of another network. */
bool lock_floors_decode(LockFloors *self, const char *text, size_t len, GError **error);
