#include "daemon/networks.h"

#include "common/glib/error.h"
#include "common/glib/log.h"
#include "common/std/clock.h"
#include "daemon/host.h"
#include "daemon/inside-networks.h"
#include "daemon/inside.h"
#include "daemon/load.h"
#include "daemon/manage.h"
#include "daemon/repair.h"
#include "daemon/wire/engines.h"

#include <string.h>

typedef struct {
    MeshdNetworks    *owner;
    MeshdNetworksDone done;
    void             *user_data;
} Leave;

MeshdProfile *meshd_networks_get_profile(MeshdNetworks *self, unsigned i)
{
    return meshd_engine_get_profile(self->engines->pdata[i]);
}

bool meshd_networks_is_hidden(MeshdNetworks *self, MeshdEngine *engine)
{
    return g_ptr_array_find(self->hidden, engine, NULL);
}

MeshdEngine *meshd_networks_find_id(MeshdNetworks *self, const MeshNetworkId *id)
{
    for (unsigned i = 0; i < self->engines->len; i++)
        if (mesh_network_equal_id(&meshd_networks_get_profile(self, i)->server.network, id))
            return self->engines->pdata[i];
    return NULL;
}

MeshdEngine *meshd_networks_find(MeshdNetworks *self, const char *text)
{
    MeshNetworkId id;
    MeshdEngine  *engine;

    if (!mesh_network_parse_id(text, &id))
        return NULL;
    engine = meshd_networks_find_id(self, &id);
    return engine != NULL && !meshd_networks_is_hidden(self, engine) ? engine : NULL;
}

static void on_engine_changed(MeshdEngine *engine, bool peers, void *user_data)
{
    MeshdNetworks *self = user_data;

    if (!self->stopping && self->events.changed != NULL && !meshd_networks_is_hidden(self, engine))
        self->events.changed(engine, peers, self->user_data);
}

/* What is wrong on disk is part of every view. */
static void on_state_changed(void *user_data)
{
    MeshdNetworks *self = user_data;

    for (unsigned i = 0; i < self->engines->len; i++)
        on_engine_changed(self->engines->pdata[i], false, self);
    meshd_load_watch(self);
}

static void on_dns_changed(void *user_data)
{
    MeshdNetworks *self = user_data;

    for (unsigned i = 0; i < self->engines->len; i++)
        on_engine_changed(self->engines->pdata[i], false, self);
}

/* Before any network: what a killed predecessor left in resolv.conf may be in the way of all. */
static void start_dns(MeshdNetworks *self, const char *state_dir, const char *runtime_dir)
{
    g_autofree char *record = g_build_filename(state_dir, "resolv.conf", NULL);
    g_autofree char *wish = g_build_filename(runtime_dir, "resolv.conf", NULL);
    g_autoptr(GDBusConnection) connection = g_bus_get_sync(G_BUS_TYPE_SYSTEM, NULL, NULL);
    DnsHostdnsOptions options = { .connection = connection,
                                  .record_path = record,
                                  .wish_path = wish };

    self->hostdns = dns_hostdns_start(&options, on_dns_changed, self);
}

/* ---- life ---- */

MeshdEngine *meshd_networks_add(MeshdNetworks *self, MeshdProfile *profile)
{
    MeshdEngine *engine = meshd_engine_new(&self->host, profile);

    g_ptr_array_add(self->engines, engine);
    meshd_host_tell(self, engine, false);
    return engine;
}

MeshdNetworks *meshd_networks_new(const char *state_dir, const char *runtime_dir, GError **error)
{
    MeshdNetworks   *self = g_new0(MeshdNetworks, 1);
    g_autofree char *ledger = g_build_filename(runtime_dir, "interfaces", NULL);

    self->engines = g_ptr_array_new();
    self->hidden = g_ptr_array_new();
    self->state = meshd_state_open(state_dir, error);
    if (self->state != NULL)
        self->net = net_start(ledger, meshd_host_changed, self, error);
    if (self->net != NULL)
        start_dns(self, state_dir, runtime_dir);
    self->host = (MeshdEngineHost){ .state = self->state,
                                    .net = self->net,
                                    .hostdns = self->hostdns,
                                    .find_clash = meshd_host_find_clash,
                                    .changed = on_engine_changed,
                                    .user_data = self };
    if (self->net == NULL || !meshd_load_all(self, error)) {
        meshd_networks_free(self);
        return NULL;
    }
    self->seen = meshd_host_describe(self);
    meshd_state_watch(self->state, on_state_changed, self);
    return self;
}

void meshd_networks_use_upnp(MeshdNetworks *self, PathUpnp *upnp)
{
    self->host.upnp = upnp;
}

void meshd_networks_free(MeshdNetworks *self)
{
    if (self == NULL)
        return;
    self->stopping = true;
    g_clear_handle_id(&self->again, g_source_remove);
    for (unsigned i = 0; i < self->engines->len; i++)
        meshd_engine_free(self->engines->pdata[i]);
    path_upnp_stop(self->host.upnp); /* what the engines gave back is still done */
    meshd_clocks_stop(self->clocks);
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

static void on_woke(int64_t slept_s, void *user_data)
{
    (void)slept_s;
    meshd_networks_wake(user_data);
}

static void on_clock_set(void *user_data)
{
    MeshdNetworks *self = user_data;

    for (unsigned i = 0; i < self->engines->len; i++)
        meshd_engine_set_clock(self->engines->pdata[i]);
}

void meshd_networks_start(MeshdNetworks *self, const MeshdNetworksEvents *events, void *user_data)
{
    static const MeshdClocksEvents clocks_events = { .woke = on_woke, .set = on_clock_set };

    self->events = *events;
    self->user_data = user_data;
    self->clocks = meshd_clocks_start(&clocks_events, self);
    for (unsigned i = 0; i < self->engines->len; i++) {
        if (self->events.added != NULL)
            self->events.added(self->engines->pdata[i], user_data);
        if (meshd_networks_get_profile(self, i)->up)
            meshd_engine_up(self->engines->pdata[i], on_started, NULL);
    }
}

void meshd_networks_drop(MeshdNetworks *self, MeshdEngine *engine, bool visible)
{
    MeshNetworkId id = meshd_engine_get_profile(engine)->server.network;
    char          text[MESH_NETWORK_ID_TEXT_SIZE];

    g_ptr_array_remove(self->hidden, engine);
    g_ptr_array_remove(self->engines, engine);
    meshd_engine_free(engine);
    if (visible && self->events.removed != NULL)
        self->events.removed(mesh_network_format_id(&id, text), self->user_data);
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
    meshd_networks_drop(self, engine, true);
    if (!meshd_state_remove(self->state, &id, &error))
        mesh_log_error("%s", error->message);
    leave->done(NULL, error, leave->user_data);
    meshd_host_tell_all(self, false); /* its prefixes are free for the others */
}

void meshd_networks_leave(MeshdNetworks *self, MeshdEngine *engine, MeshdLeaveHow how,
                          MeshdNetworksDone done, void *user_data)
{
    Leave *leave = g_new0(Leave, 1);

    leave->owner = self;
    leave->done = done;
    leave->user_data = user_data;
    meshd_engine_leave(engine, how, on_left, leave);
}

/* While an expired member joins again its profile is half old, half new: none to be saved. */
static bool check_whole(MeshdEngine *engine, GError **error)
{
    if (!meshd_load_check(engine, error))
        return false;
    if (meshd_engine_get_profile(engine)->stage != MESHD_PROFILE_JOINING)
        return true;
    g_set_error(error, MESH_ERROR, MESH_ERROR_BUSY, "a join of this network is under way");
    return false;
}

static bool save_wish(MeshdNetworks *self, MeshdEngine *engine, bool up, GError **error)
{
    MeshdProfile *profile = meshd_engine_get_profile(engine);
    bool          before = profile->up;
    g_autoptr(GBytes) bytes = NULL;

    if (before == up) /* on disk, or on its way there */
        return true;
    profile->up = up;
    bytes = meshd_profile_encode(profile);
    if (meshd_state_save(self->state, &profile->server.network, "profile", bytes, error))
        return true;
    profile->up = before;
    return false;
}

static void fail(MeshdNetworksDone done, void *user_data, GError *error)
{
    done(NULL, error, user_data);
    g_error_free(error);
}

void meshd_networks_up(MeshdNetworks *self, MeshdEngine *engine, MeshdUpHow how,
                       MeshdNetworksDone done, void *user_data)
{
    GError *error = NULL;

    if (meshd_load_is_damaged(engine) && (engine = meshd_load_again(self, engine, &error)) == NULL)
        return fail(done, user_data, error);
    if (!check_whole(engine, &error) ||
        (how == MESHD_UP_KEPT && !save_wish(self, engine, true, &error)))
        return fail(done, user_data, error);
    meshd_host_tell(self, engine, false);
    if (how == MESHD_UP_MANAGED)
        return meshd_manage_start(engine, done, user_data);
    engine->lent = false; /* and where NetworkManager has it, it stays after that */
    meshd_engine_up(engine, done, user_data);
}

bool meshd_networks_down(MeshdNetworks *self, MeshdEngine *engine, bool temporary, GError **error)
{
    if (!meshd_load_check(engine, error) || (!temporary && !save_wish(self, engine, false, error)))
        return false; /* and it runs on: what comes back at the next start was not taken down */
    meshd_engine_down(engine);
    return true;
}

/* What a Set may change. */
typedef struct {
    uint16_t     port, peer_relay;
    bool         port_fixed, dns, portmap, hard_nat, lan, aes;
    char         engine[MESHD_PROFILE_ENGINE_SIZE];
    size_t       n_statics;
    MeshEndpoint statics[MESHD_PROFILE_MAX_STATICS];
} Wishes;

static void read_wishes(const MeshdProfile *profile, Wishes *out)
{
    *out = (Wishes){ .port = profile->port,
                     .port_fixed = profile->port_fixed,
                     .dns = profile->dns,
                     .portmap = profile->portmap,
                     .hard_nat = profile->hard_nat,
                     .peer_relay = profile->peer_relay,
                     .lan = profile->lan,
                     .aes = profile->aes,
                     .n_statics = profile->n_statics };
    memcpy(out->statics, profile->statics, sizeof out->statics);
    memcpy(out->engine, profile->engine, sizeof out->engine);
}

static void write_wishes(MeshdProfile *profile, const Wishes *wishes)
{
    profile->port = wishes->port;
    profile->port_fixed = wishes->port_fixed;
    profile->dns = wishes->dns;
    profile->portmap = wishes->portmap;
    profile->hard_nat = wishes->hard_nat;
    profile->peer_relay = wishes->peer_relay;
    profile->lan = wishes->lan;
    profile->aes = wishes->aes;
    memcpy(profile->engine, wishes->engine, sizeof profile->engine);
    profile->n_statics = wishes->n_statics;
    memcpy(profile->statics, wishes->statics, sizeof profile->statics);
}

static bool take_engine(MeshdProfile *profile, const char *engine, GError **error)
{
    bool automatic = strcmp(engine, "auto") == 0;

    if (!automatic && (strlen(engine) >= sizeof profile->engine || !wire_engines_know(engine))) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                    "engine: \"%.32s\" is none of this host's: auto, openssl, or on some "
                    "processors ipsec-mb",
                    engine);
        return false;
    }
    g_strlcpy(profile->engine, automatic ? "" : engine, sizeof profile->engine);
    return true;
}

static bool take_wishes(MeshdProfile *profile, const MeshdSetOptions *options, GError **error)
{
    if (options->endpoints != NULL &&
        !meshd_join_read_endpoints(profile, options->endpoints, error))
        return false;
    if (options->set_port) {
        profile->port = options->port;
        profile->port_fixed = options->port != 0;
    }
    if (options->set_dns)
        profile->dns = options->dns;
    if (options->set_portmap)
        profile->portmap = options->portmap;
    if (options->set_hard_nat)
        profile->hard_nat = options->hard_nat;
    if (options->set_peer_relay)
        profile->peer_relay = options->peer_relay;
    if (options->set_lan)
        profile->lan = options->lan;
    if (options->set_aes)
        profile->aes = options->aes;
    return options->engine == NULL || take_engine(profile, options->engine, error);
}

/* On disk first, then in force; or neither. */
bool meshd_networks_set(MeshdNetworks *self, MeshdEngine *engine, const MeshdSetOptions *options,
                        GError **error)
{
    MeshdProfile *profile = meshd_engine_get_profile(engine);
    g_autoptr(GBytes) bytes = NULL;
    Wishes before;

    if (!check_whole(engine, error))
        return false;
    read_wishes(profile, &before);
    if (!take_wishes(profile, options, error))
        return false;
    bytes = meshd_profile_encode(profile);
    if (!meshd_state_save(self->state, &profile->server.network, "profile", bytes, error)) {
        write_wishes(profile, &before);
        return false;
    }
    if (meshd_engine_refresh(engine, error))
        return true;
    write_wishes(profile, &before);
    meshd_engine_save_profile(engine);
    return false;
}

void meshd_networks_wake(MeshdNetworks *self)
{
    for (unsigned i = 0; i < self->engines->len; i++) {
        meshd_engine_mend(self->engines->pdata[i]);
        meshd_engine_set_clock(self->engines->pdata[i]); /* its timers stood still */
    }
    meshd_host_tell_all(self, true);
}

char **meshd_networks_repair(MeshdNetworks *self)
{
    GPtrArray *found = g_ptr_array_new();

    meshd_repair(&self->host, self->engines, found);
    for (unsigned i = self->engines->len; i-- > 0;) { /* the last first: one that loads moves */
        MeshdEngine *engine = self->engines->pdata[i];

        if (!meshd_load_is_damaged(engine))
            continue;
        engine = meshd_load_again(self, engine, NULL);
        if (engine == NULL)
            continue;
        g_ptr_array_add(found, g_strdup_printf("network %s: its keys can be read again",
                                               meshd_engine_get_profile(engine)->network));
        if (meshd_engine_get_profile(engine)->up)
            meshd_engine_up(engine, on_started, NULL);
    }
    for (unsigned i = 0; i < found->len; i++)
        mesh_log_notice("repair: %s", (const char *)found->pdata[i]);
    g_ptr_array_add(found, NULL);
    return (char **)g_ptr_array_free(found, false);
}
