/* daemon/dns/zone.h: what one network has to say in DNS; a value that others may include beside
 * daemon/dns/resolver.h. Everything in it is borrowed. */
#pragma once

#include "common/proto/network.h"
#include "common/std/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_ZONE_MAX_PREFIXES 2u

/** DnsHost: one node: a label, and its addresses as this host may use them (family 0: none). */
typedef struct {
    char     name[MESH_NETWORK_NAME_SIZE];
    MeshAddr ip4, ip6;
} DnsHost;

/** DnsBook: hosts that are looked up where they are, instead of in a list: of ten thousand each
 * change would cost a list. It answers as it is, so it is to be immutable. */
typedef struct {
    /* The host of that name; false: none. */
    bool (*find_name)(void *data, const char *name, DnsHost *out_host);
    /* The first address that is not before @addr (families by number, bytes as numbers), and its
     * host; false: none. */
    bool (*find_from)(void *data, const MeshAddr *addr, MeshAddr *out_addr, DnsHost *out_host);
    void (*ref)(void *data);
    void (*unref)(void *data);
    void *data;
} DnsBook;

typedef struct {
    const char    *suffix; /* "home.mesh" */
    const char    *self;   /* own label: the name server of the zone */
    uint32_t       serial;
    size_t         n_prefixes, n_hosts;
    MeshPrefix     prefixes[DNS_ZONE_MAX_PREFIXES]; /* whose reverse zones are ours */
    const DnsHost *hosts;                           /* own node among them */
    const DnsBook *book; /* instead of hosts, own node in it; NULL: there is a list */
} DnsZone;
