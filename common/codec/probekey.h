/* common/codec/probekey.h: the keys of probes between two nodes, their counters and replay window
 * (docs/PATHS.md §4).
 *
 * Each node has a probe key pair, new at each start, whose public half is in its record E. What is
 * derived from a pair is one key a direction, so no nonce is used twice. One thread at a time. */
#pragma once

#include "common/std/attr.h"
#include "common/std/key.h"

#include <stdbool.h>
#include <stdint.h>

/* MeshProbeKeys: of one peer in one network. A value; wipe it with mesh_probekey_wipe(). */
typedef struct {
    MeshKey  send_key, receive_key;
    uint32_t send_index, receive_index; /* what the header carries; receive_index is ours */
    uint64_t sent;                      /* counter of the last probe sent; 0: none */
    uint64_t newest;                    /* greatest counter received; 0: none */
    uint64_t seen;                      /* bit n: newest - n was received */
} MeshProbeKeys;

/* From our private and public probe key, the peer's public one, and the network's 8 bytes.
 * Returns: 0; -EINVAL: the peer's key is of low order, or our own. */
MESH_CHECKED int mesh_probekey_derive(const MeshKey *own_private, const MeshKey *own_public,
                                      const MeshKey *peer_public, const uint8_t net[8],
                                      MeshProbeKeys *out_keys);

/* What a TLS connection straight to that peer is keyed with (docs/PATHS.md §10): the same at both
 * ends. Returns: as mesh_probekey_derive(). */
MESH_CHECKED int mesh_probekey_derive_psk(const MeshKey *own_private, const MeshKey *own_public,
                                          const MeshKey *peer_public, const uint8_t net[8],
                                          MeshKey *out_psk);

/* Marks @counter as received. Returns: false: 0, seen before, or older than the last 64. */
bool mesh_probekey_accept(MeshProbeKeys *keys, uint64_t counter);

void mesh_probekey_wipe(MeshProbeKeys *keys);
