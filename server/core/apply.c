/* server/core/apply.c: what a committed change does to memory and streams (see networks.h). Control
 * thread only. Changes come in the order of their commits. */
#include "server/core/netmap.h"
#include "server/core/networks.h"
#include "server/core/news.h"
#include "server/core/presence.h"
#include "server/core/users.h"
#include "server/core/waiters.h"

static void add_network(Core *core, CoreChange *change)
{
    CoreNetwork *network = core_model_new_network(&change->network, core->signer, core->users);

    network->relays = &core->relays.map;
    g_hash_table_insert(core->networks, &network->row.net.id, network);
}

static void end_node(Core *core, CoreNode *node, bool expired)
{
    core_relays_end(core, &node->network->row.net.id, node->row->index, &node->row->node);
    core_waiters_end(core, node->stream, core_netmap_encode_end(MESH_MAPLINE_REVOKED, expired));
    core_presence_drop(core, node);
    if (expired)
        core_waiters_refuse(core, node, MESH_ERROR_EXPIRED, "the membership has ended");
    else
        core_waiters_refuse(core, node, MESH_ERROR_REMOVED,
                            "this node was removed from the network");
}

static void remove_network(Core *core, CoreNetwork *network)
{
    GHashTableIter iter;
    gpointer       node;

    g_hash_table_iter_init(&iter, network->nodes);
    while (g_hash_table_iter_next(&iter, NULL, &node))
        end_node(core, node, false);
    core_relays_forget(core, &network->row.net.id);
    g_hash_table_remove(core->networks, &network->row.net.id);
    core_model_free_network(network, core->timers);
}

/* The row as it is after the change; what the change does not know stays. */
static void update_network(CoreNetwork *network, CoreChange *change)
{
    CoreNetworkRow *row = &network->row;

    row->ver = change->network.ver;
    row->approve = change->network.approve;
    row->max_nodes = change->network.max_nodes;
    if (change->network_changed) {
        row->net = change->network.net;
        network->info_ver = row->ver;
    }
    if (!change->policy_changed)
        return;
    mesh_signed_unref(row->policy);
    row->policy = g_steal_pointer(&change->network.policy);
    row->pver = change->network.pver;
    network->policy_ver = row->ver;
}

/* Moves the rows into memory; @change keeps borrowed pointers to them. */
static void put_rows(Core *core, CoreNetwork *network, GPtrArray *rows)
{
    g_ptr_array_set_free_func(rows, NULL);
    for (guint i = 0; i < rows->len; i++) {
        CoreNode *node = core_model_put(network, g_ptr_array_index(rows, i));

        if (node->row->state == CORE_NODE_ACTIVE)
            core_waiters_release(core, node);
        else if (node->row->state == CORE_NODE_EXPIRED)
            end_node(core, node, true);
        else /* it joined again where approval is asked for: it was gone already */
            core_presence_drop(core, node);
    }
}

static void bury_rows(Core *core, CoreNetwork *network, const GArray *rows)
{
    for (guint i = 0; i < rows->len; i++) {
        const CoreTombRow *row = &g_array_index(rows, CoreTombRow, i);
        CoreNode          *node = core_model_find(network, &row->node);

        if (node != NULL)
            end_node(core, node, false);
        core_model_bury(network, row, core->timers);
    }
}

void core_networks_apply(Core *core, CoreChange *change)
{
    CoreNetwork *network;

    core_users_apply(core, change);
    core_relays_apply(core, change);
    for (guint i = 0; change->more != NULL && i < change->more->len; i++)
        core_networks_apply(core, g_ptr_array_index(change->more, i));
    if (change->added) {
        add_network(core, change);
        return;
    }
    network = core_control_find_network(core, &change->net);
    if (network == NULL)
        return;
    if (change->removed) {
        remove_network(core, network);
        return;
    }
    for (guint i = 0; i < change->forgotten->len; i++)
        core_model_forget_tomb(network, &g_array_index(change->forgotten, MeshKey, i));
    put_rows(core, network, change->facts);
    if (!change->bumped)
        return;
    update_network(network, change);
    put_rows(core, network, change->put);
    bury_rows(core, network, change->gone);
    core_news_changed(core, network);
}
