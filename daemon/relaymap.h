/* daemon/relaymap.h: the relays of one network as its server signed them: checks, finds addresses,
 * and hands them to whatever path there is. Thread: main loop. */
#pragma once

#include "common/proto/relaymap.h"
#include "daemon/path/path.h"
#include "daemon/profile.h"

typedef struct MeshdRelaymap MeshdRelaymap;

MeshdRelaymap *meshd_relaymap_new(const MeshdProfile *profile); /* borrows */
void           meshd_relaymap_free(MeshdRelaymap *self);

/** meshd_relaymap_take: what the server answered; a map that does not verify is left, with a
 * warning. Names are resolved in the background. */
void meshd_relaymap_take(MeshdRelaymap *self, const MeshRelayAnswer *answer);

/** meshd_relaymap_use: @path, borrowed until the next call, gets what is known, now and when there
 * is news. NULL: none any more. */
void meshd_relaymap_use(MeshdRelaymap *self, Path *path);
