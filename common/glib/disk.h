/* common/glib/disk.h: the steps of putting a file on disk that are easily got wrong. Any thread. */
#pragma once

#include "common/glib/error.h"

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

/** mesh_disk_write_all: writes all of @data, over interruptions and short writes. False: errno. */
bool mesh_disk_write_all(int fd, const char *data, size_t len);

/** mesh_disk_get_code: what a step on a file failed with: MESH_ERROR_DISK_FULL where @errnum says
 * that there is no room (of a quota, too), otherwise @code. */
MeshErrorCode mesh_disk_get_code(MeshErrorCode code, int errnum);

/** mesh_disk_flush_dir: returns when the names in directory @dir are on disk: a file that was made,
 * renamed or removed is so after a power cut only then. Errors: @code or DISK_FULL,
 * naming @dir. */
bool mesh_disk_flush_dir(const char *dir, MeshErrorCode code, GError **error);
