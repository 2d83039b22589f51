/* common/proto/memberset.c: see memberset.h. */
#include "common/proto/memberset.h"

#include "common/glib/error.h"
#include "common/glib/json.h"
#include "common/proto/signedparts.h"

void mesh_memberset_hash(const MeshSigned *m, MeshMemberLeaf *out_leaf)
{
    size_t      len;
    const char *body = mesh_signed_get_body(m, &len);
    MeshSpan    part = MESH_SPAN(body, len);

    mesh_hash_sha256(&part, 1, out_leaf->bytes);
}

void mesh_memberset_join(const MeshMemberLeaf *leaves, size_t count, MeshMemberLeaf *out_root)
{
    MeshSpan part = MESH_SPAN(leaves, count * sizeof(*leaves));

    mesh_hash_sha256(&part, 1, out_root->bytes);
}

MeshSigned *mesh_memberset_sign(const MeshMemberSet *set, const MeshNetworkId *net,
                                const MeshSignSecret *server, GError **error)
{
    MeshJsonOut out;

    mesh_signed_begin(MESH_SIGNED_SET, net, &out);
    mesh_jsonout_int(&out, "epoch", (int64_t)set->epoch);
    mesh_jsonout_int(&out, "ver", (int64_t)set->ver);
    mesh_jsonout_int(&out, "count", (int64_t)set->count);
    mesh_jsonout_b64u(&out, "m", set->root.bytes, sizeof(set->root.bytes));
    return mesh_signed_finish(MESH_SIGNED_SET, net, &out, server, error);
}

static const MeshJsonField fields[] = {
    { "epoch", MESH_JSON_INT, true, offsetof(MeshMemberSet, epoch), .min = 1 },
    { "ver", MESH_JSON_INT, true, offsetof(MeshMemberSet, ver) },
    { "count", MESH_JSON_INT, true, offsetof(MeshMemberSet, count) },
    { "m", MESH_JSON_BYTES, true, offsetof(MeshMemberSet, root), .max = MESH_HASH_BYTES },
};

bool mesh_memberset_open(MeshSigned *object, const MeshNetworkId *net, const MeshKey *server,
                         MeshMemberSet *out_set, GError **error)
{
    g_autoptr(JsonObject) body = mesh_signed_open(object, MESH_SIGNED_SET, net, server, error);

    return body != NULL &&
           mesh_json_read(body, fields, G_N_ELEMENTS(fields), out_set, "set", error);
}
