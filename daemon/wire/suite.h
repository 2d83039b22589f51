/* daemon/wire/suite.h: the two cipher suites: WireGuard's own, and AES-256-GCM between two nodes
 * whose signed records both offer it (docs/PROTOCOL.md §10). Constants of each, and the seal of its
 * handshakes; transport data is aead.h's. Values; any thread. */
#pragma once

#include "common/std/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    WIRE_SUITE_WG1,     /* ChaCha20-Poly1305: WireGuard, message types 1-4 */
    WIRE_SUITE_AESGCM1, /* AES-256-GCM: types 0x61, 0x62, 0x64 */
    WIRE_N_SUITES,
} WireSuite;

/** WireSuiteLimits: how many packets a key seals. */
typedef struct {
    uint64_t rekey_after, reject_after; /* begin anew at the first, seal none from the second on */
} WireSuiteLimits;

#define WIRE_SUITE_AES_BITS   0x60u /* of byte 0 of its messages, beside their kind */
#define WIRE_SUITE_BIT(suite) ((uint8_t)(1u << (suite)))

/* Which suite byte 0 of a message names; it says nothing of other datagrams. */
static inline WireSuite wire_suite_of(uint8_t first)
{
    return (first & WIRE_SUITE_AES_BITS) == WIRE_SUITE_AES_BITS ? WIRE_SUITE_AESGCM1
                                                                : WIRE_SUITE_WG1;
}

/* Byte 0 of a message of @kind (WireMessage, but cookie replies, which have no suite). */
static inline uint8_t wire_suite_type(WireSuite suite, unsigned kind)
{
    return (uint8_t)(kind | (suite == WIRE_SUITE_AESGCM1 ? WIRE_SUITE_AES_BITS : 0));
}

static inline const char *wire_suite_get_name(WireSuite suite) /* in records */
{
    return suite == WIRE_SUITE_AESGCM1 ? "aesgcm1" : "wg1";
}

static inline const char *wire_suite_get_cipher(WireSuite suite) /* for people */
{
    return suite == WIRE_SUITE_AESGCM1 ? "AES-256-GCM" : "ChaCha20-Poly1305";
}

/** wire_suite_get_noise: name of the handshake and its prologue (WireGuard's "identifier"). */
void wire_suite_get_noise(WireSuite suite, MeshSpan *out_name, MeshSpan *out_prologue);

WireSuiteLimits wire_suite_get_limits(WireSuite suite);

/** wire_suite_is_fit: this processor has what the suite takes to be fast and free of timing that
 * depends on data, and OpenSSL was not told (OPENSSL_ia32cap) to do without. WG1: always. */
bool wire_suite_is_fit(WireSuite suite);

/** wire_suite_seal: in a handshake: @text with the nonce zero, @ad authenticated with it; writes
 * text and tag (16) to @out. A key seals once. */
void wire_suite_seal(WireSuite suite, const uint8_t key[32], MeshSpan ad, MeshSpan text,
                     uint8_t *out);

/** wire_suite_unseal: @sealed ends with the tag; writes the text to @out on success.
 * Returns: 0; -EBADMSG. */
MESH_CHECKED int wire_suite_unseal(WireSuite suite, const uint8_t key[32], MeshSpan ad,
                                   MeshSpan sealed, uint8_t *out);
