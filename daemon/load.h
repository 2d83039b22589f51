/* daemon/load.h: the networks that are on disk, those too whose keys cannot be read. Thread: main
 * loop. */
#pragma once

#include "daemon/networks.h"

bool meshd_load_all(MeshdNetworks *self, GError **error);
/* Its keys could not be read: it is there to be looked at, loaded again or left. */
bool meshd_load_is_damaged(MeshdEngine *engine);
bool meshd_load_check(MeshdEngine *engine, GError **error); /* false: it is damaged, and how */
/* Tries once more. Returns: the whole engine in its place, borrowed; NULL and @error: as before. */
MeshdEngine *meshd_load_again(MeshdNetworks *self, MeshdEngine *damaged, GError **error);
/* What the system refused to read of any network is tried again in a while, until it can be read.
 */
void meshd_load_watch(MeshdNetworks *self);
