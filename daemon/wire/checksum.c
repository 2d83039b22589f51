/* daemon/wire/checksum.c: sums of 16-bit words as they lie: by vectors of 32 bytes where the CPU
 * has them, else by 64-bit words, two at a time. */
#include "daemon/wire/checksum.h"

#include <stdbool.h>
#include <string.h>

typedef uint64_t Pair __attribute__((vector_size(16)));

#if defined(__x86_64__)
#include <immintrin.h>

static bool has_wide(void)
{
    return __builtin_cpu_supports("avx2");
}

/* The instruction that adds neighbours takes words as signed: each is moved down by 2^15, and all
 * of that is added again in the end. Whole 64 bytes, at least one: of 2^20 both halves together are
 * just what 32 bits hold. */
__attribute__((target("avx2"))) static uint64_t add_wide(const uint8_t *bytes, size_t len)
{
    const __m256i lowest = _mm256_set1_epi16(INT16_MIN), one = _mm256_set1_epi16(1);
    uint64_t      moved = len / sizeof(uint16_t) * 32768u;
    __m256i       even = _mm256_setzero_si256(), odd = even;
    int32_t       lanes[8];
    int64_t       sum = 0;

    for (; len > 0; bytes += 64, len -= 64) {
        __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)bytes);
        __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(bytes + 32));

        even = _mm256_add_epi32(even, _mm256_madd_epi16(_mm256_xor_si256(a, lowest), one));
        odd = _mm256_add_epi32(odd, _mm256_madd_epi16(_mm256_xor_si256(b, lowest), one));
    }
    even = _mm256_add_epi32(even, odd);
    memcpy(lanes, &even, sizeof(lanes));
    for (size_t i = 0; i < sizeof(lanes) / sizeof(lanes[0]); i++)
        sum += lanes[i];
    return (uint64_t)((int64_t)moved + sum);
}
#else
static bool has_wide(void)
{
    return false;
}

static uint64_t add_wide(const uint8_t *bytes, size_t len)
{
    return wire_checksum_add_narrow(bytes, len);
}
#endif

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

/* Fewer than eight. Word by word: a copy of so many bytes as a variable says is a call. */
static uint64_t add_last(const uint8_t *bytes, size_t len, uint64_t sum)
{
    uint32_t word;
    uint16_t half = 0;

    if ((len & 4) != 0) {
        memcpy(&word, bytes, sizeof(word));
        sum += word;
        bytes += sizeof(word);
    }
    if ((len & 2) != 0) {
        memcpy(&half, bytes, sizeof(half));
        sum += half;
        bytes += sizeof(half);
    }
    if ((len & 1) == 0)
        return sum;
    half = 0;
    memcpy(&half, bytes, 1);
    return sum + half;
}

uint64_t wire_checksum_add(const uint8_t *bytes, size_t len, uint64_t sum)
{
    size_t   whole = len & ~(size_t)63;
    uint64_t word;

    if (whole > 0)
        sum += has_wide() ? add_wide(bytes, whole) : wire_checksum_add_narrow(bytes, whole);
    bytes += whole;
    len -= whole;
    for (; len >= sizeof(word); bytes += sizeof(word), len -= sizeof(word)) {
        memcpy(&word, bytes, sizeof(word));
        sum += (word & 0xffffffffu) + (word >> 32);
    }
    return add_last(bytes, len, sum);
}
