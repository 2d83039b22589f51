/* server/core/networks.c: networks: rules (storage thread) and loading (start). */
#include "server/core/networks.h"

#include "common/glib/error.h"
#include "server/core/addresses.h"
#include "server/core/certify.h"
#include "server/core/policy.h"
#include "server/core/users.h"

#include <string.h>

static bool bad(const char *text, GError **error)
{
    g_set_error_literal(error, MESH_ERROR, MESH_ERROR_BAD_REQUEST, text);
    return false;
}

static bool choose_ip4(const char *text, uint64_t used, MeshPrefix *out_prefix, GError **error)
{
    MeshPrefix prefix = { 0 };

    if (text == NULL) {
        *out_prefix = core_addresses_random4(used);
        return true;
    }
    if (strcmp(text, "none") != 0) {
        if (mesh_ip_parse_prefix(text, &prefix) < 0)
            return bad("ip4: not a prefix such as 10.9.0.0/16 (host bits must be zero)", error);
        if (!core_addresses_check_prefix4(&prefix, error))
            return false;
    }
    *out_prefix = prefix;
    return true;
}

typedef struct {
    const char          *name;
    const MeshNetworkId *id;
    unsigned             count;
    bool                 name_taken, id_taken;
    uint64_t             used4; /* of what a new one's prefix is chosen among */
} Others;

static bool on_other(const StoreRow *row, void *user_data)
{
    Others        *others = user_data;
    CoreNetworkRow other;

    core_rows_read_network(row, &other);
    others->count++;
    core_addresses_use4(&others->used4, &other.net.ip4);
    if (mesh_network_equal_id(&other.net.id, others->id))
        others->id_taken = true;
    else if (strcmp(other.net.name, others->name) == 0)
        others->name_taken = true;
    core_rows_clear_network(&other);
    return true;
}

static bool check_name(CoreChange *change, const char *name, Others *out_others, GError **error)
{
    StoreCall call = { .on_row = on_other, .user_data = out_others };

    *out_others = (Others){ .name = name, .id = &change->net };
    if (!mesh_network_is_label(name))
        return bad("name: 1 to 63 of a-z, 0-9 and -, no - at either end", error);
    if (!store_query(change->tx, STORE_NETWORK_ALL, &call, error))
        return false;
    if (out_others->name_taken) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_CONFLICT, "there is a network %s already", name);
        return false;
    }
    return true;
}

static bool insert_row(StoreTx *tx, const CoreNetworkRow *row, GError **error)
{
    char      ip4[MESH_IP_PREFIX_TEXT_SIZE], ip6[MESH_IP_PREFIX_TEXT_SIZE];
    bool      has_ip4 = row->net.ip4.addr.family != 0;
    StoreCall call = { STORE_ARGS(
        STORE_ARG_BLOB(&row->net.id, sizeof row->net.id), STORE_ARG_TEXT(row->net.name),
        STORE_ARG_TEXT(has_ip4 ? mesh_ip_format_prefix(&row->net.ip4, ip4) : NULL),
        STORE_ARG_TEXT(mesh_ip_format_prefix(&row->net.ip6, ip6)), STORE_ARG_INT(row->approve),
        STORE_ARG_INT(row->ver), STORE_ARG_INT(row->epoch), STORE_ARG_INT(0), STORE_ARG_INT(1),
        STORE_ARG_INT(row->next_ip4), STORE_ARG_INT(row->pver),
        STORE_ARG_TEXT(mesh_signed_get_body(row->policy, NULL)),
        STORE_ARG_BLOB(mesh_signed_get_signature(row->policy)->bytes, MESH_SIGN_BYTES),
        STORE_ARG_INT(row->created), STORE_ARG_INT(row->max_nodes),
        STORE_ARG_BLOB(&row->net.lan, sizeof row->net.lan)) };

    return store_query(tx, STORE_NETWORK_INSERT, &call, error);
}

bool core_networks_create(CoreChange *change, const CoreManage *request, GError **error)
{
    CoreNetworkRow *row = &change->network;
    uint32_t        high;
    Others          others;

    if (request->name == NULL)
        return bad("name: missing", error);
    if (!check_name(change, request->name, &others, error) ||
        !choose_ip4(request->ip4, others.used4, &row->net.ip4, error))
        return false;
    if (others.count >= CORE_NETWORKS_MAX || others.id_taken) {
        g_set_error_literal(error, MESH_ERROR, MESH_ERROR_FULL, "this server has no room for more");
        return false;
    }
    row->net.id = change->net;
    row->net.server = *core_signer_get_public(change->signer);
    g_strlcpy(row->net.name, request->name, sizeof row->net.name);
    row->net.ip6 = core_addresses_random6();
    mesh_key_random(&row->net.lan, sizeof row->net.lan);
    row->approve = request->approve == 1;
    row->max_nodes = request->max_nodes > 0 ? (unsigned)request->max_nodes : 0;
    row->ver = row->epoch = 1;
    row->created = change->now;
    if (row->net.ip4.addr.family != 0)
        core_addresses_range4(&row->net.ip4, &row->next_ip4, &high);
    change->added = change->open = change->bumped = true;
    return core_policy_make(row, 1, change->signer, error) && insert_row(change->tx, row, error) &&
           core_change_log(change, "network", NULL, error);
}

bool core_networks_set(CoreChange *change, const CoreManage *request, GError **error)
{
    CoreNetworkRow *row = &change->network;
    bool            rename = request->name != NULL && strcmp(request->name, row->net.name) != 0;
    bool            approve = request->approve >= 0 && (request->approve == 1) != row->approve;
    bool   limit = request->max_nodes >= 0 && (unsigned)request->max_nodes != row->max_nodes;
    Others others;

    if (request->name != NULL && !check_name(change, request->name, &others, error))
        return false;
    if (!rename && !approve && !limit)
        return true;
    if (rename)
        g_strlcpy(row->net.name, request->name, sizeof row->net.name);
    if (approve)
        row->approve = request->approve == 1;
    if (limit)
        row->max_nodes = (unsigned)request->max_nodes;
    StoreCall call = { STORE_ARGS(STORE_ARG_BLOB(&change->net, sizeof change->net),
                                  STORE_ARG_TEXT(row->net.name), STORE_ARG_INT(row->approve),
                                  STORE_ARG_INT(row->max_nodes)) };

    if (!core_change_bump(change, error) ||
        !store_query(change->tx, STORE_NETWORK_SET, &call, error) ||
        !core_change_log(change, "network", NULL, error))
        return false;
    change->network_changed = rename;
    return !rename || core_policy_renew(change, error);
}

bool core_networks_delete(CoreChange *change, GError **error)
{
    StoreCall call = { STORE_ARGS(STORE_ARG_BLOB(&change->net, sizeof change->net)) };

    change->removed = true;
    return store_query(change->tx, STORE_NETWORK_DELETE, &call, error);
}

/* --- loading --------------------------------------------------------------------------------- */

static bool load_network(const StoreRow *row, void *user_data)
{
    Core          *core = user_data;
    CoreNetworkRow read;
    CoreNetwork   *network;

    core_rows_read_network(row, &read);
    network = core_model_new_network(&read, core->signer, core->users);
    network->relays = &core->relays.map;
    g_hash_table_insert(core->networks, &network->row.net.id, network);
    return true;
}

static bool load_node(const StoreRow *row, void *user_data)
{
    CoreNodeRow  *read = g_new0(CoreNodeRow, 1);
    MeshNetworkId id;
    CoreNetwork  *network;

    core_rows_read_node(row, &id, read);
    network = core_control_find_network(user_data, &id);
    if (network != NULL && read->k != NULL)
        core_model_put(network, read);
    else
        core_rows_free_node(read);
    return true;
}

static bool load_tomb(const StoreRow *row, void *user_data)
{
    Core         *core = user_data;
    CoreTombRow   read;
    MeshNetworkId id;
    CoreNetwork  *network;

    core_rows_read_tomb(row, &id, &read);
    network = core_control_find_network(core, &id);
    if (network != NULL)
        core_model_bury(network, &read, core->timers);
    core_relays_recall(core, &id, &read);
    return true;
}

/* A restored network has no policy that a node would take: its version had to grow. */
static bool sign_policies(StoreTx *tx, Core *core, GError **error)
{
    GHashTableIter iter;
    gpointer       each;

    g_hash_table_iter_init(&iter, core->networks);
    while (g_hash_table_iter_next(&iter, NULL, &each)) {
        CoreNetworkRow *row = &((CoreNetwork *)each)->row;

        if (row->policy == NULL && (!core_policy_make(row, row->pver, core->signer, error) ||
                                    !core_policy_save(tx, row, error)))
            return false;
    }
    return true;
}

/* Networks from before there were announcements on links get their secret. It never changes after
 * that: see docs/PATHS.md §7. */
static bool make_lans(StoreTx *tx, Core *core, GError **error)
{
    GHashTableIter iter;
    gpointer       each;

    g_hash_table_iter_init(&iter, core->networks);
    while (g_hash_table_iter_next(&iter, NULL, &each)) {
        MeshNetwork *net = &((CoreNetwork *)each)->row.net;
        StoreCall    call = { STORE_ARGS(STORE_ARG_BLOB(&net->id, sizeof net->id),
                                         STORE_ARG_BLOB(&net->lan, sizeof net->lan)) };

        if (!mesh_key_is_zero(&net->lan))
            continue;
        mesh_key_random(&net->lan, sizeof net->lan);
        if (!store_query(tx, STORE_NETWORK_LAN, &call, error))
            return false;
    }
    return true;
}

/* An M that a restore made void: its serial may be below one that nodes know. */
static bool is_void(const CoreNodeRow *row)
{
    return row->state == CORE_NODE_ACTIVE && row->m_exp == 0;
}

/* All under one version: whoever asks is of another epoch, and gets a snapshot. */
static bool sign_network(CoreChange *change, CoreNetwork *network, GError **error)
{
    GHashTableIter iter;
    gpointer       each;

    if (!core_change_open(change, error))
        return false;
    g_hash_table_iter_init(&iter, network->nodes);
    while (g_hash_table_iter_next(&iter, NULL, &each)) {
        CoreNodeRow *row = ((CoreNode *)each)->row;

        if (!is_void(row))
            continue;
        row = core_rows_copy_node(row);
        if (!core_certify_sign(change, row, error)) {
            core_rows_free_node(row);
            return false;
        }
        if (!core_change_put(change, row, false, error))
            return false;
    }
    g_ptr_array_set_free_func(change->put, NULL);
    for (guint i = 0; i < change->put->len; i++)
        core_model_put(network, g_ptr_array_index(change->put, i));
    network->row.ver = network->info_ver = network->policy_ver = change->network.ver;
    return true;
}

/* Before the first node asks: none may see an M that is older than what it knows. */
static bool sign_members(StoreTx *tx, Core *core, GError **error)
{
    GHashTableIter iter, nodes;
    gpointer       each, node;
    bool           ok = true;

    g_hash_table_iter_init(&iter, core->networks);
    while (ok && g_hash_table_iter_next(&iter, NULL, &each)) {
        CoreNetwork *network = each;
        CoreChange   change;
        bool         any = false;

        g_hash_table_iter_init(&nodes, network->nodes);
        while (!any && g_hash_table_iter_next(&nodes, NULL, &node))
            any = is_void(((CoreNode *)node)->row);
        if (!any)
            continue;
        core_change_init(&change, tx, core->signer, &network->row.net.id);
        ok = sign_network(&change, network, error);
        core_change_done(&change);
    }
    return ok;
}

static bool load(StoreTx *tx, void *data, GError **error)
{
    StoreCall users = { .on_row = core_users_load, .user_data = data };
    StoreCall networks = { .on_row = load_network, .user_data = data };
    StoreCall nodes = { .on_row = load_node, .user_data = data };
    StoreCall tombs = { .on_row = load_tomb, .user_data = data };

    return store_query(tx, STORE_ACCOUNT_ALL, &users, error) &&
           store_query(tx, STORE_NETWORK_ALL, &networks, error) && sign_policies(tx, data, error) &&
           make_lans(tx, data, error) && store_query(tx, STORE_NODE_ALL, &nodes, error) &&
           sign_members(tx, data, error) && store_query(tx, STORE_TOMBSTONE_ALL, &tombs, error) &&
           core_relays_load(tx, &((Core *)data)->relays, error);
}

static gint by_version(gconstpointer a, gconstpointer b, gpointer user_data)
{
    const CoreLogItem *x = a, *y = b;

    (void)user_data;
    return x->ver < y->ver ? -1 : x->ver > y->ver;
}

bool core_networks_load(Core *core, GError **error)
{
    GHashTableIter iter;
    gpointer       network;

    /* the storage thread fills it in while this one waits: the control thread is not there yet */
    if (!store_run(core->store, load, core, error))
        return false;
    g_hash_table_iter_init(&iter, core->networks);
    while (g_hash_table_iter_next(&iter, NULL, &network))
        g_queue_sort(&((CoreNetwork *)network)->log, by_version, NULL);
    return true;
}
