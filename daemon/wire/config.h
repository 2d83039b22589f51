/* daemon/wire/config.h: what the data plane is told: port, peers, allowed IPs, filter rows.
 *
 * A WireConfig is a plain builder owned by one control thread. wire_plane_apply() copies it into an
 * immutable snapshot that the plane's threads read under liburcu; the builder stays the caller's.
 * Endpoints are not configuration: wire_plane_set_route() sets them, authentic packets move them.
 * Thread: one at a time. Errors: negative errno, nothing changed on failure. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/std/attr.h"
#include "common/std/ip.h"
#include "common/std/key.h"
#include "daemon/wire/suite.h"

#define WIRE_MAX_PEERS       65536u   /* as wireguard-go: 2^16 */
#define WIRE_MAX_ALLOWED_IPS 1048576u /* all peers together */
#define WIRE_MAX_FILTER_ROWS 4096u

typedef struct WireConfig WireConfig;

/** WirePeerSpec: a peer without its allowed IPs. */
typedef struct {
    MeshKey   public_key;    /* X25519; its identity */
    MeshKey   preshared_key; /* all zero: none. Wiped with the builder */
    uint16_t  keepalive_s;   /* persistent keepalive; 0: off */
    WireSuite suite;         /* what its handshakes are begun in */
    uint8_t   answers;       /* WIRE_SUITE_BIT()s of those it is answered in; 0: that of WG1 */
    int64_t   taken_ns; /* WirePeerInfo.taken_ns of an earlier run, for a peer that is new; 0 */
} WirePeerSpec;

/** WireFilterRow: one row of the flattened policy; the first that matches decides.
 * A prefix of family 0 matches every address of both families, protocol 0 every protocol; ports are
 * compared only for TCP and UDP (host byte order, inclusive). Answers of an accepted flow pass. */
typedef struct {
    bool       accept;
    uint8_t    protocol; /* IP protocol number; 0: any */
    MeshPrefix source, destination;
    uint16_t   port_first, port_last; /* destination; 0-65535: any */
} WireFilterRow;

WireConfig *wire_config_new(void); /* NULL: out of memory. Port 0, no peers, all accepted */
WireConfig *wire_config_dup(const WireConfig *self); /* a deep copy, owned by the caller */
void        wire_config_free(WireConfig *self);      /* wipes preshared keys; NULL is fine */

/** wire_config_set_listen: UDP port for both families (0: the kernel chooses, kept while unchanged)
 * and the SO_MARK of the sockets (0: none). */
void wire_config_set_listen(WireConfig *self, uint16_t port, uint32_t fwmark);

/** wire_config_put_peer: adds a peer, or replaces the spec of the one with this key (its allowed
 * IPs stay). Returns 0; -EINVAL: zero public key; -ENOSPC: WIRE_MAX_PEERS; -ENOMEM. */
MESH_CHECKED int wire_config_put_peer(WireConfig *self, const WirePeerSpec *spec);

/** wire_config_get_peer: copies out the spec. Returns 0 or -ENOENT. */
MESH_CHECKED int wire_config_get_peer(const WireConfig *self, const MeshKey *public_key,
                                      WirePeerSpec *out_spec);

/** wire_config_list_peers: calls @each for every peer, in the order in which they were added. @each
 * must not change @self. */
void wire_config_list_peers(const WireConfig *self,
                            void (*each)(const WirePeerSpec *spec, void *data), void *data);

/** wire_config_remove_peer: with its allowed IPs. Unknown key: nothing happens. NULL: every peer.
 */
void wire_config_remove_peer(WireConfig *self, const MeshKey *public_key);

/** wire_config_add_allowed_ip: routes @prefix (host bits zero) to the peer, taking it from another
 * that had exactly it. Returns 0; -ENOENT: no such peer; -EINVAL: host bits; -ENOSPC; -ENOMEM. */
MESH_CHECKED int wire_config_add_allowed_ip(WireConfig *self, const MeshKey *public_key,
                                            const MeshPrefix *prefix);

/** wire_config_remove_allowed_ip: takes @prefix from the peer if it has exactly it; NULL: all. */
void wire_config_remove_allowed_ip(WireConfig *self, const MeshKey *public_key,
                                   const MeshPrefix *prefix);

/** wire_config_list_allowed_ips: calls @each for every prefix of the peer, in no given order. */
void wire_config_list_allowed_ips(const WireConfig *self, const MeshKey *public_key,
                                  void (*each)(const MeshPrefix *prefix, void *data), void *data);

/** wire_config_set_filter: replaces all rows; what no row matches passes only if @accept_rest.
 * Returns 0; -ENOSPC: over WIRE_MAX_FILTER_ROWS; -ENOMEM. */
MESH_CHECKED int wire_config_set_filter(WireConfig *self, const WireFilterRow *rows, size_t n_rows,
                                        bool accept_rest);
