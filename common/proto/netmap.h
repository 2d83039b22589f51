/* common/proto/netmap.h: the map of one network as a node received it: unverified objects and a
 * cursor. Applies lines, saves and loads itself.
 *
 * Plain object, one thread at a time. Nothing in it may be trusted before daemon/lock/gate.h made a
 * LockVerified of it, which has the lookups by node key, name and address. */
#pragma once

#include "common/proto/mapline.h"
#include "common/proto/network.h"
#include "common/proto/reqsign.h"
#include "common/proto/signed.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define MESH_NETMAP_MAX_PEERS 65536

typedef struct MeshNetmap MeshNetmap;

/* All that is not peers. Borrowed from the map. */
typedef struct {
    uint64_t    epoch, ver; /* the cursor; 0.0: nothing yet */
    bool        has_network;
    MeshNetwork network;
    MeshSigned *m, *p;     /* own membership, policy; NULL: none yet */
    MeshSigned *tip;       /* hello's, of the connection in use; NULL: the map is from disk */
    MeshNonce   nonce;     /* of the request that brought it */
    MeshSigned *delta_tip; /* of the newest delta of this connection; NULL: none */
    MeshSigned *set;       /* of the snapshot that the peers are of, unchanged since; NULL: none */
} MeshNetmapHead;

/* What a line did. */
typedef enum {
    MESH_NETMAP_NOTHING,  /* not about the map, already known, or part of an unfinished snapshot */
    MESH_NETMAP_CHANGED,  /* membership, policy or peers changed; the cursor may have moved */
    MESH_NETMAP_PRESENCE, /* only endpoints or presence changed */
    MESH_NETMAP_GAP,      /* a delta does not fit: ask again with cursor 0.0 */
} MeshNetmapChange;

MeshNetmap *mesh_netmap_new(void);
MeshNetmap *mesh_netmap_copy(const MeshNetmap *self); /* the signed objects are shared */
void        mesh_netmap_free(MeshNetmap *self);       /* NULL is fine */

const MeshNetmapHead *mesh_netmap_get_head(const MeshNetmap *self);

/* The nonce of the request whose answer follows; forgets an unfinished snapshot and the old tip. */
void mesh_netmap_begin(MeshNetmap *self, const MeshNonce *nonce);

/* Takes one line in. On error (MESH_ERROR_BAD_ANSWER) the map is as it was before the line. */
bool mesh_netmap_apply(MeshNetmap *self, const MeshMapline *line, MeshNetmapChange *out_change,
                       GError **error);

/* Peers in the order of their index; @at 0 … count-1. */
size_t          mesh_netmap_count(const MeshNetmap *self);
const MeshPeer *mesh_netmap_get_peer(const MeshNetmap *self, size_t at);
const MeshPeer *mesh_netmap_find_peer(const MeshNetmap *self, uint32_t index); /* NULL: none */

/* The nodes that deltas named as gone since the map was made, and the serials from which on they
 * might come back: floors for the gate. Borrowed; @out_count. */
const MeshGone *mesh_netmap_get_gone(const MeshNetmap *self, size_t *out_count);

/* The disk cache: lines of JSON, presence and tip left out. Owned text. */
char *mesh_netmap_encode(const MeshNetmap *self, size_t *out_len);

/* The same back; NULL: MESH_ERROR_BAD_JSON. */
MeshNetmap *mesh_netmap_decode(const char *text, size_t len, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(MeshNetmap, mesh_netmap_free)
