/* server/core/model.c: networks, nodes and tombstones in memory. Control thread only. */
#include "server/core/model.h"

#include "server/core/vouch.h"

#include <string.h>

static guint hash_key(gconstpointer key)
{
    guint hash; /* keys are uniformly distributed already */

    memcpy(&hash, key, sizeof hash);
    return hash;
}

static gboolean equal_key(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, MESH_KEY_BYTES) == 0;
}

static void free_chunk(gpointer data)
{
    CoreChunk *chunk = data;

    g_clear_pointer(&chunk->lines, g_ptr_array_unref);
    g_clear_pointer(&chunk->endpoints, g_bytes_unref);
    g_free(chunk);
}

CoreNetwork *core_model_new_network(CoreNetworkRow *row, const CoreSigner *signer,
                                    GHashTable *users)
{
    CoreNetwork *network = g_new0(CoreNetwork, 1);

    network->row = *row;
    row->policy = NULL;
    network->signer = signer;
    network->users = users;
    network->row.net.server = *core_signer_get_public(signer);
    network->info_ver = network->policy_ver = network->row.ver; /* when is not stored: told again */
    network->nodes = g_hash_table_new(hash_key, equal_key);
    network->tombs = g_hash_table_new_full(hash_key, equal_key, NULL, g_free);
    network->chunks = g_ptr_array_new_with_free_func(free_chunk);
    network->by_index = g_array_new(FALSE, TRUE, sizeof(CoreNode *));
    network->presence_news = g_ptr_array_new();
    network->endpoint_news = g_ptr_array_new();
    network->streams = g_ptr_array_new();
    g_queue_init(&network->log);
    return network;
}

static void free_node(CoreNode *node, CoreTimers *timers)
{
    core_timers_disarm(timers, &node->offline);
    if (node->wait != NULL)
        core_timers_disarm(timers, &node->wait->timer);
    g_free(node->wait);
    g_free(node->stream);
    g_free(node->clones);
    g_strfreev(node->endpoints);
    mesh_signed_unref(node->e);
    mesh_signed_unref(node->sound_m);
    g_clear_pointer(&node->ep_line, g_bytes_unref);
    core_rows_free_node(node->row);
    g_free(node);
}

void core_model_free_network(CoreNetwork *network, CoreTimers *timers)
{
    GHashTableIter iter;
    gpointer       node;

    if (network == NULL)
        return;
    core_timers_disarm(timers, &network->flush);
    g_hash_table_iter_init(&iter, network->nodes);
    while (g_hash_table_iter_next(&iter, NULL, &node))
        free_node(node, timers);
    g_hash_table_unref(network->nodes);
    g_hash_table_unref(network->tombs);
    g_ptr_array_unref(network->chunks);
    g_ptr_array_unref(network->presence_news);
    g_ptr_array_unref(network->endpoint_news);
    mesh_signed_unref(network->tip);
    g_ptr_array_unref(network->streams);
    g_array_unref(network->by_index);
    core_rows_clear_network(&network->row);
    g_free(network);
}

CoreNode *core_model_find(CoreNetwork *network, const MeshKey *node)
{
    return g_hash_table_lookup(network->nodes, node);
}

bool core_model_is_removed(CoreNetwork *network, const MeshKey *node)
{
    return g_hash_table_contains(network->tombs, node);
}

static CoreNode *add_node(CoreNetwork *network, CoreNodeRow *row)
{
    CoreNode *node = g_new0(CoreNode, 1);

    node->network = network;
    node->item.node = node;
    node->log.data = &node->item;
    if (network->by_index->len <= row->index)
        g_array_set_size(network->by_index, row->index + 1);
    g_array_index(network->by_index, CoreNode *, row->index) = node;
    while (network->chunks->len <= row->index / CORE_CHUNK_NODES)
        g_ptr_array_add(network->chunks, g_new0(CoreChunk, 1));
    g_queue_push_tail_link(&network->log, &node->log);
    return node;
}

CoreNode *core_model_put(CoreNetwork *network, CoreNodeRow *row)
{
    CoreNode *node = core_model_find(network, &row->node);

    if (node == NULL) {
        node = add_node(network, row);
    } else {
        g_hash_table_remove(network->nodes, &node->row->node);
        network->active -= node->row->state == CORE_NODE_ACTIVE;
        row->last_seen = MAX(row->last_seen, node->row->last_seen);
        core_rows_free_node(node->row);
    }
    node->row = row;
    g_hash_table_insert(network->nodes, &node->row->node, node); /* the key lives in the row */
    network->active += row->state == CORE_NODE_ACTIVE;
    if (node->item.ver != row->ver) {
        node->item.ver = row->ver;
        g_queue_unlink(&network->log, &node->log);
        g_queue_push_tail_link(&network->log, &node->log);
    }
    core_vouch_take(node);
    core_model_touch(node);
    return node;
}

void core_model_bury(CoreNetwork *network, const CoreTombRow *row, CoreTimers *timers)
{
    CoreNode *node = core_model_find(network, &row->node);
    CoreTomb *tomb = g_new0(CoreTomb, 1);

    if (node != NULL) {
        core_model_touch(node);
        network->active -= node->row->state == CORE_NODE_ACTIVE;
        network->online -= node->online;
        g_array_index(network->by_index, CoreNode *, node->row->index) = NULL;
        g_ptr_array_remove_fast(network->presence_news, node);
        g_ptr_array_remove_fast(network->endpoint_news, node);
        g_queue_unlink(&network->log, &node->log);
        g_hash_table_remove(network->nodes, &node->row->node);
        free_node(node, timers);
    }
    tomb->row = *row;
    tomb->item = (CoreLogItem){ .ver = row->ver, .tomb = &tomb->row };
    tomb->log.data = &tomb->item;
    g_queue_push_tail_link(&network->log, &tomb->log);
    g_hash_table_replace(network->tombs, &tomb->row.node, tomb);
    network->parted += row->parted;
}

void core_model_forget_tomb(CoreNetwork *network, const MeshKey *node)
{
    CoreTomb *tomb = g_hash_table_lookup(network->tombs, node);

    if (tomb == NULL)
        return;
    network->parted -= tomb->row.parted;
    g_queue_unlink(&network->log, &tomb->log);
    g_hash_table_remove(network->tombs, node);
}

static void forget_chunk(CoreChunk *chunk)
{
    g_clear_pointer(&chunk->lines, g_ptr_array_unref);
    g_clear_pointer(&chunk->endpoints, g_bytes_unref);
}

void core_model_touch(CoreNode *node)
{
    forget_chunk(g_ptr_array_index(node->network->chunks, node->row->index / CORE_CHUNK_NODES));
}

void core_model_forget_texts(CoreNetwork *network)
{
    for (guint i = 0; i < network->chunks->len; i++)
        forget_chunk(g_ptr_array_index(network->chunks, i));
    for (guint i = 0; i < network->by_index->len; i++) {
        CoreNode *node = g_array_index(network->by_index, CoreNode *, i);

        if (node != NULL)
            g_clear_pointer(&node->ep_line, g_bytes_unref);
    }
}
