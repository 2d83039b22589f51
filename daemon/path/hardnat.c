#include "daemon/path/hardnat.h"

#include "common/codec/stun.h"
#include "common/glib/log.h"
#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "common/std/key.h"
#include "daemon/path/hardports.h"
#include "daemon/path/seeking.h"
#include "daemon/wire/ways.h"

#include <errno.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    EACH_MS = 10, /* one packet: at most 100 a second */
    CALL_EACH_MS = 250,
    CALLS = 4,
    LISTEN_MS = 3000,      /* after the last packet */
    WON_MS = 2000,         /* then the other sockets are closed */
    WON_EACH_MS = 100,     /* pings of the way that was found */
    ROUNDS = 2,            /* until the network changes */
    AGAIN_MS = 600000,     /* between them */
    AGAIN_SLACK_MS = 5000, /* the other side counts from a little earlier */
    MOVED_MS = 60000,      /* a peer that moves all the time is not followed so fast */
    TURN_MS = 16000,       /* a round of the other side, and some more */
    OPENER_TTL = 2,        /* clears our own router, does not reach the other's */
    BOTH_SOCKETS = 25,
    BOTH_AHEAD = 13, /* of the last port: where each aims, amid the other's sockets */
    CANARY_MS = 1000,
    CANARY_LOST_US = 900000,
    CANARY_LEAST_US = 20000, /* a round trip may grow by so much whatever it was */
};

typedef enum { LOOKING, CALLING, SENDING, LISTENING, WON } Phase;

typedef struct {
    int   fd; /* -1: given away */
    guint source;
} Socket;

struct PathHardnat {
    PathSeek    *seek;
    bool         hard_side;
    bool         both;   /* sides are hard, and perhaps count their ports up */
    bool         called; /* the peer began */
    uint16_t     base;   /* both: the port that our last mapping got */
    uint8_t      stun[MESH_STUN_TXID_BYTES];
    Phase        phase;
    uint64_t     txid;
    MeshEndpoint target; /* easy side: its port is another each time */
    size_t       next, n_packets;
    int          ttl; /* of what opens our NAT */
    unsigned     calls;
    WireWay      won;
    int64_t      until_ms, canary_ms, rtt_us;
    guint        timer;
    size_t       n_sockets;
    Socket       sockets[PATH_HARDPORTS_MAX_SOCKETS];
    uint16_t     ports[PATH_HARDPORTS_MAX];
};

static bool is_hard(const MeshProbeNat *nat)
{
    return nat->mapping == MESH_PROBE_BY_ADDRESS || nat->mapping == MESH_PROBE_BY_ADDRESS_AND_PORT;
}

static void close_socket(Socket *self)
{
    g_clear_handle_id(&self->source, g_source_remove);
    if (self->fd >= 0)
        close(self->fd);
    self->fd = -1;
}

static void end(PathHardnat *self, const char *why)
{
    PathSeek *seek = self->seek;

    mesh_log_debug("a search through a hard NAT ends after %zu packets: %s", self->next, why);
    g_clear_handle_id(&self->timer, g_source_remove);
    for (size_t i = 0; i < self->n_sockets; i++)
        close_socket(&self->sockets[i]);
    seek->hard = seek->host->hard = NULL;
    g_free(self);
}

static gboolean on_timer(gpointer user_data);

static void wait_for(PathHardnat *self, unsigned in_ms)
{
    g_clear_handle_id(&self->timer, g_source_remove);
    self->timer = g_timeout_add(in_ms, on_timer, self);
}

static void call(PathHardnat *self, MeshProbeType type)
{
    MeshProbe probe = { .type = type,
                        .flags = MESH_PROBE_HARD,
                        .id = self->seek->attempt,
                        .txid = self->txid,
                        .nat = self->seek->host->nat };

    if (self->hard_side && probe.nat.block_last <= probe.nat.block_first)
        probe.nat.block_first = probe.nat.block_last = self->base; /* the last that we know */
    (void)path_seek_send(self->seek, &probe, &self->seek->relay, 0);
}

/* Our own relay tells when a router on the way has had enough. False: stop. */
static bool look_after(PathHardnat *self)
{
    int64_t       now_ms = mesh_clock_boot_ms();
    PathRelayLook look;
    bool          due = now_ms - self->canary_ms >= CANARY_MS;

    if (!path_relays_look(self->seek->host->relays, &self->seek->relay, due, &look))
        return false;
    if (look.unanswered_us > CANARY_LOST_US)
        return false;
    if (due)
        self->canary_ms = now_ms;
    if (look.rtt_us == 0 || look.unanswered_us > 0)
        return true;
    if (self->rtt_us == 0)
        self->rtt_us = look.rtt_us;
    return look.rtt_us <= MAX(2 * self->rtt_us, self->rtt_us + CANARY_LEAST_US);
}

static PathHardnat *start(PathSeek *seek, bool hard_side)
{
    PathHardnat *self = g_new0(PathHardnat, 1);
    char         text[MESH_ENDPOINT_TEXT_SIZE];

    self->seek = seek;
    self->hard_side = hard_side;
    self->target = seek->seen;
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

static void count_round(PathSeek *seek, bool hard_side)
{
    seek->n_hard[hard_side]++;
    seek->hard_ms[hard_side] = mesh_clock_boot_ms();
    seek->hard_at = seek->seen.addr;
}

/* ---- the hard side ---- */

static void win(PathHardnat *self, Socket *socket, WireEvent *event, const MeshProbe *probe)
{
    PathSeek *seek = self->seek;
    PathWay  *way;
    int       number = wire_ways_adopt_socket(seek->host->plane, socket->fd);

    if (number < 0) {
        mesh_log_warning("a socket that reaches a peer cannot be used: %s", g_strerror(-number));
        return;
    }
    g_clear_handle_id(&socket->source, g_source_remove);
    socket->fd = -1;
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
        path_seek_ping(seek, way, 0);
    }
    path_seek_take_probe(seek, probe, event);
}

/* ---- the ports that follow ---- */

/* Both sides hard: both open 25 sockets whose ports count up from the last, and all of them send to
 * the middle one of the other's. */
static void aim(PathHardnat *self, const MeshProbeNat *nat)
{
    int step = nat->step != 0 ? nat->step : 1;

    self->target.port = (uint16_t)(nat->block_last + BOTH_AHEAD * step);
}

static void ask_base(PathHardnat *self)
{
    MeshStunMessage         request = { .type = MESH_STUN_REQUEST };
    uint8_t                 bytes[MESH_STUN_REQUEST_BYTES];
    PathRelayLook           look;
    struct sockaddr_storage name;
    socklen_t               name_len;
    size_t                  len;

    if (!path_relays_look(self->seek->host->relays, &self->seek->relay, false, &look))
        return;
    memcpy(request.txid, self->stun, sizeof request.txid);
    name_len = mesh_endpoint_to_sockaddr(&look.alt, &name);
    if (mesh_stun_encode_request(&request, sizeof bytes, bytes, sizeof bytes, &len) == 0)
        (void)!sendto(self->sockets[0].fd, bytes, len, 0, (struct sockaddr *)&name, name_len);
}

static void take_base(PathHardnat *self, const WireEvent *event)
{
    MeshStunMessage answer;

    if (self->phase != LOOKING ||
        mesh_stun_decode((MeshSpan){ event->data, event->n_data }, &answer) < 0 ||
        answer.type != MESH_STUN_SUCCESS || answer.mapped.addr.family != AF_INET ||
        memcmp(answer.txid, self->stun, sizeof answer.txid) != 0)
        return;
    self->base = answer.mapped.port;
    self->calls = 0;
    self->phase = self->called ? SENDING : CALLING;
    if (self->called) {
        count_round(self->seek, true);
        call(self, MESH_PROBE_CALL_ACK);
    }
    wait_for(self, 0);
}

/* ---- */

static gboolean on_input(gint fd, GIOCondition condition, gpointer user_data)
{
    PathHardnat            *self = user_data;
    WireEvent               event = { .kind = WIRE_EVENT_RAW };
    struct sockaddr_storage name;
    socklen_t               name_len = sizeof name;
    MeshProbe               probe;
    ssize_t n = recvfrom(fd, event.data, sizeof event.data, 0, (struct sockaddr *)&name, &name_len);

    (void)condition;
    if (n <= 0 || self->phase == WON ||
        mesh_endpoint_from_sockaddr((struct sockaddr *)&name, name_len, false, &event.endpoint) < 0)
        return G_SOURCE_CONTINUE;
    event.n_data = (uint16_t)n;
    event.way.endpoint = event.endpoint;
    if (mesh_stun_is((MeshSpan){ event.data, event.n_data })) {
        take_base(self, &event);
        return G_SOURCE_CONTINUE;
    }
    if (mesh_probe_open(&self->seek->keys, event.data, event.n_data, &probe) < 0)
        return G_SOURCE_CONTINUE; /* a stranger's */
    for (size_t i = 0; i < self->n_sockets; i++)
        if (self->sockets[i].fd == fd) {
            win(self, &self->sockets[i], &event, &probe);
            return G_SOURCE_CONTINUE; /* removed, if it was taken */
        }
    return G_SOURCE_CONTINUE;
}

static int open_socket(PathHardnat *self)
{
    struct sockaddr_in any = { .sin_family = AF_INET };
    WirePlaneInfo      info;
    Socket            *socket_here = &self->sockets[self->n_sockets];
    int                fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    wire_plane_get_info(self->seek->host->plane, &info);
    if (bind(fd, (struct sockaddr *)&any, sizeof any) < 0 ||
        (info.fwmark != 0 &&
         setsockopt(fd, SOL_SOCKET, SO_MARK, &info.fwmark, sizeof info.fwmark) < 0)) {
        int rc = -errno;

        close(fd);
        return rc;
    }
    *socket_here = (Socket){ .fd = fd, .source = g_unix_fd_add(fd, G_IO_IN, on_input, self) };
    self->n_sockets++;
    return fd;
}

/* @ttl: hops, -1 for as many as usual. A router that takes in strays would note one from us, and
 * then give its own side's flow to us another port: so what opens ours dies on the way. */
static bool send_from(PathHardnat *self, int fd, int ttl)
{
    MeshProbe               probe = { .type = MESH_PROBE_PING, .length = MESH_PROBE_PING_BYTES };
    uint8_t                 bytes[MESH_PROBE_MAX_BYTES];
    struct sockaddr_storage name;
    socklen_t               name_len = mesh_endpoint_to_sockaddr(&self->target, &name);
    ssize_t                 sent;
    size_t                  len;

    mesh_key_random(&probe.txid, sizeof probe.txid);
    if (mesh_probe_seal(&self->seek->keys, &probe, bytes, sizeof bytes, &len) < 0 ||
        setsockopt(fd, IPPROTO_IP, IP_TTL, &ttl, sizeof ttl) < 0)
        return false;
    sent = sendto(fd, bytes, len, 0, (struct sockaddr *)&name, name_len);
    ttl = -1;
    return setsockopt(fd, IPPROTO_IP, IP_TTL, &ttl, sizeof ttl) == 0 && sent >= 0;
}

/* ---- either side ---- */

static void send_next(PathHardnat *self)
{
    MeshProbe probe = { .type = MESH_PROBE_PING, .length = MESH_PROBE_PING_BYTES };
    WireWay   to = { .endpoint = self->target };
    int       fd = -1;

    if (self->hard_side) {
        fd = self->next == 0 ? self->sockets[0].fd : open_socket(self);
        if (fd < 0 || !send_from(self, fd, self->ttl))
            mesh_log_debug("a socket for a search failed: %s", g_strerror(fd < 0 ? -fd : errno));
        return;
    }
    mesh_key_random(&probe.txid, sizeof probe.txid);
    to.endpoint.port = self->ports[self->next];
    (void)path_seek_send(self->seek, &probe, &to, 0);
}

static void step(PathHardnat *self)
{
    if (!look_after(self)) {
        end(self, "the relay answers late");
        return;
    }
    if (self->next < self->n_packets) {
        send_next(self);
        self->next++;
        wait_for(self, EACH_MS);
        return;
    }
    if (self->phase == SENDING) {
        size_t all =
            MAX(self->n_packets, self->hard_side && !self->both ? (size_t)PATH_HARDPORTS_MAX : 0);

        self->phase = LISTENING; /* the easy side may send for longer */
        self->until_ms =
            mesh_clock_boot_ms() + LISTEN_MS + (int64_t)(all - self->n_packets) * EACH_MS * 5 / 4;
    }
    if (mesh_clock_boot_ms() >= self->until_ms)
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
        path_seek_ping(self->seek, way, 0);
    wait_for(self, WON_EACH_MS);
}

static gboolean on_timer(gpointer user_data)
{
    PathHardnat *self = user_data;

    self->timer = 0;
    if (self->phase == WON) {
        step_won(self);
    } else if (path_meet_is_direct(self->seek)) {
        end(self, "there is a direct way");
    } else if (self->phase == LOOKING && self->calls++ < CALLS) {
        ask_base(self);
        wait_for(self, CALL_EACH_MS);
    } else if (self->phase == LOOKING && !self->both) {
        self->phase = CALLING; /* the relay's port will have to do */
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
    mesh_key_random(self->stun, sizeof self->stun);
    if (open_socket(self) < 0)
        end(self, "no socket");
    else
        (void)on_timer(self);
}

static void begin(PathSeek *seek)
{
    PathHardnat *self;
    PathHardplan plan;

    path_hardports_plan(&seek->host->nat, &plan);
    if (plan.n_sockets == 0 || !may_start(seek, true))
        return;
    self = start(seek, true);
    self->n_packets = plan.n_sockets;
    self->ttl = seek->n_hard[true] == 0 ? OPENER_TTL : -1; /* two NATs before us may want more */
    mesh_key_random(&self->txid, sizeof self->txid);
    look(self);
}

static void begin_both(PathSeek *seek, const MeshProbe *call_of_peer)
{
    PathHardnat *self;

    if (!may_start(seek, true))
        return;
    self = start(seek, true);
    self->both = true;
    self->ttl = -1;
    self->phase = LOOKING;
    self->n_packets = BOTH_SOCKETS;
    self->called = call_of_peer != NULL;
    if (self->called)
        aim(self, &call_of_peer->nat);
    mesh_key_random(&self->txid, sizeof self->txid);
    if (self->called)
        self->txid = call_of_peer->txid;
    look(self);
}

static gboolean on_turn(gpointer user_data)
{
    PathSeek *seek = user_data;

    seek->hard_timer = 0;
    begin(seek);
    return G_SOURCE_REMOVE;
}

void path_hardnat_consider(PathSeek *seek, bool last)
{
    if (path_meet_is_direct(seek) || seek->hard != NULL || seek->hard_timer != 0 ||
        !path_seek_is_alive(seek)) /* one search at a time: for those who talk */
        return;
    if (is_hard(&seek->host->nat)) {
        if (!is_hard(&seek->nat))
            begin(seek);
        else if (path_attempt_is_caller(seek))
            begin_both(seek, NULL);
        return;
    }
    if (!last || is_hard(&seek->nat))
        return;
    /* One of the two is by address, perhaps: one relay alone cannot tell. Each tries in turn. */
    if (path_attempt_is_caller(seek))
        begin(seek);
    else
        seek->hard_timer = g_timeout_add(TURN_MS, on_turn, seek);
}

void path_hardnat_take_call(PathSeek *seek, const MeshProbe *probe)
{
    PathHardnat *self = seek->hard;

    seek->nat = probe->nat;
    if (self != NULL && self->called && self->txid == probe->txid) {
        if (self->phase != LOOKING)
            call(self, MESH_PROBE_CALL_ACK); /* it was lost */
        return;
    }
    if (is_hard(&seek->host->nat)) {
        if (is_hard(&probe->nat) && probe->nat.block_last != 0)
            begin_both(seek, probe);
        return;
    }
    if (!may_start(seek, false))
        return;
    self = start(seek, false);
    self->called = true;
    self->txid = probe->txid;
    self->phase = SENDING;
    self->n_packets =
        path_hardports_choose(&probe->nat,
                              probe->nat.block_last != 0 ? probe->nat.block_last : seek->seen.port,
                              self->ports);
    count_round(seek, false);
    call(self, MESH_PROBE_CALL_ACK);
    wait_for(self, EACH_MS);
}

void path_hardnat_take_ack(PathSeek *seek, const MeshProbe *probe)
{
    PathHardnat *self = seek->hard;

    if (self == NULL || !self->hard_side || self->phase != CALLING || self->txid != probe->txid)
        return;
    seek->nat = probe->nat;
    if (self->both)
        aim(self, &probe->nat);
    self->phase = SENDING;
    count_round(seek, true);
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
}
