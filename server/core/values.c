/* server/core/values.c: what administrators see, as values. */
#include "common/proto/joinlink.h"
#include "common/std/base64.h"
#include "common/std/key.h"
#include "server/core/addresses.h"
#include "server/core/clones.h"
#include "server/core/model.h"

#include <string.h>
#include <sys/socket.h>

void core_values_free_network(gpointer data)
{
    CoreNetworkInfo *info = data;

    if (info != NULL)
        g_free(info->name);
    g_free(info);
}

void core_values_free_key(gpointer data)
{
    CoreKeyInfo *info = data;

    if (info == NULL)
        return;
    mesh_joinlink_free_text(info->link);
    g_free(info->note);
    g_free(info->user);
    g_free(info);
}

void core_values_free_relay(gpointer data)
{
    CoreRelayInfo *info = data;

    if (info != NULL)
        g_free(info->network);
    g_free(info);
}

void core_values_free_user(gpointer data)
{
    CoreUserInfo *info = data;

    if (info == NULL)
        return;
    g_free(info->name);
    g_free(info->note);
    g_free(info);
}

void core_values_free_node(gpointer data)
{
    CoreNodeInfo *info = data;

    if (info == NULL)
        return;
    g_free(info->name);
    g_free(info->user);
    g_strfreev(info->endpoints);
    g_free(info->os);
    g_free(info->version);
    g_free(info);
}

static void format_key(const MeshKey *key, char out_text[CORE_KEY_TEXT])
{
    if (mesh_base64url_encode(MESH_SPAN(key->bytes, sizeof key->bytes), out_text, CORE_KEY_TEXT) <
        0)
        out_text[0] = '\0';
}

CoreNodeInfo *core_values_make_node(const CoreNode *node)
{
    const CoreNodeRow *row = node->row;
    CoreNodeInfo      *info = g_new0(CoreNodeInfo, 1);
    MeshAddr           ip4 = core_addresses_make4(row->ip4);
    MeshAddr           ip6 = mesh_ip_make_addr(AF_INET6, row->ip6);
    const CoreUserRow *user = g_hash_table_lookup(node->network->users, &row->owner);

    info->index = row->index;
    info->name = g_strdup(row->name);
    format_key(&row->node, info->node);
    format_key(&row->wg, info->wg);
    if (ip4.family != 0)
        mesh_ip_format_addr(&ip4, info->ip4);
    if (row->state != CORE_NODE_PENDING)
        mesh_ip_format_addr(&ip6, info->ip6);
    info->state = row->state;
    info->suspended = row->suspended;
    info->cloned = core_clones_get_proof(node);
    info->user = user != NULL ? g_strdup(user->name) : NULL;
    info->online = node->online;
    info->endpoints = g_strdupv(node->endpoints);
    info->created = row->created;
    info->last_seen = row->last_seen;
    info->expires = row->expires;
    info->os = g_strdup(row->os);
    info->version = g_strdup(row->version);
    return info;
}
