/* daemon/inside-networks.h: the inside of MeshdNetworks, for networks.c (which owns it), host.c and
 * join.c. */
#pragma once

#include "daemon/networks.h"

struct MeshdNetworks {
    MeshdState         *state;
    Net                *net;
    DnsHostdns         *hostdns;
    GPtrArray          *engines; /* owned; joined networks and joins under way */
    GPtrArray          *hidden;  /* borrowed engines whose join is under way: nobody sees them */
    MeshdEngineHost     host;    /* what the engines borrow */
    MeshdNetworksEvents events;
    void               *user_data;
    char               *seen; /* meshd_host_describe() of last time */
    bool                stopping;
};

/* ---- networks.c ---- */

MeshdProfile *meshd_networks_get_profile(MeshdNetworks *self, unsigned i); /* borrowed */
bool          meshd_networks_is_hidden(MeshdNetworks *self, MeshdEngine *engine);
/* Borrowed, hidden or not; NULL: none. */
MeshdEngine *meshd_networks_find_id(MeshdNetworks *self, const MeshNetworkId *id);
/* Takes @profile; borrowed. */
MeshdEngine *meshd_networks_add(MeshdNetworks *self, MeshdProfile *profile);
/* Frees @engine, and tells of it if it was @visible. */
void meshd_networks_drop(MeshdNetworks *self, MeshdEngine *engine, bool visible);

/* ---- host.c: this host as its networks see it ---- */

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

/* ---- join.c ---- */

/* Keys of a join whose answer got lost are kept that long (docs/PROTOCOL.md §5). */
#define MESHD_JOIN_KEEP_S (24 * 3600)

/* @list: NULL-terminated. False: @profile is as it was. */
bool meshd_join_read_endpoints(MeshdProfile *profile, const char *const *list, GError **error);
