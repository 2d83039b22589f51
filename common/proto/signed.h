/* common/proto/signed.h: the envelope of every signed object (docs/PROTOCOL.md §2, §4).
 *
 * A MeshSigned is the exact bytes of a body and a signature over them; immutable, ref-counted, any
 * thread. Holding one says nothing about its truth: only mesh_signed_open() verifies, and nobody
 * parses a body before. It is stored and sent byte for byte as it came. */
#pragma once

#include "common/glib/jsonout.h"
#include "common/proto/network.h"
#include "common/std/key.h"
#include "common/std/sign.h"

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stddef.h>

#define MESH_SIGNED_MAX_BODY   4096  /* bytes */
#define MESH_SIGNED_MAX_POLICY 16384 /* bytes: the body of a P */
#define MESH_SIGNED_MAX_RELAYS 16384 /* bytes: the body of an R */
#define MESH_SIGNED_MAX_TOKEN  1024  /* bytes: the body of a T, which travels in a datagram */

typedef enum {
    MESH_SIGNED_K,   /* durable record, by the node */
    MESH_SIGNED_E,   /* ephemeral record, by the node */
    MESH_SIGNED_M,   /* membership, by the server */
    MESH_SIGNED_P,   /* policy, by the server */
    MESH_SIGNED_TIP, /* where the server is, by the server */
    MESH_SIGNED_R,   /* relays, by the server */
    MESH_SIGNED_T,   /* token for relays, by the server */
    MESH_SIGNED_SET, /* all M of a snapshot, by the server */
} MeshSignedType;

typedef struct MeshSigned MeshSigned;

/* "K", "E", "M", "P", "tip", "R", "T", "set": in signature and in the body's "t". */
const char *mesh_signed_type_name(MeshSignedType type);

/* Signs @body (NUL-terminated JSON object, which already has "t" and "net") with @secret.
 * Returns: owned; NULL only when the body is too long for its type. */
MeshSigned *mesh_signed_make(MeshSignedType type, const MeshNetworkId *net, const char *body,
                             const MeshSignSecret *secret, GError **error);

/* From storage: the body's bytes and the signature as they were. Owned; NULL: too long. */
MeshSigned *mesh_signed_new(const char *body, size_t body_len,
                            const uint8_t signature[MESH_SIGN_BYTES], GError **error);

MeshSigned *mesh_signed_ref(MeshSigned *self);
void        mesh_signed_unref(MeshSigned *self); /* NULL is fine */

/* Verifies with @signer, then parses strictly and checks "t" and "net".
 * Returns: the body's object, owned; NULL: MESH_ERROR_UNVERIFIED (wrong key or bytes),
 * MESH_ERROR_BAD_JSON. */
JsonObject *mesh_signed_open(MeshSigned *self, MeshSignedType type, const MeshNetworkId *net,
                             const MeshKey *signer, GError **error);

/* {"b": …, "s": …}; @path for error texts. @max_body: MESH_SIGNED_MAX_…. Owned. */
MeshSigned *mesh_signed_decode(JsonObject *object, size_t max_body, const char *path,
                               GError **error);
void        mesh_signed_encode(const MeshSigned *self, MeshJsonOut *out, const char *name);

const char          *mesh_signed_get_body(const MeshSigned *self, size_t *out_len); /* + NUL */
const MeshSignature *mesh_signed_get_signature(const MeshSigned *self);

/* The same body and the same signature; NULL equals NULL. */
bool mesh_signed_equal(const MeshSigned *a, const MeshSigned *b);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(MeshSigned, mesh_signed_unref)
