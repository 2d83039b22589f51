/* daemon/net/routes.h: routes of one interface and of the host; inside daemon/net only. */
#pragma once

#include "daemon/net/net.h"

#include <netlink/netlink.h>
#include <stdbool.h>

/** net_routes_list: all unicast routes of the host, or (@ifindex not 0) ours over that interface.
 * Appends NetRoute to @out. */
bool net_routes_list(struct nl_sock *sock, int ifindex, GArray *out, GError **error);

bool net_routes_add(struct nl_sock *sock, int ifindex, const MeshPrefix *destination,
                    GError **error);
void net_routes_remove(struct nl_sock *sock, int ifindex, const MeshPrefix *destination);
