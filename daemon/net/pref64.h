/* daemon/net/pref64.h: prefixes of NAT64s that routers announce (RFC 8781), as the kernel passes
 * them on; inside daemon/net only. Thread: main loop.
 *
 * The kernel checks that an announcement comes from the link itself; who on the link it is, nobody
 * does. So a prefix counts only while its router is the one that the host sends through, and what
 * that one said gives way to nobody else's. */
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

/** NetPref64: zeros: none. A new one takes the place of the one that ends first, of another router
 * than ours as long as there is such. */
typedef struct {
    MeshAddr     router; /* that the host sends through; family 0: not known */
    unsigned     ifindex;
    size_t       n;
    NetPref64Row rows[NET_MAX_PREF64];
} NetPref64;

/** net_pref64_read: @payload: of an RTM_NEWNDUSEROPT, behind the netlink header, that came at
 * @now_ms. A lifetime of 0 is until_ms = @now_ms. Returns: 0; -EBADMSG: another option, or
 * malformed. Pure; any thread. */
MESH_CHECKED int net_pref64_read(MeshSpan payload, int64_t now_ms, NetPref64Row *out_row);

/** net_pref64_prefer: the host sends through @router from now on. What it announced is looked up
 * anew by the caller. */
void net_pref64_prefer(NetPref64 *self, const MeshAddr *router, unsigned ifindex);

/** net_pref64_note: takes @row, unless only rows of our router would give way to another's; what
 * has ended goes. Returns: whether our router announces others now. */
bool net_pref64_note(NetPref64 *self, const NetPref64Row *row, int64_t now_ms);

/** net_pref64_find: what @router on @ifindex announced. Returns: bits 0: nothing. */
MeshPrefix net_pref64_find(const NetPref64 *self, const MeshAddr *router, unsigned ifindex,
                           int64_t now_ms);

/** net_pref64_next_ms: when the first of them ends; INT64_MAX: there is none. */
int64_t net_pref64_next_ms(const NetPref64 *self);
