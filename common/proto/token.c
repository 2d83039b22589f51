/* common/proto/token.c: see token.h. */
#include "common/proto/token.h"

#include "common/glib/error.h"
#include "common/glib/json.h"
#include "common/proto/signedparts.h"

#include <string.h>

MeshSigned *mesh_token_sign(const MeshToken *token, const MeshNetworkId *net,
                            const MeshSignSecret *server, GError **error)
{
    MeshJsonOut out;

    mesh_signed_begin(MESH_SIGNED_T, net, &out);
    mesh_jsonout_b64u(&out, "node", token->node.bytes, sizeof(token->node.bytes));
    mesh_jsonout_int(&out, "i", token->index);
    mesh_jsonout_int(&out, "exp", token->exp);
    mesh_jsonout_int(&out, "bps", (int64_t)token->bps);
    mesh_jsonout_int(&out, "burst", (int64_t)token->burst);
    return mesh_signed_finish(MESH_SIGNED_T, net, &out, server, error);
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

bool mesh_token_open_bind(const MeshRelayBind *bind, const MeshKey *server, MeshToken *out_token)
{
    g_autoptr(MeshSigned) object =
        mesh_signed_new(bind->token.data, bind->token.len, bind->token_signature.bytes, NULL);
    MeshNetworkId net;

    memcpy(net.bytes, bind->network_id, sizeof(net.bytes));
    return object != NULL && mesh_token_open(object, &net, server, out_token, NULL);
}
