/* common/proto/memberset.h: one statement of the server over all memberships of a snapshot
 * (docs/PROTOCOL.md §4, "set"): who verifies it need not verify each M. Values; any thread. */
#pragma once

#include "common/proto/network.h"
#include "common/proto/signed.h"
#include "common/std/hash.h"
#include "common/std/key.h"
#include "common/std/sign.h"

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of one body: its SHA-256. */
typedef struct {
    uint8_t bytes[MESH_HASH_BYTES];
} MeshMemberLeaf;

typedef struct {
    uint64_t       epoch, ver; /* of the snapshot */
    uint64_t       count;      /* of its peers */
    MeshMemberLeaf root;       /* SHA-256 over their leaves, by index */
} MeshMemberSet;

void mesh_memberset_hash(const MeshSigned *m, MeshMemberLeaf *out_leaf);
void mesh_memberset_join(const MeshMemberLeaf *leaves, size_t count, MeshMemberLeaf *out_root);

/* Encodes and signs with the server key. Owned. */
MeshSigned *mesh_memberset_sign(const MeshMemberSet *set, const MeshNetworkId *net,
                                const MeshSignSecret *server, GError **error);

/* Verifies with the server key and decodes; MESH_ERROR_UNVERIFIED, MESH_ERROR_BAD_JSON. The caller
 * compares epoch, ver, count and root with what it has. */
bool mesh_memberset_open(MeshSigned *object, const MeshNetworkId *net, const MeshKey *server,
                         MeshMemberSet *out_set, GError **error);
