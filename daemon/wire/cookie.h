/* daemon/wire/cookie.h: mac1 and mac2 of handshake messages, and cookie replies (paper §5.3,
 * §5.4.4, §5.4.7). Pure: time and nonces are given. Threads: handshake; in checks, too (screen.h).
 */
#pragma once

#include "common/std/attr.h"
#include "common/std/ip.h"
#include "common/std/key.h"
#include "daemon/wire/noise.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_COOKIE_LIFE_MS    120000
#define WIRE_COOKIE_LATENCY_MS 5000 /* we stop using a cookie this much before it dies */
#define WIRE_COOKIE_NONCE      24u  /* bytes; XChaCha20-Poly1305 */

typedef enum {
    WIRE_MAC_UNJUDGED,    /* nobody looked yet */
    WIRE_MAC_INVALID,     /* mac1 wrong: total silence */
    WIRE_MAC_NO_COOKIE,   /* mac1 right */
    WIRE_MAC_WITH_COOKIE, /* mac2 right too: the source address is real */
} WireMac;

/** WireCookieChecker: judges messages to us. Secret; embedded with the identity. */
typedef struct {
    uint8_t mac1_key[32], cookie_key[32];
    uint8_t secret[32]; /* of the cookies we give; changes every 120 s */
    int64_t secret_ms;  /* boot clock of its birth; 0: none yet */
} WireCookieChecker;

/** WireCookieJar: what makes our messages pass at one peer. Embedded in the peer. */
typedef struct {
    uint8_t mac1_key[32], cookie_key[32];
    uint8_t cookie[16];
    int64_t cookie_ms; /* boot clock of its arrival; 0: none */
    uint8_t last_mac1[16];
    bool    sent; /* last_mac1 is of a message that a reply may name */
} WireCookieJar;

void wire_cookie_checker_init(WireCookieChecker *self, const MeshKey *our_public);
void wire_cookie_jar_init(WireCookieJar *self, const MeshKey *peer_public);

/** wire_cookie_add_macs: writes mac1, and mac2 if the jar holds a live cookie, into the last 32
 * bytes of an initiation or response. */
void wire_cookie_add_macs(WireCookieJar *self, uint8_t *message, size_t len, int64_t now_ms);

/** wire_cookie_check: constant time in the macs. @source: outer address and port.
 * @now_ms: boot clock. @message: initiation or response of its exact length. */
WireMac wire_cookie_check(const WireCookieChecker *self, const uint8_t *message, size_t len,
                          const MeshEndpoint *source, int64_t now_ms);

/** wire_cookie_wants_secret: the next reply makes a new secret: there is none younger than 120 s.
 */
bool wire_cookie_wants_secret(const WireCookieChecker *self, int64_t now_ms);

/** wire_cookie_make_reply: answers @message (mac1 right, no cookie) while under load. Makes a new
 * secret from @fresh_secret if it wants one. */
typedef struct {
    const uint8_t *message; /* what is answered */
    size_t         len;
    MeshEndpoint   source;
    uint8_t        nonce[WIRE_COOKIE_NONCE]; /* fresh random bytes */
    uint8_t        fresh_secret[32];         /* fresh random bytes; unread if none is wanted */
    int64_t        now_ms;
} WireCookieRequest;
void wire_cookie_make_reply(WireCookieChecker *self, const WireCookieRequest *request,
                            uint8_t out_reply[WIRE_COOKIE_BYTES]);

/** wire_cookie_take_reply: keeps the cookie. The receiver index was matched to the peer already.
 * Returns: 0; -ENOENT: we sent nothing it could answer; -EBADMSG: not about our last message. */
MESH_CHECKED int wire_cookie_take_reply(WireCookieJar *self, const uint8_t reply[WIRE_COOKIE_BYTES],
                                        int64_t now_ms);
