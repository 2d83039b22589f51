/* common/proto/session.h: report, error and server information (docs/PROTOCOL.md §5), both ends.
 *
 * Values, no I/O; any thread. */
#pragma once

#include "common/glib/error.h"
#include "common/proto/signed.h"
#include "common/std/ip.h"
#include "common/std/key.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    MESH_SESSION_REPORT_MAX_BYTES = 32768,
    MESH_SESSION_MAX_HEALTH = 8,
    MESH_SESSION_HEALTH_SIZE = 129, /* 128 bytes and the NUL */
};

typedef struct {
    MeshSigned *e;
    MeshSigned *k; /* NULL: unchanged */
    size_t      n_health;
    char        health[MESH_SESSION_MAX_HEALTH][MESH_SESSION_HEALTH_SIZE];
} MeshReport;

typedef struct {
    int64_t  time;
    MeshAddr observed; /* family 0: absent */
    uint64_t e_seq;    /* of the E that the server holds now */
} MeshReportAnswer;

/* What an error's body may say beside code and message. */
typedef struct {
    int64_t  time;                 /* clock; 0: absent */
    int64_t  after;                /* replayed; 0: absent */
    unsigned proto_min, proto_max; /* proto; 0: absent */
    unsigned retry_in_s;           /* busy; 0: absent */
    bool     has_key;              /* wrong-server */
    MeshKey  key;
} MeshSessionHints;

typedef struct {
    char     name[64], version[64];
    unsigned proto_min, proto_max;
    MeshKey  key;
    int64_t  time;
} MeshServerInfo;

char *mesh_session_encode_report(const MeshReport *report, size_t *out_len); /* owned */
/* @out holds references: mesh_session_clear_report(). */
bool mesh_session_decode_report(const char *text, size_t len, MeshReport *out, GError **error);
void mesh_session_clear_report(MeshReport *report);

char *mesh_session_encode_report_answer(const MeshReportAnswer *answer, size_t *out_len);
bool  mesh_session_decode_report_answer(const char *text, size_t len, MeshReportAnswer *out,
                                        GError **error);

/* {"error": {"code", "message", …}}; @hints may be NULL. A @code of our own becomes "internal".
 * Owned. The status is that of mesh_error_get_info(@code). */
char *mesh_session_encode_error(MeshErrorCode code, const char *message,
                                const MeshSessionHints *hints, size_t *out_len);

/* The error of an answer of @status ≥ 400, whatever its body is: always sets @error. A code that
 * is unknown or a body in another form is judged by its status. @out_hints may be NULL. */
void mesh_session_decode_error(unsigned status, const char *text, size_t len,
                               MeshSessionHints *out_hints, GError **error);

char *mesh_session_encode_server(const MeshServerInfo *info, size_t *out_len);
bool  mesh_session_decode_server(const char *text, size_t len, MeshServerInfo *out, GError **error);
