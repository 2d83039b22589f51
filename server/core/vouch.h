/* server/core/vouch.h: the statement over all memberships of a snapshot (docs/PROTOCOL.md §4,
 * "set"), which spares a node a signature for each peer. Control thread only. */
#pragma once

#include "common/proto/signed.h"
#include "server/core/model.h"

#include <stdbool.h>

/* Over the peers that @viewer's snapshot has at this moment. Owned; NULL: they are few, or of some
 * it is not known yet that this server's key signed their M: the statement must not make good what
 * somebody wrote into the database. Verifies a bounded number of them in each call. */
MeshSigned *core_vouch_sign(const CoreNode *viewer);

/* @node has another row: an M that this process signed needs no look. */
void core_vouch_take(CoreNode *node);

/* Looks at those of @network that came from the database, @budget signatures of them at most, which
 * counts down. True: there are no more. */
bool core_vouch_look(CoreNetwork *network, unsigned *budget);
