/* daemon/dns/hostdns-resolved.h: our servers and zones on one link of systemd-resolved
 * (org.freedesktop.resolve1); inside daemon/dns only. Thread: main loop; nothing waits. */
#pragma once

#include "daemon/dns/hostdns.h"

#define DNS_HOSTDNS_RESOLVED_NAME "org.freedesktop.resolve1"

typedef struct DnsHostdnsResolved DnsHostdnsResolved; /* one link's settings, being made */

/* @error NULL: all is set. Not called after free. */
typedef void (*DnsHostdnsResolvedDone)(const GError *error, void *user_data);

/** dns_hostdns_resolved_start: sets servers, routing domains (the suffix and the reverse zones,
 * each as "~ZONE": queries for them alone go there), not the default route for names. A link that
 * systemd-resolved has not heard of yet is tried again for some seconds. */
DnsHostdnsResolved *dns_hostdns_resolved_start(GDBusConnection       *connection,
                                               const DnsHostdnsLink  *link,
                                               DnsHostdnsResolvedDone done, void *user_data);
void dns_hostdns_resolved_free(DnsHostdnsResolved *self); /* cancels; does not undo; NULL is fine */

/** dns_hostdns_resolved_revert: asks for the link to be as before us; the answer is only logged.
 * A link that is gone has taken its settings with it. */
void dns_hostdns_resolved_revert(GDBusConnection *connection, int ifindex);
