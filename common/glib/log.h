/* common/glib/log.h: the log of every program: a text for people, fields for machines.
 *
 * Any thread. Goes to the journal's own protocol when stderr is the journal (JOURNAL_STREAM), else
 * as plain lines to stderr. What looks like a secret is masked in text and fields: the k= and psk=
 * parameters of links, and the value of every field whose name says secret, psk, private or token.
 * A line is rate limited by its format: 10 at once, then one a second; what was held back is
 * counted and said. GLib's own messages take the same road. */
#pragma once

#include "common/std/attr.h"

#include <glib.h>
#include <stdbool.h>

typedef enum { /* syslog's numbers */
               MESH_LOG_ERROR = 3,
               MESH_LOG_WARNING = 4,
               MESH_LOG_NOTICE = 5,
               MESH_LOG_INFO = 6,
               MESH_LOG_DEBUG = 7,
} MeshLogLevel;

typedef struct {
    const char *name; /* "network", "peer": in the journal MESH_NETWORK, in plain lines network=… */
    const char *value; /* NULL: the field is left out */
} MeshLogField;

/* Once, before threads. @program: shown in plain lines. @level: the last level that is written;
 * the environment variable MESH_LOG=error|warning|notice|info|debug overrules it. */
void mesh_log_init(const char *program, MeshLogLevel level);

void mesh_log_set_level(MeshLogLevel level);

/* "error" … "debug". */
MESH_CHECKED bool mesh_log_parse_level(const char *text, MeshLogLevel *out_level);

void mesh_log_write(MeshLogLevel level, const MeshLogField *fields, size_t n_fields,
                    const char *format, ...) MESH_PRINTF(4, 5);

#define mesh_log_error(...)   mesh_log_write(MESH_LOG_ERROR, NULL, 0, __VA_ARGS__)
#define mesh_log_warning(...) mesh_log_write(MESH_LOG_WARNING, NULL, 0, __VA_ARGS__)
#define mesh_log_notice(...)  mesh_log_write(MESH_LOG_NOTICE, NULL, 0, __VA_ARGS__)
#define mesh_log_info(...)    mesh_log_write(MESH_LOG_INFO, NULL, 0, __VA_ARGS__)
#define mesh_log_debug(...)   mesh_log_write(MESH_LOG_DEBUG, NULL, 0, __VA_ARGS__)

/* A copy of @text with secrets masked; owned. */
char *mesh_log_redact(const char *text);

/* Tests: every line goes to @sink (already redacted, without time) instead; NULL: back again. */
typedef void (*MeshLogSink)(MeshLogLevel level, const char *line, void *user_data);
void mesh_log_set_sink(MeshLogSink sink, void *user_data);
