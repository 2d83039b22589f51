/* daemon/wire/checksum.c: sums of 64-bit words, their halves apart, so that nothing carries. */
#include "daemon/wire/checksum.h"

#include <string.h>

uint64_t wire_checksum_add(const uint8_t *bytes, size_t len, uint64_t sum)
{
    uint64_t low = 0, high = 0, words[4], last = 0;

    for (; len >= sizeof(words); bytes += sizeof(words), len -= sizeof(words)) {
        memcpy(words, bytes, sizeof(words));
        low += (words[0] & 0xffffffffu) + (words[1] & 0xffffffffu) + (words[2] & 0xffffffffu) +
               (words[3] & 0xffffffffu);
        high += (words[0] >> 32) + (words[1] >> 32) + (words[2] >> 32) + (words[3] >> 32);
    }
    for (; len >= sizeof(words[0]); bytes += sizeof(words[0]), len -= sizeof(words[0])) {
        memcpy(words, bytes, sizeof(words[0]));
        low += words[0] & 0xffffffffu;
        high += words[0] >> 32;
    }
    memcpy(&last, bytes, len);
    return sum + low + high + (last & 0xffffffffu) + (last >> 32);
}
