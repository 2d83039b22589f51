/* daemon/shown.h: which peers of a network may look otherwise than they were shown last, so that
 * one change of a large map does not cost a look at all. Thread: main loop. */
#pragma once

#include "common/std/key.h"
#include "daemon/lock/verified.h"

#include <glib.h>
#include <stdbool.h>

typedef struct MeshdShown MeshdShown;

MeshdShown *meshd_shown_new(void);
void        meshd_shown_free(MeshdShown *self); /* NULL is fine */

/** meshd_shown_note: something but the map changed about the peer with this WireGuard key; NULL:
 * about any of them. */
void meshd_shown_note(MeshdShown *self, const MeshKey *wg);

/** meshd_shown_take: what is to be looked at again now that @map (NULL: nothing) is shown. Adds to
 * @changed peers of @map (const LockPeer *, borrowed; one may be there twice), and to @gone node
 * keys of those that are no more (MeshKey *, owned by it). Returns false, and adds nothing: look at
 * all. That is the rule with few peers, and once a minute with many, since a reason may change
 * without news. */
bool meshd_shown_take(MeshdShown *self, LockVerified *map, GPtrArray *changed, GPtrArray *gone);
