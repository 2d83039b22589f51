/* daemon/wire/pmtu.c: see pmtu.h. */
#include "daemon/wire/pmtu.h"

enum { FLAGS4_AT = 6, DF = 0x40 };

bool wire_pmtu_refuses(const WireSplit *split, uint32_t mtu)
{
    uint32_t longest = wire_split_longest(split);

    if (longest <= mtu)
        return false;
    if (split->packet[0] >> 4 == 6)
        return longest > WIRE_PMTU_LEAST6;
    return (split->packet[FLAGS4_AT] & DF) != 0;
}
