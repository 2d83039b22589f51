#include "daemon/path/peer.h"

#include "common/glib/log.h"
#include "common/std/clock.h"
#include "daemon/path/candidates.h"
#include "daemon/path/explain.h"
#include "daemon/path/relayhome.h"
#include "daemon/path/seeking.h"

#include <string.h>
#include <sys/socket.h>

enum {
    FAILED_AFTER_MS = 15000, /* without an answer that long: shown as no way, still being tried */
    LOOK_AGAIN_MS = 60000,   /* events may be lost, so a settled peer is looked at now and then */
    SILENT_MS = 150000,      /* a session that heard nothing through a rekey is not a proof */
    RETRY_FIRST_MS = 1000,   /* after the data plane gave up */
    RETRY_CAP_MS = 60000,
    FIRSTS_A_SECOND = 50, /* probes by relay of peers that we had not talked to */
    FIRSTS_BURST = PATH_MAX_EAGER,
};

static PathHost get_host(const PathPeerPath *self)
{
    const PathSeekHost *host = self->host->seek;

    return (PathHost){ .addrs = (const MeshAddr *)(void *)host->addrs->data,
                       .n_addrs = host->addrs->len,
                       .presence_known = host->has_server };
}

bool path_peer_read(const PathPeerPath *self, WirePeerInfo *out_info)
{
    memset(out_info, 0, sizeof *out_info);
    return wire_plane_get_peer(self->host->seek->plane, &self->told.wg, out_info) == 0;
}

static bool is_live(const WirePeerInfo *info)
{
    int64_t silent_ms = mesh_clock_boot_ms() - (int64_t)info->last_received_ms;

    return info->has_session && info->last_received_ms != 0 && silent_ms < SILENT_MS;
}

static const char *say_no_relay(const PathPeerPath *self)
{
    MeshEndpoint seen;
    uint16_t     home;

    if (self->host->seek->n_relays == 0)
        return "the network has no relay";
    if (!path_relayhome_get_home(self->host->seek->relays, &home, &seen))
        return "no relay can be reached";
    return self->told.n_relays > 0 ? "its relay cannot be reached" : "the peer is at no relay";
}

static PathKind judge(const PathPeerPath *self, const WirePeerInfo *info, const char **out_code,
                      char **out_reason)
{
    PathHost   host = get_host(self);
    WireWay    way = { .link = 0 };
    int64_t    rtt_us = 0;
    bool       found = false;
    PathSearch search = PATH_SEARCH_NONE;
    PathFacts  facts = { .peer = &self->told,
                         .host = &host,
                         .candidates = self->candidates,
                         .n_candidates = self->n_candidates,
                         .trying = self->trying || info->handshake_attempts > 0,
                         .failed = self->failed };

    if (self->seek != NULL)
        found = path_seek_get_way(self->seek, &way, &rtt_us, &search);
    facts.direct = !found || way.link == 0;
    facts.busy = search != PATH_SEARCH_NONE;
    if (found && way.link != 0)
        facts.relay = path_relays_name(self->host->seek->relays, way.link);
    facts.tcp = found && way.link >= PATH_FIRST_TCP_LINK;
    facts.live = is_live(info) && (found ? facts.direct || facts.tcp || facts.relay != NULL
                                         : info->endpoint.addr.family != 0);
    facts.peer_relay = found && way.link >= PATH_FIRST_PEER_LINK && !facts.tcp;
    facts.no_relay = say_no_relay(self);
    return path_explain_judge(&facts, out_code, out_reason);
}

/* Tells the owner when the kind is another than the one told last. */
void path_peer_show(PathPeerPath *self, bool always)
{
    WirePeerInfo     info;
    g_autofree char *reason = NULL;
    const char      *code;
    PathKind         kind;

    if (!path_peer_read(self, &info))
        return;
    kind = judge(self, &info, &code, &reason);
    if (kind == self->shown && !always)
        return;
    self->shown = kind;
    self->host->changed(&self->told.wg, self->host->user_data);
}

static void set_due(PathPeerPath *self, int64_t in_ms)
{
    self->due_ms = mesh_clock_boot_ms() + in_ms;
    self->host->due(self->due_ms, self->host->user_data);
}

/* A peer that chose its key for it gets no other's index: what comes from both is the first's. */
static void add_index(PathPeerPath *self)
{
    gpointer at = GUINT_TO_POINTER(path_seek_get_index(self->seek));

    if (!g_hash_table_contains(self->host->probes, at))
        g_hash_table_insert(self->host->probes, at, self);
}

/* Ten thousand peers are known and few are talked to: keys and ways are made for those. */
static bool ready_seek(PathPeerPath *self)
{
    if (self->seek == NULL && self->told.has_probe_key) {
        self->seek = path_seek_new(self->host->seek, &self->told);
        if (self->seek != NULL)
            add_index(self);
    }
    return self->seek != NULL;
}

/* With a relay the first packet is enough to begin; it waits in the data plane until then. */
static bool is_found_later(const PathPeerPath *self)
{
    WireWay way;

    return self->told.has_probe_key &&
           path_relays_get_way(self->host->seek->relays, &self->told, false, &way);
}

/* Hands the candidates to the data plane. @start: send initiations if there is no session. */
static void set_route(PathPeerPath *self, bool start)
{
    WireRoute    route = { .n_candidates = (uint8_t)self->n_candidates };
    WirePeerInfo info;

    for (size_t i = 0; i < self->n_candidates; i++)
        route.candidates[i] = self->candidates[i].endpoint;
    if (!path_peer_read(self, &info))
        return; /* no such peer any more: the next path_apply() says so too */
    if (start && ready_seek(self)) {
        path_seek_want(self->seek);
    } else if (self->seek == NULL) {
        route.pinned = is_found_later(self);
        start = start && (self->n_candidates > 0 || info.endpoint.addr.family != 0);
        if (wire_plane_set_route(self->host->seek->plane, &self->told.wg, &route, start) < 0)
            return;
    }
    if (!start)
        return;
    if (is_live(&info)) {
        self->trying = false;
        set_due(self, LOOK_AGAIN_MS);
        return;
    }
    self->trying = true;
    set_due(self, self->failed ? LOOK_AGAIN_MS : FAILED_AFTER_MS);
}

/* Where there is a relay the first packet is enough: a peer that is idle is met once, at most. */
static bool wants_connection(const PathPeerPath *self)
{
    const PathSeekHost *host = self->host->seek;

    return self->told.eager && (self->told.online || !host->has_server) &&
           (host->relayless || !self->met);
}

/* Something about the peer or the host is new: all earlier failure is forgotten. */
void path_peer_start_over(PathPeerPath *self)
{
    PathHost           host = get_host(self);
    MeshRecordEndpoint here[MESH_RECORD_MAX_ENDPOINTS], chosen[WIRE_MAX_CANDIDATES];
    size_t n = path_prefix64_translate_all(self->host->seek->prefix, self->told.endpoints,
                                           self->told.n_endpoints, here);

    self->n_candidates = path_candidates_choose(host.addrs, host.n_addrs, here, n, chosen);
    g_free(self->candidates);
    self->candidates = g_memdup2(chosen, self->n_candidates * sizeof chosen[0]);
    self->trying = self->failed = false;
    self->due_ms = INT64_MAX;
    mesh_backoff_reset(&self->backoff);
    if (self->seek != NULL)
        path_seek_told(self->seek);
    set_route(self, wants_connection(self));
    path_peer_show(self, false);
}

static void retry(PathPeerPath *self)
{
    self->due_ms = INT64_MAX;
    if (wants_connection(self))
        set_route(self, true);
}

void path_peer_look(PathPeerPath *self)
{
    WirePeerInfo info;

    self->due_ms = INT64_MAX;
    if (!path_peer_read(self, &info))
        return;
    if (is_live(&info)) {
        self->trying = self->failed = false;
        set_due(self, LOOK_AGAIN_MS);
    } else if (self->trying) {
        self->failed = true; /* the plane goes on trying; GAVE_UP ends this round */
        set_due(self, 2 * LOOK_AGAIN_MS);
        if (info.handshake_attempts == 0)
            self->trying = false; /* its GAVE_UP was lost */
    } else {
        retry(self);
    }
    path_peer_show(self, false);
}

/* What was agreed on with its old probe key is void. */
static void drop_seek(PathPeerPath *self)
{
    gpointer at = self->seek != NULL ? GUINT_TO_POINTER(path_seek_get_index(self->seek)) : NULL;

    if (g_hash_table_lookup(self->host->probes, at) == self)
        g_hash_table_remove(self->host->probes, at);
    path_seek_free(g_steal_pointer(&self->seek));
}

/* Relays name nodes by it, and anybody at a relay makes them say it often. */
static void drop_index(const PathPeerPath *self)
{
    gpointer at = GUINT_TO_POINTER(self->told.index);

    if (g_hash_table_lookup(self->host->nodes, at) == self)
        g_hash_table_remove(self->host->nodes, at);
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
           mesh_endpoint_equal(&a->tcp, &b->tcp) && a->index == b->index &&
           a->n_relays == b->n_relays && memcmp(a->relays, b->relays, sizeof a->relays) == 0;
}

PathPeerPath *path_peer_new(PathPeerHost *host, const MeshKey *key)
{
    PathPeerPath *self = g_new0(PathPeerPath, 1);

    self->host = host;
    self->told.wg = *key;
    self->due_ms = INT64_MAX;
    self->backoff = (MeshBackoff){ .first_min_ms = RETRY_FIRST_MS,
                                   .first_max_ms = 5 * RETRY_FIRST_MS,
                                   .base_ms = 5 * RETRY_FIRST_MS,
                                   .cap_ms = RETRY_CAP_MS };
    return self;
}

void path_peer_free(PathPeerPath *self)
{
    drop_seek(self);
    drop_index(self);
    g_free((gpointer)self->told.endpoints);
    g_free(self->candidates);
    g_free(self);
}

/* It is about to be at home elsewhere: is its relay lost for us, too? */
static void doubt_old_home(PathPeerPath *self, const PathPeer *told)
{
    if (self->seek != NULL && self->told.relays[0] != told->relays[0] &&
        !path_meet_is_direct(self->seek) && path_seek_is_alive(self->seek))
        path_relays_doubt(self->host->seek->relays, &self->seek->relay);
}

void path_peer_tell(PathPeerPath *self, const PathPeer *told)
{
    bool renew = !is_same_seek(&self->told, told);

    if (self->known && is_same(&self->told, told))
        return;
    doubt_old_home(self, told);
    self->known = true;
    g_free((gpointer)self->told.endpoints);
    drop_index(self);
    self->told = *told;
    self->told.relay = NULL; /* borrowed for the call */
    self->told.name = NULL;
    g_hash_table_insert(self->host->nodes, GUINT_TO_POINTER(told->index), self);
    self->told.n_endpoints = MIN(told->n_endpoints, WIRE_MAX_CANDIDATES);
    self->told.endpoints =
        g_memdup2(told->endpoints, self->told.n_endpoints * sizeof told->endpoints[0]);
    if (renew)
        drop_seek(self);
    path_peer_start_over(self);
}

static void follow_relays(PathPeerPath *self)
{
    WireWay    way;
    int64_t    rtt_us;
    PathSearch search;
    bool       tls;

    path_seek_relayed(self->seek);
    tls = path_seek_get_way(self->seek, &way, &rtt_us, &search) &&
          path_relays_is_tls(self->host->seek->relays, &way);
    if (tls == self->shown_tls)
        return;
    self->shown_tls = tls;
    self->host->changed(&self->told.wg, self->host->user_data);
}

void path_peer_relayed(PathPeerPath *self)
{
    if (self->seek != NULL)
        follow_relays(self);
    else if (self->told.has_probe_key)
        set_route(self, false);
}

void path_peer_connect(PathPeerPath *self)
{
    if (!self->trying)
        set_route(self, true);
}

/* By relay it may be the first that we hear of the peer. But a relay that tells from whom it is may
 * lie: what is not the peer's leaves nothing behind, and may cost us keys only so often. */
void path_peer_take(PathPeerPath *self, const WireEvent *event)
{
    bool first = self->seek == NULL;

    if (first &&
        !path_ways_spend(&self->host->firsts, FIRSTS_A_SECOND, FIRSTS_BURST, mesh_clock_boot_ms()))
        return;
    if (!ready_seek(self) || path_seek_take(self->seek, event) || !first)
        return;
    drop_seek(self);
    set_route(self, false);
}

static void take_stray(PathPeerPath *self, const WireEvent *event)
{
    WireEvent    heard = { .kind = WIRE_EVENT_ROAMED, .way = event->way };
    WirePeerInfo info;

    if (self->trying || !path_peer_read(self, &info) || info.has_session ||
        !path_ways_spend(&self->host->firsts, FIRSTS_A_SECOND, FIRSTS_BURST, mesh_clock_boot_ms()))
        return;
    mesh_log_debug("data of a session that we do not have: calls peer %u", self->told.index);
    if (event->way.link != 0 && ready_seek(self))
        path_seek_handle(self->seek, &heard); /* there it is found, if nowhere else */
    set_route(self, true);
}

void path_peer_handle(PathPeerPath *self, const WireEvent *event)
{
    if (event->kind == WIRE_EVENT_STRAY) {
        take_stray(self, event);
        return;
    }
    if (self->seek == NULL && event->kind == WIRE_EVENT_ACTIVE)
        set_route(self, true);
    else if (self->seek != NULL || (event->kind == WIRE_EVENT_HANDSHAKE && ready_seek(self)))
        path_seek_handle(self->seek, event);
    self->met |= event->kind == WIRE_EVENT_HANDSHAKE || event->kind == WIRE_EVENT_GAVE_UP;
    switch (event->kind) {
    case WIRE_EVENT_HANDSHAKE:
    case WIRE_EVENT_ROAMED:
        self->trying = self->failed = false;
        mesh_backoff_reset(&self->backoff);
        set_due(self, LOOK_AGAIN_MS);
        path_peer_show(self, event->kind == WIRE_EVENT_ROAMED);
        return;
    case WIRE_EVENT_GAVE_UP:
        self->trying = false;
        self->failed = true;
        set_due(self, mesh_backoff_next_ms(&self->backoff));
        path_peer_show(self, false);
        return;
    case WIRE_EVENT_EXPIRED:
        retry(self);
        path_peer_show(self, false);
        return;
    default:
        return;
    }
}

static bool has_family(const PathPeerPath *self, int family)
{
    for (size_t i = 0; i < self->told.n_endpoints; i++)
        if (self->told.endpoints[i].endpoint.addr.family == family)
            return true;
    return self->seen.addr.family == family;
}

static void add_families(const PathPeerPath *self, PathInfo *info)
{
    PathHost host = get_host(self);

    info->peer_seen = self->seen;
    info->peer4 = has_family(self, AF_INET);
    info->peer6 = has_family(self, AF_INET6);
    info->own4 = path_candidates_has_family(host.addrs, host.n_addrs, AF_INET);
    info->own6 = path_candidates_has_family(host.addrs, host.n_addrs, AF_INET6);
}

bool path_peer_explain(PathPeerPath *self, PathInfo *out_info)
{
    PathInfo   info = { 0 };
    WireWay    way;
    PathSearch search;

    if (!path_peer_read(self, &info.wire))
        return false;
    info.kind = judge(self, &info.wire, &info.code, &info.reason);
    info.n_candidates = self->n_candidates;
    if (info.n_candidates > 0)
        memcpy(info.candidates, self->candidates, info.n_candidates * sizeof info.candidates[0]);
    info.peer_udp = self->udp;
    info.peer_told = self->told_nat;
    info.peer_nat = self->nat;
    if (self->seek != NULL && path_seek_get_way(self->seek, &way, &info.rtt_us, &search)) {
        info.busy = search != PATH_SEARCH_NONE;
        info.again = search == PATH_SEARCH_AGAIN;
        info.mtu = path_width_show(self->seek);
        info.singly = path_canary_wants_single(self->seek, &way);
        if (way.link != 0)
            info.relay = g_strdup(path_relays_name(self->host->seek->relays, way.link));
        info.relay_tls = path_relays_is_tls(self->host->seek->relays, &way);
        info.wire.endpoint = way.endpoint; /* the data plane comes to it a moment later */
        (void)path_tcp_get(self->host->seek->tcp, way.link, &info.wire.endpoint);
        info.wire.way = way;
    }
    add_families(self, &info);
    *out_info = info;
    return true;
}
