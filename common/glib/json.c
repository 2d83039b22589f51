/* common/glib/json.c: see json.h. Reading by a table; the check is in jsoncheck.c. */
#include "common/glib/json.h"

#include "common/glib/error.h"
#include "common/std/base64.h"
#include "common/std/endpoint.h"
#include "common/std/ip.h"
#include "common/std/key.h"

#include <string.h>
#include <sys/socket.h>

/* A value taken from the document but not yet written to the output. */
typedef union {
    bool         boolean;
    uint64_t     integer;
    const char  *text;
    MeshKey      key;
    MeshAddr     addr;
    MeshPrefix   prefix;
    MeshEndpoint endpoint;
    JsonObject  *object;
    JsonArray   *array;
} Value;

static const size_t value_sizes[] = {
    [MESH_JSON_BOOL] = sizeof(bool),           [MESH_JSON_INT] = sizeof(uint64_t),
    [MESH_JSON_TEXT] = sizeof(char *),         [MESH_JSON_LABEL] = sizeof(char *),
    [MESH_JSON_KEY] = sizeof(MeshKey),         [MESH_JSON_ADDR] = sizeof(MeshAddr),
    [MESH_JSON_PREFIX] = sizeof(MeshPrefix),   [MESH_JSON_ENDPOINT] = sizeof(MeshEndpoint),
    [MESH_JSON_OBJECT] = sizeof(JsonObject *), [MESH_JSON_ARRAY] = sizeof(JsonArray *),
};

JsonObject *mesh_json_parse(const char *text, size_t len, size_t max_bytes, GError **error)
{
    g_autoptr(JsonParser) parser = NULL;
    g_autoptr(GError) why = NULL;
    JsonNode *root;

    if (len > max_bytes) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "JSON: %zu bytes, at most %zu allowed",
                    len, max_bytes);
        return NULL;
    }
    if (!mesh_json_check(text, len, error))
        return NULL;
    parser = json_parser_new_immutable();
    if (!json_parser_load_from_data(parser, text, (gssize)len, &why)) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "JSON: %s", why->message);
        return NULL;
    }
    root = json_parser_get_root(parser);
    if (root == NULL || !JSON_NODE_HOLDS_OBJECT(root)) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "JSON: an object was expected");
        return NULL;
    }
    return json_node_dup_object(root);
}

/* Sets "<path>.<name>: <why>". Returns false. */
static bool fail(GError **error, const char *path, const char *name, const char *why, ...)
    MESH_PRINTF(4, 5);

static bool fail(GError **error, const char *path, const char *name, const char *why, ...)
{
    g_autofree char *text = NULL;
    va_list          args;

    va_start(args, why);
    text = g_strdup_vprintf(why, args);
    va_end(args);
    g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "%s%s%s: %s", path,
                path[0] == '\0' ? "" : ".", name, text);
    return false;
}

static bool take_int(JsonNode *node, const MeshJsonField *f, Value *out, const char *path,
                     GError **error)
{
    int64_t  value;
    uint64_t max = f->max > 0 ? f->max : (uint64_t)MESH_JSON_MAX_INT;

    if (!JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != G_TYPE_INT64)
        return fail(error, path, f->name, "a whole number was expected");
    value = json_node_get_int(node);
    if (value < 0 || (uint64_t)value < f->min || (uint64_t)value > max)
        return fail(error, path, f->name,
                    "%" G_GINT64_FORMAT " is not within %" G_GUINT64_FORMAT " … %" G_GUINT64_FORMAT,
                    value, f->min, max);
    out->integer = (uint64_t)value;
    return true;
}

static bool is_label(const char *text)
{
    size_t len = strlen(text);

    if (len == 0 || len > 63 || text[0] == '-' || text[len - 1] == '-')
        return false;
    return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static bool take_plain_text(const char *text, const MeshJsonField *f, const char *path,
                            GError **error)
{
    size_t len = strlen(text);

    if (len < f->min)
        return fail(error, path, f->name, "too short, at least %" G_GUINT64_FORMAT " bytes wanted",
                    f->min);
    if (f->max > 0 && len > f->max)
        return fail(error, path, f->name, "too long, at most %" G_GUINT64_FORMAT " bytes allowed",
                    f->max);
    return true;
}

static bool family_fits(const MeshJsonField *f, const MeshAddr *addr)
{
    return f->max == 0 || f->max == addr->family;
}

/* Types that are written as text. BYTES is only checked: it may be longer than a Value. */
static bool take_text(const char *text, const MeshJsonField *f, Value *out, const char *path,
                      GError **error)
{
    g_autofree uint8_t *bytes = NULL;

    switch (f->type) {
    case MESH_JSON_LABEL:
        out->text = text;
        return is_label(text) ||
               fail(error, path, f->name, "not a name (a-z, 0-9 and '-' inside, 1-63 characters)");
    case MESH_JSON_BYTES:
        bytes = g_malloc(f->max);
        return mesh_base64url_decode(text, bytes, f->max, NULL) == 0 ||
               fail(error, path, f->name, "not base64url of %" G_GUINT64_FORMAT " bytes", f->max);
    case MESH_JSON_KEY:
        return mesh_base64url_decode(text, out->key.bytes, sizeof(out->key.bytes), NULL) == 0 ||
               fail(error, path, f->name, "not a key (base64url, 43 characters)");
    case MESH_JSON_ADDR:
        return (mesh_ip_parse_addr(text, &out->addr) == 0 && family_fits(f, &out->addr)) ||
               fail(error, path, f->name, "not an address%s",
                    f->max == 0         ? ""
                    : f->max == AF_INET ? " (IPv4)"
                                        : " (IPv6)");
    case MESH_JSON_PREFIX:
        return (strchr(text, '/') != NULL && mesh_ip_parse_prefix(text, &out->prefix) == 0 &&
                family_fits(f, &out->prefix.addr)) ||
               fail(error, path, f->name, "not a prefix%s with host bits zero",
                    f->max == 0         ? ""
                    : f->max == AF_INET ? " (IPv4)"
                                        : " (IPv6)");
    case MESH_JSON_ENDPOINT:
        return (mesh_endpoint_parse(text, &out->endpoint) == 0 && out->endpoint.scope == 0) ||
               fail(error, path, f->name, "not an endpoint (ADDRESS:PORT)");
    default:
        out->text = text;
        return take_plain_text(text, f, path, error);
    }
}

static bool take_array(JsonNode *node, const MeshJsonField *f, Value *out, const char *path,
                       GError **error)
{
    unsigned count;

    if (!JSON_NODE_HOLDS_ARRAY(node))
        return fail(error, path, f->name, "an array was expected");
    out->array = json_node_get_array(node);
    count = json_array_get_length(out->array);
    if (count < f->min)
        return fail(error, path, f->name, "%u elements, at least %" G_GUINT64_FORMAT " wanted",
                    count, f->min);
    if (f->max > 0 && count > f->max)
        return fail(error, path, f->name, "%u elements, at most %" G_GUINT64_FORMAT " allowed",
                    count, f->max);
    return true;
}

static bool take_value(JsonNode *node, const MeshJsonField *f, Value *out, const char *path,
                       GError **error)
{
    switch (f->type) {
    case MESH_JSON_BOOL:
        if (!JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != G_TYPE_BOOLEAN)
            return fail(error, path, f->name, "true or false was expected");
        out->boolean = json_node_get_boolean(node) != FALSE;
        return true;
    case MESH_JSON_INT:
        return take_int(node, f, out, path, error);
    case MESH_JSON_OBJECT:
        if (!JSON_NODE_HOLDS_OBJECT(node))
            return fail(error, path, f->name, "an object was expected");
        out->object = json_node_get_object(node);
        return true;
    case MESH_JSON_ARRAY:
        return take_array(node, f, out, path, error);
    default:
        if (!JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != G_TYPE_STRING)
            return fail(error, path, f->name, "a text was expected");
        return take_text(json_node_get_string(node), f, out, path, error);
    }
}

/* The member's node; NULL when absent or null. */
static JsonNode *find_member(JsonObject *object, const char *name)
{
    JsonNode *node = json_object_get_member(object, name);

    return node == NULL || JSON_NODE_HOLDS_NULL(node) ? NULL : node;
}

static void write_value(JsonObject *object, const MeshJsonField *f, const Value *value, void *out)
{
    uint8_t    *place = (uint8_t *)out + f->offset;
    const char *text;

    if (f->type == MESH_JSON_BYTES) {
        text = json_object_get_string_member(object, f->name);
        if (mesh_base64url_decode(text, place, f->max, NULL) < 0)
            g_assert_not_reached(); /* take_text() decoded it a moment ago */
    } else {
        memcpy(place, value, value_sizes[f->type]);
    }
    if (f->seen > 0)
        *(bool *)((uint8_t *)out + f->seen) = true;
}

/* Checks all first, writes then, so that a bad object leaves no trace. */
bool mesh_json_read_table(JsonObject *object, const MeshJsonTable *table, void *out,
                          const char *path, GError **error)
{
    g_autofree Value    *values = g_new0(Value, table->n_fields);
    const MeshJsonField *fields = table->fields;

    for (size_t i = 0; i < table->n_fields; i++) {
        JsonNode *node = find_member(object, fields[i].name);

        if (node == NULL && fields[i].required)
            return fail(error, path, fields[i].name, "missing");
        if (node != NULL && !take_value(node, &fields[i], &values[i], path, error))
            return false;
    }
    for (size_t i = 0; i < table->n_fields; i++)
        if (find_member(object, fields[i].name) != NULL)
            write_value(object, &fields[i], &values[i], out);
    return true;
}

JsonObject *mesh_json_get_object(JsonArray *array, unsigned index, const char *path, GError **error)
{
    JsonNode *node = json_array_get_element(array, index);

    if (JSON_NODE_HOLDS_OBJECT(node))
        return json_node_get_object(node);
    g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "%s[%u]: an object was expected", path,
                index);
    return NULL;
}

const char *mesh_json_get_text(JsonArray *array, unsigned index, const char *path, GError **error)
{
    JsonNode *node = json_array_get_element(array, index);

    if (JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING)
        return json_node_get_string(node);
    g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "%s[%u]: a text was expected", path, index);
    return NULL;
}

uint64_t mesh_json_get_int(JsonArray *array, unsigned index, const char *path, GError **error)
{
    JsonNode *node = json_array_get_element(array, index);
    int64_t   value = 0;

    if (JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_INT64)
        value = json_node_get_int(node);
    if (value >= 1)
        return (uint64_t)value;
    g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "%s[%u]: an integer from 1 was expected",
                path, index);
    return 0;
}
