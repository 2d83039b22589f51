/* daemon/net/link.h: one interface: look up, alias, up, addresses; inside daemon/net only. */
#pragma once

#include "daemon/net/net.h"

#include <netlink/netlink.h>
#include <stdbool.h>

/** net_link_prepare: brings the interface up, without addresses that the kernel makes by itself.
 * Returns its index, or 0 with @error. */
int net_link_prepare(struct nl_sock *sock, const char *ifname, GError **error);

/** net_link_lacks_ip6: this host has IPv6 switched off, for the interface or altogether. */
bool net_link_lacks_ip6(const char *ifname);

int net_link_get_index(struct nl_sock *sock, const char *ifname); /* 0: there is none */

/** net_link_remove_stale: deletes @ifname if it is a TUN interface and has this index: another
 * index is another program's interface. Returns true when it did. */
bool net_link_remove_stale(struct nl_sock *sock, const char *ifname, int ifindex);

/** net_link_list_addrs: the addresses of one interface (@ifindex) that are not link-local, or of
 * all running interfaces (@ifindex 0). Appends NetAddr to @out. */
bool net_link_list_addrs(struct nl_sock *sock, int ifindex, GArray *out, GError **error);

/** net_link_add_addr: an address that is there already is fine. @out_off: it failed because the
 * kernel has no IPv6, or has it switched off for this interface. */
bool net_link_add_addr(struct nl_sock *sock, int ifindex, const MeshAddr *addr, bool *out_off,
                       GError **error);
void net_link_remove_addr(struct nl_sock *sock, int ifindex, const MeshAddr *addr);

/* libnl's binary address from ours; NULL: out of memory. @bits: the prefix length it carries. */
struct nl_addr *net_link_make_nl_addr(const MeshAddr *addr, unsigned bits);
/* The other way; no address when @nl_addr is NULL or of another family. */
MeshAddr net_link_read_nl_addr(struct nl_addr *nl_addr);
