/* server/admin/rest-keys.c: /networks/NETWORK/keys. Admin thread. */
#include "common/glib/json.h"
#include "server/admin/rest.h"

#define DEFAULT_EXPIRES_IN_S 86400

typedef struct {
    bool        reusable;
    uint64_t    expires_in_s;
    uint64_t    expires;
    bool        has_expires;
    const char *note, *user;
} Body;

static const MeshJsonField fields[] = {
    { .name = "reusable", .type = MESH_JSON_BOOL, .offset = offsetof(Body, reusable) },
    { .name = "expires_in_s", .type = MESH_JSON_INT, .offset = offsetof(Body, expires_in_s) },
    { .name = "note", .type = MESH_JSON_TEXT, .offset = offsetof(Body, note), .max = 128 },
    { .name = "user", .type = MESH_JSON_TEXT, .offset = offsetof(Body, user), .max = 63 },
};

static const MeshJsonField set_fields[] = {
    { .name = "expires",
      .type = MESH_JSON_INT,
      .offset = offsetof(Body, expires),
      .seen = offsetof(Body, has_expires) },
    { .name = "note", .type = MESH_JSON_TEXT, .offset = offsetof(Body, note), .max = 128 },
    { .name = "user", .type = MESH_JSON_TEXT, .offset = offsetof(Body, user), .max = 63 },
};

static bool read_key(JsonObject *object, CoreManage *out, GError **error)
{
    Body body = { .expires_in_s = DEFAULT_EXPIRES_IN_S };

    if (!mesh_json_read(object, fields, G_N_ELEMENTS(fields), &body, "", error))
        return false;
    out->reusable = body.reusable;
    out->expires_in_s = (int64_t)body.expires_in_s;
    out->note = body.note;
    out->user = body.user;
    return true;
}

static bool read_set(JsonObject *object, CoreManage *out, GError **error)
{
    Body body = { 0 };

    if (!mesh_json_read(object, set_fields, G_N_ELEMENTS(set_fields), &body, "", error))
        return false;
    out->expires = body.has_expires ? (int64_t)body.expires : -1;
    out->note = body.note;
    out->user = body.user;
    return true;
}

static void write_key(MeshJsonOut *out, const char *name, const void *value)
{
    const CoreKeyInfo *info = value;

    mesh_jsonout_open(out, name, '{');
    mesh_jsonout_text(out, "id", info->id);
    mesh_jsonout_text(out, "link", info->link); /* only right after it was made */
    mesh_jsonout_bool(out, "reusable", info->reusable);
    mesh_jsonout_int(out, "uses", info->uses);
    mesh_jsonout_int(out, "created", info->created);
    mesh_jsonout_int(out, "expires", info->expires);
    mesh_jsonout_bool(out, "revoked", info->revoked);
    mesh_jsonout_text(out, "note", info->note);
    mesh_jsonout_text(out, "user", info->user);
    mesh_jsonout_close(out, '}');
}

const AdminRoute admin_rest_keys[] = {
    { "GET", "networks/NETWORK/keys", CORE_KEY_LIST, NULL, write_key, "keys" },
    { "POST", "networks/NETWORK/keys", CORE_KEY_CREATE, read_key, write_key, NULL },
    { "GET", "networks/NETWORK/keys/KEY", CORE_KEY_SHOW, NULL, write_key, NULL },
    { "PATCH", "networks/NETWORK/keys/KEY", CORE_KEY_SET, read_set, write_key, NULL },
    { "DELETE", "networks/NETWORK/keys/KEY", CORE_KEY_REVOKE, NULL, write_key, NULL },
    { 0 },
};
