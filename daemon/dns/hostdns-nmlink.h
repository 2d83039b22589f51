/* daemon/dns/hostdns-nmlink.h: our servers and zones on one interface in NetworkManager; inside
 * daemon/dns only. Thread: main loop; nothing waits.
 *
 * NetworkManager (1.26.6 and newer) takes no name servers from an interface that it only watches.
 * Device.Reapply() makes such an interface its own, and its flag PRESERVE_EXTERNAL_IP (1.42 and
 * newer) leaves the addresses and routes that are ours. Servers are told by IPv4 alone: to manage
 * IPv6 it would switch it off and on, and all our addresses and routes with it. What we add lives
 * in the applied connection alone: it is on no disk, and goes with the interface, so that nothing
 * is left after SIGKILL. */
#pragma once

#include "daemon/dns/hostdns.h"

#define DNS_HOSTDNS_NM_NAME "org.freedesktop.NetworkManager"

typedef struct DnsHostdnsNmlink DnsHostdnsNmlink;

/** DnsHostdnsNmlinkWish: @first: the servers come before those of other connections, for a
 * resolv.conf that knows no zones; else they are equal and the zones say who is asked. */
typedef struct {
    const DnsHostdnsLink *link; /* copied */
    bool                  first;
} DnsHostdnsNmlinkWish;

/* @error NULL: all is set. Called again when NetworkManager activates the device anew. The callee
 * may free. */
typedef void (*DnsHostdnsNmlinkDone)(const GError *error, void *user_data);

/** dns_hostdns_nmlink_start: a device that NetworkManager has not looked at yet is tried again for
 * some seconds. Errors: MESH_ERROR_HOST, with what NetworkManager said. */
DnsHostdnsNmlink *dns_hostdns_nmlink_start(GDBusConnection *connection, DnsHostdnsNmlinkWish wish,
                                           DnsHostdnsNmlinkDone done, void *user_data);
void dns_hostdns_nmlink_free(DnsHostdnsNmlink *self); /* cancels; does not undo; NULL is fine */

/** dns_hostdns_nmlink_undo: takes what start() added, and that alone, out again; @done follows
 * once, also where there is no such device any more. To be freed after it. */
void dns_hostdns_nmlink_undo(DnsHostdnsNmlink *self, DnsHostdnsNmlinkDone done, void *user_data);

/** dns_hostdns_nmlink_edit: the settings of a connection (a{sa{sv}}) with our part in, or out again
 * where @undo is true; for the file itself and its tests.
 * Returns: floating; NULL: they are so already, or @out_not_yet: no address of ours is there, so
 * that servers would be refused. */
GVariant *dns_hostdns_nmlink_edit(GVariant *settings, DnsHostdnsNmlinkWish wish, bool undo,
                                  bool *out_not_yet);
