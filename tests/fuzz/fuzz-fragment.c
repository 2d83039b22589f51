/* tests/fuzz/fuzz-fragment.c: IPv4 packets that are longer than their way carries: nothing is read
 * or written beyond them, and the pieces are what the slow reference wants, or all is refused.
 *
 * Input: how long a piece may be, and a piece of a piece (two bytes each); the packet. Where the
 * first byte of the packet has an odd version, the header's checksum is put right before. */
#include "tests/daemon/wire/fragment-reference.h"
#include "tests/daemon/wire/offload-reference.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static uint8_t packet[WIRE_MAX_PACKET];
    FuzzInput      in = fuzz_make_input(data, len);
    uint32_t       mtu = fuzz_take_u16(&in), again = fuzz_take_u16(&in);
    size_t         n = in.left < sizeof packet ? in.left : sizeof packet, header;
    uint16_t       sum;

    fuzz_take_bytes(&in, packet, n);
    header = (packet[0] & 15u) * 4u;
    if (n >= 20 && header >= 20 && header <= n && (packet[0] & 0x10) != 0) {
        packet[0] = (uint8_t)(0x40 | (packet[0] & 15));
        packet[10] = packet[11] = 0;
        sum = (uint16_t)~reference_sum(packet, header, 0);
        packet[10] = (uint8_t)(sum >> 8);
        packet[11] = (uint8_t)sum;
    }
    (void)reference_check_cut(packet, n, mtu, again < mtu ? again : 0);
    return 0;
}
