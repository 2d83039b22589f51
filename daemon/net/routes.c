#include "daemon/net/routes.h"

#include "common/glib/error.h"
#include "daemon/net/link.h"

#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <string.h>

typedef struct {
    struct nl_cache *links;
    int              ifindex; /* 0: every route */
    GArray          *out;
} RouteWalk;

static void take_nexthop(struct rtnl_nexthop *hop, void *user_data)
{
    NetRoute        *route = ((void **)user_data)[0];
    struct nl_cache *links = ((void **)user_data)[1];

    if (route->ifname[0] == '\0')
        rtnl_link_i2name(links, rtnl_route_nh_get_ifindex(hop), route->ifname,
                         sizeof route->ifname);
    if (route->ifindex == 0)
        route->ifindex = (unsigned)rtnl_route_nh_get_ifindex(hop);
    if (route->gateway.family == 0)
        route->gateway = net_link_read_nl_addr(rtnl_route_nh_get_gateway(hop));
}

/* The destination of a default route has no address, only a family. */
static MeshPrefix read_destination(struct rtnl_route *row)
{
    struct nl_addr *destination = rtnl_route_get_dst(row);
    MeshPrefix      prefix = { .addr = net_link_read_nl_addr(destination) };

    if (prefix.addr.family == 0)
        prefix.addr.family = rtnl_route_get_family(row);
    else
        prefix.bits = (uint8_t)nl_addr_get_prefixlen(destination);
    return prefix;
}

static bool is_over(struct rtnl_route *row, int ifindex)
{
    struct rtnl_nexthop *hop = rtnl_route_nexthop_n(row, 0);

    return hop != NULL && rtnl_route_nh_get_ifindex(hop) == ifindex;
}

static void take_route(struct nl_object *object, void *user_data)
{
    RouteWalk         *walk = user_data;
    struct rtnl_route *row = (struct rtnl_route *)object;
    NetRoute           route = { .destination = read_destination(row) };
    void              *pair[] = { &route, walk->links };

    if (rtnl_route_get_type(row) != RTN_UNICAST || rtnl_route_get_table(row) == RT_TABLE_LOCAL)
        return;
    if (route.destination.addr.family != AF_INET && route.destination.addr.family != AF_INET6)
        return;
    if (walk->ifindex != 0 &&
        (rtnl_route_get_protocol(row) != NET_ROUTE_PROTOCOL || !is_over(row, walk->ifindex)))
        return;
    rtnl_route_foreach_nexthop(row, take_nexthop, pair);
    g_array_append_val(walk->out, route);
}

bool net_routes_list(struct nl_sock *sock, int ifindex, GArray *out, GError **error)
{
    RouteWalk        walk = { .ifindex = ifindex, .out = out };
    struct nl_cache *routes = NULL;
    int              rc = rtnl_link_alloc_cache(sock, AF_UNSPEC, &walk.links);

    if (rc == 0)
        rc = rtnl_route_alloc_cache(sock, AF_UNSPEC, 0, &routes);
    if (rc == 0)
        nl_cache_foreach(routes, take_route, &walk);
    else
        g_set_error(error, MESH_ERROR, MESH_ERROR_HOST, "cannot list routes: %s", nl_geterror(rc));
    nl_cache_free(routes);
    nl_cache_free(walk.links);
    return rc == 0;
}

/* No preferred source: the kernel takes the address of the interface, and a route that named one
 * would vanish with it. */
static struct rtnl_route *make_row(int ifindex, const MeshPrefix *destination)
{
    struct rtnl_route   *row = rtnl_route_alloc();
    struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
    struct nl_addr      *dst = net_link_make_nl_addr(&destination->addr, destination->bits);

    if (row == NULL || hop == NULL || dst == NULL) {
        rtnl_route_nh_free(hop);
        rtnl_route_put(row);
        nl_addr_put(dst);
        return NULL;
    }
    rtnl_route_set_family(row, (uint8_t)destination->addr.family);
    rtnl_route_set_table(row, RT_TABLE_MAIN);
    rtnl_route_set_protocol(row, NET_ROUTE_PROTOCOL);
    rtnl_route_set_type(row, RTN_UNICAST);
    rtnl_route_set_scope(row,
                         destination->addr.family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE);
    (void)rtnl_route_set_dst(row, dst);
    rtnl_route_nh_set_ifindex(hop, ifindex);
    rtnl_route_add_nexthop(row, hop); /* the row owns it now */
    nl_addr_put(dst);
    return row;
}

bool net_routes_add(struct nl_sock *sock, int ifindex, const MeshPrefix *destination,
                    GError **error)
{
    struct rtnl_route *row = make_row(ifindex, destination);
    char               text[MESH_IP_PREFIX_TEXT_SIZE];
    int                rc = row != NULL ? rtnl_route_add(sock, row, NLM_F_EXCL) : -NLE_NOMEM;

    rtnl_route_put(row);
    if (rc == 0)
        return true;
    g_set_error(error, MESH_ERROR, MESH_ERROR_HOST, "cannot add route %s: %s",
                mesh_ip_format_prefix(destination, text), nl_geterror(rc));
    return false;
}

void net_routes_remove(struct nl_sock *sock, int ifindex, const MeshPrefix *destination)
{
    struct rtnl_route *row = make_row(ifindex, destination);

    if (row != NULL)
        (void)rtnl_route_delete(sock, row, 0); /* already gone is what we want */
    rtnl_route_put(row);
}

const NetRoute *net_routes_find_clash(const GArray *routes, const MeshPrefix *prefix,
                                      const char *const *own)
{
    for (unsigned i = 0; i < routes->len; i++) {
        const NetRoute *route = &g_array_index(routes, NetRoute, i);

        if (route->destination.bits == 0 || !mesh_ip_overlaps(&route->destination, prefix))
            continue;
        if (own == NULL || !g_strv_contains(own, route->ifname))
            return route;
    }
    return NULL;
}
