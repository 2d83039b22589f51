/* common/codec/relaykey.h: the keys of a session with a relay, its frames' MAC, and the cookies
 * that prove an address (docs/PATHS.md §3).
 *
 * Values; any thread. mesh_key_init() and mesh_hash_init() first. Session keys keep strangers from
 * spending a session's allowance; they hide nothing. */
#pragma once

#include "common/std/attr.h"
#include "common/std/ip.h"
#include "common/std/key.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    MESH_RELAYKEY_BYTES = 16,
    MESH_RELAYKEY_MAC_BYTES = 8,
    MESH_RELAYKEY_COOKIE_BYTES = 16,
    MESH_RELAYKEY_NONCE_BYTES = 8,
    MESH_RELAYKEY_COOKIE_LIFE_MS = 60000, /* a secret makes cookies that long, and counts twice */
};

typedef struct {
    uint8_t bytes[MESH_RELAYKEY_BYTES];
} MeshRelayKey;

typedef struct {
    MeshRelayKey up;   /* towards the relay */
    MeshRelayKey down; /* from it */
} MeshRelayKeys;

/* The two public keys of a session, as both ends see them. */
typedef struct {
    MeshKey ephemeral; /* the client's, of this BIND */
    MeshKey relay;     /* rk */
} MeshRelayPublics;

/* Both keys. The client gives its ephemeral secret, the relay that of rk.
 * Returns: 0; -EBADMSG: the other's public key is of small order. */
MESH_CHECKED int mesh_relaykey_derive(const MeshKey *secret, bool is_relay,
                                      const MeshRelayPublics *publics, MeshRelayKeys *out_keys);

/* SipHash-2-4 over @first and then @second, which together are at most 64 bytes. */
void mesh_relaykey_mac(const MeshRelayKey *key, MeshSpan first, MeshSpan second,
                       uint8_t out_mac[MESH_RELAYKEY_MAC_BYTES]);

/* Equal, in constant time. */
bool mesh_relaykey_mac_equal(const uint8_t *a, const uint8_t *b);

/* What makes cookies: the present secret and the one before. One thread, or a lock. */
typedef struct {
    MeshKey secrets[2];
    int64_t since_ms; /* boot time of secrets[0] */
} MeshRelayJar;

/* What a cookie proves. */
typedef struct {
    uint8_t      purpose;                          /* the kind of the frame that carries it */
    MeshEndpoint source;                           /* who has to be there */
    uint8_t      nonce[MESH_RELAYKEY_NONCE_BYTES]; /* the client's, or the session */
} MeshRelayClaim;

void mesh_relaykey_jar_init(MeshRelayJar *jar, int64_t now_ms);

/* Changes the secret when it is old enough; both when more than two lives have passed. */
void mesh_relaykey_jar_turn(MeshRelayJar *jar, int64_t now_ms);

void mesh_relaykey_cookie_make(const MeshRelayJar *jar, const MeshRelayClaim *claim,
                               uint8_t out_cookie[MESH_RELAYKEY_COOKIE_BYTES]);
bool mesh_relaykey_cookie_check(const MeshRelayJar *jar, const MeshRelayClaim *claim,
                                const uint8_t cookie[MESH_RELAYKEY_COOKIE_BYTES]);
