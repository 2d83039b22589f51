/* daemon/wire/icmp.h: the few ICMP and ICMPv6 packets that the plane makes itself. Pure. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WIRE_ICMP_HEADER4 = 20, /* bytes of the IP headers written here */
    WIRE_ICMP_HEADER6 = 40,
    WIRE_ICMP_ERROR_BYTES = 1280, /* the longest error: the IPv6 minimum MTU (RFC 4443 §2.4) */
};

/** wire_icmp_finish4, _finish6: write the IP header before an ICMP message of @len bytes that lies
 * behind it with its checksum zero, and the checksum. */
void wire_icmp_finish4(uint8_t *packet, const uint8_t source[4], const uint8_t destination[4],
                       size_t len);
void wire_icmp_finish6(uint8_t *packet, const uint8_t source[16], const uint8_t destination[16],
                       size_t len);

/** wire_icmp_make_unreachable: tells the sender of @packet that its destination cannot be reached,
 * or may not be (@prohibited), in the name of that destination.
 * @packet, @len: an IP packet of this host; @out: room for WIRE_ICMP_ERROR_BYTES
 * Returns: its bytes; 0: there must be no answer to this one (an ICMP error, a later fragment,
 * group or no addresses: RFC 1122 §3.2.2, RFC 4443 §2.4), or it is no whole IP header. */
size_t wire_icmp_make_unreachable(const uint8_t *packet, size_t len, bool prohibited, uint8_t *out);

/** wire_icmp_make_too_long: the same: its destination is reached by packets of @mtu bytes at most
 * (RFC 1191, RFC 4443 §3.2). */
size_t wire_icmp_make_too_long(const uint8_t *packet, size_t len, uint32_t mtu, uint8_t *out);
