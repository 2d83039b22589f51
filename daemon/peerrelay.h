/* daemon/peerrelay.h: the relay that this host keeps for the other nodes of an engine's network,
 * when its owner wishes (docs/PATHS.md §9); for engine.c, membership.c and view.c.
 *
 * Thread: main loop; the relay moves packets in threads of its own. */
#pragma once

#include "common/proto/record.h"
#include "daemon/engine.h"

typedef struct MeshdPeerRelay MeshdPeerRelay;

/** meshd_peerrelay_follow: starts, moves or ends the relay as the profile says, and ends the
 * sessions of nodes that have left the map. While the network is down there is none. */
void meshd_peerrelay_follow(MeshdEngine *self);
void meshd_peerrelay_stop(MeshdEngine *self);

/** meshd_peerrelay_get: what our record E says of it; port 0: there is none. */
MeshRecordRelay meshd_peerrelay_get(const MeshdEngine *self);

/** meshd_peerrelay_get_state: "off", "on", "failed". @out_why: borrowed; what is wrong, or "". */
const char *meshd_peerrelay_get_state(const MeshdEngine *self, const char **out_why);
