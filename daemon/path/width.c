#include "daemon/path/width.h"

#include "common/glib/log.h"
#include "common/std/clock.h"
#include "common/std/key.h"
#include "daemon/path/seeking.h"
#include "daemon/wire/ways.h"

#include <sys/socket.h>

enum {
    OVERHEAD = 32,      /* WireGuard's, around what goes inside */
    LEAST = 1232,       /* of UDP: links of 1260 bytes */
    LEAST_INNER = 1280, /* IPv6 inside has to have that */
    USUAL_INNER = 1400, /* what is sent before more was shown to be carried */
    MOST_INNER = WIRE_MAX_PROBE - OVERHEAD,
    MOST_RELAYED = WIRE_MAX_RAW,
    EACH_MS = 150,
    WAITS = 8,           /* in one search: a peer that answers nothing is late, or gone */
    RELAYED_US = 250000, /* by the server's relay, there and back: not measured */
    BEGIN_MS = 5000,     /* by relay: until then a direct way is found, mostly */
    LOOK_MS = 15000,     /* between two looks whether it still holds, while data moves */
    IDLE_MS = 30000,     /* without data: then the data plane tells of the next */
    AGAIN_MS = 600000,   /* and whether it carries more by now (RFC 8899 §5.1.1) */
};

/* The way in use, if there is anything to ask of it: a stream straight to the peer carries all. */
static PathWay *get_way(PathSeek *self)
{
    PathWay *way = path_seek_get_active(self);

    if (way != NULL)
        return way->to.link < PATH_FIRST_TCP_LINK ? way : NULL;
    if (self->relay.link == 0)
        return NULL;
    if (!wire_way_equal(&self->relayed.to, &self->relay))
        self->relayed = (PathWay){ .to = self->relay, .rtt_us = RELAYED_US };
    return &self->relayed;
}

static uint16_t get_own(const PathSeek *self)
{
    WirePlaneInfo info = { .mtu = 0 };

    wire_plane_get_info(self->host->plane, &info);
    return (uint16_t)CLAMP(info.mtu, LEAST_INNER, MOST_INNER);
}

uint16_t path_width_get(PathSeek *self)
{
    const PathWay *way = get_way(self);
    uint16_t       own = get_own(self);

    if (way != NULL && way->width != 0)
        return way->width - OVERHEAD < own ? (uint16_t)(way->width - OVERHEAD) : 0;
    return own > USUAL_INNER ? USUAL_INNER : 0;
}

/* Less is of no use, by IPv6, and of IPv4 is taken for granted: routers take more than that apart.
 */
static uint16_t get_least(const PathWay *way)
{
    return way->to.endpoint.addr.family == AF_INET6 ? LEAST_INNER + OVERHEAD : LEAST;
}

unsigned path_width_show(PathSeek *self)
{
    const PathWay *way = get_way(self);

    return way == NULL || way->width == 0 ? 0 : (unsigned)MIN(way->width - OVERHEAD, get_own(self));
}

static bool on_asked_way(const PathSeek *self, const PathWay *way)
{
    return way != NULL && wire_way_equal(&way->to, &self->width.way);
}

/* That the peer is there, not merely that it wrote so as the source of a packet: long pings are not
 * to be aimed at others. By a relay none can be. */
static bool is_proved(const PathWay *way)
{
    return way->to.link != 0 || way->trusted;
}

static void send_rungs(PathSeek *self, const PathWay *way)
{
    PathWidth *width = &self->width;

    for (size_t i = 0; i < width->rungs.n; i++) {
        MeshProbe probe = { .type = MESH_PROBE_PING, .txid = width->txid + i };
        uint8_t   bytes[MESH_PROBE_MAX_BYTES];
        size_t    len;

        probe.length = MIN(width->rungs.rungs[i], MESH_PROBE_MAX_BYTES);
        if (path_rungs_ask(&width->rungs, i) &&
            mesh_probe_seal(&self->keys, &probe, bytes, sizeof bytes, &len) == 0)
            (void)!wire_ways_probe(self->host->plane, &way->to, (MeshSpan){ bytes, len },
                                   width->rungs.rungs[i]);
    }
}

static gboolean on_timer(gpointer user_data);

static void set_timer(PathSeek *self, int64_t in_ms)
{
    path_width_end(self);
    self->width.timer = g_timeout_add((guint)in_ms, on_timer, self);
}

static uint16_t get_most(const PathSeek *self, const PathWay *way)
{
    uint16_t most = (uint16_t)(get_own(self) + OVERHEAD);

    return way->to.link != 0 ? MIN(most, (uint16_t)MOST_RELAYED) : most;
}

/* By the server's relay, which is none of the ways that are listed. */
static void ping_relayed(PathSeek *self)
{
    MeshProbe probe = { .type = MESH_PROBE_PING,
                        .txid = self->width.txid + PATH_MAX_RUNGS,
                        .length = MESH_PROBE_PONG_BYTES };

    (void)path_seek_send(self, &probe, &self->relayed.to, 0);
}

/* Another round, or the same again, beside a short ping: is anything answered there? Until it is
 * proved that the peer is there, the short ping alone. */
static void ask(PathSeek *self, PathWay *way)
{
    PathWidth *width = &self->width;

    width->pinged = true;
    if (way == &self->relayed)
        ping_relayed(self);
    else
        width->pinged = path_seek_ping(self, way, 0);
    width->asked_ms = mesh_clock_boot_ms();
    width->answered = false;
    width->unproved = !is_proved(way);
    if (!width->unproved)
        send_rungs(self, way);
    set_timer(self, MAX(EACH_MS, 2 * way->rtt_us / 1000));
}

static void begin(PathSeek *self, PathWay *way, uint16_t most, bool proving)
{
    PathWidth *width = &self->width;

    width->asking = true;
    width->proving = proving;
    width->since_ms = mesh_clock_boot_ms();
    width->waits = WAITS;
    if (!proving)
        width->searched_ms = width->since_ms;
    mesh_key_random(&width->txid, sizeof width->txid);
    path_rungs_begin(&width->rungs, get_least(way), most);
    ask(self, way);
}

static void leave(PathSeek *self, PathWay *way)
{
    mesh_log_info("a way over IPv6 loses long packets: it is left out");
    path_width_end(self);
    way->narrow_ms = mesh_clock_boot_ms();
    way->width = 0;
    way->valid = false;
    path_seek_leave(self);
}

/* The search is over: what was found counts from now on. */
static void settle(PathSeek *self, PathWay *way)
{
    PathWidth *width = &self->width;
    uint16_t   before = path_width_get(self);

    width->asking = false;
    if (!width->rungs.shown && way->valid_ms < width->since_ms) {
        path_width_end(self); /* it is dark: others see to that */
        return;
    }
    if (!width->rungs.shown && way->to.endpoint.addr.family == AF_INET6) { /* not by a relay */
        leave(self, way);
        return;
    }
    way->width = width->rungs.low;
    set_timer(self, LOOK_MS);
    if (path_width_get(self) == before)
        return;
    mesh_log_debug("a way carries %u bytes of UDP", way->width);
    path_seek_steer(self, self->checks > 0 ? UINT16_MAX : 0);
    self->host->changed(&self->told->wg, self->host->user_data);
}

/* How long there has been no data. */
static int64_t get_idle_ms(const PathSeek *self)
{
    WirePeerInfo info;

    if (wire_plane_get_peer(self->host->plane, &self->told->wg, &info) < 0 ||
        info.last_data_ms == 0)
        return INT64_MAX;
    return mesh_clock_boot_ms() - (int64_t)info.last_data_ms;
}

/* Does what is known still hold, and is it perhaps more by now? Nothing is asked of an idle way,
 * but it is looked at until it has been idle for so long that its next data is told. */
static void look(PathSeek *self, PathWay *way)
{
    uint16_t most = get_most(self, way);
    bool     again = mesh_clock_boot_ms() - self->width.searched_ms >= AGAIN_MS;
    int64_t  idle_ms = get_idle_ms(self);

    if (idle_ms >= LOOK_MS) {
        if (idle_ms < IDLE_MS)
            set_timer(self, LOOK_MS);
        return;
    }
    path_canary_look(self);
    begin(self, way, again || way->width == 0 ? most : MIN(way->width, most),
          !again && way->width != 0);
}

static void go_on(PathSeek *self, PathWay *way, bool waited)
{
    PathWidth *width = &self->width;

    if (path_rungs_step(&width->rungs, waited)) {
        if (width->rungs.tries == 0) /* other lengths */
            mesh_key_random(&width->txid, sizeof width->txid);
        ask(self, way);
    } else if (path_rungs_is_over(&width->rungs))
        settle(self, way);
}

/* Nothing was answered, not even the short ping: that says nothing of the long ones. Where none
 * went there is nothing to wait for. */
static bool is_late(PathWidth *width, const PathWay *way)
{
    if (!width->pinged || width->answered || way->valid_ms >= width->asked_ms || width->waits == 0)
        return false;
    width->waits--;
    return true;
}

static gboolean on_timer(gpointer user_data)
{
    PathSeek *self = user_data;
    PathWay  *way = get_way(self);

    self->width.timer = 0;
    if (!on_asked_way(self, way))
        return G_SOURCE_REMOVE;
    if (!self->width.asking)
        look(self, way);
    else if (self->width.unproved && is_proved(way))
        path_width_ask(self);
    else if (is_late(&self->width, way))
        ask(self, way);
    else
        go_on(self, way, true);
    return G_SOURCE_REMOVE;
}

/* It is about @way from now on. What is known of another, and over what that was, is of no use. */
static void turn_to(PathSeek *self, const PathWay *way)
{
    if (on_asked_way(self, way))
        return;
    self->width.searched_ms = 0;
    self->width.way = way->to;
    self->width.tls = way == &self->relayed && path_relays_is_tls(self->host->relays, &way->to);
}

void path_width_ask(PathSeek *self)
{
    PathWay *way = get_way(self);
    uint16_t most;

    if (way == NULL || (self->width.asking && self->width.timer != 0 && on_asked_way(self, way)))
        return;
    path_width_end(self);
    turn_to(self, way);
    most = get_most(self, way);
    begin(self, way, way->width == 0 ? most : MIN(way->width, most), way->width != 0);
}

void path_width_proved(PathSeek *self)
{
    PathWay *way = get_way(self);

    if (!self->width.unproved || !on_asked_way(self, way) || !is_proved(way))
        return;
    path_width_end(self);
    path_width_ask(self);
}

void path_width_relayed(PathSeek *self)
{
    PathWay *way = get_way(self);

    if (way != &self->relayed || (self->width.timer != 0 && on_asked_way(self, way)))
        return;
    turn_to(self, way);
    self->width.asking = false;
    set_timer(self, BEGIN_MS);
}

void path_width_moved(PathSeek *self)
{
    PathWay *way = get_way(self);

    if (way != &self->relayed || !on_asked_way(self, way) ||
        path_relays_is_tls(self->host->relays, &way->to) == self->width.tls)
        return;
    self->width.tls = !self->width.tls;
    self->width.searched_ms = 0; /* the next look is a whole search */
    if (self->width.timer == 0 || get_idle_ms(self) >= LOOK_MS)
        return;
    path_width_end(self);
    begin(self, way, get_most(self, way), false);
}

void path_width_end(PathSeek *self)
{
    g_clear_handle_id(&self->width.timer, g_source_remove);
}

bool path_width_take_pong(PathSeek *self, uint64_t txid)
{
    PathWidth *width = &self->width;
    PathWay   *way = get_way(self);
    uint64_t   at = txid - width->txid;

    if (width->asking && at == PATH_MAX_RUNGS) {
        self->relayed.valid_ms = mesh_clock_boot_ms();
        return true;
    }
    if (!width->asking || width->timer == 0 || at >= width->rungs.n)
        return false;
    width->answered = true;
    path_rungs_answer(&width->rungs, at);
    if (on_asked_way(self, way))
        go_on(self, way, false);
    return true;
}
