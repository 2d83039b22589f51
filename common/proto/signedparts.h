/* common/proto/signedparts.h: what makers and readers of signed objects share: the beginning and
 * end of a body, and the two halves of mesh_signed_open(). Inside of common/proto. */
#pragma once

#include "common/proto/signed.h"

/* The signature alone. False: MESH_ERROR_UNVERIFIED. */
bool mesh_signed_verify(const MeshSigned *self, MeshSignedType type, const MeshNetworkId *net,
                        const MeshKey *signer, GError **error);

/* The body of one that verified: here, or by other proof of its very bytes (docs/PROTOCOL.md §4):
 * the signature is not looked at. As mesh_signed_open() else. */
JsonObject *mesh_signed_reopen(const MeshSigned *self, MeshSignedType type,
                               const MeshNetworkId *net, GError **error);

/* Begins the body of an object: "t" and "net". */
void mesh_signed_begin(MeshSignedType type, const MeshNetworkId *net, MeshJsonOut *out);

/* Ends the body that mesh_signed_begin() began, and signs it. Returns as mesh_signed_make(). */
MeshSigned *mesh_signed_finish(MeshSignedType type, const MeshNetworkId *net, MeshJsonOut *out,
                               const MeshSignSecret *secret, GError **error);
