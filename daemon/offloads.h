/* daemon/offloads.h: super-packets between kernel and data plane: what the owner of this host
 * wishes of them, for all networks. Thread: main loop. */
#pragma once

#include "daemon/wire/plane.h"

#include <stdbool.h>

/** meshd_offloads_choose: "auto", "on" or "off"; NULL: as before (auto). Before the first network
 * goes up. @host: towards this host (TSO, USO); @gso: towards the network (UDP GSO, GRO). Returns:
 * false: one of them is another word. */
bool meshd_offloads_choose(const char *host, const char *gso);

/** meshd_offloads_wish: into @options. */
void meshd_offloads_wish(WirePlaneOptions *options);
