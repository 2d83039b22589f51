/* daemon/wire/aqm-flow.c: to what flow a packet belongs. */
#include <netinet/in.h>
#include <string.h>

#include "daemon/wire/aqm.h"

enum { MORE_OR_OFFSET = 0x3fff };

/* A step of mixing: not cryptographic, but the salt is not known outside. */
static uint64_t mix(uint64_t hash, const uint8_t *at, size_t len)
{
    for (; len >= 4; at += 4, len -= 4) {
        uint32_t word;

        memcpy(&word, at, sizeof(word));
        hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 32;
    }
    return hash;
}

static bool has_ports(uint8_t protocol)
{
    return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

unsigned wire_aqm_flow(uint64_t salt, const uint8_t *packet, uint32_t len)
{
    uint64_t hash = salt;

    if (len >= 20 && packet[0] >> 4 == 4) {
        uint32_t at = (uint32_t)(packet[0] & 15) * 4;
        bool     whole = ((packet[6] << 8 | packet[7]) & MORE_OR_OFFSET) == 0;

        hash = mix(hash ^ packet[9], packet + 12, 8);
        if (whole && has_ports(packet[9]) && len >= at + 4)
            hash = mix(hash, packet + at, 4);
    } else if (len >= 40 && packet[0] >> 4 == 6) {
        hash = mix(hash ^ packet[6], packet + 8, 32);
        if (has_ports(packet[6]) && len >= 44)
            hash = mix(hash, packet + 40, 4);
    }
    return (unsigned)(hash % WIRE_AQM_FLOWS);
}
