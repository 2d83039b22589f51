/* server/admin/rest-networks.c: /networks. Admin thread. */
#include "common/glib/json.h"
#include "server/admin/rest.h"

typedef struct {
    const char *name, *ip4;
    bool        approve, has_approve, has_max;
    uint64_t    max_nodes;
} Body;

static const MeshJsonField fields[] = {
    { .name = "name", .type = MESH_JSON_TEXT, .offset = offsetof(Body, name), .max = 63 },
    { .name = "ip4", .type = MESH_JSON_TEXT, .offset = offsetof(Body, ip4), .max = 64 },
    { .name = "approve",
      .type = MESH_JSON_BOOL,
      .offset = offsetof(Body, approve),
      .seen = offsetof(Body, has_approve) },
    { .name = "max_nodes",
      .type = MESH_JSON_INT,
      .offset = offsetof(Body, max_nodes),
      .seen = offsetof(Body, has_max) },
};

static bool read_network(JsonObject *object, CoreManage *out, GError **error)
{
    Body body = { 0 };

    if (!mesh_json_read(object, fields, G_N_ELEMENTS(fields), &body, "", error))
        return false;
    out->name = body.name;
    out->ip4 = body.ip4;
    out->approve = body.has_approve ? body.approve : -1;
    out->max_nodes = body.has_max ? (int64_t)body.max_nodes : -1;
    return true;
}

static void write_network(MeshJsonOut *out, const char *name, const void *value)
{
    const CoreNetworkInfo *info = value;

    mesh_jsonout_open(out, name, '{');
    mesh_jsonout_text(out, "id", info->id);
    mesh_jsonout_text(out, "name", info->name);
    mesh_jsonout_text(out, "ip4", info->ip4[0] != '\0' ? info->ip4 : NULL);
    mesh_jsonout_text(out, "ip6", info->ip6);
    mesh_jsonout_bool(out, "approve", info->approve);
    mesh_jsonout_int(out, "ver", (int64_t)info->ver);
    mesh_jsonout_int(out, "nodes", info->nodes);
    mesh_jsonout_int(out, "online", info->online);
    mesh_jsonout_int(out, "max_nodes", info->max_nodes);
    mesh_jsonout_int(out, "created", info->created);
    mesh_jsonout_close(out, '}');
}

const AdminRoute admin_rest_networks[] = {
    { "GET", "networks", CORE_NETWORK_LIST, NULL, write_network, "networks" },
    { "POST", "networks", CORE_NETWORK_CREATE, read_network, write_network, NULL },
    { "PATCH", "networks/NETWORK", CORE_NETWORK_SET, read_network, write_network, NULL },
    { "DELETE", "networks/NETWORK", CORE_NETWORK_DELETE, NULL, NULL, NULL },
    { 0 },
};
