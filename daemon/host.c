/* daemon/host.c: see host.h. */
#include "daemon/host.h"

#include "common/glib/log.h"
#include "common/std/endpoint.h"
#include "daemon/clash.h"
#include "daemon/inside-networks.h"

#include <string.h>
#include <sys/socket.h>

/* ---- what networks must not share ---- */

/* Names of all our interfaces, NULL-terminated; borrowed names, owned array. */
static GPtrArray *list_ifnames(MeshdNetworks *self)
{
    GPtrArray *names = g_ptr_array_new();

    for (unsigned i = 0; i < self->engines->len; i++)
        g_ptr_array_add(names, meshd_networks_get_profile(self, i)->ifname);
    g_ptr_array_add(names, NULL);
    return names;
}

/* Prefixes that run in the networks beside @but. */
static GArray *list_prefixes(MeshdNetworks *self, MeshdEngine *but)
{
    GArray *list = g_array_new(false, true, sizeof(MeshdClashPrefix));

    for (unsigned i = 0; i < self->engines->len; i++)
        if (self->engines->pdata[i] != but)
            meshd_engine_list_prefixes(self->engines->pdata[i], list);
    return list;
}

char *meshd_host_find_clash(MeshdEngine *engine, const MeshPrefix *prefix, void *user_data)
{
    MeshdNetworks *self = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) routes = net_list_routes(self->net, &error);
    g_autoptr(GArray) others = list_prefixes(self, engine);
    g_autoptr(GPtrArray) own = list_ifnames(self);

    if (routes == NULL) {
        mesh_log_warning("address clashes cannot be looked for: %s", error->message);
        routes = g_array_new(false, true, sizeof(NetRoute));
    }
    return meshd_clash_find(prefix, others, routes, (const char *const *)own->pdata);
}

/* ---- the host's addresses ---- */

/* Owned array of MeshAddr: the host's, those of our interfaces left out. */
static GArray *list_addrs(MeshdNetworks *self)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) found = net_list_addrs(self->net, &error);
    g_autoptr(GPtrArray) own = list_ifnames(self);
    GArray *addrs = g_array_new(false, true, sizeof(MeshAddr));

    if (found == NULL) {
        mesh_log_warning("%s", error->message);
        return addrs;
    }
    for (unsigned i = 0; i < found->len; i++) {
        const NetAddr *row = &g_array_index(found, NetAddr, i);

        if (!g_strv_contains((const char *const *)own->pdata, row->ifname) &&
            mesh_ip_class(&row->addr) != MESH_IP_LOOPBACK)
            g_array_append_val(addrs, row->addr);
    }
    return addrs;
}

/* Owned array of unsigned: interfaces with an address of the host's where neighbours may hear what
 * goes to all, those of our networks left out. */
static GArray *list_links(MeshdNetworks *self)
{
    g_autoptr(GArray) found = net_list_addrs(self->net, NULL);
    g_autoptr(GPtrArray) own = list_ifnames(self);
    GArray *links = g_array_new(false, true, sizeof(unsigned));

    for (unsigned i = 0; found != NULL && i < found->len; i++) {
        const NetAddr *row = &g_array_index(found, NetAddr, i);
        bool           known = false;

        for (unsigned at = 0; at < links->len; at++)
            known |= g_array_index(links, unsigned, at) == row->ifindex;
        if (row->shared && !known && !g_strv_contains((const char *const *)own->pdata, row->ifname))
            g_array_append_val(links, row->ifindex);
    }
    return links;
}

/* The first default route of @family that is no mesh's; the kernel lists the preferred one first.
 * Without a port. @out_nat64: what it announced; bits 0: nothing. */
static MeshEndpoint find_gateway(MeshdNetworks *self, int family, MeshPrefix *out_nat64)
{
    g_autoptr(GArray) routes = net_list_routes(self->net, NULL);
    g_autoptr(GPtrArray) own = list_ifnames(self);

    for (unsigned i = 0; routes != NULL && i < routes->len; i++) {
        const NetRoute *route = &g_array_index(routes, NetRoute, i);

        if (route->destination.bits == 0 && route->gateway.family == family &&
            !g_strv_contains((const char *const *)own->pdata, route->ifname)) {
            MeshEndpoint gateway = mesh_endpoint_make(&route->gateway, 0);

            *out_nat64 = route->nat64;
            if (mesh_ip_class(&route->gateway) == MESH_IP_LINK_LOCAL)
                gateway.scope = route->ifindex;
            return gateway;
        }
    }
    return (MeshEndpoint){ 0 };
}

/* Whether the host's packets to @nat64 would go into one of our own networks, and so never out. */
static bool is_inside(MeshdNetworks *self, const MeshPrefix *nat64)
{
    g_autoptr(GArray) own = list_prefixes(self, NULL);

    for (unsigned i = 0; i < own->len; i++)
        if (mesh_ip_overlaps(&g_array_index(own, MeshdClashPrefix, i).prefix, nat64))
            return true;
    return false;
}

void meshd_host_tell(MeshdNetworks *self, MeshdEngine *engine, bool kick)
{
    g_autoptr(GArray) addrs = list_addrs(self);
    g_autoptr(GArray) others = list_prefixes(self, engine);
    g_autoptr(GArray) foreign = g_array_new(false, true, sizeof(MeshPrefix));
    g_autoptr(GArray) links = list_links(self);
    MeshPrefix   none, nat64 = { .bits = 0 };
    MeshEndpoint gateway6 = find_gateway(self, AF_INET6, &nat64);

    if (nat64.bits != 0 && is_inside(self, &nat64))
        nat64.bits = 0;
    for (unsigned i = 0; i < others->len; i++)
        g_array_append_val(foreign, g_array_index(others, MeshdClashPrefix, i).prefix);
    meshd_engine_set_host(engine,
                          &(MeshdHostNews){ .addrs = addrs,
                                            .foreign = foreign,
                                            .links = links,
                                            .gateway = find_gateway(self, AF_INET, &none).addr,
                                            .gateway6 = gateway6,
                                            .nat64 = nat64,
                                            .kick = kick });
}

char *meshd_host_describe(MeshdNetworks *self)
{
    GString *text = g_string_new(NULL);
    g_autoptr(GArray) addrs = list_addrs(self);
    g_autoptr(GArray) routes = net_list_routes(self->net, NULL);
    char addr[MESH_IP_ADDR_TEXT_SIZE];

    for (unsigned i = 0; i < addrs->len; i++)
        g_string_append_printf(text, "%s ",
                               mesh_ip_format_addr(&g_array_index(addrs, MeshAddr, i), addr));
    for (unsigned i = 0; routes != NULL && i < routes->len; i++) {
        const NetRoute *route = &g_array_index(routes, NetRoute, i);

        if (route->destination.bits == 0)
            g_string_append_printf(text, "via %s dev %s ",
                                   mesh_ip_format_addr(&route->gateway, addr), route->ifname);
        if (route->nat64.bits != 0)
            g_string_append_printf(text, "with NAT64 %s/%u ",
                                   mesh_ip_format_addr(&route->nat64.addr, addr),
                                   route->nat64.bits);
    }
    return g_string_free(text, false);
}

void meshd_host_tell_all(MeshdNetworks *self, bool kick)
{
    for (unsigned i = 0; i < self->engines->len; i++)
        meshd_host_tell(self, self->engines->pdata[i], kick);
}

void meshd_host_changed(void *user_data)
{
    MeshdNetworks   *self = user_data;
    g_autofree char *now = meshd_host_describe(self);

    if (self->clocks != NULL)
        meshd_clocks_look(self->clocks); /* a network that comes back may be a laptop's lid */
    for (unsigned i = 0; i < self->engines->len; i++)
        meshd_engine_mend(self->engines->pdata[i]);
    if (g_strcmp0(now, self->seen) == 0)
        return;
    mesh_log_info("the host's network changed: %s", now);
    g_free(self->seen);
    self->seen = g_steal_pointer(&now);
    meshd_host_tell_all(self, true);
}

bool meshd_host_is_taken(MeshdNetworks *self, const char *ifname)
{
    for (unsigned i = 0; i < self->engines->len; i++)
        if (strcmp(meshd_networks_get_profile(self, i)->ifname, ifname) == 0)
            return true;
    return net_exists(self->net, ifname);
}
