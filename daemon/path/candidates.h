/* daemon/path/candidates.h: which endpoints of a peer are worth a try, and which of ours others get
 * told. Pure; any thread. */
#pragma once

#include "common/proto/record.h"
#include "common/std/ip.h"
#include "daemon/wire/plane.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** path_candidates_has_family: true when one of our addresses can reach beyond this host with it.
 */
bool path_candidates_has_family(const MeshAddr *own, size_t n_own, int family);

/** path_candidates_can_try: an address beyond this host, of one node, of a family that we have. */
bool path_candidates_can_try(const MeshAddr *own, size_t n_own, const MeshEndpoint *to);

/** path_candidates_is_public: can be reached from anywhere, as far as the record tells. */
bool path_candidates_is_public(const MeshRecordEndpoint *told);

/** path_candidates_choose: of what a peer told, what this host can try, best first: static, global
 * IPv6, IPv4, other IPv6, mapped, observed. Left out: our own addresses and families that we do not
 * have. Returns how many were written to @out, at most WIRE_MAX_CANDIDATES. */
size_t path_candidates_choose(const MeshAddr *own, size_t n_own, const MeshRecordEndpoint *told,
                              size_t n_told, MeshRecordEndpoint out[WIRE_MAX_CANDIDATES]);

/** PathOwn: what we know about where we can be reached. Borrowed. */
typedef struct {
    const MeshAddr     *addrs; /* of our interfaces, those of meshes left out */
    size_t              n_addrs;
    const MeshEndpoint *statics; /* set by the user */
    size_t              n_statics;
    MeshAddr            observed; /* by the server; family 0: unknown */
    MeshEndpoint        seen;   /* our UDP port, by a relay: better than that. Family 0: unknown */
    MeshEndpoint        mapped; /* what a router forwards to it. Family 0: none */
    MeshEndpoint        tcp;    /* the same for TCP */
    MeshRecordRelay     relay;  /* that we keep for others. Port 0: none */
    uint16_t            port;   /* UDP port of the data plane; 0: only statics count */
} PathOwn;

/** path_candidates_list_own: what goes into our record E, best first.
 * Returns how many were written to @out, at most MESH_RECORD_MAX_ENDPOINTS. */
size_t path_candidates_list_own(const PathOwn     *own,
                                MeshRecordEndpoint out[MESH_RECORD_MAX_ENDPOINTS]);
