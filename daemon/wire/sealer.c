/* daemon/wire/sealer.c: see sealer.h. Top to bottom: take counters, pad, seal, send, account. */
#include "daemon/wire/sealer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/wire/ecn.h"
#include "daemon/wire/fragment.h"
#include "daemon/wire/state.h"
#include "daemon/wire/udp-loose.h"
#include "daemon/wire/udp.h"

enum { ARENA_BYTES = 256 * 1024 };

/* A run that is sealed and waits for the end of the batch. */
typedef struct {
    WirePeer   *peer;
    WireStream *stream; /* it goes there, to node @index; NULL: by a socket */
    uint32_t    index;
    bool        data; /* not only a keepalive */
    bool        copied;
    WireHop     copy;
} SealedRun;

struct WireSealer {
    WirePlane     *plane;
    unsigned       shard;
    WireCounters  *counters;
    WireUdpSender *sender;
    int64_t        now_ms;
    WireSlab       arena;                  /* what is sealed, one datagram behind the other */
    WirePacket     sealed[WIRE_MAX_BATCH]; /* whole datagrams, in the arena */
    size_t         n_sealed, arena_used;
    WireUdpRun     runs[WIRE_MAX_BATCH];    /* over sealed */
    SealedRun      sources[WIRE_MAX_BATCH]; /* beside runs */
    size_t         n_runs;
    WirePeer      *held; /* of the first run, if it waits since the last flush: a reference */
    WireUdpRun     copy_runs[WIRE_MAX_BATCH]; /* over copies */
    WirePacket     copies[WIRE_MAX_BATCH];    /* of sealed, with or without a relay's header */
};

int wire_sealer_new(WirePlane *plane, unsigned shard, WireSealer **out_self)
{
    WireSealer *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return -ENOMEM;
    self->plane = plane;
    self->shard = shard;
    self->counters = &plane->counters[wire_thread_out(shard)];
    if (wire_slab_init(&self->arena, ARENA_BYTES) < 0 ||
        wire_udp_sender_new(self->counters, plane->gso, &self->sender) < 0) {
        wire_sealer_free(self);
        return -ENOMEM;
    }
    wire_udp_sender_set_shard(self->sender, shard);
    *out_self = self;
    return 0;
}

void wire_sealer_free(WireSealer *self)
{
    if (self == NULL)
        return;
    if (self->held != NULL)
        wire_peer_unref(self->held);
    wire_udp_sender_free(self->sender);
    wire_slab_done(&self->arena);
    free(self);
}

void wire_sealer_begin(WireSealer *self, int64_t now_ms)
{
    self->now_ms = now_ms;
}

/* Returns: false: the ring is full. */
static bool report(WireSealer *self, WireEventKind kind, const WirePeer *peer)
{
    const WireEvent event = { .kind = kind, .peer = peer->public_key };

    if (wire_events_push(&self->plane->events, wire_thread_out(self->shard), &event))
        return true;
    wire_count_drop(self->counters, WIRE_DROP_EVENTS, 1);
    return false;
}

/* Bursts went to it. Returns: true: that is to be told. */
static bool takes_news_of_bursts(WirePeer *peer)
{
    return atomic_load_explicit(&peer->tells_bursts, memory_order_relaxed) &&
           atomic_load_explicit(&peer->pinned, memory_order_relaxed) &&
           atomic_exchange_explicit(&peer->tells_bursts, false, memory_order_relaxed);
}

/* After sending: what happened to a run is told to its peer's timers, counters and way. */
static void account(WireSealer *self, const SealedRun *sealed, const WireUdpRun *run)
{
    WirePeer *peer = sealed->peer;
    uint16_t  keepalive_s = atomic_load_explicit(&peer->keepalive_s, memory_order_relaxed);
    uint64_t  outer = 0;

    for (size_t i = 0; i < run->n_sent; i++)
        outer += run->packets[i].len;
    wire_count_shared(&peer->tx_data_bytes, outer);
    if (sealed->data) {
        wire_count(&self->counters->tx_packets, run->n_sent);
        wire_count(&self->counters->tx_bytes, outer - run->n_sent * WIRE_DATA_OVERHEAD);
    }
    wire_count_drop(self->counters, WIRE_DROP_SEND, run->n_packets - run->n_sent);
    if (run->source_failed)
        wire_route_forget_source(&peer->route, &run->hop);
    if (sealed->data && atomic_load_explicit(&peer->pinned, memory_order_relaxed) &&
        wire_peer_mark_data(peer, self->now_ms))
        (void)report(self, WIRE_EVENT_ACTIVE, peer);
    if (run->joined && takes_news_of_bursts(peer) && !report(self, WIRE_EVENT_BURSTS, peer))
        atomic_store_explicit(&peer->tells_bursts, true, memory_order_relaxed); /* the next one */
    if (wire_timers_sent(&peer->timers, sealed->data, keepalive_s, self->now_ms))
        wire_peer_ask(self->plane, peer, WIRE_ASK_LOOK);
}

/* The same datagrams for another way: every sealed one has room for a relay's header if it may need
 * one there, or has one that is left out. Returns: false: the relay is gone. */
static bool copy_run(WireSealer *self, const SealedRun *sealed, const WireUdpRun *run,
                     WireUdpRun *out)
{
    const WireLink *link = wire_links_get(&self->plane->links, sealed->copy.link);
    WirePacket     *copies = &self->copies[run->packets - self->sealed];

    if (sealed->copy.link != 0 && link == NULL)
        return false;
    for (size_t i = 0; i < run->n_packets; i++) {
        copies[i] = run->packets[i];
        if (link != NULL) {
            wire_links_wrap(link, sealed->copy.index, copies[i]);
            copies[i].data -= WIRE_LINK_HEADER;
            copies[i].len += WIRE_LINK_HEADER;
        } else if (copies[i].data[0] == WIRE_LINK_DATA) {
            copies[i].data += WIRE_LINK_HEADER;
            copies[i].len -= WIRE_LINK_HEADER;
        }
    }
    *out = *run;
    out->packets = copies;
    out->hop = link != NULL ? (WireHop){ .remote = link->relay } : sealed->copy;
    return true;
}

/* The runs that leave by relays over TLS. */
static void send_streamed(WireSealer *self)
{
    for (size_t i = 0; i < self->n_runs; i++) {
        WireUdpRun *run = &self->runs[i];

        if (self->sources[i].stream != NULL)
            run->n_sent = wire_stream_send(self->sources[i].stream, WIRE_STREAM_FROM_OUT,
                                           self->sources[i].index, run->packets, run->n_packets);
    }
}

/* To a relay over TLS goes only what is direct else, so there is no header to leave out.
 * Returns: false: the copy is for another kind of way. */
static bool copy_to_stream(WireSealer *self, const SealedRun *sealed, const WireUdpRun *run)
{
    WireStream *stream = wire_links_get_stream(&self->plane->links, sealed->copy.link);

    if (stream == NULL)
        return false;
    (void)wire_stream_send(stream, WIRE_STREAM_FROM_OUT, sealed->copy.index, run->packets,
                           run->n_packets);
    return true;
}

/* What is lost of a copy is no loss. */
static void send_copies(WireSealer *self)
{
    size_t n = 0;

    for (size_t i = 0; i < self->n_runs; i++) {
        if (self->sources[i].copied && !copy_to_stream(self, &self->sources[i], &self->runs[i]) &&
            copy_run(self, &self->sources[i], &self->runs[i], &self->copy_runs[n]))
            n++;
    }
    if (n > 0)
        wire_udp_send(self->sender, &self->plane->sockets, self->copy_runs, n);
}

int wire_sealer_take_full(WireSealer *self)
{
    return wire_udp_sender_take_full(self->sender);
}

void wire_sealer_flush(WireSealer *self)
{
    if (self->n_runs == 0)
        return;
    wire_udp_send(self->sender, &self->plane->sockets, self->runs, self->n_runs);
    send_streamed(self);
    send_copies(self);
    for (size_t i = 0; i < self->n_runs; i++)
        account(self, &self->sources[i], &self->runs[i]);
    self->n_runs = self->n_sealed = self->arena_used = 0;
    if (self->held != NULL)
        wire_peer_unref(self->held);
    self->held = NULL;
}

/* How many packets of the last run may wait: those of a message to a socket, one behind the other
 * in the arena. */
static size_t count_loose(const WireSealer *self)
{
    const SealedRun  *source = &self->sources[self->n_runs - 1];
    const WireUdpRun *run = &self->runs[self->n_runs - 1];
    size_t            n = wire_udp_count_loose(self->sender, run);
    const WirePacket *last = &run->packets[run->n_packets - 1];
    const WirePacket *first = n > 0 ? last - (n - 1) : last;

    if (source->stream != NULL || source->copied ||
        last->data != first->data + (last - first) * (ptrdiff_t)last->len)
        return 0;
    return n;
}

void wire_sealer_flush_most(WireSealer *self)
{
    size_t     n_loose = self->n_runs > 0 ? count_loose(self) : 0;
    WireUdpRun run;
    SealedRun  source;
    uint8_t   *from;
    uint32_t   len;

    if (n_loose == 0) {
        wire_sealer_flush(self);
        return;
    }
    source = self->sources[self->n_runs - 1];
    run = self->runs[self->n_runs - 1];
    from = run.packets[run.n_packets - n_loose].data;
    len = run.packets[run.n_packets - 1].len;
    self->runs[self->n_runs - 1].n_packets -= n_loose;
    wire_sealer_flush(self);
    memmove(self->arena.base, from, n_loose * len);
    for (size_t i = 0; i < n_loose; i++)
        self->sealed[i] = (WirePacket){ self->arena.base + i * len, len };
    run.packets = self->sealed;
    run.n_packets = n_loose;
    self->runs[0] = run;
    self->sources[0] = source;
    self->n_runs = 1;
    self->n_sealed = n_loose;
    self->arena_used = n_loose * len;
    self->held = source.peer;
    wire_peer_ref(self->held);
}

/* Where the socket sends it. By a stream it is a hop without an address, which no socket sends. */
static WireHop get_outer_hop(const WireSession *session)
{
    return session->link != NULL ? (WireHop){ .remote = session->link->relay } : session->hop;
}

/* What waits since before goes apart, if it went another way. */
static void look_at_held(WireSealer *self, const WireSession *session)
{
    const WireHop *before = &self->runs[0].hop;
    WireHop        hop;

    if (self->held != session->peer)
        return;
    hop = get_outer_hop(session);
    if (self->runs[0].singly != session->singly || before->socket != hop.socket ||
        before->source_if != hop.source_if || !mesh_endpoint_equal(&before->remote, &hop.remote) ||
        !mesh_ip_equal_addr(&before->source, &hop.source))
        wire_sealer_flush(self);
}

/* Length with padding to 16 bytes, never above the MTU (paper §5.4.6). */
static uint32_t pad_length(uint32_t len, uint32_t mtu)
{
    uint32_t padded = (len + 15u) & ~15u;

    if (len >= mtu)
        return len;
    return padded < mtu ? padded : mtu;
}

static void put_header(uint8_t *at, const WireKeypair *keypair, uint64_t counter)
{
    uint32_t receiver = keypair->remote_index;

    at[0] = keypair->type; /* transport data; three zero bytes follow */
    at[1] = at[2] = at[3] = 0;
    for (int i = 0; i < 4; i++)
        at[4 + i] = (uint8_t)(receiver >> (8 * i));
    for (int i = 0; i < 8; i++)
        at[8 + i] = (uint8_t)(counter >> (8 * i));
}

/* A place for @len bytes of datagram behind what is sealed already; makes room by sending that. */
static uint8_t *reserve(WireSealer *self, size_t len)
{
    if (self->n_sealed == WIRE_MAX_BATCH || ARENA_BYTES - self->arena_used < len)
        wire_sealer_flush_most(self);
    return self->arena.base + self->arena_used;
}

static void put_sealed(WireSealer *self, const WireSession *session, WirePacket datagram)
{
    if (session->link != NULL) {
        wire_links_wrap(session->link, session->hop.index, datagram);
        datagram.data -= WIRE_LINK_HEADER;
        datagram.len += WIRE_LINK_HEADER;
    }
    self->sealed[self->n_sealed++] = datagram;
}

/* Seals a packet into the arena. What the padding overwrites behind the packet is payload of the
 * next segment, perhaps, and is put back. */
static void seal(WireSealer *self, const WireSession *session, uint64_t counter,
                 const WirePacket *packet)
{
    uint32_t own = wire_tun_mtu(self->plane->tun);
    uint32_t len = pad_length(packet->len, session->mtu < own ? session->mtu : own);
    uint32_t room = session->link != NULL || session->copied ? WIRE_LINK_HEADER : 0;
    uint8_t *out = reserve(self, room + len + WIRE_DATA_OVERHEAD) + room, behind[16];
    uint32_t padding = len - packet->len;
    WireSeg  seg = { .in = packet->data, .out = out + WIRE_DATA_HEADER, .len = len };

    if (padding > 0) {
        memcpy(behind, packet->data + packet->len, padding);
        memset(packet->data + packet->len, 0, padding);
    }
    wire_keypair_seal(session->keypair, self->shard, counter, &seg, 1);
    if (padding > 0)
        memcpy(packet->data + packet->len, behind, padding);
    put_header(out, session->keypair, counter);
    put_sealed(self, session, (WirePacket){ out, len + WIRE_DATA_OVERHEAD });
    self->arena_used += room + len + WIRE_DATA_OVERHEAD;
}

/* Adds the datagram just sealed, of @packet, to the run of its peer, which is the last one, or a
 * new one: too if the packets bear another mark. */
static void append(WireSealer *self, const WireSession *session, const WirePacket *packet)
{
    bool        data = packet->len > 0;
    uint8_t     ecn = wire_ecn_get(packet->data, packet->len);
    WireUdpRun *run = &self->runs[self->n_runs];

    if (self->n_runs > 0 && self->sources[self->n_runs - 1].peer == session->peer &&
        run[-1].ecn == ecn && self->sources[self->n_runs - 1].copied == session->copied) {
        run[-1].n_packets++;
        self->sources[self->n_runs - 1].data |= data;
        return;
    }
    *run = (WireUdpRun){ .hop = get_outer_hop(session),
                         .ecn = ecn,
                         .singly = session->singly,
                         .packets = &self->sealed[self->n_sealed - 1],
                         .n_packets = 1 };
    self->sources[self->n_runs++] = (SealedRun){ .peer = session->peer,
                                                 .stream = session->stream,
                                                 .index = session->hop.index,
                                                 .data = data,
                                                 .copied = session->copied,
                                                 .copy = session->copy };
}

static void put_whole(WireSealer *self, const WireSession *session, uint64_t *inout_counter,
                      const WirePacket *packet)
{
    seal(self, session, (*inout_counter)++, packet);
    append(self, session, packet);
}

/* In pieces, if it is more than the way carries and may be taken apart; else whole. */
static void put(WireSealer *self, const WireSession *session, uint64_t *inout_counter,
                const WirePacket *packet)
{
    WireFragment pieces;
    WirePacket   piece;

    if (packet->len <= session->mtu || wire_fragment_start(&pieces, packet, session->mtu) < 0) {
        put_whole(self, session, inout_counter, packet);
        return;
    }
    wire_count(&self->counters->cut, 1);
    while (wire_fragment_next(&pieces, &piece))
        put_whole(self, session, inout_counter, &piece);
}

/* Some may be left over: gaps are no matter to the peer. */
static unsigned count_counters(const WireSession *session, const WireSplit *split)
{
    uint32_t longest = wire_split_longest(split);

    if (longest <= session->mtu)
        return split->n_segments;
    return split->n_segments * wire_fragment_most(split->packet, longest, session->mtu);
}

bool wire_sealer_put_split(WireSealer *self, const WireSession *session, WireSplit *split)
{
    unsigned   n = count_counters(session, split);
    uint64_t   counter;
    WirePacket packet;

    if (wire_keypair_take(session->keypair, n, self->now_ms, &counter) < 0)
        return false;
    look_at_held(self, session);
    while (wire_split_next(split, &packet))
        put(self, session, &counter, &packet);
    return true;
}

bool wire_sealer_put(WireSealer *self, const WireSession *session, const WirePacket *packet)
{
    unsigned n = packet->len <= session->mtu
                     ? 1
                     : wire_fragment_most(packet->data, packet->len, session->mtu);
    uint64_t counter;

    if (wire_keypair_take(session->keypair, n, self->now_ms, &counter) < 0)
        return false;
    look_at_held(self, session);
    put(self, session, &counter, packet);
    return true;
}

/* May what goes to the peer now go another way, too? Counted a batch, not a packet. */
static bool find_copy(WirePeer *peer, WireHop *out_hop)
{
    uint16_t left = atomic_load_explicit(&peer->n_copies, memory_order_relaxed);

    if (left == 0 || !wire_route_get(&peer->copy, out_hop))
        return false;
    if (left != UINT16_MAX) /* if the control thread sets it now, this one may be over */
        (void)atomic_compare_exchange_strong(&peer->n_copies, &left, (uint16_t)(left - 1));
    return true;
}

static uint32_t find_mtu(const WirePeer *peer)
{
    uint16_t mtu = atomic_load_explicit(&peer->mtu, memory_order_relaxed);

    return mtu == 0 ? UINT32_MAX : mtu;
}

bool wire_sealer_find(const WireSealer *self, WirePeer *peer, WireSession *out)
{
    *out = (WireSession){ .peer = peer, .keypair = wire_slots_current(&peer->slots) };
    if (out->keypair == NULL || !wire_route_get(&peer->route, &out->hop) ||
        !wire_keypair_may_receive(out->keypair, self->now_ms))
        return false;
    out->link = wire_links_get(&self->plane->links, out->hop.link);
    out->stream = wire_links_get_stream(&self->plane->links, out->hop.link);
    if (out->hop.link != 0 && out->link == NULL && out->stream == NULL)
        return false;
    out->mtu = find_mtu(peer);
    out->singly = atomic_load_explicit(&peer->singly, memory_order_relaxed);
    out->copied = find_copy(peer, &out->copy) && (out->hop.link == 0 || out->copy.link == 0);
    return true;
}
