/* daemon/wire/exchange.c: see exchange.h. WireGuard paper §5.4; order of checks as in its §5.3:
 * mac1 before anything costs, cookies under load, then one X25519. */
#include "daemon/wire/exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "daemon/wire/freshness.h"
#include "daemon/wire/talk.h"

enum { NS_PER_S = 1000000000 };

int wire_exchange_init(WireExchange *self, WirePlane *plane)
{
    *self = (WireExchange){ .plane = plane, .counters = &plane->counters[WIRE_THREAD_HANDSHAKE] };
    return wire_udp_sender_new(self->counters, false, &self->sender);
}

void wire_exchange_done(WireExchange *self)
{
    wire_udp_sender_free(self->sender);
    mesh_key_free(self->identity);
    mesh_key_wipe(&self->checker, sizeof(self->checker));
}

void wire_exchange_report(WireExchange *self, WireEventKind kind, WirePeer *peer)
{
    WireEvent event = { .kind = kind, .peer = peer->public_key };
    WireHop   hop;

    if (wire_route_get(&peer->route, &hop)) {
        event.endpoint = hop.remote;
        event.way = wire_hop_get_way(&hop);
    }
    event.time_ns = (uint64_t)mesh_clock_boot_ns();
    if (!wire_events_push(&self->plane->events, WIRE_THREAD_HANDSHAKE, &event))
        wire_count_drop(self->counters, WIRE_DROP_EVENTS, 1);
}

bool wire_exchange_is_pending(const WirePeer *peer)
{
    return peer->talk != NULL && peer->talk->pending.state == WIRE_HANDSHAKE_INITIATED;
}

/* Ends an initiation that waits for its answer; its index names nothing any more. */
static void abandon(WireExchange *self, WirePeer *peer)
{
    if (wire_exchange_is_pending(peer))
        wire_index_release(self->plane->index, peer->talk->pending.local_index);
    if (peer->talk != NULL)
        mesh_key_wipe(&peer->talk->pending, sizeof(peer->talk->pending));
}

void wire_exchange_forget(WireExchange *self, WirePeer *peer)
{
    abandon(self, peer);
    wire_slots_clear(&peer->slots);
    atomic_store_explicit(&peer->session_until_ms, 0, memory_order_relaxed);
}

void wire_exchange_drop_secrets(WireExchange *self, WirePeer *peer)
{
    abandon(self, peer);
    peer->is_judged = peer->can_talk = false;
    if (peer->talk != NULL)
        mesh_key_wipe(&peer->talk->remote, sizeof(peer->talk->remote));
}

/* One X25519 for each peer, but not before the first handshake with it: ten thousand peers that are
 * configured at once and mostly silent cost nothing. */
static bool can_talk(WireExchange *self, WirePeer *peer)
{
    const WireCard *card;

    if (peer->is_judged || self->identity == NULL)
        return peer->can_talk;
    card = wire_snapshot_find(self->snapshot, &peer->public_key);
    if (card == NULL || wire_owner_get_peer(card->owner) != peer || !wire_talk_ready(peer))
        return false;
    peer->is_judged = true;
    peer->can_talk =
        wire_noise_make_remote(self->identity, &peer->public_key, wire_card_get_preshared(card),
                               &peer->talk->remote) == 0;
    return peer->can_talk;
}

static void start_anew(WirePeer *peer, void *data)
{
    wire_exchange_forget(data, peer);
    wire_timers_cleared(&peer->timers);
    wire_exchange_drop_secrets(data, peer);
}

void wire_exchange_set_identity(WireExchange *self, WireIdentity *identity)
{
    mesh_key_free(self->identity);
    self->identity = identity;
    if (mesh_key_is_zero(&identity->private_key)) {
        mesh_key_free(identity);
        self->identity = NULL;
    } else {
        wire_cookie_checker_init(&self->checker, &identity->public_key);
    }
    wire_screen_set(self->plane->screen, self->identity == NULL ? NULL : &self->checker);
    wire_snapshot_list_peers(self->snapshot, start_anew, self);
}

/* By a clock better than ours; 0: nobody gave us one. */
static int64_t true_ns(const WireExchange *self)
{
    int64_t offset_ns = atomic_load_explicit(&self->plane->true_offset_ns, memory_order_relaxed);

    return offset_ns == 0 ? 0 : mesh_clock_boot_ns() + offset_ns;
}

/* Strictly later than what this peer was sent before, whatever the wall clock does. */
static void make_timestamp(WireExchange *self, WirePeer *peer,
                           uint8_t out_timestamp[WIRE_TAI64N_BYTES])
{
    struct timespec wall = mesh_clock_wall();
    WireMoment      at = {
             .wall_ns = (int64_t)wall.tv_sec * NS_PER_S + wall.tv_nsec,
             .true_ns = true_ns(self),
             .from_ns = atomic_load_explicit(&self->plane->send_from_ns, memory_order_relaxed),
             .until_ns = atomic_load_explicit(&self->plane->send_until_ns, memory_order_relaxed),
    };

    wire_freshness_encode(wire_freshness_next(&peer->talk->sent_ns, &at), out_timestamp);
    if (peer->talk->sent_ns > atomic_load_explicit(&self->plane->sent_ns, memory_order_relaxed))
        atomic_store_explicit(&self->plane->sent_ns, peer->talk->sent_ns, memory_order_relaxed);
}

/* Is it later than all we took of this peer? */
static int take_timestamp(const WireExchange *self, WirePeer *peer,
                          const uint8_t timestamp[WIRE_TAI64N_BYTES])
{
    int rc = wire_freshness_check(&peer->talk->freshness, timestamp, true_ns(self));

    if (rc == 0)
        rc = wire_noise_accept_timestamp(&peer->talk->freshness, timestamp, self->now_ms);
    atomic_store_explicit(&peer->taken_ns, wire_freshness_decode(peer->talk->freshness.newest),
                          memory_order_relaxed);
    return rc;
}

/* A message for a relay, in a place of its own. */
typedef struct {
    uint8_t    bytes[WIRE_LINK_HEADER + WIRE_INITIATION_BYTES];
    WirePacket packet;
} Wrapped;

/* How @message goes over @hop. False: the relay is gone. */
static bool make_run(const WireExchange *self, const WirePacket *message, const WireHop *hop,
                     Wrapped *wrapped, WireUdpRun *out_run)
{
    const WireLink *link = wire_links_get(&self->plane->links, hop->link);

    *out_run = (WireUdpRun){ .hop = *hop, .packets = message, .n_packets = 1 };
    if (hop->link == 0)
        return true;
    if (link == NULL)
        return false;
    memcpy(wrapped->bytes + WIRE_LINK_HEADER, message->data, message->len);
    wire_links_wrap(link, hop->index,
                    (WirePacket){ wrapped->bytes + WIRE_LINK_HEADER, message->len });
    wrapped->packet = (WirePacket){ wrapped->bytes, WIRE_LINK_HEADER + message->len };
    out_run->packets = &wrapped->packet;
    out_run->hop = (WireHop){ .remote = link->relay };
    return true;
}

/* Over a relay that is a stream. Returns: false: @hop is none. */
static bool send_by_stream(const WireExchange *self, const WirePacket *message, const WireHop *hop,
                           size_t *inout_n_sent)
{
    WireStream *stream = wire_links_get_stream(&self->plane->links, hop->link);
    size_t      n;

    if (stream == NULL)
        return false;
    n = wire_stream_send(stream, WIRE_STREAM_FROM_HANDSHAKE, hop->index, message, 1);
    wire_count_drop(self->counters, WIRE_DROP_SEND, 1 - n);
    *inout_n_sent += n;
    return true;
}

/* Sends one message over each of @hops. Returns how many went. */
static size_t send_message(WireExchange *self, const WirePacket *message, const WireHop *hops,
                           size_t n_hops)
{
    WireUdpRun runs[WIRE_MAX_CANDIDATES + 1];
    Wrapped    wrapped[2]; /* way and copy; candidates are direct */
    size_t     n_sent = 0, n_runs = 0;

    if (atomic_load_explicit(&self->plane->sockets.port, memory_order_relaxed) == 0)
        return 0;
    for (size_t i = 0; i < n_hops; i++)
        n_runs += !send_by_stream(self, message, &hops[i], &n_sent) &&
                  make_run(self, message, &hops[i], &wrapped[i % 2], &runs[n_runs]);
    n_hops = n_runs;
    wire_udp_send(self->sender, &self->plane->sockets, runs, n_hops);
    for (size_t i = 0; i < n_hops; i++) {
        n_sent += runs[i].n_sent;
        wire_count_drop(self->counters, WIRE_DROP_SEND, 1 - runs[i].n_sent);
    }
    return n_sent;
}

static uint16_t keepalive_of(const WirePeer *peer)
{
    return atomic_load_explicit(&peer->keepalive_s, memory_order_relaxed);
}

/* An authentic message of ours went out. Our own next look at the timers follows anyway. */
static void mark_sent(const WireExchange *self, WirePeer *peer)
{
    (void)wire_timers_sent(&peer->timers, false, keepalive_of(peer), self->now_ms);
}

/* Where an initiation goes. Returns how many ways. */
static size_t choose_ways(const WireExchange *self, WirePeer *peer, bool retry,
                          WireHop out_hops[WIRE_MAX_CANDIDATES + 1])
{
    int64_t until = atomic_load_explicit(&peer->session_until_ms, memory_order_relaxed);
    size_t  n = wire_route_get(&peer->route, &out_hops[0]) ? 1 : 0;

    if (atomic_load_explicit(&peer->pinned, memory_order_relaxed))
        return n + (wire_route_get(&peer->copy, &out_hops[n]) ? 1 : 0);
    if (n == 1 && !retry && self->now_ms < until)
        return 1; /* the way is proven */
    for (size_t i = 0; peer->talk != NULL && i < peer->talk->n_candidates; i++) {
        if (n > 0 && mesh_endpoint_equal(&out_hops[0].remote, &peer->talk->candidates[i]))
            continue;
        out_hops[n++] = (WireHop){ .remote = peer->talk->candidates[i] };
    }
    return n;
}

static WireSuite get_suite(const WireExchange *self, const WirePeer *peer)
{
    const WireCard *card = wire_snapshot_find(self->snapshot, &peer->public_key);

    if (self->plane->only != WIRE_SUITE_WG1)
        return self->plane->only; /* one suite for all peers */
    return card != NULL ? (WireSuite)card->suite : WIRE_SUITE_WG1;
}

static bool answers(const WireExchange *self, const WireCard *card, WireSuite suite)
{
    WireSuite only = self->plane->only;

    return only != WIRE_SUITE_WG1 ? suite == only : (card->answers & WIRE_SUITE_BIT(suite)) != 0;
}

bool wire_exchange_is_other_suite(const WireExchange *self, WirePeer *peer)
{
    const WireKeypair *keypair = wire_slots_current(&peer->slots);
    WireSuite          wanted = get_suite(self, peer);

    if (wire_exchange_is_pending(peer) && peer->talk->pending.suite != wanted)
        return true; /* its answer would move the session there, too */
    return keypair != NULL && wire_keypair_may_receive(keypair, self->now_ms) &&
           keypair->engine->suite != wanted;
}

/* A new initiation in @out, to a peer that can talk; the one before is void. */
static int make_initiation(WireExchange *self, WirePeer *peer, uint8_t out[WIRE_INITIATION_BYTES])
{
    WirePeerTalk  *talk = peer->talk;
    WireNoiseFresh fresh;
    uint32_t       index;
    int            rc;

    abandon(self, peer);
    rc = wire_index_reserve(self->plane->index, peer, peer->shard, &index);
    if (rc < 0)
        return rc;
    talk->pending.local_index = index;
    talk->pending.suite = get_suite(self, peer);
    make_timestamp(self, peer, fresh.timestamp);
    mesh_key_make_private(&fresh.ephemeral);
    rc = wire_noise_create_initiation(&talk->pending, self->identity, &talk->remote, &fresh, out);
    mesh_key_wipe(&fresh, sizeof(fresh));
    if (rc < 0)
        wire_index_release(self->plane->index, index);
    else
        wire_cookie_add_macs(&talk->jar, out, WIRE_INITIATION_BYTES, self->now_ms);
    return rc;
}

void wire_exchange_initiate(WireExchange *self, WirePeer *peer, bool retry)
{
    uint8_t    bytes[WIRE_INITIATION_BYTES];
    WirePacket message = { .data = bytes, .len = sizeof(bytes) };
    WireHop    hops[WIRE_MAX_CANDIDATES + 1];
    size_t     n_hops, n_sent;
    uint16_t   jitter;

    n_hops = choose_ways(self, peer, retry, hops);
    peer->held = self->identity == NULL || n_hops == 0 || !wire_tun_up(self->plane->tun) ||
                 !can_talk(self, peer);
    if (peer->held)
        return; /* not a try: as soon as it is possible, it need not wait for the next 5 s */
    mesh_key_random(&jitter, sizeof(jitter));
    wire_timers_initiated(&peer->timers, jitter % WIRE_TIMERS_JITTER_MS, self->now_ms);
    if (make_initiation(self, peer, bytes) < 0)
        return;
    n_sent = send_message(self, &message, hops, n_hops);
    wire_count(&peer->talk->n_attempts, 1);
    wire_count(&peer->talk->tx_bytes, n_sent * sizeof(bytes));
    mark_sent(self, peer);
}

void wire_exchange_flush(WireExchange *self)
{
    wire_count_drop(self->counters, WIRE_DROP_SEND,
                    wire_replies_send(&self->replies, self->sender, &self->plane->sockets));
}

/* mac1 is right. Returns: true: go on; false: the sender must show a cookie first. */
static bool admit(WireExchange *self, WireQueuedMessage *message)
{
    WirePacket packet = { .data = message->bytes, .len = message->len };

    if (!self->loaded || message->mac == WIRE_MAC_WITH_COOKIE)
        return true;
    if (wire_replies_full(&self->replies))
        wire_exchange_flush(self);
    if (wire_replies_add(&self->replies, &self->checker, &packet, &message->hop, self->now_ms))
        wire_screen_set(self->plane->screen, &self->checker);
    if (message->hop.link != 0) { /* seldom: a relay wants it wrapped */
        packet = wire_replies_take_last(&self->replies);
        (void)send_message(self, &packet, &message->hop, 1);
    }
    wire_count_drop(self->counters, WIRE_DROP_HANDSHAKES, 1);
    return false;
}

/* Makes the keypair of a finished handshake and puts it to use. */
static int add_keypair(WireExchange *self, WirePeer *peer, WireHandshake *handshake, bool initiator)
{
    uint8_t         send_key[32], receive_key[32];
    const WireAead *engine = atomic_load(&self->plane->engines[handshake->suite]);
    WireKeypair    *keypair;
    WireKeypairInit init = { .peer = peer,
                             .send_key = send_key,
                             .receive_key = receive_key,
                             .local_index = handshake->local_index,
                             .remote_index = handshake->remote_index,
                             .initiator = initiator,
                             .now_ms = self->now_ms,
                             .n_lanes = self->plane->n_shards };
    int             rc = -ENOTSUP; /* nobody begins or answers what there is no engine for */

    wire_noise_derive(handshake, send_key, receive_key);
    if (engine != NULL)
        rc = wire_keypair_new(engine, &init, &keypair);
    mesh_key_wipe(send_key, sizeof(send_key));
    mesh_key_wipe(receive_key, sizeof(receive_key));
    if (rc < 0) {
        wire_index_release(self->plane->index, init.local_index);
        return rc;
    }
    wire_slots_add(&peer->slots, keypair);
    wire_timers_derived(&peer->timers, self->now_ms);
    return 0;
}

/* An authentic handshake message came over @hop: its source is where the peer is. */
static void credit(WireExchange *self, WirePeer *peer, const WireQueuedMessage *message)
{
    wire_count(&peer->talk->rx_bytes, message->len);
    (void)wire_timers_received(&peer->timers, false, keepalive_of(peer), self->now_ms);
    if (atomic_load_explicit(&peer->pinned, memory_order_relaxed))
        (void)wire_route_learn_source(&peer->route,
                                      &message->hop); /* data will tell, if it moved */
    else if (wire_route_prepare(&peer->route) == 0 && wire_route_learn(&peer->route, &message->hop))
        wire_exchange_report(self, WIRE_EVENT_ROAMED, peer);
}

static void respond(WireExchange *self, WirePeer *peer, WireHandshake *handshake,
                    const WireQueuedMessage *message)
{
    uint8_t    bytes[WIRE_RESPONSE_BYTES];
    WirePacket packet = { .data = bytes, .len = sizeof(bytes) };
    MeshKey    ephemeral;
    int        rc;

    if (wire_index_reserve(self->plane->index, peer, peer->shard, &handshake->local_index) < 0)
        return;
    mesh_key_make_private(&ephemeral);
    rc = wire_noise_create_response(handshake, &peer->talk->remote, &ephemeral, bytes);
    mesh_key_wipe(&ephemeral, sizeof(ephemeral));
    if (rc < 0) {
        wire_index_release(self->plane->index, handshake->local_index);
        return;
    }
    wire_cookie_add_macs(&peer->talk->jar, bytes, sizeof(bytes), self->now_ms);
    if (add_keypair(self, peer, handshake, false) < 0)
        return;
    credit(self, peer, message);
    wire_count(&peer->talk->tx_bytes,
               send_message(self, &packet, &message->hop, 1) * sizeof(bytes));
    mark_sent(self, peer);
}

static WirePeer *take_initiation(WireExchange *self, const WireQueuedMessage *message)
{
    const WireCard *card;
    WireInitiation  initiation;
    WireHandshake   handshake = { .local_index = 0 };
    uint8_t         timestamp[WIRE_TAI64N_BYTES];
    WirePeer       *peer = NULL;
    int             rc;

    if (wire_noise_open_initiation(self->identity, message->bytes, &initiation) < 0) {
        wire_count_drop(self->counters, WIRE_DROP_FORGED, 1);
        return NULL;
    }
    card = wire_snapshot_find(self->snapshot, &initiation.public_key);
    if (card != NULL && answers(self, card, wire_suite_of(message->bytes[0])))
        peer = wire_owner_get_peer(card->owner);
    if (peer == NULL || !can_talk(self, peer) ||
        wire_noise_finish_initiation(&initiation, &peer->talk->remote, timestamp, &handshake) < 0) {
        peer = NULL;
        wire_count_drop(self->counters, WIRE_DROP_FORGED, 1);
    } else if ((rc = take_timestamp(self, peer, timestamp)) < 0) {
        wire_count_drop(self->counters, rc == -EBUSY ? WIRE_DROP_HANDSHAKES : WIRE_DROP_REPLAYED,
                        1);
        peer = NULL;
    } else {
        respond(self, peer, &handshake, message);
    }
    mesh_key_wipe(&initiation, sizeof(initiation));
    mesh_key_wipe(&handshake, sizeof(handshake));
    return peer;
}

static uint32_t get_u32le(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static WirePeer *take_response(WireExchange *self, const WireQueuedMessage *message)
{
    uint32_t  receiver = get_u32le(message->bytes + 8);
    WirePeer *peer = wire_index_get_peer(self->plane->index, receiver);

    if (peer == NULL || !wire_exchange_is_pending(peer) ||
        peer->talk->pending.local_index != receiver) {
        wire_count_drop(self->counters, WIRE_DROP_NO_SESSION, 1);
        return NULL;
    }
    if (wire_noise_consume_response(&peer->talk->pending, self->identity, &peer->talk->remote,
                                    message->bytes) < 0) {
        wire_count_drop(self->counters, WIRE_DROP_FORGED, 1);
        return NULL;
    }
    if (add_keypair(self, peer, &peer->talk->pending, true) < 0)
        return peer;
    credit(self, peer, message);
    wire_exchange_complete(self, peer);
    /* The peer may send only once it had a packet of us: what waits, or an empty one. */
    wire_peer_tell(self->plane, peer, WIRE_TELL_FLUSH | WIRE_TELL_KEEPALIVE);
    return peer;
}

static WirePeer *take_cookie(WireExchange *self, const WireQueuedMessage *message)
{
    WirePeer *peer = wire_index_get_peer(self->plane->index, get_u32le(message->bytes + 4));

    if (peer == NULL || peer->talk == NULL)
        wire_count_drop(self->counters, WIRE_DROP_NO_SESSION, 1);
    else if (wire_cookie_take_reply(&peer->talk->jar, message->bytes, self->now_ms) < 0)
        wire_count_drop(self->counters, WIRE_DROP_FORGED, 1);
    else
        wire_count(&peer->talk->rx_bytes, message->len);
    return NULL;
}

WirePeer *wire_exchange_take(WireExchange *self, WireQueuedMessage *message)
{
    WireMessage  type = wire_noise_get_type(message->bytes, message->len);
    MeshEndpoint source = wire_hop_get_source(&message->hop);

    if (self->identity == NULL || !wire_tun_up(self->plane->tun))
        return NULL;
    if (type == WIRE_MESSAGE_COOKIE)
        return take_cookie(self, message);
    if (message->mac == WIRE_MAC_UNJUDGED)
        message->mac =
            wire_cookie_check(&self->checker, message->bytes, message->len, &source, self->now_ms);
    if (message->mac == WIRE_MAC_INVALID) {
        wire_count_drop(self->counters, WIRE_DROP_FORGED, 1);
        return NULL;
    }
    if (!admit(self, message))
        return NULL;
    return type == WIRE_MESSAGE_INITIATION ? take_initiation(self, message)
                                           : take_response(self, message);
}

void wire_exchange_complete(WireExchange *self, WirePeer *peer)
{
    struct timespec    wall = mesh_clock_wall();
    const WireKeypair *keypair = wire_slots_current(&peer->slots);

    if (keypair != NULL)
        atomic_store_explicit(&peer->talk->session_suite, (uint8_t)keypair->engine->suite,
                              memory_order_relaxed);
    wire_timers_completed(&peer->timers);
    atomic_store_explicit(&peer->session_until_ms, self->now_ms + WIRE_REJECT_AFTER_MS,
                          memory_order_relaxed);
    atomic_store_explicit(&peer->talk->handshake_ns, (int64_t)wall.tv_sec * NS_PER_S + wall.tv_nsec,
                          memory_order_relaxed);
    atomic_store_explicit(&peer->talk->n_attempts, 0, memory_order_relaxed);
    wire_exchange_report(self, WIRE_EVENT_HANDSHAKE, peer);
}
