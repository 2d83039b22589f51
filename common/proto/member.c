/* common/proto/member.c: see member.h. */
#include "common/proto/member.h"

#include "common/glib/error.h"
#include "common/glib/json.h"
#include "common/proto/bodyscan.h"
#include "common/proto/signedparts.h"

#include <string.h>
#include <sys/socket.h>

MeshMember *mesh_member_new(void)
{
    MeshMember *self = g_new0(MeshMember, 1);

    self->refs = 1;
    self->tags = g_new0(char *, 1);
    return self;
}

MeshMember *mesh_member_ref(MeshMember *self)
{
    if (self != NULL)
        g_atomic_int_inc(&self->refs);
    return self;
}

void mesh_member_unref(MeshMember *self)
{
    if (self == NULL || !g_atomic_int_dec_and_test(&self->refs))
        return;
    g_free(self->prefixes);
    g_strfreev(self->tags);
    g_free(self);
}

static bool check_limits(const MeshMember *self, GError **error)
{
    const char *what = NULL;

    if (!mesh_network_is_label(self->name))
        what = "name: not a name";
    else if (self->ip6.family != AF_INET6 || (self->ip4.family != 0 && self->ip4.family != AF_INET))
        what = "ip4, ip6: not addresses";
    else if (self->n_prefixes > MESH_MEMBER_MAX_PREFIXES)
        what = "prefixes: too many";
    else if (g_strv_length(self->tags) > MESH_MEMBER_MAX_TAGS)
        what = "tags: too many";
    else if (self->exp <= self->nbf || self->exp > self->nbf + MESH_MEMBER_MAX_LIFE_S)
        what = "exp: not within 30 days of nbf";
    if (what != NULL)
        g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT, "M.%s", what);
    return what == NULL;
}

static void encode_lists(const MeshMember *self, MeshJsonOut *out)
{
    char text[MESH_IP_PREFIX_TEXT_SIZE];

    mesh_jsonout_open(out, "prefixes", '[');
    for (size_t i = 0; i < self->n_prefixes; i++)
        mesh_jsonout_text(out, NULL, mesh_ip_format_prefix(&self->prefixes[i], text));
    mesh_jsonout_close(out, ']');
    mesh_jsonout_open(out, "tags", '[');
    for (size_t i = 0; self->tags[i] != NULL; i++)
        mesh_jsonout_text(out, NULL, self->tags[i]);
    mesh_jsonout_close(out, ']');
}

MeshSigned *mesh_member_sign(const MeshMember *self, const MeshNetworkId *net,
                             const MeshSignSecret *server, GError **error)
{
    char        addr[MESH_IP_ADDR_TEXT_SIZE];
    MeshJsonOut out;

    if (!check_limits(self, error))
        return NULL;
    mesh_signed_begin(MESH_SIGNED_M, net, &out);
    mesh_jsonout_b64u(&out, "node", self->node.bytes, sizeof(self->node.bytes));
    mesh_jsonout_text(&out, "name", self->name);
    if (self->ip4.family != 0)
        mesh_jsonout_text(&out, "ip4", mesh_ip_format_addr(&self->ip4, addr));
    mesh_jsonout_text(&out, "ip6", mesh_ip_format_addr(&self->ip6, addr));
    encode_lists(self, &out);
    mesh_jsonout_int(&out, "serial", (int64_t)self->serial);
    mesh_jsonout_int(&out, "nbf", self->nbf);
    mesh_jsonout_int(&out, "exp", self->exp);
    mesh_jsonout_text(&out, "by", "server");
    return mesh_signed_finish(MESH_SIGNED_M, net, &out, server, error);
}

typedef struct {
    MeshKey     node;
    const char *name, *by;
    MeshAddr    ip4, ip6;
    JsonArray  *prefixes, *tags;
    uint64_t    serial, nbf, exp;
} Raw;

static const MeshJsonField fields[] = {
    { "node", MESH_JSON_KEY, true, offsetof(Raw, node) },
    { "name", MESH_JSON_LABEL, true, offsetof(Raw, name) },
    { "ip4", MESH_JSON_ADDR, false, offsetof(Raw, ip4), .max = AF_INET },
    { "ip6", MESH_JSON_ADDR, true, offsetof(Raw, ip6), .max = AF_INET6 },
    { "prefixes", MESH_JSON_ARRAY, true, offsetof(Raw, prefixes), .max = MESH_MEMBER_MAX_PREFIXES },
    { "tags", MESH_JSON_ARRAY, true, offsetof(Raw, tags), .max = MESH_MEMBER_MAX_TAGS },
    { "serial", MESH_JSON_INT, true, offsetof(Raw, serial) },
    { "nbf", MESH_JSON_INT, true, offsetof(Raw, nbf) },
    { "exp", MESH_JSON_INT, true, offsetof(Raw, exp) },
    { "by", MESH_JSON_TEXT, true, offsetof(Raw, by), .max = 32 },
};

static bool read_prefixes(JsonArray *array, MeshMember *out, GError **error)
{
    unsigned count = json_array_get_length(array);

    out->prefixes = g_new0(MeshPrefix, count);
    for (unsigned i = 0; i < count; i++) {
        const char *text = mesh_json_get_text(array, i, "M.prefixes", error);

        if (text == NULL)
            return false;
        if (strchr(text, '/') == NULL || mesh_ip_parse_prefix(text, &out->prefixes[i]) < 0) {
            g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "M.prefixes[%u]: not a prefix", i);
            return false;
        }
    }
    out->n_prefixes = count;
    return true;
}

static bool read_tags(JsonArray *array, MeshMember *out, GError **error)
{
    unsigned count = json_array_get_length(array);

    g_strfreev(out->tags);
    out->tags = g_new0(char *, count + 1);
    for (unsigned i = 0; i < count; i++) {
        const char *text = mesh_json_get_text(array, i, "M.tags", error);

        if (text == NULL)
            return false;
        if (!mesh_network_is_label(text)) {
            g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "M.tags[%u]: not a name", i);
            return false;
        }
        out->tags[i] = g_strdup(text);
    }
    return true;
}

static bool check_rest(const Raw *raw, GError **error)
{
    if (raw->exp <= raw->nbf || raw->exp - raw->nbf > MESH_MEMBER_MAX_LIFE_S) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "M.exp: not within 30 days of nbf");
        return false;
    }
    if (strcmp(raw->by, "server") != 0) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "M.by: not \"server\"");
        return false;
    }
    return true;
}

static MeshMember *read_body(JsonObject *body, GError **error)
{
    g_autoptr(MeshMember) self = mesh_member_new();
    Raw raw = { 0 };

    if (body == NULL || !mesh_json_read(body, fields, G_N_ELEMENTS(fields), &raw, "M", error) ||
        !check_rest(&raw, error) || !read_prefixes(raw.prefixes, self, error) ||
        !read_tags(raw.tags, self, error))
        return NULL;
    self->node = raw.node;
    g_strlcpy(self->name, raw.name, sizeof(self->name));
    self->ip4 = raw.ip4;
    self->ip6 = raw.ip6;
    self->serial = raw.serial;
    self->nbf = (int64_t)raw.nbf;
    self->exp = (int64_t)raw.exp;
    return g_steal_pointer(&self);
}

MeshMember *mesh_member_open(MeshSigned *object, const MeshNetworkId *net, const MeshKey *server,
                             GError **error)
{
    if (!mesh_signed_verify(object, MESH_SIGNED_M, net, server, error))
        return NULL;
    return mesh_member_reopen(object, net, error);
}

MeshMember *mesh_member_reopen(const MeshSigned *object, const MeshNetworkId *net, GError **error)
{
    MeshMember *member = mesh_bodyscan_m(object, net);
    g_autoptr(JsonObject) body = NULL;

    if (member != NULL)
        return member;
    body = mesh_signed_reopen(object, MESH_SIGNED_M, net, error);
    return read_body(body, error);
}

bool mesh_member_check_time(const MeshMember *self, int64_t now, GError **error)
{
    if (now < self->nbf - MESH_MEMBER_SKEW_S) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_UNVERIFIED,
                    "the membership of %s begins only in %" G_GINT64_FORMAT " s", self->name,
                    self->nbf - now);
        return false;
    }
    if (now >= self->exp) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_EXPIRED,
                    "the membership of %s ended %" G_GINT64_FORMAT " s ago", self->name,
                    now - self->exp);
        return false;
    }
    return true;
}

bool mesh_member_has_tag(const MeshMember *self, const char *tag)
{
    return g_strv_contains((const char *const *)self->tags, tag);
}
