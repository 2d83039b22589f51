/* server/core/nodes.c: approve, rename, expire, remove, renew. Storage thread. Join: join.c. */
#include "server/core/nodes.h"

#include "common/glib/error.h"
#include "common/proto/member.h"
#include "server/core/addresses.h"
#include "server/core/certify.h"

#include <string.h>

/* The node, or MESH_ERROR_REMOVED, MESH_ERROR_NOT_MEMBER. Owned. */
static CoreNodeRow *get(CoreChange *change, const MeshKey *node, GError **error)
{
    GError      *failed = NULL;
    CoreNodeRow *row = core_rows_get_node(change->tx, &change->net, node, &failed);

    if (row == NULL && failed == NULL) {
        if (core_rows_get_tomb(change->tx, &change->net, node, &failed))
            g_set_error_literal(&failed, MESH_ERROR, MESH_ERROR_REMOVED,
                                "this node was removed from the network");
        else if (failed == NULL)
            g_set_error_literal(&failed, MESH_ERROR, MESH_ERROR_NOT_MEMBER,
                                "this node is not a member of the network");
    }
    if (failed != NULL)
        g_propagate_error(error, failed);
    return row;
}

static bool drop(CoreNodeRow *row)
{
    core_rows_free_node(row);
    return false;
}

bool core_nodes_approve(CoreChange *change, const MeshKey *node, GError **error)
{
    CoreNodeRow *row = get(change, node, error);

    if (row == NULL)
        return false;
    if (row->state != CORE_NODE_PENDING) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_CONFLICT, "node %s does not wait for approval",
                    row->name);
        return drop(row);
    }
    if (row->expires != 0 && row->expires <= change->now) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_CONFLICT,
                    "the membership of node %s would have ended already: set another end first",
                    row->name);
        return drop(row);
    }
    if (!core_certify_admit(change, row, error))
        return drop(row);
    return core_change_put(change, row, false, error);
}

static bool rename_row(CoreChange *change, CoreNodeRow *row, const char *name, GError **error)
{
    bool taken;

    if (!mesh_network_is_label(name)) {
        g_set_error_literal(error, MESH_ERROR, MESH_ERROR_BAD_REQUEST,
                            "name: 1 to 63 of a-z, 0-9 and -, no - at either end");
        return false;
    }
    if (!core_certify_name_taken(change, name, &taken, error))
        return false;
    if (taken) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_CONFLICT,
                    "another node of this network is called %s", name);
        return false;
    }
    g_strlcpy(row->name, name, sizeof row->name);
    return true;
}

static bool end_membership(CoreChange *change, CoreNodeRow *row, GError **error)
{
    row->state = CORE_NODE_EXPIRED;
    row->expires = change->now;
    return core_change_put(change, row, false, error);
}

bool core_nodes_set(CoreChange *change, const MeshKey *node, const char *name, int64_t expires,
                    GError **error)
{
    CoreNodeRow *row = get(change, node, error);

    if (row == NULL)
        return false;
    if (name != NULL && strcmp(name, row->name) != 0 && !rename_row(change, row, name, error))
        return drop(row);
    if (expires >= 0 && row->state == CORE_NODE_EXPIRED) {
        g_set_error_literal(error, MESH_ERROR, MESH_ERROR_CONFLICT,
                            "the membership has ended: the node has to join again");
        return drop(row);
    }
    if (expires >= 0)
        row->expires = expires;
    if (expires > 0 && expires <= change->now)
        return end_membership(change, row, error);
    if (row->state == CORE_NODE_ACTIVE && !core_certify_sign(change, row, error))
        return drop(row);
    return core_change_put(change, row, false, error);
}

bool core_nodes_expire(CoreChange *change, const MeshKey *node, GError **error)
{
    CoreNodeRow *row = get(change, node, error);

    if (row == NULL)
        return false;
    if (row->state == CORE_NODE_EXPIRED) {
        core_rows_free_node(row);
        return true;
    }
    return end_membership(change, row, error);
}

bool core_nodes_remove(CoreChange *change, const MeshKey *node, GError **error)
{
    CoreNodeRow *row = get(change, node, error);
    bool         ok;

    if (row == NULL)
        return false;
    ok = core_change_remove(change, row, error);
    core_rows_free_node(row);
    return ok;
}

bool core_nodes_set_k(CoreChange *change, MeshSigned *object, const MeshRecordK *k, GError **error)
{
    CoreNodeRow *row = get(change, &k->node, error);
    uint64_t     seq;

    if (row == NULL)
        return false;
    seq = row->k_seq;
    if (row->state != CORE_NODE_ACTIVE) {
        g_set_error_literal(error, MESH_ERROR, MESH_ERROR_NOT_MEMBER,
                            "this node is not an active member");
        return drop(row);
    }
    if (!core_certify_take_k(change, row, object, k, error))
        return drop(row);
    if (row->k_seq != seq)
        return core_change_put(change, row, false, error);
    core_rows_free_node(row);
    return true;
}

static bool on_due(const StoreRow *row, void *user_data)
{
    GPtrArray    *due = user_data;
    CoreNodeRow  *node = g_new0(CoreNodeRow, 1);
    MeshNetworkId net;

    core_rows_read_node(row, &net, node);
    g_ptr_array_add(due, node);
    return due->len < CORE_NODES_RENEW_BATCH;
}

bool core_nodes_renew_due(CoreChange *change, GError **error)
{
    g_autoptr(GPtrArray) due = g_ptr_array_new();
    StoreCall call = { STORE_ARGS(STORE_ARG_BLOB(&change->net, sizeof change->net),
                                  STORE_ARG_INT(change->now), STORE_ARG_INT(CORE_NODE_ACTIVE),
                                  STORE_ARG_INT(change->now + MESH_MEMBER_SKEW_S)),
                       .on_row = on_due, .user_data = due };
    bool      ok = store_query(change->tx, STORE_NODE_DUE, &call, error);

    for (guint i = 0; i < due->len; i++) {
        CoreNodeRow *row = g_ptr_array_index(due, i);

        if (!ok)
            core_rows_free_node(row);
        else if (row->expires != 0 && row->expires <= change->now)
            ok = end_membership(change, row, error);
        else if (!core_certify_sign(change, row, error))
            ok = drop(row);
        else
            ok = core_change_put(change, row, false, error);
    }
    return ok;
}
