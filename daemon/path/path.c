#include "daemon/path/path.h"

#include "common/glib/log.h"
#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "daemon/path/candidates.h"
#include "daemon/path/change.h"
#include "daemon/path/news.h"
#include "daemon/path/relayhome.h"
#include "daemon/path/seeking.h"

#include <string.h>
#include <sys/socket.h>

enum { STRAYS_A_SECOND = 2, STRAYS_BURST = 8 };

static gboolean on_timer(gpointer user_data)
{
    Path          *self = user_data;
    int64_t        now_ms = mesh_clock_boot_ms(), next_ms = INT64_MAX;
    GHashTableIter iter;
    gpointer       value;

    self->timer = 0;
    g_hash_table_iter_init(&iter, self->peers);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        PathPeerPath *peer = value;

        if (peer->due_ms <= now_ms)
            path_peer_look(peer);
        next_ms = MIN(next_ms, peer->due_ms);
    }
    path_news_arm(next_ms, self);
    return G_SOURCE_REMOVE;
}

void path_news_arm(int64_t due_ms, void *user_data)
{
    Path   *self = user_data;
    int64_t in_ms = due_ms - mesh_clock_boot_ms();

    if (due_ms == INT64_MAX || (self->timer != 0 && self->wake_ms <= due_ms))
        return;
    g_clear_handle_id(&self->timer, g_source_remove);
    self->wake_ms = due_ms;
    self->timer = g_timeout_add((guint)CLAMP(in_ms, 1, G_MAXINT), on_timer, self);
}

Path *path_start(const PathOptions *options)
{
    Path *self = g_new0(Path, 1);

    path_news_start(self, options);
    return self;
}

void path_stop(Path *self)
{
    if (self == NULL)
        return;
    g_clear_handle_id(&self->timer, g_source_remove);
    path_shelter_stop(&self->shelter);
    path_tcpwant_stop(&self->tcp_want);
    path_netcheck_free(self->check);
    g_hash_table_unref(self->peers);
    g_hash_table_unref(self->peer_host.probes);
    g_hash_table_unref(self->peer_host.nodes);
    path_tcp_free(self->host.tcp);
    path_relays_free(self->host.relays);
    path_lifetime_free(self->lifetime);
    path_nat64_free(self->nat64);
    path_peerrelays_free(self->host.peerrelays);
    mesh_key_free(self->host.probe_private);
    g_array_unref(self->addrs);
    g_array_unref(self->relays);
    g_free(self);
}

void path_set_relays(Path *self, const PathRelayMap *map)
{
    path_relays_set(self->host.relays, map);
    self->host.n_relays = map->n_relays;
    g_array_set_size(self->relays, 0);
    if (map->n_relays > 0)
        g_array_append_vals(self->relays, map->relays, (guint)map->n_relays);
    path_news_measure_relays(self);
    path_nat64_set_relays(self->nat64, map->relays, map->n_relays);
}

const char *path_get_link(Path *self, uint8_t link, PathKind *out_kind, MeshEndpoint *out_at)
{
    const char *name = path_relays_name(self->host.relays, link);

    *out_kind = link < PATH_FIRST_PEER_LINK  ? PATH_RELAY
                : link < PATH_FIRST_TCP_LINK ? PATH_PEER_RELAY
                                             : PATH_DIRECT_TCP;
    (void)path_tcp_get(self->host.tcp, link, out_at);
    return name != NULL ? name : "";
}

PathNetcheck *path_get_netcheck(Path *self)
{
    return self->check;
}

void path_set_wishes(Path *self, const PathWishes *wishes)
{
    path_tcp_listen(self->host.tcp, wishes->tcp_port);
    if (wishes->hard_nat == !self->host.no_hard)
        return;
    self->host.no_hard = !wishes->hard_nat;
    if (wishes->hard_nat)
        path_news_tell_all(self); /* those by relay are called again */
    else
        path_hardnat_stop(&self->host);
}

bool path_has_hard_nat(Path *self)
{
    return !self->host.no_hard;
}

void path_get_self(Path *self, PathSelf *out_self)
{
    PathSelf     about = { .probe_key = self->host.probe_public,
                           .wants_tcp = self->tcp_want.wanted,
                           .relayless = self->host.relayless };
    MeshProbeNat nat;

    (void)path_relayhome_get_home(self->host.relays, &about.relays[0], &about.seen);
    about.n_relays = path_relayhome_list_homes(self->host.relays, about.relays);
    if (about.seen.addr.family != AF_INET)
        (void)path_nat64_get_seen(self->nat64, &about.seen, &nat);
    *out_self = about;
}

int64_t path_get_rtt(Path *self, const MeshKey *key)
{
    PathPeerPath *peer = g_hash_table_lookup(self->peers, key);
    PathSearch    search;
    WireWay       way;
    int64_t       rtt_us = 0;

    if (peer == NULL || peer->seek == NULL ||
        !path_seek_get_way(peer->seek, &way, &rtt_us, &search))
        return 0;
    return rtt_us;
}

PathLifetimeBounds path_get_lifetime(Path *self)
{
    return path_lifetime_get_bounds(self->lifetime);
}

size_t path_list_relays(Path *self, PathRelayInfo out[PATH_MAX_RELAYS])
{
    return path_relayhome_list(self->host.relays, out);
}

static PathPeerPath *put_peer(Path *self, const PathPeer *told)
{
    PathPeerPath *peer = g_hash_table_lookup(self->peers, &told->wg);

    if (peer == NULL) {
        peer = path_peer_new(&self->peer_host, &told->wg);
        g_hash_table_insert(self->peers, &peer->told.wg, peer);
    }
    path_peer_tell(peer, told);
    return peer;
}

void path_apply(Path *self, const PathPeer *peers, size_t n_peers)
{
    g_autoptr(GHashTable) kept = g_hash_table_new(g_direct_hash, g_direct_equal);
    GHashTableIter iter;
    gpointer       value;
    bool           offered = path_peerrelays_offer(self->host.peerrelays, peers, n_peers);

    for (size_t i = 0; i < n_peers; i++)
        g_hash_table_add(kept, put_peer(self, &peers[i]));
    g_hash_table_iter_init(&iter, self->peers);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if (!g_hash_table_contains(kept, value))
            g_hash_table_iter_remove(&iter);
        else if (offered && ((PathPeerPath *)value)->seek != NULL)
            path_meet_offered(((PathPeerPath *)value)->seek);
}

void path_change(Path *self, const PathChange *change)
{
    for (size_t i = 0; i < change->n_peers; i++)
        (void)put_peer(self, &change->peers[i]);
    for (size_t i = 0; i < change->n_gone; i++)
        g_hash_table_remove(self->peers, &change->gone[i]);
}

static bool has_moved(Path *self, const PathHost *host)
{
    if (host->n_addrs != self->addrs->len)
        return true;
    for (size_t i = 0; i < host->n_addrs; i++)
        if (!mesh_ip_equal_addr(&host->addrs[i], &g_array_index(self->addrs, MeshAddr, i)))
            return true;
    return false;
}

void path_nudge(Path *self)
{
    GHashTableIter iter;
    gpointer       value;

    g_hash_table_iter_init(&iter, self->peers);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        PathPeerPath *peer = value;
        WirePeerInfo  info;

        if (!path_peer_read(peer, &info) || !info.has_session ||
            (peer->seek != NULL && !self->host.relayless && !path_seek_is_alive(peer->seek)))
            continue; /* who is idle reaches us by the relay */
        if (wire_plane_ping(self->plane, &self->inner, &peer->told.inner, PATH_NUDGE_ID, 0) < 0)
            mesh_log_debug("a peer will learn our new address with the next packet only");
    }
}

static void check_all(Path *self)
{
    GHashTableIter iter;
    gpointer       value;

    path_relays_doubt(self->host.relays, NULL);
    path_lifetime_forget(self->lifetime);
    path_news_look_at_lifetime(self);
    g_hash_table_iter_init(&iter, self->peers);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if (((PathPeerPath *)value)->seek != NULL)
            path_seek_check(((PathPeerPath *)value)->seek);
}

void path_set_host(Path *self, const PathHost *host)
{
    bool           moved = has_moved(self, host);
    GHashTableIter iter;
    gpointer       value;

    path_nat64_announce(self->nat64, &host->nat64);
    if (!moved && host->check)
        check_all(self);
    if (!moved)
        path_nat64_set_host(self->nat64, path_news_is_six_only(self), host->check);
    if (!moved && host->presence_known == self->host.has_server)
        return;
    g_array_set_size(self->addrs, 0);
    if (host->n_addrs > 0)
        g_array_append_vals(self->addrs, host->addrs, (guint)host->n_addrs);
    self->host.has_server = host->presence_known;
    path_nat64_set_host(self->nat64, path_news_is_six_only(self), moved);
    path_news_tell_reach(self);
    path_relays_doubt(self->host.relays, NULL);
    if (moved)
        path_lifetime_forget(self->lifetime);
    path_news_look_at_lifetime(self);
    path_netcheck_set_host(self->check, host->addrs, host->n_addrs);
    path_news_use_nat(self);
    g_hash_table_iter_init(&iter, self->peers);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        if (moved && ((PathPeerPath *)value)->seek != NULL)
            path_seek_doubt(((PathPeerPath *)value)->seek);
        path_peer_start_over(value);
    }
    if (moved)
        path_nudge(self);
}

/* A datagram that is not WireGuard's. */
static void take_raw(Path *self, const WireEvent *event)
{
    uint32_t      index;
    PathPeerPath *peer;

    if (path_relays_handle(self->host.relays, event) || path_news_take_stun(self, event) ||
        mesh_probe_read_index(event->data, event->n_data, &index) < 0)
        return;
    if (event->way.link == 0)
        peer = g_hash_table_lookup(self->peer_host.probes, GUINT_TO_POINTER(index));
    else
        peer = g_hash_table_lookup(self->peer_host.nodes, GUINT_TO_POINTER(event->way.index));
    if (peer != NULL)
        path_peer_take(peer, event);
}

static bool has_candidate(const PathPeerPath *peer, const MeshEndpoint *endpoint)
{
    for (size_t i = 0; i < peer->n_candidates; i++)
        if (mesh_endpoint_equal(&peer->candidates[i].endpoint, endpoint))
            return true;
    return false;
}

/* Who is it? A relay says that; an address counts if a peer's record names it, and seldom. */
static PathPeerPath *find_sender(Path *self, const WireEvent *event)
{
    GHashTableIter iter;
    gpointer       value;

    if (event->way.link != 0)
        return g_hash_table_lookup(self->peer_host.nodes, GUINT_TO_POINTER(event->way.index));
    if (!path_ways_spend(&self->peer_host.strays, STRAYS_A_SECOND, STRAYS_BURST,
                         mesh_clock_boot_ms()))
        return NULL;
    g_hash_table_iter_init(&iter, self->peers);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if (has_candidate(value, &event->endpoint))
            return value;
    return NULL;
}

void path_handle_event(Path *self, const WireEvent *event)
{
    PathPeerPath *peer;

    if (event->kind == WIRE_EVENT_RAW) {
        take_raw(self, event);
        return;
    }
    if (event->kind == WIRE_EVENT_LINK_DOWN) {
        if (!path_tcp_handle(self->host.tcp, event))
            (void)path_relays_handle(self->host.relays, event);
        return;
    }
    peer = event->kind == WIRE_EVENT_STRAY ? find_sender(self, event)
                                           : g_hash_table_lookup(self->peers, &event->peer);
    if (peer != NULL)
        path_peer_handle(peer, event);
}

bool path_connect(Path *self, const MeshKey *key)
{
    PathPeerPath *peer = g_hash_table_lookup(self->peers, key);

    if (peer != NULL)
        path_peer_connect(peer);
    return peer != NULL;
}

bool path_explain(Path *self, const MeshKey *key, PathInfo *out_info)
{
    PathPeerPath *peer = g_hash_table_lookup(self->peers, key);

    return peer != NULL && path_peer_explain(peer, out_info);
}
