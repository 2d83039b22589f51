/* server/core/join.c: registration: who is admitted, as what. Storage thread (see nodes.h). */
#include "common/glib/error.h"
#include "server/core/addresses.h"
#include "server/core/certify.h"
#include "server/core/keys.h"
#include "server/core/nodes.h"
#include "server/core/users.h"

#include <string.h>

static bool refuse(MeshErrorCode code, const char *text, GError **error)
{
    g_set_error_literal(error, MESH_ERROR, (gint)code, text);
    return false;
}

static bool count_nodes(CoreChange *change, CoreNodeState state, int64_t *inout_sum, GError **error)
{
    int64_t   n = 0;
    StoreCall call = { STORE_ARGS(STORE_ARG_BLOB(&change->net, sizeof change->net),
                                  STORE_ARG_INT(state)) };

    if (!core_rows_number(change->tx, STORE_NODE_COUNT, &call, &n, error))
        return false;
    *inout_sum += n;
    return true;
}

/* Room for one more node; pending ones have their own, smaller cap. */
static bool check_room(CoreChange *change, uint64_t index, GError **error)
{
    int64_t pending = 0, all = 0, members = 0;

    if (change->network.approve && !count_nodes(change, CORE_NODE_PENDING, &pending, error))
        return false;
    if (pending >= CORE_NODES_PENDING_MAX)
        return refuse(MESH_ERROR_LIMIT, "too many nodes wait for approval already", error);
    if (change->network.max_nodes > 0 &&
        (!count_nodes(change, CORE_NODE_PENDING, &members, error) ||
         !count_nodes(change, CORE_NODE_ACTIVE, &members, error)))
        return false;
    if (change->network.max_nodes > 0 && members >= change->network.max_nodes) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_FULL,
                    "this network has %d nodes, and may have no more", (int)members);
        return false;
    }
    if (index <= CORE_NODES_MAX) /* there were never more: no need to count */
        return true;
    if (!count_nodes(change, CORE_NODE_PENDING, &all, error) ||
        !count_nodes(change, CORE_NODE_ACTIVE, &all, error) ||
        !count_nodes(change, CORE_NODE_EXPIRED, &all, error))
        return false;
    if (all >= CORE_NODES_MAX)
        return refuse(MESH_ERROR_FULL, "this network is full", error);
    return true;
}

/* Pending or active, as the network wants it; consumes the key. */
static bool admit(CoreChange *change, CoreNodeRow *row, const MeshRegister *request, GError **error)
{
    int64_t owner;

    row->expires = 0;
    row->suspended = false;
    if (!core_keys_use(change, &request->join_key, &owner, error) ||
        !core_users_admit(change, row, owner, error))
        return false;
    if (!change->network.approve)
        return core_certify_admit(change, row, error);
    row->state = CORE_NODE_PENDING;
    return true;
}

static bool prepare_new(CoreChange *change, CoreNodeRow *row, const MeshRegister *request,
                        const MeshRecordK *k, GError **error)
{
    uint64_t index;

    row->node = k->node;
    if (!core_change_next(change, STORE_NETWORK_INDEX, &index, error) ||
        !check_room(change, index, error) ||
        !core_certify_take_k(change, row, request->k, k, error) ||
        !core_certify_choose_name(change, request->name, row->name, error) ||
        !core_addresses_assign6(change, row, error))
        return false;
    row->index = (uint32_t)index;
    row->created = change->now;
    row->want_ip4 = request->ip4;
    return admit(change, row, request, error);
}

static bool join_new(CoreChange *change, const MeshRegister *request, const MeshRecordK *k,
                     GError **error)
{
    CoreNodeRow *row;

    if (!request->has_join)
        return refuse(MESH_ERROR_NOT_MEMBER, "this node is not a member: a join key is needed",
                      error);
    if (!core_keys_check(change, &request->join_key, error)) /* anybody may ask: cost no write */
        return false;
    row = g_new0(CoreNodeRow, 1);
    g_strlcpy(row->os, request->os, sizeof row->os);
    g_strlcpy(row->version, request->version, sizeof row->version);
    if (!prepare_new(change, row, request, k, error)) {
        core_rows_free_node(row);
        return false;
    }
    if (!core_change_put(change, row, true, error))
        return false;
    change->subject = core_rows_copy_node(row);
    return true;
}

/* What a repeat may change. @out_visible: peers see it; @out_facts: only administrators do. */
static bool update_row(CoreChange *change, CoreNodeRow *row, const MeshRegister *request,
                       bool *out_visible, GError **error)
{
    bool new_ip4 = request->ip4 != row->want_ip4;

    row->want_ip4 = request->ip4;
    if (!new_ip4 || row->state != CORE_NODE_ACTIVE) {
        *out_visible |= new_ip4;
        return true;
    }
    *out_visible = true;
    if (!row->want_ip4)
        row->ip4 = 0;
    else if (!core_addresses_assign4(change, row, error))
        return false;
    return core_certify_sign(change, row, error);
}

static bool set_facts(CoreNodeRow *row, const MeshRegister *request)
{
    bool changed = strcmp(row->os, request->os) != 0 || strcmp(row->version, request->version) != 0;

    g_strlcpy(row->os, request->os, sizeof row->os);
    g_strlcpy(row->version, request->version, sizeof row->version);
    return changed;
}

/* Takes @row. */
static bool save_repeat(CoreChange *change, CoreNodeRow *row, bool visible, bool facts,
                        GError **error)
{
    if (visible)
        return core_change_put(change, row, false, error);
    if (facts)
        return core_change_put_facts(change, row, error);
    core_rows_free_node(row);
    return true;
}

/* Takes @row, a member. */
static bool join_again(CoreChange *change, CoreNodeRow *row, const MeshRegister *request,
                       const MeshRecordK *k, GError **error)
{
    uint64_t seq = row->k_seq;
    bool     facts = set_facts(row, request);
    bool     ok = core_certify_take_k(change, row, request->k, k, error);
    bool     visible = ok && row->k_seq != seq;

    if (ok && row->state == CORE_NODE_EXPIRED) {
        visible = true;
        row->want_ip4 = request->ip4;
        if (!row->want_ip4)
            row->ip4 = 0;
        ok = request->has_join ? check_room(change, 0, error) && admit(change, row, request, error)
                               : refuse(MESH_ERROR_EXPIRED,
                                        "the membership has ended: a join key is needed", error);
    } else if (ok) {
        ok = update_row(change, row, request, &visible, error);
    }
    if (!ok) {
        core_rows_free_node(row);
        return false;
    }
    change->subject = core_rows_copy_node(row);
    return save_repeat(change, row, visible, facts, error);
}

bool core_nodes_register(CoreChange *change, const MeshRegister *request, const MeshRecordK *k,
                         GError **error)
{
    g_autoptr(GError) failed = NULL;
    CoreNodeRow *row;

    if (core_rows_get_tomb(change->tx, &change->net, &k->node, &failed))
        return refuse(MESH_ERROR_REMOVED, "this node was removed from the network", error);
    if (failed != NULL) {
        g_propagate_error(error, g_steal_pointer(&failed));
        return false;
    }
    row = core_rows_get_node(change->tx, &change->net, &k->node, &failed);
    if (failed != NULL) {
        g_propagate_error(error, g_steal_pointer(&failed));
        return false;
    }
    if (row == NULL)
        return join_new(change, request, k, error);
    return join_again(change, row, request, k, error);
}
