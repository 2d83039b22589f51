/* server/relay/strangers.c: who has no session: STUN, HELLO, BIND; and RESET for who has none any
 * more. No answer is longer than what asked for it, and a source gets only so many a second. */
#include "common/codec/stun.h"
#include "server/relay/inside.h"

#include <string.h>
#include <sys/socket.h>

static bool may_ask(Relay *self, const RelayDatagrams *from)
{
    if (mesh_buckets_take(self->strangers, &from->from.addr, self->now_ms))
        return true;
    relay_count(self, RELAY_COUNT_RATE, 1);
    return false;
}

static void answer(Relay *self, const RelayDatagrams *from, MeshSpan bytes, int socket)
{
    RelayTarget target = { .remote = &from->from, .local = &from->local };

    relay_out_put_copy(&self->outs[socket], &target, bytes.data, bytes.len);
}

/* What a request gets: its address, or 420 for what is not done here. */
static void fill_stun_answer(MeshStunMessage *message, const RelayDatagrams *from)
{
    message->mapped = (MeshEndpoint){ .port = 0 };
    message->error = 0;
    if ((message->change & MESH_STUN_CHANGE_IP) != 0 && message->n_unknown < MESH_STUN_MAX_UNKNOWN)
        message->unknown[message->n_unknown++] = 0x0003; /* CHANGE-REQUEST: one address only */
    if (message->n_unknown > 0)
        message->error = MESH_STUN_UNKNOWN_ERROR;
    else
        message->mapped = from->from;
}

static void take_stun(Relay *self, const RelayDatagrams *from, MeshSpan datagram, int socket)
{
    MeshStunMessage message;
    uint8_t         bytes[RELAY_OUT_SMALL_BYTES];
    RelayDatagrams  to = *from;
    size_t          len;
    int             reply = socket;

    if (mesh_stun_decode(datagram, &message) < 0 || message.type != MESH_STUN_REQUEST ||
        !may_ask(self, from))
        return;
    if ((message.change & MESH_STUN_CHANGE_PORT) != 0)
        reply = socket == RELAY_MAIN ? RELAY_ALT : RELAY_MAIN;
    if (self->fds[reply] < 0) {
        message.change |= MESH_STUN_CHANGE_IP; /* cannot be done either */
        reply = socket;
    }
    fill_stun_answer(&message, from);
    if (mesh_stun_encode_answer(&message, bytes, sizeof(bytes), &len) < 0 || len > datagram.len)
        return;
    relay_count(self, RELAY_COUNT_STUN, 1);
    if (message.response_port != 0) /* of the same address, so nobody is sent more than by lies */
        to.from.port = message.response_port;
    answer(self, &to, MESH_SPAN(bytes, len), reply);
}

static MeshRelayClaim make_claim(const RelayDatagrams *from, const uint8_t *nonce)
{
    MeshRelayClaim claim = { .purpose = MESH_RELAYBIND_KIND_BIND, .source = from->from };

    memcpy(claim.nonce, nonce, sizeof(claim.nonce));
    return claim;
}

static void send_cookie(Relay *self, const RelayDatagrams *from, MeshRelayGreeting *greeting)
{
    MeshRelayClaim claim = make_claim(from, greeting->nonce);
    uint8_t        bytes[MESH_RELAYBIND_COOKIE_BYTES];

    mesh_relaykey_cookie_make(&self->jar, &claim, greeting->cookie);
    mesh_relaybind_encode_cookie(greeting, bytes);
    answer(self, from, MESH_SPAN(bytes, sizeof(bytes)), RELAY_MAIN);
}

static void take_bind(Relay *self, const RelayDatagrams *from, MeshSpan datagram)
{
    MeshRelayBind  bind;
    MeshRelayClaim claim;

    if (mesh_relaybind_decode_bind(datagram, &bind) < 0 || !may_ask(self, from))
        return;
    claim = make_claim(from, bind.greeting.nonce);
    if (mesh_relaykey_cookie_check(&self->jar, &claim, bind.greeting.cookie))
        relay_bind_ask(self, from, datagram);
    else
        send_cookie(self, from, &bind.greeting); /* it got too old: here is another */
}

void relay_strangers_take(Relay *self, const RelayDatagrams *from, MeshSpan datagram, int socket)
{
    MeshRelayGreeting greeting;

    if (mesh_stun_is(datagram)) {
        take_stun(self, from, datagram, socket);
        return;
    }
    if (socket != RELAY_MAIN)
        return;
    switch (*(const uint8_t *)datagram.data) {
    case MESH_RELAYBIND_KIND_HELLO:
        if (mesh_relaybind_decode_hello(datagram, &greeting) == 0 && may_ask(self, from))
            send_cookie(self, from, &greeting);
        return;
    case MESH_RELAYBIND_KIND_BIND:
        take_bind(self, from, datagram);
        return;
    default:
        relay_count(self, RELAY_COUNT_FORGED, 1);
        return;
    }
}

void relay_strangers_reset(Relay *self, const RelayDatagrams *from, const uint8_t *frame)
{
    uint8_t bytes[MESH_RELAYBIND_RESET_BYTES];

    if (!may_ask(self, from))
        return;
    mesh_relaybind_encode_reset(frame, bytes);
    answer(self, from, MESH_SPAN(bytes, sizeof(bytes)), RELAY_MAIN);
}
