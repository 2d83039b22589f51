/* daemon/path/prefix64.h: IPv4 addresses written as IPv6 ones, for a NAT64 (RFC 6052), and how its
 * prefix is read from what DNS says of ipv4only.arpa (RFC 7050 §3). Pure; any thread. */
#pragma once

#include "common/proto/record.h"
#include "common/std/ip.h"
#include "daemon/path/path.h"

#include <stdbool.h>
#include <stddef.h>

/** PathPrefix64: bits 0: there is no NAT64, or none is needed. */
typedef struct {
    MeshAddr addr; /* IPv6, what is behind @bits zero */
    uint8_t  bits; /* 32, 40, 48, 56, 64 or 96 */
} PathPrefix64;

/** PathReach: what this host can speak, and through which prefix it reaches IPv4 without. */
typedef struct {
    bool         has4, has6;
    PathPrefix64 prefix;
} PathReach;

/** path_prefix64_find: the prefix behind one of the @n addresses that ipv4only.arpa has. False: an
 * address of neither shape, or one that could be read in two ways. */
bool path_prefix64_find(const MeshAddr *addrs, size_t n, PathPrefix64 *out_prefix);

/** path_prefix64_make: @ip4 as its NAT64 takes it. */
MeshAddr path_prefix64_make(const PathPrefix64 *prefix, const MeshAddr *ip4);

/** path_prefix64_has: @addr is an IPv4 host behind the NAT64. */
bool path_prefix64_has(const PathPrefix64 *prefix, const MeshAddr *addr);

/** path_prefix64_translate: a public IPv4 endpoint as its NAT64 takes it; all else as it is. */
MeshEndpoint path_prefix64_translate(const PathPrefix64 *prefix, const MeshEndpoint *endpoint);

/** path_prefix64_translate_all: the same for @n of @list, at most MESH_RECORD_MAX_ENDPOINTS.
 * Returns how many were written to @out. */
size_t path_prefix64_translate_all(const PathPrefix64 *prefix, const MeshRecordEndpoint *list,
                                   size_t n, MeshRecordEndpoint out[MESH_RECORD_MAX_ENDPOINTS]);

/** path_prefix64_fill: gives a relay that has IPv4 alone the IPv6 address that leads there. */
void path_prefix64_fill(const PathPrefix64 *prefix, PathRelay *relay);
