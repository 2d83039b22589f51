/* daemon/wire/replies.h: cookie replies of one round of the handshake thread, sent together: under
 * a flood they are most of what it does. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/wire/cookie.h"
#include "daemon/wire/packet.h"
#include "daemon/wire/udp.h"

#define WIRE_REPLIES_MAX 32u

/** WireReplies: zeroed: none. */
typedef struct {
    size_t     n;
    uint8_t    nonces[WIRE_REPLIES_MAX][WIRE_COOKIE_NONCE]; /* drawn with the first of a round */
    uint8_t    bytes[WIRE_REPLIES_MAX][WIRE_COOKIE_BYTES];
    WirePacket packets[WIRE_REPLIES_MAX];
    WireUdpRun runs[WIRE_REPLIES_MAX];
} WireReplies;

/** wire_replies_add: answers @message, which came over @hop, with a cookie; there has to be room
 * (wire_replies_full()). Returns: true: @checker has a new secret. */
bool wire_replies_add(WireReplies *self, WireCookieChecker *checker, const WirePacket *message,
                      const WireHop *hop, int64_t now_ms);

static inline bool wire_replies_full(const WireReplies *self)
{
    return self->n == WIRE_REPLIES_MAX;
}

/** wire_replies_take_last: what was added last goes another way; valid until the next send. */
WirePacket wire_replies_take_last(WireReplies *self);

/** wire_replies_send: sends what was added and is empty again. Returns: how many did not go. */
size_t wire_replies_send(WireReplies *self, WireUdpSender *sender, const WireSockets *sockets);
