/* daemon/wire/cookie.c: mac1, mac2 and cookie replies; see cookie.h.
 *
 *   mac1 = MAC(HASH("mac1----" ‖ receiver's public key), message before mac1)
 *   mac2 = MAC(cookie, message before mac2), or zero
 *   cookie = MAC(secret of 120 s, source address ‖ port), sent sealed by XChaCha20-Poly1305 with
 *   HASH("cookie--" ‖ receiver's public key) and the mac1 it answers as additional data */
#include "daemon/wire/cookie.h"

#include "common/std/hash.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>

enum { MAC = MESH_HASH_MAC_BYTES, MACS = 2 * MAC };

/* Fields of a cookie reply. */
enum { REPLY_RECEIVER = 4, REPLY_NONCE = 8, REPLY_COOKIE = 32, AT_SENDER = 4 };

static void make_key(const char label[9], const MeshKey *public_key, uint8_t out[32])
{
    MeshSpan parts[2] = { MESH_SPAN(label, 8), MESH_SPAN(public_key->bytes, MESH_KEY_BYTES) };

    mesh_hash_blake2s(parts, 2, out);
}

static void make_mac1(const uint8_t key[32], const uint8_t *message, size_t len, uint8_t out[MAC])
{
    mesh_hash_blake2s_keyed(MESH_SPAN(key, 32), MESH_SPAN(message, len - MACS), out, MAC);
}

static void make_mac2(const uint8_t cookie[MAC], const uint8_t *message, size_t len,
                      uint8_t out[MAC])
{
    mesh_hash_blake2s_keyed(MESH_SPAN(cookie, MAC), MESH_SPAN(message, len - MAC), out, MAC);
}

void wire_cookie_checker_init(WireCookieChecker *self, const MeshKey *our_public)
{
    *self = (WireCookieChecker){ .secret_ms = 0 };
    make_key("mac1----", our_public, self->mac1_key);
    make_key("cookie--", our_public, self->cookie_key);
}

void wire_cookie_jar_init(WireCookieJar *self, const MeshKey *peer_public)
{
    *self = (WireCookieJar){ .cookie_ms = 0 };
    make_key("mac1----", peer_public, self->mac1_key);
    make_key("cookie--", peer_public, self->cookie_key);
}

void wire_cookie_add_macs(WireCookieJar *self, uint8_t *message, size_t len, int64_t now_ms)
{
    uint8_t *mac1 = message + len - MACS, *mac2 = message + len - MAC;
    bool     live = self->cookie_ms != 0 &&
                now_ms - self->cookie_ms < WIRE_COOKIE_LIFE_MS - WIRE_COOKIE_LATENCY_MS;

    make_mac1(self->mac1_key, message, len, mac1);
    memcpy(self->last_mac1, mac1, MAC);
    self->sent = true;
    if (live)
        make_mac2(self->cookie, message, len, mac2);
    else
        memset(mac2, 0, MAC);
}

static void make_cookie(const uint8_t secret[32], const MeshEndpoint *source, uint8_t out[MAC])
{
    uint8_t place[18];
    size_t  n = source->addr.family == AF_INET6 ? 16 : 4;

    memcpy(place, source->addr.bytes, n);
    place[n] = (uint8_t)(source->port >> 8);
    place[n + 1] = (uint8_t)source->port;
    mesh_hash_blake2s_keyed(MESH_SPAN(secret, 32), MESH_SPAN(place, n + 2), out, MAC);
}

bool wire_cookie_wants_secret(const WireCookieChecker *self, int64_t now_ms)
{
    return self->secret_ms == 0 || now_ms - self->secret_ms >= WIRE_COOKIE_LIFE_MS;
}

WireMac wire_cookie_check(const WireCookieChecker *self, const uint8_t *message, size_t len,
                          const MeshEndpoint *source, int64_t now_ms)
{
    uint8_t want[MAC], cookie[MAC];

    make_mac1(self->mac1_key, message, len, want);
    if (sodium_memcmp(want, message + len - MACS, MAC) != 0)
        return WIRE_MAC_INVALID;
    if (sodium_is_zero(message + len - MAC, MAC) || wire_cookie_wants_secret(self, now_ms))
        return WIRE_MAC_NO_COOKIE; /* the usual one costs one hash */
    make_cookie(self->secret, source, cookie);
    make_mac2(cookie, message, len, want);
    return sodium_memcmp(want, message + len - MAC, MAC) == 0 ? WIRE_MAC_WITH_COOKIE
                                                              : WIRE_MAC_NO_COOKIE;
}

void wire_cookie_make_reply(WireCookieChecker *self, const WireCookieRequest *request,
                            uint8_t out_reply[WIRE_COOKIE_BYTES])
{
    const uint8_t *mac1 = request->message + request->len - MACS;
    uint8_t        cookie[MAC];

    if (wire_cookie_wants_secret(self, request->now_ms)) {
        memcpy(self->secret, request->fresh_secret, sizeof self->secret);
        self->secret_ms = request->now_ms;
    }
    make_cookie(self->secret, &request->source, cookie);
    memset(out_reply, 0, REPLY_RECEIVER);
    out_reply[0] = WIRE_MESSAGE_COOKIE;
    memcpy(out_reply + REPLY_RECEIVER, request->message + AT_SENDER, 4);
    memcpy(out_reply + REPLY_NONCE, request->nonce, WIRE_COOKIE_NONCE);
    crypto_aead_xchacha20poly1305_ietf_encrypt(out_reply + REPLY_COOKIE, NULL, cookie, MAC, mac1,
                                               MAC, NULL, request->nonce, self->cookie_key);
    mesh_key_wipe(cookie, sizeof cookie);
}

int wire_cookie_take_reply(WireCookieJar *self, const uint8_t reply[WIRE_COOKIE_BYTES],
                           int64_t now_ms)
{
    uint8_t cookie[MAC];

    if (!self->sent)
        return -ENOENT;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(cookie, NULL, NULL, reply + REPLY_COOKIE,
                                                   MAC + 16, self->last_mac1, MAC,
                                                   reply + REPLY_NONCE, self->cookie_key) != 0)
        return -EBADMSG;
    memcpy(self->cookie, cookie, MAC);
    self->cookie_ms = now_ms;
    self->sent = false; /* one reply a message */
    mesh_key_wipe(cookie, sizeof cookie);
    return 0;
}
