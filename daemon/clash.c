#include "daemon/clash.h"

#include <sys/socket.h>

static char *describe_route(const MeshPrefix *prefix, const NetRoute *route)
{
    char ours[MESH_IP_PREFIX_TEXT_SIZE], theirs[MESH_IP_PREFIX_TEXT_SIZE];
    char gateway[MESH_IP_ADDR_TEXT_SIZE];

    mesh_ip_format_prefix(prefix, ours);
    mesh_ip_format_prefix(&route->destination, theirs);
    if (route->gateway.family == 0)
        return g_strdup_printf("%s clashes with this host's route %s dev %s", ours, theirs,
                               route->ifname);
    return g_strdup_printf("%s clashes with this host's route %s via %s dev %s", ours, theirs,
                           mesh_ip_format_addr(&route->gateway, gateway), route->ifname);
}

char *meshd_clash_find(const MeshPrefix *prefix, const GArray *others, const GArray *routes,
                       const char *const *own)
{
    const NetRoute *route;
    char            ours[MESH_IP_PREFIX_TEXT_SIZE], theirs[MESH_IP_PREFIX_TEXT_SIZE];

    for (unsigned i = 0; i < others->len; i++) {
        const MeshdClashPrefix *other = &g_array_index(others, MeshdClashPrefix, i);

        if (mesh_ip_overlaps(prefix, &other->prefix))
            return g_strdup_printf("%s clashes with %s of the network %s",
                                   mesh_ip_format_prefix(prefix, ours),
                                   mesh_ip_format_prefix(&other->prefix, theirs), other->name);
    }
    route = net_routes_find_clash(routes, prefix, own);
    return route != NULL ? describe_route(prefix, route) : NULL;
}
