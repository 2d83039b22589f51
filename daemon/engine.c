#include "daemon/engine.h"

#include "common/glib/error.h"
#include "common/glib/json.h"
#include "common/glib/log.h"
#include "common/std/clock.h"
#include "daemon/clash.h"
#include "daemon/inside.h"
#include "daemon/offer.h"
#include "daemon/portmap.h"
#include "daemon/problem.h"
#include "daemon/saved.h"

#include <malloc.h>
#include <sys/socket.h>

enum {
    JOIN_TIMEOUT_S = 55, /* the caller on the bus waits a minute */
    UP_TIMEOUT_S = 20,
    LOOK_AGAIN_S = 3600, /* our own record is signed anew in time */
    MEND_S = 5,          /* after the data plane failed */
    MEND_AFTER_MS = 500, /* who takes ours away again and again meets us twice a second */
    TIDY_S = 3,          /* after a map came into force */
    LARGE_MAP = 1000,    /* peers */
    HOST_AGAIN_S = 30,   /* after the host refused: a port may be free, a device there, by then */
};

static void tell(MeshdEngine *self, bool peers)
{
    self->host->changed(self, peers, self->host->user_data);
}

void meshd_engine_set_state(MeshdEngine *self, MeshdEngineState state, const char *error,
                            const char *problem)
{
    if (self->state != state)
        mesh_log_info("network %s: %s%s%s", self->profile->network,
                      (const char *[]){ "down", "pending", "up", "removed", "expired",
                                        "error" }[state],
                      error != NULL ? ": " : "", error != NULL ? error : "");
    if (self->state != state)
        meshd_shown_note(self->shown, NULL);
    self->state = state;
    g_free(self->error);
    self->error = g_strdup(error);
    self->problem = problem;
    tell(self, true);
}

void meshd_engine_finish(MeshdEngine *self, const GError *error)
{
    MeshdEngineDone done = self->done;

    g_clear_handle_id(&self->done_timer, g_source_remove);
    self->done = NULL;
    if (done != NULL)
        done(self, error, self->done_data);
}

void meshd_engine_save_profile(MeshdEngine *self)
{
    g_autoptr(GBytes) bytes = meshd_profile_encode(self->profile);
    const MeshNetworkId *net = &self->profile->server.network;

    if (!meshd_state_save(self->host->state, net, "profile", bytes, NULL))
        meshd_state_save_later(self->host->state, net, "profile", bytes); /* this one says why */
}

static gboolean on_done_timeout(gpointer user_data)
{
    MeshdEngine *self = user_data;
    g_autoptr(GError) error = NULL;

    self->done_timer = 0;
    if (self->server_error != NULL)
        error = g_error_new(MESH_ERROR, MESH_ERROR_UNREACHABLE, "no map from the server yet: %s",
                            self->server_error);
    else
        error = g_error_new(MESH_ERROR, MESH_ERROR_TIMEOUT, "no map from the server in time");
    meshd_engine_finish(self, error);
    return G_SOURCE_REMOVE;
}

static void wait_for(MeshdEngine *self, MeshdEngineDone done, void *user_data, unsigned timeout_s)
{
    g_autoptr(GError) busy = NULL;

    if (self->done != NULL) {
        busy = g_error_new(MESH_ERROR, MESH_ERROR_CANCELLED, "another request took over");
        meshd_engine_finish(self, busy);
    }
    self->done = done;
    self->done_data = user_data;
    self->done_timer = g_timeout_add_seconds(timeout_s, on_done_timeout, self);
}

/* ---- the map ---- */

static gboolean on_look_again(gpointer user_data)
{
    MeshdEngine *self = user_data;

    self->timer = 0;
    if (self->client != NULL && self->profile->stage == MESHD_PROFILE_MEMBER)
        /* as if it had changed: whose membership ended meanwhile has to leave the data plane */
        meshd_engine_use_map(self, control_client_get_map(self->client), MESH_NETMAP_CHANGED);
    return G_SOURCE_REMOVE;
}

/* Reading, verifying and telling of a large map takes more memory than keeping it. */
static gboolean on_tidy(gpointer user_data)
{
    MeshdEngine *self = user_data;

    self->tidy = 0;
    (void)malloc_trim(0);
    return G_SOURCE_REMOVE;
}

static void tidy_later(MeshdEngine *self, const MeshNetmap *map)
{
    g_clear_handle_id(&self->tidy, g_source_remove);
    if (mesh_netmap_count(map) >= LARGE_MAP)
        self->tidy = g_timeout_add_seconds(TIDY_S, on_tidy, self);
}

static void look_again(MeshdEngine *self, int64_t in_s)
{
    g_clear_handle_id(&self->timer, g_source_remove);
    self->timer = g_timeout_add_seconds((guint)CLAMP(in_s, 1, LOOK_AGAIN_S), on_look_again, self);
}

/* Once, before anything on this host is touched: may IPv4 be used here? */
static bool decide_ip4(MeshdEngine *self, const LockVerifiedHead *head, GError **error)
{
    g_autofree char *clash6 =
        self->host->find_clash(self, &head->network.ip6, self->host->user_data);

    if (clash6 != NULL) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_ADDRESS_CLASH, "%s", clash6);
        return false;
    }
    if (head->network.ip4.addr.family == 0 || !self->profile->wants_ip4)
        return true;
    g_free(self->clash);
    self->clash = self->host->find_clash(self, &head->network.ip4, self->host->user_data);
    return true;
}

static bool apply(MeshdEngine *self, LockVerified *verified, GError **error)
{
    const LockVerifiedHead *head = lock_verified_get_head(verified);
    LockVerified           *running = meshd_parts_get_map(self->parts);
    bool                    fresh = running == NULL;
    bool                    ip4;

    if (!fresh && lock_verified_is_alike(running, verified)) {
        meshd_parts_apply_presence(self->parts, verified);
        return true;
    }
    if (fresh && !decide_ip4(self, head, error))
        return false;
    ip4 = self->clash == NULL && self->profile->wants_ip4 && head->self->ip4.family != 0;
    return meshd_parts_apply(self->parts, verified, ip4, error);
}

/* What the parts chose and the server renamed is kept. */
static void note_changes(MeshdEngine *self, LockVerified *verified, bool fresh)
{
    const LockVerifiedHead *head = lock_verified_get_head(verified);
    bool                    renamed = g_strcmp0(self->profile->network, head->network.name) != 0;

    g_strlcpy(self->profile->network, head->network.name, sizeof self->profile->network);
    if (fresh || renamed)
        meshd_engine_save_profile(self);
}

/* An expired membership stops what runs, but not the conversation: the server may have renewed it
 * while we were away. That it ended for good is the server's to say. */
static void fail_map(MeshdEngine *self, const GError *error)
{
    if (g_error_matches(error, MESH_ERROR, MESH_ERROR_EXPIRED))
        meshd_engine_stop_parts(self);
    mesh_log_error("network %s: %s", self->profile->network, error->message);
    meshd_engine_set_state(self,
                           meshd_parts_get_map(self->parts) != NULL ? MESHD_ENGINE_UP
                                                                    : MESHD_ENGINE_ERROR,
                           error->message, meshd_problem_name(error));
    look_again(self, meshd_problem_is_host(error) ? HOST_AGAIN_S : LOOK_AGAIN_S);
}

/* A batch of peers was verified: those that passed come in. */
static void on_checked(void *user_data)
{
    MeshdEngine *self = user_data;

    if (self->client != NULL && self->profile->stage == MESHD_PROFILE_MEMBER)
        meshd_engine_use_map(self, control_client_get_map(self->client), MESH_NETMAP_PRESENCE);
}

/* What the gate could not verify at once goes to threads, and on_checked() comes back. The floors
 * are of what passed: they are saved when all has. */
static void verify_rest(MeshdEngine *self, const MeshNetmap *map, LockVerified *verified)
{
    const LockVerifiedHead *head = lock_verified_get_head(verified);
    int64_t                 now_ms = mesh_clock_boot_ms();

    if (head->n_waiting == 0 && self->news_ms != 0) {
        mesh_log_info("network %s: map %" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT
                      ": all of %zu peers verified after %" G_GINT64_FORMAT " ms",
                      self->profile->network, head->epoch, head->ver, mesh_netmap_count(map),
                      now_ms - self->news_ms);
        self->news_ms = 0;
    }
    if (head->n_waiting > 0 && self->news_ms == 0)
        self->news_ms = now_ms;
    meshd_checks_start(self->checks, map, head->n_waiting + head->n_unheard);
    tidy_later(self, map);
    if (head->n_waiting == 0)
        meshd_saved_put_floors(self);
}

void meshd_engine_use_map(MeshdEngine *self, const MeshNetmap *map, MeshNetmapChange change)
{
    bool fresh = meshd_parts_get_map(self->parts) == NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(LockVerified) verified = lock_gate_verify(self->gate, map, &error);
    const char *policy_error;
    int64_t     next_change;

    if (verified == NULL || !apply(self, verified, &error)) {
        fail_map(self, error);
        meshd_engine_finish(self, error);
        return;
    }
    lock_gate_set_running(self->gate, verified);
    meshd_relaymap_use(self->relays, meshd_parts_get_path(self->parts));
    if (change == MESH_NETMAP_CHANGED)
        meshd_saved_put_map(self, map);
    verify_rest(self, map, verified);
    note_changes(self, verified, fresh);
    policy_error = lock_verified_get_head(verified)->policy_error;
    meshd_engine_set_state(self, MESHD_ENGINE_UP, policy_error,
                           policy_error != NULL ? "policy" : NULL);
    meshd_membership_report(self);
    next_change = lock_verified_get_head(verified)->next_change;
    look_again(self,
               next_change == INT64_MAX ? LOOK_AGAIN_S : next_change - lock_gate_now(self->gate));
    meshd_engine_finish(self, NULL);
}

/* ---- the parts tell ---- */

static void on_path_changed(const MeshKey *wg, void *user_data)
{
    MeshdEngine *self = user_data;
    Path        *path = meshd_parts_get_path(self->parts);
    PathInfo     now = { 0 };

    if (path != NULL && path_explain(path, wg, &now))
        meshd_history_note(self->history, wg, &now);
    path_clear_info(&now);
    meshd_shown_note(self->shown, wg);
    tell(self, true);
}

static void on_self_changed(void *user_data)
{
    meshd_membership_report(user_data);
}

static void on_pong(const WireEvent *event, void *user_data)
{
    MeshdEngine *self = user_data;

    meshd_ping_handle_pong(self->pings, event);
}

static gboolean on_broken_idle(gpointer user_data)
{
    MeshdEngine *self = user_data;

    self->broken = 0;
    meshd_engine_stop_parts(self);
    meshd_engine_set_state(self, MESHD_ENGINE_ERROR, "the interface was taken away: making it anew",
                           "host-refused");
    look_again(self, MEND_S);
    return G_SOURCE_REMOVE;
}

static void on_broken(int errnum, void *user_data)
{
    MeshdEngine *self = user_data;

    mesh_log_error("network %s: the data plane failed: %s", self->profile->network,
                   g_strerror(errnum < 0 ? -errnum : errnum));
    if (self->broken == 0)
        self->broken = g_idle_add(on_broken_idle, self);
}

static const MeshdPartsEvents parts_events = {
    .path_changed = on_path_changed,
    .self_changed = on_self_changed,
    .pong = on_pong,
    .broken = on_broken,
};

void meshd_engine_stop_parts(MeshdEngine *self)
{
    g_clear_handle_id(&self->timer, g_source_remove);
    g_clear_handle_id(&self->broken, g_source_remove);
    g_clear_handle_id(&self->mend, g_source_remove);
    meshd_ping_cancel_all(self->pings);
    meshd_portmap_stop(self);
    meshd_peerrelay_stop(self);
    meshd_lan_stop(self);
    self->news_ms = 0;
    meshd_relaymap_use(self->relays, NULL);
    lock_gate_set_running(self->gate, NULL);
    meshd_parts_stop(self->parts);
    meshd_history_end(self->history);
}

static gboolean on_mend(gpointer user_data)
{
    MeshdEngine *self = user_data;
    bool         ip6 = meshd_parts_has_ip(self->parts, AF_INET6);
    g_autoptr(GError) error = NULL;

    self->mend = 0;
    if (!net_exists(self->host->net, self->profile->ifname)) { /* gone, or under another name */
        if (self->broken == 0)
            self->broken = g_idle_add(on_broken_idle, self);
    } else if (!meshd_parts_mend(self->parts, &error)) {
        mesh_log_warning("network %s: cannot mend: %s", self->profile->network, error->message);
    } else if (ip6 != meshd_parts_has_ip(self->parts, AF_INET6)) {
        tell(self, false);
    }
    return G_SOURCE_REMOVE;
}

void meshd_engine_mend(MeshdEngine *self)
{
    if (self->mend == 0 && meshd_parts_get_map(self->parts) != NULL)
        self->mend = g_timeout_add(MEND_AFTER_MS, on_mend, self);
}

void meshd_engine_set_clock(MeshdEngine *self)
{
    LockVerified *map = meshd_parts_get_map(self->parts);

    if (map != NULL)
        meshd_timestamps_keep(self->timestamps, meshd_parts_get_plane(self->parts), map);
    if (map != NULL || self->timer != 0)
        look_again(self, 0);
}

/* ---- life ---- */

static uint64_t load_seq(const MeshdEngineHost *host, const MeshNetworkId *net)
{
    static const MeshJsonField fields[] = { { .name = "e-seq", .type = MESH_JSON_INT } };
    g_autoptr(GBytes) bytes = meshd_state_load(host->state, net, "seq", NULL);
    g_autoptr(JsonObject) object = NULL;
    uint64_t    seq = 0;
    gsize       len = 0;
    const char *text;

    if (bytes == NULL)
        return 0;
    text = g_bytes_get_data(bytes, &len);
    object = mesh_json_parse(text, len, 1024, NULL);
    if (object == NULL || !mesh_json_read(object, fields, G_N_ELEMENTS(fields), &seq, "", NULL))
        mesh_log_warning("the stored number of our last report is damaged: the clock decides");
    return seq;
}

/* What is shown while nothing runs. */
static MeshdEngineState get_idle_state(const MeshdProfile *profile)
{
    if (profile->stage == MESHD_PROFILE_REMOVED)
        return MESHD_ENGINE_REMOVED;
    return profile->stage == MESHD_PROFILE_EXPIRED ? MESHD_ENGINE_EXPIRED : MESHD_ENGINE_DOWN;
}

MeshdEngine *meshd_engine_new(const MeshdEngineHost *host, MeshdProfile *profile)
{
    MeshdEngine *self = g_new0(MeshdEngine, 1);

    self->host = host;
    self->profile = profile;
    self->gate = lock_gate_new(&profile->server.network, &profile->server.server, &profile->node);
    lock_gate_set_wg(self->gate, &profile->wg);
    self->checks = meshd_checks_new(self->gate, on_checked, self);
    self->lastgood = meshd_lastgood_new(host->state, &profile->server.network);
    self->timestamps = meshd_timestamps_new(host->state, &profile->server.network, self->gate);
    self->names = meshd_names_new(host->hostdns, profile);
    self->parts = meshd_parts_new(&(MeshdPartsNeeds){ host->net, self->names, profile,
                                                      self->timestamps, self->lastgood },
                                  &parts_events, self);
    self->pings = meshd_ping_new(self->parts);
    self->report = meshd_report_new(profile, load_seq(host, &profile->server.network));
    self->history = meshd_history_new();
    self->shown = meshd_shown_new();
    self->relays = meshd_relaymap_new(profile);
    self->addrs = g_array_new(false, true, sizeof(MeshAddr));
    self->foreign = g_array_new(false, true, sizeof(MeshPrefix));
    self->links = g_array_new(false, true, sizeof(unsigned));
    self->lan = meshd_lan_new();
    if (profile->stage == MESHD_PROFILE_REMOVED || profile->stage == MESHD_PROFILE_EXPIRED)
        self->state =
            profile->stage == MESHD_PROFILE_REMOVED ? MESHD_ENGINE_REMOVED : MESHD_ENGINE_EXPIRED;
    return self;
}

void meshd_engine_free(MeshdEngine *self)
{
    g_autoptr(GError) error = NULL;

    if (self == NULL)
        return;
    error = g_error_new(MESH_ERROR, MESH_ERROR_CANCELLED, "the network is gone");
    meshd_engine_finish(self, error);
    meshd_membership_disconnect(self);
    meshd_engine_stop_parts(self);
    meshd_ping_free(self->pings);
    meshd_parts_free(self->parts);
    meshd_names_free(self->names);
    meshd_timestamps_free(self->timestamps);
    meshd_lastgood_free(self->lastgood);
    meshd_report_free(self->report);
    meshd_history_free(self->history);
    meshd_shown_free(self->shown);
    g_clear_handle_id(&self->tidy, g_source_remove);
    meshd_checks_free(self->checks);
    meshd_relaymap_free(self->relays);
    lock_gate_free(self->gate);
    meshd_profile_free(self->profile);
    g_array_unref(self->addrs);
    g_array_unref(self->foreign);
    g_array_unref(self->links);
    meshd_lan_free(self->lan);
    g_free(self->clash);
    g_free(self->error);
    g_free(self->server_error);
    g_free(self);
}

void meshd_engine_join(MeshdEngine *self, MeshdEngineDone done, void *user_data)
{
    g_autoptr(GError) error = NULL;

    wait_for(self, done, user_data, JOIN_TIMEOUT_S);
    if (!meshd_saved_load_floors(self, &error)) {
        meshd_engine_finish(self, error);
        return;
    }
    meshd_offer_settle(self);
    meshd_membership_register(self);
}

static bool check_membership(MeshdEngine *self, GError **error)
{
    MeshdProfileStage stage = self->profile->stage;

    if (stage == MESHD_PROFILE_REMOVED)
        g_set_error(error, MESH_ERROR, MESH_ERROR_REMOVED,
                    "this node was removed from the network: leave it, then join anew");
    else if (stage == MESHD_PROFILE_EXPIRED)
        g_set_error(error, MESH_ERROR, MESH_ERROR_EXPIRED,
                    "this node's membership ended: join again with a new link");
    else
        return meshd_saved_load_floors(self, error);
    return false;
}

void meshd_engine_up(MeshdEngine *self, MeshdEngineDone done, void *user_data)
{
    g_autoptr(GError) error = NULL;

    wait_for(self, done, user_data, UP_TIMEOUT_S);
    self->unread = false;
    if (!check_membership(self, &error)) {
        self->unread = g_error_matches(error, MESH_ERROR, MESH_ERROR_UNREAD);
        if (self->state != MESHD_ENGINE_REMOVED && self->state != MESHD_ENGINE_EXPIRED)
            meshd_engine_set_state(self, MESHD_ENGINE_ERROR, error->message,
                                   meshd_problem_name(error));
        meshd_engine_finish(self, error);
        return;
    }
    if (self->state == MESHD_ENGINE_UP || self->state == MESHD_ENGINE_PENDING) {
        meshd_engine_finish(self, NULL);
        return;
    }
    meshd_offer_settle(self);
    if (self->profile->stage == MESHD_PROFILE_PENDING) {
        meshd_engine_set_state(self, MESHD_ENGINE_PENDING, NULL, NULL);
        meshd_membership_register(self);
        meshd_engine_finish(self, NULL);
        return;
    }
    meshd_saved_start(self, false);
}

void meshd_engine_down(MeshdEngine *self)
{
    g_autoptr(GError) error = NULL;

    meshd_membership_disconnect(self);
    g_clear_pointer(&self->server_error, g_free);
    self->server_problem = NULL;
    self->unread = false;
    meshd_engine_stop_parts(self);
    self->profile->managed = false;
    meshd_engine_set_state(self, get_idle_state(self->profile), NULL, NULL);
    error = g_error_new(MESH_ERROR, MESH_ERROR_CANCELLED, "the network was taken down");
    meshd_engine_finish(self, error);
}

bool meshd_engine_refresh(MeshdEngine *self, GError **error)
{
    LockVerified *map = meshd_parts_get_map(self->parts);

    meshd_offer_settle(self);
    if (map != NULL &&
        !meshd_parts_apply(self->parts, map, meshd_parts_has_ip(self->parts, AF_INET), error))
        return false;
    if (meshd_parts_get_path(self->parts) != NULL)
        path_nudge(meshd_parts_get_path(self->parts));
    meshd_engine_save_profile(self);
    meshd_membership_report(self);
    meshd_shown_note(self->shown, NULL);
    tell(self, false);
    return true;
}

void meshd_engine_ping(MeshdEngine *self, const MeshdPingRequest *request, MeshdPingDone done,
                       void *user_data)
{
    meshd_ping_start(self->pings, request, done, user_data);
}

static void add_prefix(GArray *list, const MeshPrefix *prefix, const char *name)
{
    MeshdClashPrefix row = { .prefix = *prefix };

    if (prefix->addr.family == 0)
        return;
    g_strlcpy(row.name, name, sizeof row.name);
    g_array_append_val(list, row);
}

void meshd_engine_list_prefixes(MeshdEngine *engine, GArray *list)
{
    LockVerified           *map = meshd_parts_get_map(engine->parts);
    const LockVerifiedHead *head = map != NULL ? lock_verified_get_head(map) : NULL;

    if (head == NULL)
        return;
    if (meshd_parts_has_ip(engine->parts, AF_INET))
        add_prefix(list, &head->network.ip4, head->network.name);
    add_prefix(list, &head->network.ip6, head->network.name);
}

MeshdProfile *meshd_engine_get_profile(MeshdEngine *self)
{
    return self->profile;
}
