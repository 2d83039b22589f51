/* daemon/lock/lookup.h: the peers of one map in the orders in which they are looked up. Inside of
 * daemon/lock; main loop only.
 *
 * Immutable; made from that of the map before by what differs, so that one change of ten thousand
 * peers costs a few searches and a copy of pointers. */
#pragma once

#include "daemon/lock/verified.h"

#include <glib.h>
#include <stdbool.h>

typedef struct LockLookup LockLookup;

/* @base (NULL: an empty one) without @gone and with @added; both of const LockPeer *, borrowed as
 * all peers here are. A peer whose index stays and whose content changes is in both. */
LockLookup *lock_lookup_new(const LockLookup *base, const GPtrArray *gone, const GPtrArray *added);
void        lock_lookup_free(LockLookup *self); /* NULL is fine */

/* NULL: none. Of several with one name that with the lowest index. */
const LockPeer *lock_lookup_find_node(const LockLookup *self, const MeshKey *node);
const LockPeer *lock_lookup_find_wg(const LockLookup *self, const MeshKey *wg);
const LockPeer *lock_lookup_find_name(const LockLookup *self, const char *name);
const LockPeer *lock_lookup_find_addr(const LockLookup *self, const MeshAddr *addr);

/* The first address that is not before @addr (families by number, bytes as numbers), and whose it
 * is. NULL: there is none. */
const LockPeer *lock_lookup_find_addr_from(const LockLookup *self, const MeshAddr *addr,
                                           MeshAddr *out_addr);

/* Does another peer have the node key, the WireGuard key or an address of @peer? */
bool lock_lookup_is_shared(const LockLookup *self, const LockPeer *peer);
