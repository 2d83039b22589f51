#include "daemon/parts.h"

#include "common/glib/error.h"
#include "common/glib/log.h"
#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "daemon/lock/compare.h"
#include "daemon/offer.h"
#include "daemon/offloads.h"
#include "daemon/path/change.h"
#include "daemon/planeconfig.h"
#include "daemon/wire/engines.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>

enum {
    MAX_EVENTS_A_TURN = 256, /* then other sources get their turn */
    MTU = 1400,              /* with 32 + 16 + 8 + 40 bytes around it fits by a relay over IPv6 */
};

struct MeshdParts {
    Net             *net;        /* borrowed */
    MeshdProfile    *profile;    /* borrowed */
    MeshdTimestamps *timestamps; /* borrowed */
    MeshdLastgood   *lastgood;   /* borrowed */
    MeshdPartsEvents events;
    void            *user_data;
    LockVerified    *map; /* in force; NULL: nothing runs */
    bool             ip4; /* what it was applied with */
    bool             ip6; /* of the host network as it is now */
    WirePlane       *plane;
    MeshdPlaneWish   told;   /* what the plane was told last; owns a reference on its map */
    WireConfig      *config; /* the same, made; owned */
    guint            watch;  /* of the plane's events; 0: none */
    guint            keeper; /* timer of the timestamps; 0: none */
    MeshdNames      *names;  /* borrowed */
    bool             ours;   /* what is on the interface: we set it */
    Path            *path;
    MeshdPlaneWish   pathed; /* what paths were told last; owns a reference on its map */
    GArray          *addrs;  /* MeshAddr, for paths that start later */
    bool             presence_known;
    MeshPrefix       nat64;      /* that a router announced; bits 0: none */
    bool             tcp_let_in; /* by a router */
    bool             relayless;  /* as paths told, and is in force */
    guint            follow;     /* idle source: it may be another; 0: none */
};

/* One try of meshd_parts_apply(). */
typedef struct {
    LockVerified *map;
    bool          ip4;
} Wanted;

/* ---- data plane ---- */

static gboolean on_wire_events(gint fd, GIOCondition condition, gpointer user_data)
{
    MeshdParts *self = user_data;
    WireEvent   event;

    (void)fd;
    (void)condition;
    for (int i = 0; i < MAX_EVENTS_A_TURN && wire_plane_next_event(self->plane, &event); i++) {
        if (event.kind == WIRE_EVENT_PONG)
            self->events.pong(&event, self->user_data);
        else if (event.kind == WIRE_EVENT_FAILED)
            self->events.broken(event.id, self->user_data);
        else if (self->path != NULL)
            path_handle_event(self->path, &event);
    }
    return G_SOURCE_CONTINUE;
}

static gboolean on_keep(gpointer user_data)
{
    MeshdParts *self = user_data;

    meshd_timestamps_keep(self->timestamps, self->plane, self->map);
    return G_SOURCE_CONTINUE;
}

/* mesh0, mesh1 …: the first that the host does not have. */
static void choose_ifname(MeshdParts *self)
{
    for (unsigned i = 0; i < 1000 && net_exists(self->net, self->profile->ifname); i++)
        g_snprintf(self->profile->ifname, sizeof self->profile->ifname, "mesh%u", i);
}

static MeshErrorCode judge_start(int rc)
{
    if (rc == -EPERM || rc == -EACCES)
        return MESH_ERROR_NO_PERMISSION;
    return rc == -ENODEV || rc == -ENOENT ? MESH_ERROR_NO_TUN : MESH_ERROR_HOST;
}

static bool start_plane(MeshdParts *self, GError **error)
{
    WirePlaneOptions options = { .ifname = self->profile->ifname, .tun_fd = -1, .mtu = MTU };
    int              rc;

    meshd_offloads_wish(&options);
    if (!self->profile->ifname_fixed)
        choose_ifname(self);
    if (!net_claim(self->net, self->profile->ifname, error))
        return false;
    rc = wire_plane_start(&options, &self->plane);
    if (rc == 0) {
        rc = wire_plane_set_private_key(self->plane, self->profile->wg_private);
        if (rc < 0)
            wire_plane_stop(g_steal_pointer(&self->plane));
    }
    if (rc < 0) {
        net_release(self->net, self->profile->ifname);
        mesh_error_set_errno(error, judge_start(rc), rc, "cannot make interface %s",
                             self->profile->ifname);
        return false;
    }
    meshd_timestamps_start(self->timestamps, self->plane); /* before there is a peer */
    self->keeper = g_timeout_add_seconds(MESHD_TIMESTAMPS_LOOK_S, on_keep, self);
    self->watch = g_unix_fd_add(wire_plane_event_fd(self->plane), G_IO_IN, on_wire_events, self);
    return true;
}

static MeshdPlaneWish get_wish(const MeshdParts *self, const Wanted *wanted)
{
    return (MeshdPlaneWish){ .map = wanted->map,
                             .ip4 = wanted->ip4,
                             .port = self->profile->port,
                             .relayless = self->relayless,
                             .offers_aes = meshd_offer_is_made(self->profile) };
}

static void forget_told(MeshdParts *self)
{
    lock_verified_unref(self->told.map);
    self->told.map = NULL;
    wire_config_free(g_steal_pointer(&self->config));
}

/* Most changes of a large map are none to the plane: a name, a membership signed anew. Most others
 * are of a peer or two. */
static int apply_config(MeshdParts *self, const Wanted *wanted)
{
    MeshdPlaneWish wish = get_wish(self, wanted);
    WireConfig    *config = NULL;
    int            rc = 0;

    lock_verified_ref(wish.map); /* it may be the one that is forgotten */
    if (meshd_planeconfig_is_alike(&self->told, &wish)) {
        config = g_steal_pointer(&self->config);
    } else {
        config = meshd_planeconfig_change(self->config, &self->told, &wish, self->timestamps);
        if (config == NULL)
            config = meshd_planeconfig_make(&wish, self->timestamps);
        rc = config != NULL ? wire_plane_apply(self->plane, config) : -ENOMEM;
    }
    forget_told(self);
    self->told = wish;
    self->config = config;
    if (rc < 0)
        forget_told(self);
    return rc;
}

static void undo_wire(MeshdParts *self)
{
    g_clear_handle_id(&self->watch, g_source_remove);
    g_clear_handle_id(&self->keeper, g_source_remove);
    if (self->plane == NULL)
        return;
    meshd_timestamps_stop(self->timestamps, self->plane, self->map);
    wire_plane_stop(g_steal_pointer(&self->plane));
    forget_told(self);
    net_release(self->net, self->profile->ifname);
}

static bool apply_wire(MeshdParts *self, const Wanted *wanted, GError **error)
{
    bool          fresh = self->plane == NULL;
    WirePlaneInfo info;
    int           rc;

    if (fresh && !start_plane(self, error))
        return false;
    wire_engines_use(self->plane, self->profile->engine[0] != '\0' ? self->profile->engine : NULL);
    rc = apply_config(self, wanted);
    if (rc == -EADDRINUSE && !self->profile->port_fixed && self->profile->port != 0) {
        mesh_log_notice("UDP port %u is taken: choosing another", self->profile->port);
        self->profile->port = 0;
        rc = apply_config(self, wanted);
    }
    if (rc < 0) {
        mesh_error_set_errno(error, MESH_ERROR_HOST, rc, "UDP port %u", self->profile->port);
        if (fresh)
            undo_wire(self);
        return false;
    }
    meshd_timestamps_keep(self->timestamps, self->plane, NULL); /* the map may have told the time */
    wire_plane_get_info(self->plane, &info);
    self->profile->port = info.listen_port; /* chosen once, then kept: routers forward it */
    self->told.port = info.listen_port;
    return true;
}

/* ---- host network ---- */

static void undo_net(MeshdParts *self)
{
    if (self->ours)
        net_undo(self->net, self->profile->ifname);
    self->ours = false;
}

static bool apply_net(MeshdParts *self, const Wanted *wanted, GError **error)
{
    const LockVerifiedHead *head = lock_verified_get_head(wanted->map);
    NetSet                  set = { 0 };
    WirePlaneInfo           info;

    wire_plane_get_info(self->plane, &info);
    g_strlcpy(set.ifname, info.ifname, sizeof set.ifname);
    set.link_only = self->profile->managed;
    set.addrs[set.n_addrs++] = head->self->ip6;
    set.routes[set.n_routes++] = head->network.ip6;
    if (wanted->ip4 && head->self->ip4.family != 0) {
        set.addrs[set.n_addrs++] = head->self->ip4;
        set.routes[set.n_routes++] = head->network.ip4;
    }
    if (set.link_only)
        undo_net(self);
    if (!net_apply(self->net, &set, error))
        return false;
    self->ours = !set.link_only;
    self->ip6 = !net_lacks_ip6(self->net);
    return true;
}

/* ---- DNS ---- */

/* A network without names is better than none: what fails here is shown only. */
static bool apply_dns(MeshdParts *self, const Wanted *wanted, GError **error)
{
    (void)error;
    meshd_names_apply(self->names, wanted->map, wanted->ip4, self->ip6);
    return true;
}

static void undo_dns(MeshdParts *self)
{
    meshd_names_undo(self->names);
}

/* ---- paths ---- */

/* For paths, of some peers or of all. */
typedef struct {
    GArray    *peers; /* PathPeer */
    GPtrArray *lists; /* what they borrow */
} Rows;

/* From anywhere, on the port that the data plane has: then TCP is taken there, too. */
static bool is_reachable(const MeshdParts *self)
{
    for (guint i = 0; i < self->addrs->len; i++) {
        const MeshAddr *addr = &g_array_index(self->addrs, MeshAddr, i);

        if (addr->family == AF_INET && mesh_ip_class(addr) == MESH_IP_GLOBAL)
            return true;
    }
    return self->profile->n_statics > 0 || self->tcp_let_in;
}

static void set_wishes(MeshdParts *self)
{
    WirePlaneInfo info;

    wire_plane_get_info(self->plane, &info);
    path_set_wishes(self->path,
                    &(PathWishes){ .hard_nat = self->profile->hard_nat,
                                   .tcp_port = is_reachable(self) ? info.listen_port : 0 });
}

/* What the peer tells, and where it was reached last: that may be all there is. Borrowed by @row;
 * owned by @lists. */
static void add_lastgood(const MeshdParts *self, PathPeer *row, GPtrArray *lists)
{
    const MeshEndpoint *at = meshd_lastgood_get(self->lastgood, &row->wg);
    MeshRecordEndpoint *list;

    for (size_t i = 0; at != NULL && i < row->n_endpoints; i++)
        if (mesh_endpoint_equal(&row->endpoints[i].endpoint, at))
            at = NULL;
    if (at == NULL || row->n_endpoints >= WIRE_MAX_CANDIDATES)
        return;
    list = g_new(MeshRecordEndpoint, row->n_endpoints + 1);
    if (row->n_endpoints > 0)
        memcpy(list, row->endpoints, row->n_endpoints * sizeof list[0]);
    list[row->n_endpoints++] = (MeshRecordEndpoint){ *at, MESH_RECORD_OBSERVED };
    row->endpoints = list;
    g_ptr_array_add(lists, list);
}

static bool apply_path(MeshdParts *self, const Wanted *wanted, GError **error);

/* Paths may be without a relay now, or have one again: then other peers are connected without
 * traffic, and kept open. */
static void follow_relays(MeshdParts *self)
{
    Wanted   wanted = { .map = self->map, .ip4 = self->ip4 };
    PathSelf about;
    int      rc;

    if (self->map == NULL || self->path == NULL)
        return;
    path_get_self(self->path, &about);
    if (about.relayless == self->relayless)
        return;
    self->relayless = about.relayless;
    rc = apply_config(self, &wanted);
    if (rc < 0)
        mesh_log_warning("idle peers: %s", g_strerror(-rc));
    (void)apply_path(self, &wanted, NULL); /* cannot fail */
}

static void on_path_changed(const MeshKey *wg, void *user_data)
{
    MeshdParts *self = user_data;
    PathInfo    info;

    if (self->path != NULL && path_explain(self->path, wg, &info)) {
        if (info.kind == PATH_DIRECT)
            meshd_lastgood_note(self->lastgood, wg, &info.wire.endpoint, mesh_clock_wall_s());
        path_clear_info(&info);
    }
    self->events.path_changed(wg, self->user_data);
}

static gboolean on_follow(gpointer user_data)
{
    MeshdParts *self = user_data;

    self->follow = 0;
    follow_relays(self);
    return G_SOURCE_REMOVE;
}

static void on_self_changed(void *user_data)
{
    MeshdParts *self = user_data;

    if (self->follow == 0) /* later: this comes from inside of what would be told */
        self->follow = g_idle_add(on_follow, self);
    self->events.self_changed(self->user_data);
}

static void add_row(const MeshdParts *self, const LockPeer *peer, bool eager, Rows *out)
{
    PathPeer row = { .wg = peer->wg, .online = peer->online, .e_seq = peer->e_seq };

    row.inner = peer->member->ip6;
    row.has_probe_key = peer->has_probe_key;
    row.probe_key = peer->probe_key;
    row.index = peer->index;
    row.n_relays = peer->n_relays;
    memcpy(row.relays, peer->relays, sizeof row.relays);
    row.relay = peer->relay;
    if (peer->tcp != NULL)
        row.tcp = *peer->tcp;
    row.name = peer->member->name;
    row.eager = eager;
    row.n_endpoints = peer->n_endpoints;
    row.endpoints = peer->endpoints;
    add_lastgood(self, &row, out->lists);
    g_array_append_val(out->peers, row);
}

static void tell_all(MeshdParts *self, const MeshdPlaneWish *wish, Rows *rows)
{
    size_t n = lock_verified_count(wish->map), n_eager = 0;

    for (size_t i = 0; i < n; i++) {
        const LockPeer *peer = lock_verified_get_peer(wish->map, i);

        add_row(self, peer, meshd_planeconfig_is_eager(wish, peer, &n_eager), rows);
    }
    path_apply(self->path, (const PathPeer *)(void *)rows->peers->data, rows->peers->len);
}

static bool has_relay(const GPtrArray *peers)
{
    for (guint i = 0; i < peers->len; i++)
        if (((const LockPeer *)peers->pdata[i])->relay != NULL)
            return true;
    return false;
}

/* Only what differs, where no peer's row hangs on other peers: on who is eager among many, on the
 * relays that peers offer. Returns whether that was enough. */
static bool tell_change(MeshdParts *self, const MeshdPlaneWish *wish, Rows *rows)
{
    g_autoptr(GPtrArray) gone = g_ptr_array_new();
    g_autoptr(GPtrArray) added = g_ptr_array_new();
    g_autoptr(GArray) keys = g_array_new(false, false, sizeof(MeshKey));
    bool few = meshd_planeconfig_is_few(wish);

    if (self->pathed.map == NULL || wish->relayless || self->pathed.relayless ||
        few != meshd_planeconfig_is_few(&self->pathed))
        return false;
    lock_verified_compare(self->pathed.map, wish->map, gone, added);
    if (has_relay(gone) || has_relay(added))
        return false;
    for (guint i = 0; i < added->len; i++)
        add_row(self, added->pdata[i], few, rows);
    for (guint i = 0; i < gone->len; i++) {
        const LockPeer *peer = gone->pdata[i];

        if (lock_verified_find_wg(wish->map, &peer->wg) == NULL)
            g_array_append_val(keys, peer->wg);
    }
    path_change(self->path, &(PathChange){ .peers = (const PathPeer *)(void *)rows->peers->data,
                                           .n_peers = rows->peers->len,
                                           .gone = (const MeshKey *)(void *)keys->data,
                                           .n_gone = keys->len });
    return true;
}

static void start_path(MeshdParts *self, const Wanted *wanted)
{
    meshd_lastgood_start(self->lastgood, mesh_clock_wall_s());
    self->path = path_start(&(PathOptions){ .plane = self->plane,
                                            .inner = lock_verified_get_head(wanted->map)->self->ip6,
                                            .net = self->profile->server.network,
                                            .relayless = self->relayless,
                                            .events = { on_path_changed, on_self_changed },
                                            .user_data = self });
    path_set_host(self->path, &(PathHost){ .addrs = (const MeshAddr *)(void *)self->addrs->data,
                                           .n_addrs = self->addrs->len,
                                           .nat64 = self->nat64,
                                           .presence_known = self->presence_known });
}

static bool apply_path(MeshdParts *self, const Wanted *wanted, GError **error)
{
    MeshdPlaneWish wish = get_wish(self, wanted);
    Rows           rows = { g_array_new(false, true, sizeof(PathPeer)),
                            g_ptr_array_new_with_free_func(g_free) };

    (void)error;
    if (self->path == NULL)
        start_path(self, wanted);
    set_wishes(self);
    if (!tell_change(self, &wish, &rows)) {
        g_array_set_size(rows.peers, 0);
        tell_all(self, &wish, &rows);
    }
    lock_verified_ref(wish.map);
    lock_verified_unref(self->pathed.map);
    self->pathed = wish;
    g_array_unref(rows.peers);
    g_ptr_array_unref(rows.lists);
    return true;
}

static void undo_path(MeshdParts *self)
{
    g_clear_handle_id(&self->follow, g_source_remove);
    lock_verified_unref(self->pathed.map);
    self->pathed.map = NULL;
    path_stop(g_steal_pointer(&self->path));
}

/* ---- the table ---- */

typedef struct {
    const char *name;
    bool (*apply)(MeshdParts *self, const Wanted *wanted, GError **error); /* idempotent */
    void (*undo)(MeshdParts *self);
} Part;

static const Part parts[] = {
    /* each: on failure, its own part is as it was */
    { "data plane", apply_wire, undo_wire },
    { "host network", apply_net, undo_net },
    { "DNS", apply_dns, undo_dns },
    { "paths", apply_path, undo_path },
};

static void restore_part(MeshdParts *self, const Part *part)
{
    g_autoptr(GError) error = NULL;
    Wanted before = { .map = self->map, .ip4 = self->ip4 };

    if (self->map == NULL)
        part->undo(self);
    else if (!part->apply(self, &before, &error))
        mesh_log_error("%s: cannot restore: %s", part->name, error->message);
}

bool meshd_parts_apply(MeshdParts *self, LockVerified *map, bool ip4, GError **error)
{
    Wanted wanted = { .map = map, .ip4 = ip4 };
    size_t done = 0;

    while (done < G_N_ELEMENTS(parts) && parts[done].apply(self, &wanted, error))
        done++;
    if (done < G_N_ELEMENTS(parts)) {
        g_prefix_error(error, "%s: ", parts[done].name);
        while (done-- > 0)
            restore_part(self, &parts[done]);
        return false;
    }
    lock_verified_ref(map);
    lock_verified_unref(self->map);
    self->map = map;
    self->ip4 = ip4;
    return true;
}

void meshd_parts_apply_presence(MeshdParts *self, LockVerified *map)
{
    Wanted wanted = { .map = map, .ip4 = self->ip4 };

    if (self->map == NULL)
        return;
    (void)apply_path(self, &wanted, NULL); /* cannot fail */
    lock_verified_ref(map);
    lock_verified_unref(self->map);
    self->map = map;
}

bool meshd_parts_mend(MeshdParts *self, GError **error)
{
    Wanted wanted = { .map = self->map, .ip4 = self->ip4 };

    return self->map == NULL || apply_net(self, &wanted, error);
}

void meshd_parts_stop(MeshdParts *self)
{
    for (size_t i = G_N_ELEMENTS(parts); i-- > 0;)
        parts[i].undo(self);
    lock_verified_unref(g_steal_pointer(&self->map));
}

MeshdParts *meshd_parts_new(const MeshdPartsNeeds *needs, const MeshdPartsEvents *events,
                            void *user_data)
{
    MeshdParts *self = g_new0(MeshdParts, 1);

    self->net = needs->net;
    self->profile = needs->profile;
    self->names = needs->names;
    self->timestamps = needs->timestamps;
    self->lastgood = needs->lastgood;
    self->events = *events;
    self->user_data = user_data;
    self->addrs = g_array_new(false, true, sizeof(MeshAddr));
    return self;
}

void meshd_parts_free(MeshdParts *self)
{
    if (self == NULL)
        return;
    meshd_parts_stop(self);
    g_array_unref(self->addrs);
    g_free(self);
}

LockVerified *meshd_parts_get_map(MeshdParts *self)
{
    return self->map;
}

WirePlane *meshd_parts_get_plane(MeshdParts *self)
{
    return self->plane;
}

Path *meshd_parts_get_path(MeshdParts *self)
{
    return self->path;
}

bool meshd_parts_has_ip(MeshdParts *self, int family)
{
    return self->map != NULL && (family == AF_INET6 ? self->ip6 : self->ip4);
}

void meshd_parts_let_tcp_in(MeshdParts *self, bool on)
{
    if (on == self->tcp_let_in)
        return;
    self->tcp_let_in = on;
    if (self->path != NULL)
        set_wishes(self);
}

void meshd_parts_set_host(MeshdParts *self, const PathHost *host)
{
    g_array_set_size(self->addrs, 0);
    if (host->n_addrs > 0)
        g_array_append_vals(self->addrs, host->addrs, (guint)host->n_addrs);
    self->presence_known = host->presence_known;
    self->nat64 = host->nat64;
    if (self->path == NULL)
        return;
    path_set_host(self->path, host);
    set_wishes(self);
}
