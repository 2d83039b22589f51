/* daemon/wire/inbound.c: the road of a datagram from the network to the host, top to bottom: sort
 * by the first bytes, find the session; data goes on in opener.c, handshakes to their thread if
 * they are worth it, what is not WireGuard's to the control thread. */
#include "daemon/wire/inbound.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "common/codec/relayframe.h"
#include "common/std/clock.h"
#include "daemon/wire/handed.h"
#include "daemon/wire/opener.h"
#include "daemon/wire/state.h"
#include "daemon/wire/strays.h"
#include "daemon/wire/udp.h"

enum {
    FIRST_ADOPTED = WIRE_N_SOCKETS + 1, /* where they begin in what is polled */
    UNTOLD_MS = 50,                     /* then it is tried again */
    STUN_COOKIE_AT = 4,
    STUN_MIN_BYTES = 20,
    OUR_FIRST_BYTE = 0x40, /* WireGuard's are 1-4, STUN's below 0x40 */
    PROBE_FIRST_BYTE = 0xd5,
    LAST_FRAME_BYTE = 0x5f, /* of the relay */
    RESPONSE_RECEIVER_AT = 8,
    COOKIE_RECEIVER_AT = 4,
};

static const uint8_t stun_cookie[4] = { 0x21, 0x12, 0xa4, 0x42 };

struct WireInbound {
    WirePlane       *plane;
    unsigned         shard;
    WireCounters    *counters;
    WireOpener      *opener;
    WireUdpReceiver *receivers[WIRE_N_SOCKETS];
    bool             ready[WIRE_N_SOCKETS]; /* may hold more */
    WireUdpReceiver *adopted;               /* for all of those, one after the other */
    bool             adopted_ready[WIRE_MAX_SOCKETS + 1];

    /* One round. */
    int64_t           now_ns;
    WireDatagram      datagrams[WIRE_UDP_MAX_RECEIVE];
    WireHop           relayed[WIRE_UDP_MAX_RECEIVE]; /* hops of those that came by a relay */
    bool              done[WIRE_UDP_MAX_RECEIVE];
    WireSealed        run[WIRE_UDP_MAX_RECEIVE]; /* of one session */
    WireStrays        strays;
    bool              has_handed; /* something to the first in thread */
    bool              untold;     /* a stream's end found no room among the events */
    WireQueuedMessage message;
    WireEvent         event;
};

int wire_inbound_new(WirePlane *plane, unsigned shard, WireInbound **out_self)
{
    WireInbound *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return -ENOMEM;
    self->plane = plane;
    self->shard = shard;
    self->counters = &plane->counters[wire_thread_in(shard)];
    for (int s = 0; s < WIRE_N_SOCKETS; s++) {
        if (wire_udp_receiver_new(self->counters, &self->receivers[s]) < 0) {
            wire_inbound_free(self);
            return -ENOMEM;
        }
    }
    if (wire_udp_receiver_new(self->counters, &self->adopted) < 0 ||
        wire_opener_new(plane, shard, &self->opener) < 0) {
        wire_inbound_free(self);
        return -ENOMEM;
    }
    *out_self = self;
    return 0;
}

void wire_inbound_free(WireInbound *self)
{
    if (self == NULL)
        return;
    for (int s = 0; s < WIRE_N_SOCKETS; s++)
        wire_udp_receiver_free(self->receivers[s]);
    wire_udp_receiver_free(self->adopted);
    wire_opener_free(self->opener);
    free(self);
}

static void drop(WireInbound *self, WireDrop why)
{
    wire_count_drop(self->counters, why, 1);
}

static void push_event(WireInbound *self)
{
    self->event.time_ns = (uint64_t)self->now_ns;
    if (!wire_events_push(&self->plane->events, wire_thread_in(self->shard), &self->event))
        drop(self, WIRE_DROP_EVENTS);
}

static uint32_t get_u32le(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint64_t get_u64le(const uint8_t *at)
{
    return (uint64_t)get_u32le(at) | (uint64_t)get_u32le(at + 4) << 32;
}

static void set_event_way(WireInbound *self, const WireHop *hop)
{
    self->event.endpoint = hop->remote;
    self->event.way = wire_hop_get_way(hop);
}

static bool is_frame(uint8_t first)
{
    return first >= OUR_FIRST_BYTE && first <= LAST_FRAME_BYTE;
}

/* A frame of the relay's own, from the address of one that we know. Returns: it is of our session
 * there, for sure. */
static bool name_relay(const WireInbound *self, const WirePacket *packet, WireWay *way)
{
    uint8_t         number = wire_links_find(&self->plane->links, &way->endpoint, packet);
    const WireLink *link = wire_links_get(&self->plane->links, number);

    if (link == NULL)
        return false;
    *way = (WireWay){ .link = number, .index = WIRE_WHOLE_FRAME };
    return wire_links_is_authentic(link, packet);
}

static void push_raw(WireInbound *self, bool authentic)
{
    WireEvents *events = &self->plane->events;

    self->event.time_ns = (uint64_t)self->now_ns;
    if (!(authentic ? wire_events_push(events, wire_thread_in(self->shard), &self->event)
                    : wire_events_push_strange(events, &self->event)))
        drop(self, WIRE_DROP_EVENTS);
}

/* Returns: false: this is the first in thread, it judges itself. */
static bool hand_over(WireInbound *self, const WireDatagram *datagram)
{
    int rc;

    if (self->shard == 0)
        return false;
    rc = wire_handed_put(self->plane->handed[self->shard], datagram);
    self->has_handed = true;
    if (rc < 0)
        drop(self, rc == -ENOSPC ? WIRE_DROP_HANDSHAKES : WIRE_DROP_MALFORMED);
    return true;
}

/* To the control thread: STUN, and datagrams of our own kinds. */
static void pass_raw(WireInbound *self, const WireDatagram *datagram)
{
    const WirePacket *packet = &datagram->packet;
    bool              is_stun = packet->len >= STUN_MIN_BYTES &&
                   memcmp(packet->data + STUN_COOKIE_AT, stun_cookie, sizeof(stun_cookie)) == 0;
    bool authentic;

    uint32_t len = packet->len;

    if (len > WIRE_MAX_RAW && packet->data[0] == PROBE_FIRST_BYTE)
        len = WIRE_MAX_RAW; /* what follows is padding */
    if (len > WIRE_MAX_RAW || len == 0 || !(is_stun || packet->data[0] >= OUR_FIRST_BYTE)) {
        drop(self, WIRE_DROP_MALFORMED);
        return;
    }
    self->event.kind = WIRE_EVENT_RAW;
    set_event_way(self, datagram->hop);
    authentic = self->event.way.link != 0;
    if (!authentic && is_frame(packet->data[0]))
        authentic = name_relay(self, packet, &self->event.way);
    self->event.n_data = (uint16_t)len;
    memcpy(self->event.data, packet->data, len);
    push_raw(self, authentic);
    self->event.n_data = 0;
}

/* Nobody can send these at will: the sender is where it says, or knows an index that we gave to a
 * peer a moment ago. */
static bool is_proven(const WireInbound *self, WireMessage type, const WirePacket *packet)
{
    size_t at = type == WIRE_MESSAGE_COOKIE ? COOKIE_RECEIVER_AT : RESPONSE_RECEIVER_AT;

    if (self->message.mac == WIRE_MAC_WITH_COOKIE)
        return true;
    return type != WIRE_MESSAGE_INITIATION &&
           wire_index_get_peer(self->plane->index, get_u32le(packet->data + at)) != NULL;
}

static void queue_message(WireInbound *self, WireMessage type, const WireDatagram *datagram)
{
    WirePlane   *plane = self->plane;
    MeshEndpoint source = wire_hop_get_source(datagram->hop);
    WireDrop     why = wire_screen_judge(plane->screen, &datagram->packet, &source,
                                         self->now_ns / 1000000, &self->message.mac);

    if (why != WIRE_DROP_NONE) {
        drop(self, why);
        return;
    }
    self->message.hop = *datagram->hop;
    self->message.len = datagram->packet.len;
    memcpy(self->message.bytes, datagram->packet.data, datagram->packet.len);
    atomic_fetch_add_explicit(&plane->n_messages, 1, memory_order_relaxed);
    if (mesh_ring_push(is_proven(self, type, &datagram->packet) ? plane->proven : plane->messages,
                       &self->message))
        return;
    atomic_fetch_sub_explicit(&plane->n_messages, 1, memory_order_relaxed);
    drop(self, WIRE_DROP_HANDSHAKES);
}

/* Of a session that is not ours: the control thread may know whose it was. Returns: true: another
 * thread does the rest, and counts it. */
static bool tell_stray(WireInbound *self, const WireDatagram *datagram)
{
    self->event.kind = WIRE_EVENT_STRAY;
    set_event_way(self, datagram->hop);
    if (!wire_strays_is_news(&self->strays, &self->event.way, self->now_ns / 1000000))
        return false;
    if (hand_over(self, datagram))
        return true;
    push_raw(self, self->event.way.link != 0);
    return false;
}

/* Transport data at @at and whatever else of this batch names the same session. */
static void take_run(WireInbound *self, size_t at, size_t n)
{
    uint32_t     receiver = get_u32le(self->datagrams[at].packet.data + 4);
    WireKeypair *keypair = wire_index_get(self->plane->index, receiver);
    size_t       n_run = 0;

    for (size_t i = at; i < n; i++) {
        const WirePacket *packet = &self->datagrams[i].packet;

        if (self->done[i] || wire_noise_get_type(packet->data, packet->len) != WIRE_MESSAGE_DATA ||
            get_u32le(packet->data + 4) != receiver)
            continue;
        self->done[i] = true;
        if (keypair != NULL && packet->data[0] != keypair->type)
            drop(self, WIRE_DROP_FORGED); /* of the other suite: nobody seals that */
        else
            self->run[n_run++] = (WireSealed){ get_u64le(packet->data + 8), &self->datagrams[i] };
    }
    if (keypair == NULL || !wire_keypair_may_receive(keypair, self->now_ns / 1000000)) {
        if (keypair == NULL && tell_stray(self, &self->datagrams[at]))
            n_run--;
        wire_count_drop(self->counters, WIRE_DROP_NO_SESSION, n_run);
        return;
    }
    wire_opener_open(self->opener, keypair, self->run, n_run);
}

/* What a relay brought is from then on as if its sender's had come, by way of the relay. */
static void unwrap(WireInbound *self, size_t i)
{
    WireDatagram   *datagram = &self->datagrams[i];
    WirePacket     *packet = &datagram->packet;
    uint8_t         number = wire_links_find(&self->plane->links, &datagram->hop->remote, packet);
    const WireLink *link = wire_links_get(&self->plane->links, number);
    uint32_t        index;

    if (link == NULL || wire_links_unwrap(link, packet, &index) < 0 ||
        packet->data[WIRE_LINK_HEADER] == WIRE_LINK_DATA) {
        drop(self, link == NULL ? WIRE_DROP_NO_SESSION : WIRE_DROP_FORGED);
        self->done[i] = true;
        return;
    }
    packet->data += WIRE_LINK_HEADER;
    packet->len -= WIRE_LINK_HEADER;
    self->relayed[i] = (WireHop){ .link = number, .index = index };
    datagram->hop = &self->relayed[i];
}

/* What a batch brought, without relays' headers; some may be done with. */
static void sort_out(WireInbound *self, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const WireDatagram *datagram = &self->datagrams[i];
        WireMessage         type;

        if (self->done[i])
            continue;
        type = wire_noise_get_type(datagram->packet.data, datagram->packet.len);
        switch (type) {
        case WIRE_MESSAGE_DATA:
            take_run(self, i, n);
            break;
        case WIRE_MESSAGE_INITIATION:
        case WIRE_MESSAGE_RESPONSE:
        case WIRE_MESSAGE_COOKIE:
            if (!hand_over(self, datagram))
                queue_message(self, type, datagram);
            break;
        case WIRE_MESSAGE_NONE:
            if (!hand_over(self, datagram))
                pass_raw(self, datagram);
            break;
        }
    }
    wire_opener_write(self->opener);
}

static void take_batch(WireInbound *self, size_t n)
{
    memset(self->done, 0, sizeof(self->done));
    for (size_t i = 0; i < n; i++) {
        if (self->datagrams[i].packet.data[0] == WIRE_LINK_DATA)
            unwrap(self, i);
    }
    sort_out(self, n);
}

/* Sockets beside our own share a receiver, so what one of them filled is emptied before the next.
 */
static bool take_adopted(WireInbound *self)
{
    const WireSockets *sockets = &self->plane->sockets;
    uint32_t           n_adopted = atomic_load(&sockets->n_adopted);
    bool               more = false;

    for (uint8_t s = 1; s <= n_adopted; s++) {
        int    fd = atomic_load(&sockets->adopted[s]);
        size_t n = 0;

        if (!self->adopted_ready[s] || fd < 0)
            continue; /* or another shard's */
        wire_udp_receiver_set_socket(self->adopted, s);
        do {
            n = wire_udp_receive(self->adopted, fd, self->datagrams);
            if (n > 0)
                take_batch(self, n);
        } while (!wire_udp_receiver_is_empty(self->adopted));
        self->adopted_ready[s] = n > 0;
        more |= n > 0;
    }
    return more;
}

/* A frame of the relay's own, from one over TLS: it is what it says. */
static void pass_frame(WireInbound *self, uint8_t link, const WirePacket *frame)
{
    if (frame->len > WIRE_MAX_RAW) {
        drop(self, WIRE_DROP_MALFORMED);
        return;
    }
    self->event.kind = WIRE_EVENT_RAW;
    self->event.endpoint = (MeshEndpoint){ .port = 0 };
    self->event.way = (WireWay){ .link = link, .index = WIRE_WHOLE_FRAME };
    self->event.n_data = (uint16_t)frame->len;
    memcpy(self->event.data, frame->data, frame->len);
    push_event(self);
    self->event.n_data = 0;
}

/* Who sent a DATA frame: a relay says it, a peer is himself. */
static uint32_t read_sender(const WirePacket *frame, uint32_t peer)
{
    const uint8_t *arg = frame->data + 4;

    if (peer != WIRE_WHOLE_FRAME)
        return peer;
    return (uint32_t)arg[0] << 24 | (uint32_t)arg[1] << 16 | (uint32_t)arg[2] << 8 | arg[3];
}

/* Its payload is from then on as if its sender's had come. */
static void unwrap_streamed(WireInbound *self, size_t i, WireHop from, const WirePacket *frame)
{
    self->relayed[i] = from;
    self->datagrams[i] = (WireDatagram){ .packet = { frame->data + MESH_RELAY_STREAM_HEAD_BYTES,
                                                     frame->len - MESH_RELAY_STREAM_HEAD_BYTES },
                                         .hop = &self->relayed[i] };
    self->done[i] = self->datagrams[i].packet.data[0] == WIRE_LINK_DATA; /* a frame in a frame */
    if (self->done[i])
        drop(self, WIRE_DROP_FORGED);
}

static void report_end(WireInbound *self, uint8_t link, WireStream *stream)
{
    int ended = wire_stream_get_end(stream);

    if (ended == 0)
        return;
    self->event.kind = WIRE_EVENT_LINK_DOWN;
    self->event.way = (WireWay){ .link = link };
    self->event.id = ended;
    self->event.time_ns = (uint64_t)self->now_ns;
    if (wire_events_push(&self->plane->events, wire_thread_in(self->shard), &self->event))
        return;
    wire_stream_put_end_back(stream);
    self->untold = true;
}

/* Returns: true: there may be more. */
static bool take_stream(WireInbound *self, uint8_t link, WireStream *stream, uint32_t peer)
{
    WirePacket frame;
    size_t     n = 0;

    while (n < WIRE_UDP_MAX_RECEIVE && wire_stream_take(stream, &frame)) {
        if (frame.data[0] == WIRE_LINK_DATA)
            unwrap_streamed(self, n++,
                            (WireHop){ .link = link, .index = read_sender(&frame, peer) }, &frame);
        else
            pass_frame(self, link, &frame);
    }
    if (n > 0)
        sort_out(self, n);
    wire_stream_release(stream);
    report_end(self, link, stream);
    wire_count_drop(self->counters, WIRE_DROP_SEND, wire_stream_take_dropped(stream));
    return n == WIRE_UDP_MAX_RECEIVE;
}

/* What other in threads handed over. Returns: true: there may be more. */
static bool take_handed(WireInbound *self)
{
    bool more = false;

    for (unsigned i = 1; self->shard == 0 && i < self->plane->n_shards; i++) {
        WireFrameRing *ring = self->plane->handed[i];
        size_t n = wire_handed_take(ring, self->datagrams, self->relayed, WIRE_UDP_MAX_RECEIVE);

        memset(self->done, 0, sizeof(self->done));
        if (n > 0)
            sort_out(self, n);
        wire_framering_release(ring);
        more |= n == WIRE_UDP_MAX_RECEIVE;
    }
    return more;
}

static bool take_streams(WireInbound *self)
{
    const WireLinks *links = &self->plane->links;
    bool             more = false;

    if (self->shard != 0 || atomic_load_explicit(&links->n_streams, memory_order_relaxed) == 0)
        return false;
    for (uint8_t link = 1; link <= WIRE_MAX_LINKS; link++) {
        uint32_t    peer;
        WireStream *stream = wire_links_get_stream_of(links, link, &peer);

        if (stream != NULL)
            more |= take_stream(self, link, stream, peer);
    }
    return more;
}

bool wire_inbound_work(WireInbound *self)
{
    bool more = false;

    self->now_ns = mesh_clock_boot_ns(); /* once a batch */
    wire_opener_begin(self->opener, wire_rcu_load(&self->plane->snapshot), self->now_ns);
    for (int s = 0; s < WIRE_N_SOCKETS; s++) {
        size_t n = 0;

        if (self->ready[s])
            n = wire_udp_receive(self->receivers[s], self->plane->sockets.fds[self->shard][s],
                                 self->datagrams);
        if (n > 0)
            take_batch(self, n);
        self->ready[s] = n > 0 && !wire_udp_receiver_is_dry(self->receivers[s]);
        more |= self->ready[s];
    }
    more |= take_adopted(self);
    more |= take_handed(self);
    more |= take_streams(self);
    if (self->has_handed)
        wire_mailbox_ring(&self->plane->to_in[0]);
    self->has_handed = false;
    return more;
}

size_t wire_inbound_list(const WireInbound *self, struct pollfd *out_fds)
{
    const WireSockets *sockets = &self->plane->sockets;
    uint32_t           n_adopted = atomic_load(&sockets->n_adopted);

    for (int s = 0; s < WIRE_N_SOCKETS; s++)
        out_fds[s] = (struct pollfd){ .fd = sockets->fds[self->shard][s], .events = POLLIN };
    out_fds[WIRE_N_SOCKETS] =
        (struct pollfd){ .fd = wire_mailbox_fd(&self->plane->to_in[self->shard]),
                         .events = POLLIN };
    for (uint32_t s = 1; s <= n_adopted; s++)
        out_fds[FIRST_ADOPTED + s - 1] =
            (struct pollfd){ .fd = wire_sockets_shard_of(sockets, (uint8_t)s) == self->shard
                                       ? atomic_load(&sockets->adopted[s])
                                       : -1,
                             .events = POLLIN };
    return FIRST_ADOPTED + n_adopted;
}

int wire_inbound_patience(WireInbound *self)
{
    int ms = self->untold ? UNTOLD_MS : -1;

    self->untold = false;
    return ms;
}

void wire_inbound_wake(WireInbound *self, const struct pollfd *fds, size_t n)
{
    for (int s = 0; s < WIRE_N_SOCKETS; s++)
        self->ready[s] |= fds[s].revents != 0;
    for (size_t s = 1; s <= n - FIRST_ADOPTED; s++)
        self->adopted_ready[s] |= fds[FIRST_ADOPTED + s - 1].revents != 0;
    if (fds[WIRE_N_SOCKETS].revents != 0)
        wire_mailbox_hush(&self->plane->to_in[self->shard]);
}
