/* daemon/lock/compare.h: verified maps beside each other, and in order; part of verified.h. */
#pragma once

#include "daemon/lock/verified.h"

#include <glib.h>

/* The first address of a peer that is not before @addr (families by number, bytes as numbers), and
 * whose it is. NULL: there is none. */
const LockPeer *lock_verified_find_addr_from(const LockVerified *self, const MeshAddr *addr,
                                             MeshAddr *out_addr);

/* What differs: adds to @gone those of @before (NULL: no peers) that @now has not, and to @added
 * the other way round; borrowed, by index. Who changed is in both. O(peers), a comparison of
 * pointers each. */
void lock_verified_compare(const LockVerified *before, const LockVerified *now, GPtrArray *gone,
                           GPtrArray *added);

/* Is the policy, flat, the same? */
bool lock_verified_has_same_rows(const LockVerified *a, const LockVerified *b);
