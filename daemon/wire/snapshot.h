/* daemon/wire/snapshot.h: what shards read: a configuration made immutable.
 *
 * Made by the control thread from a WireConfig, whose parts it shares, published with
 * wire_rcu_publish(), read by every thread of the plane under QSBR, retired after the next one is
 * published. What it costs to make and to free goes by what differs from the one before. */
#pragma once

#include "common/std/attr.h"
#include "daemon/wire/allowedips.h"
#include "daemon/wire/card.h"
#include "daemon/wire/config.h"
#include "daemon/wire/filter.h"
#include "daemon/wire/rcu.h"

#include <stddef.h>
#include <stdint.h>

typedef struct WirePeer WirePeer; /* peer.h */

typedef struct {
    uint64_t              generation; /* of its plane: each has another, from 1 */
    uint16_t              listen_port;
    uint32_t              fwmark;
    size_t                n_peers;
    WireConfig           *config;      /* owned; nobody changes it any more */
    const WireAllowedIps *allowed_ips; /* the configuration's, as the next */
    const WireFilter     *filter;
    struct rcu_head       rcu;
} WireSnapshot;

/** WireSnapshotFindPeer: gives the WirePeer for a peer that the snapshot before does not have.
 * NULL: out of memory. Called once a peer. */
typedef WirePeer *(*WireSnapshotFindPeer)(const WirePeerSpec *spec, void *data);

/** wire_snapshot_new: @old: the one before, whose peers live on; NULL: none. All configurations of
 * one plane, and of no other, are given to it: see wire_config_claim().
 * Returns: 0; -ENOMEM: what @find_peer made is nobody's. Thread: control. */
MESH_CHECKED int wire_snapshot_new(const WireConfig *config, const WireSnapshot *old,
                                   WireSnapshotFindPeer find_peer, void *data,
                                   WireSnapshot **out_snapshot);

/** wire_snapshot_compare: calls @each for each peer that is not quite the same in both; NULL: not
 * there. */
void wire_snapshot_compare(const WireSnapshot *old, const WireSnapshot                 *news,
                           void (*each)(WireCard *was, WireCard *is, void *data), void *data);

/** wire_snapshot_find: by public key; NULL: none. Any reader. */
const WireCard *wire_snapshot_find(const WireSnapshot *self, const MeshKey *public_key);

/** wire_snapshot_get_peer: the same, its WirePeer. */
WirePeer *wire_snapshot_get_peer(const WireSnapshot *self, const MeshKey *public_key);

/** wire_snapshot_list_peers: calls @each for every peer. Any reader. */
void wire_snapshot_list_peers(const WireSnapshot *self, void (*each)(WirePeer *peer, void *data),
                              void               *data);

void wire_snapshot_free(WireSnapshot *self);   /* never published, or no readers; NULL is fine */
void wire_snapshot_retire(WireSnapshot *self); /* frees after a grace period; NULL is fine */
