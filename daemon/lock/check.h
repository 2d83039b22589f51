/* daemon/lock/check.h: opens what one peer brought, M, K and E: the work that costs signatures.
 * Inside of daemon/lock; pure values, any thread. What passed here is judged by peers.c. */
#pragma once

#include "common/proto/member.h"
#include "common/proto/record.h"
#include "common/proto/signed.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum { LOCK_CHECK_HASH_BYTES = 16 };

/* Of a body: the beginning of its SHA-256. */
typedef struct {
    uint8_t bytes[LOCK_CHECK_HASH_BYTES];
} LockHash;

typedef struct {
    MeshNetworkId net;
    MeshKey       server;
    GBytes       *proven; /* LockHash of bodies that verified in earlier runs, sorted; NULL: none */
    GBytes       *vouched; /* the same, of M that the server vouched for all at once; NULL: none */
    bool          later;   /* E shall wait where nothing else needs it: it is not opened */
} LockCheckRules;

enum { LOCK_CHECK_M = 1, LOCK_CHECK_K = 2, LOCK_CHECK_E = 4 };

/* One peer's objects and what came of them. */
typedef struct {
    uint32_t index;
    unsigned wants;       /* LOCK_CHECK_… to be opened; grows when M names another node, and loses
                           * an E that waits */
    bool        has_node; /* of the M that verified under this index before */
    MeshKey     node;     /* then of the M that did now */
    MeshSigned *m, *k, *e; /* owned references; e NULL: none */

    MeshMember  *member; /* owned; NULL: not asked, or it failed */
    MeshKey      wg;     /* of K */
    uint64_t     k_seq;
    bool         k_aes;     /* it lists MESH_RECORD_SUITE_AES */
    MeshRecordE *ephemeral; /* owned; NULL: not asked, or it failed: nobody asks why */
    LockHash     m_hash, k_hash;
    char        *m_why, *k_why; /* owned; NULL: not asked, or good */
} LockCheck;

LockHash lock_check_hash(const MeshSigned *object);
int      lock_check_compare_hashes(const void *a, const void *b);

void lock_check_open(LockCheck *self, const LockCheckRules *rules);
void lock_check_clear(LockCheck *self);
