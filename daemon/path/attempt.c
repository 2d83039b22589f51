/* daemon/path/attempt.c: the search for a direct way: call, timed start, opener, bursts of pings
 * (docs/PATHS.md §5). */
#include "common/glib/log.h"
#include "common/std/clock.h"
#include "common/std/key.h"
#include "daemon/path/hardnat.h"
#include "daemon/path/relayhome.h"
#include "daemon/path/seeking.h"
#include "daemon/wire/ways.h"

#include <string.h>
#include <sys/socket.h>

enum {
    CALL_EACH_MS = 250,    /* until it is answered */
    CALLS = PATH_CALLS,    /* then punching starts without an answer */
    SYNC_LIMIT_MS = 500,   /* a callee does not wait longer for SYNC */
    OPENER_LEAD_MS = 50,   /* before the first burst */
    OPENER_TTL = 2,        /* clears our own router, does not reach the other's */
    MAX_PINGS = 60,        /* of an attempt */
    AGAIN_FIRST_MS = 5000, /* after an attempt that found nothing, while there is traffic */
    AGAIN_CAP_MS = 600000,
    CALLED_EACH_MS = 1000, /* a peer's CALLs begin no more attempts than that */
    HOPE_MS = 2000,        /* a peer that is new may name its relay so long */
};

/* Since the start of an attempt; docs/PATHS.md §5. */
static const unsigned bursts_ms[] = { 0, 50, 150, 350, 750, 1500, 3000, 6000 };
#define END_MS 10000u

static int64_t now_us(void)
{
    return mesh_clock_boot_ns() / 1000;
}

/* Without a relay there is no timed start; so for a while that is waited for. */
bool path_attempt_is_hoping(const PathSeek *self)
{
    return self->relay.link == 0 && self->host->has_server &&
           (mesh_clock_boot_ms() - self->born_ms < HOPE_MS ||
            path_relayhome_is_hopeful(self->host->relays));
}

static void send_call(PathSeek *self, MeshProbeType type, uint64_t txid)
{
    MeshProbe probe = { .type = type, .id = self->attempt, .txid = txid };

    if (self->relay.link == 0)
        return;
    if (type != MESH_PROBE_SYNC)
        probe.n_candidates = self->host->list_own(self->host->user_data, probe.candidates);
    probe.nat = self->host->nat;
    (void)path_seek_send(self, &probe, &self->relay, 0);
}

static gboolean on_attempt(gpointer user_data);

static void wait(PathSeek *self, int64_t in_ms)
{
    g_clear_handle_id(&self->timer, g_source_remove);
    self->timer = g_timeout_add((guint)CLAMP(in_ms, 0, G_MAXINT), on_attempt, self);
}

void path_attempt_end(PathSeek *self, bool found)
{
    g_clear_handle_id(&self->timer, g_source_remove);
    self->phase = PATH_IDLE_PHASE;
    self->again_in_ms = found ? 0 : CLAMP(2 * self->again_in_ms, AGAIN_FIRST_MS, AGAIN_CAP_MS);
    self->again_ms = mesh_clock_boot_ms() + self->again_in_ms;
    if (!found)
        wait(self, self->again_in_ms);
    self->host->changed(&self->told->wg, self->host->user_data);
}

static void open_nat(PathSeek *self)
{
    for (size_t i = 0; i < self->ways.n && self->n_pings < MAX_PINGS; i++)
        if (path_ways_wants_timing(&self->ways.list[i]) && !self->ways.list[i].valid) {
            self->n_pings++;
            (void)path_seek_ping(self, &self->ways.list[i], OPENER_TTL);
        }
}

static void burst(PathSeek *self, bool all)
{
    for (size_t i = 0; i < self->ways.n && self->n_pings < MAX_PINGS; i++) {
        PathWay *way = &self->ways.list[i];

        if (way->valid || (!all && path_ways_wants_timing(way)))
            continue;
        self->n_pings++;
        (void)path_seek_ping(self, way, 0);
    }
}

/* The bursts begin in @in_ms, their opener before that if there is time. */
static void punch(PathSeek *self, int64_t in_ms)
{
    mesh_log_debug("attempt %u: pings in %d ms", self->attempt, (int)MAX(in_ms, OPENER_LEAD_MS));
    self->phase = PATH_PUNCHING;
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
        path_hardnat_consider(self, 0);
        self->step++;
        wait(self, self->start_ms - now_ms);
        return;
    }
    done = self->step - 1;
    if (done >= G_N_ELEMENTS(bursts_ms) || path_meet_is_direct(self)) {
        path_attempt_end(self, path_meet_is_direct(self));
        if (!path_meet_is_direct(self))
            path_meet_begin(self);
        path_hardnat_consider(self, done + 1);
        return;
    }
    burst(self, true);
    path_hardnat_consider(self, done);
    self->step++;
    wait(self, self->start_ms +
                   (self->step - 1 < G_N_ELEMENTS(bursts_ms) ? bursts_ms[self->step - 1] : END_MS) -
                   now_ms);
}

static void step_call(PathSeek *self)
{
    if (self->step < CALLS) {
        self->call_us[self->step] = now_us();
        send_call(self, MESH_PROBE_CALL, self->call_txid + self->step++);
        wait(self, CALL_EACH_MS);
    } else {
        punch(self, 0);
    }
}

static gboolean on_attempt(gpointer user_data)
{
    PathSeek *self = user_data;

    self->timer = 0;
    if (self->phase == PATH_CALLING)
        step_call(self);
    else if (self->phase == PATH_CALLED)
        punch(self, 0); /* SYNC was lost */
    else if (self->phase == PATH_PUNCHING)
        step_punch(self);
    else if (!path_meet_is_direct(self) && path_seek_is_alive(self))
        path_attempt_start(self); /* who is silent is looked for when he speaks again */
    else if (path_meet_end(self))
        path_seek_steer(self, 0);
    return G_SOURCE_REMOVE;
}

static gboolean on_hope_ended(gpointer user_data)
{
    PathSeek *self = user_data;

    self->hope_timer = 0;
    if (self->relay.link != 0 || path_seek_get_active(self) != NULL)
        return G_SOURCE_REMOVE;
    path_seek_steer(self, 0);
    path_attempt_start(self);
    return G_SOURCE_REMOVE;
}

void path_attempt_start(PathSeek *self)
{
    if (self->phase == PATH_PUNCHING || self->phase == PATH_CALLED)
        send_call(self, MESH_PROBE_CALL, self->call_txid); /* says what is new about us */
    if (self->phase != PATH_IDLE_PHASE)
        return;
    path_seek_add(self, self->told->endpoints, self->told->n_endpoints);
    self->attempt++;
    self->step = self->n_pings = 0;
    burst(self, false); /* a LAN, IPv6: there is nothing to time */
    if (path_attempt_is_hoping(self)) {
        if (self->hope_timer == 0)
            self->hope_timer = g_timeout_add(HOPE_MS, on_hope_ended, self);
        return;
    }
    if (self->relay.link == 0) {
        punch(self, 0);
        return;
    }
    mesh_log_debug("attempt %u: calls", self->attempt);
    path_relays_ask(self->host->relays, &self->relay);
    path_meet_dial(self);
    self->phase = PATH_CALLING;
    mesh_key_random(&self->call_txid, sizeof self->call_txid);
    step_call(self);
}

static void add_candidates(PathSeek *self, const MeshProbe *probe)
{
    static const MeshRecordKind kinds[] = { MESH_RECORD_LOCAL, MESH_RECORD_STATIC,
                                            MESH_RECORD_OBSERVED, MESH_RECORD_STATIC,
                                            MESH_RECORD_OBSERVED };
    MeshRecordEndpoint          told[MESH_PROBE_MAX_CANDIDATES];

    for (size_t i = 0; i < probe->n_candidates; i++) {
        told[i] = (MeshRecordEndpoint){ .endpoint = probe->candidates[i].endpoint,
                                        .kind = kinds[probe->candidates[i].kind] };
        if (probe->candidates[i].kind == MESH_PROBE_LOCAL)
            self->local_port = probe->candidates[i].endpoint.port;
    }
    path_seek_add(self, told, probe->n_candidates);
    self->nat = probe->nat;
    self->host->told(&self->told->wg, &probe->nat, self->host->user_data);
}

bool path_attempt_is_caller(const PathSeek *self)
{
    return memcmp(self->host->probe_public.bytes, self->told->probe_key.bytes, MESH_KEY_BYTES) < 0;
}

void path_attempt_take_call(PathSeek *self, const MeshProbe *probe, const WireEvent *event)
{
    int64_t now_ms = mesh_clock_boot_ms();

    add_candidates(self, probe);
    self->wanted = true;
    path_seek_check(
        self); /* it has no direct way, so is ours still one? Its packets tell nothing */
    if (self->relay.link == 0) {
        self->relay = event->way; /* it found us there */
        mesh_log_debug("a peer can be reached by a relay");
        if (self->phase != PATH_IDLE_PHASE) /* which began without: nobody was asked */
            path_relays_ask(self->host->relays, &self->relay);
        path_seek_steer(self, 0);
    }
    if (self->phase == PATH_CALLING && path_attempt_is_caller(self)) {
        send_call(self, MESH_PROBE_CALL_ACK, probe->txid);
        return;
    }
    self->attempt = probe->id;
    send_call(self, MESH_PROBE_CALL_ACK, probe->txid);
    if (self->phase == PATH_PUNCHING || self->phase == PATH_CALLED ||
        (self->called_ms != 0 && now_ms - self->called_ms < CALLED_EACH_MS))
        return; /* a repeat, or as good as one */
    mesh_log_debug("attempt %u: is called", self->attempt);
    self->called_ms = now_ms;
    path_relays_ask(self->host->relays, &self->relay);
    self->n_pings = 0;
    self->phase = PATH_CALLED;
    burst(self, false);
    wait(self, SYNC_LIMIT_MS);
}

void path_attempt_take_ack(PathSeek *self, const MeshProbe *probe)
{
    uint64_t number = probe->txid - self->call_txid; /* of the CALL that it answers */
    int64_t  r_ms;

    if (number >= PATH_CALLS)
        return;
    add_candidates(self, probe);
    if (self->phase != PATH_CALLING || number >= self->step)
        return; /* it answers what was new about us */
    r_ms = (now_us() - self->call_us[number]) / 1000;
    /* Twice: who misses it starts late, and strays at its router may have moved its port by then.
     */
    send_call(self, MESH_PROBE_SYNC, self->call_txid);
    send_call(self, MESH_PROBE_SYNC, self->call_txid);
    punch(self, r_ms / 2 + OPENER_LEAD_MS);
}

/* Also to a caller: its own CALL came before the peer knew it, and the peer's was answered. */
void path_attempt_take_sync(PathSeek *self)
{
    if (self->phase == PATH_CALLED || self->phase == PATH_CALLING)
        punch(self, OPENER_LEAD_MS);
}
