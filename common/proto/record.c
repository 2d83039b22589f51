/* common/proto/record.c: see record.h. */
#include "common/proto/record.h"

#include "common/glib/error.h"
#include "common/glib/json.h"
#include "common/proto/bodyscan.h"
#include "common/proto/signedparts.h"
#include "common/std/endpoint.h"
#include "common/std/hash.h"

#include <string.h>

static const char *const kind_names[] = {
    [MESH_RECORD_LOCAL] = "local",
    [MESH_RECORD_STATIC] = "static",
    [MESH_RECORD_OBSERVED] = "observed",
    [MESH_RECORD_MAPPED] = "mapped",
};

const char *mesh_record_kind_name(MeshRecordKind kind)
{
    return kind_names[kind];
}

MeshRecordK mesh_record_make_k(const MeshKey *node, const MeshKey *wg, uint64_t seq)
{
    return (
        MeshRecordK){ .node = *node, .wg = *wg, .seq = seq, .n_suites = 1, .suites = { "wg1" } };
}

void mesh_record_add_suite(MeshRecordK *record, const char *suite)
{
    g_strlcpy(record->suites[record->n_suites++], suite, MESH_RECORD_SUITE_SIZE);
}

bool mesh_record_has_suite(const MeshRecordK *record, const char *suite)
{
    for (size_t i = 0; i < record->n_suites; i++) {
        if (strcmp(record->suites[i], suite) == 0)
            return true;
    }
    return false;
}

void mesh_record_hash(const MeshSigned *object, uint8_t out_hash[MESH_RECORD_HASH_BYTES])
{
    uint8_t     full[MESH_HASH_BYTES];
    size_t      len;
    const char *body = mesh_signed_get_body(object, &len);
    MeshSpan    part = MESH_SPAN(body, len);

    mesh_hash_sha256(&part, 1, full);
    memcpy(out_hash, full, MESH_RECORD_HASH_BYTES);
}

/* What both bodies begin with. */
static void begin(MeshSignedType type, const MeshNetworkId *net, const MeshKey *node,
                  MeshJsonOut *out)
{
    mesh_signed_begin(type, net, out);
    mesh_jsonout_b64u(out, "node", node->bytes, sizeof(node->bytes));
}

MeshSigned *mesh_record_sign_k(const MeshRecordK *record, const MeshNetworkId *net,
                               const MeshSignSecret *secret, GError **error)
{
    MeshJsonOut out;

    if (record->n_suites == 0 || record->n_suites > MESH_RECORD_MAX_SUITES || record->seq == 0) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT, "K: seq or suites are missing");
        return NULL;
    }
    begin(MESH_SIGNED_K, net, &record->node, &out);
    mesh_jsonout_b64u(&out, "wg", record->wg.bytes, sizeof(record->wg.bytes));
    mesh_jsonout_int(&out, "seq", (int64_t)record->seq);
    mesh_jsonout_open(&out, "suites", '[');
    for (size_t i = 0; i < record->n_suites; i++)
        mesh_jsonout_text(&out, NULL, record->suites[i]);
    mesh_jsonout_close(&out, ']');
    return mesh_signed_finish(MESH_SIGNED_K, net, &out, secret, error);
}

MeshSigned *mesh_record_sign_e(const MeshRecordE *record, const MeshNetworkId *net,
                               const MeshSignSecret *secret, GError **error)
{
    MeshJsonOut out;
    char        text[MESH_ENDPOINT_TEXT_SIZE];

    if (record->n_endpoints > MESH_RECORD_MAX_ENDPOINTS ||
        record->n_relays > MESH_RECORD_MAX_RELAYS) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                    "E: too many endpoints or relays");
        return NULL;
    }
    begin(MESH_SIGNED_E, net, &record->node, &out);
    mesh_jsonout_int(&out, "seq", (int64_t)record->seq);
    mesh_jsonout_int(&out, "exp", record->exp);
    mesh_jsonout_open(&out, "eps", '[');
    for (size_t i = 0; i < record->n_endpoints; i++) {
        mesh_jsonout_open(&out, NULL, '{');
        mesh_jsonout_text(&out, "a", mesh_endpoint_format(&record->endpoints[i].endpoint, text));
        mesh_jsonout_text(&out, "k", kind_names[record->endpoints[i].kind]);
        mesh_jsonout_close(&out, '}');
    }
    mesh_jsonout_close(&out, ']');
    if (record->has_probe_key)
        mesh_jsonout_b64u(&out, "pk", record->probe_key.bytes, sizeof(record->probe_key.bytes));
    if (record->n_relays > 0) {
        mesh_jsonout_open(&out, "relays", '[');
        for (size_t i = 0; i < record->n_relays; i++)
            mesh_jsonout_int(&out, NULL, record->relays[i]);
        mesh_jsonout_close(&out, ']');
    }
    if (record->relay.port != 0) {
        mesh_jsonout_open(&out, "relay", '{');
        mesh_jsonout_int(&out, "udp", record->relay.port);
        mesh_jsonout_b64u(&out, "rk", record->relay.key.bytes, sizeof(record->relay.key.bytes));
        mesh_jsonout_close(&out, '}');
    }
    if (record->tcp.addr.family != 0)
        mesh_jsonout_text(&out, "tcp", mesh_endpoint_format(&record->tcp, text));
    if (record->has_k_hash)
        mesh_jsonout_b64u(&out, "kh", record->k_hash, sizeof(record->k_hash));
    return mesh_signed_finish(MESH_SIGNED_E, net, &out, secret, error);
}

static bool check_node(const MeshKey *told, const MeshKey *wanted, const char *type, GError **error)
{
    if (mesh_key_equal(told, wanted))
        return true;
    g_set_error(error, MESH_ERROR, MESH_ERROR_UNVERIFIED, "%s.node: it names another node", type);
    return false;
}

static bool read_suites(JsonArray *array, MeshRecordK *out, GError **error)
{
    bool known = false;

    out->n_suites = json_array_get_length(array);
    for (unsigned i = 0; i < out->n_suites; i++) {
        const char *text = mesh_json_get_text(array, i, "K.suites", error);

        if (text == NULL)
            return false;
        if (g_strlcpy(out->suites[i], text, MESH_RECORD_SUITE_SIZE) >= MESH_RECORD_SUITE_SIZE) {
            g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "K.suites[%u]: too long", i);
            return false;
        }
        known |= strcmp(text, "wg1") == 0;
    }
    if (!known)
        g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "K.suites: \"wg1\" is missing");
    return known;
}

typedef struct {
    MeshKey      node, wg;
    uint64_t     seq, exp;
    JsonArray   *list;
    MeshKey      probe_key;
    JsonArray   *relays; /* NULL: absent */
    JsonObject  *relay;  /* NULL: absent */
    MeshEndpoint tcp;
    bool         has_k_hash;
    uint8_t      k_hash[MESH_RECORD_HASH_BYTES];
} Raw;

typedef struct {
    uint64_t udp;
    MeshKey  rk;
} RawRelay;

static const MeshJsonField k_fields[] = {
    { "node", MESH_JSON_KEY, true, offsetof(Raw, node) },
    { "wg", MESH_JSON_KEY, true, offsetof(Raw, wg) },
    { "seq", MESH_JSON_INT, true, offsetof(Raw, seq), .min = 1 },
    { "suites", MESH_JSON_ARRAY, true, offsetof(Raw, list), .min = 1,
      .max = MESH_RECORD_MAX_SUITES },
};

static const MeshJsonField e_fields[] = {
    { "node", MESH_JSON_KEY, true, offsetof(Raw, node) },
    { "seq", MESH_JSON_INT, true, offsetof(Raw, seq) },
    { "exp", MESH_JSON_INT, true, offsetof(Raw, exp) },
    { "eps", MESH_JSON_ARRAY, true, offsetof(Raw, list), .max = MESH_RECORD_MAX_ENDPOINTS },
    { "pk", MESH_JSON_KEY, false, offsetof(Raw, probe_key) },
    { "relays", MESH_JSON_ARRAY, false, offsetof(Raw, relays), .max = MESH_RECORD_MAX_RELAYS },
    { "relay", MESH_JSON_OBJECT, false, offsetof(Raw, relay) },
    { "tcp", MESH_JSON_ENDPOINT, false, offsetof(Raw, tcp) },
    { "kh", MESH_JSON_BYTES, false, offsetof(Raw, k_hash), .seen = offsetof(Raw, has_k_hash),
      .max = MESH_RECORD_HASH_BYTES },
};

static const MeshJsonField relay_fields[] = {
    { "udp", MESH_JSON_INT, true, offsetof(RawRelay, udp), .min = 1, .max = UINT16_MAX },
    { "rk", MESH_JSON_KEY, true, offsetof(RawRelay, rk) },
};

static bool read_k(JsonObject *body, MeshRecordK *out_record, GError **error)
{
    Raw         raw = { 0 };
    MeshRecordK record = { 0 };

    if (body == NULL || !mesh_json_read(body, k_fields, G_N_ELEMENTS(k_fields), &raw, "K", error) ||
        !read_suites(raw.list, &record, error))
        return false;
    if (mesh_key_is_zero(&raw.wg)) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "K.wg: the key is all zero");
        return false;
    }
    record.node = raw.node;
    record.wg = raw.wg;
    record.seq = raw.seq;
    *out_record = record;
    return true;
}

bool mesh_record_open_k(MeshSigned *object, const MeshNetworkId *net, const MeshKey *node,
                        MeshRecordK *out_record, GError **error)
{
    return mesh_signed_verify(object, MESH_SIGNED_K, net, node, error) &&
           mesh_record_reopen_k(object, net, node, out_record, error);
}

bool mesh_record_reopen_k(const MeshSigned *object, const MeshNetworkId *net, const MeshKey *node,
                          MeshRecordK *out_record, GError **error)
{
    g_autoptr(JsonObject) body = NULL;
    MeshRecordK record;

    if (!mesh_bodyscan_k(object, net, &record)) {
        body = mesh_signed_reopen(object, MESH_SIGNED_K, net, error);
        if (!read_k(body, &record, error))
            return false;
    }
    if (!check_node(&record.node, node, "K", error))
        return false;
    *out_record = record;
    return true;
}

typedef struct {
    MeshEndpoint endpoint;
    const char  *kind;
} RawEndpoint;

static const MeshJsonField endpoint_fields[] = {
    { "a", MESH_JSON_ENDPOINT, true, offsetof(RawEndpoint, endpoint) },
    { "k", MESH_JSON_TEXT, true, offsetof(RawEndpoint, kind) },
};

static bool read_endpoint(JsonObject *object, const char *path, MeshRecordEndpoint *out,
                          GError **error)
{
    RawEndpoint raw = { 0 };

    if (!mesh_json_read(object, endpoint_fields, G_N_ELEMENTS(endpoint_fields), &raw, path, error))
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(kind_names); i++) {
        if (strcmp(raw.kind, kind_names[i]) != 0)
            continue;
        *out = (MeshRecordEndpoint){ raw.endpoint, (MeshRecordKind)i };
        return true;
    }
    g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON,
                "%s.k: none of local, static, observed, mapped", path);
    return false;
}

static bool read_endpoints(JsonArray *array, MeshRecordE *out, GError **error)
{
    out->n_endpoints = json_array_get_length(array);
    for (unsigned i = 0; i < out->n_endpoints; i++) {
        JsonObject *object = mesh_json_get_object(array, i, "E.eps", error);
        char        path[32];

        g_snprintf(path, sizeof(path), "E.eps[%u]", i);
        if (object == NULL || !read_endpoint(object, path, &out->endpoints[i], error))
            return false;
    }
    return true;
}

static bool read_relays(JsonArray *array, MeshRecordE *out, GError **error)
{
    out->n_relays = array != NULL ? json_array_get_length(array) : 0;
    for (unsigned i = 0; i < out->n_relays; i++) {
        uint64_t id = mesh_json_get_int(array, i, "E.relays", error);

        if (id > UINT16_MAX)
            g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "E.relays[%u]: above 65535", i);
        if (id == 0 || id > UINT16_MAX)
            return false;
        out->relays[i] = (uint16_t)id;
    }
    return true;
}

static bool read_relay(JsonObject *object, MeshRecordE *out, GError **error)
{
    RawRelay raw = { 0 };

    if (object == NULL)
        return true;
    if (!mesh_json_read(object, relay_fields, G_N_ELEMENTS(relay_fields), &raw, "E.relay", error))
        return false;
    out->relay = (MeshRecordRelay){ .port = (uint16_t)raw.udp, .key = raw.rk };
    return true;
}

static bool read_e(JsonObject *body, MeshRecordE *out_record, GError **error)
{
    Raw         raw = { 0 };
    MeshRecordE record = { 0 };

    if (body == NULL || !mesh_json_read(body, e_fields, G_N_ELEMENTS(e_fields), &raw, "E", error) ||
        !read_endpoints(raw.list, &record, error) || !read_relays(raw.relays, &record, error) ||
        !read_relay(raw.relay, &record, error))
        return false;
    record.node = raw.node;
    record.seq = raw.seq;
    record.exp = (int64_t)raw.exp;
    record.probe_key = raw.probe_key;
    record.has_probe_key = !mesh_key_is_zero(&raw.probe_key);
    record.tcp = raw.tcp;
    record.has_k_hash = raw.has_k_hash;
    memcpy(record.k_hash, raw.k_hash, sizeof(record.k_hash));
    *out_record = record;
    return true;
}

bool mesh_record_open_e(MeshSigned *object, const MeshNetworkId *net, const MeshKey *node,
                        MeshRecordE *out_record, GError **error)
{
    g_autoptr(JsonObject) body = NULL;
    MeshRecordE record;

    if (!mesh_signed_verify(object, MESH_SIGNED_E, net, node, error))
        return false;
    if (!mesh_bodyscan_e(object, net, &record)) {
        body = mesh_signed_reopen(object, MESH_SIGNED_E, net, error);
        if (!read_e(body, &record, error))
            return false;
    }
    if (!check_node(&record.node, node, "E", error))
        return false;
    *out_record = record;
    return true;
}
