/* daemon/path/tech-nat64.h: the way of a host without IPv4 to those that have nothing else: finds
 * the prefix of a NAT64 (RFC 7050), and where that NAT shows our UDP port to the IPv4 internet
 * (STUN).
 *
 * Asked only while the host has IPv6 and no IPv4. Thread: main loop. Inside of daemon/path. */
#pragma once

#include "common/codec/probe.h"
#include "daemon/path/path.h"
#include "daemon/path/prefix64.h"
#include "daemon/wire/plane.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct PathNat64 PathNat64;

/* @changed: prefix or our place is another; never from inside a call. */
PathNat64 *path_nat64_new(WirePlane *plane, void (*changed)(void *user_data), void *user_data);
void       path_nat64_free(PathNat64 *self); /* NULL is fine */

/** path_nat64_set_host: @wanted: IPv6 and no IPv4. @news: the host's network changed: looked for
 * anew; what was found counts until then. */
void path_nat64_set_host(PathNat64 *self, bool wanted, bool news);

/** path_nat64_announce: a router announced @prefix (RFC 8781), which counts instead of what DNS
 * says; bits 0: none does. */
void path_nat64_announce(PathNat64 *self, const MeshPrefix *prefix);

/** path_nat64_set_relays: whose STUN may be asked; copies. */
void path_nat64_set_relays(PathNat64 *self, const PathRelay *relays, size_t n_relays);

/** path_nat64_get_prefix: never NULL; bits 0: none is known, or needed. */
const PathPrefix64 *path_nat64_get_prefix(const PathNat64 *self);

/** path_nat64_get_seen: our UDP port as the IPv4 internet sees it. @out_nat: what the NAT64 does
 * with other destinations. False: not known. */
bool path_nat64_get_seen(const PathNat64 *self, MeshEndpoint *out_seen, MeshProbeNat *out_nat);

/** path_nat64_ask: it is about to be told: asks again, unless that was done just now. */
void path_nat64_ask(PathNat64 *self);

/** path_nat64_take: Returns: false: not an answer to us. */
bool path_nat64_take(PathNat64 *self, const WireEvent *event);
