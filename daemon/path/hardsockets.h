/* daemon/path/hardsockets.h: the sockets that are opened for one search through a hard NAT: each
 * gets a mapping of its own there (docs/PATHS.md §5). IPv4, bound to any port.
 *
 * Thread: main loop. Inside of daemon/path: hardnat.c has one set for each search. */
#pragma once

#include "daemon/wire/plane.h"

#include <stddef.h>
#include <stdint.h>

typedef struct PathHardsockets PathHardsockets;

/* A datagram came to socket @at: its bytes, where it came from as endpoint and way. May close the
 * set. */
typedef void (*PathHardsocketsGot)(size_t at, WireEvent *event, void *user_data);

/** path_hardsockets_new: @fwmark: so that they go out where the data plane's do; 0: none. */
PathHardsockets *path_hardsockets_new(uint32_t fwmark, PathHardsocketsGot got, void *user_data);
void             path_hardsockets_free(PathHardsockets *self); /* closes what is left */

/** path_hardsockets_open: one more. Returns: 0; -ENOSPC: PATH_HARDPORTS_MAX_SOCKETS are open; or
 * what the kernel says. */
int    path_hardsockets_open(PathHardsockets *self);
size_t path_hardsockets_count(const PathHardsockets *self); /* opened so far */

/** path_hardsockets_send: by socket @at; @ttl: hops, 0: as many as usual. Returns: 0; -EBADF: no
 * such socket; or what the kernel says. */
int path_hardsockets_send(PathHardsockets *self, size_t at, const MeshEndpoint *to, uint8_t ttl,
                          MeshSpan bytes);

/** path_hardsockets_get: its descriptor, still ours; -1: none. */
int path_hardsockets_get(const PathHardsockets *self, size_t at);

/** path_hardsockets_let_go: it is another's now: it is neither watched nor closed any more. */
void path_hardsockets_let_go(PathHardsockets *self, size_t at);
