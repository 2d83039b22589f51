/* daemon/dns/hostdns-nm.h: what NetworkManager does with DNS on this host; inside daemon/dns only.
 * Thread: main loop.
 *
 * NetworkManager (1.26.6 and newer) takes no name servers for an interface that is not its own, and
 * its global configuration would replace those of all its connections. So it is asked only who
 * writes resolv.conf; a network that is one of its connections gives it DNS by the VPN plugin. */
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

/** dns_hostdns_nm_writes_file: is resolv.conf its own, so that it may replace ours? */
bool dns_hostdns_nm_writes_file(const DnsHostdnsNm *self);
