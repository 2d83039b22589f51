/* daemon/wire/exchange.h: the handshake's messages: make and send ours, judge and take theirs.
 * Thread: handshake. Internal to handshake.c and its test. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/std/attr.h"
#include "daemon/wire/cookie.h"
#include "daemon/wire/noise.h"
#include "daemon/wire/replies.h"
#include "daemon/wire/state.h"
#include "daemon/wire/udp.h"

/** WireExchange: what the handshake thread needs to speak for us. */
typedef struct {
    WirePlane          *plane;
    WireCounters       *counters;
    WireIdentity       *identity; /* guarded; NULL: none, we are silent */
    WireCookieChecker   checker;
    WireUdpSender      *sender;
    WireReplies         replies;
    bool                loaded;   /* answer with cookies */
    const WireSnapshot *snapshot; /* this round's */
    int64_t             now_ms;   /* this round's boot clock */
} WireExchange;

MESH_CHECKED int wire_exchange_init(WireExchange *self, WirePlane *plane); /* 0; -ENOMEM */
void             wire_exchange_done(WireExchange *self);

/** wire_exchange_set_identity: takes it (guarded memory) and forgets every session and secret made
 * with the old one. A zero private key: none. */
void wire_exchange_set_identity(WireExchange *self, WireIdentity *identity);

/** wire_exchange_drop_secrets: what was made with the keys of a peer that is new or has another
 * preshared key; made again when needed. Its sessions go on. */
void wire_exchange_drop_secrets(WireExchange *self, WirePeer *peer);

/** wire_exchange_initiate: sends an initiation to the endpoint, or to all candidates too while
 * nothing is proven or when @retry. For want of key, way or link nothing goes and no attempt is
 * marked; peer->held tells that, and it is made up for as soon as the want ends. */
void wire_exchange_initiate(WireExchange *self, WirePeer *peer, bool retry);

/** wire_exchange_take: judges a queued message and acts on it, except that cookie replies wait for
 * wire_exchange_flush(). What is wrong is met with silence.
 * Returns: the peer whose session or timers changed; NULL: nobody's. */
WirePeer *wire_exchange_take(WireExchange *self, WireQueuedMessage *message);

/** wire_exchange_flush: sends the cookie replies of this round. */
void wire_exchange_flush(WireExchange *self);

/** wire_exchange_complete: the session of @peer is proven: clears the attempt and tells the world.
 */
void wire_exchange_complete(WireExchange *self, WirePeer *peer);

/** wire_exchange_forget: wipes the sessions and the handshake of @peer. */
void wire_exchange_forget(WireExchange *self, WirePeer *peer);

/** wire_exchange_report: an event about @peer, with its endpoint. */
void wire_exchange_report(WireExchange *self, WireEventKind kind, WirePeer *peer);

/** wire_exchange_is_pending: an initiation of ours waits for its answer. */
bool wire_exchange_is_pending(const WirePeer *peer);

/** wire_exchange_is_other_suite: its session, or the initiation under way while there is none, is
 * of another suite than the one that handshakes with it are begun in now. */
bool wire_exchange_is_other_suite(const WireExchange *self, WirePeer *peer);
