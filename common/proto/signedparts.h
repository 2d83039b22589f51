/* common/proto/signedparts.h: the two halves of mesh_signed_open(). Inside of common/proto. */
#pragma once

#include "common/proto/signed.h"

/* The signature alone. False: MESH_ERROR_UNVERIFIED. */
bool mesh_signed_verify(const MeshSigned *self, MeshSignedType type, const MeshNetworkId *net,
                        const MeshKey *signer, GError **error);

/* The body of one that verified: here, or by other proof of its very bytes (docs/PROTOCOL.md §4):
 * the signature is not looked at. As mesh_signed_open() else. */
JsonObject *mesh_signed_reopen(const MeshSigned *self, MeshSignedType type,
                               const MeshNetworkId *net, GError **error);
