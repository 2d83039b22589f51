/* daemon/portmap.h: an engine's UDP port at the home router; for engine.c, membership.c and view.c.
 * Thread: main loop. */
#pragma once

#include "common/std/ip.h"
#include "daemon/engine.h"

/* Asks the router for what the profile, our port and the host say now; while nothing runs nothing
 * is asked. */
void meshd_portmap_follow(MeshdEngine *self);
/* The network changed or the computer slept. */
void meshd_portmap_ask_again(MeshdEngine *self);
/* Gives the port back. */
void meshd_portmap_stop(MeshdEngine *self);
/* See path_portmap_get_state() and path_portmap_get(). */
const char  *meshd_portmap_get_state(const MeshdEngine *self, const char **out_why);
MeshEndpoint meshd_portmap_get(const MeshdEngine *self);
