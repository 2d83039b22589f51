/* common/std/sign.h: Ed25519 (RFC 8032) by libsodium, domain-separated.
 *
 * Any thread; call mesh_key_init() first. A secret is the 64 bytes that libsodium signs with (seed
 * and public key): keep it in memory of mesh_key_alloc(). What is stored is the 32-byte seed.
 *
 * The signed bytes are "mesh1-" ‖ type ‖ 0x00 ‖ network id ‖ message (docs/PROTOCOL.md §2). That is
 * unambiguous as long as one type always has network ids of one length. */
#pragma once

#include "common/std/attr.h"
#include "common/std/key.h"

#include <stdint.h>

enum {
    MESH_SIGN_SEED_BYTES = 32,
    MESH_SIGN_SECRET_BYTES = 64,
    MESH_SIGN_BYTES = 64,
};

typedef struct {
    uint8_t bytes[MESH_SIGN_SECRET_BYTES];
} MeshSignSecret;

typedef struct {
    uint8_t bytes[MESH_SIGN_BYTES];
} MeshSignature;

/* What a signature is about. All borrowed. */
typedef struct {
    const char *type;       /* such as "member"; without the "mesh1-"; at most 32 characters */
    MeshSpan    network_id; /* may be empty for a type that never has one */
    MeshSpan    message;    /* the exact bytes; parsed by nobody before they verify */
} MeshSignInput;

/* The key pair of a seed (random bytes, once); NULL for a half that is not wanted. */
void mesh_sign_make_pair(const uint8_t seed[MESH_SIGN_SEED_BYTES], MeshSignSecret *out_secret,
                         MeshKey *out_public);

/* Signs. Returns: 0; -EINVAL: empty or too long type; -ENOMEM. */
MESH_CHECKED int mesh_sign_sign(const MeshSignSecret *secret, const MeshSignInput *input,
                                MeshSignature *out_signature);

/* Verifies. A public key of small order or in a second encoding and an S that is not reduced are
 * refused, so one signature has one form. Returns: 0; -EBADMSG: not this key's signature of this
 * input; -EINVAL: empty or too long type; -ENOMEM. */
MESH_CHECKED int mesh_sign_verify(const MeshKey *public_key, const MeshSignInput *input,
                                  const MeshSignature *signature);

/* The same without domain separation, for formats that bring their own (signed HTTP requests,
 * whose signature base names its purpose). Never for records. */
void             mesh_sign_sign_raw(const MeshSignSecret *secret, MeshSpan message,
                                    MeshSignature *out_signature);
MESH_CHECKED int mesh_sign_verify_raw(const MeshKey *public_key, MeshSpan message,
                                      const MeshSignature *signature); /* 0; -EBADMSG */
