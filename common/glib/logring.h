/* common/glib/logring.h: the last lines of this program's log, in memory, for who may ask a running
 * daemon. Any thread. The lines are those of log.h: redacted, without control characters. */
#pragma once

#include "common/glib/log.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define MESH_LOGRING_MAX_LINES 2000u
#define MESH_LOGRING_MAX_BYTES (256u * 1024) /* of texts; a long line pushes out many */

typedef struct {
    uint64_t     serial;  /* from 1, without gaps */
    int64_t      time_us; /* since 1970 */
    MeshLogLevel level;
    const char  *text; /* borrowed, for the call */
} MeshLogringLine;

typedef void (*MeshLogringFunc)(const MeshLogringLine *line, void *user_data);

/** mesh_logring_start: from here on lines are kept. Until then, and in programs that never call it,
 * nothing is. */
void mesh_logring_start(void);

/** mesh_logring_put: by log.c alone. */
void mesh_logring_put(MeshLogLevel level, const char *text);

/** mesh_logring_walk: the lines after @serial, oldest first, @limit at most; @each must not log.
 * Returns: the serial of the newest line there is, 0 before the first. */
uint64_t mesh_logring_walk(uint64_t serial, unsigned limit, MeshLogringFunc each, void *user_data);

const char *mesh_logring_name_level(MeshLogLevel level); /* "error" … "debug" */
