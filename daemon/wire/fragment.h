/* daemon/wire/fragment.h: an IPv4 packet that its way does not carry, and that may be taken apart
 * (no DF), becomes pieces that fit, as a router does it, but inside the tunnel: NATs and firewalls
 * on the way see whole datagrams. Pure: bytes in, bytes out, where they lie; no memory but the
 * caller's. Sources: RFC 791 §3.1, §3.2, RFC 1812 §5.2.2, §5.2.7.3. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/std/attr.h"
#include "daemon/wire/packet.h"

enum { WIRE_FRAGMENT_MAX_HEADER = 60 }; /* of IPv4, with options */

typedef struct {
    uint8_t *packet;
    uint32_t mtu;
    uint32_t header_len, later_len; /* of the first piece, of the others */
    uint32_t payload, done;         /* bytes behind the header; of them in pieces so far */
    uint16_t flags; /* flags and offset of the packet, which may be a piece itself */
    uint8_t  later[WIRE_FRAGMENT_MAX_HEADER]; /* header of the others: options are not all copied */
} WireFragment;

/** wire_fragment_most: Returns: so many pieces, at most, of @mtu bytes a packet becomes that is
 * @len bytes long and begins like @packet; 1 if it is not IPv4 or need not, or cannot, be taken
 * apart. Looks at no more than the first byte (@len > 0). */
uint32_t wire_fragment_most(const uint8_t *packet, uint32_t len, uint32_t mtu);

/** wire_fragment_start: looks at a packet, which is borrowed and will be written to.
 * @mtu: bytes of each piece, at most
 * Returns: 0; -EBADMSG: it is not a whole IPv4 packet with a header that is right and something
 * behind it, has DF, need not be taken apart, would end beyond 65535 bytes, or @mtu does not hold
 * its header and 8 bytes. The packet was not written to. */
MESH_CHECKED int wire_fragment_start(WireFragment *self, const WirePacket *packet, uint32_t mtu);

/** wire_fragment_next: the next piece, inside the packet: its header is written over the tail of
 * the piece before, which must be used up by now. Bytes behind it are payload that is still to
 * come. Returns: false: there are no more. */
bool wire_fragment_next(WireFragment *self, WirePacket *out_piece);
