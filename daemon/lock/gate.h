/* daemon/lock/gate.h: the one way of a map into the engine (docs/PROTOCOL.md §4, "What a node
 * checks"). Front door of the folder, with verified.h.
 *
 * One gate per network; main loop only. It fails closed: what does not verify is not there. It
 * keeps the floors below which nothing may fall (epoch, ver, policy version, serial and seq per
 * node, tombstones, the server's time); the caller stores them beside the node key. Verified
 * objects are remembered by their bytes, so that a delta costs only what changed. */
#pragma once

#include "common/proto/netmap.h"
#include "common/proto/network.h"
#include "common/std/ip.h"
#include "common/std/key.h"
#include "daemon/lock/gatetime.h"
#include "daemon/lock/verified.h"
#include "daemon/lock/work.h"

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* @server: the Ed25519 key of the join link. @node: own node key. */
LockGate *lock_gate_new(const MeshNetworkId *net, const MeshKey *server, const MeshKey *node);
void      lock_gate_free(LockGate *self); /* NULL is fine */

/* Own WireGuard public key: no peer may have it. Before the first verify, and when it changes. */
void lock_gate_set_wg(LockGate *self, const MeshKey *wg);

/* Prefixes of the other joined networks: endpoints inside them are dropped (copied). */
void lock_gate_set_foreign(LockGate *self, const MeshPrefix *prefixes, size_t n_prefixes);

/* Verifies the whole @map and moves the floors. Peers that fail are left out and listed.
 * Returns: owned; NULL: nothing of the map may be used (signature of tip, policy or own membership,
 * rollback, wrong nonce); the engine then keeps what it has. MESH_ERROR_UNVERIFIED, _ROLLBACK,
 * _EXPIRED (own membership), _BAD_JSON, _BAD_ANSWER (map without policy or membership). */
LockVerified *lock_gate_verify(LockGate *self, const MeshNetmap *map, GError **error);

enum { LOCK_GATE_AT_ONCE = 64 }; /* peers that lock_gate_verify() itself opens: some 10 ms */

/* Of a map with more news than that the other peers wait (head.n_waiting, n_unheard): up to @max of
 * them as work for a thread. NULL: none wait. lock_gate_put_work() takes it back when it has run;
 * then the map is verified again. */
LockWork *lock_gate_take_work(LockGate *self, const MeshNetmap *map, size_t max);
void      lock_gate_put_work(LockGate *self, LockWork *work); /* frees it */

/* Own membership as register answered it: signature, node and serial are checked as in a map; its
 * time only once a tip has told the server's. Owned; NULL and @error. */
MeshMember *lock_gate_open_member(LockGate *self, MeshSigned *m, GError **error);

/* Tells the gate what runs in the data plane now (NULL: nothing): of two peers that claim the same
 * key or address, the one that runs stays. */
void lock_gate_set_running(LockGate *self, LockVerified *running); /* refs */

/* The floors as JSON, to be stored after the map that they stem from; owned text. Changed since the
 * last encode or load? */
char *lock_gate_encode_floors(LockGate *self, size_t *out_len);
bool  lock_gate_floors_changed(const LockGate *self);

/* Stored floors back, before the first verify. False: MESH_ERROR_STATE; the caller must not go on
 * without them for a network that had some. */
bool lock_gate_load_floors(LockGate *self, const char *text, size_t len, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LockGate, lock_gate_free)
