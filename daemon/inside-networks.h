/* daemon/inside-networks.h: the inside of MeshdNetworks, for networks.c (which owns it), join.c,
 * load.c and host.c. */
#pragma once

#include "daemon/clocks.h"
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
    MeshdClocks        *clocks;
    char               *seen;  /* meshd_host_describe() of last time */
    unsigned            again; /* timer of meshd_load_watch(); 0: none */
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

/* ---- join.c ---- */

/* Keys of a join whose answer got lost are kept that long (docs/PROTOCOL.md §5). */
#define MESHD_JOIN_KEEP_S (24 * 3600)

/* @list: NULL-terminated. False: @profile is as it was. */
bool meshd_join_read_endpoints(MeshdProfile *profile, const char *const *list, GError **error);
