#include "daemon/net/link.h"

#include "common/glib/error.h"

#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/inet6.h>
#include <string.h>

#define TUN_KIND "tun" /* IFLA_INFO_KIND of a TUN or TAP interface */

struct nl_addr *net_link_make_nl_addr(const MeshAddr *addr, unsigned bits)
{
    size_t          len = addr->family == AF_INET ? 4 : 16;
    struct nl_addr *result = nl_addr_build(addr->family, addr->bytes, len);

    if (result != NULL)
        nl_addr_set_prefixlen(result, (int)bits);
    return result;
}

MeshAddr net_link_read_nl_addr(struct nl_addr *nl_addr)
{
    MeshAddr none = { 0 };
    int      family;

    if (nl_addr == NULL || nl_addr_get_len(nl_addr) == 0)
        return none;
    family = nl_addr_get_family(nl_addr);
    if (family == AF_INET && nl_addr_get_len(nl_addr) == 4)
        return mesh_ip_make_addr(AF_INET, nl_addr_get_binary_addr(nl_addr));
    if (family == AF_INET6 && nl_addr_get_len(nl_addr) == 16)
        return mesh_ip_make_addr(AF_INET6, nl_addr_get_binary_addr(nl_addr));
    return none;
}

int net_link_get_index(struct nl_sock *sock, const char *ifname)
{
    struct rtnl_link *link = NULL;
    int               index;

    if (rtnl_link_get_kernel(sock, 0, ifname, &link) < 0)
        return 0;
    index = rtnl_link_get_ifindex(link);
    rtnl_link_put(link);
    return index;
}

/* No link-local address of the kernel's making: nobody in the mesh would answer for it. Best
 * effort, a kernel without IPv6 refuses it. */
static void set_addr_gen_mode(struct nl_sock *sock, struct rtnl_link *link)
{
    struct rtnl_link *change = rtnl_link_alloc();

    if (change == NULL)
        return;
    if (rtnl_link_inet6_set_addr_gen_mode(change, rtnl_link_inet6_str2addrgenmode("none")) == 0)
        (void)rtnl_link_change(sock, link, change, 0);
    rtnl_link_put(change);
}

int net_link_prepare(struct nl_sock *sock, const char *ifname, GError **error)
{
    struct rtnl_link *link = NULL;
    struct rtnl_link *change = NULL;
    int               index = 0;
    int               rc = rtnl_link_get_kernel(sock, 0, ifname, &link);

    if (rc < 0) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_HOST, "interface %s: %s", ifname,
                    nl_geterror(rc));
        return 0;
    }
    if ((rtnl_link_get_flags(link) & IFF_UP) != 0) { /* a change would be news to every listener */
        index = rtnl_link_get_ifindex(link);
        rtnl_link_put(link);
        return index;
    }
    set_addr_gen_mode(sock, link);
    change = rtnl_link_alloc();
    rc = -NLE_NOMEM;
    if (change != NULL) {
        rtnl_link_set_flags(change, IFF_UP);
        rc = rtnl_link_change(sock, link, change, 0);
        rtnl_link_put(change);
    }
    if (rc < 0)
        g_set_error(error, MESH_ERROR, MESH_ERROR_HOST, "interface %s: cannot bring it up: %s",
                    ifname, nl_geterror(rc));
    else
        index = rtnl_link_get_ifindex(link);
    rtnl_link_put(link);
    return index;
}

bool net_link_lacks_ip6(const char *ifname)
{
    g_autofree char *path = g_strdup_printf("/proc/sys/net/ipv6/conf/%s/disable_ipv6", ifname);
    g_autofree char *text = NULL;

    return !g_file_get_contents(path, &text, NULL, NULL) || text[0] != '0';
}

bool net_link_remove_stale(struct nl_sock *sock, const char *ifname, int ifindex)
{
    struct rtnl_link *link = NULL;
    const char       *kind;
    bool              removed = false;

    if (rtnl_link_get_kernel(sock, 0, ifname, &link) < 0)
        return false;
    kind = rtnl_link_get_type(link);
    if (kind != NULL && strcmp(kind, TUN_KIND) == 0 && rtnl_link_get_ifindex(link) == ifindex)
        removed = rtnl_link_delete(sock, link) == 0;
    rtnl_link_put(link);
    return removed;
}

typedef struct {
    struct nl_cache *links;   /* NULL when one interface is asked for */
    int              ifindex; /* 0: all that run */
    GArray          *out;
} AddrWalk;

static bool is_shared(unsigned flags)
{
    return (flags & IFF_MULTICAST) != 0 && (flags & (IFF_LOOPBACK | IFF_POINTOPOINT)) == 0;
}

static void take_addr(struct nl_object *object, void *user_data)
{
    AddrWalk         *walk = user_data;
    struct rtnl_addr *row = (struct rtnl_addr *)object;
    unsigned          unusable = IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED;
    struct rtnl_link *link = NULL;
    int               index = rtnl_addr_get_ifindex(row);
    NetAddr           found = { .addr = net_link_read_nl_addr(rtnl_addr_get_local(row)) };

    if (found.addr.family == 0 || mesh_ip_class(&found.addr) == MESH_IP_LINK_LOCAL)
        return;
    if (walk->ifindex != 0) {
        if (index == walk->ifindex)
            g_array_append_val(walk->out, found);
        return;
    }
    link = rtnl_link_get(walk->links, index);
    if (link == NULL)
        return;
    if ((rtnl_link_get_flags(link) & IFF_RUNNING) != 0 &&
        (rtnl_addr_get_flags(row) & unusable) == 0 && rtnl_link_get_name(link) != NULL) {
        g_strlcpy(found.ifname, rtnl_link_get_name(link), sizeof found.ifname);
        found.ifindex = (unsigned)index;
        found.shared = is_shared(rtnl_link_get_flags(link));
        g_array_append_val(walk->out, found);
    }
    rtnl_link_put(link);
}

bool net_link_list_addrs(struct nl_sock *sock, int ifindex, GArray *out, GError **error)
{
    AddrWalk         walk = { .ifindex = ifindex, .out = out };
    struct nl_cache *addrs = NULL;
    int              rc = 0;

    if (ifindex == 0)
        rc = rtnl_link_alloc_cache(sock, AF_UNSPEC, &walk.links);
    if (rc == 0)
        rc = rtnl_addr_alloc_cache(sock, &addrs);
    if (rc == 0)
        nl_cache_foreach(addrs, take_addr, &walk);
    else
        g_set_error(error, MESH_ERROR, MESH_ERROR_HOST, "cannot list addresses: %s",
                    nl_geterror(rc));
    nl_cache_free(addrs);
    nl_cache_free(walk.links);
    return rc == 0;
}

/* A row for the kernel: the address alone, without a route of its own. NULL: out of memory. */
static struct rtnl_addr *make_row(int ifindex, const MeshAddr *addr)
{
    struct rtnl_addr *row = rtnl_addr_alloc();
    struct nl_addr   *local = net_link_make_nl_addr(addr, addr->family == AF_INET ? 32 : 128);

    if (row != NULL && local != NULL && rtnl_addr_set_local(row, local) == 0) {
        rtnl_addr_set_ifindex(row, ifindex);
        rtnl_addr_set_flags(row, IFA_F_NODAD); /* nobody else is on this link */
    } else {
        rtnl_addr_put(row);
        row = NULL;
    }
    nl_addr_put(local);
    return row;
}

bool net_link_add_addr(struct nl_sock *sock, int ifindex, const MeshAddr *addr, bool *out_off,
                       GError **error)
{
    struct rtnl_addr *row = make_row(ifindex, addr);
    char              text[MESH_IP_ADDR_TEXT_SIZE];
    int               rc = row != NULL ? rtnl_addr_add(sock, row, 0) : -NLE_NOMEM;

    rtnl_addr_put(row);
    *out_off = addr->family == AF_INET6 &&
               (rc == -NLE_NOACCESS || rc == -NLE_OPNOTSUPP || rc == -NLE_AF_NOSUPPORT);
    if (rc == 0 || rc == -NLE_EXIST)
        return true;
    g_set_error(error, MESH_ERROR, MESH_ERROR_HOST, "cannot add address %s: %s%s",
                mesh_ip_format_addr(addr, text), nl_geterror(rc),
                *out_off ? " (IPv6 is switched off on this host)" : "");
    return false;
}

void net_link_remove_addr(struct nl_sock *sock, int ifindex, const MeshAddr *addr)
{
    struct rtnl_addr *row = make_row(ifindex, addr);

    if (row != NULL)
        (void)rtnl_addr_delete(sock, row, 0); /* already gone is what we want */
    rtnl_addr_put(row);
}
