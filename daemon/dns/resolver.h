/* daemon/dns/resolver.h: answers DNS for one network, on this host's addresses in it: A, AAAA and
 * PTR of its nodes, SOA and NS of its zones. Everything else is refused and nothing is forwarded.
 *
 * Only addresses of the network itself are answered, so a neighbour on the LAN who sends packets
 * for a mesh address here hears nothing. Thread: main loop. */
#pragma once

#include "daemon/dns/zone.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define DNS_RESOLVER_PORT      53u
#define DNS_RESOLVER_MAX_ADDRS 2u

typedef struct DnsResolver DnsResolver;

typedef struct {
    size_t   n_addrs;
    MeshAddr addrs[DNS_RESOLVER_MAX_ADDRS];
    uint16_t port;  /* 0: any that is free, the same for all; for tests */
    bool     early; /* another program gives this host the addresses, sooner or later */
} DnsListen;

DnsResolver *dns_resolver_new(void);
void         dns_resolver_free(DnsResolver *self); /* NULL is fine */

/** dns_resolver_apply: answers from @zone (copied) on these addresses, UDP and TCP. On failure it
 * goes on as before. Idempotent. Errors: MESH_ERROR_HOST naming the address. */
bool dns_resolver_apply(DnsResolver *self, const DnsZone *zone, const DnsListen *listen,
                        GError **error);

void     dns_resolver_stop(DnsResolver *self);     /* closes all; apply starts again */
uint16_t dns_resolver_get_port(DnsResolver *self); /* 0: it does not listen */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DnsResolver, dns_resolver_free)
