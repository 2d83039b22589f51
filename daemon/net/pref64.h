/* daemon/net/pref64.h: prefixes of NAT64s that routers announce (RFC 8781), as the kernel passes
 * them on; inside daemon/net only. Thread: main loop.
 *
 * The kernel checks that an announcement comes from the link itself; who on the link it is, nobody
 * does. So a prefix counts only while its router is the one that the host sends through. */
#pragma once

#include "common/std/attr.h"
#include "common/std/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NET_MAX_PREF64 = 4 };

typedef struct {
    unsigned   ifindex;
    MeshAddr   router; /* link-local */
    MeshPrefix prefix;
    int64_t    until_ms; /* boot clock */
} NetPref64Row;

/** NetPref64: zeros: none. A new one takes the place of the one that ends first. */
typedef struct {
    size_t       n;
    NetPref64Row rows[NET_MAX_PREF64];
} NetPref64;

/** net_pref64_read: @payload: of an RTM_NEWNDUSEROPT, behind the netlink header, that came at
 * @now_ms. A lifetime of 0 is until_ms = @now_ms. Returns: 0; -EBADMSG: another option, or
 * malformed. Pure; any thread. */
MESH_CHECKED int net_pref64_read(MeshSpan payload, int64_t now_ms, NetPref64Row *out_row);

/** net_pref64_note: takes @row, what has ended goes. Returns: whether other prefixes count now. */
bool net_pref64_note(NetPref64 *self, const NetPref64Row *row, int64_t now_ms);

/** net_pref64_find: what @router on @ifindex announced. Returns: bits 0: nothing. */
MeshPrefix net_pref64_find(const NetPref64 *self, const MeshAddr *router, unsigned ifindex,
                           int64_t now_ms);

/** net_pref64_next_ms: when the first of them ends; INT64_MAX: there is none. */
int64_t net_pref64_next_ms(const NetPref64 *self);
