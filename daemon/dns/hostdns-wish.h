/* daemon/dns/hostdns-wish.h: our servers in /etc/resolv.conf where we may not write it: meshd
 * leaves its wish in its runtime directory, and mesh-resolvconf.service, which is root and nothing
 * else, fulfils it (dns_hostdns_serve()). Thread: main loop.
 *
 * The wish is a text file, "nameserver ADDRESS" a line; none means: nothing of ours. */
#pragma once

#include "common/std/ip.h"

#include <glib.h>
#include <stdbool.h>

typedef struct DnsHostdnsWish DnsHostdnsWish;

typedef enum {
    DNS_HOSTDNS_WISH_WAITING, /* changed() follows */
    DNS_HOSTDNS_WISH_DONE,
    DNS_HOSTDNS_WISH_FAILED, /* nobody fulfils it */
} DnsHostdnsWishState;

/* To be asked again: it may be done, or have failed. */
typedef void (*DnsHostdnsWishChanged)(void *user_data);

/** dns_hostdns_wish_new: writes nothing yet. @resolv_path is only read. */
DnsHostdnsWish *dns_hostdns_wish_new(const char *wish_path, const char *resolv_path,
                                     DnsHostdnsWishChanged changed, void *user_data);
void            dns_hostdns_wish_free(DnsHostdnsWish *self); /* takes it back; NULL is fine */

/** dns_hostdns_wish_apply: wishes that these be the first servers; at most two. Idempotent, to be
 * called again when resolv.conf changed. Errors, with FAILED: the wish cannot be written, or stands
 * for some seconds. */
DnsHostdnsWishState dns_hostdns_wish_apply(DnsHostdnsWish *self, const MeshAddr *servers,
                                           size_t n_servers, GError **error);
void                dns_hostdns_wish_undo(DnsHostdnsWish *self);

/** dns_hostdns_wish_is_done: is the file as we wish it, also if that is: without us? */
bool dns_hostdns_wish_is_done(const DnsHostdnsWish *self);
