/* server/admin/rest-nodes.c: /networks/NETWORK/nodes. Admin thread. */
#include "common/glib/error.h"
#include "common/glib/json.h"
#include "server/admin/rest.h"

typedef struct {
    const char *name, *ip4, *user;
    uint64_t    expires;
    bool        has_expires;
} Body;

static const MeshJsonField fields[] = {
    { .name = "name", .type = MESH_JSON_TEXT, .offset = offsetof(Body, name), .max = 63 },
    { .name = "expires",
      .type = MESH_JSON_INT,
      .offset = offsetof(Body, expires),
      .seen = offsetof(Body, has_expires) },
    { .name = "ip4", .type = MESH_JSON_TEXT, .offset = offsetof(Body, ip4), .max = 64 },
    { .name = "user", .type = MESH_JSON_TEXT, .offset = offsetof(Body, user), .max = 63 },
};

static bool read_node(JsonObject *object, CoreManage *out, GError **error)
{
    Body body = { 0 };

    if (!mesh_json_read(object, fields, G_N_ELEMENTS(fields), &body, "", error))
        return false;
    if (body.name == NULL && !body.has_expires && body.ip4 == NULL && body.user == NULL) {
        g_set_error_literal(error, MESH_ERROR, MESH_ERROR_BAD_REQUEST,
                            "name, expires, ip4 or user: one of them is needed");
        return false;
    }
    out->name = body.name;
    out->ip4 = body.ip4;
    out->user = body.user;
    out->expires = body.has_expires ? (int64_t)body.expires : -1;
    return true;
}

static const char *state_name(const CoreNodeInfo *info)
{
    switch (info->state) {
    case CORE_NODE_PENDING:
        return "pending";
    case CORE_NODE_ACTIVE:
        return "active";
    case CORE_NODE_EXPIRED:
        break;
    }
    return info->suspended ? "suspended" : "expired";
}

static void write_node(MeshJsonOut *out, const char *name, const void *value)
{
    const CoreNodeInfo *info = value;

    mesh_jsonout_open(out, name, '{');
    mesh_jsonout_int(out, "index", info->index);
    mesh_jsonout_text(out, "name", info->name);
    mesh_jsonout_text(out, "node", info->node);
    mesh_jsonout_text(out, "wg", info->wg);
    mesh_jsonout_text(out, "ip4", info->ip4[0] != '\0' ? info->ip4 : NULL);
    mesh_jsonout_text(out, "ip6", info->ip6[0] != '\0' ? info->ip6 : NULL);
    mesh_jsonout_text(out, "state", state_name(info));
    mesh_jsonout_text(out, "user", info->user);
    mesh_jsonout_bool(out, "online", info->online);
    mesh_jsonout_open(out, "endpoints", '[');
    for (char **at = info->endpoints; at != NULL && *at != NULL; at++)
        mesh_jsonout_text(out, NULL, *at);
    mesh_jsonout_close(out, ']');
    mesh_jsonout_int(out, "created", info->created);
    mesh_jsonout_int(out, "last_seen", info->last_seen);
    mesh_jsonout_int(out, "expires", info->expires);
    if (info->cloned != 0)
        mesh_jsonout_int(out, "cloned", info->cloned);
    mesh_jsonout_text(out, "os", info->os);
    mesh_jsonout_text(out, "version", info->version);
    mesh_jsonout_close(out, '}');
}

const AdminRoute admin_rest_nodes[] = {
    { "GET", "networks/NETWORK/nodes", CORE_NODE_LIST, NULL, write_node, "nodes" },
    { "POST", "networks/NETWORK/nodes/NODE/approve", CORE_NODE_APPROVE, NULL, write_node, NULL },
    { "PATCH", "networks/NETWORK/nodes/NODE", CORE_NODE_SET, read_node, write_node, NULL },
    { "POST", "networks/NETWORK/nodes/NODE/expire", CORE_NODE_EXPIRE, NULL, write_node, NULL },
    { "DELETE", "networks/NETWORK/nodes/NODE", CORE_NODE_REMOVE, NULL, NULL, NULL },
    { 0 },
};
