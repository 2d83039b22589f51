/* daemon/net/net.h: the host's network as sets that we own: what one mesh network wants on this
 * host (addresses, routes) is compared with what is there, and the difference applied.
 *
 * One rtnetlink connection for all networks. Thread: main loop only; every call is one or a few
 * short conversations with the kernel. Routes of ours carry protocol NET_ROUTE_PROTOCOL. */
#pragma once

#include "common/std/ip.h"

#include <gio/gio.h>
#include <stdbool.h>
#include <stdint.h>

#define NET_IFNAME_SIZE    16u /* IFNAMSIZ, with its NUL */
#define NET_MAX_ADDRS      2u
#define NET_MAX_ROUTES     16u
#define NET_ROUTE_PROTOCOL 77u /* of `ip route`: no other program's in iproute2's table */

typedef struct Net Net;

/** NetSet: what one network wants. Addresses are added as single hosts: the routes say the rest. */
typedef struct {
    char       ifname[NET_IFNAME_SIZE];
    bool       link_only; /* another program sets addresses and routes: neither look nor touch */
    size_t     n_addrs, n_routes;
    MeshAddr   addrs[NET_MAX_ADDRS];
    MeshPrefix routes[NET_MAX_ROUTES];
} NetSet;

/** NetRoute: a unicast route of this host, of any table but `local`. */
typedef struct {
    MeshPrefix destination;
    MeshAddr   gateway; /* family 0: none */
    char       ifname[NET_IFNAME_SIZE];
    unsigned   ifindex;
    MeshPrefix nat64; /* of a default route over IPv6: what its router announced; bits 0: nothing */
} NetRoute;

/** NetAddr: an address of an interface that is up and running. */
typedef struct {
    MeshAddr addr;
    char     ifname[NET_IFNAME_SIZE];
    unsigned ifindex;
    bool shared; /* a link that others may be on: multicast, neither loopback nor point-to-point */
} NetAddr;

/* Links, addresses or routes changed, at least once since the last call; gathered for 200 ms. */
typedef void (*NetChangedFunc)(void *user_data);

/** net_start: connects and listens, and removes interfaces that a killed predecessor left.
 * @ledger_path: file that names our interfaces while they exist, in the runtime directory. */
Net *net_start(const char *ledger_path, NetChangedFunc changed, void *user_data, GError **error);
void net_stop(Net *self); /* NULL is fine */

/** net_remove_strays: removes interfaces that the ledger has but @own has not (NULL-terminated;
 * NULL: none is ours), and forgets them. Returns: the names of those removed; free with
 * g_strfreev(). */
char **net_remove_strays(Net *self, const char *const *own);

/** net_claim: notes in the ledger, before it is made, that interface @ifname will be ours. */
bool net_claim(Net *self, const char *ifname, GError **error);
void net_release(Net *self, const char *ifname); /* after it is gone */
bool net_exists(Net *self, const char *ifname);

/** net_apply: makes addresses and our routes of the interface exactly @want, and brings it up; the
 * latter alone with link_only.
 * Where this host has IPv6 switched off and @want has IPv4 too, IPv6 is left out. On failure what
 * this call added is removed again. Idempotent. */
bool net_apply(Net *self, const NetSet *want, GError **error);
bool net_lacks_ip6(Net *self); /* the last net_apply() left IPv6 out */

/** net_undo: takes our addresses and routes from the interface; a missing one is fine. */
void net_undo(Net *self, const char *ifname);

GArray *net_list_routes(Net *self, GError **error); /* of NetRoute, owned by the caller */
GArray *net_list_addrs(Net *self, GError **error);  /* of NetAddr, owned by the caller */

/** net_routes_find_clash: the first route that shares addresses with @prefix, default routes and
 * routes over the interfaces in @own (NULL-terminated, may be NULL) left out.
 * Returns a row of @routes, or NULL. Pure. */
const NetRoute *net_routes_find_clash(const GArray *routes, const MeshPrefix *prefix,
                                      const char *const *own);
