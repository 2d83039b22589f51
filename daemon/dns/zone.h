/* daemon/dns/zone.h: what one network has to say in DNS; a value that others may include beside
 * daemon/dns/resolver.h. Everything in it is borrowed. */
#pragma once

#include "common/proto/network.h"
#include "common/std/ip.h"

#include <stddef.h>
#include <stdint.h>

#define DNS_ZONE_MAX_PREFIXES 2u

/** DnsHost: one node: a label, and its addresses as this host may use them (family 0: none). */
typedef struct {
    char     name[MESH_NETWORK_NAME_SIZE];
    MeshAddr ip4, ip6;
} DnsHost;

typedef struct {
    const char    *suffix; /* "home.mesh" */
    const char    *self;   /* own label: the name server of the zone */
    uint32_t       serial;
    size_t         n_prefixes, n_hosts;
    MeshPrefix     prefixes[DNS_ZONE_MAX_PREFIXES]; /* whose reverse zones are ours */
    const DnsHost *hosts;                           /* own node among them */
} DnsZone;
