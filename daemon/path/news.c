#include "daemon/path/news.h"

#include "common/glib/keyset.h"
#include "common/std/endpoint.h"
#include "daemon/path/candidates.h"
#include "daemon/path/relayhome.h"
#include "daemon/path/seeking.h"

#include <string.h>
#include <sys/socket.h>

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
void path_news_use_nat(Path *self)
{
    const PathNat      *nat = &path_netcheck_get(self->check)->nat;
    const MeshProbeNat *found = &nat->what;

    self->host.ports_known = found->mapping != MESH_PROBE_UNKNOWN;
    self->host.least_port = nat->least_port;
    self->host.greatest_port = nat->greatest_port;
    self->host.independent = found->mapping == MESH_PROBE_INDEPENDENT && !nat->one_address;
    if (found->mapping != MESH_PROBE_UNKNOWN &&
        (self->host.nat.mapping == MESH_PROBE_UNKNOWN ||
         path_natclass_is_hard(found) == path_natclass_is_hard(&self->host.nat)))
        self->host.nat = *found;
}

bool path_news_take_stun(Path *self, const WireEvent *event)
{
    if (path_nat64_take(self->nat64, event))
        return true;
    if (!path_natlook_take(&self->look, event, &self->host.nat))
        return path_netcheck_handle(self->check, event);
    path_news_use_nat(self);
    return true;
}

/* Calls peers again that are reached by relay only, as what we say of ourselves is another. */
void path_news_tell_all(Path *self)
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

    path_news_use_nat(self);
    path_news_tell_all(self);
}

static bool has_family(const Path *self, int family)
{
    return path_candidates_has_family((const MeshAddr *)(const void *)self->addrs->data,
                                      self->addrs->len, family);
}

bool path_news_is_six_only(const Path *self)
{
    return has_family(self, AF_INET6) && !has_family(self, AF_INET);
}

void path_news_tell_reach(Path *self)
{
    path_relays_set_reach(self->host.relays, &(PathReach){ .has4 = has_family(self, AF_INET),
                                                           .has6 = has_family(self, AF_INET6),
                                                           .prefix = *self->host.prefix });
}

/* Their distance is measured where they are reached from here. */
void path_news_measure_relays(Path *self)
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

    path_news_tell_reach(self);
    path_news_measure_relays(self);
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

void path_news_look_at_lifetime(Path *self)
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
    path_news_look_at_lifetime(self);
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

/* Who is reached by that relay now is about to be looked for at his others. */
static void on_late(uint8_t link, void *user_data)
{
    Path          *self = user_data;
    GHashTableIter iter;
    gpointer       value;

    g_hash_table_iter_init(&iter, self->peers);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        PathPeerPath *peer = value;

        if (peer->seek != NULL && peer->seek->relay.link == link && path_seek_is_alive(peer->seek))
            path_relays_prepare(self->host.relays, &peer->told);
    }
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

static void on_wants_tcp(void *user_data)
{
    path_tcpwant_note(&((Path *)user_data)->tcp_want);
}

static void on_tcp_want(void *user_data)
{
    Path *self = user_data;

    self->events.self_changed(self->user_data);
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
    out_peer->ours_stays =
        memcmp(self->host.probe_public.bytes, peer->told.probe_key.bytes, MESH_KEY_BYTES) < 0;
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

void path_news_start(Path *self, const PathOptions *options)
{
    static const PathRelaysEvents   relays_events = { .changed = on_relays_changed,
                                                      .found = on_found,
                                                      .gone = on_gone,
                                                      .late = on_late,
                                                      .is_used = is_link_used,
                                                      .measure = on_measure,
                                                      .get_silence_ms = get_silence_ms };
    static const PathNetcheckEvents check_events = { .changed = on_nat,
                                                     .met = on_met,
                                                     .ended = on_measured };
    PathPeerRelays                 *peers;

    self->plane = options->plane;
    self->inner = options->inner;
    self->events = options->events;
    self->user_data = options->user_data;
    self->peers = g_hash_table_new_full(mesh_keyset_hash, mesh_keyset_equal, NULL, on_peer_removed);
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
                        .wants_tcp = on_wants_tcp,
                        .user_data = self };
    self->peer_host = (PathPeerHost){ .seek = &self->host,
                                      .probes = g_hash_table_new(g_direct_hash, g_direct_equal),
                                      .nodes = g_hash_table_new(g_direct_hash, g_direct_equal),
                                      .due = path_news_arm,
                                      .changed = on_peer_changed,
                                      .user_data = self };
    make_probe_keys(&self->host);
    self->check = path_netcheck_new(self->plane, &check_events, self);
    self->lifetime = path_lifetime_new();
    self->host.tcp = path_tcp_new(&(PathTcpHost){ self->plane, find_caller, on_tcp_changed, self });
    path_tcpwant_start(&self->tcp_want, on_tcp_want, self);
    path_shelter_start(&self->shelter, &self->host.relayless, on_shelter, self);
}
