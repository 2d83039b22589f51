/* daemon/path/upnp-child.h: what tech-upnp.c and its processes say to each other; inside
 * daemon/path only. One datagram of a socket pair each, of one build, so plain structs. */
#pragma once

#include "daemon/path/tech-upnp.h"

typedef struct {
    uint32_t    number;
    PathUpnpJob job;
} PathUpnpRequest;

typedef struct {
    uint32_t       number; /* of the request; written by the server, not the worker */
    PathUpnpAnswer answer;
} PathUpnpReply;

/** path_upnp_child_serve: the server's whole life; ends the process when @fd is at its end. */
_Noreturn void path_upnp_child_serve(int fd);

/** path_upnp_child_work: one job, with miniupnpc; may not come back in time, or at all. */
void path_upnp_child_work(const PathUpnpJob *job, PathUpnpAnswer *out_answer);
