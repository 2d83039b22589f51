/* common/proto/token.c: see token.h. */
#include "common/proto/token.h"

#include "common/glib/error.h"
#include "common/glib/json.h"

MeshSigned *mesh_token_sign(const MeshToken *token, const MeshNetworkId *net,
                            const MeshSignSecret *server, GError **error)
{
    char             id[MESH_NETWORK_ID_TEXT_SIZE];
    MeshJsonOut      out;
    g_autofree char *body = NULL;

    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    mesh_jsonout_text(&out, "t", mesh_signed_type_name(MESH_SIGNED_T));
    mesh_jsonout_text(&out, "net", mesh_network_format_id(net, id));
    mesh_jsonout_b64u(&out, "node", token->node.bytes, sizeof(token->node.bytes));
    mesh_jsonout_int(&out, "i", token->index);
    mesh_jsonout_int(&out, "exp", token->exp);
    mesh_jsonout_int(&out, "bps", (int64_t)token->bps);
    mesh_jsonout_int(&out, "burst", (int64_t)token->burst);
    mesh_jsonout_close(&out, '}');
    body = mesh_jsonout_finish(&out, NULL);
    return mesh_signed_make(MESH_SIGNED_T, net, body, server, error);
}

typedef struct {
    MeshKey  node;
    uint64_t index, exp, bps, burst;
} Raw;

static const MeshJsonField fields[] = {
    { "node", MESH_JSON_KEY, true, offsetof(Raw, node) },
    { "i", MESH_JSON_INT, true, offsetof(Raw, index), .max = UINT32_MAX },
    { "exp", MESH_JSON_INT, true, offsetof(Raw, exp) },
    { "bps", MESH_JSON_INT, true, offsetof(Raw, bps), .min = 1 },
    { "burst", MESH_JSON_INT, true, offsetof(Raw, burst), .min = 1 },
};

bool mesh_token_open(MeshSigned *object, const MeshNetworkId *net, const MeshKey *server,
                     MeshToken *out_token, GError **error)
{
    g_autoptr(JsonObject) body = mesh_signed_open(object, MESH_SIGNED_T, net, server, error);
    Raw raw = { 0 };

    if (body == NULL || !mesh_json_read(body, fields, G_N_ELEMENTS(fields), &raw, "T", error))
        return false;
    *out_token = (MeshToken){
        .node = raw.node,
        .index = (uint32_t)raw.index,
        .exp = (int64_t)raw.exp,
        .bps = raw.bps,
        .burst = raw.burst,
    };
    return true;
}
