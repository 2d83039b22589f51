/* tests/daemon/wire/offload-reference.h: splitting and merging once more, as plainly as can be
 * said: byte by byte, a copy for each packet, every rule a line. Slow; for tests. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/wire/offload.h"

#define REFERENCE_MAX 70000u

typedef struct {
    uint8_t bytes[REFERENCE_MAX];
    size_t  len;
} ReferencePacket;

/* Sum over bytes as the RFC says it: big-endian words, the last one filled up. Not inverted. */
uint16_t reference_sum(const uint8_t *bytes, size_t len, uint32_t start);

/* IPv4 header (if any) and TCP or UDP behind @l4_at: are the checksums right? */
bool reference_is_right(const uint8_t *packet, size_t len, size_t l4_at, bool udp);

/* Segment @n of a super-packet whose headers end at @header_len. False: there is no such. */
bool reference_split(const uint8_t *packet, size_t len, const WireVnet *vnet, size_t n,
                     ReferencePacket *out);

/* Whether @next may stand behind @last in a run that began with @first, has @n_packets already and
 * whose packets have @total bytes as one. All are whole packets. */
typedef struct {
    WirePacket first, last, next;
    size_t     n_packets, total;
} ReferenceJoin;

bool reference_may_join(const ReferenceJoin *join);

/* Same addresses, protocol and ports, without extension headers and options. */
bool reference_is_same_flow(const WirePacket *a, const WirePacket *b);

/* A TCP segment of that form with ACK, perhaps PSH and ECE, and no payload. */
bool reference_is_pure_ack(const WirePacket *packet);
