/* daemon/lock/floorsfile.h: floors as JSON, for the disk, and back. Inside of daemon/lock; main
 * loop only. */
#pragma once

#include "daemon/lock/floors.h"

char *lock_floors_encode(const LockFloors *self, size_t *out_len); /* owned */

/* The same of what was raised since lock_floors_note_stored(): numbers, and of nodes and policy
 * those that moved. */
char *lock_floors_encode_moved(const LockFloors *self, size_t *out_len);

/* That back, over what was stored before. False: MESH_ERROR_BAD_JSON, and nothing was taken. */
bool lock_floors_take_moved(LockFloors *self, const char *text, size_t len, GError **error);

/* Into a fresh one. False: MESH_ERROR_BAD_JSON, or of another network. */
bool lock_floors_decode(LockFloors *self, const char *text, size_t len, GError **error);
