/* common/std/key.h: 32-byte keys (X25519, preshared, Ed25519 public), their text, and guarded
 * memory.
 *
 * Any thread. mesh_key_init() once before anything else; it also readies libsodium for others.
 * Who holds a secret keeps it in memory of mesh_key_alloc() and wipes every copy on the stack. */
#pragma once

#include "common/std/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MESH_KEY_BYTES = 32,
    MESH_KEY_TEXT_SIZE = 45, /* 44 of base64 and the NUL */
};

typedef struct {
    uint8_t bytes[MESH_KEY_BYTES];
} MeshKey;

typedef enum {
    MESH_KEY_NOACCESS,  /* any access kills the process */
    MESH_KEY_READONLY,  /* any write does */
    MESH_KEY_READWRITE, /* as allocated */
} MeshKeyAccess;

/* Starts libsodium; may be called again, from any thread. Returns: 0; -EIO: no randomness. */
MESH_CHECKED int mesh_key_init(void);

/* @len random bytes from the kernel's generator. Never fails once mesh_key_init() passed. */
void mesh_key_random(void *out, size_t len);

/* Padded standard base64, 44 characters, as WireGuard writes keys. Returns: 0; -EINVAL. */
MESH_CHECKED int mesh_key_parse(const char *text, MeshKey *out_key);
char *mesh_key_format(const MeshKey *key, char out_text[MESH_KEY_TEXT_SIZE]); /* → out_text */

/* Both in constant time. */
bool mesh_key_equal(const MeshKey *a, const MeshKey *b);
bool mesh_key_is_zero(const MeshKey *key);

/* Overwrites @len bytes in a way the compiler cannot drop. */
void mesh_key_wipe(void *secret, size_t len);

/* A fresh X25519 private key, clamped (RFC 7748 §5), and the public key of a private one. */
void mesh_key_make_private(MeshKey *out_private);
void mesh_key_make_public(const MeshKey *private_key, MeshKey *out_public);

/* Zeroed memory between guard pages, locked out of swap and of core dumps where the system lets
 * us. NULL: out of memory. Free with mesh_key_free(), which wipes it; NULL is fine. */
void *mesh_key_alloc(size_t len);
void  mesh_key_free(void *secret);

/* Sets who may touch memory of mesh_key_alloc(). Page-grained, a system call: not per packet. */
void mesh_key_protect(void *secret, MeshKeyAccess access);
