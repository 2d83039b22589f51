/* common/proto/tip.h: the tip: where the server is, signed anew for each request's nonce
 * (docs/PROTOCOL.md §4). Values; any thread. */
#pragma once

#include "common/proto/network.h"
#include "common/proto/reqsign.h"
#include "common/proto/signed.h"
#include "common/std/key.h"
#include "common/std/sign.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint64_t  epoch; /* from 1; grows when a server is restored from a backup */
    uint64_t  ver;   /* of the map */
    uint64_t  pver;  /* of the policy */
    int64_t   time;  /* unix seconds */
    bool      has_nonce;
    MeshNonce nonce; /* the request's; in hello's tip only */
} MeshTip;

/* Encodes and signs with the server key. Owned. */
MeshSigned *mesh_tip_sign(const MeshTip *tip, const MeshNetworkId *net,
                          const MeshSignSecret *server, GError **error);

/* Verifies with the server key and decodes; MESH_ERROR_UNVERIFIED, MESH_ERROR_BAD_JSON. The caller
 * compares the nonce. */
bool mesh_tip_open(MeshSigned *object, const MeshNetworkId *net, const MeshKey *server,
                   MeshTip *out_tip, GError **error);
