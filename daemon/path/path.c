#include "daemon/path/path.h"

#include "common/glib/backoff.h"
#include "common/glib/log.h"
#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "daemon/path/candidates.h"
#include "daemon/path/doctor.h"
#include "daemon/path/explain.h"
#include "daemon/path/natlook.h"
#include "daemon/path/relays.h"
#include "daemon/path/seek.h"

#include <string.h>
#include <sys/socket.h>

enum {
    FAILED_AFTER_MS = 15000, /* without an answer that long: shown as no way, still being tried */
    LOOK_AGAIN_MS = 60000,   /* events may be lost, so a settled peer is looked at now and then */
    SILENT_MS = 150000,      /* a session that heard nothing through a rekey is not a proof */
    RETRY_FIRST_MS = 1000,   /* after the data plane gave up */
    RETRY_CAP_MS = 60000,
};

typedef struct {
    PathPeer            told; /* its endpoints are ours */
    size_t              n_candidates;
    MeshRecordEndpoint *candidates; /* owned; of ten thousand peers most have few */
    bool                trying;     /* the data plane sends initiations for us */
    bool                failed;
    int64_t             due_ms; /* boot clock: when to look at it again; INT64_MAX: never */
    MeshBackoff         backoff;
    PathKind            shown; /* as told by the last changed() */
    PathSeek           *seek;  /* finds its ways, once that is wanted; NULL: not yet */
    PathAnswer          udp;   /* does its relay see it there over UDP? */
    bool                told_nat;
    MeshProbeNat        nat;
} Peer;

struct Path {
    WirePlane    *plane; /* borrowed */
    MeshAddr      inner; /* our own in the mesh */
    PathEvents    events;
    void         *user_data;
    PathNatlook   look;
    PathNetcheck *check;
    PathSeekHost  host;   /* what seeks share */
    GHashTable   *probes; /* index of probes to us → Peer */
    GHashTable   *nodes;  /* index of the node → Peer */
    GHashTable   *peers;  /* MeshKey * inside the Peer → owned Peer */
    GArray       *addrs;  /* MeshAddr: the host's */
    bool          presence_known;
    guint         timer;   /* 0: none */
    int64_t       wake_ms; /* boot clock: when @timer fires */
};

static void arm(Path *self, int64_t due_ms);

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

static PathHost get_host(Path *self)
{
    return (PathHost){ .addrs = (const MeshAddr *)(void *)self->addrs->data,
                       .n_addrs = self->addrs->len,
                       .presence_known = self->presence_known };
}

static bool read_wire(Path *self, const Peer *peer, WirePeerInfo *out_info)
{
    memset(out_info, 0, sizeof *out_info);
    return wire_plane_get_peer(self->plane, &peer->told.wg, out_info) == 0;
}

static bool is_live(const WirePeerInfo *info)
{
    int64_t silent_ms = mesh_clock_boot_ms() - (int64_t)info->last_received_ms;

    return info->has_session && info->last_received_ms != 0 && silent_ms < SILENT_MS;
}

static PathKind judge(Path *self, const Peer *peer, const WirePeerInfo *info, char **out_reason)
{
    PathHost  host = get_host(self);
    WireWay   way = { .link = 0 };
    int64_t   rtt_us = 0;
    bool      busy = false, found = false;
    PathFacts facts = { .peer = &peer->told,
                        .host = &host,
                        .candidates = peer->candidates,
                        .n_candidates = peer->n_candidates,
                        .live = is_live(info),
                        .trying = peer->trying || info->handshake_attempts > 0,
                        .failed = peer->failed };

    if (peer->seek != NULL)
        found = path_seek_get_way(peer->seek, &way, &rtt_us, &busy);
    facts.direct = !found || way.link == 0;
    facts.busy = busy;
    if (found && way.link != 0)
        facts.relay = path_relays_name(self->host.relays, way.link);
    return path_explain_judge(&facts, out_reason);
}

/* Tells the owner when the kind is another than the one told last. */
static void show(Path *self, Peer *peer, bool always)
{
    WirePeerInfo     info;
    g_autofree char *reason = NULL;
    PathKind         kind;

    if (!read_wire(self, peer, &info))
        return;
    kind = judge(self, peer, &info, &reason);
    if (kind == peer->shown && !always)
        return;
    peer->shown = kind;
    self->events.changed(&peer->told.wg, self->user_data);
}

static void set_due(Path *self, Peer *peer, int64_t in_ms)
{
    peer->due_ms = mesh_clock_boot_ms() + in_ms;
    arm(self, peer->due_ms);
}

/* A peer that chose its key for it gets no other's index: what comes from both is the first's. */
static void add_index(Path *self, Peer *peer)
{
    gpointer at = GUINT_TO_POINTER(path_seek_get_index(peer->seek));

    if (!g_hash_table_contains(self->probes, at))
        g_hash_table_insert(self->probes, at, peer);
}

/* Ten thousand peers are known and few are talked to: keys and ways are made for those. */
static bool ready_seek(Path *self, Peer *peer)
{
    if (peer->seek == NULL && peer->told.has_probe_key) {
        peer->seek = path_seek_new(&self->host, &peer->told);
        if (peer->seek != NULL)
            add_index(self, peer);
    }
    return peer->seek != NULL;
}

/* With a relay the first packet is enough to begin; it waits in the data plane until then. */
static bool is_found_later(Path *self, const Peer *peer)
{
    WireWay way;

    return peer->told.has_probe_key &&
           path_relays_get_way(self->host.relays, &peer->told, false, &way);
}

/* Hands the candidates to the data plane. @start: send initiations if there is no session. */
static void set_route(Path *self, Peer *peer, bool start)
{
    WireRoute    route = { .n_candidates = (uint8_t)peer->n_candidates };
    WirePeerInfo info;

    for (size_t i = 0; i < peer->n_candidates; i++)
        route.candidates[i] = peer->candidates[i].endpoint;
    if (!read_wire(self, peer, &info))
        return; /* no such peer any more: the next path_apply() says so too */
    if (start && ready_seek(self, peer)) {
        path_seek_want(peer->seek);
    } else if (peer->seek == NULL) {
        route.pinned = is_found_later(self, peer);
        start = start && (peer->n_candidates > 0 || info.endpoint.addr.family != 0);
        if (wire_plane_set_route(self->plane, &peer->told.wg, &route, start) < 0)
            return;
    }
    if (!start)
        return;
    if (is_live(&info)) {
        peer->trying = false;
        set_due(self, peer, LOOK_AGAIN_MS);
        return;
    }
    peer->trying = true;
    set_due(self, peer, peer->failed ? LOOK_AGAIN_MS : FAILED_AFTER_MS);
}

static bool wants_connection(Path *self, const Peer *peer)
{
    return peer->told.eager && (peer->told.online || !self->presence_known);
}

/* Something about the peer or the host is new: all earlier failure is forgotten. */
static void start_over(Path *self, Peer *peer)
{
    PathHost           host = get_host(self);
    MeshRecordEndpoint chosen[WIRE_MAX_CANDIDATES];

    peer->n_candidates = path_candidates_choose(host.addrs, host.n_addrs, peer->told.endpoints,
                                                peer->told.n_endpoints, chosen);
    g_free(peer->candidates);
    peer->candidates = g_memdup2(chosen, peer->n_candidates * sizeof chosen[0]);
    peer->trying = peer->failed = false;
    peer->due_ms = INT64_MAX;
    mesh_backoff_reset(&peer->backoff);
    if (peer->seek != NULL)
        path_seek_told(peer->seek);
    set_route(self, peer, wants_connection(self, peer));
    show(self, peer, false);
}

static void retry(Path *self, Peer *peer)
{
    peer->due_ms = INT64_MAX;
    if (wants_connection(self, peer))
        set_route(self, peer, true);
}

static void look_at(Path *self, Peer *peer)
{
    WirePeerInfo info;

    peer->due_ms = INT64_MAX;
    if (!read_wire(self, peer, &info))
        return;
    if (is_live(&info)) {
        peer->trying = peer->failed = false;
        set_due(self, peer, LOOK_AGAIN_MS);
    } else if (peer->trying) {
        peer->failed = true; /* the plane goes on trying; GAVE_UP ends this round */
        set_due(self, peer, 2 * LOOK_AGAIN_MS);
        if (info.handshake_attempts == 0)
            peer->trying = false; /* its GAVE_UP was lost */
    } else {
        retry(self, peer);
    }
    show(self, peer, false);
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
        Peer *peer = value;

        if (peer->due_ms <= now_ms)
            look_at(self, peer);
        next_ms = MIN(next_ms, peer->due_ms);
    }
    arm(self, next_ms);
    return G_SOURCE_REMOVE;
}

/* One timer for all peers, at the earliest due time. */
static void arm(Path *self, int64_t due_ms)
{
    int64_t in_ms = due_ms - mesh_clock_boot_ms();

    if (due_ms == INT64_MAX || (self->timer != 0 && self->wake_ms <= due_ms))
        return;
    g_clear_handle_id(&self->timer, g_source_remove);
    self->wake_ms = due_ms;
    self->timer = g_timeout_add((guint)CLAMP(in_ms, 1, G_MAXINT), on_timer, self);
}

/* ---- what the parts of this folder tell ---- */

static void on_seek_changed(const MeshKey *key, void *user_data)
{
    Path *self = user_data;
    Peer *peer = g_hash_table_lookup(self->peers, key);

    if (peer != NULL)
        show(self, peer, true);
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
    uint16_t      home;
    size_t        n = 0;

    wire_plane_get_info(self->plane, &info);
    if (path_relays_get_home(self->host.relays, &home, &seen) && seen.addr.family != 0)
        n = add_candidate(out, n, &seen, MESH_PROBE_OBSERVED);
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
    const MeshProbeNat *found = &path_netcheck_get(self->check)->nat.what;

    if (found->mapping != MESH_PROBE_UNKNOWN &&
        (self->host.nat.mapping == MESH_PROBE_UNKNOWN ||
         path_natclass_is_hard(found) == path_natclass_is_hard(&self->host.nat)))
        self->host.nat = *found;
}

static bool take_stun(Path *self, const WireEvent *event)
{
    if (!path_natlook_take(&self->look, event, &self->host.nat))
        return path_netcheck_handle(self->check, event);
    use_nat(self);
    return true;
}

/* Peers that were called before we knew what stands before us are told now. */
static void on_nat(void *user_data)
{
    Path          *self = user_data;
    GHashTableIter iter;
    gpointer       value;

    use_nat(self);
    g_hash_table_iter_init(&iter, self->peers);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if (((Peer *)value)->seek != NULL)
            path_seek_told(((Peer *)value)->seek);
}

static void on_told(const MeshKey *key, const MeshProbeNat *nat, void *user_data)
{
    Path *self = user_data;
    Peer *peer = g_hash_table_lookup(self->peers, key);

    if (peer == NULL)
        return;
    peer->told_nat = true;
    peer->nat = *nat;
}

static void on_relays_changed(uint16_t relay, void *user_data)
{
    Path          *self = user_data;
    GHashTableIter iter;
    gpointer       value;

    (void)relay;
    g_hash_table_iter_init(&iter, self->peers);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Peer *peer = value;

        if (peer->seek != NULL)
            path_seek_relayed(peer->seek);
        else if (peer->told.has_probe_key)
            set_route(self, peer, false);
    }
    path_natlook_ask(&self->look, self->plane, self->host.relays);
    self->events.self_changed(self->user_data);
}

static void on_found(uint16_t relay, uint32_t index, const MeshEndpoint *at, void *user_data)
{
    Path *self = user_data;
    Peer *peer = g_hash_table_lookup(self->nodes, GUINT_TO_POINTER(index));

    (void)relay;
    if (peer == NULL || peer->seek == NULL)
        return;
    peer->udp = at->addr.family != 0 ? PATH_YES : PATH_NO;
    path_seek_found(peer->seek, at);
}

static void free_peer(gpointer data)
{
    Peer *self = data;

    path_seek_free(self->seek);
    g_free((gpointer)self->told.endpoints);
    g_free(self->candidates);
    g_free(self);
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
    static const PathRelaysEvents relays_events = { on_relays_changed, on_found };
    Path                         *self = g_new0(Path, 1);

    self->plane = options->plane;
    self->inner = options->inner;
    self->events = options->events;
    self->user_data = options->user_data;
    self->peers = g_hash_table_new_full(hash_key, equal_key, NULL, free_peer);
    self->probes = g_hash_table_new(g_direct_hash, g_direct_equal);
    self->nodes = g_hash_table_new(g_direct_hash, g_direct_equal);
    self->addrs = g_array_new(false, true, sizeof(MeshAddr));
    self->host = (PathSeekHost){ .plane = self->plane,
                                 .relays = path_relays_new(self->plane, &relays_events, self),
                                 .net = options->net,
                                 .addrs = self->addrs,
                                 .list_own = list_own,
                                 .told = on_told,
                                 .changed = on_seek_changed,
                                 .user_data = self };
    make_probe_keys(&self->host);
    self->check = path_netcheck_new(self->plane, on_nat, self);
    return self;
}

void path_stop(Path *self)
{
    if (self == NULL)
        return;
    g_clear_handle_id(&self->timer, g_source_remove);
    path_netcheck_free(self->check);
    g_hash_table_unref(self->peers);
    g_hash_table_unref(self->probes);
    g_hash_table_unref(self->nodes);
    path_relays_free(self->host.relays);
    mesh_key_free(self->host.probe_private);
    g_array_unref(self->addrs);
    g_free(self);
}

void path_set_relays(Path *self, const PathRelayMap *map)
{
    path_relays_set(self->host.relays, map);
    path_netcheck_set_relays(self->check, map->relays, map->n_relays);
}

PathNetcheck *path_get_netcheck(Path *self)
{
    return self->check;
}

void path_get_self(Path *self, PathSelf *out_self)
{
    PathSelf about = { .probe_key = self->host.probe_public };

    if (path_relays_get_home(self->host.relays, &about.relays[0], &about.seen))
        about.n_relays = 1;
    *out_self = about;
}

/* What was agreed on with its old probe key is void. */
static void drop_seek(Path *self, Peer *peer)
{
    gpointer at = peer->seek != NULL ? GUINT_TO_POINTER(path_seek_get_index(peer->seek)) : NULL;

    if (g_hash_table_lookup(self->probes, at) == peer)
        g_hash_table_remove(self->probes, at);
    path_seek_free(g_steal_pointer(&peer->seek));
}

static bool is_same_seek(const PathPeer *a, const PathPeer *b)
{
    return a->has_probe_key == b->has_probe_key &&
           memcmp(&a->probe_key, &b->probe_key, sizeof a->probe_key) == 0;
}

static bool is_same(const PathPeer *a, const PathPeer *b)
{
    return a->online == b->online && a->eager == b->eager && a->e_seq == b->e_seq &&
           a->n_endpoints == MIN(b->n_endpoints, WIRE_MAX_CANDIDATES) && is_same_seek(a, b) &&
           a->index == b->index && a->n_relays == b->n_relays &&
           memcmp(a->relays, b->relays, sizeof a->relays) == 0;
}

/* Relays name nodes by it, and anybody at a relay makes them say it often. */
static void drop_index(Path *self, const Peer *peer)
{
    gpointer at = GUINT_TO_POINTER(peer->told.index);

    if (g_hash_table_lookup(self->nodes, at) == peer)
        g_hash_table_remove(self->nodes, at);
}

static Peer *put_peer(Path *self, const PathPeer *told)
{
    Peer *peer = g_hash_table_lookup(self->peers, &told->wg);
    bool  renew = peer == NULL || !is_same_seek(&peer->told, told);

    if (peer != NULL && is_same(&peer->told, told))
        return peer;
    if (peer == NULL) {
        peer = g_new0(Peer, 1);
        peer->told.wg = told->wg;
        peer->backoff = (MeshBackoff){ .first_min_ms = RETRY_FIRST_MS,
                                       .first_max_ms = 5 * RETRY_FIRST_MS,
                                       .base_ms = 5 * RETRY_FIRST_MS,
                                       .cap_ms = RETRY_CAP_MS };
        g_hash_table_insert(self->peers, &peer->told.wg, peer);
    }
    g_free((gpointer)peer->told.endpoints);
    drop_index(self, peer);
    peer->told = *told;
    g_hash_table_insert(self->nodes, GUINT_TO_POINTER(told->index), peer);
    peer->told.n_endpoints = MIN(told->n_endpoints, WIRE_MAX_CANDIDATES);
    peer->told.endpoints =
        g_memdup2(told->endpoints, peer->told.n_endpoints * sizeof told->endpoints[0]);
    if (renew)
        drop_seek(self, peer);
    start_over(self, peer);
    return peer;
}

void path_apply(Path *self, const PathPeer *peers, size_t n_peers)
{
    g_autoptr(GHashTable) kept = g_hash_table_new(g_direct_hash, g_direct_equal);
    GHashTableIter iter;
    gpointer       value;

    for (size_t i = 0; i < n_peers; i++)
        g_hash_table_add(kept, put_peer(self, &peers[i]));
    g_hash_table_iter_init(&iter, self->peers);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if (!g_hash_table_contains(kept, value)) {
            drop_seek(self, value);
            drop_index(self, value);
            g_hash_table_iter_remove(&iter);
        }
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
        Peer        *peer = value;
        WirePeerInfo info;

        if (!read_wire(self, peer, &info) || !info.has_session)
            continue;
        if (wire_plane_ping(self->plane, &self->inner, &peer->told.inner, PATH_NUDGE_ID, 0) < 0)
            mesh_log_debug("a peer will learn our new address with the next packet only");
    }
}

static void check_all(Path *self)
{
    GHashTableIter iter;
    gpointer       value;

    path_relays_doubt(self->host.relays);
    g_hash_table_iter_init(&iter, self->peers);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if (((Peer *)value)->seek != NULL)
            path_seek_check(((Peer *)value)->seek);
}

void path_set_host(Path *self, const PathHost *host)
{
    bool           moved = has_moved(self, host);
    GHashTableIter iter;
    gpointer       value;

    if (!moved && host->check)
        check_all(self);
    if (!moved && host->presence_known == self->presence_known)
        return;
    g_array_set_size(self->addrs, 0);
    if (host->n_addrs > 0)
        g_array_append_vals(self->addrs, host->addrs, (guint)host->n_addrs);
    self->presence_known = self->host.has_server = host->presence_known;
    path_relays_set_families(self->host.relays,
                             path_candidates_has_family(host->addrs, host->n_addrs, AF_INET),
                             path_candidates_has_family(host->addrs, host->n_addrs, AF_INET6));
    path_relays_doubt(self->host.relays);
    path_netcheck_set_host(self->check, host->addrs, host->n_addrs);
    g_hash_table_iter_init(&iter, self->peers);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        if (moved && ((Peer *)value)->seek != NULL)
            path_seek_doubt(((Peer *)value)->seek);
        start_over(self, value);
    }
    if (moved)
        path_nudge(self);
}

/* A datagram that is not WireGuard's. */
static void take_raw(Path *self, const WireEvent *event)
{
    uint32_t index;
    Peer    *peer;

    if (path_relays_handle(self->host.relays, event) || take_stun(self, event) ||
        mesh_probe_read_index(event->data, event->n_data, &index) < 0)
        return;
    if (event->way.link == 0)
        peer = g_hash_table_lookup(self->probes, GUINT_TO_POINTER(index));
    else
        peer = g_hash_table_lookup(self->nodes, GUINT_TO_POINTER(event->way.index));
    /* By relay it may be the first that we hear of the peer. */
    if (peer != NULL && ready_seek(self, peer))
        path_seek_take(peer->seek, event);
}

void path_handle_event(Path *self, const WireEvent *event)
{
    Peer *peer = g_hash_table_lookup(self->peers, &event->peer);

    if (event->kind == WIRE_EVENT_RAW)
        take_raw(self, event);
    if (event->kind == WIRE_EVENT_RAW || peer == NULL)
        return;
    if (peer->seek == NULL && event->kind == WIRE_EVENT_ACTIVE)
        set_route(self, peer, true);
    else if (peer->seek != NULL || (event->kind == WIRE_EVENT_HANDSHAKE && ready_seek(self, peer)))
        path_seek_handle(peer->seek, event);
    switch (event->kind) {
    case WIRE_EVENT_HANDSHAKE:
    case WIRE_EVENT_ROAMED:
        peer->trying = peer->failed = false;
        mesh_backoff_reset(&peer->backoff);
        set_due(self, peer, LOOK_AGAIN_MS);
        show(self, peer, event->kind == WIRE_EVENT_ROAMED);
        return;
    case WIRE_EVENT_GAVE_UP:
        peer->trying = false;
        peer->failed = true;
        set_due(self, peer, mesh_backoff_next_ms(&peer->backoff));
        show(self, peer, false);
        return;
    case WIRE_EVENT_EXPIRED:
        retry(self, peer);
        show(self, peer, false);
        return;
    default:
        return;
    }
}

bool path_connect(Path *self, const MeshKey *key)
{
    Peer *peer = g_hash_table_lookup(self->peers, key);

    if (peer == NULL)
        return false;
    if (!peer->trying)
        set_route(self, peer, true);
    return true;
}

bool path_explain(Path *self, const MeshKey *key, PathInfo *out_info)
{
    Peer    *peer = g_hash_table_lookup(self->peers, key);
    PathInfo info = { 0 };
    WireWay  way;

    if (peer == NULL || !read_wire(self, peer, &info.wire))
        return false;
    info.kind = judge(self, peer, &info.wire, &info.reason);
    info.n_candidates = peer->n_candidates;
    if (info.n_candidates > 0)
        memcpy(info.candidates, peer->candidates, info.n_candidates * sizeof info.candidates[0]);
    info.peer_udp = peer->udp;
    info.peer_told = peer->told_nat;
    info.peer_nat = peer->nat;
    if (peer->seek != NULL && path_seek_get_way(peer->seek, &way, &info.rtt_us, &info.busy) &&
        way.link != 0)
        info.relay = g_strdup(path_relays_name(self->host.relays, way.link));
    *out_info = info;
    return true;
}
