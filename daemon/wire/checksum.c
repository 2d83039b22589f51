/* daemon/wire/checksum.c: sums of 64-bit words, their halves apart, so that nothing carries; four
 * words at a time where the CPU has vectors for them, else two. */
#include "daemon/wire/checksum.h"

#include <stdbool.h>
#include <string.h>

typedef uint64_t Pair __attribute__((vector_size(16)));
typedef uint64_t Quad __attribute__((vector_size(32)));

#if defined(__x86_64__)
#define WIDE __attribute__((target("avx2")))

static bool has_wide(void)
{
    return __builtin_cpu_supports("avx2");
}
#else
#define WIDE

static bool has_wide(void)
{
    return false;
}
#endif

/* Whole 64 bytes, at least one. */
WIDE static uint64_t add_wide(const uint8_t *bytes, size_t len)
{
    Quad low = { 0 }, high = { 0 }, even, odd; /* an array would live in memory */

    for (; len > 0; bytes += 64, len -= 64) {
        memcpy(&even, bytes, sizeof(even));
        memcpy(&odd, bytes + 32, sizeof(odd));
        low += (even & 0xffffffffu) + (odd & 0xffffffffu);
        high += (even >> 32) + (odd >> 32);
    }
    low += high;
    return low[0] + low[1] + low[2] + low[3];
}

uint64_t wire_checksum_add_narrow(const uint8_t *bytes, size_t len)
{
    Pair low = { 0 }, high = { 0 }, even, odd;

    for (; len > 0; bytes += 32, len -= 32) {
        memcpy(&even, bytes, sizeof(even));
        memcpy(&odd, bytes + 16, sizeof(odd));
        low += (even & 0xffffffffu) + (odd & 0xffffffffu);
        high += (even >> 32) + (odd >> 32);
    }
    return low[0] + low[1] + high[0] + high[1];
}

uint64_t wire_checksum_add(const uint8_t *bytes, size_t len, uint64_t sum)
{
    size_t   whole = len & ~(size_t)63;
    uint64_t word = 0;

    if (whole > 0)
        sum += has_wide() ? add_wide(bytes, whole) : wire_checksum_add_narrow(bytes, whole);
    bytes += whole;
    len -= whole;
    for (; len >= sizeof(word); bytes += sizeof(word), len -= sizeof(word)) {
        memcpy(&word, bytes, sizeof(word));
        sum += (word & 0xffffffffu) + (word >> 32);
    }
    word = 0;
    memcpy(&word, bytes, len);
    return sum + (word & 0xffffffffu) + (word >> 32);
}
