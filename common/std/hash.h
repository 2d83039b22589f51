/* common/std/hash.h: BLAKE2s-256, keyed BLAKE2s, HMAC-BLAKE2s, WireGuard's KDF and SHA-256.
 *
 * All from OpenSSL, whose algorithms are fetched once for the process; contexts are kept per
 * thread. Any thread. Once mesh_hash_init() passed, the rest cannot fail except by running out of
 * memory, which aborts. Several spans are hashed as if they were one run of bytes.
 * Outputs may overlap inputs. */
#pragma once

#include "common/std/attr.h"

#include <stddef.h>
#include <stdint.h>

enum {
    MESH_HASH_BYTES = 32,     /* BLAKE2s-256, HMAC-BLAKE2s, SHA-256, each KDF output */
    MESH_HASH_MAC_BYTES = 16, /* keyed BLAKE2s as WireGuard's mac1 and mac2 */
};

/* Fetches the algorithms; may be called again, from any thread.
 * Returns: 0; -ENOTSUP: this OpenSSL lacks one of them. */
MESH_CHECKED int mesh_hash_init(void);

/* BLAKE2s-256 (RFC 7693), no key, over @count spans. */
void mesh_hash_blake2s(const MeshSpan *parts, size_t count, uint8_t out[MESH_HASH_BYTES]);

/* BLAKE2s with a key (RFC 7693 §2.5): @key of 1-32 bytes, @out_len of 1-32 bytes (WireGuard's MAC
 * is @out_len 16). Other lengths are a programmer's mistake and abort. */
void mesh_hash_blake2s_keyed(MeshSpan key, MeshSpan data, uint8_t *out, size_t out_len);

/* HMAC (RFC 2104) over BLAKE2s-256, key of any length. */
void mesh_hash_hmac(MeshSpan key, MeshSpan data, uint8_t out[MESH_HASH_BYTES]);

/* WireGuard's KDF_n(key, input) (paper §5.4): one, two or three outputs of 32 bytes; NULL for an
 * output that is not wanted. */
void mesh_hash_kdf1(const uint8_t key[MESH_HASH_BYTES], MeshSpan input,
                    uint8_t out1[MESH_HASH_BYTES]);
void mesh_hash_kdf2(const uint8_t key[MESH_HASH_BYTES], MeshSpan input,
                    uint8_t out1[MESH_HASH_BYTES], uint8_t out2[MESH_HASH_BYTES]);
void mesh_hash_kdf3(const uint8_t key[MESH_HASH_BYTES], MeshSpan input,
                    uint8_t out1[MESH_HASH_BYTES], uint8_t out2[MESH_HASH_BYTES],
                    uint8_t out3[MESH_HASH_BYTES]);

void mesh_hash_sha256(const MeshSpan *parts, size_t count, uint8_t out[MESH_HASH_BYTES]);
