/* daemon/portmap.h: an engine's port at the home router, for UDP and, while peers would come by it,
 * for TCP, over IPv4 and through a firewall of IPv6; for engine.c, membership.c and view.c. Thread:
 * main loop. */
#pragma once

#include "common/std/ip.h"
#include "daemon/engine.h"
#include "daemon/inside.h"

/* Asks the router for what the profile, our port, the host and the peers say now; while nothing
 * runs nothing is asked. */
void meshd_portmap_follow(MeshdEngine *self);
/* The network changed or the computer slept. */
void meshd_portmap_ask_again(MeshdEngine *self);
/* Gives the ports back. */
void meshd_portmap_stop(MeshdEngine *self);
/* See path_portmap_get_state() and path_portmap_get(). */
const char  *meshd_portmap_get_state(const MeshdEngine *self, MeshdPortmapKind kind,
                                     const char **out_why);
MeshEndpoint meshd_portmap_get(const MeshdEngine *self, MeshdPortmapKind kind);
