/* server/core/relays.c: see relays.h. */
#include "server/core/relays.h"

#include "common/proto/token.h"
#include "common/std/clock.h"
#include "server/core/control.h"

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

void core_relays_answer(Core *core, const CoreNode *node, const CoreCaller *caller, CoreReturn to)
{
    const MeshSignSecret *secret = core_signer_get_secret(core->signer);
    const MeshNetworkId  *net = &node->network->row.net.id;
    MeshToken             token = make_token(core, node);
    MeshRelayAnswer       answer = { .observed = caller->observed };
    GError               *error = NULL;
    size_t                len;
    char                 *text;

    answer.r = mesh_relaymap_sign(&core->relays.map, net, secret, &error);
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
