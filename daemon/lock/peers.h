/* daemon/lock/peers.h: judges one peer at a time: M, K and E. Inside of daemon/lock; main loop
 * only.
 *
 * What verified once is remembered by index and bytes, so that a delta costs only what changed.
 * Conflicts between peers are gate.c's business. */
#pragma once

#include "common/proto/acl.h"
#include "common/proto/mapline.h"
#include "common/proto/netmap.h"
#include "daemon/lock/floors.h"
#include "daemon/lock/verified.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct LockPeers LockPeers;

/* What a peer is judged by; all borrowed. */
typedef struct {
    const MeshNetworkId *net;
    const MeshKey       *server;
    const MeshAcl       *policy;  /* net4, net6 */
    const GArray        *foreign; /* of MeshPrefix: other networks' */
    LockFloors          *floors;
    int64_t              now; /* unix seconds */
} LockPeersRules;

LockPeers *lock_peers_new(void);
void       lock_peers_free(LockPeers *self); /* NULL is fine */

/* peer.member is a reference that the caller drops. */
typedef struct {
    LockPeer peer;
    char     name[MESH_NETWORK_NAME_SIZE]; /* "" until M verified */
    int64_t  next_change; /* when this judgement ends by time alone; INT64_MAX: never */
} LockVerdict;

/* False: left out, @error says why; @out->name and @out->next_change count then too. */
bool lock_peers_judge(LockPeers *self, const LockPeersRules *rules, const MeshPeer *peer,
                      LockVerdict *out, GError **error);

/* Addresses inside the policy's prefixes? Own membership is judged by it too. */
bool lock_peers_check_addresses(const MeshAcl *policy, const MeshMember *member, GError **error);
