/* daemon/lock/floors.h: what a network may never fall below again: epoch, versions, serials,
 * sequence numbers, tombstones and the server's time. Inside of daemon/lock; main loop only.
 *
 * The take functions refuse what is below a floor, else raise it: "seen" is enough, used or not. */
#pragma once

#include "common/proto/member.h"
#include "common/proto/netmap.h"
#include "common/proto/record.h"
#include "common/proto/tip.h"
#include "daemon/lock/check.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    LOCK_FLOORS_MAX_NODES = 262144, /* members and tombstones of one network */
};

/* Of one node. A hash is of the body that had this serial or seq; all zero: none seen. */
typedef struct {
    MeshKey  node;
    uint64_t serial, k_seq;
    uint64_t gone;   /* removed with this serial; 0: never */
    uint64_t e_seq;  /* in memory alone: E lives a day */
    unsigned moves;  /* the same: how often anything but e_seq was raised */
    bool     listed; /* in LockFloors.moved */
    LockHash m_hash, k_hash;
} LockFloor;

typedef struct {
    MeshNetworkId net;
    uint64_t      map_epoch, map_ver; /* highest map used */
    uint64_t      tip_epoch, tip_ver; /* highest tip seen */
    uint64_t      pver;
    MeshSigned   *policy; /* the last good P; NULL: none */
    int64_t       time;   /* of the last verified tip, when the boot clock was time_boot_ms */
    int64_t       time_boot_ms;
    bool          heard;                  /* a tip with our nonce came, in this run */
    int64_t       heard_s, heard_boot_ms; /* server's time in it, and when it came */
    GHashTable   *nodes;                  /* MeshKey inside the value → owned LockFloor */
    bool          changed;
    /* since they were stored: */
    bool       policy_moved;
    GPtrArray *moved; /* LockFloor, borrowed of nodes */
} LockFloors;

LockFloors *lock_floors_new(const MeshNetworkId *net);
void        lock_floors_free(LockFloors *self); /* NULL is fine */

/* Unix seconds; see lock_gate_now(). */
int64_t lock_floors_now(const LockFloors *self);

bool lock_floors_take_tip(LockFloors *self, const MeshTip *tip, GError **error);
bool lock_floors_take_map(LockFloors *self, const MeshNetmapHead *head, GError **error);
/* @hash: of the body of M, of K; it verified. */
bool lock_floors_take_member(LockFloors *self, const MeshMember *member, const LockHash *hash,
                             GError **error);
bool lock_floors_take_k(LockFloors *self, const MeshKey *node, uint64_t seq, const LockHash *hash,
                        GError **error);
void lock_floors_take_gone(LockFloors *self, const MeshGone *gone);

/* A P that verified and can be used. False: MESH_ERROR_ROLLBACK. */
bool lock_floors_take_policy(LockFloors *self, uint64_t ver, MeshSigned *p, GError **error);

/* They are stored, or will be: nothing has changed from here on. */
void lock_floors_note_stored(LockFloors *self);

/* Of @node; NULL: none yet. */
LockFloor *lock_floors_find(LockFloors *self, const MeshKey *node);

/* The bodies that verified, as LockCheckRules wants them. Owned. */
GBytes *lock_floors_list_proven(const LockFloors *self);
