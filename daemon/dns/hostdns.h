/* daemon/dns/hostdns.h: points this host's programs at the resolvers of its networks: for each link
 * through systemd-resolved, else through NetworkManager where it writes resolv.conf, else, as the
 * last resort, by /etc/resolv.conf.
 *
 * Nothing here makes a network fail: where names cannot be had the state says why. What owns DNS on
 * the host may come, go or change at any time; it is looked at again then. Thread: main loop. */
#pragma once

#include "daemon/dns/zone.h"

#include <gio/gio.h>
#include <stdbool.h>

#define DNS_HOSTDNS_MAX_SERVERS 2u
#define DNS_HOSTDNS_IFNAME_SIZE 16u

typedef struct DnsHostdns DnsHostdns;

typedef enum {
    DNS_HOSTDNS_OFF,      /* nothing is asked for */
    DNS_HOSTDNS_WAITING,  /* under way, or systemd-resolved is not there yet */
    DNS_HOSTDNS_RESOLVED, /* in place, through systemd-resolved */
    DNS_HOSTDNS_NM,       /* in place, through NetworkManager */
    DNS_HOSTDNS_FILE,     /* in place, by resolv.conf */
    DNS_HOSTDNS_FAILED,
} DnsHostdnsState;

/** DnsHostdnsLink: what one network wants. Texts are borrowed. */
typedef struct {
    const char *ifname;
    int         ifindex;
    const char *suffix;
    size_t      n_prefixes, n_servers;
    MeshPrefix  prefixes[DNS_ZONE_MAX_PREFIXES]; /* their reverse zones go the same way */
    MeshAddr    servers[DNS_HOSTDNS_MAX_SERVERS];
} DnsHostdnsLink;

/** DnsHostdnsOptions: @connection may be NULL: no bus, so resolv.conf. Paths NULL: the defaults. */
typedef struct {
    GDBusConnection *connection;
    const char      *record_path; /* where the file before ours is kept while it is ours */
    const char      *resolv_path; /* /etc/resolv.conf */
    const char *wish_path;     /* for mesh-resolvconf.service, where we may not write; NULL: none */
    const char *nsswitch_path; /* /etc/nsswitch.conf */
} DnsHostdnsOptions;

/* A state changed. */
typedef void (*DnsHostdnsChanged)(void *user_data);

/** dns_hostdns_start: puts back what a killed predecessor left in resolv.conf. */
DnsHostdns *dns_hostdns_start(const DnsHostdnsOptions *options, DnsHostdnsChanged changed,
                              void *user_data);
void        dns_hostdns_stop(DnsHostdns *self); /* undoes all; NULL is fine */

/** dns_hostdns_clean: what dns_hostdns_start() puts back, alone; nothing to put back is fine. */
bool dns_hostdns_clean(const char *record_path, GError **error);

typedef struct {
    const char *wish_path, *record_path, *resolv_path;
} DnsHostdnsPaths;

/** dns_hostdns_serve: what mesh-resolvconf.service does: makes resolv.conf what the wish says,
 * once. Who writes wishes is not trusted: addresses that are not this host's are refused, and
 * everything that is no small regular file. A wish that is refused leaves nothing of ours in the
 * file. */
bool dns_hostdns_serve(const DnsHostdnsPaths *paths, GError **error);

/** dns_hostdns_apply: copies. The same link again is only looked at. A suffix that is that of
 * another network, or above or below it, is refused to the later one. */
void dns_hostdns_apply(DnsHostdns *self, const DnsHostdnsLink *link);
void dns_hostdns_undo(DnsHostdns *self, const char *ifname); /* a missing one is fine */

/** dns_hostdns_get: @out_reason: why it is not as wished, "" if there is nothing to say; borrowed
 * until the main loop runs. */
DnsHostdnsState dns_hostdns_get(DnsHostdns *self, const char *ifname, const char **out_reason);

/** dns_hostdns_state_name: "off", "waiting", "systemd-resolved",
 * "NetworkManager", "resolv.conf", "error". */
const char *dns_hostdns_state_name(DnsHostdnsState state);
