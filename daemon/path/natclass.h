/* daemon/path/natclass.h: what kind of NAT is before this host, judged from what servers saw of its
 * sockets (RFC 4787, RFC 5780). Pure; any thread. */
#pragma once

#include "common/codec/probe.h"
#include "common/std/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATH_NATCLASS_MAX_BLOCK 4096u /* a wider span of ports is no block */

typedef enum {
    PATH_UNKNOWN, /* not tried, or nothing can be said */
    PATH_NO,
    PATH_YES,
} PathAnswer;

/** PathNatLook: how a server saw one of our sockets. */
typedef struct {
    unsigned     socket;     /* any number that tells sockets apart */
    uint16_t     local_port; /* of it, host byte order */
    MeshEndpoint asked;
    MeshEndpoint mapped;
} PathNatLook;

/** PathNatLooks: in the order in which they were asked for, since steps of ports show only so. */
typedef struct {
    const PathNatLook *looks;
    size_t             n;
    const MeshAddr    *own; /* addresses of this host */
    size_t             n_own;
    PathAnswer         other_port; /* a packet from a port came in that we had not spoken to */
    PathAnswer         stranger;   /* one from an address that we had not spoken to */
    PathAnswer         hairpin;    /* one to our own outer address came back in */
} PathNatLooks;

typedef struct {
    PathAnswer   behind; /* there is a NAT: our address out there is none of ours */
    MeshProbeNat what;   /* mapping UNKNOWN: too little was seen */
    PathAnswer   port_kept, hairpin;
    PathAnswer   stranger;    /* who was never spoken to gets in */
    bool         pool;        /* it uses several addresses */
    bool         one_address; /* all servers that answered have the same address: "by address" would
                               * look like "independent" */
    MeshEndpoint mapped;      /* as first seen; family 0: never */
    uint16_t     least_port, greatest_port; /* of all that were seen */
} PathNat;

/** path_natclass_judge: Shape: every pair of looks once; n is bounded by the caller (tens). */
void path_natclass_judge(const PathNatLooks *seen, PathNat *out_nat);

/** path_natclass_describe: "behind a NAT that …", "no NAT …"; owned. For people. */
char *path_natclass_describe(const PathNat *nat);

/** path_natclass_name: one word for programs: "open", "firewall", "full-cone", "cone",
 * "restricted", "port-restricted", "address-dependent", "symmetric", "sequential", "block",
 * "unknown". */
const char *path_natclass_name(PathAnswer behind, const MeshProbeNat *nat);

/** path_natclass_is_hard: other ports for other destinations, so nobody can tell where to send. */
bool path_natclass_is_hard(const MeshProbeNat *nat);
