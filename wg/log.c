/* wg/log.c: see log.h. */
#include "wg/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>

static struct {
    WgLogLevel  level;
    bool        to_syslog;
    const char *ifname; /* borrowed */
} log_state = { .level = WG_LOG_ERROR, .ifname = "" };

void wg_log_init(WgLogLevel level, const char *ifname)
{
    log_state.level = level;
    log_state.ifname = ifname;
}

void wg_log_use_syslog(void)
{
    openlog("mesh-wg", LOG_PID, LOG_DAEMON);
    log_state.to_syslog = true;
}

MESH_PRINTF(2, 0) static void write_line(int priority, const char *format, va_list args)
{
    char text[512];

    if (vsnprintf(text, sizeof text, format, args) < 0)
        return;
    if (log_state.to_syslog)
        syslog(priority, "%s: %s", log_state.ifname, text);
    else
        fprintf(stderr, "mesh-wg: %s: %s\n", log_state.ifname, text);
}

void wg_log_error(const char *format, ...)
{
    va_list args;

    if (log_state.level < WG_LOG_ERROR)
        return;
    va_start(args, format);
    write_line(LOG_ERR, format, args);
    va_end(args);
}

void wg_log_verbose(const char *format, ...)
{
    va_list args;

    if (log_state.level < WG_LOG_VERBOSE)
        return;
    va_start(args, format);
    write_line(LOG_INFO, format, args);
    va_end(args);
}
