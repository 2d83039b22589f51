/* server/core/policy.c: P, signed and versioned. Storage thread. */
#include "server/core/policy.h"

#include "common/proto/acl.h"

bool core_policy_make(CoreNetworkRow *row, uint64_t pver, const CoreSigner *signer, GError **error)
{
    g_autoptr(MeshAcl) acl = mesh_acl_new_open(pver, &row->net);
    g_autofree char *body = mesh_acl_encode(acl, &row->net.id);
    MeshSigned      *object =
        mesh_signed_make(MESH_SIGNED_P, &row->net.id, body, core_signer_get_secret(signer), error);

    if (object == NULL)
        return false;
    mesh_signed_unref(row->policy);
    row->policy = object;
    row->pver = pver;
    return true;
}

bool core_policy_save(StoreTx *tx, const CoreNetworkRow *row, GError **error)
{
    StoreCall call = {
        STORE_ARGS(STORE_ARG_BLOB(&row->net.id, sizeof row->net.id), STORE_ARG_INT(row->pver),
                   STORE_ARG_TEXT(mesh_signed_get_body(row->policy, NULL)),
                   STORE_ARG_BLOB(mesh_signed_get_signature(row->policy)->bytes, MESH_SIGN_BYTES))
    };

    return store_query(tx, STORE_NETWORK_POLICY, &call, error);
}

bool core_policy_renew(CoreChange *change, GError **error)
{
    CoreNetworkRow *row = &change->network;

    if (!core_change_bump(change, error) ||
        !core_policy_make(row, row->pver + 1, change->signer, error))
        return false;

    change->policy_changed = true;
    return core_policy_save(change->tx, row, error) &&
           core_change_log(change, "policy", row->policy, error);
}
