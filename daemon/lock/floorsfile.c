/* daemon/lock/floorsfile.c: see floorsfile.h. */
#include "daemon/lock/floorsfile.h"
#include "common/glib/error.h"
#include "common/glib/json.h"
#include "common/glib/jsonout.h"
#include "common/proto/scan.h"
#include "common/std/clock.h"

#include <string.h>

#define MAX_BYTES (UINT64_C(256) * LOCK_FLOORS_MAX_NODES + 65536)

static void encode_floor(const LockFloor *floor, MeshJsonOut *out)
{
    mesh_jsonout_open(out, NULL, '{');
    mesh_jsonout_b64u(out, "node", floor->node.bytes, sizeof(floor->node.bytes));
    mesh_jsonout_int(out, "serial", (int64_t)floor->serial);
    mesh_jsonout_b64u(out, "m", floor->m_hash.bytes, sizeof(floor->m_hash));
    mesh_jsonout_int(out, "seq", (int64_t)floor->k_seq);
    mesh_jsonout_b64u(out, "k", floor->k_hash.bytes, sizeof(floor->k_hash));
    mesh_jsonout_int(out, "gone", (int64_t)floor->gone);
    mesh_jsonout_close(out, '}');
}

static void put_numbers(const LockFloors *self, MeshJsonOut *out)
{
    char id[MESH_NETWORK_ID_TEXT_SIZE];

    mesh_jsonout_int(out, "format", 1);
    mesh_jsonout_text(out, "net", mesh_network_format_id(&self->net, id));
    mesh_jsonout_int(out, "map_epoch", (int64_t)self->map_epoch);
    mesh_jsonout_int(out, "map_ver", (int64_t)self->map_ver);
    mesh_jsonout_int(out, "tip_epoch", (int64_t)self->tip_epoch);
    mesh_jsonout_int(out, "tip_ver", (int64_t)self->tip_ver);
    mesh_jsonout_int(out, "pver", (int64_t)self->pver);
}

static void put_policy(const LockFloors *self, bool moved, MeshJsonOut *out)
{
    int64_t passed_s = (mesh_clock_boot_ms() - self->time_boot_ms) / 1000;

    if (self->policy != NULL && moved)
        mesh_signed_encode(self->policy, out, "p");
    mesh_jsonout_int(out, "time", self->time > 0 ? self->time + passed_s : 0);
}

char *lock_floors_encode(const LockFloors *self, size_t *out_len)
{
    MeshJsonOut    out;
    GHashTableIter iter;
    gpointer       floor;

    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    put_numbers(self, &out);
    put_policy(self, true, &out);
    mesh_jsonout_open(&out, "nodes", '[');
    g_hash_table_iter_init(&iter, self->nodes);
    while (g_hash_table_iter_next(&iter, NULL, &floor))
        encode_floor(floor, &out);
    mesh_jsonout_close(&out, ']');
    mesh_jsonout_close(&out, '}');
    return mesh_jsonout_finish(&out, out_len);
}

char *lock_floors_encode_moved(const LockFloors *self, size_t *out_len)
{
    MeshJsonOut out;

    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    put_numbers(self, &out);
    put_policy(self, self->policy_moved, &out);
    mesh_jsonout_open(&out, "nodes", '[');
    for (guint i = 0; i < self->moved->len; i++)
        encode_floor(self->moved->pdata[i], &out);
    mesh_jsonout_close(&out, ']');
    mesh_jsonout_close(&out, '}');
    return mesh_jsonout_finish(&out, out_len);
}

static const MeshJsonField floor_fields[] = {
    { "node", MESH_JSON_KEY, true, offsetof(LockFloor, node) },
    { "serial", MESH_JSON_INT, true, offsetof(LockFloor, serial) },
    { "m", MESH_JSON_BYTES, true, offsetof(LockFloor, m_hash), .max = LOCK_CHECK_HASH_BYTES },
    { "seq", MESH_JSON_INT, true, offsetof(LockFloor, k_seq) },
    { "k", MESH_JSON_BYTES, true, offsetof(LockFloor, k_hash), .max = LOCK_CHECK_HASH_BYTES },
    { "gone", MESH_JSON_INT, true, offsetof(LockFloor, gone) },
};

/* As encode_floor() writes it. */
static bool scan_floor(MeshScan *scan, LockFloor *out)
{
    return mesh_scan_word(scan, "{\"node\":\"") &&
           mesh_scan_bytes(scan, out->node.bytes, sizeof(out->node.bytes)) &&
           mesh_scan_word(scan, ",\"serial\":") && mesh_scan_int(scan, &out->serial) &&
           mesh_scan_word(scan, ",\"m\":\"") &&
           mesh_scan_bytes(scan, out->m_hash.bytes, sizeof(out->m_hash)) &&
           mesh_scan_word(scan, ",\"seq\":") && mesh_scan_int(scan, &out->k_seq) &&
           mesh_scan_word(scan, ",\"k\":\"") &&
           mesh_scan_bytes(scan, out->k_hash.bytes, sizeof(out->k_hash)) &&
           mesh_scan_word(scan, ",\"gone\":") && mesh_scan_int(scan, &out->gone) &&
           mesh_scan_word(scan, "}");
}

/* The elements of the last array, and the end of the document. */
static bool scan_nodes(LockFloors *self, MeshScan *scan)
{
    do {
        LockFloor floor = { .serial = 0 }, *owned;

        if (!scan_floor(scan, &floor) || lock_floors_find(self, &floor.node) != NULL ||
            g_hash_table_size(self->nodes) == LOCK_FLOORS_MAX_NODES)
            return false;
        owned = g_memdup2(&floor, sizeof(floor));
        g_hash_table_insert(self->nodes, &owned->node, owned);
    } while (mesh_scan_word(scan, ","));
    return mesh_scan_word(scan, "]}") && mesh_scan_is_at_end(scan);
}

static bool read_nodes(LockFloors *self, JsonArray *array, GError **error)
{
    for (unsigned i = 0; i < json_array_get_length(array); i++) {
        JsonObject *object = mesh_json_get_object(array, i, "nodes", error);
        LockFloor   floor = { .serial = 0 }, *owned;
        char        path[32];

        g_snprintf(path, sizeof(path), "nodes[%u]", i);
        if (object == NULL ||
            !mesh_json_read(object, floor_fields, G_N_ELEMENTS(floor_fields), &floor, path, error))
            return false;
        if (lock_floors_find(self, &floor.node) != NULL) {
            g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "%s.node: it stands there twice",
                        path);
            return false;
        }
        owned = g_memdup2(&floor, sizeof(floor));
        g_hash_table_insert(self->nodes, &owned->node, owned);
    }
    return true;
}

typedef struct {
    uint64_t    format, map_epoch, map_ver, tip_epoch, tip_ver, pver, time;
    const char *net;
    JsonObject *p;
    JsonArray  *nodes;
} Raw;

static const MeshJsonField fields[] = {
    { "format", MESH_JSON_INT, true, offsetof(Raw, format), .min = 1, .max = 1 },
    { "net", MESH_JSON_TEXT, true, offsetof(Raw, net) },
    { "map_epoch", MESH_JSON_INT, true, offsetof(Raw, map_epoch) },
    { "map_ver", MESH_JSON_INT, true, offsetof(Raw, map_ver) },
    { "tip_epoch", MESH_JSON_INT, true, offsetof(Raw, tip_epoch) },
    { "tip_ver", MESH_JSON_INT, true, offsetof(Raw, tip_ver) },
    { "pver", MESH_JSON_INT, true, offsetof(Raw, pver) },
    { "p", MESH_JSON_OBJECT, false, offsetof(Raw, p) },
    { "time", MESH_JSON_INT, true, offsetof(Raw, time) },
    { "nodes", MESH_JSON_ARRAY, true, offsetof(Raw, nodes), .max = LOCK_FLOORS_MAX_NODES },
};

/* Of ten thousand nodes the tree of objects would be many times the text: in the form that
 * lock_floors_encode() writes they are read as they stand, and the rest of the document is returned
 * with an empty list in their place. Owned; NULL: not in that form, and nothing was taken. */
static JsonObject *read_in_form(LockFloors *self, const char *text, size_t len)
{
    static const char mark[] = ",\"nodes\":[";
    const char       *at = g_strstr_len(text, (gssize)len, mark);
    MeshScan          scan = { at, text + len };
    g_autoptr(GString) head = NULL;
    JsonObject *object = NULL;

    if (at == NULL || len > MAX_BYTES)
        return NULL;
    head = g_string_new_len(text, at - text);
    g_string_append(head, ",\"nodes\":[]}");
    if (mesh_scan_word(&scan, mark) && scan_nodes(self, &scan))
        object = mesh_json_parse(head->str, head->len, MAX_BYTES, NULL);
    if (object == NULL)
        g_hash_table_remove_all(self->nodes);
    return object;
}

bool lock_floors_decode(LockFloors *self, const char *text, size_t len, GError **error)
{
    g_autoptr(JsonObject) object = read_in_form(self, text, len);
    char id[MESH_NETWORK_ID_TEXT_SIZE];
    Raw  raw = { 0 };

    if (object == NULL)
        object = mesh_json_parse(text, len, MAX_BYTES, error);
    if (object == NULL || !mesh_json_read(object, fields, G_N_ELEMENTS(fields), &raw, "", error))
        return false;
    if (strcmp(raw.net, mesh_network_format_id(&self->net, id)) != 0) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_STATE, "net: of another network");
        return false;
    }
    if (raw.p != NULL) {
        self->policy = mesh_signed_decode(raw.p, MESH_SIGNED_MAX_POLICY, "p", error);
        if (self->policy == NULL)
            return false;
    }
    self->map_epoch = raw.map_epoch;
    self->map_ver = raw.map_ver;
    self->tip_epoch = raw.tip_epoch;
    self->tip_ver = raw.tip_ver;
    self->pver = raw.pver;
    self->time = (int64_t)raw.time;
    self->time_boot_ms = mesh_clock_boot_ms();
    return read_nodes(self, raw.nodes, error);
}

/* @from has lived through lock_floors_decode(). */
static void take_node(LockFloors *self, const LockFloor *from)
{
    LockFloor *floor = lock_floors_find(self, &from->node);

    if (floor == NULL) {
        floor = g_memdup2(from, sizeof(*from));
        g_hash_table_insert(self->nodes, &floor->node, floor);
        return;
    }
    floor->serial = from->serial;
    floor->k_seq = from->k_seq;
    floor->gone = from->gone;
    floor->m_hash = from->m_hash;
    floor->k_hash = from->k_hash;
}

bool lock_floors_take_moved(LockFloors *self, const char *text, size_t len, GError **error)
{
    LockFloors    *moved = lock_floors_new(&self->net);
    bool           read = lock_floors_decode(moved, text, len, error);
    GHashTableIter iter;
    gpointer       floor;

    if (read) {
        self->map_epoch = moved->map_epoch;
        self->map_ver = moved->map_ver;
        self->tip_epoch = moved->tip_epoch;
        self->tip_ver = moved->tip_ver;
        self->pver = moved->pver;
        self->time = moved->time;
        self->time_boot_ms = moved->time_boot_ms;
        if (moved->policy != NULL) {
            mesh_signed_unref(self->policy);
            self->policy = mesh_signed_ref(moved->policy);
        }
        g_hash_table_iter_init(&iter, moved->nodes);
        while (g_hash_table_iter_next(&iter, NULL, &floor))
            take_node(self, floor);
    }
    lock_floors_free(moved);
    return read;
}
