/* daemon/join.c: joining a network: options, keys of a lost answer, what a join link of a network
 * that we are in means. See inside-networks.h. */
#include "common/glib/error.h"
#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "daemon/host.h"
#include "daemon/inside-networks.h"
#include "daemon/inside.h"
#include "daemon/load.h"
#include "daemon/offer.h"

#include <string.h>

/* A join under way. */
typedef struct {
    MeshdNetworks    *owner;
    MeshdProfileStage before; /* to go back to: JOINING for a new network */
    bool              visible;
    MeshdNetworksDone done;
    void             *user_data;
} Join;

bool meshd_join_read_endpoints(MeshdProfile *profile, const char *const *list, GError **error)
{
    MeshEndpoint found[MESHD_PROFILE_MAX_STATICS];
    size_t       n = 0;

    for (; list[n] != NULL; n++) {
        if (n == MESHD_PROFILE_MAX_STATICS) {
            g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT, "endpoints: more than %u",
                        MESHD_PROFILE_MAX_STATICS);
            return false;
        }
        if (mesh_endpoint_parse(list[n], &found[n]) < 0 || found[n].scope != 0) {
            g_autofree char *shown = g_utf8_make_valid(list[n], -1);

            g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                        "endpoint \"%s\" is not ADDRESS:PORT", shown);
            return false;
        }
    }
    memcpy(profile->statics, found, n * sizeof found[0]);
    profile->n_statics = n;
    return true;
}

static bool is_ifname(const char *text)
{
    size_t len = strlen(text);

    if (len == 0 || len >= MESHD_PROFILE_IFNAME_SIZE || strcmp(text, ".") == 0 ||
        strcmp(text, "..") == 0)
        return false;
    for (; *text != '\0'; text++)
        if (!g_ascii_isalnum(*text) && strchr("-_.", *text) == NULL)
            return false;
    return true;
}

static bool choose_ifname(MeshdNetworks *self, MeshdProfile *profile, const char *wish,
                          GError **error)
{
    if (wish != NULL && !is_ifname(wish)) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                    "interface: 1 to 15 letters, digits, - _ .");
        return false;
    }
    if (wish != NULL && meshd_host_is_taken(self, wish)) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT, "interface: %s exists already",
                    wish);
        return false;
    }
    if (wish != NULL)
        g_strlcpy(profile->ifname, wish, sizeof profile->ifname);
    profile->ifname_fixed = wish != NULL;
    for (unsigned i = 0; wish == NULL; i++) {
        g_snprintf(profile->ifname, sizeof profile->ifname, "mesh%u", i);
        if (!meshd_host_is_taken(self, profile->ifname))
            break;
    }
    return true;
}

static bool take_options(MeshdNetworks *self, MeshdProfile *profile,
                         const MeshdJoinOptions *options, GError **error)
{
    const char *name = options->name != NULL ? options->name : g_get_host_name();

    if (!choose_ifname(self, profile, options->ifname, error) ||
        (options->endpoints != NULL &&
         !meshd_join_read_endpoints(profile, options->endpoints, error)))
        return false;
    mesh_network_fold_label(name, profile->wish);
    profile->port = options->port;
    profile->port_fixed = options->port != 0;
    profile->wants_ip4 = profile->has_ip4 = !options->no_ip4;
    profile->up = true;
    return true;
}

/* The keys of a membership that could not be loaded are not written over: it may be the disk's
 * fault, or ours, and pass. */
static bool is_free(MeshdNetworks *self, const MeshNetworkId *net, GError **error)
{
    g_autoptr(GError) why = NULL;
    g_autoptr(GBytes) bytes = meshd_state_load(self->state, net, "profile", &why);
    g_autoptr(MeshdProfile) profile = bytes != NULL ? meshd_profile_decode(bytes, &why) : NULL;
    char id[MESH_NETWORK_ID_TEXT_SIZE];

    if (why == NULL && (profile == NULL || profile->stage == MESHD_PROFILE_JOINING))
        return true;
    g_set_error(error, MESH_ERROR, MESH_ERROR_STATE,
                "this host has keys for that network, but cannot use them (%s): restart meshd, or "
                "remove networks/%s from its state directory to give them up",
                why != NULL ? why->message : "they were not loaded",
                mesh_network_format_id(net, id));
    return false;
}

/* Keys of an earlier join of the same network whose answer got lost are used again. */
static MeshdProfile *find_lost(MeshdNetworks *self, const MeshJoinlink *link)
{
    g_autoptr(GBytes) bytes = meshd_state_load(self->state, &link->network, "profile", NULL);
    g_autoptr(MeshdProfile) profile = bytes != NULL ? meshd_profile_decode(bytes, NULL) : NULL;

    if (profile == NULL || profile->stage != MESHD_PROFILE_JOINING ||
        !mesh_key_equal(&profile->server.server, &link->server) ||
        mesh_clock_wall_s() - profile->made_s > MESHD_JOIN_KEEP_S)
        return NULL;
    mesh_joinlink_wipe(&profile->server);
    profile->server = *link;
    return g_steal_pointer(&profile);
}

static bool is_answer_lost(const GError *error)
{
    return g_error_matches(error, MESH_ERROR, MESH_ERROR_UNREACHABLE) ||
           g_error_matches(error, MESH_ERROR, MESH_ERROR_TIMEOUT) ||
           g_error_matches(error, MESH_ERROR, MESH_ERROR_INTERNAL) ||
           g_error_matches(error, MESH_ERROR, MESH_ERROR_CANCELLED);
}

static void on_back(MeshdEngine *engine, const GError *error, void *user_data)
{
    (void)engine, (void)error, (void)user_data; /* shown as its state */
}

static void on_joined(MeshdEngine *engine, const GError *told, void *user_data)
{
    g_autofree Join *join = user_data;
    MeshdNetworks   *self = join->owner;
    MeshdProfile    *profile = meshd_engine_get_profile(engine);
    g_autoptr(GError) error = told != NULL ? g_error_copy(told) : NULL;

    if (self->stopping)
        return join->done(NULL, error, join->user_data);
    if (profile->stage == MESHD_PROFILE_JOINING && join->visible) { /* it was expired before */
        profile->stage = join->before;
        mesh_joinlink_wipe(&profile->server);
        meshd_engine_down(engine);
        if (join->before == MESHD_PROFILE_MEMBER) /* one that the server did not know */
            meshd_engine_up(engine, on_back, NULL);
    } else if (profile->stage == MESHD_PROFILE_JOINING) {
        if (!is_answer_lost(error))
            (void)meshd_state_remove(self->state, &profile->server.network, NULL);
        meshd_networks_drop(self, engine, false);
        return join->done(NULL, error, join->user_data);
    }
    /* A member from here on: what went wrong after that is shown as its state. */
    g_ptr_array_remove(self->hidden, engine);
    if (self->events.added != NULL)
        self->events.added(engine, self->user_data);
    meshd_host_tell_all(self, false);
    if (join->visible && error != NULL)
        return join->done(NULL, error, join->user_data);
    join->done(engine, NULL, join->user_data);
}

static void start_join(MeshdEngine *engine, const Join *values)
{
    Join *join = g_new(Join, 1);

    *join = *values;
    meshd_engine_join(engine, on_joined, join);
}

static void fail(MeshdNetworksDone done, void *user_data, GError *error)
{
    done(NULL, error, user_data);
    g_error_free(error);
}

/* A link of a network that we are in (docs/PROTOCOL.md §3). */
static void join_again(MeshdNetworks *self, MeshdEngine *engine, const MeshJoinlink *link,
                       const Join *values)
{
    MeshdProfile *profile = meshd_engine_get_profile(engine);
    Join          join = *values;

    if (meshd_load_is_damaged(engine)) {
        GError *error = NULL;

        (void)meshd_load_check(engine, &error);
        return fail(join.done, join.user_data, error);
    }
    if (!mesh_key_equal(&profile->server.server, &link->server))
        return fail(join.done, join.user_data,
                    g_error_new(MESH_ERROR, MESH_ERROR_WRONG_SERVER,
                                "this network is joined with another server's key: leave it first "
                                "if you trust the new link"));
    if (meshd_networks_is_hidden(self, engine))
        return fail(join.done, join.user_data,
                    g_error_new(MESH_ERROR, MESH_ERROR_BUSY,
                                "a join of this network is under way"));
    if (link->has_secret && profile->stage != MESHD_PROFILE_EXPIRED &&
        !meshd_membership_is_unknown(engine))
        return fail(join.done, join.user_data,
                    g_error_new(MESH_ERROR, MESH_ERROR_ALREADY_JOINED,
                                profile->stage == MESHD_PROFILE_REMOVED
                                    ? "this node was removed from that network: leave it, then "
                                      "join again"
                                    : "this host is in that network already: see \"mesh "
                                      "status\""));
    meshd_engine_down(engine);
    g_strlcpy(profile->server.host, link->host, sizeof profile->server.host);
    profile->server.port = link->port;
    profile->server.webpki = link->webpki;
    profile->up = true;
    join.visible = true;
    join.before = profile->stage;
    if (!link->has_secret) {
        meshd_networks_up(self, engine, MESHD_UP_KEPT, join.done, join.user_data);
        return;
    }
    memcpy(profile->server.secret, link->secret, sizeof profile->server.secret);
    profile->server.has_secret = true;
    profile->stage = MESHD_PROFILE_JOINING;
    start_join(engine, &join);
}

static MeshdEngine *prepare_join(MeshdNetworks *self, const MeshJoinlink *link,
                                 const MeshdJoinOptions *options, GError **error)
{
    g_autoptr(MeshdProfile) profile = NULL;
    g_autoptr(GBytes) bytes = NULL;
    MeshdEngine *engine;

    if (self->engines->len >= MESHD_NETWORKS_MAX) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_LIMIT, "%u networks are joined already",
                    MESHD_NETWORKS_MAX);
        return NULL;
    }
    if (!link->has_secret) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_LINK,
                    "the link has no join secret (k=), and this host is not in that network");
        return NULL;
    }
    if (!is_free(self, &link->network, error))
        return NULL;
    profile = find_lost(self, link);
    if (profile == NULL)
        profile = meshd_offer_new_profile(link);
    if (!take_options(self, profile, options, error))
        return NULL;
    bytes = meshd_profile_encode(profile); /* before the server knows them: see find_lost() */
    if (!meshd_state_save(self->state, &link->network, "profile", bytes, error))
        return NULL;
    engine = meshd_networks_add(self, g_steal_pointer(&profile));
    g_ptr_array_add(self->hidden, engine);
    return engine;
}

void meshd_networks_join(MeshdNetworks *self, const char *text, const MeshdJoinOptions *options,
                         MeshdNetworksDone done, void *user_data)
{
    Join join = {
        .owner = self, .before = MESHD_PROFILE_JOINING, .done = done, .user_data = user_data
    };
    GError      *error = NULL;
    MeshJoinlink link;
    MeshdEngine *engine;

    if (!mesh_joinlink_parse(text, &link, &error))
        return fail(done, user_data, error);
    engine = meshd_networks_find_id(self, &link.network);
    if (engine != NULL) {
        join_again(self, engine, &link, &join);
    } else {
        engine = prepare_join(self, &link, options, &error);
        if (engine != NULL)
            start_join(engine, &join);
        else
            fail(done, user_data, error);
    }
    mesh_joinlink_wipe(&link);
}
