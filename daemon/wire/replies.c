/* daemon/wire/replies.c: see replies.h. Random bytes are drawn, and the kernel is called, once for
 * all of a round. */
#include "daemon/wire/replies.h"

#include <string.h>

#include "common/std/key.h"

bool wire_replies_add(WireReplies *self, WireCookieChecker *checker, const WirePacket *message,
                      const WireHop *hop, int64_t now_ms)
{
    size_t            at = self->n++;
    bool              renew = wire_cookie_wants_secret(checker, now_ms);
    WireCookieRequest request = { .message = message->data,
                                  .len = message->len,
                                  .source = wire_hop_get_source(hop),
                                  .now_ms = now_ms };

    if (at == 0)
        mesh_key_random(self->nonces, sizeof(self->nonces));
    if (renew)
        mesh_key_random(request.fresh_secret, sizeof(request.fresh_secret));
    memcpy(request.nonce, self->nonces[at], sizeof(request.nonce));
    wire_cookie_make_reply(checker, &request, self->bytes[at]);
    mesh_key_wipe(request.fresh_secret, sizeof(request.fresh_secret));
    self->packets[at] = (WirePacket){ .data = self->bytes[at], .len = WIRE_COOKIE_BYTES };
    self->runs[at] = (WireUdpRun){ .hop = *hop, .packets = &self->packets[at], .n_packets = 1 };
    return renew;
}

/* Its place stays used: a nonce is. */
WirePacket wire_replies_take_last(WireReplies *self)
{
    self->runs[self->n - 1].n_packets = 0;
    return self->packets[self->n - 1];
}

size_t wire_replies_send(WireReplies *self, WireUdpSender *sender, const WireSockets *sockets)
{
    size_t n = self->n, n_lost = 0;

    self->n = 0;
    if (n == 0 || atomic_load_explicit(&sockets->port, memory_order_relaxed) == 0)
        return n;
    wire_udp_send(sender, sockets, self->runs, n);
    for (size_t i = 0; i < n; i++)
        n_lost += self->runs[i].n_packets - self->runs[i].n_sent;
    return n_lost;
}
