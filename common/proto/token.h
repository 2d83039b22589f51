/* common/proto/token.h: T, what a server grants a node at the relays of its network, signed by the
 * server key (docs/PATHS.md §2). Values; any thread. */
#pragma once

#include "common/codec/relaybind.h"
#include "common/proto/network.h"
#include "common/proto/signed.h"
#include "common/std/key.h"
#include "common/std/sign.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    MeshKey  node;  /* Ed25519 */
    uint32_t index; /* of the node in its network: what others call it by */
    int64_t  exp;   /* unix seconds */
    uint64_t bps;   /* bits a second it may send, and be sent */
    uint64_t burst; /* bytes of that at once */
} MeshToken;

/* Encodes and signs with the server key. Owned. */
MeshSigned *mesh_token_sign(const MeshToken *token, const MeshNetworkId *net,
                            const MeshSignSecret *server, GError **error);

/* Verifies with the server key and decodes; MESH_ERROR_UNVERIFIED, MESH_ERROR_BAD_JSON. The caller
 * compares exp with its clock. */
bool mesh_token_open(MeshSigned *object, const MeshNetworkId *net, const MeshKey *server,
                     MeshToken *out_token, GError **error);

/* The same of the token in a BIND, which names the network; its signature by the node is not looked
 * at. */
bool mesh_token_open_bind(const MeshRelayBind *bind, const MeshKey *server, MeshToken *out_token);
