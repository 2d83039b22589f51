/* daemon/wire/checksum.c: sums of 64-bit words, their halves apart, so that nothing carries; two
 * words at a time in what every CPU of ours has as vectors. */
#include "daemon/wire/checksum.h"

#include <string.h>

typedef uint64_t Pair __attribute__((vector_size(16)));

uint64_t wire_checksum_add(const uint8_t *bytes, size_t len, uint64_t sum)
{
    Pair     low = { 0 }, high = { 0 }, even[2], odd[2];
    uint64_t word = 0;

    for (; len >= 64; bytes += 64, len -= 64) {
        memcpy(even, bytes, sizeof(even));
        memcpy(odd, bytes + 32, sizeof(odd));
        low += (even[0] & 0xffffffffu) + (odd[0] & 0xffffffffu) + (even[1] & 0xffffffffu) +
               (odd[1] & 0xffffffffu);
        high += (even[0] >> 32) + (odd[0] >> 32) + (even[1] >> 32) + (odd[1] >> 32);
    }
    sum += low[0] + low[1] + high[0] + high[1];
    for (; len >= sizeof(word); bytes += sizeof(word), len -= sizeof(word)) {
        memcpy(&word, bytes, sizeof(word));
        sum += (word & 0xffffffffu) + (word >> 32);
    }
    word = 0;
    memcpy(&word, bytes, len);
    return sum + (word & 0xffffffffu) + (word >> 32);
}
