/* daemon/wire/outbound.c: the road of a packet from the host to its peer, top to bottom:
 * read a batch, find each packet's peer, ask the filter, keep what has no session yet; what has one
 * goes on in sealer.c. */
#include "daemon/wire/outbound.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "common/std/clock.h"
#include "daemon/wire/icmp.h"
#include "daemon/wire/narrow.h"
#include "daemon/wire/pmtu.h"
#include "daemon/wire/sealer.h"
#include "daemon/wire/state.h"
#include "daemon/wire/tun-lanes.h"
#include "daemon/wire/waiting.h"

enum {
    ASK_AGAIN_MS = 1000,     /* between two wishes for a session of one peer */
    REFUSALS_A_SECOND = 100, /* ICMP errors to our own host */
};

struct WireOutbound {
    WirePlane    *plane;
    unsigned      shard;
    WireCounters *counters;
    WireSealer   *sealer;
    WireNarrow   *narrow;
    WireSlab      slab; /* what is read from the TUN */
    WireStage     stage;
    bool          tun_gone, mixed;

    /* One round. */
    const WireSnapshot *snapshot;
    uint64_t            looked; /* generation of that of the last round; 0: none yet */
    int64_t             now_ms;
    WireSuper           supers[WIRE_MAX_BATCH];
    WirePeer           *peers[WIRE_MAX_BATCH];    /* of each; NULL: done with */
    WireSuper          *gathered[WIRE_MAX_BATCH]; /* of one peer */

    int64_t  refused_s; /* the second that @n_refused counts */
    unsigned n_refused;
    uint8_t  refusal[WIRE_ICMP_ERROR_BYTES];

    uint8_t ping[WIRE_PING_BYTES + WIRE_TAILROOM];
};

int wire_outbound_new(WirePlane *plane, unsigned shard, WireOutbound **out_self)
{
    WireOutbound *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return -ENOMEM;
    self->plane = plane;
    self->shard = shard;
    self->counters = &plane->counters[wire_thread_out(shard)];
    if (wire_slab_init(&self->slab, WIRE_TUN_SLAB_BYTES) < 0 || wire_stage_init(&self->stage) < 0 ||
        wire_sealer_new(plane, shard, &self->sealer) < 0 ||
        wire_narrow_new(self->counters, &self->narrow) < 0) {
        wire_outbound_free(self);
        return -ENOMEM;
    }
    *out_self = self;
    return 0;
}

static void forget_staged(WireStaged *staged, void *data)
{
    (void)data;
    wire_peer_unref(staged->owner);
    staged->owner = NULL;
}

void wire_outbound_free(WireOutbound *self)
{
    if (self == NULL)
        return;
    wire_sealer_free(self->sealer);
    wire_narrow_free(self->narrow);
    wire_stage_each(&self->stage, forget_staged, self);
    wire_stage_done(&self->stage);
    wire_slab_done(&self->slab);
    free(self);
}

static void report(WireOutbound *self, const WireEvent *event)
{
    if (!wire_events_push(&self->plane->events, wire_thread_out(self->shard), event))
        wire_count_drop(self->counters, WIRE_DROP_EVENTS, 1);
}

/* Handshakes are asked for at most once a second: a batch to an absent peer is no news. */
static bool ask_session(WireOutbound *self, WirePeer *peer)
{
    int64_t asked_ms = atomic_load_explicit(&peer->asked_ms, memory_order_relaxed);

    if (asked_ms != 0 && self->now_ms - asked_ms < ASK_AGAIN_MS)
        return false;
    atomic_store_explicit(&peer->asked_ms, self->now_ms, memory_order_relaxed);
    wire_peer_ask(self->plane, peer, WIRE_ASK_SESSION);
    return true;
}

static void forget_asked(WirePeer *peer)
{
    if (atomic_load_explicit(&peer->asked_ms, memory_order_relaxed) != 0)
        atomic_store_explicit(&peer->asked_ms, 0, memory_order_relaxed);
}

/* After something was queued. */
static void look_at_age(WireOutbound *self, const WireSession *session)
{
    if (wire_keypair_wants_rekey_sending(session->keypair, self->now_ms))
        (void)ask_session(self, session->peer);
    else
        forget_asked(session->peer); /* the wish came true: the next one is new */
}

static void drop_staged(WireOutbound *self, WirePeer *peer)
{
    WireStaged *staged = wire_stage_find(&self->stage, peer);

    if (staged == NULL)
        return;
    wire_waiting_disown(self->shard, peer);
    wire_count_drop(self->counters, WIRE_DROP_STAGED, wire_stage_drop(&self->stage, &staged));
    wire_peer_unref(peer);
}

static void stage(WireOutbound *self, WirePeer *peer, WireSplit *split)
{
    WireStaged *staged = wire_stage_find(&self->stage, peer);
    WirePacket  packet;

    while (wire_split_next(split, &packet))
        wire_count_drop(self->counters, WIRE_DROP_STAGED,
                        wire_stage_put(&self->stage, &staged, &packet));
    if (staged != NULL && staged->owner == NULL)
        wire_waiting_own(self->plane, self->shard, peer, staged);
    if (ask_session(self, peer))
        report(self, &(WireEvent){ .kind = WIRE_EVENT_ACTIVE, .peer = peer->public_key });
}

/* Returns: true: what was staged is on its way; false: nothing was, or there is no session yet. */
static bool send_staged(WireOutbound *self, WirePeer *peer)
{
    WireStaged *staged = wire_stage_find(&self->stage, peer);
    WireSession session;
    size_t      n = 0;

    if (staged == NULL || !wire_sealer_find(self->sealer, peer, &session))
        return false;
    while (n < staged->n_packets &&
           wire_sealer_put(self->sealer, &session, wire_stage_get(staged, n)))
        n++;
    look_at_age(self, &session);
    wire_sealer_flush(self->sealer);
    wire_stage_skip(staged, n);
    drop_staged(self, peer);
    return n > 0;
}

/* Tells the host at once that a packet goes nowhere; else its programs wait for their own timeout.
 * @mtu: of what carries less than TOO_LONG; else 0. */
static void refuse(WireOutbound *self, const WirePacket *packet, WireDrop why, uint32_t mtu)
{
    WirePacket answer = { .data = self->refusal };

    wire_count_drop(self->counters, why, 1);
    if (self->refused_s != self->now_ms / 1000) {
        self->refused_s = self->now_ms / 1000;
        self->n_refused = 0;
    }
    if (self->n_refused >= REFUSALS_A_SECOND)
        return;
    answer.len =
        (uint32_t)(why == WIRE_DROP_TOO_LONG
                       ? wire_icmp_make_too_long(packet->data, packet->len, mtu, answer.data)
                       : wire_icmp_make_unreachable(packet->data, packet->len,
                                                    why == WIRE_DROP_FILTERED, answer.data));
    if (answer.len == 0)
        return;
    self->n_refused++;
    (void)wire_tun_write(self->plane->tun, &answer);
}

/* One packet or super-packet. @session: NULL: there is none. Returns: false: none any more. */
static bool send_super(WireOutbound *self, WirePeer *peer, const WireSession *session,
                       const WireSuper *super)
{
    WireSplit split;

    if (wire_split_start(&split, &super->vnet, super->packet.data, super->packet.len) < 0) {
        wire_count_drop(self->counters, WIRE_DROP_MALFORMED, 1);
        return session != NULL;
    }
    if (session != NULL && wire_pmtu_refuses(&split, session->mtu)) {
        refuse(self, &super->packet, WIRE_DROP_TOO_LONG, session->mtu);
        return true;
    }
    if (super->vnet.gso_type != WIRE_VNET_NONE)
        wire_count_unit(&self->counters->offloads[WIRE_OFFLOAD_TUN_READ], split.n_segments);
    if (session != NULL && wire_sealer_put_split(self->sealer, session, &split))
        return true;
    stage(self, peer, &split);
    return false;
}

static void send_run(WireOutbound *self, WirePeer *peer, size_t n)
{
    WireSession session;
    bool        ready;

    if (!wire_route_get(&peer->route, &session.hop) &&
        !atomic_load_explicit(&peer->has_candidates, memory_order_relaxed)) {
        for (size_t i = 0; i < n; i++)
            refuse(self, &self->gathered[i]->packet, WIRE_DROP_NO_ROUTE, 0);
        return;
    }
    (void)send_staged(self, peer); /* they came first */
    ready = wire_stage_find(&self->stage, peer) == NULL &&
            wire_sealer_find(self->sealer, peer, &session);
    for (size_t i = 0; i < n; i++)
        ready = send_super(self, peer, ready ? &session : NULL, self->gathered[i]);
    if (ready)
        look_at_age(self, &session);
}

/* Whose is it, and may it go? NULL: dropped. */
static WirePeer *judge(WireOutbound *self, const WirePacket *packet)
{
    const WireSnapshot *snapshot = self->snapshot;
    WirePeer           *peer =
        wire_allowedips_get_destination(snapshot->allowed_ips, packet->data, packet->len);

    if (peer == NULL) {
        refuse(self, packet, WIRE_DROP_NO_PEER, 0);
        return NULL;
    }
    if (wire_filter_passes(snapshot->filter, self->plane->flows, packet->data, packet->len,
                           self->now_ms / 1000))
        return peer;
    refuse(self, packet, WIRE_DROP_FILTERED, 0);
    return NULL;
}

/* Sorts a batch into runs of one peer each, in the order in which peers appear; the packets of a
 * peer keep theirs. @more: another follows at once. */
static void send_batch(WireOutbound *self, size_t n, bool more)
{
    for (size_t i = 0; i < n; i++)
        self->peers[i] = judge(self, &self->supers[i].packet);
    for (size_t i = 0; i < n; i++) {
        WirePeer *peer = self->peers[i];
        size_t    n_gathered = 0;

        if (peer == NULL)
            continue;
        for (size_t j = i; j < n; j++) {
            if (self->peers[j] != peer)
                continue;
            self->gathered[n_gathered++] = &self->supers[j];
            self->peers[j] = NULL;
        }
        send_run(self, peer, n_gathered);
    }
    if (more)
        wire_sealer_flush_most(self->sealer);
    else
        wire_sealer_flush(self->sealer);
}

void wire_outbound_flush(WireOutbound *self)
{
    wire_sealer_flush(self->sealer);
}

static void send_keepalive(WireOutbound *self, WirePeer *peer)
{
    WirePacket  packet = { .data = self->ping, .len = 0 };
    WireSession session;

    if (!wire_sealer_find(self->sealer, peer, &session) ||
        !wire_sealer_put(self->sealer, &session, &packet)) {
        (void)ask_session(self, peer);
        return;
    }
    look_at_age(self, &session);
    wire_sealer_flush(self->sealer);
}

static void obey(WireOutbound *self, WirePeer *peer, uint32_t bits)
{
    bool sent = false;

    if (bits & WIRE_TELL_DROP) {
        atomic_fetch_add(&peer->n_drops, 1);
        drop_staged(self, peer);
        forget_asked(peer);
    }
    if (bits & WIRE_TELL_FLUSH)
        sent = send_staged(self, peer);
    if ((bits & WIRE_TELL_KEEPALIVE) && !sent)
        send_keepalive(self, peer);
    if (bits & (WIRE_TELL_DROP | WIRE_TELL_FLUSH))
        wire_waiting_pass_on(self->plane, self->shard, peer);
}

/* What waits here, when another shard's out thread passed something on, or peers may have left. */
static void look_at(WireStaged *staged, void *data)
{
    WireOutbound *self = data;

    if (wire_waiting_is_over(self->snapshot, staged))
        drop_staged(self, staged->owner);
    else
        (void)send_staged(self, staged->owner);
}

static void look_at_staged(WireOutbound *self)
{
    bool changed = self->looked != self->snapshot->generation;

    self->looked = self->snapshot->generation;
    if (wire_waiting_take(self->plane, self->shard) || changed)
        wire_stage_each(&self->stage, look_at, self);
}

static bool read_notes(WireOutbound *self)
{
    WireNote *note;

    if (!wire_mailbox_has(&self->plane->to_out[self->shard]))
        return false;
    note = wire_mailbox_take(&self->plane->to_out[self->shard]);
    while (note != NULL) {
        WirePeer *peer = wire_peer_of_out_note(note);
        uint32_t  bits;

        note = wire_mailbox_next(note, &bits);
        obey(self, peer, bits);
        wire_peer_unref(peer);
    }
    return true;
}

static bool send_pings(WireOutbound *self)
{
    WirePing ping;
    bool     any = false;

    if (self->shard != 0)
        return false;
    while (wire_pings_take(&self->plane->pings, &ping)) {
        self->supers[0] = (WireSuper){ .packet = { .data = self->ping, .len = ping.len } };
        memcpy(self->ping, ping.bytes, ping.len);
        send_batch(self, 1, false);
        any = true;
    }
    return any;
}

static void report_gone(WireOutbound *self, int error)
{
    self->tun_gone = true;
    if (self->shard == 0)
        report(self, &(WireEvent){ .kind = WIRE_EVENT_FAILED, .id = error });
}

/* Did reading end at @last because it was enough for one round? */
static bool is_full(const WireOutbound *self, const WirePacket *last)
{
    size_t used = (size_t)(last->data + last->len - self->slab.base);

    return used + WIRE_TAILROOM >= wire_tun_round_bytes(self->plane->tun, self->shard);
}

/* What was read goes behind what waits, and of that what the link takes now. Returns: true: it
 * takes more. */
static bool send_narrow(WireOutbound *self, size_t n)
{
    wire_narrow_put(self->narrow, self->supers, n, self->now_ms);
    n = wire_narrow_take(self->narrow, self->supers, WIRE_MAX_BATCH, self->now_ms);
    send_batch(self, n, false);
    wire_narrow_sent(self->narrow);
    wire_narrow_enter(self->narrow, wire_sealer_take_full(self->sealer), self->now_ms);
    return n == WIRE_MAX_BATCH;
}

bool wire_outbound_work(WireOutbound *self)
{
    bool busy;
    int  n = 0;

    self->snapshot = wire_rcu_load(&self->plane->snapshot);
    self->now_ms = mesh_clock_boot_ms(); /* once a batch */
    wire_sealer_begin(self->sealer, self->now_ms);
    busy = read_notes(self);
    look_at_staged(self);
    busy |= send_pings(self);
    self->mixed = wire_tun_begin(self->plane->tun, self->shard, self->now_ms);
    if (!self->tun_gone)
        n = wire_tun_read_batch(self->plane->tun, self->shard, &self->slab, self->supers,
                                WIRE_MAX_BATCH);
    if (n < 0)
        report_gone(self, n);
    if (n > 0)
        busy |= n == WIRE_MAX_BATCH || is_full(self, &self->supers[n - 1].packet);
    if (wire_narrow_is_on(self->narrow, self->now_ms))
        return send_narrow(self, n > 0 ? (size_t)n : 0) || busy;
    send_batch(self, n > 0 ? (size_t)n : 0, busy && !self->mixed);
    wire_narrow_enter(self->narrow, wire_sealer_take_full(self->sealer), self->now_ms);
    return busy;
}

size_t wire_outbound_list(const WireOutbound *self, struct pollfd *out_fds)
{
    const WirePlane *plane = self->plane;
    size_t           n = 0;

    out_fds[n++] =
        (struct pollfd){ .fd = wire_mailbox_fd(&plane->to_out[self->shard]), .events = POLLIN };
    out_fds[n++] = (struct pollfd){ .fd = self->shard == 0 ? mesh_ring_fd(plane->pings.ring) : -1,
                                    .events = POLLIN };
    out_fds[n++] = (struct pollfd){ .fd = wire_narrow_fd(self->narrow), .events = POLLOUT };
    return self->tun_gone ? n : n + wire_tun_list(plane->tun, self->shard, out_fds + n);
}

int wire_outbound_patience(const WireOutbound *self)
{
    return wire_narrow_patience(self->narrow);
}

bool wire_outbound_is_mixed(const WireOutbound *self)
{
    return self->mixed;
}

void wire_outbound_wake(WireOutbound *self, const struct pollfd *fds)
{
    if (fds[0].revents != 0)
        wire_mailbox_hush(&self->plane->to_out[self->shard]);
    if (fds[1].revents != 0)
        mesh_ring_hush(self->plane->pings.ring);
    if (fds[2].revents != 0)
        wire_narrow_wake(self->narrow);
    if (!self->tun_gone)
        wire_tun_wake(self->plane->tun, self->shard, fds + 3);
}
