/* daemon/wire/ecn.h: explicit congestion notification across the tunnel, RFC 6040: what the network
 * marks on the outer packet reaches the inner one's receiver. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    WIRE_ECN_NOT_ECT = 0,
    WIRE_ECN_ECT1 = 1,
    WIRE_ECN_ECT0 = 2,
    WIRE_ECN_CE = 3,
};

/** wire_ecn_get: of the IP packet at @packet; NOT_ECT also if it is none (a keepalive). What the
 * outer packet gets (normal mode, §4.1). */
uint8_t wire_ecn_get(const uint8_t *packet, uint32_t len);

/** wire_ecn_merge: carries the mark of the outer packet into the inner one at @packet, a whole IP
 * packet, and its checksum (§4.2, RFC 1624).
 * Returns: false: it has to be dropped: congestion was met, and its ends would not hear of it. */
bool wire_ecn_merge(uint8_t *packet, uint8_t outer);
