/* daemon/lock/vouched.h: the memberships that the server's statement over a snapshot proves all at
 * once (docs/PROTOCOL.md §4, "set"). Inside of daemon/lock; main loop only. */
#pragma once

#include "common/proto/netmap.h"
#include "common/std/key.h"

#include <glib.h>

/* LockHash of the M of all peers of @map, sorted, as LockCheckRules wants them. Owned; NULL: there
 * is no statement, or it does not prove these very bodies; then each M is verified for itself. */
GBytes *lock_vouched_list(const MeshNetmap *map, const MeshNetworkId *net, const MeshKey *server);
