/* daemon/lock/verified.h: a map whose every word was verified: the only map the engine accepts.
 *
 * Immutable and ref-counted; main loop only. Only lock_gate_verify() makes one. What is reached
 * through it lives as long as it does. */
#pragma once

#include "common/proto/acl.h"
#include "common/proto/member.h"
#include "common/proto/network.h"
#include "common/proto/record.h"
#include "common/std/ip.h"
#include "common/std/key.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define LOCK_MAX_ENDPOINTS 8 /* of a peer, that are used: static, local, observed */

typedef struct LockVerified LockVerified;

/* A peer that passed. Immutable: a map in which nothing of it changed has the very same one. */
typedef struct {
    uint32_t            index;
    bool                online; /* the server says so */
    MeshMember         *member; /* name, node key, addresses, prefixes, tags */
    MeshKey             wg;
    uint64_t            k_seq;
    bool                offers_aes;    /* the suite of docs/PROTOCOL.md §10 */
    uint64_t            e_seq;         /* 0: no valid E */
    size_t              n_endpoints;   /* at most LOCK_MAX_ENDPOINTS */
    MeshRecordEndpoint *endpoints;     /* those worth a try, best kind first; its own */
    char               *owner;         /* the server says so, see MeshPeer; the map's */
    uint32_t            last_seen;     /* the same: unix seconds; 0: online, or not known */
    bool                has_probe_key; /* this and the following: of E */
    MeshKey             probe_key;
    size_t              n_relays;
    uint16_t            relays[MESH_RECORD_MAX_RELAYS];
    MeshRecordRelay    *relay; /* that it keeps for others; NULL: none; its own */
    MeshEndpoint       *tcp;   /* where a router takes TCP for it; the same */
} LockPeer;

/* A peer that did not. */
typedef struct {
    uint32_t index;
    char     name[MESH_NETWORK_NAME_SIZE]; /* from M if that verified, else "#INDEX" */
    char    *reason;                       /* for people */
} LockLeftOut;

/* The part that is not peers. */
typedef struct {
    uint64_t          epoch, ver;
    MeshNetwork       network; /* ip4, ip6 are P's; name and server as the server told */
    MeshMember       *self;    /* own membership */
    const MeshAcl    *policy;  /* the last good one */
    const MeshAclRow *rows;    /* the policy, flat, for the data plane's filter */
    size_t            n_rows;
    bool              stale; /* from disk, or behind the tip of the connection */
    /* unix seconds by lock_gate_now() when a membership or an endpoint record ends next, or one
     * begins: verify the same map again then. INT64_MAX: never. */
    int64_t     next_change;
    const char *policy_error; /* why the newest P was not taken; NULL: it was */
    size_t      n_waiting;    /* peers that are not there because nobody has verified them yet */
    size_t      n_unheard;    /* peers that are, but whose newest endpoints nobody has verified */
} LockVerifiedHead;

LockVerified *lock_verified_ref(LockVerified *self);
void          lock_verified_unref(LockVerified *self); /* NULL is fine */

const LockVerifiedHead *lock_verified_get_head(const LockVerified *self);

/* Peers in the order of their index. */
size_t          lock_verified_count(const LockVerified *self);
const LockPeer *lock_verified_get_peer(const LockVerified *self, size_t at);

/* NULL: none. */
const LockPeer *lock_verified_find_index(const LockVerified *self, uint32_t index);
const LockPeer *lock_verified_find_node(const LockVerified *self, const MeshKey *node);
const LockPeer *lock_verified_find_wg(const LockVerified *self, const MeshKey *wg);
const LockPeer *lock_verified_find_name(const LockVerified *self, const char *name);
const LockPeer *lock_verified_find_addr(const LockVerified *self, const MeshAddr *addr);

/* Would the data plane, the host's addresses and the names be the same under both? */
bool lock_verified_is_alike(const LockVerified *a, const LockVerified *b);

/* Who was left out, and why; borrowed. */
const LockLeftOut *lock_verified_get_left_out(const LockVerified *self, size_t *out_count);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LockVerified, lock_verified_unref)
