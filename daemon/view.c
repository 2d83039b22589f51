#include "daemon/view.h"

#include "common/std/base64.h"
#include "daemon/clone.h"
#include "daemon/inside.h"
#include "daemon/manage.h"
#include "daemon/offer.h"
#include "daemon/portmap.h"
#include "daemon/problem.h"

#include <sys/socket.h>

#define MAX_LEFT_OUT_SHOWN 16u

static const char *const states[] = {
    [MESHD_ENGINE_DOWN] = "down",       [MESHD_ENGINE_PENDING] = "pending",
    [MESHD_ENGINE_UP] = "up",           [MESHD_ENGINE_REMOVED] = "removed",
    [MESHD_ENGINE_EXPIRED] = "expired", [MESHD_ENGINE_ERROR] = "error",
};

static char *dup_b64u(const MeshKey *key)
{
    char text[MESH_BASE64URL_SIZE(MESH_KEY_BYTES)];

    if (mesh_base64url_encode(MESH_SPAN(key->bytes, sizeof key->bytes), text, sizeof text) < 0)
        text[0] = '\0'; /* cannot be: the buffer is made for it */
    return g_strdup(text);
}

static void add_prefix(GStrvBuilder *builder, const MeshPrefix *prefix)
{
    char text[MESH_IP_PREFIX_TEXT_SIZE];

    if (prefix->addr.family != 0)
        g_strv_builder_add(builder, mesh_ip_format_prefix(prefix, text));
}

static void add_addr(GStrvBuilder *builder, const MeshAddr *addr)
{
    char text[MESH_IP_ADDR_TEXT_SIZE];

    if (addr->family != 0)
        g_strv_builder_add(builder, mesh_ip_format_addr(addr, text));
}

static char **end_builder(GStrvBuilder *builder)
{
    char **list = g_strv_builder_end(builder);

    g_strv_builder_unref(builder);
    return list;
}

static void add_dns_warning(GStrvBuilder *builder, MeshdEngine *engine)
{
    const char      *why;
    const char      *state = meshd_names_get_state(engine->names, &why);
    g_autofree char *text = g_strdup_printf("names (%s): %s", state, why);

    if (why[0] != '\0')
        g_strv_builder_add(builder, text);
}

/* Where another host keeps the node, the error says it. */
static void add_clone(GStrvBuilder *builder, MeshdEngine *engine)
{
    g_autofree char *text = meshd_clone_describe(engine);

    if (text != NULL && !engine->displaced)
        g_strv_builder_add(builder, text);
}

/* Of a damaged network the error says it all. */
static void add_troubles(GStrvBuilder *builder, MeshdEngine *engine)
{
    g_auto(GStrv) troubles = NULL;

    if (engine->profile->stage == MESHD_PROFILE_DAMAGED)
        return;
    troubles =
        meshd_state_list_troubles(engine->host->state, &engine->profile->server.network, NULL);
    for (char **trouble = troubles; *trouble != NULL; trouble++) {
        g_autofree char *text = g_strdup_printf("state on disk: %s", *trouble);

        g_strv_builder_add(builder, text);
    }
}

static void add_clock(GStrvBuilder *builder, MeshdEngine *engine)
{
    int64_t          ahead_s = meshd_problem_get_clock(engine);
    g_autofree char *text = NULL;

    if (ahead_s == 0)
        return;
    text = g_strdup_printf("this host's clock is %" G_GINT64_FORMAT " min %s the server's",
                           (ahead_s > 0 ? ahead_s : -ahead_s) / 60,
                           ahead_s > 0 ? "ahead of" : "behind");
    g_strv_builder_add(builder, text);
}

static char **list_warnings(MeshdEngine *engine, LockVerified *map)
{
    GStrvBuilder      *builder = g_strv_builder_new();
    size_t             n = 0;
    const LockLeftOut *left_out = map != NULL ? lock_verified_get_left_out(map, &n) : NULL;

    add_clone(builder, engine);
    add_clock(builder, engine);
    if (engine->clash != NULL) {
        g_autofree char *text = g_strdup_printf("%s: joined with IPv6 only", engine->clash);

        g_strv_builder_add(builder, text);
    }
    if (map != NULL && !meshd_parts_has_ip(engine->parts, AF_INET6))
        g_strv_builder_add(builder, "this host has IPv6 switched off: IPv4 only, and no way to "
                                    "nodes that have IPv6 only");
    for (size_t i = 0; i < n && i < MAX_LEFT_OUT_SHOWN; i++) {
        g_autofree char *text =
            g_strdup_printf("peer %s is left out: %s", left_out[i].name, left_out[i].reason);

        g_strv_builder_add(builder, text);
    }
    add_dns_warning(builder, engine);
    add_troubles(builder, engine);
    if (map != NULL && lock_verified_get_head(map)->stale &&
        engine->server_state == CONTROL_CONNECTED)
        g_strv_builder_add(builder, "the map is older than the server says");
    return end_builder(builder);
}

static void fill_from_map(MeshdView *view, MeshdEngine *engine, LockVerified *map)
{
    const LockVerifiedHead *head = lock_verified_get_head(map);
    GStrvBuilder           *addresses = g_strv_builder_new();
    GStrvBuilder           *prefixes = g_strv_builder_new();
    bool                    ip4 = meshd_parts_has_ip(engine->parts, AF_INET);

    if (ip4)
        add_addr(addresses, &head->self->ip4);
    if (meshd_parts_has_ip(engine->parts, AF_INET6))
        add_addr(addresses, &head->self->ip6);
    add_prefix(prefixes, &head->network.ip4);
    add_prefix(prefixes, &head->network.ip6);
    view->addresses = end_builder(addresses);
    view->prefixes = end_builder(prefixes);
    view->node_name = g_strdup(head->self->name);
    view->suffix = g_strdup(head->policy->suffix);
    view->map_version =
        g_strdup_printf("%" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT, head->epoch, head->ver);
    view->peers_total = (unsigned)lock_verified_count(map);
    for (size_t i = 0; i < view->peers_total; i++)
        view->peers_online += lock_verified_get_peer(map, i)->online ? 1u : 0u;
}

static void fill_from_plane(MeshdView *view, WirePlane *plane)
{
    GStrvBuilder *engines = g_strv_builder_new();
    WirePlaneInfo info;

    wire_plane_get_info(plane, &info);
    for (WireSuite suite = 0; suite < WIRE_N_SUITES; suite++) {
        g_autofree char *text =
            g_strdup_printf("%s %s", wire_suite_get_cipher(suite), info.engines[suite]);

        if (info.engines[suite] != NULL)
            g_strv_builder_add(engines, text);
    }
    view->engines = end_builder(engines);
    view->ifname = g_strdup(info.ifname);
    view->port = info.listen_port;
    view->mtu = (unsigned)info.mtu;
}

static const char *get_aes_state(const MeshdProfile *profile)
{
    if (meshd_offer_is_made(profile))
        return "on";
    return profile->aes ? "unfit" : "off";
}

/* What stands in the profile; nothing of a damaged one. */
static void fill_from_profile(MeshdView *view, const MeshdProfile *profile)
{
    char key[MESH_KEY_TEXT_SIZE];
    bool known = profile->stage != MESHD_PROFILE_DAMAGED;

    view->hard_nat = !known || profile->hard_nat;
    view->dns = !known || profile->dns;
    view->portmap = !known || profile->portmap;
    view->lan = !known || profile->lan;
    view->aes = !known || profile->aes;
    view->aes_state = get_aes_state(profile);
    view->node_key = known ? dup_b64u(&profile->node) : g_strdup("");
    view->public_key = g_strdup(known ? mesh_key_format(&profile->wg, key) : "");
    view->server = known ? mesh_joinlink_dup_authority(&profile->server) : g_strdup("");
    view->server_key = known ? dup_b64u(&profile->server.server) : g_strdup("");
}

static const char *get_server_state(const MeshdEngine *engine)
{
    if (engine->client == NULL)
        return "off";
    if (engine->server_state == CONTROL_PENDING)
        return "connected";
    return control_client_state_name(engine->server_state);
}

MeshdView *meshd_view_make(MeshdEngine *engine)
{
    const MeshdProfile *profile = engine->profile;
    LockVerified       *map = meshd_parts_get_map(engine->parts);
    WirePlane          *plane = meshd_parts_get_plane(engine->parts);
    MeshdView          *view = g_new0(MeshdView, 1);
    char                id[MESH_NETWORK_ID_TEXT_SIZE];
    const char         *why;

    view->state = states[engine->state];
    view->problem = meshd_problem_judge(engine);
    view->server_state = get_server_state(engine);
    view->dns_state = meshd_names_get_state(engine->names, &why);
    view->portmap_state = meshd_portmap_get_state(engine, MESHD_PORTMAP_UDP4, &why);
    view->portmap_why = g_strdup(why);
    view->peerrelay_state = meshd_peerrelay_get_state(engine, &why);
    view->peerrelay_why = g_strdup(why);
    view->peerrelay_port = profile->peer_relay;
    view->lan_state = meshd_lan_get_state(engine);
    view->id = g_strdup(mesh_network_format_id(&profile->server.network, id));
    view->name = g_strdup(profile->network[0] != '\0' ? profile->network : id);
    view->error = g_strdup(engine->error != NULL ? engine->error : "");
    fill_from_profile(view, profile);
    view->server_error = g_strdup(engine->server_error != NULL ? engine->server_error : "");
    view->endpoints = meshd_report_list(engine->report);
    view->warnings = list_warnings(engine, map);
    meshd_manage_fill(engine, view);
    if (map != NULL)
        fill_from_map(view, engine, map);
    if (plane != NULL)
        fill_from_plane(view, plane);
    if (map == NULL) {
        view->addresses = g_new0(char *, 1);
        view->prefixes = g_new0(char *, 1);
        view->node_name = g_strdup(profile->wish);
        view->map_version = g_strdup("0.0");
        view->suffix = g_strdup("");
    }
    if (plane == NULL) {
        view->ifname = g_strdup("");
        view->engines = g_new0(char *, 1);
    }
    return view;
}

void meshd_view_free(MeshdView *self)
{
    if (self == NULL)
        return;
    g_free(self->id);
    g_free(self->name);
    g_free(self->node_name);
    g_free(self->node_key);
    g_free(self->public_key);
    g_free(self->error);
    g_free(self->server);
    g_free(self->server_key);
    g_free(self->server_error);
    g_free(self->portmap_why);
    g_free(self->peerrelay_why);
    g_free(self->ifname);
    g_free(self->map_version);
    g_free(self->suffix);
    g_free(self->gateway);
    g_strfreev(self->engines);
    g_strfreev(self->routes);
    g_strfreev(self->dns_servers);
    g_strfreev(self->dns_domains);
    g_strfreev(self->addresses);
    g_strfreev(self->prefixes);
    g_strfreev(self->endpoints);
    g_strfreev(self->warnings);
    g_free(self);
}

static void free_peer(gpointer data)
{
    MeshdPeerView *peer = data;

    mesh_member_unref(peer->member);
    path_clear_info(&peer->path);
    g_clear_pointer(&peer->owner, g_ref_string_release);
    g_free(peer);
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    const MeshdPeerView *left = *(const MeshdPeerView *const *)a;
    const MeshdPeerView *right = *(const MeshdPeerView *const *)b;

    return g_strcmp0(left->member->name, right->member->name);
}

/* Owned. */
static MeshdPeerView *make_peer(MeshdEngine *engine, const LockPeer *peer)
{
    Path          *path = meshd_parts_get_path(engine->parts);
    MeshdPeerView *view = g_new0(MeshdPeerView, 1);

    view->member = mesh_member_ref(peer->member);
    view->wg = peer->wg;
    view->online = peer->online;
    view->last_seen = peer->last_seen;
    view->owner = peer->owner != NULL ? g_ref_string_acquire(peer->owner) : NULL;
    view->has_ip4 = meshd_parts_has_ip(engine->parts, AF_INET) && peer->member->ip4.family != 0;
    if (path == NULL || !path_explain(path, &peer->wg, &view->path)) {
        view->path.reason = g_strdup("the network is down");
        view->path.code = "network-down";
    }
    return view;
}

GPtrArray *meshd_view_list_peers(MeshdEngine *engine)
{
    LockVerified *map = meshd_parts_get_map(engine->parts);
    GPtrArray    *list = g_ptr_array_new_with_free_func(free_peer);

    for (size_t i = 0; map != NULL && i < lock_verified_count(map); i++)
        g_ptr_array_add(list, make_peer(engine, lock_verified_get_peer(map, i)));
    g_ptr_array_sort(list, compare_names);
    return list;
}

GPtrArray *meshd_view_list_changed(MeshdEngine *engine, GPtrArray *gone)
{
    g_autoptr(GPtrArray) changed = g_ptr_array_new();
    GPtrArray *list;

    if (!meshd_shown_take(engine->shown, meshd_parts_get_map(engine->parts), changed, gone))
        return NULL;
    list = g_ptr_array_new_with_free_func(free_peer);
    for (guint i = 0; i < changed->len; i++)
        g_ptr_array_add(list, make_peer(engine, changed->pdata[i]));
    return list;
}

bool meshd_view_read_plane(MeshdEngine *engine, WireStats *out_stats)
{
    WirePlane *plane = meshd_parts_get_plane(engine->parts);

    if (plane != NULL)
        wire_plane_get_stats(plane, out_stats);
    return plane != NULL;
}
