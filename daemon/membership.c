/* daemon/membership.c: an engine's conversation with the server: register, state, reports, leave.
 */
#include "common/glib/error.h"
#include "common/glib/jsonout.h"
#include "common/glib/log.h"
#include "daemon/clone.h"
#include "daemon/inside.h"
#include "daemon/offer.h"
#include "daemon/path/doctor.h"
#include "daemon/portmap.h"
#include "daemon/problem.h"

#include <string.h>
#include <sys/socket.h>

enum {
    REGISTER_TRIES = 3,
    LEAVE_TIMEOUT_MS = 10000,
    MAX_HEALTH = 8,
    AGAIN_S = 600, /* after it ended the conversation, but not our membership */
};

static void tell(MeshdEngine *self, bool peers)
{
    self->host->changed(self, peers, self->host->user_data);
}

static PathHost get_path_host(MeshdEngine *self)
{
    return (PathHost){ .addrs = (const MeshAddr *)(void *)self->addrs->data,
                       .n_addrs = self->addrs->len,
                       .nat64 = self->nat64,
                       .presence_known = self->server_state == CONTROL_CONNECTED };
}

static void finish_leave(MeshdEngine *self, const GError *error);

/* ---- what the client tells ---- */

static void on_state(ControlClient *client, ControlState state, const GError *why, void *user_data)
{
    MeshdEngine *self = user_data;
    PathHost     host;

    (void)client;
    self->server_state = state;
    g_free(self->server_error);
    self->server_error = why != NULL ? g_strdup(why->message) : NULL;
    self->server_problem = meshd_problem_name_server(why);
    if (g_error_matches(why, MESH_ERROR, MESH_ERROR_CLONED) && !self->displaced)
        meshd_clone_step_back(self);
    host = get_path_host(self);
    meshd_parts_set_host(self->parts, &host);
    if (state == CONTROL_PENDING && self->profile->stage != MESHD_PROFILE_PENDING) {
        meshd_engine_stop_parts(self); /* it was a member: a restored server may think otherwise */
        self->profile->stage = MESHD_PROFILE_PENDING;
        mesh_joinlink_wipe(&self->profile->server);
        meshd_engine_save_profile(self);
    }
    if (state == CONTROL_PENDING) {
        meshd_engine_set_state(self, MESHD_ENGINE_PENDING, NULL, NULL);
        meshd_engine_finish(self, NULL);
    }
    meshd_shown_note(self->shown, NULL);
    tell(self, true);
}

/* The server's prefix is known before anything on this host is touched. Returns true when we have
 * to register once more, without IPv4. */
static bool meets_clash(MeshdEngine *self, const MeshNetwork *network, const MeshMember *member)
{
    if (member->ip4.family == 0 || network->ip4.addr.family == 0)
        return false;
    g_free(self->clash);
    self->clash = self->host->find_clash(self, &network->ip4, self->host->user_data);
    if (self->clash == NULL)
        return false;
    self->profile->has_ip4 = false;
    return true;
}

static void on_registered(ControlClient *client, const MeshRegisterAnswer *answer, void *user_data)
{
    MeshdEngine *self = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(MeshMember) member = lock_gate_open_member(self->gate, answer->m, &error);

    if (member == NULL) {
        meshd_engine_set_state(self, MESHD_ENGINE_ERROR, error->message, meshd_problem_name(error));
        meshd_engine_finish(self, error);
        return;
    }
    if (self->profile->has_ip4 && meets_clash(self, &answer->network, member)) {
        meshd_membership_register(self);
        return;
    }
    self->profile->stage = MESHD_PROFILE_MEMBER;
    mesh_joinlink_wipe(&self->profile->server);
    g_strlcpy(self->profile->network, answer->network.name, sizeof self->profile->network);
    if (answer->observed.family != 0)
        self->observed = answer->observed;
    meshd_engine_save_profile(self);
    control_client_start(client, NULL);
    tell(self, false);
}

static void on_map(ControlClient *client, const MeshNetmap *map, MeshNetmapChange change,
                   void *user_data)
{
    MeshdEngine *self = user_data;

    (void)client;
    self->displaced = self->unknown = false;
    meshd_engine_use_map(self, map, change);
}

static void on_observed(ControlClient *client, const MeshAddr *address, void *user_data)
{
    MeshdEngine *self = user_data;

    (void)client;
    self->observed = *address;
    meshd_membership_report(self);
}

static void on_seq(ControlClient *client, uint64_t min_seq, void *user_data)
{
    MeshdEngine *self = user_data;

    (void)client;
    meshd_report_raise(self->report, min_seq);
    meshd_membership_report(self);
}

/* It may wait for approval there, or be known by now. The second such answer is believed. */
static void ask_again(MeshdEngine *self)
{
    self->unknown = true;
    meshd_membership_register(self);
}

static gboolean on_again(gpointer user_data)
{
    MeshdEngine *self = user_data;

    self->again = 0;
    if (self->client == NULL || self->profile->stage == MESHD_PROFILE_JOINING)
        return G_SOURCE_REMOVE;
    if (self->unknown || self->profile->stage == MESHD_PROFILE_PENDING)
        meshd_membership_register(self);
    else
        control_client_start(self->client, NULL);
    return G_SOURCE_REMOVE;
}

/* The server refuses us: it may be restored, updated or given its key back, and nobody here should
 * have to notice that. */
static void wait_refused(MeshdEngine *self, const GError *why)
{
    bool gone = g_error_matches(why, MESH_ERROR, MESH_ERROR_NO_NETWORK) || self->unknown;
    g_autofree char *text = NULL;

    if (gone) /* else what runs goes on without news */
        meshd_engine_stop_parts(self);
    if (self->unknown)
        text = g_strdup_printf("the server does not know this node any more (%s): join again with "
                               "a new link; the keys stay the same",
                               why->message);
    meshd_engine_set_state(self,
                           !gone && self->state == MESHD_ENGINE_UP ? MESHD_ENGINE_UP
                                                                   : MESHD_ENGINE_ERROR,
                           text != NULL ? text : why->message,
                           self->unknown ? "unknown-node" : meshd_problem_name_server(why));
    g_clear_handle_id(&self->again, g_source_remove);
    self->again = g_timeout_add_seconds(AGAIN_S, on_again, self);
}

bool meshd_membership_is_unknown(const MeshdEngine *self)
{
    return self->unknown;
}

static void on_cloned(ControlClient *client, void *user_data)
{
    (void)client;
    meshd_clone_heard(user_data);
}

static void on_relays(ControlClient *client, const MeshRelayAnswer *answer, void *user_data)
{
    MeshdEngine *self = user_data;

    (void)client;
    meshd_relaymap_take(self->relays, answer);
}

static void on_fatal(ControlClient *client, const GError *told, void *user_data)
{
    MeshdEngine *self = user_data;
    g_autoptr(GError) why = g_error_copy(told); /* the client may go below */

    (void)client;
    mesh_log_warning("network %s: the server ended the conversation: %s", self->profile->network,
                     why->message);
    if (self->left != NULL && g_error_matches(why, MESH_ERROR, MESH_ERROR_REMOVED)) {
        finish_leave(self, NULL); /* the stream tells before the answer does */
        return;
    }
    if (self->profile->stage == MESHD_PROFILE_JOINING) {
        meshd_engine_set_state(self, MESHD_ENGINE_ERROR, why->message,
                               meshd_problem_name_server(why));
        meshd_engine_finish(self, why);
        return;
    }
    if (g_error_matches(why, MESH_ERROR, MESH_ERROR_REMOVED))
        meshd_membership_end(self, MESHD_PROFILE_REMOVED, why->message);
    else if (g_error_matches(why, MESH_ERROR, MESH_ERROR_EXPIRED))
        meshd_membership_end(self, MESHD_PROFILE_EXPIRED, why->message);
    else if (g_error_matches(why, MESH_ERROR, MESH_ERROR_NOT_MEMBER) && !self->unknown)
        ask_again(self);
    else
        wait_refused(self, why);
    meshd_engine_finish(self, why);
}

static const ControlEvents control_events = {
    .state = on_state,
    .registered = on_registered,
    .map = on_map,
    .observed = on_observed,
    .seq = on_seq,
    .relays = on_relays,
    .fatal = on_fatal,
    .cloned = on_cloned,
};

/* ---- what the engine asks for ---- */

void meshd_membership_connect(MeshdEngine *self)
{
    ControlOptions options = { .server = &self->profile->server,
                               .secret = self->profile->secret,
                               .node = self->profile->node };

    if (self->client != NULL)
        return;
    self->client = control_client_new(&options, &control_events, self);
    self->k_epoch = 0; /* the one before may not have got it through */
}

static bool make_request(MeshdEngine *self, MeshRegister *out, GError **error)
{
    MeshdProfile        *profile = self->profile;
    const MeshNetworkId *net = &profile->server.network;
    MeshRecordK          k = meshd_profile_make_k(profile);
    MeshSignSecret      *join;
    MeshKey              join_public;

    memset(out, 0, sizeof *out);
    out->proto = 1;
    out->k = mesh_record_sign_k(&k, net, profile->secret, error);
    if (out->k == NULL)
        return false;
    g_strlcpy(out->name, profile->wish, sizeof out->name);
    g_strlcpy(out->os, "linux", sizeof out->os);
    g_strlcpy(out->version, MESH_VERSION, sizeof out->version);
    out->ip4 = profile->has_ip4;
    if (!profile->server.has_secret)
        return true;
    join = mesh_key_alloc(sizeof *join);
    if (join == NULL)
        g_error("out of memory for keys");
    mesh_joinlink_make_pair(profile->server.secret, join, &join_public);
    mesh_register_sign_join(out, net, join, &join_public);
    mesh_key_free(join);
    return true;
}

void meshd_membership_register(MeshdEngine *self)
{
    bool joining = self->profile->stage == MESHD_PROFILE_JOINING;
    g_autoptr(GError) error = NULL;
    MeshRegister request;

    meshd_membership_connect(self);
    if (make_request(self, &request, &error)) {
        control_client_register(self->client, &request, joining ? REGISTER_TRIES : 0);
    } else {
        meshd_engine_set_state(self, MESHD_ENGINE_ERROR, error->message, meshd_problem_name(error));
        meshd_engine_finish(self, error);
    }
    mesh_register_clear(&request);
}

void meshd_membership_disconnect(MeshdEngine *self)
{
    MeshdEngineDone left = self->left;
    g_autoptr(GError) error = NULL;

    control_client_free(g_steal_pointer(&self->client)); /* answers nobody any more */
    g_clear_handle_id(&self->again, g_source_remove);
    meshd_clone_forget(self);
    self->unknown = false;
    self->server_state = CONTROL_OFF;
    self->left = NULL;
    if (left == NULL)
        return;
    error = g_error_new(MESH_ERROR, MESH_ERROR_CANCELLED,
                        "the connection to the server ended before it answered: leave again");
    left(self, error, self->left_data);
}

void meshd_membership_end(MeshdEngine *self, MeshdProfileStage stage, const char *why)
{
    self->profile->stage = stage;
    meshd_engine_save_profile(self);
    meshd_membership_disconnect(self);
    meshd_engine_stop_parts(self);
    meshd_engine_set_state(self,
                           stage == MESHD_PROFILE_EXPIRED ? MESHD_ENGINE_EXPIRED
                                                          : MESHD_ENGINE_REMOVED,
                           why, stage == MESHD_PROFILE_EXPIRED ? "expired" : "removed");
}

/* Peers that did not pass the gate, for whoever looks after the network. Owned. */
static char **list_health(MeshdEngine *self)
{
    LockVerified      *map = meshd_parts_get_map(self->parts);
    size_t             n = 0;
    const LockLeftOut *left_out = map != NULL ? lock_verified_get_left_out(map, &n) : NULL;
    char             **list = g_new0(char *, MAX_HEALTH + 1);

    for (size_t i = 0; i < n && i < MAX_HEALTH; i++) {
        char text[MESH_SESSION_HEALTH_SIZE];

        g_snprintf(text, sizeof text, "left out %s: %s", left_out[i].name, left_out[i].reason);
        list[i] = g_utf8_make_valid(text, -1); /* cut inside a character, perhaps */
    }
    return list;
}

static void save_seq(MeshdEngine *self)
{
    MeshJsonOut out;
    size_t      len = 0;
    char       *text;
    g_autoptr(GBytes) bytes = NULL;

    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    mesh_jsonout_int(&out, "e-seq", (int64_t)meshd_report_get_seq(self->report));
    mesh_jsonout_close(&out, '}');
    text = mesh_jsonout_finish(&out, &len);
    bytes = g_bytes_new_take(text, len);
    meshd_state_save_later(self->host->state, &self->profile->server.network, "seq", bytes);
}

void meshd_membership_report(MeshdEngine *self)
{
    WirePlane    *plane = meshd_parts_get_plane(self->parts);
    Path         *path = meshd_parts_get_path(self->parts);
    PathSelf      about;
    WirePlaneInfo info;
    PathOwn       own = { .addrs = (const MeshAddr *)(void *)self->addrs->data,
                          .n_addrs = self->addrs->len,
                          .statics = self->profile->statics,
                          .n_statics = self->profile->n_statics,
                          .observed = self->observed };
    g_autoptr(MeshSigned) e = NULL;
    g_autoptr(MeshSigned) k = NULL;
    g_auto(GStrv) health = NULL;

    meshd_portmap_follow(self);
    meshd_peerrelay_follow(self);
    meshd_lan_follow(self);
    if (plane == NULL || path == NULL || self->client == NULL)
        return;
    wire_plane_get_info(plane, &info);
    path_get_self(path, &about);
    own.port = info.listen_port;
    own.seen = about.seen;
    own.mapped = meshd_portmap_get(self, MESHD_PORTMAP_UDP4);
    own.tcp = meshd_portmap_get(self, MESHD_PORTMAP_TCP4);
    own.relay = meshd_peerrelay_get(self);
    k = meshd_offer_take_news(self);
    e = meshd_report_sign(self->report, &own, &about, lock_gate_server_now(self->gate));
    if (e == NULL)
        return;
    meshd_lan_told(self, e);
    health = list_health(self);
    control_client_report(self->client, e, k, (const char *const *)health);
    save_seq(self);
    tell(self, false);
}

static void finish_leave(MeshdEngine *self, const GError *error)
{
    MeshdEngineDone left = self->left;

    self->left = NULL;
    if (error == NULL || self->left_how == MESHD_LEAVE_FORCE) {
        meshd_engine_down(self);
        error = NULL;
    }
    left(self, error, self->left_data);
    if (error != NULL && self->state == MESHD_ENGINE_DOWN)
        meshd_membership_disconnect(self); /* was made for this alone */
}

static void on_left(ControlClient *client, const GError *error, void *user_data)
{
    (void)client;
    finish_leave(user_data, error);
}

void meshd_engine_leave(MeshdEngine *self, MeshdLeaveHow how, MeshdEngineDone done, void *user_data)
{
    g_autoptr(GError) busy = NULL;

    if (self->left != NULL) {
        busy = g_error_new(MESH_ERROR, MESH_ERROR_BUSY, "leaving already");
        done(self, busy, user_data);
        return;
    }
    self->left = done;
    self->left_data = user_data;
    self->left_how = how;
    if (self->profile->stage == MESHD_PROFILE_REMOVED || /* it knows */
        how == MESHD_LEAVE_LOCAL ||
        (self->profile->stage == MESHD_PROFILE_DAMAGED && how == MESHD_LEAVE_FORCE)) {
        finish_leave(self, NULL);
        return;
    }
    if (self->profile->stage == MESHD_PROFILE_DAMAGED) {
        g_autoptr(GError) mute = g_error_new_literal(MESH_ERROR, MESH_ERROR_STATE, self->error);

        finish_leave(self, mute);
        return;
    }
    meshd_membership_connect(self);
    control_client_leave(self->client, LEAVE_TIMEOUT_MS, on_left, self);
}

static void copy_array(GArray *to, const GArray *from)
{
    g_array_set_size(to, 0);
    if (from->len > 0)
        g_array_append_vals(to, from->data, from->len);
}

void meshd_engine_set_host(MeshdEngine *self, const MeshdHostNews *news)
{
    PathHost host;

    copy_array(self->addrs, news->addrs);
    copy_array(self->foreign, news->foreign);
    copy_array(self->links, news->links);
    self->gateway = news->gateway;
    self->gateway6 = news->gateway6;
    self->nat64 = news->nat64;
    lock_gate_set_foreign(self->gate, (const MeshPrefix *)(void *)news->foreign->data,
                          news->foreign->len);
    host = get_path_host(self);
    host.check = news->kick;
    meshd_parts_set_host(self->parts, &host);
    if (news->kick) {
        meshd_portmap_ask_again(self);
        meshd_lan_renew(self);
    }
    meshd_membership_report(self);
    if (news->kick && self->client != NULL)
        control_client_kick(self->client);
    if (news->kick && meshd_parts_get_path(self->parts) != NULL)
        path_netcheck_renew(path_get_netcheck(meshd_parts_get_path(self->parts)));
}
