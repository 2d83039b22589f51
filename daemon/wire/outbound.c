/* daemon/wire/outbound.c: the road of a packet from the host to its peer, top to bottom:
 * read a batch, find each packet's peer, ask the filter, take counters, pad, seal, send. */
#include "daemon/wire/outbound.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "common/std/clock.h"
#include "daemon/wire/ecn.h"
#include "daemon/wire/icmp.h"
#include "daemon/wire/pmtu.h"
#include "daemon/wire/state.h"
#include "daemon/wire/udp.h"
#include "daemon/wire/waiting.h"

enum {
    ASK_AGAIN_MS = 1000,     /* between two wishes for a session of one peer */
    REFUSALS_A_SECOND = 100, /* ICMP errors to our own host */
    ARENA_BYTES = 256 * 1024,
};

/* With what and to where a run goes. */
typedef struct {
    WirePeer       *peer;
    WireKeypair    *keypair;
    WireHop         hop;
    const WireLink *link;   /* of hop; NULL: direct, or */
    WireStream     *stream; /* the same over TLS */
    bool            copied;
    WireHop         copy; /* where it goes too */
    uint32_t        mtu;  /* inner bytes that the way is known to carry at most */
} Session;

/* A run that is sealed and waits for the end of the batch. */
typedef struct {
    WirePeer   *peer;
    WireStream *stream; /* it goes there, to node @index; NULL: by a socket */
    uint32_t    index;
    bool        data; /* not only a keepalive */
    bool        copied;
    WireHop     copy;
} SealedRun;

struct WireOutbound {
    WirePlane     *plane;
    unsigned       shard;
    WireCounters  *counters;
    WireUdpSender *sender;
    WireSlab       slab;  /* what is read from the TUN */
    WireSlab       arena; /* what is sealed, one datagram behind the other */
    WireStage      stage;
    bool           tun_gone;

    /* One round. */
    const WireSnapshot *snapshot;
    const WireSnapshot *looked; /* that of the last round; not to be looked into */
    int64_t             now_ms;
    WireSuper           supers[WIRE_MAX_BATCH];
    WirePeer           *peers[WIRE_MAX_BATCH];    /* of each; NULL: done with */
    WireSuper          *gathered[WIRE_MAX_BATCH]; /* of one peer */
    WirePacket          sealed[WIRE_MAX_BATCH];   /* whole datagrams, in the arena */
    size_t              n_sealed, arena_used;
    WireUdpRun          runs[WIRE_MAX_BATCH];    /* over sealed */
    SealedRun           sources[WIRE_MAX_BATCH]; /* beside runs */
    size_t              n_runs;
    WireUdpRun          copy_runs[WIRE_MAX_BATCH]; /* over copies */
    WirePacket          copies[WIRE_MAX_BATCH];    /* of sealed, with or without a relay's header */

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
    if (wire_slab_init(&self->slab, WIRE_TUN_SLAB_BYTES) < 0 ||
        wire_slab_init(&self->arena, ARENA_BYTES) < 0 || wire_stage_init(&self->stage) < 0 ||
        wire_udp_sender_new(self->counters, plane->gso, &self->sender) < 0) {
        wire_outbound_free(self);
        return -ENOMEM;
    }
    wire_udp_sender_set_shard(self->sender, shard);
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
    wire_udp_sender_free(self->sender);
    wire_stage_each(&self->stage, forget_staged, self);
    wire_stage_done(&self->stage);
    wire_slab_done(&self->arena);
    wire_slab_done(&self->slab);
    free(self);
}

static void report(WireOutbound *self, const WireEvent *event)
{
    if (!wire_events_push(&self->plane->events, wire_thread_out(self->shard), event))
        wire_count_drop(self->counters, WIRE_DROP_EVENTS, 1);
}

/* After sending: what happened to a run is told to its peer's timers, counters and way. */
static void account(WireOutbound *self, const SealedRun *sealed, const WireUdpRun *run)
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
        report(self, &(WireEvent){ .kind = WIRE_EVENT_ACTIVE, .peer = peer->public_key });
    if (wire_timers_sent(&peer->timers, sealed->data, keepalive_s, self->now_ms))
        wire_peer_ask(self->plane, peer, WIRE_ASK_LOOK);
}

/* The same datagrams for another way: every sealed one has room for a relay's header if it may need
 * one there, or has one that is left out. Returns: false: the relay is gone. */
static bool copy_run(WireOutbound *self, const SealedRun *sealed, const WireUdpRun *run,
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
static void send_streamed(WireOutbound *self)
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
static bool copy_to_stream(WireOutbound *self, const SealedRun *sealed, const WireUdpRun *run)
{
    WireStream *stream = wire_links_get_stream(&self->plane->links, sealed->copy.link);

    if (stream == NULL)
        return false;
    (void)wire_stream_send(stream, WIRE_STREAM_FROM_OUT, sealed->copy.index, run->packets,
                           run->n_packets);
    return true;
}

/* What is lost of a copy is no loss. */
static void send_copies(WireOutbound *self)
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

/* Sends all sealed runs of this round. */
static void flush(WireOutbound *self)
{
    if (self->n_runs == 0)
        return;
    wire_udp_send(self->sender, &self->plane->sockets, self->runs, self->n_runs);
    send_streamed(self);
    send_copies(self);
    for (size_t i = 0; i < self->n_runs; i++)
        account(self, &self->sources[i], &self->runs[i]);
    self->n_runs = self->n_sealed = self->arena_used = 0;
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
static uint8_t *reserve(WireOutbound *self, size_t len)
{
    if (self->n_sealed == WIRE_MAX_BATCH || ARENA_BYTES - self->arena_used < len)
        flush(self);
    return self->arena.base + self->arena_used;
}

static void put_sealed(WireOutbound *self, const Session *session, WirePacket datagram)
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
static void seal(WireOutbound *self, const Session *session, uint64_t counter,
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
static void append(WireOutbound *self, const Session *session, const WirePacket *packet)
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
    /* By a stream it is a hop without an address, which no socket sends. */
    *run = (WireUdpRun){ .hop = session->link != NULL ? (WireHop){ .remote = session->link->relay }
                                                      : session->hop,
                         .ecn = ecn,
                         .packets = &self->sealed[self->n_sealed - 1],
                         .n_packets = 1 };
    self->sources[self->n_runs++] = (SealedRun){ .peer = session->peer,
                                                 .stream = session->stream,
                                                 .index = session->hop.index,
                                                 .data = data,
                                                 .copied = session->copied,
                                                 .copy = session->copy };
}

/* Splits, seals and queues. Returns: false: the session's time or counters are over. */
static bool queue_split(WireOutbound *self, const Session *session, WireSplit *split)
{
    uint64_t   counter;
    WirePacket packet;

    if (wire_keypair_take(session->keypair, split->n_segments, self->now_ms, &counter) < 0)
        return false;
    while (wire_split_next(split, &packet)) {
        seal(self, session, counter++, &packet);
        append(self, session, &packet);
    }
    return true;
}

static bool queue_packet(WireOutbound *self, const Session *session, const WirePacket *packet)
{
    uint64_t counter;

    if (wire_keypair_take(session->keypair, 1, self->now_ms, &counter) < 0)
        return false;
    seal(self, session, counter, packet);
    append(self, session, packet);
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

/* Returns: false: there is none to send with. */
static bool find_session(const WireOutbound *self, WirePeer *peer, Session *out)
{
    *out = (Session){ .peer = peer, .keypair = wire_slots_current(&peer->slots) };
    if (out->keypair == NULL || !wire_route_get(&peer->route, &out->hop) ||
        !wire_keypair_may_receive(out->keypair, self->now_ms))
        return false;
    out->link = wire_links_get(&self->plane->links, out->hop.link);
    out->stream = wire_links_get_stream(&self->plane->links, out->hop.link);
    if (out->hop.link != 0 && out->link == NULL && out->stream == NULL)
        return false;
    out->mtu = find_mtu(peer);
    out->copied = find_copy(peer, &out->copy) && (out->hop.link == 0 || out->copy.link == 0);
    return true;
}

static void forget_asked(WirePeer *peer)
{
    if (atomic_load_explicit(&peer->asked_ms, memory_order_relaxed) != 0)
        atomic_store_explicit(&peer->asked_ms, 0, memory_order_relaxed);
}

/* After something was queued. */
static void look_at_age(WireOutbound *self, const Session *session)
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
    Session     session;
    size_t      n = 0;

    if (staged == NULL || !find_session(self, peer, &session))
        return false;
    while (n < staged->n_packets && queue_packet(self, &session, wire_stage_get(staged, n)))
        n++;
    look_at_age(self, &session);
    flush(self);
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
static bool send_super(WireOutbound *self, WirePeer *peer, const Session *session,
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
    if (session != NULL && queue_split(self, session, &split))
        return true;
    stage(self, peer, &split);
    return false;
}

static void send_run(WireOutbound *self, WirePeer *peer, size_t n)
{
    Session session;
    bool    ready;

    if (!wire_route_get(&peer->route, &session.hop) &&
        !atomic_load_explicit(&peer->has_candidates, memory_order_relaxed)) {
        for (size_t i = 0; i < n; i++)
            refuse(self, &self->gathered[i]->packet, WIRE_DROP_NO_ROUTE, 0);
        return;
    }
    (void)send_staged(self, peer); /* they came first */
    ready = wire_stage_find(&self->stage, peer) == NULL && find_session(self, peer, &session);
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
 * peer keep theirs. */
static void send_batch(WireOutbound *self, size_t n)
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
    flush(self);
}

static void send_keepalive(WireOutbound *self, WirePeer *peer)
{
    WirePacket packet = { .data = self->ping, .len = 0 };
    Session    session;

    if (!find_session(self, peer, &session) || !queue_packet(self, &session, &packet)) {
        (void)ask_session(self, peer);
        return;
    }
    look_at_age(self, &session);
    flush(self);
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

static void look_at_staged(WireOutbound *self, const WireSnapshot *before)
{
    if (wire_waiting_take(self->plane, self->shard) || before != self->snapshot)
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
        send_batch(self, 1);
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

    return used + WIRE_TAILROOM >= WIRE_TUN_READ_BYTES;
}

bool wire_outbound_work(WireOutbound *self)
{
    const WireSnapshot *before = self->looked;
    bool                busy;
    int                 n = 0;

    self->looked = self->snapshot = wire_rcu_load(&self->plane->snapshot);
    self->now_ms = mesh_clock_boot_ms(); /* once a batch */
    busy = read_notes(self);
    look_at_staged(self, before);
    busy |= send_pings(self);
    if (!self->tun_gone)
        n = wire_tun_read_batch(self->plane->tun, self->shard, &self->slab, self->supers,
                                WIRE_MAX_BATCH);
    if (n < 0)
        report_gone(self, n);
    if (n > 0)
        busy |= n == WIRE_MAX_BATCH || is_full(self, &self->supers[n - 1].packet);
    if (n > 0)
        send_batch(self, (size_t)n);
    return busy;
}

size_t wire_outbound_list(const WireOutbound *self, struct pollfd *out_fds)
{
    const WirePlane *plane = self->plane;

    out_fds[0] = (struct pollfd){ .fd = self->tun_gone ? -1 : wire_tun_fd(plane->tun, self->shard),
                                  .events = POLLIN };
    out_fds[1] =
        (struct pollfd){ .fd = wire_mailbox_fd(&plane->to_out[self->shard]), .events = POLLIN };
    out_fds[2] = (struct pollfd){ .fd = self->shard == 0 ? mesh_ring_fd(plane->pings.ring) : -1,
                                  .events = POLLIN };
    return WIRE_OUTBOUND_FDS;
}

void wire_outbound_wake(WireOutbound *self, const struct pollfd *fds)
{
    if (fds[1].revents != 0)
        wire_mailbox_hush(&self->plane->to_out[self->shard]);
    if (fds[2].revents != 0)
        mesh_ring_hush(self->plane->pings.ring);
}
