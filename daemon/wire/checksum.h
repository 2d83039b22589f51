/* daemon/wire/checksum.h: the Internet checksum (RFC 1071). Pure.
 *
 * A sum is one's-complement over 16-bit words as they lie in memory, kept wide: sums of pieces at
 * even offsets add up, and a number of the header is added in network byte order. */
#pragma once
#include <arpa/inet.h>
#include <stddef.h>
#include <stdint.h>

/** wire_checksum_add: @sum and the bytes, at most 2^20 in all; an odd last byte counts as if a zero
 * followed. */
uint64_t wire_checksum_add(const uint8_t *bytes, size_t len, uint64_t sum);

/* The same of whole 64 bytes, without wide vectors: what a CPU that has none calls. For tests. */
uint64_t wire_checksum_add_narrow(const uint8_t *bytes, size_t len);

/* The 16 bits of a sum, in memory order and not inverted; never 0 unless all bytes were. */
static inline uint16_t wire_checksum_fold(uint64_t sum)
{
    sum = (sum & 0xffffffffu) + (sum >> 32);
    sum = (sum & 0xffffffffu) + (sum >> 32);
    sum = (sum & 0xffffu) + (sum >> 16);
    sum = (sum & 0xffffu) + (sum >> 16);
    return (uint16_t)((sum & 0xffffu) + (sum >> 16));
}

/* The pseudo header of TCP and UDP: both addresses, the protocol and the length behind it. */
static inline uint64_t wire_checksum_add_pseudo(const uint8_t *addrs, size_t n_addrs,
                                                uint8_t protocol, size_t l4_len)
{
    return wire_checksum_add(addrs, n_addrs, 0) + htons(protocol) + htons((uint16_t)l4_len);
}
