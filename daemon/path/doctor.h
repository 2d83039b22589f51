/* daemon/path/doctor.h: says what stands before this host, and why a peer is reached as it is.
 * Beside path.h a door of the folder. Thread: main loop. */
#pragma once

#include "daemon/path/lifetime.h"
#include "daemon/path/netcheck.h"
#include "daemon/path/path.h"
#include "daemon/path/why.h"

/** PathWhy: texts for people, owned. */
typedef struct {
    PathInfo     path;
    PathWhyWords words;
    const char  *own_nat; /* path_natclass_name() */
    const char  *peer_nat;
    PathPolicy   policy;
} PathWhy;

const char *path_kind_name(PathKind kind); /* "none", "idle", "connecting", "relay", "peer-relay",
                                            * "direct-tcp", "direct" */

/** path_get_link: what is behind a link of the data plane's: a relay, one that a node keeps, or TCP
 * straight to a peer, at *@out_at. Returns: the relay's name, or that of the node that keeps it;
 * borrowed; "": none, or it is gone. */
const char *path_get_link(Path *self, uint8_t link, PathKind *out_kind, MeshEndpoint *out_at);

PathNetcheck *path_get_netcheck(Path *self); /* borrowed */
bool          path_has_hard_nat(Path *self); /* see PathWishes */

/** path_get_rtt: µs, of the direct way when it was last measured; 0: not known, or no such peer. */
int64_t path_get_rtt(Path *self, const MeshKey *peer);

/** path_get_lifetime: of mappings of the NAT or firewall before this host. */
PathLifetimeBounds path_get_lifetime(Path *self);

/** path_list_relays: the relays of the map, and which of them we use. Returns: how many. */
size_t path_list_relays(Path *self, PathRelayInfo out[PATH_MAX_RELAYS]);

/** path_doctor_explain: @policy: as the map has it. Returns false for an unknown peer; else end
 * @out with path_doctor_clear(). */
bool path_doctor_explain(Path *self, const MeshKey *peer, PathPolicy policy, PathWhy *out);
void path_doctor_clear(PathWhy *why);
