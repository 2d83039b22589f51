#include "daemon/net/net.h"

#include "common/glib/error.h"
#include "common/glib/log.h"
#include "daemon/net/ledger.h"
#include "daemon/net/link.h"
#include "daemon/net/monitor.h"
#include "daemon/net/routes.h"

#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/socket.h>

struct Net {
    struct nl_sock *sock; /* questions and changes; the monitor has its own */
    NetMonitor     *monitor;
    NetLedger      *ledger;
    bool            lacks_ip6; /* of the last net_apply() */
};

/* One conversation of net_apply(): what is there, and what this call added so far. */
typedef struct {
    struct nl_sock *sock;
    int             ifindex;
    const NetSet   *want;
    GArray         *addrs;  /* NetAddr, as found */
    GArray         *routes; /* NetRoute, as found */
    bool            no_ip6; /* this host has it switched off */
    bool            new_addr[NET_MAX_ADDRS], new_route[NET_MAX_ROUTES];
} Change;

static bool open_socket(Net *self, GError **error)
{
    int rc;

    self->sock = nl_socket_alloc();
    rc = self->sock != NULL ? nl_connect(self->sock, NETLINK_ROUTE) : -NLE_NOMEM;
    if (rc == 0)
        return true;
    g_set_error(error, MESH_ERROR, MESH_ERROR_HOST, "cannot talk to the kernel's network: %s",
                nl_geterror(rc));
    return false;
}

Net *net_start(const char *ledger_path, NetChangedFunc changed, void *user_data, GError **error)
{
    Net *self = g_new0(Net, 1);

    if (!open_socket(self, error))
        goto fail;
    self->ledger = net_ledger_open(ledger_path, error);
    if (self->ledger == NULL)
        goto fail;
    g_strfreev(net_remove_strays(self, NULL));
    self->monitor = net_monitor_start(changed, user_data, error);
    if (self->monitor == NULL)
        goto fail;
    return self;
fail:
    net_stop(self);
    return NULL;
}

void net_stop(Net *self)
{
    if (self == NULL)
        return;
    net_monitor_stop(self->monitor);
    net_ledger_free(self->ledger);
    nl_socket_free(self->sock);
    g_free(self);
}

bool net_claim(Net *self, const char *ifname, GError **error)
{
    return net_ledger_add(self->ledger, ifname, error);
}

void net_release(Net *self, const char *ifname)
{
    g_autoptr(GError) error = NULL;

    if (!net_ledger_remove(self->ledger, ifname, &error))
        mesh_log_warning("cannot take %s from the ledger of interfaces: %s", ifname,
                         error->message);
}

char **net_remove_strays(Net *self, const char *const *own)
{
    GStrvBuilder       *removed = g_strv_builder_new();
    const NetLedgerRow *row;
    char              **names;

    for (unsigned at = 0; (row = net_ledger_get(self->ledger, at)) != NULL;) {
        NetLedgerRow stray = *row;

        if (own != NULL && g_strv_contains(own, stray.ifname)) {
            at++;
            continue;
        }
        if (net_link_remove_stale(self->sock, stray.ifname, stray.ifindex)) {
            mesh_log_notice("removed interface %s, left by an earlier run", stray.ifname);
            g_strv_builder_add(removed, stray.ifname);
        }
        net_release(self, stray.ifname); /* even when the file could not be written */
    }
    names = g_strv_builder_end(removed);
    g_strv_builder_unref(removed);
    return names;
}

bool net_exists(Net *self, const char *ifname)
{
    return net_link_get_index(self->sock, ifname) != 0;
}

static bool has_addr(const GArray *addrs, const MeshAddr *addr)
{
    for (unsigned i = 0; i < addrs->len; i++)
        if (mesh_ip_equal_addr(&g_array_index(addrs, NetAddr, i).addr, addr))
            return true;
    return false;
}

static bool has_route(const GArray *routes, const MeshPrefix *prefix)
{
    for (unsigned i = 0; i < routes->len; i++)
        if (mesh_ip_equal_prefix(&g_array_index(routes, NetRoute, i).destination, prefix))
            return true;
    return false;
}

static bool wants_addr(const NetSet *want, const MeshAddr *addr)
{
    for (size_t i = 0; i < want->n_addrs; i++)
        if (mesh_ip_equal_addr(&want->addrs[i], addr))
            return true;
    return false;
}

static bool wants_route(const NetSet *want, const MeshPrefix *prefix)
{
    for (size_t i = 0; i < want->n_routes; i++)
        if (mesh_ip_equal_prefix(&want->routes[i], prefix))
            return true;
    return false;
}

static bool has_ip4(const NetSet *want)
{
    for (size_t i = 0; i < want->n_addrs; i++)
        if (want->addrs[i].family == AF_INET)
            return true;
    return false;
}

static bool add_addr(Change *change, size_t i, GError **error)
{
    g_autoptr(GError) failed = NULL;
    bool off = false;

    change->new_addr[i] =
        net_link_add_addr(change->sock, change->ifindex, &change->want->addrs[i], &off, &failed);
    if (change->new_addr[i])
        return true;
    change->no_ip6 = off && has_ip4(change->want);
    if (change->no_ip6)
        return true;
    g_propagate_error(error, g_steal_pointer(&failed));
    return false;
}

static bool add_missing(Change *change, GError **error)
{
    const NetSet *want = change->want;

    for (size_t i = 0; i < want->n_addrs; i++) {
        if (has_addr(change->addrs, &want->addrs[i]))
            continue;
        if (!add_addr(change, i, error))
            return false;
    }
    for (size_t i = 0; i < want->n_routes; i++) {
        const MeshPrefix *route = &want->routes[i];

        if (has_route(change->routes, route) || (change->no_ip6 && route->addr.family == AF_INET6))
            continue;
        if (!net_routes_add(change->sock, change->ifindex, route, error))
            return false;
        change->new_route[i] = true;
    }
    return true;
}

static void remove_added(Change *change)
{
    for (size_t i = 0; i < change->want->n_routes; i++)
        if (change->new_route[i])
            net_routes_remove(change->sock, change->ifindex, &change->want->routes[i]);
    for (size_t i = 0; i < change->want->n_addrs; i++)
        if (change->new_addr[i])
            net_link_remove_addr(change->sock, change->ifindex, &change->want->addrs[i]);
}

static void remove_surplus(Change *change)
{
    for (unsigned i = 0; i < change->routes->len; i++) {
        const MeshPrefix *route = &g_array_index(change->routes, NetRoute, i).destination;

        if (!wants_route(change->want, route))
            net_routes_remove(change->sock, change->ifindex, route);
    }
    for (unsigned i = 0; i < change->addrs->len; i++) {
        const MeshAddr *addr = &g_array_index(change->addrs, NetAddr, i).addr;

        if (!wants_addr(change->want, addr))
            net_link_remove_addr(change->sock, change->ifindex, addr);
    }
}

bool net_apply(Net *self, const NetSet *want, GError **error)
{
    g_autoptr(GArray) addrs = g_array_new(false, true, sizeof(NetAddr));
    g_autoptr(GArray) routes = g_array_new(false, true, sizeof(NetRoute));
    Change change = { .sock = self->sock, .want = want };

    g_return_val_if_fail(want->n_addrs <= NET_MAX_ADDRS && want->n_routes <= NET_MAX_ROUTES, false);
    change.ifindex = net_link_get_index(self->sock, want->ifname);
    if (change.ifindex != 0 &&
        !net_ledger_note_index(self->ledger, want->ifname, change.ifindex, error))
        return false;
    change.ifindex = net_link_prepare(self->sock, want->ifname, error);
    if (change.ifindex == 0)
        return false;
    if (want->link_only) {
        self->lacks_ip6 = net_link_lacks_ip6(want->ifname);
        return true;
    }
    change.addrs = addrs;
    change.routes = routes;
    if (!net_link_list_addrs(self->sock, change.ifindex, addrs, error) ||
        !net_routes_list(self->sock, change.ifindex, routes, error))
        return false;
    if (!add_missing(&change, error)) {
        remove_added(&change);
        g_prefix_error(error, "interface %s: ", want->ifname);
        return false;
    }
    remove_surplus(&change);
    self->lacks_ip6 = change.no_ip6;
    return true;
}

bool net_lacks_ip6(Net *self)
{
    return self->lacks_ip6;
}

void net_undo(Net *self, const char *ifname)
{
    g_autoptr(GArray) addrs = g_array_new(false, true, sizeof(NetAddr));
    g_autoptr(GArray) routes = g_array_new(false, true, sizeof(NetRoute));
    NetSet nothing = { 0 };
    Change change = { .sock = self->sock, .want = &nothing };

    change.ifindex = net_link_get_index(self->sock, ifname);
    if (change.ifindex == 0)
        return;
    change.addrs = addrs;
    change.routes = routes;
    if (net_link_list_addrs(self->sock, change.ifindex, addrs, NULL) &&
        net_routes_list(self->sock, change.ifindex, routes, NULL))
        remove_surplus(&change);
}

GArray *net_list_routes(Net *self, GError **error)
{
    g_autoptr(GArray) routes = g_array_new(false, true, sizeof(NetRoute));
    bool first = true;

    if (!net_routes_list(self->sock, 0, routes, error))
        return NULL;
    for (guint i = 0; i < routes->len; i++) {
        NetRoute *route = &g_array_index(routes, NetRoute, i);

        if (route->destination.bits != 0 || route->gateway.family != AF_INET6)
            continue;
        if (first)
            net_monitor_prefer64(self->monitor, &route->gateway, route->ifindex);
        first = false;
        route->nat64 = net_monitor_find64(self->monitor, &route->gateway, route->ifindex);
    }
    return g_steal_pointer(&routes);
}

GArray *net_list_addrs(Net *self, GError **error)
{
    g_autoptr(GArray) addrs = g_array_new(false, true, sizeof(NetAddr));

    return net_link_list_addrs(self->sock, 0, addrs, error) ? g_steal_pointer(&addrs) : NULL;
}
