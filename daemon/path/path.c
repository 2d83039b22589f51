#include "daemon/path/path.h"

#include "common/glib/log.h"
#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "daemon/path/candidates.h"
#include "daemon/path/doctor.h"
#include "daemon/path/hardnat.h"
#include "daemon/path/lifetime.h"
#include "daemon/path/meet.h"
#include "daemon/path/natlook.h"
#include "daemon/path/peer.h"
#include "daemon/path/relayhome.h"
#include "daemon/path/relays.h"
#include "daemon/path/seeking.h"
#include "daemon/path/shelter.h"
#include "daemon/path/tech-nat64.h"

#include <string.h>
#include <sys/socket.h>

struct Path {
    WirePlane    *plane; /* borrowed */
    MeshAddr      inner; /* our own in the mesh */
    PathEvents    events;
    void         *user_data;
    PathNatlook   look;
    PathNetcheck *check;
    PathShelter   shelter;
    PathLifetime *lifetime;
    PathNat64    *nat64;
    GArray       *relays; /* PathRelay: of the map, as they were told */
    PathSeekHost  host;   /* what seeks share */
    PathPeerHost  peer_host;
    GHashTable   *peers;   /* MeshKey * inside the PathPeerPath → owned PathPeerPath */
    GArray       *addrs;   /* MeshAddr: the host's */
    guint         timer;   /* 0: none */
    int64_t       wake_ms; /* boot clock: when @timer fires */
};

static void arm(int64_t due_ms, void *user_data);

static guint hash_key(gconstpointer key)
{
    guint hash;

    memcpy(&hash, ((const MeshKey *)key)->bytes, sizeof hash); /* public keys are random already */
    return hash;
}

static gboolean equal_key(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, sizeof(MeshKey)) == 0;
}

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
    arm(next_ms, self);
    return G_SOURCE_REMOVE;
}

/* One timer for all peers, at the earliest due time. */
static void arm(int64_t due_ms, void *user_data)
{
    Path   *self = user_data;
    int64_t in_ms = due_ms - mesh_clock_boot_ms();

    if (due_ms == INT64_MAX || (self->timer != 0 && self->wake_ms <= due_ms))
        return;
    g_clear_handle_id(&self->timer, g_source_remove);
    self->wake_ms = due_ms;
    self->timer = g_timeout_add((guint)CLAMP(in_ms, 1, G_MAXINT), on_timer, self);
}

/* ---- what the parts of this folder tell ---- */

static void on_peer_changed(const MeshKey *key, void *user_data)
{
    Path *self = user_data;

    self->events.changed(key, self->user_data);
}

static void on_seek_changed(const MeshKey *key, void *user_data)
{
    Path         *self = user_data;
    PathPeerPath *peer = g_hash_table_lookup(self->peers, key);

    if (peer != NULL)
        path_peer_show(peer, true);
}

static size_t add_candidate(MeshProbeCandidate *out, size_t n, const MeshEndpoint *endpoint,
                            MeshProbeKind kind)
{
    if (n < MESH_PROBE_MAX_CANDIDATES)
        out[n++] = (MeshProbeCandidate){ .kind = kind, .endpoint = *endpoint };
    return n;
}

static size_t list_own(void *user_data, MeshProbeCandidate out[MESH_PROBE_MAX_CANDIDATES])
{
    Path         *self = user_data;
    WirePlaneInfo info;
    MeshEndpoint  seen;
    MeshProbeNat  nat;
    uint16_t      home;
    size_t        n = 0;

    wire_plane_get_info(self->plane, &info);
    if (path_relayhome_get_home(self->host.relays, &home, &seen) && seen.addr.family != 0)
        n = add_candidate(out, n, &seen, MESH_PROBE_OBSERVED);
    if (path_nat64_get_seen(self->nat64, &seen, &nat))
        n = add_candidate(out, n, &seen, MESH_PROBE_NAT64);
    path_nat64_ask(self->nat64); /* if it is another by now, peers are called again */
    for (guint i = 0; i < self->addrs->len && info.listen_port != 0; i++) {
        const MeshAddr *addr = &g_array_index(self->addrs, MeshAddr, i);
        MeshEndpoint    own = mesh_endpoint_make(addr, info.listen_port);

        if (mesh_ip_class(addr) >= MESH_IP_PRIVATE)
            n = add_candidate(out, n, &own, MESH_PROBE_LOCAL);
    }
    return n;
}

/* What the longer look found counts, unless the short one, which is newer, says that it is over. */
static void use_nat(Path *self)
{
    const PathNat      *nat = &path_netcheck_get(self->check)->nat;
    const MeshProbeNat *found = &nat->what;

    self->host.ports_known = found->mapping != MESH_PROBE_UNKNOWN;
    self->host.independent = found->mapping == MESH_PROBE_INDEPENDENT && !nat->one_address;
    if (found->mapping != MESH_PROBE_UNKNOWN &&
        (self->host.nat.mapping == MESH_PROBE_UNKNOWN ||
         path_natclass_is_hard(found) == path_natclass_is_hard(&self->host.nat)))
        self->host.nat = *found;
}

static bool take_stun(Path *self, const WireEvent *event)
{
    if (path_nat64_take(self->nat64, event))
        return true;
    if (!path_natlook_take(&self->look, event, &self->host.nat))
        return path_netcheck_handle(self->check, event);
    use_nat(self);
    return true;
}

/* Calls peers again that are reached by relay only, as what we say of ourselves is another. */
static void tell_all(Path *self)
{
    GHashTableIter iter;
    gpointer       value;

    g_hash_table_iter_init(&iter, self->peers);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if (((PathPeerPath *)value)->seek != NULL)
            path_seek_told(((PathPeerPath *)value)->seek);
}

/* Peers that were called before we knew what stands before us are told now. */
static void on_nat(void *user_data)
{
    Path *self = user_data;

    use_nat(self);
    tell_all(self);
}

static bool has_family(const Path *self, int family)
{
    return path_candidates_has_family((const MeshAddr *)(const void *)self->addrs->data,
                                      self->addrs->len, family);
}

static bool is_six_only(const Path *self)
{
    return has_family(self, AF_INET6) && !has_family(self, AF_INET);
}

static void tell_reach(Path *self)
{
    path_relays_set_reach(self->host.relays, &(PathReach){ .has4 = has_family(self, AF_INET),
                                                           .has6 = has_family(self, AF_INET6),
                                                           .prefix = *self->host.prefix });
}

/* Their distance is measured where they are reached from here. */
static void measure_relays(Path *self)
{
    PathRelay here[PATH_MAX_RELAYS];
    size_t    n = MIN(self->relays->len, PATH_MAX_RELAYS);

    for (size_t i = 0; i < n; i++) {
        here[i] = g_array_index(self->relays, PathRelay, i);
        path_prefix64_fill(self->host.prefix, &here[i]);
    }
    path_netcheck_set_relays(self->check, here, n);
}

/* IPv4 came into reach, or went, or we are seen elsewhere there. */
static void on_nat64(void *user_data)
{
    Path          *self = user_data;
    MeshEndpoint   seen;
    MeshProbeNat   nat;
    GHashTableIter iter;
    gpointer       value;

    tell_reach(self);
    measure_relays(self);
    if (path_nat64_get_seen(self->nat64, &seen, &nat) && nat.mapping != MESH_PROBE_UNKNOWN)
        self->host.nat = nat;
    g_hash_table_iter_init(&iter, self->peers);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        path_peer_start_over(value);
    self->events.self_changed(self->user_data);
}

static void on_told(const MeshKey *key, const MeshProbeNat *nat, void *user_data)
{
    Path         *self = user_data;
    PathPeerPath *peer = g_hash_table_lookup(self->peers, key);

    if (peer == NULL)
        return;
    peer->told_nat = true;
    peer->nat = *nat;
}

static unsigned get_silence_ms(void *user_data)
{
    return path_lifetime_get_ms(((Path *)user_data)->lifetime);
}

static void look_at_lifetime(Path *self)
{
    PathRelayLook look;

    if (path_relays_look(self->host.relays, NULL, false, &look) && look.alt.port != 0 &&
        look.seen.addr.family != 0)
        path_lifetime_begin(self->lifetime, &look.alt, &look.seen);
}

static void on_relays_changed(uint16_t relay, void *user_data)
{
    Path          *self = user_data;
    MeshEndpoint   seen;
    uint16_t       home;
    GHashTableIter iter;
    gpointer       value;

    (void)relay;
    g_hash_table_iter_init(&iter, self->peers);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        path_peer_relayed(value);
    path_natlook_ask(&self->look, self->plane, self->host.relays);
    look_at_lifetime(self);
    path_shelter_look(&self->shelter, path_relayhome_get_home(self->host.relays, &home, &seen));
    self->events.self_changed(self->user_data);
}

static void on_shelter(void *user_data)
{
    Path          *self = user_data;
    GHashTableIter iter;
    gpointer       value;

    g_hash_table_iter_init(&iter, self->peers);
    while (self->host.relayless && g_hash_table_iter_next(&iter, NULL, &value))
        path_peer_start_over(value);
    self->events.self_changed(self->user_data);
}

static void on_peerrelays_changed(void *user_data)
{
    on_relays_changed(0, user_data);
}

static void on_found(uint16_t relay, uint32_t index, const MeshEndpoint *at, void *user_data)
{
    Path         *self = user_data;
    PathPeerPath *peer = g_hash_table_lookup(self->peer_host.nodes, GUINT_TO_POINTER(index));

    (void)relay;
    if (peer == NULL || peer->seek == NULL)
        return;
    peer->udp = at->addr.family != 0 ? PATH_YES : PATH_NO;
    peer->seen = *at;
    path_seek_found(peer->seek, at);
}

/* The peer's next relay, if it names one. */
static void on_gone(uint32_t index, void *user_data)
{
    Path         *self = user_data;
    PathPeerPath *peer = g_hash_table_lookup(self->peer_host.nodes, GUINT_TO_POINTER(index));

    if (peer != NULL)
        path_peer_relayed(peer);
}

static bool is_link_used(uint8_t link, void *user_data)
{
    Path          *self = user_data;
    GHashTableIter iter;
    gpointer       value;

    g_hash_table_iter_init(&iter, self->peers);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        PathSeek *seek = ((PathPeerPath *)value)->seek;

        if (seek != NULL && (seek->relay.link == link || seek->heard.link == link) &&
            path_seek_is_alive(seek))
            return true;
    }
    return false;
}

static void on_measure(void *user_data)
{
    path_netcheck_again(((Path *)user_data)->check);
}

static void on_met(uint16_t relay, int64_t rtt_us, void *user_data)
{
    path_relayhome_met(((Path *)user_data)->host.relays, relay, rtt_us);
}

static void on_measured(void *user_data)
{
    path_relayhome_measured(((Path *)user_data)->host.relays);
}

static bool find_caller(uint32_t from, PathTcpPeer *out_peer, void *user_data)
{
    Path         *self = user_data;
    PathPeerPath *peer = g_hash_table_lookup(self->peer_host.probes, GUINT_TO_POINTER(from));

    if (peer == NULL ||
        mesh_probekey_derive_psk(self->host.probe_private, &self->host.probe_public,
                                 &peer->told.probe_key, self->host.net.bytes, &out_peer->psk) < 0)
        return false;
    out_peer->index = peer->told.index;
    return true;
}

static void on_tcp_changed(uint32_t index, uint8_t link, bool open, void *user_data)
{
    Path         *self = user_data;
    PathPeerPath *peer = g_hash_table_lookup(self->peer_host.nodes, GUINT_TO_POINTER(index));

    if (peer != NULL && peer->seek != NULL)
        path_meet_connected(peer->seek, open ? link : 0);
    else if (open)
        path_tcp_close(self->host.tcp, link);
}

static void on_peer_removed(gpointer peer)
{
    path_peer_free(peer);
}

static void make_probe_keys(PathSeekHost *host)
{
    host->probe_private = mesh_key_alloc(sizeof *host->probe_private);
    if (host->probe_private == NULL)
        g_error("out of memory for keys");
    mesh_key_make_private(host->probe_private);
    mesh_key_make_public(host->probe_private, &host->probe_public);
}

Path *path_start(const PathOptions *options)
{
    static const PathRelaysEvents   relays_events = { .changed = on_relays_changed,
                                                      .found = on_found,
                                                      .gone = on_gone,
                                                      .is_used = is_link_used,
                                                      .measure = on_measure,
                                                      .get_silence_ms = get_silence_ms };
    static const PathNetcheckEvents check_events = { .changed = on_nat,
                                                     .met = on_met,
                                                     .ended = on_measured };
    Path                           *self = g_new0(Path, 1);
    PathPeerRelays                 *peers;

    self->plane = options->plane;
    self->inner = options->inner;
    self->events = options->events;
    self->user_data = options->user_data;
    self->peers = g_hash_table_new_full(hash_key, equal_key, NULL, on_peer_removed);
    self->addrs = g_array_new(false, true, sizeof(MeshAddr));
    self->relays = g_array_new(false, true, sizeof(PathRelay));
    peers =
        path_peerrelays_new(self->plane, &(PathPeerRelaysEvents){ on_peerrelays_changed, self });
    self->nat64 = path_nat64_new(self->plane, on_nat64, self);
    self->host =
        (PathSeekHost){ .plane = self->plane,
                        .relays = path_relays_new(self->plane, peers, &relays_events, self),
                        .peerrelays = peers,
                        .net = options->net,
                        .relayless = options->relayless,
                        .addrs = self->addrs,
                        .prefix = path_nat64_get_prefix(self->nat64),
                        .list_own = list_own,
                        .told = on_told,
                        .changed = on_seek_changed,
                        .user_data = self };
    self->peer_host = (PathPeerHost){ .seek = &self->host,
                                      .probes = g_hash_table_new(g_direct_hash, g_direct_equal),
                                      .nodes = g_hash_table_new(g_direct_hash, g_direct_equal),
                                      .due = arm,
                                      .changed = on_peer_changed,
                                      .user_data = self };
    make_probe_keys(&self->host);
    self->check = path_netcheck_new(self->plane, &check_events, self);
    self->lifetime = path_lifetime_new();
    self->host.tcp = path_tcp_new(&(PathTcpHost){ self->plane, find_caller, on_tcp_changed, self });
    path_shelter_start(&self->shelter, &self->host.relayless, on_shelter, self);
    return self;
}

void path_stop(Path *self)
{
    if (self == NULL)
        return;
    g_clear_handle_id(&self->timer, g_source_remove);
    path_shelter_stop(&self->shelter);
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
    measure_relays(self);
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
        tell_all(self); /* those by relay are called again */
    else
        path_hardnat_stop(&self->host);
}

bool path_has_hard_nat(Path *self)
{
    return !self->host.no_hard;
}

void path_get_self(Path *self, PathSelf *out_self)
{
    PathSelf about = { .probe_key = self->host.probe_public, .relayless = self->host.relayless };
    MeshProbeNat nat;

    (void)path_relayhome_get_home(self->host.relays, &about.relays[0], &about.seen);
    about.n_relays = path_relayhome_list_homes(self->host.relays, about.relays);
    if (about.seen.addr.family != AF_INET)
        (void)path_nat64_get_seen(self->nat64, &about.seen, &nat);
    *out_self = about;
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
    look_at_lifetime(self);
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

    if (!moved && host->check)
        check_all(self);
    if (!moved)
        path_nat64_set_host(self->nat64, is_six_only(self), host->check);
    if (!moved && host->presence_known == self->host.has_server)
        return;
    g_array_set_size(self->addrs, 0);
    if (host->n_addrs > 0)
        g_array_append_vals(self->addrs, host->addrs, (guint)host->n_addrs);
    self->host.has_server = host->presence_known;
    path_nat64_set_host(self->nat64, is_six_only(self), moved);
    tell_reach(self);
    path_relays_doubt(self->host.relays, NULL);
    if (moved)
        path_lifetime_forget(self->lifetime);
    look_at_lifetime(self);
    path_netcheck_set_host(self->check, host->addrs, host->n_addrs);
    use_nat(self);
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

    if (path_relays_handle(self->host.relays, event) || take_stun(self, event) ||
        mesh_probe_read_index(event->data, event->n_data, &index) < 0)
        return;
    if (event->way.link == 0)
        peer = g_hash_table_lookup(self->peer_host.probes, GUINT_TO_POINTER(index));
    else
        peer = g_hash_table_lookup(self->peer_host.nodes, GUINT_TO_POINTER(event->way.index));
    if (peer != NULL)
        path_peer_take(peer, event);
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
    peer = g_hash_table_lookup(self->peers, &event->peer);
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
