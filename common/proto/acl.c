/* common/proto/acl.c: see acl.h. The flat form is in aclrows.c. */
#include "common/proto/acl.h"

#include "common/glib/error.h"
#include "common/glib/json.h"
#include "common/proto/signedparts.h"

#include <string.h>
#include <sys/socket.h>

#define TAG_BEGIN "tag:"

MeshAcl *mesh_acl_new_open(uint64_t ver, const MeshNetwork *network)
{
    MeshAcl *self = g_new0(MeshAcl, 1);

    self->ver = ver;
    self->minproto = 1;
    self->net4 = network->ip4;
    self->net6 = network->ip6;
    g_snprintf(self->suffix, sizeof(self->suffix), "%s.mesh", network->name);
    self->n_rules = 1;
    self->rules = g_new0(MeshAclRule, 1);
    self->rules[0].n_src = self->rules[0].n_dst = 1;
    self->rules[0].src = g_new0(MeshAclSelector, 1); /* zeroed: MESH_ACL_ANY */
    self->rules[0].dst = g_new0(MeshAclSelector, 1);
    return self;
}

void mesh_acl_free(MeshAcl *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; i < self->n_rules; i++) {
        g_free(self->rules[i].src);
        g_free(self->rules[i].dst);
    }
    g_free(self->rules);
    g_free(self);
}

static void encode_selectors(const MeshAclSelector *list, size_t n, MeshJsonOut *out,
                             const char *name)
{
    char text[MESH_NETWORK_NAME_SIZE + sizeof(TAG_BEGIN)];

    mesh_jsonout_open(out, name, '[');
    for (size_t i = 0; i < n; i++) {
        switch (list[i].kind) {
        case MESH_ACL_ANY:
            mesh_jsonout_text(out, NULL, "*");
            break;
        case MESH_ACL_NAME:
            mesh_jsonout_text(out, NULL, list[i].name);
            break;
        case MESH_ACL_TAG:
            g_snprintf(text, sizeof(text), TAG_BEGIN "%s", list[i].name);
            mesh_jsonout_text(out, NULL, text);
            break;
        case MESH_ACL_PREFIX:
            mesh_jsonout_text(out, NULL, mesh_ip_format_prefix(&list[i].prefix, text));
            break;
        }
    }
    mesh_jsonout_close(out, ']');
}

char *mesh_acl_encode(const MeshAcl *self, const MeshNetworkId *net)
{
    MeshJsonOut out;
    char        prefix[MESH_IP_PREFIX_TEXT_SIZE];

    mesh_signed_begin(MESH_SIGNED_P, net, &out);
    mesh_jsonout_int(&out, "ver", (int64_t)self->ver);
    mesh_jsonout_int(&out, "format", 1);
    mesh_jsonout_open(&out, "rules", '[');
    for (size_t i = 0; i < self->n_rules; i++) {
        mesh_jsonout_open(&out, NULL, '{');
        mesh_jsonout_text(&out, "action", "accept");
        encode_selectors(self->rules[i].src, self->rules[i].n_src, &out, "src");
        encode_selectors(self->rules[i].dst, self->rules[i].n_dst, &out, "dst");
        mesh_jsonout_close(&out, '}');
    }
    mesh_jsonout_close(&out, ']');
    if (self->net4.addr.family != 0)
        mesh_jsonout_text(&out, "net4", mesh_ip_format_prefix(&self->net4, prefix));
    mesh_jsonout_text(&out, "net6", mesh_ip_format_prefix(&self->net6, prefix));
    mesh_jsonout_text(&out, "suffix", self->suffix);
    mesh_jsonout_int(&out, "minproto", self->minproto);
    mesh_jsonout_close(&out, '}');
    return mesh_jsonout_finish(&out, NULL);
}

static bool bad(GError **error, const char *path, const char *why)
{
    g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "%s: %s", path, why);
    return false;
}

static bool parse_selector(const char *text, MeshAclSelector *out)
{
    if (strcmp(text, "*") == 0) {
        out->kind = MESH_ACL_ANY;
        return true;
    }
    if (strchr(text, '/') != NULL || strchr(text, '.') != NULL ||
        (strchr(text, ':') != NULL && !g_str_has_prefix(text, TAG_BEGIN))) {
        out->kind = MESH_ACL_PREFIX;
        return mesh_ip_parse_prefix(text, &out->prefix) == 0;
    }
    out->kind = MESH_ACL_NAME;
    if (g_str_has_prefix(text, TAG_BEGIN)) {
        out->kind = MESH_ACL_TAG;
        text += strlen(TAG_BEGIN);
    }
    g_strlcpy(out->name, text, sizeof(out->name));
    return mesh_network_is_label(text);
}

static bool read_selectors(JsonArray *array, const char *path, MeshAclSelector *out, GError **error)
{
    for (unsigned i = 0; i < json_array_get_length(array); i++) {
        const char *text = mesh_json_get_text(array, i, path, error);

        if (text == NULL)
            return false;
        if (!parse_selector(text, &out[i])) {
            g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON,
                        "%s[%u]: none of *, a node name, tag:NAME, an address or a prefix", path,
                        i);
            return false;
        }
    }
    return true;
}

typedef struct {
    const char *action;
    JsonArray  *src, *dst;
} RawRule;

static const MeshJsonField rule_fields[] = {
    { "action", MESH_JSON_TEXT, true, offsetof(RawRule, action) },
    { "src", MESH_JSON_ARRAY, true, offsetof(RawRule, src), .max = MESH_ACL_MAX_SELECTORS },
    { "dst", MESH_JSON_ARRAY, true, offsetof(RawRule, dst), .max = MESH_ACL_MAX_SELECTORS },
};

/* A key that this version does not know might narrow the rule: never read it as wider. */
static bool check_keys(JsonObject *object, const char *path, GError **error)
{
    g_autoptr(GList) keys = json_object_get_members(object);

    for (GList *l = keys; l != NULL; l = l->next) {
        bool known = false;

        for (size_t i = 0; i < G_N_ELEMENTS(rule_fields); i++)
            known |= strcmp(l->data, rule_fields[i].name) == 0;
        if (!known) {
            g_autofree char *shown = g_strescape(l->data, NULL); /* ASCII: can be cut anywhere */

            g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "%s: unknown key \"%.32s\"", path,
                        shown);
            return false;
        }
    }
    return true;
}

static bool read_rule(JsonObject *object, unsigned index, MeshAclRule *out, GError **error)
{
    RawRule raw = { 0 };
    char    path[32], side[40];

    g_snprintf(path, sizeof(path), "P.rules[%u]", index);
    if (object == NULL || !check_keys(object, path, error) ||
        !mesh_json_read(object, rule_fields, G_N_ELEMENTS(rule_fields), &raw, path, error))
        return false;
    if (strcmp(raw.action, "accept") != 0)
        return bad(error, path, "action: only \"accept\" is known");
    out->n_src = json_array_get_length(raw.src);
    out->n_dst = json_array_get_length(raw.dst);
    out->src = g_new0(MeshAclSelector, out->n_src);
    out->dst = g_new0(MeshAclSelector, out->n_dst);
    g_snprintf(side, sizeof(side), "%s.src", path);
    if (!read_selectors(raw.src, side, out->src, error))
        return false;
    g_snprintf(side, sizeof(side), "%s.dst", path);
    return read_selectors(raw.dst, side, out->dst, error);
}

/* Private or shared space: a policy must not be able to claim the world's addresses. */
static bool check_nets(const MeshAcl *self, GError **error)
{
    static const char *const allowed4[] = { "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
                                            "100.64.0.0/10" };
    bool                     inside = self->net4.addr.family == 0;
    MeshPrefix               space;

    for (size_t i = 0; i < G_N_ELEMENTS(allowed4) && !inside; i++)
        inside = mesh_ip_parse_prefix(allowed4[i], &space) == 0 && self->net4.bits >= space.bits &&
                 mesh_ip_contains(&space, &self->net4.addr);
    if (!inside)
        return bad(error, "P.net4", "not inside 10/8, 172.16/12, 192.168/16 or 100.64/10");
    if (self->net6.bits != 48 || self->net6.addr.bytes[0] != 0xfd)
        return bad(error, "P.net6", "not a /48 inside fd00::/8");
    return true;
}

static bool check_suffix(const char *suffix)
{
    g_auto(GStrv) labels = g_strsplit(suffix, ".", -1);

    for (size_t i = 0; labels[i] != NULL; i++)
        if (!mesh_network_is_label(labels[i]))
            return false;
    return labels[0] != NULL;
}

typedef struct {
    uint64_t    ver, format, minproto;
    JsonArray  *rules;
    MeshPrefix  net4, net6;
    const char *suffix;
} Raw;

static const MeshJsonField fields[] = {
    { "ver", MESH_JSON_INT, true, offsetof(Raw, ver), .min = 1 },
    { "format", MESH_JSON_INT, true, offsetof(Raw, format), .min = 1, .max = 1 },
    { "rules", MESH_JSON_ARRAY, true, offsetof(Raw, rules), .max = MESH_ACL_MAX_RULES },
    { "net4", MESH_JSON_PREFIX, false, offsetof(Raw, net4), .max = AF_INET },
    { "net6", MESH_JSON_PREFIX, true, offsetof(Raw, net6), .max = AF_INET6 },
    { "suffix", MESH_JSON_TEXT, true, offsetof(Raw, suffix), .min = 1,
      .max = MESH_ACL_SUFFIX_SIZE - 1 },
    { "minproto", MESH_JSON_INT, true, offsetof(Raw, minproto), .max = 1 },
};

MeshAcl *mesh_acl_decode(JsonObject *body, GError **error)
{
    g_autoptr(MeshAcl) self = g_new0(MeshAcl, 1);
    Raw raw = { 0 };

    if (!mesh_json_read(body, fields, G_N_ELEMENTS(fields), &raw, "P", error))
        return NULL;
    self->ver = raw.ver;
    self->minproto = (unsigned)raw.minproto;
    self->net4 = raw.net4;
    self->net6 = raw.net6;
    g_strlcpy(self->suffix, raw.suffix, sizeof(self->suffix));
    if (!check_nets(self, error))
        return NULL;
    if (!check_suffix(self->suffix) && !bad(error, "P.suffix", "not a DNS name"))
        return NULL;
    self->n_rules = json_array_get_length(raw.rules);
    self->rules = g_new0(MeshAclRule, self->n_rules);
    for (unsigned i = 0; i < self->n_rules; i++) {
        JsonObject *rule = mesh_json_get_object(raw.rules, i, "P.rules", error);

        if (rule == NULL || !read_rule(rule, i, &self->rules[i], error))
            return NULL;
    }
    return g_steal_pointer(&self);
}

MeshAcl *mesh_acl_open(MeshSigned *object, const MeshNetworkId *net, const MeshKey *server,
                       GError **error)
{
    g_autoptr(JsonObject) body = mesh_signed_open(object, MESH_SIGNED_P, net, server, error);

    return body != NULL ? mesh_acl_decode(body, error) : NULL;
}
