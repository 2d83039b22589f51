/* daemon/wire/opener.c: see opener.h. Top to bottom: judge, accept, learn, open, write. */
#include "daemon/wire/opener.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/wire/ecn.h"
#include "daemon/wire/state.h"

enum { ELSEWHERE_MS = 1000 }; /* between two tellings that a peer was heard on another way */

struct WireOpener {
    WirePlane          *plane;
    unsigned            shard;
    WireCounters       *counters;
    const WireSnapshot *snapshot;
    int64_t             now_ns;
    WireSeg             segs[WIRE_UDP_MAX_RECEIVE];
    WirePacket          accepted[WIRE_UDP_MAX_RECEIVE];
    size_t              n_accepted;
};

int wire_opener_new(WirePlane *plane, unsigned shard, WireOpener **out_self)
{
    WireOpener *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return -ENOMEM;
    self->plane = plane;
    self->shard = shard;
    self->counters = &plane->counters[wire_thread_in(shard)];
    *out_self = self;
    return 0;
}

void wire_opener_free(WireOpener *self)
{
    free(self);
}

void wire_opener_begin(WireOpener *self, const WireSnapshot *snapshot, int64_t now_ns)
{
    self->snapshot = snapshot;
    self->now_ns = now_ns;
}

static void drop(WireOpener *self, WireDrop why)
{
    wire_count_drop(self->counters, why, 1);
}

/* @event lacks time and way. */
static void report(WireOpener *self, WireEvent *event, const WireHop *hop)
{
    event->time_ns = (uint64_t)self->now_ns;
    event->endpoint = hop->remote;
    event->way = wire_hop_get_way(hop);
    if (!wire_events_push(&self->plane->events, wire_thread_in(self->shard), event))
        drop(self, WIRE_DROP_EVENTS);
}

/* Why an authentic packet with content may not go to the host; NONE: it may, and @packet is cut to
 * its own length. */
static WireDrop judge(WireOpener *self, const WirePeer *peer, WirePacket *packet)
{
    const WireSnapshot *snapshot = self->snapshot;

    packet->len = wire_packet_inner_length(packet->data, packet->len);
    if (packet->len == 0)
        return WIRE_DROP_MALFORMED;
    if (wire_allowedips_get_source(snapshot->allowed_ips, packet->data, packet->len) != peer)
        return WIRE_DROP_SPOOFED;
    if (!wire_filter_passes(snapshot->filter, self->plane->flows, packet->data, packet->len,
                            self->now_ns / 1000000000))
        return WIRE_DROP_FILTERED;
    return WIRE_DROP_NONE;
}

/* An authentic, new packet with content. */
static void accept_packet(WireOpener *self, const WirePeer *peer, const WireSeg *seg,
                          const WireDatagram *datagram)
{
    WirePacket packet = { .data = seg->out, .len = seg->len };
    WireDrop   why = judge(self, peer, &packet);
    uint16_t   id, sequence;

    if (why == WIRE_DROP_NONE && !wire_ecn_merge(packet.data, datagram->ecn))
        why = WIRE_DROP_CONGESTION;
    if (why != WIRE_DROP_NONE) {
        drop(self, why);
        return;
    }
    wire_count(&self->counters->rx_packets, 1);
    wire_count(&self->counters->rx_bytes, packet.len);
    if (!wire_pings_match(&self->plane->pings, packet.data, packet.len, &id, &sequence)) {
        self->accepted[self->n_accepted++] = packet;
        return;
    }
    report(self,
           &(WireEvent){
               .kind = WIRE_EVENT_PONG, .peer = peer->public_key, .id = id, .sequence = sequence },
           datagram->hop);
}

/* A peer whose way the control thread decides was heard on another: it is told, seldom. */
static bool is_news(WirePeer *peer, int64_t now_ms)
{
    int64_t told_ms = atomic_load_explicit(&peer->elsewhere_ms, memory_order_relaxed);

    if (told_ms != 0 && now_ms - told_ms < ELSEWHERE_MS)
        return false;
    atomic_store_explicit(&peer->elsewhere_ms, now_ms, memory_order_relaxed);
    return true;
}

/* Where it came from, once it is authentic. */
static void learn(WireOpener *self, WirePeer *peer, const WireHop *hop, bool data)
{
    int64_t now_ms = self->now_ns / 1000000;

    if (!atomic_load_explicit(&peer->pinned, memory_order_relaxed)) {
        if (wire_route_learn(&peer->route, hop))
            report(self, &(WireEvent){ .kind = WIRE_EVENT_ROAMED, .peer = peer->public_key }, hop);
        return;
    }
    if (!wire_route_learn_source(&peer->route, hop) && is_news(peer, now_ms))
        report(self, &(WireEvent){ .kind = WIRE_EVENT_ROAMED, .peer = peer->public_key }, hop);
    if (data && wire_peer_mark_data(peer, now_ms))
        report(self, &(WireEvent){ .kind = WIRE_EVENT_ACTIVE, .peer = peer->public_key }, hop);
}

/* What a run of authentic packets means for its peer. */
static void credit(WireOpener *self, WireKeypair *keypair, const WireHop *hop, bool data)
{
    WirePlane *plane = self->plane;
    WirePeer  *peer = keypair->peer;
    int64_t    now_ms = self->now_ns / 1000000;
    uint16_t   keepalive_s = atomic_load_explicit(&peer->keepalive_s, memory_order_relaxed);

    if (wire_slots_received(&peer->slots, keypair)) {
        wire_peer_ask(plane, peer, WIRE_ASK_CONFIRM);
        wire_peer_tell(plane, peer, WIRE_TELL_FLUSH);
    }
    if (wire_timers_received(&peer->timers, data, keepalive_s, now_ms))
        wire_peer_ask(plane, peer, WIRE_ASK_LOOK);
    if (wire_keypair_wants_rekey_receiving(keypair, now_ms) &&
        !atomic_exchange_explicit(&peer->timers.last_minute, true, memory_order_relaxed))
        wire_peer_ask(plane, peer, WIRE_ASK_SESSION);
    learn(self, peer, hop, data);
}

/* By counter, as they were sent: one that was overtaken would cut what is merged for the host in
 * two. Nearly always they are in order already. */
static void sort_run(WireSealed *run, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        WireSealed moving = run[i];
        size_t     to = i;

        for (; to > 0 && run[to - 1].counter > moving.counter; to--)
            run[to] = run[to - 1];
        run[to] = moving;
    }
}

void wire_opener_open(WireOpener *self, WireKeypair *keypair, WireSealed *run, size_t n)
{
    const WireHop *last = NULL; /* way of the newest authentic packet */
    bool           data = false;
    uint64_t       outer = 0;

    sort_run(run, n);
    for (size_t i = 0; i < n; i++) {
        const WirePacket *packet = &run[i].datagram->packet;

        self->segs[i] = (WireSeg){
            .in = packet->data + WIRE_DATA_HEADER,
            .out = packet->data + WIRE_DATA_HEADER,
            .len = packet->len - WIRE_DATA_OVERHEAD,
            .counter = run[i].counter,
        };
    }
    (void)wire_keypair_open(keypair, self->shard, self->segs, n);
    wire_keypair_lock_window(keypair);
    for (size_t i = 0; i < n; i++) {
        const WireDatagram *datagram = run[i].datagram;

        if (!self->segs[i].tag_ok) {
            drop(self, WIRE_DROP_FORGED);
            continue;
        }
        if (wire_keypair_accept(keypair, self->segs[i].counter) < 0) {
            drop(self, WIRE_DROP_REPLAYED); /* tag first: forgers move nothing */
            continue;
        }
        last = datagram->hop;
        outer += datagram->packet.len;
        if (self->segs[i].len == 0)
            continue; /* keepalive */
        data = true;
        accept_packet(self, keypair->peer, &self->segs[i], datagram);
    }
    wire_keypair_unlock_window(keypair);
    if (last == NULL)
        return;
    credit(self, keypair, last, data);
    wire_count_shared(&keypair->peer->rx_data_bytes, outer);
}

void wire_opener_write(WireOpener *self)
{
    size_t taken = wire_tun_write_batch(self->plane->tun, self->shard, self->counters,
                                        self->accepted, self->n_accepted);

    wire_count_drop(self->counters, WIRE_DROP_TUN, self->n_accepted - taken);
    self->n_accepted = 0;
}
