/* server/admin/rest-users.c: /users. Admin thread. */
#include "common/glib/json.h"
#include "server/admin/rest.h"

typedef struct {
    const char *name, *note;
    uint64_t    max_nodes, expires;
    bool        disabled, has_disabled, has_max, has_expires;
} Body;

static const MeshJsonField fields[] = {
    { .name = "name", .type = MESH_JSON_TEXT, .offset = offsetof(Body, name), .max = 63 },
    { .name = "note",
      .type = MESH_JSON_TEXT,
      .offset = offsetof(Body, note),
      .max = CORE_NOTE_MAX },
    { .name = "disabled",
      .type = MESH_JSON_BOOL,
      .offset = offsetof(Body, disabled),
      .seen = offsetof(Body, has_disabled) },
    { .name = "max_nodes",
      .type = MESH_JSON_INT,
      .offset = offsetof(Body, max_nodes),
      .seen = offsetof(Body, has_max) },
    { .name = "expires",
      .type = MESH_JSON_INT,
      .offset = offsetof(Body, expires),
      .seen = offsetof(Body, has_expires) },
};

static bool read_user(JsonObject *object, CoreManage *out, GError **error)
{
    Body body = { 0 };

    if (!mesh_json_read(object, fields, G_N_ELEMENTS(fields), &body, "", error))
        return false;
    out->name = body.name;
    out->note = body.note;
    out->disabled = body.has_disabled ? body.disabled : -1;
    out->max_nodes = body.has_max ? (int64_t)body.max_nodes : -1;
    out->expires = body.has_expires ? (int64_t)body.expires : -1;
    return true;
}

static void write_user(MeshJsonOut *out, const char *name, const void *value)
{
    const CoreUserInfo *info = value;

    mesh_jsonout_open(out, name, '{');
    mesh_jsonout_text(out, "name", info->name);
    mesh_jsonout_text(out, "note", info->note);
    mesh_jsonout_bool(out, "disabled", info->disabled);
    mesh_jsonout_int(out, "nodes", info->nodes);
    mesh_jsonout_int(out, "online", info->online);
    mesh_jsonout_int(out, "max_nodes", info->max_nodes);
    mesh_jsonout_int(out, "created", info->created);
    mesh_jsonout_int(out, "expires", info->expires);
    mesh_jsonout_close(out, '}');
}

const AdminRoute admin_rest_users[] = {
    { "GET", "users", CORE_USER_LIST, NULL, write_user, "users" },
    { "POST", "users", CORE_USER_ADD, read_user, write_user, NULL },
    { "GET", "users/USER", CORE_USER_SHOW, NULL, write_user, NULL },
    { "PATCH", "users/USER", CORE_USER_SET, read_user, write_user, NULL },
    { "DELETE", "users/USER", CORE_USER_REMOVE, NULL, NULL, NULL },
    { 0 },
};
