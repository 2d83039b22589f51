/* server/core/nodes.c: approve, rename, expire, remove, renew. Storage thread. Join: join.c. */
#include "server/core/nodes.h"

#include "common/glib/error.h"
#include "common/proto/member.h"
#include "server/core/addresses.h"
#include "server/core/certify.h"
#include "server/core/users.h"

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
    if (!core_users_check_owner(change, row, error) || !core_certify_admit(change, row, error))
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
    row->suspended = false;
    row->expires = change->now;
    return core_change_put(change, row, false, error);
}

/* What peers see of @row, or its M holds. */
static bool set_visible(CoreChange *change, CoreNodeRow *row, const CoreManage *request,
                        GError **error)
{
    if (request->name != NULL && strcmp(request->name, row->name) != 0 &&
        !rename_row(change, row, request->name, error))
        return false;
    if (request->ip4 != NULL && !core_addresses_choose4(change, row, request->ip4, error))
        return false;
    if (request->expires < 0)
        return true;
    if (row->state == CORE_NODE_EXPIRED && !row->suspended) {
        g_set_error_literal(error, MESH_ERROR, MESH_ERROR_CONFLICT,
                            "the membership has ended: the node has to join again");
        return false;
    }
    row->expires = request->expires;
    return true;
}

bool core_nodes_set(CoreChange *change, const MeshKey *node, const CoreManage *request,
                    int64_t owner, GError **error)
{
    CoreNodeRow *row = get(change, node, error);
    bool         visible = request->name != NULL || request->ip4 != NULL || request->expires >= 0;
    bool         given;

    if (row == NULL)
        return false;
    given = owner >= 0 && owner != row->owner;
    if (given)
        row->owner = owner;
    if (!visible) /* peers see an active node's owner, beside its M */
        return given && row->state == CORE_NODE_ACTIVE ? core_change_put(change, row, false, error)
                                                       : core_change_put_facts(change, row, error);
    if (!set_visible(change, row, request, error))
        return drop(row);
    if (request->expires > 0 && request->expires <= change->now)
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
    if (row->state == CORE_NODE_EXPIRED && !row->suspended) {
        core_rows_free_node(row);
        return true;
    }
    return end_membership(change, row, error);
}

bool core_nodes_remove(CoreChange *change, const MeshKey *node, bool parted, GError **error)
{
    CoreNodeRow *row = get(change, node, error);
    bool         ok;

    if (row == NULL)
        return false;
    ok = core_change_remove(change, row, parted, error);
    core_rows_free_node(row);
    return ok;
}

static bool on_old(const StoreRow *row, void *user_data)
{
    MeshNetworkId net;
    CoreTombRow   tomb;

    core_rows_read_tomb(row, &net, &tomb);
    g_array_append_val((GArray *)user_data, tomb.node);
    return true;
}

bool core_nodes_forget(CoreChange *change, GError **error)
{
    int64_t   before = change->now - MESH_MEMBER_MAX_LIFE_S - MESH_MEMBER_SKEW_S;
    StoreCall call = { STORE_ARGS(STORE_ARG_BLOB(&change->net, sizeof change->net),
                                  STORE_ARG_INT(before),
                                  STORE_ARG_INT((int64_t)change->network.ver - CORE_LOG_ENTRIES)),
                       .on_row = on_old, .user_data = change->forgotten };

    return store_query(change->tx, STORE_TOMBSTONE_OLD, &call, error) &&
           store_query(change->tx, STORE_TOMBSTONE_FORGET, &call, error);
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

static bool suspend(CoreChange *change, CoreNodeRow *row, GError **error)
{
    row->state = CORE_NODE_EXPIRED;
    row->suspended = true;
    return core_change_put(change, row, false, error);
}

/* Its user may have nodes again; its own end may have come meanwhile. */
static bool resume(CoreChange *change, CoreNodeRow *row, GError **error)
{
    if (row->expires != 0 && row->expires <= change->now)
        return end_membership(change, row, error);
    row->suspended = false;
    return core_certify_admit(change, row, error) ? core_change_put(change, row, false, error)
                                                  : drop(row);
}

static bool renew(CoreChange *change, CoreNodeRow *row, GError **error)
{
    if (row->expires != 0 && row->expires <= change->now)
        return end_membership(change, row, error);
    return core_certify_sign(change, row, error) ? core_change_put(change, row, false, error)
                                                 : drop(row);
}

typedef struct {
    StoreQuery query;
    bool (*handle)(CoreChange *change, CoreNodeRow *row, GError **error); /* takes the row */
} DueKind;

static bool handle_due(CoreChange *change, const DueKind *kind, GError **error)
{
    g_autoptr(GPtrArray) due = g_ptr_array_new();
    StoreCall call = { STORE_ARGS(STORE_ARG_BLOB(&change->net, sizeof change->net),
                                  STORE_ARG_INT(change->now), STORE_ARG_INT(CORE_NODE_ACTIVE),
                                  STORE_ARG_INT(change->now + MESH_MEMBER_SKEW_S)),
                       .on_row = on_due, .user_data = due };
    bool      ok;

    if (kind->query == STORE_NODE_FREED)
        call.n_args = 2;
    else if (kind->query == STORE_NODE_BLOCKED)
        call.n_args = 3;
    ok = store_query(change->tx, kind->query, &call, error);
    for (guint i = 0; i < due->len; i++) {
        CoreNodeRow *row = g_ptr_array_index(due, i);

        ok = ok ? kind->handle(change, row, error) : drop(row);
    }
    return ok;
}

bool core_nodes_renew_due(CoreChange *change, GError **error)
{
    static const DueKind kinds[] = {
        { STORE_NODE_BLOCKED, suspend },
        { STORE_NODE_FREED, resume },
        { STORE_NODE_DUE, renew },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(kinds) && change->put->len == 0; i++)
        if (!handle_due(change, &kinds[i], error))
            return false;
    return true;
}
