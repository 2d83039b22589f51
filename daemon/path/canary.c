#include "daemon/path/canary.h"

#include "common/glib/log.h"
#include "common/std/clock.h"
#include "common/std/key.h"
#include "daemon/path/seeking.h"
#include "daemon/wire/ways.h"

enum {
    USUAL = 1232,     /* bytes of a ping while it is not known how many the way carries */
    EACH_MS = 5000,   /* between two questions, whoever is in doubt */
    LEAST_MS = 150,   /* for the answers to a train */
    RELAYED_MS = 500, /* by a relay, whose far side is not measured */
    PAUSE_MS = 30000, /* until a way that lost bursts is asked again */
    MOST_PAUSE_MS = 600000,
};

/* By which the peer is sent to now; a stream has no bursts. Returns: false: none such. */
static bool find_way(PathSeek *self, WireWay *out_way, uint16_t *out_length, int64_t *out_ms)
{
    const PathWay *active = path_seek_get_active(self);
    int64_t        rtt_us = active != NULL ? active->rtt_us : 0;

    *out_way = active != NULL ? active->to : self->relay;
    *out_length = active != NULL && active->width != 0
                      ? MIN(active->width, (uint16_t)MESH_PROBE_MAX_BYTES)
                      : USUAL;
    *out_ms = MAX(out_way->link != 0 ? RELAYED_MS : LEAST_MS, 2 * rtt_us / 1000);
    return wire_way_is_set(out_way);
}

/* The pings of a train. Returns: false: they cannot go that way. */
static bool send_train(PathSeek *self, const WireWay *way, uint16_t length)
{
    uint8_t   bytes[PATH_TRAIN][MESH_PROBE_MAX_BYTES];
    WireTrain train = { .n = PATH_TRAIN, .joined = !self->canary.trains.single };
    size_t    len;

    mesh_key_random(&self->canary.txid, sizeof self->canary.txid);
    for (size_t i = 0; i < PATH_TRAIN; i++) {
        MeshProbe probe = { .type = MESH_PROBE_PING,
                            .txid = self->canary.txid + i,
                            .length = length };

        if (mesh_probe_seal(&self->keys, &probe, bytes[i], sizeof bytes[i], &len) < 0)
            return false;
        train.probes[i] = bytes[i];
        train.len = len;
    }
    return wire_ways_send_train(self->host->plane, way, &train) == 0;
}

void path_canary_listen(PathSeek *self)
{
    wire_ways_watch_bursts(self->host->plane, &self->told->wg);
}

static gboolean on_timer(gpointer user_data);

static void ask(PathSeek *self)
{
    WireWay  way;
    uint16_t length;
    int64_t  ms;

    path_canary_end(self);
    if (!find_way(self, &way, &length, &ms) || !wire_way_equal(&way, &self->canary.way)) {
        path_canary_listen(self); /* left meanwhile */
        return;
    }
    self->canary.asking = send_train(self, &way, length); /* else it is full, or the kernel refuses
                                                           * what has a cure of its own: later */
    self->canary.timer =
        g_timeout_add(self->canary.asking ? (guint)ms : (guint)EACH_MS, on_timer, self);
}

static void set_singly(PathSeek *self, bool singly)
{
    PathCanary *canary = &self->canary;

    if (canary->singly == singly)
        return;
    canary->singly = singly;
    if (singly)
        mesh_log_warning("a way to a peer loses datagrams that leave in one go (UDP GSO) and "
                         "carries single ones: they go one by one there");
    else
        mesh_log_info("a way to a peer carries datagrams that leave in one go again");
    path_seek_steer(self, self->checks > 0 ? UINT16_MAX : 0);
    self->host->changed(&self->told->wg, self->host->user_data);
}

/* A way that lost bursts is not asked often; each time it is found so, less often. */
static void settle(PathSeek *self, PathTrainsEnd end)
{
    PathCanary *canary = &self->canary;

    mesh_log_debug("bursts to a peer: %s, after %u rounds",
                   end == PATH_TRAINS_WHOLE  ? "they arrive"
                   : end == PATH_TRAINS_LOST ? "they are lost"
                                             : "not known",
                   canary->trains.round);
    if (end == PATH_TRAINS_LOST || canary->singly) {
        canary->pause_ms = CLAMP(2 * canary->pause_ms, PAUSE_MS, MOST_PAUSE_MS);
        canary->again_ms = mesh_clock_boot_ms() + canary->pause_ms;
    }
    if (end == PATH_TRAINS_WHOLE)
        canary->pause_ms = 0;
    if (end != PATH_TRAINS_OPEN)
        set_singly(self, end == PATH_TRAINS_LOST);
    if (!canary->singly)
        canary->timer = g_timeout_add(EACH_MS, on_timer, self);
}

static void step(PathSeek *self)
{
    PathTrainsEnd end = path_trains_step(&self->canary.trains);

    if (end == PATH_TRAINS_RUN) {
        ask(self);
        return;
    }
    path_canary_end(self);
    settle(self, end);
}

static gboolean on_timer(gpointer user_data)
{
    PathSeek *self = user_data;

    self->canary.timer = 0;
    if (self->canary.asking)
        step(self);
    else
        path_canary_listen(self);
    return G_SOURCE_REMOVE;
}

/* Nothing is known of a way that was not asked before; nor does what is asked of the one before
 * matter any more. */
static void begin(PathSeek *self)
{
    PathCanary *canary = &self->canary;
    WireWay     way;
    uint16_t    length;
    int64_t     ms;

    if (!find_way(self, &way, &length, &ms)) {
        path_canary_listen(self);
        return;
    }
    if (canary->asking && wire_way_equal(&way, &canary->way))
        return;
    path_canary_end(self);
    if (!wire_way_equal(&way, &canary->way))
        *canary = (PathCanary){ .way = way };
    path_trains_begin(&canary->trains);
    ask(self);
}

void path_canary_hear(PathSeek *self)
{
    begin(self);
}

void path_canary_look(PathSeek *self)
{
    if (self->canary.singly && mesh_clock_boot_ms() >= self->canary.again_ms)
        begin(self);
}

bool path_canary_take_pong(PathSeek *self, uint64_t txid)
{
    PathCanary *canary = &self->canary;
    uint64_t    at = txid - canary->txid;

    if (!canary->asking || at >= PATH_TRAIN)
        return false;
    path_trains_answer(&canary->trains, at);
    if (path_trains_is_whole(&canary->trains))
        step(self);
    return true;
}

bool path_canary_wants_single(const PathSeek *self, const WireWay *way)
{
    return self->canary.singly && wire_way_equal(way, &self->canary.way);
}

void path_canary_end(PathSeek *self)
{
    g_clear_handle_id(&self->canary.timer, g_source_remove);
    self->canary.asking = false;
}
