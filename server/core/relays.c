/* server/core/relays.c: see relays.h. */
#include "server/core/relays.h"

#include "common/proto/token.h"
#include "common/std/clock.h"
#include "server/core/control.h"
#include "server/core/news.h"

#include <string.h>

typedef struct {
    uint64_t ver;
    char    *own; /* owned; NULL: no row yet */
} State;

static bool on_state(const StoreRow *row, void *user_data)
{
    State *state = user_data;

    state->ver = (uint64_t)store_row_int(row, 0);
    state->own = g_strdup(store_row_text(row, 1));
    return false;
}

/* What nodes are told of us; "" when we are no relay. Owned. */
static char *describe_own(const CoreRelayList *list)
{
    MeshJsonOut out;

    if (list->config.own.id == 0)
        return g_strdup("");
    mesh_jsonout_init(&out);
    mesh_relaymap_encode_entry(&list->config.own, &out, NULL);
    return mesh_jsonout_finish(&out, NULL);
}

static bool save(StoreTx *tx, uint64_t ver, const char *own, GError **error)
{
    StoreCall call = { STORE_ARGS(STORE_ARG_INT(ver), STORE_ARG_TEXT(own)) };

    return store_query(tx, STORE_RELAY_MAP_SET, &call, error);
}

bool core_relays_load(StoreTx *tx, CoreRelayList *list, GError **error)
{
    State            state = { 0 };
    StoreCall        call = { .on_row = on_state, .user_data = &state };
    g_autofree char *own = describe_own(list), *before = NULL;
    bool             ok = store_query(tx, STORE_RELAY_MAP_GET, &call, error);

    before = state.own;
    if (ok && strcmp(before != NULL ? before : "", own) != 0)
        ok = save(tx, ++state.ver, own, error);
    list->map.ver = state.ver;
    ok = ok && core_relayrules_read(tx, list->rows, error);
    list->map.n_relays = 0;
    if (list->config.own.id != 0)
        list->map.relays[list->map.n_relays++] = list->config.own;
    return ok;
}

static MeshToken make_token(const Core *core, const CoreNode *node)
{
    const CoreRelays *config = &core->relays.config;

    return (MeshToken){
        .node = node->row->node,
        .index = node->row->index,
        .exp = mesh_clock_wall_s() + CORE_RELAY_TOKEN_S,
        .bps = config->bps,
        .burst = config->burst,
    };
}

static bool is_of(const CoreRelayRow *row, const MeshNetworkId *net)
{
    return row->all || mesh_network_equal_id(&row->net, net);
}

static void make_map(const CoreRelayList *list, const MeshNetworkId *net, MeshRelayMap *out)
{
    *out = list->map;
    for (guint i = 0; i < list->rows->len; i++) {
        const CoreRelayRow *row = &g_array_index(list->rows, CoreRelayRow, i);

        if (is_of(row, net) && out->n_relays < MESH_RELAYMAP_MAX_RELAYS)
            out->relays[out->n_relays++] = row->entry;
    }
}

void core_relays_answer(Core *core, const CoreNode *node, const CoreCaller *caller, CoreReturn to)
{
    const MeshSignSecret *secret = core_signer_get_secret(core->signer);
    const MeshNetworkId  *net = &node->network->row.net.id;
    MeshToken             token = make_token(core, node);
    MeshRelayAnswer       answer = { .observed = caller->observed };
    MeshRelayMap          map;
    GError               *error = NULL;
    size_t                len;
    char                 *text;

    make_map(&core->relays, net, &map);
    answer.r = mesh_relaymap_sign(&map, net, secret, &error);
    if (answer.r != NULL)
        answer.t = mesh_token_sign(&token, net, secret, &error);
    if (answer.t == NULL) {
        core_answer_send_error(to, error);
    } else {
        text = mesh_relaymap_encode_answer(&answer, &len);
        core_answer_send_body(to, 200, text, len);
    }
    mesh_relaymap_clear_answer(&answer);
}

void core_relays_end(const Core *core, const MeshNetworkId *net, uint32_t index,
                     const MeshKey *node)
{
    const CoreRelays *config = &core->relays.config;

    if (config->ended != NULL)
        config->ended(config->data, net, index, node);
}

void core_relays_recall(const Core *core, const MeshNetworkId *net, const CoreTombRow *tomb)
{
    if (tomb->removed + CORE_RELAY_TOKEN_S >= mesh_clock_wall_s())
        core_relays_end(core, net, tomb->index, &tomb->node);
}

/* --- relays beside this server ----------------------------------------------------------------
 */

static void put_row(GArray *rows, const CoreRelayRow *row)
{
    guint at = 0;

    while (at < rows->len && g_array_index(rows, CoreRelayRow, at).entry.id < row->entry.id)
        at++;
    if (at < rows->len && g_array_index(rows, CoreRelayRow, at).entry.id == row->entry.id)
        g_array_index(rows, CoreRelayRow, at) = *row;
    else
        g_array_insert_val(rows, at, *row);
}

static void drop_row(GArray *rows, uint16_t id)
{
    for (guint i = rows->len; i-- > 0;)
        if (g_array_index(rows, CoreRelayRow, i).entry.id == id)
            g_array_remove_index(rows, i);
}

void core_relays_apply(Core *core, const CoreChange *change)
{
    const CoreRelayRow *row = &change->relay;
    GHashTableIter      iter;
    gpointer            each;

    if (row->entry.id == 0)
        return;
    if (change->relay_gone)
        drop_row(core->relays.rows, row->entry.id);
    else
        put_row(core->relays.rows, row);
    core->relays.map.ver = change->relays_ver;
    g_hash_table_iter_init(&iter, core->networks);
    while (g_hash_table_iter_next(&iter, NULL, &each)) {
        CoreNetwork *network = each;

        if (is_of(row, &network->row.net.id))
            core_news_relays(core, network);
    }
}

void core_relays_forget(Core *core, const MeshNetworkId *net)
{
    GArray *rows = core->relays.rows;

    for (guint i = rows->len; i-- > 0;) {
        const CoreRelayRow *row = &g_array_index(rows, CoreRelayRow, i);

        if (!row->all && mesh_network_equal_id(&row->net, net))
            g_array_remove_index(rows, i);
    }
}

const CoreRelayRow *core_relays_find(const Core *core, const char *name)
{
    const GArray *rows = core->relays.rows;

    for (guint i = 0; name != NULL && i < rows->len; i++)
        if (strcmp(g_array_index(rows, CoreRelayRow, i).entry.name, name) == 0)
            return &g_array_index(rows, CoreRelayRow, i);
    return NULL;
}

static void describe_row(Core *core, const CoreRelayRow *row, GPtrArray *values)
{
    CoreNetwork   *network = row->all ? NULL : core_control_find_network(core, &row->net);
    CoreRelayInfo *info = g_new0(CoreRelayInfo, 1);

    info->entry = row->entry;
    info->network = network != NULL ? g_strdup(network->row.net.name) : NULL;
    info->created = row->created;
    info->own = row->entry.id == CORE_RELAY_OWN_ID;
    g_ptr_array_add(values, info);
}

GPtrArray *core_relays_describe(Core *core, const char *only)
{
    GPtrArray    *values = g_ptr_array_new_with_free_func(core_values_free_relay);
    const GArray *rows = core->relays.rows;
    CoreRelayRow  own = { .all = true, .entry = core->relays.config.own };

    if (own.entry.id != 0 && (only == NULL || strcmp(own.entry.name, only) == 0))
        describe_row(core, &own, values);
    for (guint i = 0; i < rows->len; i++) {
        const CoreRelayRow *row = &g_array_index(rows, CoreRelayRow, i);

        if (only == NULL || strcmp(row->entry.name, only) == 0)
            describe_row(core, row, values);
    }
    return values;
}
