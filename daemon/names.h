/* daemon/names.h: DNS of one running network: its zone from the verified map, its resolver, and
 * this host pointed at it. What goes wrong is shown and makes no network fail. Thread: main loop.
 */
#pragma once

#include "daemon/dns/hostdns.h"
#include "daemon/lock/verified.h"
#include "daemon/profile.h"

#include <stdbool.h>

typedef struct MeshdNames MeshdNames;

/** meshd_names_new: both borrowed; @hostdns NULL: this host cannot be pointed anywhere. */
MeshdNames *meshd_names_new(DnsHostdns *hostdns, const MeshdProfile *profile);
void        meshd_names_free(MeshdNames *self); /* undoes; NULL is fine */

/** meshd_names_apply: answers for @map on this node's addresses and points the host there; or, if
 * the profile says so, does neither, or the first alone. @ip4, @ip6: families that this host uses
 * in the network. Idempotent. */
void meshd_names_apply(MeshdNames *self, LockVerified *map, bool ip4, bool ip6);
void meshd_names_undo(MeshdNames *self);

/** meshd_names_get_servers: where the resolver answers; @out_n 0: it does not. Borrowed until the
 * next apply or undo, as is what meshd_names_get_suffix() gives ("": it does not). */
const MeshAddr *meshd_names_get_servers(MeshdNames *self, size_t *out_n);
const char     *meshd_names_get_suffix(MeshdNames *self);

/** meshd_names_get_state: as on D-Bus; @out_why: what there is to say about it, "" if nothing;
 * borrowed until the main loop runs. */
const char *meshd_names_get_state(MeshdNames *self, const char **out_why);
