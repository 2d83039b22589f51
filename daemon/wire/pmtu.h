/* daemon/wire/pmtu.h: what a peer's way carries, held against packets of this host. The length
 * itself is found by daemon/path, with probes of its own (docs/PATHS.md §6). Pure. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "daemon/wire/offload.h"

enum { WIRE_PMTU_LEAST6 = 1280 }; /* every IPv6 link carries it (RFC 8200 §5), so ours has to */

/** wire_pmtu_refuses: is something of @split longer than @mtu, and may its sender be told so? What
 * may be taken apart (IPv4 without DF) goes in pieces, and 1280 bytes of IPv6 go as they are.
 * @split: just started; @mtu: inner bytes. */
bool wire_pmtu_refuses(const WireSplit *split, uint32_t mtu);
