#include "daemon/path/relayhome.h"
#include "daemon/path/seeking.h"

#include "common/glib/log.h"
#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "daemon/path/candidates.h"
#include "daemon/path/hardnat.h"
#include "daemon/path/idle.h"
#include "daemon/path/relayhome.h"
#include "daemon/wire/ways.h"

#include <string.h>
#include <sys/socket.h>

enum {
    CHECK_EACH_MS = 100, /* pings of a way in doubt */
    CHECKS = 3,
    SILENT_LEAST_MS = 300,
    RELAY_SILENT_MS = 1000, /* by relay, at most: the peer's side of it is not measured */
    LATELY_MS = 10000,
    BOTH_WAYS = 3,      /* batches that go by relay too after a direct way was found */
    PING_BACK_MS = 100, /* at most one a way in that time, in answer to pings */
    ALIVE_MS = 45000,   /* data so lately: the peer is called again after a change */
};

static int64_t now_us(void)
{
    return mesh_clock_boot_ns() / 1000;
}

static uint64_t make_txid(void)
{
    uint64_t txid;

    mesh_key_random(&txid, sizeof txid);
    return txid;
}

PathWay *path_seek_get_active(PathSeek *self)
{
    return wire_way_is_set(&self->active) ? path_ways_find(&self->ways, &self->active) : NULL;
}

/* ---- the route ---- */

static uint16_t get_patience(const PathWay *active)
{
    int64_t ms = 3 * active->rtt_us / 1000;

    return (uint16_t)CLAMP(ms, SILENT_LEAST_MS, 5000);
}

/* By relay the way is as long as ours there and the peer's, which is as far as ours or further. */
static uint16_t get_relay_patience(const PathSeek *self)
{
    PathRelayLook look = { .rtt_us = 0 };

    if (!path_relays_look(self->host->relays, &self->relay, false, &look) || look.rtt_us == 0)
        return RELAY_SILENT_MS;
    return (uint16_t)CLAMP(2 * 2 * look.rtt_us / 1000, SILENT_LEAST_MS, RELAY_SILENT_MS);
}

/* Neither a proven way nor a relay: the data plane's handshakes try what is known, and whoever
 * answers is where it answers from. So two find each other while the server, and with it the news
 * of their probe keys, is away. */
static void open_route(PathSeek *self, WireRoute *route)
{
    bool hoping = path_attempt_is_hoping(self);

    *route = (WireRoute){ .pinned = false };
    for (int rank = PATH_RANK_LAN6; rank <= PATH_RANK_NAT64; rank++)
        for (size_t i = 0; i < self->ways.n && route->n_candidates < WIRE_MAX_CANDIDATES; i++)
            if (self->ways.list[i].rank == (PathRank)rank &&
                !(hoping && path_ways_wants_timing(&self->ways.list[i])))
                route->candidates[route->n_candidates++] = self->ways.list[i].to.endpoint;
}

/* What people are told: NULL: the server's relay, or no way. */
static uint8_t get_level(const PathWay *active)
{
    if (active == NULL)
        return 0;
    if (active->to.link == 0)
        return 2;
    return active->to.link >= PATH_FIRST_TCP_LINK ? 3 : 1;
}

/* Tells the data plane. @n_copies: batches that go by the relay too, if the way is direct. */
void path_seek_steer(PathSeek *self, uint16_t n_copies)
{
    WireRoute route = { .pinned = true, .silent_ms = RELAY_SILENT_MS };
    PathWay  *active = path_seek_get_active(self);
    bool      direct = active != NULL;
    uint8_t   level;
    int       rc;

    if (!direct && self->relay.link == 0) {
        open_route(self, &route);
    } else if (direct) {
        route.way = active->to;
        route.silent_ms = get_patience(active);
        route.copy = self->relay;
        if (self->relay.link != 0) {
            route.n_copies = self->resting ? UINT16_MAX : n_copies;
            path_idle_watch(self);
        }
    } else {
        route.way = self->relay;
        route.silent_ms = get_relay_patience(self);
        if (self->wanted)
            path_width_relayed(self);
    }
    route.mtu = path_width_get(self);
    route.singly = path_canary_wants_single(self, &route.way);
    rc = wire_plane_set_route(self->host->plane, &self->told->wg, &route,
                              self->wanted &&
                                  (wire_way_is_set(&route.way) || route.n_candidates > 0));
    if (rc < 0)
        mesh_log_debug("a route was refused: %s", g_strerror(-rc));
    level = get_level(active);
    if (level != self->shown) {
        self->shown = level;
        self->host->changed(&self->told->wg, self->host->user_data);
    }
}

/* ---- sending ---- */

bool path_seek_send(PathSeek *self, const MeshProbe *probe, const WireWay *way, uint8_t ttl)
{
    uint8_t bytes[MESH_PROBE_MAX_BYTES];
    size_t  len;

    return mesh_probe_seal(&self->keys, probe, bytes, sizeof bytes, &len) == 0 &&
           wire_ways_send(self->host->plane, way, ttl, (MeshSpan){ bytes, len }) == 0;
}

bool path_seek_ping(PathSeek *self, PathWay *way, uint8_t ttl)
{
    MeshProbe probe = { .type = MESH_PROBE_PING,
                        .id = (uint16_t)(way - self->ways.list),
                        .txid = make_txid(),
                        .length = MESH_PROBE_PONG_BYTES };

    if (!path_ways_may_aim(&self->host->aim, &self->aim, way, mesh_clock_boot_ms()))
        return false;
    if (ttl == 0)
        path_ways_ping(way, probe.txid, now_us());
    (void)path_seek_send(self, &probe, &way->to, ttl);
    return true;
}

static PathRank get_rank(const PathSeek *self, const MeshEndpoint *to, MeshRecordKind kind)
{
    return path_prefix64_has(self->host->prefix, &to->addr) ? PATH_RANK_NAT64
                                                            : path_ways_rank(to, kind);
}

/* Adds what of @list this host can try. */
void path_seek_add(PathSeek *self, const MeshRecordEndpoint *list, size_t n_list)
{
    const GArray      *own = self->host->addrs;
    MeshRecordEndpoint here[MESH_RECORD_MAX_ENDPOINTS], usable[WIRE_MAX_CANDIDATES];
    size_t             n = path_prefix64_translate_all(self->host->prefix, list, n_list, here);

    n = path_candidates_choose((const MeshAddr *)(const void *)own->data, own->len, here, n,
                               usable);
    for (size_t i = 0; i < n; i++)
        (void)path_ways_add(&self->ways, &(WireWay){ .endpoint = usable[i].endpoint },
                            get_rank(self, &usable[i].endpoint, usable[i].kind),
                            path_seek_get_active(self));
}

static void add_told(PathSeek *self)
{
    path_seek_add(self, self->told->endpoints, self->told->n_endpoints);
}

static bool is_open(PathSeek *self, const WireWay *way)
{
    PathRelayLook look;

    return way->link != 0 && path_relays_look(self->host->relays, way, false, &look);
}

/* By one of the relays that it names; until there is a session at one of them as before, or where
 * it was heard. */
static void find_relay(PathSeek *self)
{
    WireWay way = { .link = 0 };
    bool    found = path_relays_get_way(self->host->relays, self->told, self->wanted, &way);

    if (!found && is_open(self, &self->relay)) {
        way = self->relay;
        found = true;
    } else if (!found && is_open(self, &self->heard)) {
        way = self->heard;
        found = true;
    }
    if (found && self->relay.link == 0) {
        mesh_log_debug("a peer can be reached by a relay");
        if (self->phase !=
            PATH_IDLE_PHASE) /* it began without: nobody was asked where the peer is */
            path_relays_ask(self->host->relays, &way);
    }
    self->relay = way;
}

/* ---- checks ---- */

static gboolean on_check(gpointer user_data);

static void send_checks(PathSeek *self)
{
    PathWay *active = path_seek_get_active(self);

    for (size_t i = 0; i < self->ways.n; i++)
        if (&self->ways.list[i] == active || self->ways.list[i].valid)
            (void)path_seek_ping(self, &self->ways.list[i], 0);
}

static void end_check(PathSeek *self)
{
    g_clear_handle_id(&self->check_timer, g_source_remove);
    self->checks = 0;
}

/* Where it was heard last, if that was since @since_ms: its packets are authentic, whatever became
 * of its probe key. */
static PathWay *find_heard(PathSeek *self, int64_t since_ms)
{
    PathWay *last = NULL;

    for (size_t i = 0; i < self->ways.n; i++) {
        PathWay *way = &self->ways.list[i];

        if (way->heard_ms >= since_ms && way->narrow_ms == 0 &&
            (last == NULL || way->heard_ms > last->heard_ms))
            last = way;
    }
    return last;
}

/* The way in use does not answer: the best that did since then, or the relay. */
static void fail_over(PathSeek *self)
{
    PathWay *active = path_seek_get_active(self), *best;

    if (active != NULL)
        active->valid = false;
    best = path_ways_best(&self->ways, self->check_ms);
    if (best == NULL)
        best = find_heard(self, self->check_ms);
    self->active = best != NULL ? best->to : (WireWay){ .link = 0 };
    end_check(self);
    find_relay(self);
    path_seek_steer(self, 0);
    if (best != NULL)
        path_width_ask(self);
    if (path_meet_is_direct(self))
        return;
    if (self->relay.link != 0)
        path_relays_doubt(self->host->relays, &self->relay); /* silence is told of once only */
    path_attempt_start(self);
}

void path_seek_leave(PathSeek *self)
{
    self->check_ms = mesh_clock_boot_ms() - LATELY_MS;
    fail_over(self);
}

static gboolean on_check(gpointer user_data)
{
    PathSeek *self = user_data;

    self->check_timer = 0;
    if (self->checks >= CHECKS || path_seek_get_active(self) == NULL) { /* or it is gone */
        fail_over(self);
        return G_SOURCE_REMOVE;
    }
    self->checks++;
    send_checks(self);
    self->check_timer =
        g_timeout_add(self->checks < CHECKS
                          ? CHECK_EACH_MS
                          : MAX(CHECK_EACH_MS, get_patience(path_seek_get_active(self)) / 3),
                      on_check, self);
    return G_SOURCE_REMOVE;
}

/* Is the way in use still one? Until that is known everything goes by the relay, too. */
static void check(PathSeek *self)
{
    if (self->checks > 0 || path_seek_get_active(self) == NULL)
        return;
    self->check_ms = mesh_clock_boot_ms();
    find_relay(self);
    path_seek_steer(self, UINT16_MAX);
    (void)on_check(self);
    path_width_ask(self);   /* perhaps long packets alone are lost */
    path_canary_look(self); /* or bursts */
}

/* ---- what comes ---- */

static void use(PathSeek *self, PathWay *way)
{
    char text[MESH_ENDPOINT_TEXT_SIZE];

    mesh_log_debug("a peer is reached at %s", mesh_endpoint_format(&way->to.endpoint, text));
    self->active = way->to;
    end_check(self);
    if (way->to.link == 0)
        (void)path_meet_end(self);
    path_seek_steer(self, BOTH_WAYS);
    path_width_ask(self);
}

/* Servers with one address cannot tell a NAT that goes by address: a peer does, elsewhere. */
static void learn_nat(PathSeek *self, const PathWay *way, const MeshEndpoint *observed)
{
    PathSeekHost *host = self->host;
    MeshEndpoint  seen;
    uint16_t      home;

    if (way->to.link != 0 || way->to.socket != 0 || host->independent ||
        host->nat.mapping != MESH_PROBE_INDEPENDENT || observed->addr.family != AF_INET ||
        !path_relayhome_get_home(host->relays, &home, &seen))
        return;
    if (mesh_ip_equal_addr(&seen.addr, &observed->addr) && seen.port != observed->port)
        host->nat.mapping = MESH_PROBE_BY_ADDRESS;
}

static void take_pong(PathSeek *self, const MeshProbe *probe)
{
    PathWay *way = path_ways_pong(&self->ways, probe->txid, now_us());
    PathWay *active = path_seek_get_active(self);

    if (way == NULL) {
        if (!path_width_take_pong(self, probe->txid) && !path_canary_take_pong(self, probe->txid))
            path_meet_take_pong(self, probe->txid);
        return;
    }
    if (!way->valid) /* narrow */
        return;
    learn_nat(self, way, &probe->observed);
    if (way != active && way->to.link != 0 && !path_meet_is_worth(self, way))
        return;
    if (active == NULL || (way != active && path_ways_is_better(way, active)))
        use(self, way);
    if (way != active)
        return;
    if (self->checks > 0) {
        end_check(self);
        path_seek_steer(self, 0);
    }
    path_width_proved(self);
}

/* What the peer seals may come from any address that it writes as its own: that it is there its
 * relay says, or its answer to a ping of ours. */
static bool is_seen_at(const PathSeek *self, const MeshEndpoint *from)
{
    return self->seen.addr.family != 0 && mesh_ip_equal_addr(&self->seen.addr, &from->addr);
}

/* Whoever pings us there is there, perhaps: the way is worth a ping of ours. */
static void take_ping(PathSeek *self, const MeshProbe *probe, const WireEvent *event)
{
    MeshProbe pong = { .type = MESH_PROBE_PONG, .id = probe->id, .txid = probe->txid };
    PathWay  *way, *active = path_seek_get_active(self);

    pong.length = probe->length;
    pong.observed = event->way.endpoint;
    (void)path_seek_send(self, &pong, &event->way, 0);
    if (event->way.link != 0) { /* by another node's relay: the peer has come there, too */
        (void)path_meet_look(self);
        return;
    }
    way = path_ways_add(&self->ways, &event->way,
                        get_rank(self, &event->way.endpoint, MESH_RECORD_OBSERVED), active);
    if (way == NULL)
        return;
    way->trusted |= is_seen_at(self, &event->way.endpoint);
    if (!way->valid && (active == NULL || way->rank < active->rank) &&
        mesh_clock_boot_ms() - way->pinged_ms >= PING_BACK_MS)
        (void)path_seek_ping(self, way, 0);
}

bool path_seek_take(PathSeek *self, const WireEvent *event)
{
    MeshProbe probe;

    if (mesh_probe_open(&self->keys, event->data, event->n_data, &probe) < 0)
        return false;
    path_seek_take_probe(self, &probe, event);
    return true;
}

void path_seek_take_probe(PathSeek *self, const MeshProbe *probe, const WireEvent *event)
{
    bool relayed = event->way.link != 0;

    if (relayed && event->way.index != self->told->index)
        return; /* another's place at the relay */
    if (probe->type == MESH_PROBE_PING)
        take_ping(self, probe, event);
    else if (probe->type == MESH_PROBE_PONG)
        take_pong(self, probe);
    else if (relayed && probe->type == MESH_PROBE_CALL && (probe->flags & MESH_PROBE_HARD) != 0)
        path_hardnat_take_call(self, probe);
    else if (relayed && probe->type == MESH_PROBE_CALL_ACK && (probe->flags & MESH_PROBE_HARD) != 0)
        path_hardnat_take_ack(self, probe);
    else if (probe->type == MESH_PROBE_CALL && relayed)
        path_attempt_take_call(self, probe, event);
    else if (probe->type == MESH_PROBE_CALL_ACK && relayed)
        path_attempt_take_ack(self, probe);
    else if (probe->type == MESH_PROBE_SYNC && relayed)
        path_attempt_take_sync(self);
}

/* An authentic packet came another way than we send: perhaps a better one. */
static void look_at(PathSeek *self, const WireWay *way)
{
    PathWay *active = path_seek_get_active(self), *found;

    if (way->link != 0) {
        if (way->link < PATH_FIRST_PEER_LINK) {
            self->heard = *way;
            path_seek_relayed(self);
        }
        return;
    }
    found = path_ways_add(&self->ways, way, get_rank(self, &way->endpoint, MESH_RECORD_OBSERVED),
                          active);
    if (found == NULL)
        return;
    found->trusted |= is_seen_at(self, &way->endpoint);
    found->heard_ms = mesh_clock_boot_ms();
    if ((active == NULL || found->rank <= active->rank) &&
        found->heard_ms - found->pinged_ms >= PING_BACK_MS)
        (void)path_seek_ping(self, found, 0);
}

void path_seek_handle(PathSeek *self, const WireEvent *event)
{
    switch (event->kind) {
    case WIRE_EVENT_HANDSHAKE:
        mesh_log_debug("a session with a peer");
        return;
    case WIRE_EVENT_ROAMED:
        look_at(self, &event->way);
        return;
    case WIRE_EVENT_BURSTS:
        path_canary_hear(self);
        return;
    case WIRE_EVENT_SILENT:
        if (path_seek_get_active(self) == NULL)
            path_relays_doubt(self->host->relays, &self->relay);
        check(self);
        return;
    case WIRE_EVENT_ACTIVE:
        self->wanted = true;
        path_idle_end(self);
        check(self); /* the mapping may have ended while it was idle */
        path_width_relayed(self);
        if (path_meet_is_direct(self))
            return;
        if (mesh_clock_boot_ms() >= self->again_ms)
            path_attempt_start(self);
        else if (self->phase == PATH_IDLE_PHASE) /* plain pings have failed, without data */
            path_hardnat_consider(self, SIZE_MAX);
        return;
    case WIRE_EVENT_GAVE_UP:
        /* With a relay the next packet is soon enough to try again. */
        if (self->wanted && mesh_clock_boot_ms() >= self->again_ms &&
            (self->host->relayless || path_seek_is_alive(self)))
            path_seek_want(self);
        return;
    default:
        return;
    }
}

/* ---- front ---- */

PathSeek *path_seek_new(PathSeekHost *host, const PathPeer *told)
{
    PathSeek *self = g_new0(PathSeek, 1);

    self->host = host;
    self->told = told;
    self->born_ms = mesh_clock_boot_ms();
    if (mesh_probekey_derive(host->probe_private, &host->probe_public, &told->probe_key,
                             host->net.bytes, &self->keys) < 0) {
        g_free(self);
        return NULL;
    }
    self->keys.sent = host->n_spent;
    add_told(self);
    find_relay(self);
    path_seek_steer(self, 0);
    path_canary_listen(self); /* whoever was here before may have heard of bursts by that way */
    return self;
}

void path_seek_free(PathSeek *self)
{
    if (self == NULL)
        return;
    g_clear_handle_id(&self->timer, g_source_remove);
    g_clear_handle_id(&self->check_timer, g_source_remove);
    g_clear_handle_id(&self->hope_timer, g_source_remove);
    path_idle_end(self);
    path_width_end(self);
    path_canary_end(self);
    path_hardnat_forget(self);
    (void)path_meet_end(self);
    /* The peer may come back with the same key: a counter is a nonce, and the peer remembers it. */
    self->host->n_spent = MAX(self->host->n_spent, self->keys.sent);
    mesh_probekey_wipe(&self->keys);
    g_free(self);
}

void path_seek_told(PathSeek *self)
{
    self->again_ms = 0;
    add_told(self);
    path_seek_relayed(self);
    if (self->relay.link == 0 && path_seek_get_active(self) == NULL)
        path_seek_steer(self, 0); /* there are other candidates */
    if (!self->wanted || path_meet_is_direct(self))
        return;
    path_meet_dial(self); /* a router may let us in by TCP now */
    path_attempt_start(self);
}

void path_seek_want(PathSeek *self)
{
    bool first = !self->wanted;

    self->wanted = true;
    find_relay(self);
    if (first || path_seek_get_active(self) == NULL)
        path_seek_steer(self, 0);
    if (!path_meet_is_direct(self))
        path_attempt_start(self);
}

bool path_seek_is_alive(const PathSeek *self)
{
    WirePeerInfo info;

    return wire_plane_get_peer(self->host->plane, &self->told->wg, &info) == 0 &&
           info.last_data_ms != 0 && mesh_clock_boot_ms() - (int64_t)info.last_data_ms < ALIVE_MS;
}

void path_seek_doubt(PathSeek *self)
{
    add_told(self);
    path_ways_doubt(&self->ways);
    path_hardnat_forget(self);
    end_check(self);
    path_idle_end(self);
    if (self->phase != PATH_IDLE_PHASE)
        path_attempt_end(self, false);
    self->again_ms = 0;
    (void)path_meet_end(self);
    self->active = (WireWay){ .link = 0 };
    self->relayed = (PathWay){ .width = 0 };
    find_relay(self);
    path_seek_steer(self, 0);
    if (path_seek_is_alive(self) || (self->host->relayless && self->wanted && self->told->eager))
        path_attempt_start(self);
}

void path_seek_check(PathSeek *self)
{
    if (path_seek_is_alive(self))
        check(self);
}

void path_seek_relayed(PathSeek *self)
{
    WireWay before = self->relay;
    bool    lost = path_meet_look(self);

    find_relay(self);
    path_width_moved(self);
    if (wire_way_equal(&before, &self->relay) && !lost)
        return;
    path_seek_steer(self, 0);
    if (self->wanted && !path_meet_is_direct(self) && before.link == 0)
        path_attempt_start(self);
}

void path_seek_found(PathSeek *self, const MeshEndpoint *at)
{
    const GArray *own = self->host->addrs;
    MeshEndpoint  to = path_prefix64_translate(self->host->prefix, at);
    PathWay      *way;

    self->tls_only = at->addr.family == 0;
    if (self->tls_only && !path_meet_is_direct(self))
        path_meet_dial(self);
    if (!path_candidates_can_try((const MeshAddr *)(void *)own->data, own->len, &to))
        return; /* over TLS, or a relay that lies */
    self->seen = to;
    way = path_ways_add(&self->ways, &(WireWay){ .endpoint = to },
                        get_rank(self, &to, MESH_RECORD_OBSERVED), path_seek_get_active(self));
    if (way != NULL)
        way->trusted = true;
}

uint32_t path_seek_get_index(const PathSeek *self)
{
    return self->keys.receive_index;
}

bool path_seek_get_way(PathSeek *self, WireWay *out_way, int64_t *out_rtt_us,
                       PathSearch *out_search)
{
    const PathWay *active = path_seek_get_active(self);

    *out_search = self->phase == PATH_IDLE_PHASE ? PATH_SEARCH_NONE
                  : self->again_in_ms == 0       ? PATH_SEARCH_FIRST
                                                 : PATH_SEARCH_AGAIN;
    *out_rtt_us = active != NULL ? active->rtt_us : 0;
    *out_way = active != NULL ? active->to : self->relay;
    return wire_way_is_set(out_way);
}
