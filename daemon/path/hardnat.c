#include "daemon/path/hardnat.h"

#include "common/glib/log.h"
#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "common/std/key.h"
#include "daemon/path/hardports.h"
#include "daemon/path/hardsockets.h"
#include "daemon/path/relayhome.h"
#include "daemon/path/seeking.h"
#include "daemon/path/stunask.h"
#include "daemon/wire/ways.h"

#include <string.h>
#include <sys/socket.h>

enum {
    EACH_MS = 10, /* one packet: at most 100 a second */
    CALL_EACH_MS = 250,
    CALLS = 4,
    LATE_MS = 50,          /* who was kept waiting makes up for so much of it, not for more */
    LEAD_MS = 60,          /* of the hard side's first sockets before the pings to them */
    RANDOM_MS = 1450,      /* pings at random wait until more than half of its sockets are open */
    LISTEN_MS = 1500,      /* after the last packet */
    WON_MS = 2000,         /* then the other sockets are closed */
    WON_EACH_MS = 100,     /* pings of the way that was found */
    ROUNDS = 2,            /* until the network changes */
    AGAIN_MS = 600000,     /* between them */
    AGAIN_SLACK_MS = 5000, /* the other side counts from a little earlier */
    MOVED_MS = 60000,      /* a peer that moves all the time is not followed so fast */
    TURN_MS = 16000,       /* a round of the other side, and some more */
    TURN_SOON_MS = 100,    /* that round is over */
    PLAIN_BURSTS = 3,      /* of pings; then what is known has to do */
    GUESS_BURSTS = 4,      /* then it is taken for a hard NAT that nobody has noticed */
    OPENER_TTL = 2,        /* clears our own router, does not reach the other's */
    BOTH_SOCKETS = 25,
    BOTH_PACKETS = 3 * BOTH_SOCKETS,     /* one of each may be lost, or come too early */
    BOTH_AHEAD = (BOTH_SOCKETS + 1) / 2, /* of the last port: amid the other's sockets */
    CANARY_MS = 1000,
    CANARY_BAD = 2,          /* in a row: one ping may be lost by chance */
    CANARY_LEAST_US = 50000, /* a round trip may grow by so much whatever it was */
};

typedef enum { LOOKING, CALLING, SENDING, LISTENING, WON } Phase;

struct PathHardnat {
    PathSeek        *seek;
    bool             hard_side;
    bool             both;   /* sides are hard, and perhaps count their ports up */
    bool             called; /* the peer began */
    bool             half;   /* of what an attempt may cost is for the other side's turn */
    uint16_t         base;   /* both: the port that our last mapping got */
    PathStunAsk      stun;
    Phase            phase;
    uint64_t         txid;
    MeshEndpoint     target; /* easy side: its port is another each time */
    size_t           next, n_packets, n_soon;
    size_t           n_theirs; /* packets of the easy side, as far as we know */
    uint8_t          ttl;      /* of what opens our NAT; 0: as usual */
    unsigned         calls;
    WireWay          won;
    int64_t          sending_ms, until_ms, canary_ms, rtt_us;
    int64_t          next_ms; /* when the next packet is due */
    unsigned         n_bad;   /* looks at the relay in a row */
    guint            timer;
    PathHardsockets *sockets; /* NULL on the easy side */
    uint16_t         ports[PATH_HARDPORTS_MAX];
};

static gboolean on_turn(gpointer user_data);

static void end(PathHardnat *self, const char *why)
{
    PathSeek *seek = self->seek;
    bool      turn = seek->hard_timer != 0 && !self->hard_side;

    mesh_log_debug("a search through a hard NAT ends after %zu packets: %s", self->next, why);
    g_clear_handle_id(&self->timer, g_source_remove);
    path_hardsockets_free(self->sockets);
    seek->hard = seek->host->hard = NULL;
    g_free(self);
    if (!turn)
        return;
    g_clear_handle_id(&seek->hard_timer, g_source_remove);
    seek->hard_timer = g_timeout_add(TURN_SOON_MS, on_turn, seek);
}

static gboolean on_timer(gpointer user_data);

static void wait_for(PathHardnat *self, unsigned in_ms)
{
    g_clear_handle_id(&self->timer, g_source_remove);
    self->timer = g_timeout_add(in_ms, on_timer, self);
}

/* The ports of ours that were seen are too far from each other for a counter or a block. */
static bool is_wide(const PathSeekHost *host)
{
    return host->ports_known && host->nat.step == 0 &&
           host->greatest_port - host->least_port >= (int)PATH_NATCLASS_MAX_BLOCK;
}

/* Which port is the last tells nothing of the next. */
static bool is_drawn(const PathSeek *seek)
{
    const MeshProbeNat *nat = &seek->host->nat;

    return nat->block_last > nat->block_first || is_wide(seek->host) ||
           (nat->mapping == MESH_PROBE_BY_ADDRESS_AND_PORT && nat->step == 0 &&
            seek->host->ports_known);
}

/* What the peer has to know of our ports: the last one, if it tells anything; else where they
 * are. */
static void tell_ports(const PathHardnat *self, MeshProbeNat *nat)
{
    const PathSeekHost *host = self->seek->host;

    if (!is_drawn(self->seek)) {
        nat->block_first = nat->block_last = self->base;
    } else if (nat->block_last <= nat->block_first && is_wide(host)) {
        nat->block_first = host->least_port;
        nat->block_last = host->greatest_port;
    }
}

static void call(PathHardnat *self, MeshProbeType type)
{
    MeshProbe probe = { .type = type,
                        .flags = MESH_PROBE_HARD | (self->half ? MESH_PROBE_HALF : 0),
                        .id = self->seek->attempt,
                        .txid = self->txid,
                        .nat = self->seek->host->nat };

    if (self->hard_side)
        tell_ports(self, &probe.nat);
    (void)path_seek_send(self->seek, &probe, &self->seek->relay, 0);
}

/* Our own relay tells when a router on the way has had enough. False: stop. */
static bool look_after(PathHardnat *self)
{
    int64_t       now_ms = mesh_clock_boot_ms();
    PathRelayLook look;
    bool          due = now_ms - self->canary_ms >= CANARY_MS, first = self->canary_ms == 0;

    if (!path_relays_look(self->seek->host->relays, &self->seek->relay, due, &look))
        return false;
    if (!due)
        return true;
    self->canary_ms = now_ms;
    if (self->rtt_us == 0)
        self->rtt_us = look.rtt_us;
    if (first) /* what it says is of before */
        return true;
    if (look.unanswered_us > 0 ||
        look.rtt_us > MAX(2 * self->rtt_us, self->rtt_us + CANARY_LEAST_US))
        self->n_bad++;
    else
        self->n_bad = 0;
    return self->n_bad < CANARY_BAD;
}

static uint32_t get_mark(const PathSeek *seek)
{
    WirePlaneInfo info;

    wire_plane_get_info(seek->host->plane, &info);
    return info.fwmark;
}

static void on_got(size_t at, WireEvent *event, void *user_data);

static PathHardnat *start(PathSeek *seek, bool hard_side)
{
    PathHardnat *self = g_new0(PathHardnat, 1);
    char         text[MESH_ENDPOINT_TEXT_SIZE];

    self->seek = seek;
    self->hard_side = hard_side;
    self->target = seek->seen;
    if (hard_side)
        self->sockets = path_hardsockets_new(get_mark(seek), on_got, self);
    seek->hard = seek->host->hard = self;
    mesh_log_debug("searches through a hard NAT, %s, towards %s", hard_side ? "ours" : "the peer's",
                   mesh_endpoint_format(&self->target, text));
    return self;
}

/* Whether a round may begin: there is whom to ask, whom to aim at, and nothing better. */
static bool may_start(PathSeek *seek, bool hard_side)
{
    int64_t pause_ms = AGAIN_MS - (hard_side ? 0 : AGAIN_SLACK_MS);
    int64_t since_ms = mesh_clock_boot_ms() - seek->hard_ms[hard_side];

    if (seek->host->no_hard || seek->host->hard != NULL || seek->relay.link == 0 ||
        path_meet_is_direct(seek))
        return false;
    if (seek->seen.addr.family != AF_INET || mesh_ip_class(&seek->seen.addr) == MESH_IP_PRIVATE)
        return false;
    if (!mesh_ip_equal_addr(&seek->hard_at, &seek->seen.addr) && since_ms >= MOVED_MS)
        seek->n_hard[hard_side] = 0; /* the peer is behind another NAT now */
    return seek->n_hard[hard_side] == 0 ||
           (seek->n_hard[hard_side] < ROUNDS && since_ms >= pause_ms);
}

/* Both sides' turns are one attempt, which has one budget. */
static bool may_spend(const PathSeek *seek, const PathHardplan *plan, bool hard_side)
{
    int64_t pause_ms = AGAIN_MS - (hard_side ? 0 : AGAIN_SLACK_MS);

    return mesh_clock_boot_ms() - seek->hard_spent_ms >= pause_ms ||
           seek->hard_spent + plan->n_sockets + plan->n_ports <= PATH_HARDPORTS_BUDGET;
}

static void count_round(PathHardnat *self)
{
    PathSeek *seek = self->seek;
    int64_t   now_ms = mesh_clock_boot_ms();

    seek->n_hard[self->hard_side]++;
    seek->hard_ms[self->hard_side] = now_ms;
    seek->hard_at = seek->seen.addr;
    if (now_ms - seek->hard_spent_ms >= AGAIN_MS - AGAIN_SLACK_MS) {
        seek->hard_spent_ms = now_ms;
        seek->hard_spent = 0;
    }
    seek->hard_spent += self->n_packets + self->n_theirs;
}

/* ---- the hard side ---- */

static void win(PathHardnat *self, size_t at, WireEvent *event, const MeshProbe *probe)
{
    PathSeek *seek = self->seek;
    PathWay  *way;
    int number = wire_ways_adopt_socket(seek->host->plane, path_hardsockets_get(self->sockets, at));

    if (number < 0) {
        mesh_log_warning("a socket that reaches a peer cannot be used: %s", g_strerror(-number));
        return;
    }
    path_hardsockets_let_go(self->sockets, at);
    if (seek->socket != 0)
        wire_ways_drop_socket(seek->host->plane, seek->socket);
    seek->socket = (uint8_t)number;
    event->way.socket = (uint8_t)number;
    self->won = event->way;
    self->phase = WON;
    self->until_ms = mesh_clock_boot_ms() + WON_MS;
    wait_for(self, WON_EACH_MS);
    way = path_ways_add(&seek->ways, &event->way, PATH_RANK_OBSERVED, path_seek_get_active(seek));
    if (way != NULL) {
        way->trusted = true; /* what came was authentic */
        (void)path_seek_ping(seek, way, 0);
    }
    path_seek_take_probe(seek, probe, event);
}

/* ---- the ports that follow ---- */

/* Both sides hard: both open 25 sockets whose ports count up from the last, and all of them send to
 * the middle one of the other's. */
static bool aim(PathHardnat *self, const MeshProbeNat *nat)
{
    uint16_t port = path_hardports_foretell(nat, BOTH_AHEAD);

    if (port == 0)
        return false;
    self->target.port = port;
    return true;
}

static void ask_base(PathHardnat *self)
{
    uint8_t       bytes[MESH_STUN_REQUEST_BYTES];
    PathRelayLook look;

    if (path_relays_look(self->seek->host->relays, &self->seek->relay, false, &look))
        (void)path_hardsockets_send(self->sockets, 0, &look.alt, 0,
                                    path_stunask_write(&self->stun, bytes));
}

static void take_base(PathHardnat *self, const WireEvent *event)
{
    MeshEndpoint mapped;

    if (self->phase != LOOKING ||
        !path_stunask_read(&self->stun, (MeshSpan){ event->data, event->n_data }, &mapped) ||
        mapped.addr.family != AF_INET)
        return;
    self->base = mapped.port;
    self->calls = 0;
    self->phase = self->called ? SENDING : CALLING;
    if (self->called) {
        count_round(self);
        call(self, MESH_PROBE_CALL_ACK);
    }
    wait_for(self, 0);
}

static void on_got(size_t at, WireEvent *event, void *user_data)
{
    PathHardnat *self = user_data;
    MeshProbe    probe;

    if (self->phase == WON)
        return;
    if (mesh_stun_is((MeshSpan){ event->data, event->n_data }))
        take_base(self, event);
    else if (mesh_probe_open(&self->seek->keys, event->data, event->n_data, &probe) == 0)
        win(self, at, event, &probe);
}

/* A router that takes in strays would note one from us, and then give its own side's flow to us
 * another port: so what opens ours dies on the way. */
static void send_by(PathHardnat *self, size_t at)
{
    MeshProbe probe = { .type = MESH_PROBE_PING, .length = MESH_PROBE_PING_BYTES };
    uint8_t   bytes[MESH_PROBE_MAX_BYTES];
    size_t    len;
    int rc = at < path_hardsockets_count(self->sockets) ? 0 : path_hardsockets_open(self->sockets);

    mesh_key_random(&probe.txid, sizeof probe.txid);
    if (rc == 0)
        rc = mesh_probe_seal(&self->seek->keys, &probe, bytes, sizeof bytes, &len);
    if (rc == 0)
        rc = path_hardsockets_send(self->sockets, at, &self->target, self->ttl,
                                   (MeshSpan){ bytes, len });
    if (rc < 0)
        mesh_log_debug("a socket for a search failed: %s", g_strerror(-rc));
}

/* ---- either side ---- */

static void send_next(PathHardnat *self)
{
    MeshProbe probe = { .type = MESH_PROBE_PING, .length = MESH_PROBE_PING_BYTES };
    WireWay   to = { .endpoint = self->target };

    if (self->hard_side) {
        send_by(self, self->both ? self->next % BOTH_SOCKETS : self->next);
        return;
    }
    mesh_key_random(&probe.txid, sizeof probe.txid);
    to.endpoint.port = self->ports[self->next];
    (void)path_seek_send(self->seek, &probe, &to, 0);
}

/* The easy side may send for longer. */
static void listen_now(PathHardnat *self)
{
    size_t more = self->n_theirs > self->n_packets ? self->n_theirs - self->n_packets : 0;

    self->phase = LISTENING;
    self->until_ms = mesh_clock_boot_ms() + LISTEN_MS + (int64_t)more * EACH_MS * 5 / 4;
    if (more > 0)
        self->until_ms += RANDOM_MS;
}

static void step(PathHardnat *self)
{
    int64_t now_ms = mesh_clock_boot_ms();

    if (self->sending_ms == 0)
        self->sending_ms = self->next_ms = now_ms;
    if (self->next < self->n_packets) {
        if (!look_after(self)) {
            end(self, "the relay answers late");
            return;
        }
        send_next(self);
        self->next++;
        self->next_ms = MAX(self->next_ms, now_ms - LATE_MS) + EACH_MS;
        if (self->next == self->n_soon && self->next < self->n_packets)
            self->next_ms = MAX(self->sending_ms + RANDOM_MS, self->next_ms);
        wait_for(self, (unsigned)MAX(self->next_ms - now_ms, 0));
        return;
    }
    if (self->phase == SENDING)
        listen_now(self);
    if (now_ms >= self->until_ms)
        end(self, "nothing was found");
    else
        wait_for(self, CALL_EACH_MS);
}

static void step_won(PathHardnat *self)
{
    PathWay *way = path_ways_find(&self->seek->ways, &self->won);

    if (mesh_clock_boot_ms() >= self->until_ms) {
        end(self, way != NULL && way->valid ? "found" : "found, but not both ways");
        return;
    }
    if (way != NULL && !way->valid)
        (void)path_seek_ping(self->seek, way, 0);
    wait_for(self, WON_EACH_MS);
}

static gboolean on_timer(gpointer user_data)
{
    PathHardnat  *self = user_data;
    PathRelayLook look = { .rtt_us = 0 };

    self->timer = 0;
    if (self->phase == WON) {
        step_won(self);
    } else if (path_meet_is_direct(self->seek)) {
        end(self, "there is a direct way");
    } else if (self->phase == LOOKING && self->calls++ < CALLS) {
        ask_base(self);
        wait_for(self, CALL_EACH_MS);
    } else if (self->phase == LOOKING && !self->both) {
        (void)path_relays_look(self->seek->host->relays, &self->seek->relay, false, &look);
        self->base = look.seen.port; /* it will have to do */
        self->phase = CALLING;
        self->calls = 0;
        wait_for(self, 0);
    } else if (self->phase > CALLING) {
        step(self);
    } else if (self->phase == CALLING && self->calls++ < CALLS) {
        call(self, MESH_PROBE_CALL);
        wait_for(self, CALL_EACH_MS);
    } else {
        end(self, "the peer does not take part");
    }
    return G_SOURCE_REMOVE;
}

/* The first socket asks which port it got: others follow upon it, if they are counted. */
static void look(PathHardnat *self)
{
    self->stun = path_stunask_make(0);
    if (path_hardsockets_open(self->sockets) < 0)
        end(self, "no socket");
    else
        (void)on_timer(self);
}

static void begin(PathSeek *seek, bool half)
{
    PathHardnat *self;
    PathHardplan plan;

    path_hardports_plan(&seek->host->nat, half, &plan);
    if (plan.n_sockets == 0 || !may_start(seek, true) || !may_spend(seek, &plan, true))
        return;
    self = start(seek, true);
    self->half = half;
    self->n_packets = plan.n_sockets;
    self->n_theirs = plan.n_ports;
    self->ttl = seek->n_hard[true] == 0 ? OPENER_TTL : 0; /* two NATs before us may want more */
    mesh_key_random(&self->txid, sizeof self->txid);
    if (is_drawn(seek))
        self->phase = CALLING;
    look(self);
}

/* Whether it would be foretold where the two meet: one that is drawn spoils it. */
static bool may_meet(const PathSeek *seek)
{
    return !is_drawn(seek) && seek->nat.block_last <= seek->nat.block_first;
}

static void begin_both(PathSeek *seek, const MeshProbe *call_of_peer)
{
    static const PathHardplan plan = { .n_sockets = BOTH_PACKETS, .n_ports = BOTH_PACKETS };
    PathHardnat              *self;

    if (!may_start(seek, true) || !may_spend(seek, &plan, true) || !may_meet(seek))
        return;
    self = start(seek, true);
    self->both = true;
    self->n_packets = plan.n_sockets;
    self->n_theirs = plan.n_ports;
    self->called = call_of_peer != NULL;
    if (self->called && !aim(self, &call_of_peer->nat)) {
        end(self, "the peer's ports begin anew before we meet them");
        return;
    }
    mesh_key_random(&self->txid, sizeof self->txid);
    if (self->called)
        self->txid = call_of_peer->txid;
    look(self);
}

static gboolean on_turn(gpointer user_data)
{
    PathSeek *seek = user_data;

    seek->hard_timer = 0;
    if (!path_meet_is_direct(seek))
        begin(seek, true);
    return G_SOURCE_REMOVE;
}

/* Of two NATs that look easy, one that does not keep ports is rather the one that is not.
 * @out_sure: only one of them does not. */
static bool is_first_suspect(const PathSeek *seek, bool *out_sure)
{
    MeshEndpoint  seen;
    WirePlaneInfo info;
    uint16_t      home;
    bool          ours = false, peers = seek->seen.port == seek->local_port;

    wire_plane_get_info(seek->host->plane, &info);
    if (path_relayhome_get_home(seek->host->relays, &home, &seen))
        ours = seen.port == info.listen_port;
    *out_sure = ours != peers;
    return ours != peers ? peers : path_attempt_is_caller(seek);
}

/* Nobody has noticed a hard NAT, and it does not work: one of the two is by address, perhaps: one
 * relay alone cannot tell. The one that is rather it has all of the first attempt, the other all of
 * the second; if either may be it they share each. */
static void guess(PathSeek *seek)
{
    bool sure, first = is_first_suspect(seek, &sure);

    if (sure && (seek->n_hard[0] + seek->n_hard[1]) % 2 == 1)
        first = !first;
    if (seek->host->independent)
        return;
    if (first)
        begin(seek, !sure);
    else
        seek->hard_timer = g_timeout_add(TURN_MS, on_turn, seek);
}

void path_hardnat_consider(PathSeek *seek, size_t n_bursts)
{
    bool known = seek->host->ports_known && seek->nat.mapping != MESH_PROBE_UNKNOWN;

    if (path_meet_is_direct(seek) || seek->hard != NULL || seek->hard_timer != 0 ||
        !path_seek_is_alive(seek)) /* one search at a time: for those who talk */
        return;
    if (seek->seen.addr.family == 0)
        path_relays_ask(seek->host->relays, &seek->relay); /* what it said before was lost */
    if (path_natclass_is_hard(&seek->host->nat)) {
        if (!known && n_bursts <= PLAIN_BURSTS)
            return;
        if (!path_natclass_is_hard(&seek->nat))
            begin(seek, false);
        else if (path_attempt_is_caller(seek))
            begin_both(seek, NULL);
        return;
    }
    if (n_bursts > GUESS_BURSTS && !path_natclass_is_hard(&seek->nat))
        guess(seek);
}

void path_hardnat_take_call(PathSeek *seek, const MeshProbe *probe)
{
    PathHardnat *self = seek->hard;
    PathHardplan plan;

    seek->nat = probe->nat;
    if (self != NULL && self->called && self->txid == probe->txid) {
        if (self->phase != LOOKING)
            call(self, MESH_PROBE_CALL_ACK); /* it was lost */
        return;
    }
    if (seek->seen.addr.family == 0)
        path_relays_ask(seek->host->relays, &seek->relay); /* for the next CALL */
    if (self != NULL && self->hard_side && self->phase == LISTENING)
        end(self, "it is the peer's turn");
    if (path_natclass_is_hard(&seek->host->nat)) {
        if (path_natclass_is_hard(&probe->nat) && probe->nat.block_last != 0)
            begin_both(seek, probe);
        return;
    }
    path_hardports_plan(&probe->nat, (probe->flags & MESH_PROBE_HALF) != 0, &plan);
    if (plan.n_sockets == 0 || !may_start(seek, false) || !may_spend(seek, &plan, false))
        return;
    self = start(seek, false);
    self->called = true;
    self->txid = probe->txid;
    self->phase = SENDING;
    self->n_soon = probe->nat.block_last != 0 ? plan.n_soon : 0;
    self->n_packets = path_hardports_choose(&probe->nat, &plan, probe->nat.block_last, self->ports);
    self->n_theirs = plan.n_sockets;
    count_round(self);
    call(self, MESH_PROBE_CALL_ACK);
    wait_for(self, self->n_soon > 0 ? LEAD_MS : RANDOM_MS);
}

void path_hardnat_take_ack(PathSeek *seek, const MeshProbe *probe)
{
    PathHardnat *self = seek->hard;

    if (self == NULL || !self->hard_side || self->phase != CALLING || self->txid != probe->txid)
        return;
    seek->nat = probe->nat;
    if (self->both && !aim(self, &probe->nat)) {
        end(self, "the peer's ports begin anew before we meet them");
        return;
    }
    self->phase = SENDING;
    count_round(self);
    wait_for(self, EACH_MS);
}

void path_hardnat_stop(PathSeekHost *host)
{
    if (host->hard != NULL)
        end(host->hard, "it is not wanted any more");
}

void path_hardnat_forget(PathSeek *seek)
{
    if (seek->hard != NULL)
        end(seek->hard, "the network changed");
    g_clear_handle_id(&seek->hard_timer, g_source_remove);
    if (seek->socket != 0)
        wire_ways_drop_socket(seek->host->plane, seek->socket);
    seek->socket = 0;
    memset(seek->n_hard, 0, sizeof seek->n_hard);
    seek->hard_spent = 0;
}
