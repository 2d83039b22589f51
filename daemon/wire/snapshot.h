/* daemon/wire/snapshot.h: what shards read: a configuration made immutable.
 *
 * Made by the control thread from a WireConfig, published with wire_rcu_publish(), read by every
 * thread of the plane under QSBR, retired after the next one is published. */
#pragma once

#include "common/std/attr.h"
#include "daemon/wire/allowedips.h"
#include "daemon/wire/config.h"
#include "daemon/wire/filter.h"
#include "daemon/wire/rcu.h"

#include <stddef.h>
#include <stdint.h>

typedef struct WirePeer WirePeer; /* peer.h */

/** WireSnapshotPeer: a peer of the configuration and the object that lives through snapshots. */
typedef struct {
    MeshKey        public_key;
    const MeshKey *preshared_key; /* in guarded memory of the snapshot; all zero: none */
    uint16_t       keepalive_s;
    WireSuite      suite;
    uint8_t        answers; /* never 0 */
    WirePeer      *peer;    /* borrowed */
} WireSnapshotPeer;

typedef struct {
    uint16_t          listen_port;
    uint32_t          fwmark;
    size_t            n_peers;
    WireSnapshotPeer *peers;       /* by key, ascending bytes */
    WireAllowedIps   *allowed_ips; /* values are the peers' WirePeer */
    WireFilter       *filter;
    MeshKey          *preshared; /* guarded memory behind preshared_key, or NULL */
    struct rcu_head   rcu;
} WireSnapshot;

/** WireSnapshotFindPeer: gives the WirePeer for a peer of the configuration: the one that lives, or
 * a new one. NULL: out of memory. Called once a peer. */
typedef WirePeer *(*WireSnapshotFindPeer)(const WirePeerSpec *spec, void *data);

/** wire_snapshot_new: Returns: 0; -ENOMEM. Thread: control. */
MESH_CHECKED int wire_snapshot_new(const WireConfig *config, WireSnapshotFindPeer find_peer,
                                   void *data, WireSnapshot **out_snapshot);

/** wire_snapshot_find: by public key, O(log n); NULL: none. Any reader. */
const WireSnapshotPeer *wire_snapshot_find(const WireSnapshot *self, const MeshKey *public_key);

void wire_snapshot_free(WireSnapshot *self);   /* never published, or no readers; NULL is fine */
void wire_snapshot_retire(WireSnapshot *self); /* frees after a grace period; NULL is fine */
