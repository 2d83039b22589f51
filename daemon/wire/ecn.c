/* daemon/wire/ecn.c: see ecn.h. */
#include "daemon/wire/ecn.h"

enum { ECN_BITS = 3, V6_SHIFT = 4, V4_CHECKSUM_AT = 10 };

uint8_t wire_ecn_get(const uint8_t *packet, uint32_t len)
{
    if (len < 2)
        return WIRE_ECN_NOT_ECT;
    if (packet[0] >> 4 == 4)
        return packet[1] & ECN_BITS;
    if (packet[0] >> 4 == 6)
        return packet[1] >> V6_SHIFT & ECN_BITS;
    return WIRE_ECN_NOT_ECT;
}

/* RFC 1624, equation 3, for the first word. */
static void set4(uint8_t *packet, uint8_t ecn)
{
    uint8_t *at = packet + V4_CHECKSUM_AT;
    uint32_t sum = (uint32_t)(at[0] << 8 | at[1]) ^ 0xffffu;

    sum += (uint32_t)(packet[0] << 8 | packet[1]) ^ 0xffffu;
    packet[1] = (uint8_t)((packet[1] & ~ECN_BITS) | ecn);
    sum += (uint32_t)(packet[0] << 8 | packet[1]);
    sum = (sum & 0xffffu) + (sum >> 16);
    sum = (sum & 0xffffu) + (sum >> 16);
    sum ^= 0xffffu;
    at[0] = (uint8_t)(sum >> 8);
    at[1] = (uint8_t)sum;
}

static void set6(uint8_t *packet, uint8_t ecn)
{
    packet[1] = (uint8_t)((packet[1] & ~(ECN_BITS << V6_SHIFT)) | ecn << V6_SHIFT);
}

bool wire_ecn_merge(uint8_t *packet, uint8_t outer)
{
    uint8_t inner = wire_ecn_get(packet, 2);

    if (outer == WIRE_ECN_NOT_ECT || outer == WIRE_ECN_ECT0 || outer == inner)
        return true; /* §4.2: the inner mark stands */
    if (inner == WIRE_ECN_NOT_ECT)
        return outer != WIRE_ECN_CE;
    if (inner == WIRE_ECN_CE)
        return true;
    if (packet[0] >> 4 == 4)
        set4(packet, outer);
    else
        set6(packet, outer);
    return true;
}
