/* common/proto/session.c: see session.h. */
#include "common/proto/session.h"

#include "common/glib/json.h"

#include <string.h>

enum {
    MAX_ANSWER_BYTES = 16384, /* of report, error and server answers */
    MAX_RETRY_S = 86400,
    MAX_MESSAGE_CHARS = 512,
};

char *mesh_session_encode_report(const MeshReport *report, size_t *out_len)
{
    MeshJsonOut out;

    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    mesh_signed_encode(report->e, &out, "e");
    if (report->k != NULL)
        mesh_signed_encode(report->k, &out, "k");
    mesh_jsonout_open(&out, "health", '[');
    for (size_t i = 0; i < report->n_health; i++)
        mesh_jsonout_text(&out, NULL, report->health[i]);
    mesh_jsonout_close(&out, ']');
    mesh_jsonout_close(&out, '}');
    return mesh_jsonout_finish(&out, out_len);
}

typedef struct {
    JsonObject *e, *k;
    JsonArray  *health;
} RawReport;

static const MeshJsonField report_fields[] = {
    { "e", MESH_JSON_OBJECT, true, offsetof(RawReport, e) },
    { "k", MESH_JSON_OBJECT, false, offsetof(RawReport, k) },
    { "health", MESH_JSON_ARRAY, false, offsetof(RawReport, health),
      .max = MESH_SESSION_MAX_HEALTH },
};

static bool read_health(JsonArray *array, MeshReport *out, GError **error)
{
    out->n_health = array != NULL ? json_array_get_length(array) : 0;
    for (unsigned i = 0; i < out->n_health; i++) {
        const char *text = mesh_json_get_text(array, i, "health", error);

        if (text == NULL)
            return false;
        if (g_strlcpy(out->health[i], text, MESH_SESSION_HEALTH_SIZE) < MESH_SESSION_HEALTH_SIZE)
            continue;
        g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "health[%u]: longer than 128 bytes", i);
        return false;
    }
    return true;
}

bool mesh_session_decode_report(const char *text, size_t len, MeshReport *out, GError **error)
{
    g_autoptr(JsonObject) object = mesh_json_parse(text, len, MESH_SESSION_REPORT_MAX_BYTES, error);
    RawReport  raw = { 0 };
    MeshReport report = { 0 };

    if (object == NULL ||
        !mesh_json_read(object, report_fields, G_N_ELEMENTS(report_fields), &raw, "", error) ||
        !read_health(raw.health, &report, error))
        return false;
    report.e = mesh_signed_decode(raw.e, MESH_SIGNED_MAX_BODY, "e", error);
    if (report.e != NULL && raw.k != NULL)
        report.k = mesh_signed_decode(raw.k, MESH_SIGNED_MAX_BODY, "k", error);
    if (report.e == NULL || (raw.k != NULL && report.k == NULL)) {
        mesh_session_clear_report(&report);
        return false;
    }
    *out = report;
    return true;
}

void mesh_session_clear_report(MeshReport *report)
{
    g_clear_pointer(&report->e, mesh_signed_unref);
    g_clear_pointer(&report->k, mesh_signed_unref);
}

char *mesh_session_encode_report_answer(const MeshReportAnswer *answer, size_t *out_len)
{
    MeshJsonOut out;
    char        text[MESH_IP_ADDR_TEXT_SIZE];

    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    mesh_jsonout_int(&out, "time", answer->time);
    if (answer->observed.family != 0)
        mesh_jsonout_text(&out, "observed", mesh_ip_format_addr(&answer->observed, text));
    mesh_jsonout_int(&out, "e_seq", (int64_t)answer->e_seq);
    mesh_jsonout_close(&out, '}');
    return mesh_jsonout_finish(&out, out_len);
}

typedef struct {
    uint64_t    time, e_seq, after, retry_in, proto_min, proto_max;
    MeshAddr    observed;
    const char *code, *message, *name, *version;
    bool        has_key;
    MeshKey     key;
} RawAnswer;

static const MeshJsonField report_answer_fields[] = {
    { "time", MESH_JSON_INT, true, offsetof(RawAnswer, time) },
    { "observed", MESH_JSON_ADDR, false, offsetof(RawAnswer, observed) },
    { "e_seq", MESH_JSON_INT, true, offsetof(RawAnswer, e_seq) },
};

bool mesh_session_decode_report_answer(const char *text, size_t len, MeshReportAnswer *out,
                                       GError **error)
{
    g_autoptr(JsonObject) object = mesh_json_parse(text, len, MAX_ANSWER_BYTES, error);
    RawAnswer raw = { 0 };

    if (object == NULL || !mesh_json_read(object, report_answer_fields,
                                          G_N_ELEMENTS(report_answer_fields), &raw, "", error))
        return false;
    *out = (MeshReportAnswer){
        .time = (int64_t)raw.time,
        .observed = raw.observed,
        .e_seq = raw.e_seq,
    };
    return true;
}

static void encode_hints(const MeshSessionHints *hints, MeshJsonOut *out)
{
    if (hints->time != 0)
        mesh_jsonout_int(out, "time", hints->time);
    if (hints->after != 0)
        mesh_jsonout_int(out, "after", hints->after);
    if (hints->retry_in_s != 0)
        mesh_jsonout_int(out, "retry_in_s", hints->retry_in_s);
    if (hints->proto_max != 0) {
        mesh_jsonout_int(out, "proto_min", hints->proto_min);
        mesh_jsonout_int(out, "proto_max", hints->proto_max);
    }
    if (hints->has_key)
        mesh_jsonout_b64u(out, "key", hints->key.bytes, sizeof(hints->key.bytes));
}

char *mesh_session_encode_error(MeshErrorCode code, const char *message,
                                const MeshSessionHints *hints, size_t *out_len)
{
    const MeshErrorInfo *info = mesh_error_get_info(code);
    MeshJsonOut          out;

    if (info->status == 0)
        info = mesh_error_get_info(MESH_ERROR_INTERNAL);
    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    mesh_jsonout_open(&out, "error", '{');
    mesh_jsonout_text(&out, "code", info->wire);
    mesh_jsonout_text(&out, "message", message != NULL ? message : info->text);
    if (hints != NULL)
        encode_hints(hints, &out);
    mesh_jsonout_close(&out, '}');
    mesh_jsonout_close(&out, '}');
    return mesh_jsonout_finish(&out, out_len);
}

static const MeshJsonField error_fields[] = {
    { "code", MESH_JSON_TEXT, true, offsetof(RawAnswer, code) },
    { "message", MESH_JSON_TEXT, false, offsetof(RawAnswer, message) },
    { "time", MESH_JSON_INT, false, offsetof(RawAnswer, time) },
    { "after", MESH_JSON_INT, false, offsetof(RawAnswer, after) },
    { "retry_in_s", MESH_JSON_INT, false, offsetof(RawAnswer, retry_in), .max = MAX_RETRY_S },
    { "proto_min", MESH_JSON_INT, false, offsetof(RawAnswer, proto_min), .max = UINT32_MAX },
    { "proto_max", MESH_JSON_INT, false, offsetof(RawAnswer, proto_max), .max = UINT32_MAX },
    { "key", MESH_JSON_KEY, false, offsetof(RawAnswer, key), .seen = offsetof(RawAnswer, has_key) },
};

/* A status alone: what a proxy in between may have answered. */
static MeshErrorCode judge_status(unsigned status)
{
    if (status == 404)
        return MESH_ERROR_NOT_FOUND;
    if (status == 408 || status == 504)
        return MESH_ERROR_TIMEOUT;
    if (status == 429 || status == 502 || status == 503)
        return MESH_ERROR_BUSY;
    return status >= 500 ? MESH_ERROR_INTERNAL : MESH_ERROR_BAD_ANSWER;
}

static JsonObject *find_error(JsonObject *object)
{
    static const MeshJsonField fields[] = { { "error", MESH_JSON_OBJECT, true, 0 } };
    JsonObject                *inner = NULL;

    return mesh_json_read(object, fields, 1, &inner, "", NULL) ? inner : NULL;
}

/* It goes to terminals and logs: one line, no control characters, bounded. Owned. */
static char *flatten_message(const char *message)
{
    char *text = g_utf8_substring(message, 0, MIN(g_utf8_strlen(message, -1), MAX_MESSAGE_CHARS));

    for (char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    return text;
}

void mesh_session_decode_error(unsigned status, const char *text, size_t len,
                               MeshSessionHints *out_hints, GError **error)
{
    g_autoptr(JsonObject) object = mesh_json_parse(text, len, MAX_ANSWER_BYTES, NULL);
    JsonObject      *inner = object != NULL ? find_error(object) : NULL;
    RawAnswer        raw = { 0 };
    MeshErrorCode    code = judge_status(status);
    MeshSessionHints unwanted;
    g_autofree char *said = NULL;

    if (out_hints == NULL)
        out_hints = &unwanted;
    *out_hints = (MeshSessionHints){ 0 };
    if (inner == NULL ||
        !mesh_json_read(inner, error_fields, G_N_ELEMENTS(error_fields), &raw, "error", NULL)) {
        g_set_error(error, MESH_ERROR, (int)code, "the server answered with HTTP status %u",
                    status);
        return;
    }
    *out_hints = (MeshSessionHints){
        .time = (int64_t)raw.time,
        .after = (int64_t)raw.after,
        .retry_in_s = (unsigned)raw.retry_in,
        .proto_min = (unsigned)raw.proto_min,
        .proto_max = (unsigned)raw.proto_max,
        .has_key = raw.has_key,
        .key = raw.key,
    };
    if (!mesh_error_parse_wire(raw.code, &code))
        code = judge_status(status);
    if (raw.message == NULL || raw.message[0] == '\0')
        raw.message = mesh_error_get_info(code)->text;
    said = flatten_message(raw.message);
    g_set_error(error, MESH_ERROR, (int)code, "%s", said);
}

char *mesh_session_encode_server(const MeshServerInfo *info, size_t *out_len)
{
    MeshJsonOut out;

    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    mesh_jsonout_text(&out, "name", info->name);
    mesh_jsonout_text(&out, "version", info->version);
    mesh_jsonout_int(&out, "proto_min", info->proto_min);
    mesh_jsonout_int(&out, "proto_max", info->proto_max);
    mesh_jsonout_b64u(&out, "key", info->key.bytes, sizeof(info->key.bytes));
    mesh_jsonout_int(&out, "time", info->time);
    mesh_jsonout_close(&out, '}');
    return mesh_jsonout_finish(&out, out_len);
}

static const MeshJsonField server_fields[] = {
    { "name", MESH_JSON_TEXT, true, offsetof(RawAnswer, name), .max = 63 },
    { "version", MESH_JSON_TEXT, true, offsetof(RawAnswer, version), .max = 63 },
    { "proto_min", MESH_JSON_INT, true, offsetof(RawAnswer, proto_min), .max = UINT32_MAX },
    { "proto_max", MESH_JSON_INT, true, offsetof(RawAnswer, proto_max), .max = UINT32_MAX },
    { "key", MESH_JSON_KEY, true, offsetof(RawAnswer, key) },
    { "time", MESH_JSON_INT, true, offsetof(RawAnswer, time) },
};

bool mesh_session_decode_server(const char *text, size_t len, MeshServerInfo *out, GError **error)
{
    g_autoptr(JsonObject) object = mesh_json_parse(text, len, MAX_ANSWER_BYTES, error);
    RawAnswer raw = { 0 };

    if (object == NULL ||
        !mesh_json_read(object, server_fields, G_N_ELEMENTS(server_fields), &raw, "", error))
        return false;
    *out = (MeshServerInfo){
        .proto_min = (unsigned)raw.proto_min,
        .proto_max = (unsigned)raw.proto_max,
        .key = raw.key,
        .time = (int64_t)raw.time,
    };
    g_strlcpy(out->name, raw.name, sizeof(out->name));
    g_strlcpy(out->version, raw.version, sizeof(out->version));
    return true;
}
