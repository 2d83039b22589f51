/* daemon/undo.h: takes back from the host what a meshd that is gone left there. */
#pragma once

#include <glib.h>
#include <stdbool.h>

/** meshd_undo: for the removal of the package, and after a stop by force; nothing to do is fine.
 * Keys and maps stay. Errors: MESH_ERROR_BUSY: a meshd runs on @state_dir; MESH_ERROR_STATE,
 * MESH_ERROR_HOST. */
bool meshd_undo(const char *state_dir, const char *runtime_dir, GError **error);
