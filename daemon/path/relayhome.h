/* daemon/path/relayhome.h: which of the relays is home, where peers look for us first, and which
 * the second (docs/PATHS.md §2): the nearest that takes new nodes and answers. A home stays until
 * it is lost, leaves, or another is clearly nearer. Thread: main loop. Inside of daemon/path. */
#pragma once

#include "daemon/path/relays.h"

/** path_relayhome_met: a relay answered after @rtt_us. Without a home the first to answer becomes
 * it.
 */
void path_relayhome_met(PathRelays *self, uint16_t relay, int64_t rtt_us);

/** path_relayhome_measured: all that answer were told by path_relayhome_met() now. */
void path_relayhome_measured(PathRelays *self);

/** path_relayhome_is_hopeful: a session at home is being asked for, and was not refused yet. */
bool path_relayhome_is_hopeful(PathRelays *self);

/** path_relayhome_get_home: Returns: false: no session at home. @out_seen: where the relay sees us.
 */
bool path_relayhome_get_home(PathRelays *self, uint16_t *out_id, MeshEndpoint *out_seen);

/** path_relayhome_list_homes: where peers may look for us, home first, then the second;
 * while the home does not answer, the one that is about to take its place. Returns: how many. */
size_t path_relayhome_list_homes(PathRelays *self, uint16_t out_ids[PATH_MAX_HOMES]);

/** path_relayhome_list: see path_list_relays(). */
size_t path_relayhome_list(PathRelays *self, PathRelayInfo out[PATH_MAX_RELAYS]);
