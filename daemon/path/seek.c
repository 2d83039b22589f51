#include "daemon/path/seek.h"

#include "common/glib/log.h"
#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "daemon/path/candidates.h"
#include "daemon/wire/ways.h"

#include <string.h>
#include <sys/socket.h>

enum {
    CALL_EACH_MS = 250,  /* until it is answered */
    CALLS = 3,           /* then punching starts without an answer */
    SYNC_LIMIT_MS = 500, /* a callee does not wait longer for SYNC */
    OPENER_LEAD_MS = 50, /* before the first burst */
    OPENER_TTL = 2,      /* clears our own router, does not reach the other's */
    MAX_PINGS = 60,      /* of an attempt */
    CHECK_EACH_MS = 100, /* pings of a way in doubt */
    CHECKS = 3,
    SILENT_LEAST_MS = 300,
    RELAY_SILENT_MS = 1000,
    AGAIN_FIRST_MS = 30000, /* after an attempt that found nothing, while there is traffic */
    AGAIN_CAP_MS = 600000,
    BOTH_WAYS = 3,      /* batches that go by relay too after a direct way was found */
    PING_BACK_MS = 100, /* at most one a way in that time, in answer to pings */
    AIM_A_SECOND = 10,  /* pings to public addresses that a peer merely claims, all peers */
    AIM_BURST = 20,
    ALIVE_MS = 45000, /* data so lately: the peer is called again after a change */
};

/* Since the start of an attempt; docs/PATHS.md §5. */
static const unsigned bursts_ms[] = { 0, 50, 150, 350, 750, 1500, 3000, 6000 };
#define END_MS 10000u

typedef enum { IDLE, CALLING, CALLED, PUNCHING } Phase;

struct PathSeek {
    PathSeekHost   *host;
    const PathPeer *told;
    MeshProbeKeys   keys;
    PathWays        ways;
    MeshEndpoint    active; /* family 0: none, by relay if at all */
    WireWay         relay;  /* link 0: none */
    bool            wanted; /* somebody wants to reach it, or it us */
    bool            shown;  /* what @host was told last: a direct way */
    Phase           phase;
    uint16_t        attempt;
    uint64_t        call_txid;
    int64_t         call_us;  /* of the first CALL of the attempt */
    int64_t         start_ms; /* of the bursts */
    unsigned        step, n_pings;
    guint           timer;                 /* of the attempt */
    int64_t         again_ms, again_in_ms; /* not before, unless something changed; next pause */
    unsigned        checks;                /* pings of the check under way; 0: none */
    int64_t         check_ms;              /* since when */
    guint           check_timer;
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

static PathWay *get_active(PathSeek *self)
{
    return self->active.addr.family != 0 ? path_ways_find(&self->ways, &self->active) : NULL;
}

/* ---- the route ---- */

static uint16_t get_patience(const PathWay *active)
{
    int64_t ms = 3 * active->rtt_us / 1000;

    return (uint16_t)CLAMP(ms, SILENT_LEAST_MS, 5000);
}

/* Neither a proven way nor a relay: the data plane's handshakes try what is known, and whoever
 * answers is where it answers from. So two find each other while the server, and with it the news
 * of their probe keys, is away. */
static void open_route(PathSeek *self, WireRoute *route)
{
    *route = (WireRoute){ .pinned = false };
    for (int rank = PATH_RANK_LAN6; rank <= PATH_RANK_OBSERVED; rank++)
        for (size_t i = 0; i < self->ways.n && route->n_candidates < WIRE_MAX_CANDIDATES; i++)
            if (self->ways.list[i].rank == (PathRank)rank)
                route->candidates[route->n_candidates++] = self->ways.list[i].to;
}

/* Tells the data plane. @n_copies: batches that go by the relay too, if the way is direct. */
static void steer(PathSeek *self, uint16_t n_copies)
{
    WireRoute route = { .pinned = true, .silent_ms = RELAY_SILENT_MS };
    PathWay  *active = get_active(self);
    bool      direct = active != NULL;
    int       rc;

    if (!direct && self->relay.link == 0) {
        open_route(self, &route);
    } else if (direct) {
        route.way = (WireWay){ .endpoint = active->to };
        route.silent_ms = get_patience(active);
        route.copy = self->relay;
        route.n_copies = self->relay.link != 0 ? n_copies : 0;
    } else {
        route.way = self->relay;
    }
    rc = wire_plane_set_route(self->host->plane, &self->told->wg, &route,
                              self->wanted &&
                                  (wire_way_is_set(&route.way) || route.n_candidates > 0));
    if (rc < 0)
        mesh_log_debug("a route was refused: %s", g_strerror(-rc));
    if (direct != self->shown) {
        self->shown = direct;
        self->host->changed(&self->told->wg, self->host->user_data);
    }
}

/* ---- sending ---- */

static bool send_probe(PathSeek *self, const MeshProbe *probe, const WireWay *way, uint8_t ttl)
{
    uint8_t bytes[MESH_PROBE_MAX_BYTES];
    size_t  len;

    return mesh_probe_seal(&self->keys, probe, bytes, sizeof bytes, &len) == 0 &&
           wire_ways_send(self->host->plane, way, ttl, (MeshSpan){ bytes, len }) == 0;
}

/* A peer must not aim us at others: what it only claims, and is public, gets few pings in all. */
static bool may_aim(PathSeek *self, const PathWay *way)
{
    PathSeekHost *host = self->host;
    int64_t       now_ms = mesh_clock_boot_ms();
    int64_t       earned = (now_ms - host->aimed_ms) * AIM_A_SECOND / 1000;

    if (way->trusted || mesh_ip_class(&way->to.addr) == MESH_IP_PRIVATE)
        return true;
    if (earned > 0) {
        host->aim = (int)MIN(host->aim + earned, AIM_BURST);
        host->aimed_ms = now_ms;
    }
    if (host->aim <= 0)
        return false;
    host->aim--;
    return true;
}

static void ping(PathSeek *self, PathWay *way, uint8_t ttl)
{
    MeshProbe probe = { .type = MESH_PROBE_PING,
                        .id = (uint16_t)(way - self->ways.list),
                        .txid = make_txid(),
                        .length = MESH_PROBE_PONG_BYTES };
    WireWay   to = { .endpoint = way->to };

    if (!may_aim(self, way))
        return;
    if (ttl == 0)
        path_ways_ping(way, probe.txid, now_us());
    (void)send_probe(self, &probe, &to, ttl);
}

static void send_call(PathSeek *self, MeshProbeType type, uint64_t txid)
{
    MeshProbe probe = { .type = type, .id = self->attempt, .txid = txid };

    if (self->relay.link == 0)
        return;
    if (type != MESH_PROBE_SYNC)
        probe.n_candidates = self->host->list_own(self->host->user_data, probe.candidates);
    (void)send_probe(self, &probe, &self->relay, 0);
}

/* ---- an attempt ---- */

static gboolean on_attempt(gpointer user_data);

static void wait(PathSeek *self, int64_t in_ms)
{
    g_clear_handle_id(&self->timer, g_source_remove);
    self->timer = g_timeout_add((guint)CLAMP(in_ms, 0, G_MAXINT), on_attempt, self);
}

static void end_attempt(PathSeek *self, bool found)
{
    g_clear_handle_id(&self->timer, g_source_remove);
    self->phase = IDLE;
    self->again_in_ms =
        found ? AGAIN_FIRST_MS : CLAMP(2 * self->again_in_ms, AGAIN_FIRST_MS, AGAIN_CAP_MS);
    self->again_ms = mesh_clock_boot_ms() + self->again_in_ms;
    self->host->changed(&self->told->wg, self->host->user_data);
}

/* Where a ping at full strength could spoil what the timed start is to open: behind a NAT. */
static bool wants_timing(const PathWay *way)
{
    return way->to.addr.family == AF_INET && way->rank >= PATH_RANK_MAPPED;
}

static void open_nat(PathSeek *self)
{
    for (size_t i = 0; i < self->ways.n; i++)
        if (wants_timing(&self->ways.list[i]) && !self->ways.list[i].valid)
            ping(self, &self->ways.list[i], OPENER_TTL);
}

static void burst(PathSeek *self, bool all)
{
    for (size_t i = 0; i < self->ways.n && self->n_pings < MAX_PINGS; i++) {
        PathWay *way = &self->ways.list[i];

        if (way->valid || (!all && wants_timing(way)))
            continue;
        self->n_pings++;
        ping(self, way, 0);
    }
}

/* The bursts begin in @in_ms, their opener before that if there is time. */
static void punch(PathSeek *self, int64_t in_ms)
{
    self->phase = PUNCHING;
    self->step = 0;
    self->start_ms = mesh_clock_boot_ms() + MAX(in_ms, OPENER_LEAD_MS);
    wait(self, MAX(in_ms - OPENER_LEAD_MS, 0));
}

static void step_punch(PathSeek *self)
{
    int64_t now_ms = mesh_clock_boot_ms();
    size_t  done;

    if (self->step == 0) {
        open_nat(self);
        self->step++;
        wait(self, self->start_ms - now_ms);
        return;
    }
    done = self->step - 1;
    if (done >= G_N_ELEMENTS(bursts_ms) || get_active(self) != NULL) {
        end_attempt(self, get_active(self) != NULL);
        return;
    }
    burst(self, true);
    self->step++;
    wait(self, self->start_ms +
                   (self->step - 1 < G_N_ELEMENTS(bursts_ms) ? bursts_ms[self->step - 1] : END_MS) -
                   now_ms);
}

static void step_call(PathSeek *self)
{
    if (self->step++ < CALLS) {
        send_call(self, MESH_PROBE_CALL, self->call_txid);
        wait(self, CALL_EACH_MS);
    } else {
        punch(self, 0);
    }
}

static gboolean on_attempt(gpointer user_data)
{
    PathSeek *self = user_data;

    self->timer = 0;
    if (self->phase == CALLING)
        step_call(self);
    else if (self->phase == CALLED)
        punch(self, 0); /* SYNC was lost */
    else if (self->phase == PUNCHING)
        step_punch(self);
    return G_SOURCE_REMOVE;
}

/* Adds what of @list this host can try. */
static void add_endpoints(PathSeek *self, const MeshRecordEndpoint *list, size_t n_list)
{
    const GArray      *own = self->host->addrs;
    MeshRecordEndpoint usable[WIRE_MAX_CANDIDATES];
    size_t n = path_candidates_choose((const MeshAddr *)(const void *)own->data, own->len, list,
                                      n_list, usable);

    for (size_t i = 0; i < n; i++)
        (void)path_ways_add(&self->ways, &usable[i].endpoint,
                            path_ways_rank(&usable[i].endpoint, usable[i].kind), get_active(self));
}

static void add_told(PathSeek *self)
{
    add_endpoints(self, self->told->endpoints, self->told->n_endpoints);
}

static void start_attempt(PathSeek *self)
{
    if (self->phase != IDLE)
        return;
    add_told(self);
    self->attempt++;
    self->step = self->n_pings = 0;
    burst(self, false); /* a LAN, IPv6: there is nothing to time */
    if (self->relay.link == 0) {
        punch(self, 0);
        return;
    }
    path_relays_ask(self->host->relays, &self->relay);
    self->phase = CALLING;
    self->call_txid = make_txid();
    self->call_us = now_us();
    step_call(self);
}

static void find_relay(PathSeek *self)
{
    WireWay way = { .link = 0 };

    (void)path_relays_get_way(self->host->relays, self->told, self->wanted, &way);
    self->relay = way;
}

/* ---- checks ---- */

static gboolean on_check(gpointer user_data);

static void send_checks(PathSeek *self)
{
    PathWay *active = get_active(self);

    for (size_t i = 0; i < self->ways.n; i++)
        if (&self->ways.list[i] == active || self->ways.list[i].valid)
            ping(self, &self->ways.list[i], 0);
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

        if (way->heard_ms >= since_ms && (last == NULL || way->heard_ms > last->heard_ms))
            last = way;
    }
    return last;
}

/* The way in use does not answer: the best that did since then, or the relay. */
static void fail_over(PathSeek *self)
{
    PathWay *active = get_active(self), *best;

    if (active != NULL)
        active->valid = false;
    best = path_ways_best(&self->ways, self->check_ms);
    if (best == NULL)
        best = find_heard(self, self->check_ms);
    self->active = best != NULL ? best->to : (MeshEndpoint){ .port = 0 };
    end_check(self);
    find_relay(self);
    steer(self, 0);
    if (best == NULL)
        start_attempt(self);
}

static gboolean on_check(gpointer user_data)
{
    PathSeek *self = user_data;

    self->check_timer = 0;
    if (self->checks >= CHECKS) {
        fail_over(self);
        return G_SOURCE_REMOVE;
    }
    self->checks++;
    send_checks(self);
    self->check_timer = g_timeout_add(self->checks < CHECKS
                                          ? CHECK_EACH_MS
                                          : MAX(CHECK_EACH_MS, get_patience(get_active(self)) / 3),
                                      on_check, self);
    return G_SOURCE_REMOVE;
}

/* Is the way in use still one? Until that is known everything goes by the relay, too. */
static void check(PathSeek *self)
{
    if (self->checks > 0 || get_active(self) == NULL)
        return;
    self->check_ms = mesh_clock_boot_ms();
    find_relay(self);
    steer(self, UINT16_MAX);
    (void)on_check(self);
}

/* ---- what comes ---- */

static void use(PathSeek *self, PathWay *way)
{
    char text[MESH_ENDPOINT_TEXT_SIZE];

    mesh_log_debug("a peer is reached at %s", mesh_endpoint_format(&way->to, text));
    self->active = way->to;
    end_check(self);
    steer(self, BOTH_WAYS);
}

static void take_pong(PathSeek *self, const MeshProbe *probe)
{
    PathWay *way = path_ways_pong(&self->ways, probe->txid, now_us());
    PathWay *active = get_active(self);

    if (way == NULL)
        return;
    if (active == NULL || (way != active && path_ways_is_better(way, active)))
        use(self, way);
    else if (way == active && self->checks > 0) {
        end_check(self);
        steer(self, 0);
    }
}

/* Whoever pings us there is there: the way is worth a ping of ours. */
static void take_ping(PathSeek *self, const MeshProbe *probe, const WireEvent *event)
{
    MeshProbe pong = { .type = MESH_PROBE_PONG, .id = probe->id, .txid = probe->txid };
    PathWay  *way, *active = get_active(self);

    pong.length = probe->length;
    pong.observed = event->way.endpoint;
    (void)send_probe(self, &pong, &event->way, 0);
    if (event->way.link != 0)
        return;
    way = path_ways_add(&self->ways, &event->way.endpoint,
                        path_ways_rank(&event->way.endpoint, MESH_RECORD_OBSERVED), active);
    if (way == NULL)
        return;
    way->trusted = true; /* it answered with its key from there */
    if (!way->valid && (active == NULL || way->rank < active->rank) &&
        mesh_clock_boot_ms() - way->pinged_ms >= PING_BACK_MS)
        ping(self, way, 0);
}

static void add_candidates(PathSeek *self, const MeshProbe *probe)
{
    static const MeshRecordKind kinds[] = { MESH_RECORD_LOCAL, MESH_RECORD_STATIC,
                                            MESH_RECORD_OBSERVED, MESH_RECORD_STATIC,
                                            MESH_RECORD_OBSERVED };
    MeshRecordEndpoint          told[MESH_PROBE_MAX_CANDIDATES];

    for (size_t i = 0; i < probe->n_candidates; i++)
        told[i] = (MeshRecordEndpoint){ .endpoint = probe->candidates[i].endpoint,
                                        .kind = kinds[probe->candidates[i].kind] };
    add_endpoints(self, told, probe->n_candidates);
}

/* Of two that call each other at once the one with the lower key is the caller. */
static bool is_caller(const PathSeek *self)
{
    return memcmp(self->host->probe_public.bytes, self->told->probe_key.bytes, MESH_KEY_BYTES) < 0;
}

static void take_call(PathSeek *self, const MeshProbe *probe, const WireEvent *event)
{
    add_candidates(self, probe);
    self->wanted = true;
    if (self->relay.link == 0) {
        self->relay = event->way; /* it found us there */
        steer(self, 0);
    }
    if (self->phase == CALLING && is_caller(self)) {
        send_call(self, MESH_PROBE_CALL_ACK, probe->txid);
        return;
    }
    self->attempt = probe->id;
    send_call(self, MESH_PROBE_CALL_ACK, probe->txid);
    if (self->phase == PUNCHING || self->phase == CALLED)
        return; /* a repeat, or as good as one */
    path_relays_ask(self->host->relays, &self->relay);
    self->n_pings = 0;
    self->phase = CALLED;
    burst(self, false);
    wait(self, SYNC_LIMIT_MS);
}

static void take_call_ack(PathSeek *self, const MeshProbe *probe)
{
    int64_t r_ms = (now_us() - self->call_us) / 1000;

    if (self->phase != CALLING || probe->txid != self->call_txid)
        return;
    add_candidates(self, probe);
    send_call(self, MESH_PROBE_SYNC, self->call_txid);
    punch(self, r_ms / 2 + OPENER_LEAD_MS);
}

static void take_sync(PathSeek *self)
{
    if (self->phase == CALLED)
        punch(self, OPENER_LEAD_MS);
}

void path_seek_take(PathSeek *self, const WireEvent *event)
{
    MeshProbe probe;
    bool      relayed = event->way.link != 0;

    if (mesh_probe_open(&self->keys, event->data, event->n_data, &probe) < 0)
        return;
    if (relayed && event->way.index != self->told->index)
        return; /* another's place at the relay */
    if (probe.type == MESH_PROBE_PING)
        take_ping(self, &probe, event);
    else if (probe.type == MESH_PROBE_PONG && !relayed)
        take_pong(self, &probe);
    else if (probe.type == MESH_PROBE_CALL && relayed)
        take_call(self, &probe, event);
    else if (probe.type == MESH_PROBE_CALL_ACK && relayed)
        take_call_ack(self, &probe);
    else if (probe.type == MESH_PROBE_SYNC && relayed)
        take_sync(self);
}

/* An authentic packet came another way than we send: perhaps a better one. */
static void look_at(PathSeek *self, const WireWay *way)
{
    PathWay *active = get_active(self), *found;

    if (way->link != 0)
        return;
    found = path_ways_add(&self->ways, &way->endpoint,
                          path_ways_rank(&way->endpoint, MESH_RECORD_OBSERVED), active);
    if (found == NULL)
        return;
    found->trusted = true;
    found->heard_ms = mesh_clock_boot_ms();
    if (active == NULL || found->rank <= active->rank)
        ping(self, found, 0);
}

void path_seek_handle(PathSeek *self, const WireEvent *event)
{
    switch (event->kind) {
    case WIRE_EVENT_ROAMED:
        look_at(self, &event->way);
        return;
    case WIRE_EVENT_SILENT:
        if (get_active(self) == NULL)
            path_relays_doubt(self->host->relays);
        check(self);
        return;
    case WIRE_EVENT_ACTIVE:
        self->wanted = true;
        check(self); /* the mapping may have ended while it was idle */
        if (get_active(self) == NULL && mesh_clock_boot_ms() >= self->again_ms)
            start_attempt(self);
        return;
    case WIRE_EVENT_GAVE_UP:
        if (self->wanted && mesh_clock_boot_ms() >= self->again_ms)
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
    if (mesh_probekey_derive(host->probe_private, &host->probe_public, &told->probe_key,
                             host->net.bytes, &self->keys) < 0) {
        g_free(self);
        return NULL;
    }
    add_told(self);
    find_relay(self);
    steer(self, 0);
    return self;
}

void path_seek_free(PathSeek *self)
{
    if (self == NULL)
        return;
    g_clear_handle_id(&self->timer, g_source_remove);
    g_clear_handle_id(&self->check_timer, g_source_remove);
    mesh_probekey_wipe(&self->keys);
    g_free(self);
}

void path_seek_told(PathSeek *self)
{
    self->again_ms = 0;
    add_told(self);
    path_seek_relayed(self);
    if (self->relay.link == 0 && get_active(self) == NULL)
        steer(self, 0); /* there are other candidates */
    if (self->wanted && get_active(self) == NULL)
        start_attempt(self);
}

void path_seek_want(PathSeek *self)
{
    bool first = !self->wanted;

    self->wanted = true;
    find_relay(self);
    if (first || get_active(self) == NULL)
        steer(self, 0);
    if (get_active(self) == NULL)
        start_attempt(self);
}

void path_seek_doubt(PathSeek *self)
{
    WirePeerInfo info;
    bool         alive = wire_plane_get_peer(self->host->plane, &self->told->wg, &info) == 0 &&
                 info.last_data_ms != 0 &&
                 mesh_clock_boot_ms() - (int64_t)info.last_data_ms < ALIVE_MS;

    add_told(self);
    path_ways_doubt(&self->ways);
    end_check(self);
    if (self->phase != IDLE)
        end_attempt(self, false);
    self->again_ms = 0;
    self->active = (MeshEndpoint){ .port = 0 };
    find_relay(self);
    steer(self, 0);
    if (alive || (self->wanted && self->told->eager))
        start_attempt(self);
}

void path_seek_relayed(PathSeek *self)
{
    WireWay before = self->relay;

    find_relay(self);
    if (wire_way_equal(&before, &self->relay))
        return;
    steer(self, 0);
    if (self->wanted && get_active(self) == NULL && before.link == 0)
        start_attempt(self);
}

void path_seek_found(PathSeek *self, const MeshEndpoint *at)
{
    PathWay *way;

    if (at->addr.family == 0 ||
        !path_candidates_has_family((const MeshAddr *)(void *)self->host->addrs->data,
                                    self->host->addrs->len, at->addr.family))
        return;
    way =
        path_ways_add(&self->ways, at, path_ways_rank(at, MESH_RECORD_OBSERVED), get_active(self));
    if (way != NULL)
        way->trusted = true;
}

uint32_t path_seek_get_index(const PathSeek *self)
{
    return self->keys.receive_index;
}

bool path_seek_get_way(const PathSeek *self, WireWay *out_way, int64_t *out_rtt_us, bool *out_busy)
{
    *out_busy = self->phase != IDLE;
    *out_rtt_us = 0;
    *out_way = self->relay;
    for (size_t i = 0; self->active.addr.family != 0 && i < self->ways.n; i++) {
        if (!mesh_endpoint_equal(&self->ways.list[i].to, &self->active))
            continue;
        *out_way = (WireWay){ .endpoint = self->active };
        *out_rtt_us = self->ways.list[i].rtt_us;
    }
    return wire_way_is_set(out_way);
}
