#include "daemon/networks.h"

#include "common/glib/error.h"
#include "common/glib/log.h"
#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "daemon/clash.h"
#include "daemon/repair.h"

#include <string.h>

enum { KEEP_KEYS_S = 24 * 3600 }; /* of a join whose answer got lost (docs/PROTOCOL.md §5) */

struct MeshdNetworks {
    MeshdState         *state;
    Net                *net;
    DnsHostdns         *hostdns;
    GPtrArray          *engines; /* owned; joined networks and joins under way */
    GPtrArray          *hidden;  /* borrowed engines whose join is under way: nobody sees them */
    MeshdEngineHost     host;    /* what the engines borrow */
    MeshdNetworksEvents events;
    void               *user_data;
    char               *seen; /* describe_host() of last time */
    bool                stopping;
};

/* A join under way. */
typedef struct {
    MeshdNetworks    *owner;
    MeshdProfileStage before; /* to go back to: JOINING for a new network */
    bool              visible;
    MeshdNetworksDone done;
    void             *user_data;
} Join;

typedef struct {
    MeshdNetworks    *owner;
    MeshdNetworksDone done;
    void             *user_data;
} Leave;

static MeshdProfile *get_profile(MeshdNetworks *self, unsigned i)
{
    return meshd_engine_get_profile(self->engines->pdata[i]);
}

static bool is_hidden(MeshdNetworks *self, MeshdEngine *engine)
{
    return g_ptr_array_find(self->hidden, engine, NULL);
}

static MeshdEngine *find_id(MeshdNetworks *self, const MeshNetworkId *id)
{
    for (unsigned i = 0; i < self->engines->len; i++)
        if (mesh_network_equal_id(&get_profile(self, i)->server.network, id))
            return self->engines->pdata[i];
    return NULL;
}

MeshdEngine *meshd_networks_find(MeshdNetworks *self, const char *text)
{
    MeshNetworkId id;
    MeshdEngine  *engine;

    if (!mesh_network_parse_id(text, &id))
        return NULL;
    engine = find_id(self, &id);
    return engine != NULL && !is_hidden(self, engine) ? engine : NULL;
}

/* ---- what networks must not share ---- */

/* Names of all our interfaces, NULL-terminated; borrowed names, owned array. */
static GPtrArray *list_ifnames(MeshdNetworks *self)
{
    GPtrArray *names = g_ptr_array_new();

    for (unsigned i = 0; i < self->engines->len; i++)
        g_ptr_array_add(names, get_profile(self, i)->ifname);
    g_ptr_array_add(names, NULL);
    return names;
}

/* Prefixes that run in the networks beside @but. */
static GArray *list_prefixes(MeshdNetworks *self, MeshdEngine *but)
{
    GArray *list = g_array_new(false, true, sizeof(MeshdClashPrefix));

    for (unsigned i = 0; i < self->engines->len; i++)
        if (self->engines->pdata[i] != but)
            meshd_engine_list_prefixes(self->engines->pdata[i], list);
    return list;
}

static char *find_clash(MeshdEngine *engine, const MeshPrefix *prefix, void *user_data)
{
    MeshdNetworks *self = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) routes = net_list_routes(self->net, &error);
    g_autoptr(GArray) others = list_prefixes(self, engine);
    g_autoptr(GPtrArray) own = list_ifnames(self);

    if (routes == NULL) {
        mesh_log_warning("address clashes cannot be looked for: %s", error->message);
        routes = g_array_new(false, true, sizeof(NetRoute));
    }
    return meshd_clash_find(prefix, others, routes, (const char *const *)own->pdata);
}

/* ---- the host's addresses ---- */

/* Owned array of MeshAddr: the host's, those of our interfaces left out. */
static GArray *list_addrs(MeshdNetworks *self)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) found = net_list_addrs(self->net, &error);
    g_autoptr(GPtrArray) own = list_ifnames(self);
    GArray *addrs = g_array_new(false, true, sizeof(MeshAddr));

    if (found == NULL) {
        mesh_log_warning("%s", error->message);
        return addrs;
    }
    for (unsigned i = 0; i < found->len; i++) {
        const NetAddr *row = &g_array_index(found, NetAddr, i);

        if (!g_strv_contains((const char *const *)own->pdata, row->ifname) &&
            mesh_ip_class(&row->addr) != MESH_IP_LOOPBACK)
            g_array_append_val(addrs, row->addr);
    }
    return addrs;
}

static void tell_host(MeshdNetworks *self, MeshdEngine *engine, bool kick)
{
    g_autoptr(GArray) addrs = list_addrs(self);
    g_autoptr(GArray) others = list_prefixes(self, engine);
    g_autoptr(GArray) foreign = g_array_new(false, true, sizeof(MeshPrefix));

    for (unsigned i = 0; i < others->len; i++)
        g_array_append_val(foreign, g_array_index(others, MeshdClashPrefix, i).prefix);
    meshd_engine_set_host(engine, addrs, foreign, kick);
}

/* That whose change makes a new start worth while: our addresses, and the ways out. Owned text. */
static char *describe_host(MeshdNetworks *self)
{
    GString *text = g_string_new(NULL);
    g_autoptr(GArray) addrs = list_addrs(self);
    g_autoptr(GArray) routes = net_list_routes(self->net, NULL);
    char addr[MESH_IP_ADDR_TEXT_SIZE];

    for (unsigned i = 0; i < addrs->len; i++)
        g_string_append_printf(text, "%s ",
                               mesh_ip_format_addr(&g_array_index(addrs, MeshAddr, i), addr));
    for (unsigned i = 0; routes != NULL && i < routes->len; i++) {
        const NetRoute *route = &g_array_index(routes, NetRoute, i);

        if (route->destination.bits == 0)
            g_string_append_printf(text, "via %s dev %s ",
                                   mesh_ip_format_addr(&route->gateway, addr), route->ifname);
    }
    return g_string_free(text, false);
}

static void tell_all(MeshdNetworks *self, bool kick)
{
    for (unsigned i = 0; i < self->engines->len; i++)
        tell_host(self, self->engines->pdata[i], kick);
}

static void on_net_changed(void *user_data)
{
    MeshdNetworks   *self = user_data;
    g_autofree char *now = describe_host(self);

    for (unsigned i = 0; i < self->engines->len; i++)
        meshd_engine_mend(self->engines->pdata[i]);
    if (g_strcmp0(now, self->seen) == 0)
        return;
    mesh_log_info("the host's network changed: %s", now);
    g_free(self->seen);
    self->seen = g_steal_pointer(&now);
    tell_all(self, true);
}

static void on_engine_changed(MeshdEngine *engine, bool peers, void *user_data)
{
    MeshdNetworks *self = user_data;

    if (!self->stopping && self->events.changed != NULL && !is_hidden(self, engine))
        self->events.changed(engine, peers, self->user_data);
}

static void on_dns_changed(void *user_data)
{
    MeshdNetworks *self = user_data;

    for (unsigned i = 0; i < self->engines->len; i++)
        on_engine_changed(self->engines->pdata[i], false, self);
}

/* Before any network: what a killed predecessor left in resolv.conf may be in the way of all. */
static void start_dns(MeshdNetworks *self, const char *state_dir)
{
    g_autofree char *record = g_build_filename(state_dir, "resolv.conf", NULL);
    g_autoptr(GDBusConnection) connection = g_bus_get_sync(G_BUS_TYPE_SYSTEM, NULL, NULL);
    DnsHostdnsOptions options = { .connection = connection, .record_path = record };

    self->hostdns = dns_hostdns_start(&options, on_dns_changed, self);
}

/* ---- life ---- */

static MeshdEngine *add_engine(MeshdNetworks *self, MeshdProfile *profile)
{
    MeshdEngine *engine = meshd_engine_new(&self->host, profile);

    g_ptr_array_add(self->engines, engine);
    tell_host(self, engine, false);
    return engine;
}

static void load_network(MeshdNetworks *self, const MeshNetworkId *id)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = meshd_state_load(self->state, id, "profile", &error);
    g_autoptr(MeshdProfile) profile = NULL;
    char text[MESH_NETWORK_ID_TEXT_SIZE];

    if (bytes != NULL)
        profile = meshd_profile_decode(bytes, &error);
    if (profile == NULL) {
        mesh_log_error("network %s cannot be loaded: %s", mesh_network_format_id(id, text),
                       error != NULL ? error->message : "it has no profile");
        return;
    }
    if (profile->stage != MESHD_PROFILE_JOINING) {
        add_engine(self, g_steal_pointer(&profile));
        return;
    }
    if (mesh_clock_wall_s() - profile->made_s > KEEP_KEYS_S)
        (void)meshd_state_remove(self->state, id, NULL);
}

static bool load_all(MeshdNetworks *self, GError **error)
{
    g_autoptr(GArray) ids = meshd_state_list(self->state, error);

    for (unsigned i = 0; ids != NULL && i < ids->len; i++)
        load_network(self, &g_array_index(ids, MeshNetworkId, i));
    return ids != NULL;
}

MeshdNetworks *meshd_networks_new(const char *state_dir, const char *runtime_dir, GError **error)
{
    MeshdNetworks   *self = g_new0(MeshdNetworks, 1);
    g_autofree char *ledger = g_build_filename(runtime_dir, "interfaces", NULL);

    self->engines = g_ptr_array_new();
    self->hidden = g_ptr_array_new();
    self->state = meshd_state_open(state_dir, error);
    if (self->state != NULL)
        self->net = net_start(ledger, on_net_changed, self, error);
    if (self->net != NULL)
        start_dns(self, state_dir);
    self->host = (MeshdEngineHost){ .state = self->state,
                                    .net = self->net,
                                    .hostdns = self->hostdns,
                                    .find_clash = find_clash,
                                    .changed = on_engine_changed,
                                    .user_data = self };
    if (self->net == NULL || !load_all(self, error)) {
        meshd_networks_free(self);
        return NULL;
    }
    self->seen = describe_host(self);
    return self;
}

void meshd_networks_free(MeshdNetworks *self)
{
    if (self == NULL)
        return;
    self->stopping = true;
    for (unsigned i = 0; i < self->engines->len; i++)
        meshd_engine_free(self->engines->pdata[i]);
    g_ptr_array_unref(self->engines);
    g_ptr_array_unref(self->hidden);
    dns_hostdns_stop(self->hostdns);
    net_stop(self->net);
    meshd_state_close(self->state);
    g_free(self->seen);
    g_free(self);
}

static void on_started(MeshdEngine *engine, const GError *error, void *user_data)
{
    (void)user_data;
    if (error != NULL && !g_error_matches(error, MESH_ERROR, MESH_ERROR_CANCELLED))
        mesh_log_warning("network %s: %s", meshd_engine_get_profile(engine)->network,
                         error->message);
}

void meshd_networks_start(MeshdNetworks *self, const MeshdNetworksEvents *events, void *user_data)
{
    self->events = *events;
    self->user_data = user_data;
    for (unsigned i = 0; i < self->engines->len; i++) {
        if (self->events.added != NULL)
            self->events.added(self->engines->pdata[i], user_data);
        if (get_profile(self, i)->up)
            meshd_engine_up(self->engines->pdata[i], on_started, NULL);
    }
}

static void drop(MeshdNetworks *self, MeshdEngine *engine, bool visible)
{
    MeshNetworkId id = meshd_engine_get_profile(engine)->server.network;
    char          text[MESH_NETWORK_ID_TEXT_SIZE];

    g_ptr_array_remove(self->hidden, engine);
    g_ptr_array_remove(self->engines, engine);
    meshd_engine_free(engine);
    if (visible && self->events.removed != NULL)
        self->events.removed(mesh_network_format_id(&id, text), self->user_data);
}

/* ---- join ---- */

static bool read_endpoints(MeshdProfile *profile, const char *const *list, GError **error)
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

static bool is_taken(MeshdNetworks *self, const char *ifname)
{
    for (unsigned i = 0; i < self->engines->len; i++)
        if (strcmp(get_profile(self, i)->ifname, ifname) == 0)
            return true;
    return net_exists(self->net, ifname);
}

static bool choose_ifname(MeshdNetworks *self, MeshdProfile *profile, const char *wish,
                          GError **error)
{
    if (wish != NULL && !is_ifname(wish)) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                    "interface: 1 to 15 letters, digits, - _ .");
        return false;
    }
    if (wish != NULL && is_taken(self, wish)) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT, "interface: %s exists already",
                    wish);
        return false;
    }
    if (wish != NULL)
        g_strlcpy(profile->ifname, wish, sizeof profile->ifname);
    profile->ifname_fixed = wish != NULL;
    for (unsigned i = 0; wish == NULL; i++) {
        g_snprintf(profile->ifname, sizeof profile->ifname, "mesh%u", i);
        if (!is_taken(self, profile->ifname))
            break;
    }
    return true;
}

static bool take_options(MeshdNetworks *self, MeshdProfile *profile,
                         const MeshdJoinOptions *options, GError **error)
{
    const char *name = options->name != NULL ? options->name : g_get_host_name();

    if (!choose_ifname(self, profile, options->ifname, error) ||
        (options->endpoints != NULL && !read_endpoints(profile, options->endpoints, error)))
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
        mesh_clock_wall_s() - profile->made_s > KEEP_KEYS_S)
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
    } else if (profile->stage == MESHD_PROFILE_JOINING) {
        if (!is_answer_lost(error))
            (void)meshd_state_remove(self->state, &profile->server.network, NULL);
        drop(self, engine, false);
        return join->done(NULL, error, join->user_data);
    }
    /* A member from here on: what went wrong after that is shown as its state. */
    g_ptr_array_remove(self->hidden, engine);
    if (self->events.added != NULL)
        self->events.added(engine, self->user_data);
    tell_all(self, false);
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

    if (!mesh_key_equal(&profile->server.server, &link->server))
        return fail(join.done, join.user_data,
                    g_error_new(MESH_ERROR, MESH_ERROR_WRONG_SERVER,
                                "this network is joined with another server's key: leave it first "
                                "if you trust the new link"));
    if (is_hidden(self, engine))
        return fail(join.done, join.user_data,
                    g_error_new(MESH_ERROR, MESH_ERROR_BUSY,
                                "a join of this network is under way"));
    if (link->has_secret && profile->stage != MESHD_PROFILE_EXPIRED)
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
        meshd_networks_up(self, engine, false, join.done, join.user_data);
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
        profile = meshd_profile_new(link);
    if (!take_options(self, profile, options, error))
        return NULL;
    bytes = meshd_profile_encode(profile); /* before the server knows them: see find_lost() */
    if (!meshd_state_save(self->state, &link->network, "profile", bytes, error))
        return NULL;
    engine = add_engine(self, g_steal_pointer(&profile));
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
    engine = find_id(self, &link.network);
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

/* ---- leave, up, down, set ---- */

static void on_left(MeshdEngine *engine, const GError *told, void *user_data)
{
    g_autofree Leave *leave = user_data;
    MeshdNetworks    *self = leave->owner;
    MeshNetworkId     id = meshd_engine_get_profile(engine)->server.network;
    g_autoptr(GError) error = NULL;

    if (told != NULL)
        return leave->done(engine, told, leave->user_data);
    drop(self, engine, true);
    if (!meshd_state_remove(self->state, &id, &error))
        mesh_log_error("%s", error->message);
    leave->done(NULL, error, leave->user_data);
    tell_all(self, false); /* its prefixes are free for the others */
}

void meshd_networks_leave(MeshdNetworks *self, MeshdEngine *engine, bool force,
                          MeshdNetworksDone done, void *user_data)
{
    Leave *leave = g_new0(Leave, 1);

    leave->owner = self;
    leave->done = done;
    leave->user_data = user_data;
    meshd_engine_leave(engine, force, on_left, leave);
}

/* While an expired member joins again its profile is half old, half new: none to be saved. */
static bool is_joining(MeshdEngine *engine, GError **error)
{
    if (meshd_engine_get_profile(engine)->stage != MESHD_PROFILE_JOINING)
        return false;
    g_set_error(error, MESH_ERROR, MESH_ERROR_BUSY, "a join of this network is under way");
    return true;
}

static bool save_wish(MeshdNetworks *self, MeshdEngine *engine, bool up, GError **error)
{
    MeshdProfile *profile = meshd_engine_get_profile(engine);
    g_autoptr(GBytes) bytes = NULL;

    profile->up = up;
    bytes = meshd_profile_encode(profile);
    return meshd_state_save(self->state, &profile->server.network, "profile", bytes, error);
}

void meshd_networks_up(MeshdNetworks *self, MeshdEngine *engine, bool temporary,
                       MeshdNetworksDone done, void *user_data)
{
    GError *error = NULL;

    if (is_joining(engine, &error) || (!temporary && !save_wish(self, engine, true, &error)))
        return fail(done, user_data, error);
    tell_host(self, engine, false);
    meshd_engine_up(engine, done, user_data);
}

bool meshd_networks_down(MeshdNetworks *self, MeshdEngine *engine, bool temporary, GError **error)
{
    meshd_engine_down(engine);
    return temporary || save_wish(self, engine, false, error);
}

bool meshd_networks_set(MeshdNetworks *self, MeshdEngine *engine, const MeshdSetOptions *options,
                        GError **error)
{
    MeshdProfile *profile = meshd_engine_get_profile(engine);
    uint16_t      port = profile->port;
    bool          fixed = profile->port_fixed, dns = profile->dns;

    (void)self;
    if (is_joining(engine, error))
        return false;
    if (options->endpoints != NULL && !read_endpoints(profile, options->endpoints, error))
        return false;
    if (options->set_port) {
        profile->port = options->port;
        profile->port_fixed = options->port != 0;
    }
    if (options->set_dns)
        profile->dns = options->dns;
    if (meshd_engine_refresh(engine, error))
        return true;
    profile->dns = dns;
    profile->port = port;
    profile->port_fixed = fixed;
    return false;
}

void meshd_networks_wake(MeshdNetworks *self)
{
    for (unsigned i = 0; i < self->engines->len; i++)
        meshd_engine_mend(self->engines->pdata[i]);
    tell_all(self, true);
}

char **meshd_networks_repair(MeshdNetworks *self)
{
    return meshd_repair(&self->host, self->engines);
}
