/* common/codec/relaybind.h: the frames before there is a session with a relay: HELLO, COOKIE, BIND,
 * BOUND, and RESET when it is forgotten (docs/PATHS.md §3).
 *
 * Values; any thread; nothing allocates. */
#pragma once

#include "common/codec/relaykey.h"
#include "common/std/attr.h"
#include "common/std/ip.h"
#include "common/std/key.h"
#include "common/std/sign.h"
#include "common/std/writer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MESH_RELAYBIND_KIND_HELLO = 0x50,
    MESH_RELAYBIND_KIND_COOKIE = 0x51,
    MESH_RELAYBIND_KIND_BIND = 0x52,
    MESH_RELAYBIND_KIND_BOUND = 0x53,
    MESH_RELAYBIND_KIND_RESET = 0x54,

    MESH_RELAYBIND_VERSION = 1,
    MESH_RELAYBIND_HELLO_BYTES = 64,
    MESH_RELAYBIND_COOKIE_BYTES = 28,
    MESH_RELAYBIND_BOUND_BYTES = 56,
    MESH_RELAYBIND_RESET_BYTES = 12,
    MESH_RELAYBIND_SERVER_ID_BYTES = 16, /* of SHA-256(server key) */
    MESH_RELAYBIND_NETWORK_BYTES = 8,
    MESH_RELAYBIND_MAX_TOKEN_BYTES = 1024,
    MESH_RELAYBIND_MAX_BYTES = 84 + MESH_RELAYBIND_MAX_TOKEN_BYTES + 2 * MESH_SIGN_BYTES,
};

typedef enum {
    MESH_RELAYBIND_OK = 0,
    MESH_RELAYBIND_TOKEN_WRONG = 1,
    MESH_RELAYBIND_TOKEN_EXPIRED = 2,
    MESH_RELAYBIND_BUSY = 3,
    MESH_RELAYBIND_REVOKED = 4,
    MESH_RELAYBIND_NOT_SERVED = 5,
    MESH_RELAYBIND_VERSION_WRONG = 6,
} MeshRelayStatus;

/* The nonce and, of COOKIE, the cookie. */
typedef struct {
    uint8_t nonce[MESH_RELAYKEY_NONCE_BYTES];
    uint8_t cookie[MESH_RELAYKEY_COOKIE_BYTES];
} MeshRelayGreeting;

void mesh_relaybind_encode_hello(const MeshRelayGreeting *greeting,
                                 uint8_t                  out[MESH_RELAYBIND_HELLO_BYTES]);
void mesh_relaybind_encode_cookie(const MeshRelayGreeting *greeting,
                                  uint8_t                  out[MESH_RELAYBIND_COOKIE_BYTES]);

/* Return: 0; -EBADMSG. */
MESH_CHECKED int mesh_relaybind_decode_hello(MeshSpan datagram, MeshRelayGreeting *out_greeting);
MESH_CHECKED int mesh_relaybind_decode_cookie(MeshSpan datagram, MeshRelayGreeting *out_greeting);

typedef struct {
    uint8_t           version; /* read by decode; written as 1 */
    MeshRelayGreeting greeting;
    MeshKey           ephemeral;
    uint8_t           server_id[MESH_RELAYBIND_SERVER_ID_BYTES];
    uint8_t           network_id[MESH_RELAYBIND_NETWORK_BYTES];
    MeshSpan          token; /* T's body; borrowed */
    MeshSignature     token_signature;
} MeshRelayBind;

/* What BIND calls the server of @key (Ed25519): the first bytes of its SHA-256. */
void mesh_relaybind_name_server(const MeshKey *key, uint8_t out[MESH_RELAYBIND_SERVER_ID_BYTES]);

/* Writes BIND for the relay of @rk and signs it with the node's key. Returns: 0; -ENOSPC: does not
 * fit; -EINVAL: a token of no or too many bytes; -ENOMEM. */
MESH_CHECKED int mesh_relaybind_encode_bind(const MeshRelayBind *bind, const MeshKey *rk,
                                            const MeshSignSecret *node, MeshWriter *w);

/* Reads BIND; no signature is looked at. Of another version only version, nonce, cookie and
 * ephemeral are promised to mean the same. Returns: 0; -EBADMSG. */
MESH_CHECKED int mesh_relaybind_decode_bind(MeshSpan datagram, MeshRelayBind *out_bind);

/* The node's signature at the end of a BIND that decodes, of the network named in it, for the
 * relay of @rk. Returns: 0; -EBADMSG; -ENOMEM. */
MESH_CHECKED int mesh_relaybind_verify_bind(MeshSpan datagram, const MeshKey *rk,
                                            const MeshKey *node);

typedef struct {
    MeshRelayStatus status;
    uint8_t         nonce[MESH_RELAYKEY_NONCE_BYTES];
    uint32_t        session; /* 24 bits; 0 unless status is OK */
    uint32_t        life_s;  /* of the token */
    MeshEndpoint    seen;    /* the client, as the relay sees it */
} MeshRelayBound;

void mesh_relaybind_encode_bound(const MeshRelayBound *bound, const MeshRelayKey *down,
                                 uint8_t out[MESH_RELAYBIND_BOUND_BYTES]);

/* Returns: 0; -EBADMSG: no BOUND; -EACCES: not from the relay of this key. */
MESH_CHECKED int mesh_relaybind_decode_bound(MeshSpan datagram, const MeshRelayKey *down,
                                             MeshRelayBound *out_bound);

/* @head, of both: the first 8 bytes of the frame whose session is unknown. */
void mesh_relaybind_encode_reset(const uint8_t head[8], uint8_t out[MESH_RELAYBIND_RESET_BYTES]);
MESH_CHECKED int mesh_relaybind_decode_reset(MeshSpan datagram, uint8_t out_head[8]);
