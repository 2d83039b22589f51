/* wg/log.h: where mesh-wg's words go: standard error, or syslog in the background. Main thread. */
#pragma once

#include "common/std/attr.h"

#include <stdbool.h>

typedef enum {
    WG_LOG_SILENT,
    WG_LOG_ERROR,
    WG_LOG_VERBOSE,
} WgLogLevel;

void wg_log_init(WgLogLevel level, const char *ifname); /* @ifname: kept */
void wg_log_use_syslog(void);

MESH_PRINTF(1, 2) void wg_log_error(const char *format, ...);
MESH_PRINTF(1, 2) void wg_log_verbose(const char *format, ...);
