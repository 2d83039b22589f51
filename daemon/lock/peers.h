/* daemon/lock/peers.h: judges one peer at a time: M, K and E. Inside of daemon/lock; main loop
 * only.
 *
 * What was opened once, with good or bad end, is remembered by index and bytes, and so is who
 * passed, so that a delta costs only what changed. Opening costs signatures: a few peers are opened
 * at once, many are left waiting, listed for a LockWork, and judged when that has come back.
 * Conflicts between peers are gate.c's business. */
#pragma once

#include "common/proto/acl.h"
#include "common/proto/mapline.h"
#include "common/proto/netmap.h"
#include "daemon/lock/check.h"
#include "daemon/lock/floors.h"
#include "daemon/lock/verified.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct LockPeers LockPeers;

/* What a peer is judged by; all borrowed. */
typedef struct {
    const MeshAcl        *policy;  /* net4, net6 */
    const GArray         *foreign; /* of MeshPrefix: other networks' */
    LockFloors           *floors;
    int64_t               now; /* unix seconds */
    const LockCheckRules *check;
    unsigned             *left; /* how many peers may still be opened at once; counts down */
} LockPeersRules;

LockPeers *lock_peers_new(void);
void       lock_peers_free(LockPeers *self); /* NULL is fine */

typedef struct {
    const LockPeer *peer; /* of one that passed, else NULL; a reference that the caller drops */
    char            name[MESH_NETWORK_NAME_SIZE]; /* "" until M verified */
    int64_t         next_change; /* when this judgement ends by time alone; INT64_MAX: never */
    bool            e_waits;     /* it passed, but its newest endpoints were not opened yet */
} LockVerdict;

typedef enum {
    LOCK_PEERS_PASSED,
    LOCK_PEERS_REFUSED,
    LOCK_PEERS_WAITING, /* its M or K was not opened yet: it is not there */
} LockPeersEnd;

/* Before the peers of a map are judged one after the other: what they are judged by may have
 * changed. Who passed before, and of whom nothing changed since, passes as the same LockPeer. */
void lock_peers_begin(LockPeers *self, const LockPeersRules *rules);

/* The floors are other ones from here on: nobody passes because of those before. */
void lock_peers_renew_floors(LockPeers *self);

/* REFUSED: left out, @error says why; @out->name and @out->next_change count then too. */
LockPeersEnd lock_peers_judge(LockPeers *self, const LockPeersRules *rules, const MeshPeer *peer,
                              LockVerdict *out, GError **error);

/* Up to @max peers of @map with something not opened yet, those first that cannot be used without,
 * and of them those that are online. Owned, of LockCheck; may be empty. */
GArray *lock_peers_list_work(LockPeers *self, const MeshNetmap *map, size_t max);

/* What came of opening @check; takes what it needs out of it. */
void lock_peers_take(LockPeers *self, LockCheck *check);

/* Addresses inside the policy's prefixes? Own membership is judged by it too. */
bool lock_peers_check_addresses(const MeshAcl *policy, const MeshMember *member, GError **error);
