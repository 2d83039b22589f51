/* daemon/dns/reverse.h: the names of addresses: in-addr.arpa (RFC 1035 §3.5) and ip6.arpa (RFC
 * 3596 §2.5). Inside daemon/dns only. Values; any thread, no allocation. */
#pragma once

#include "common/std/ip.h"
#include "daemon/dns/name.h"

/* A prefix that ends between two labels has the zones of the next longer ones that do not. */
#define DNS_REVERSE_MAX_ZONES 128u

/** dns_reverse_parse: the addresses below @name (folded): a whole one, or a prefix of them when
 * labels are missing in front. False: not such a name, or below a whole address. */
bool dns_reverse_parse(const DnsName *name, MeshPrefix *out_prefix);

/** dns_reverse_make: the name of the first @bits bits of @addr; @bits is cut to whole labels. */
DnsName dns_reverse_make(const MeshAddr *addr, unsigned bits);

/** dns_reverse_list: the zones that make up @prefix, into @out_zones. Returns: how many; 0: no
 * address. */
size_t dns_reverse_list(const MeshPrefix *prefix, DnsName out_zones[DNS_REVERSE_MAX_ZONES]);
