/* daemon/dns/hostdns-nm.h: what NetworkManager does with DNS on this host; inside daemon/dns only.
 * Thread: main loop.
 *
 * It is asked who writes resolv.conf; hostdns-nmlink.h then tells it of our interfaces. Its global
 * configuration is no way: that would replace the servers of all its connections. */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

typedef struct DnsHostdnsNm DnsHostdnsNm;

/** DnsHostdnsNmInfo: texts are borrowed; "" where NetworkManager is not running. */
typedef struct {
    const char *mode;       /* "default", "dnsmasq", "systemd-resolved", "none" … */
    const char *rc_manager; /* "symlink", "file", "resolvconf", "unmanaged" … */
} DnsHostdnsNmInfo;

/* The answer changed. */
typedef void (*DnsHostdnsNmChanged)(void *user_data);

DnsHostdnsNm *dns_hostdns_nm_new(GDBusConnection *connection, DnsHostdnsNmChanged changed,
                                 void *user_data);
void          dns_hostdns_nm_free(DnsHostdnsNm *self); /* NULL is fine */

DnsHostdnsNmInfo dns_hostdns_nm_get(const DnsHostdnsNm *self); /* @self NULL: not running */

/** dns_hostdns_nm_uses_resolved: does it hand all DNS to systemd-resolved? */
bool dns_hostdns_nm_uses_resolved(const DnsHostdnsNm *self);

/** dns_hostdns_nm_is_known: has it been heard of whether it is there, and what it does? */
bool dns_hostdns_nm_is_known(const DnsHostdnsNm *self);

/** dns_hostdns_nm_knows_zones: does what it sets up ask our servers for our zones alone (dnsmasq)?
 * A plain resolv.conf knows only an order. */
bool dns_hostdns_nm_knows_zones(const DnsHostdnsNm *self);

/** dns_hostdns_nm_writes_file: is resolv.conf its own, so that it may replace ours? */
bool dns_hostdns_nm_writes_file(const DnsHostdnsNm *self);
