/* daemon/host.h: this host as its networks see it: what they must not share, its addresses and ways
 * out, and news of them. Thread: main loop. */
#pragma once

#include "daemon/networks.h"

/* See MeshdEngineHost. */
char *meshd_host_find_clash(MeshdEngine *engine, const MeshPrefix *prefix, void *user_data);
/* Tells one network, or all, the host's addresses and the others' prefixes; @kick: see
 * meshd_engine_set_host(). */
void meshd_host_tell(MeshdNetworks *self, MeshdEngine *engine, bool kick);
void meshd_host_tell_all(MeshdNetworks *self, bool kick);
/* That whose change makes a new start worth while: our addresses, and the ways out. Owned text. */
char *meshd_host_describe(MeshdNetworks *self);
/* Links, addresses or routes changed; @user_data: the networks. */
void meshd_host_changed(void *user_data);
/* Is there an interface of that name, or will there be one of ours? */
bool meshd_host_is_taken(MeshdNetworks *self, const char *ifname);
