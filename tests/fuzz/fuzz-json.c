/* tests/fuzz/fuzz-json.c: JSON from outside: what our check takes, json-glib understands the same
 * way; depth and duplicate keys are counted by a second, naive reader. */
#include "common/glib/json.h"
#include "common/std/ip.h"
#include "common/std/key.h"
#include "tests/fuzz/fuzz-glib.h"
#include "tests/fuzz/fuzz.h"

#include <sys/socket.h>

#define MAX_BYTES 65536

/* Brackets and colons outside of strings; the text is JSON already. */
static void count_marks(const char *text, size_t len, unsigned *out_depth, unsigned *out_colons)
{
    unsigned depth = 0, deepest = 0, colons = 0;
    bool     in_string = false;

    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '{' || c == '['))
            depth++;
        else if (!in_string && (c == '}' || c == ']'))
            depth--;
        else if (!in_string && c == ':')
            colons++;
        deepest = MAX(deepest, depth);
    }
    *out_depth = deepest;
    *out_colons = colons;
}

static bool     has_double; /* seen by count_members() */
static unsigned count_members(JsonNode *node);

static void add_member(JsonObject *object, const char *name, JsonNode *node, gpointer data)
{
    unsigned *count = data;

    (void)object;
    assert(g_utf8_validate(name, -1, NULL));
    *count += 1 + count_members(node);
}

static void add_element(JsonArray *array, guint index, JsonNode *node, gpointer data)
{
    unsigned *count = data;

    (void)array;
    (void)index;
    *count += count_members(node);
}

/* Members of all objects at and below @node, of which json-glib keeps one for equal keys. */
static unsigned count_members(JsonNode *node)
{
    unsigned count = 0;

    if (JSON_NODE_HOLDS_OBJECT(node))
        json_object_foreach_member(json_node_get_object(node), add_member, &count);
    if (JSON_NODE_HOLDS_ARRAY(node))
        json_array_foreach_element(json_node_get_array(node), add_element, &count);
    has_double |= JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_DOUBLE;
    return count;
}

typedef struct {
    bool         flag, seen;
    uint64_t     number;
    const char  *text, *label;
    uint8_t      bytes[4];
    MeshKey      key;
    MeshAddr     addr;
    MeshPrefix   prefix;
    MeshEndpoint endpoint;
    JsonObject  *object;
    JsonArray   *array;
} Everything;

static const MeshJsonField fields[] = {
    { "b", MESH_JSON_BOOL, false, offsetof(Everything, flag), offsetof(Everything, seen) },
    { "i", MESH_JSON_INT, false, offsetof(Everything, number), .min = 1, .max = 4294967295 },
    { "t", MESH_JSON_TEXT, false, offsetof(Everything, text), .min = 1, .max = 16 },
    { "l", MESH_JSON_LABEL, false, offsetof(Everything, label) },
    { "y", MESH_JSON_BYTES, false, offsetof(Everything, bytes), .max = 4 },
    { "k", MESH_JSON_KEY, false, offsetof(Everything, key) },
    { "a", MESH_JSON_ADDR, false, offsetof(Everything, addr), .max = AF_INET6 },
    { "p", MESH_JSON_PREFIX, false, offsetof(Everything, prefix) },
    { "e", MESH_JSON_ENDPOINT, false, offsetof(Everything, endpoint) },
    { "o", MESH_JSON_OBJECT, false, offsetof(Everything, object) },
    { "r", MESH_JSON_ARRAY, false, offsetof(Everything, array), .max = 3 },
};

static void read_fields(JsonObject *object)
{
    g_autoptr(GError) error = NULL;
    Everything out = { .number = 77, .text = "untouched" }, before = out;

    if (!fuzz_outcome(mesh_json_read(object, fields, G_N_ELEMENTS(fields), &out, "top", &error),
                      &error)) {
        assert(memcmp(&out, &before, sizeof out) == 0);
        return;
    }
    assert(out.number == 77 || (out.number >= 1 && out.number <= 4294967295));
    assert(strlen(out.text) >= 1 && strlen(out.text) <= 16);
    assert(out.prefix.addr.family == 0 || mesh_ip_contains(&out.prefix, &out.prefix.addr));
    assert(out.endpoint.addr.family == 0 || (out.endpoint.port != 0 && out.endpoint.scope == 0));
    assert(out.array == NULL || json_array_get_length(out.array) <= 3);
    assert(out.addr.family == 0 || out.addr.family == AF_INET6);
}

/* Written by json-glib and read again it is the same. */
static void check_round_trip(JsonNode *node)
{
    g_autofree char *text = json_to_string(node, FALSE);
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) again = mesh_json_parse(text, strlen(text), 6 * MAX_BYTES, &error);
    g_autoptr(JsonNode) second = json_node_new(JSON_NODE_OBJECT);

    assert(again != NULL);
    json_node_set_object(second, again);
    assert(json_node_equal(node, second));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) object = NULL;
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    unsigned depth, colons;
    bool     valid = mesh_json_check((const char *)data, len, &error);

    fuzz_outcome(valid, &error);
    object = mesh_json_parse((const char *)data, len, MAX_BYTES, &error);
    if (!fuzz_outcome(object != NULL, &error))
        return 0;
    assert(valid && g_utf8_validate((const char *)data, (gssize)len, NULL));
    count_marks((const char *)data, len, &depth, &colons);
    assert(depth <= MESH_JSON_MAX_DEPTH);
    json_node_set_object(node, object);
    has_double = false;
    assert(count_members(node) == colons); /* else a key stood twice */
    read_fields(object);
    if (!has_double) /* of 1e999 json-glib makes "inf", of 1e30 too long an integer; we read neither
                      */
        check_round_trip(node);
    return 0;
}
