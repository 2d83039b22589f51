/* daemon/path/lifetime.h: how long the NAT before this host keeps a mapping that is silent, and so
 * how seldom the session at the relay has to be kept open (docs/PATHS.md §3).
 *
 * Found as RFC 5780 §4.6 says: a socket asks the relay's STUN, then is silent; another asks with
 * RESPONSE-PORT for an answer to the first one's port. If it comes, the mapping was there. Three
 * silences at once, on sockets of their own: the session itself is never put at risk.
 * Thread: main loop. Inside of daemon/path. */
#pragma once

#include "common/std/ip.h"

#define PATH_LIFETIME_UNKNOWN_MS 25000u /* shorter than any router's in use forgets */

typedef struct PathLifetime PathLifetime;

/** PathLifetimeBounds: of the silence that a mapping stands. */
typedef struct {
    unsigned kept_s; /* so long it was kept; 0: not known yet */
    unsigned lost_s; /* after so long it was gone; 0: it was not, or that is not known yet */
} PathLifetimeBounds;

PathLifetime *path_lifetime_new(void);
void          path_lifetime_free(PathLifetime *self); /* NULL is fine */

/** path_lifetime_begin: finds it at the STUN port @stun, where we are seen at @seen; nothing if it
 * was found there, or is being looked for. */
void path_lifetime_begin(PathLifetime *self, const MeshEndpoint *stun, const MeshEndpoint *seen);

/** path_lifetime_forget: it may be another network. */
void path_lifetime_forget(PathLifetime *self);

/** path_lifetime_get_bounds: what was found so far. */
PathLifetimeBounds path_lifetime_get_bounds(const PathLifetime *self);

/** path_lifetime_get_ms: a silence that is safe; PATH_LIFETIME_UNKNOWN_MS until more is known. */
unsigned path_lifetime_get_ms(const PathLifetime *self);
