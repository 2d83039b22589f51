#include "server/loop/pack.h"

#include <stdint.h>

enum {
    WORD_BYTES = sizeof(uint64_t),
    MAX_WORDS = LOOP_PACK_MAX_BYTES / WORD_BYTES,
    GROUP_WORDS = 64,
    MAX_GROUPS = MAX_WORDS / GROUP_WORDS,
};

struct LoopPacked {
    uint64_t map[MAX_GROUPS]; /* bit i of group g: word g * 64 + i is here */
    uint64_t words[];
};

size_t loop_pack_measure(const void *data, size_t len)
{
    const uint64_t *from = data;
    size_t          n = (len + WORD_BYTES - 1) / WORD_BYTES, kept = 0;

    for (size_t i = 0; i < n; i++)
        kept += from[i] != 0;
    return sizeof(LoopPacked) + kept * WORD_BYTES;
}

void loop_pack_put(const void *data, size_t len, LoopPacked *out)
{
    const uint64_t *from = data;
    size_t          n = (len + WORD_BYTES - 1) / WORD_BYTES;
    uint64_t       *word = out->words;

    for (size_t g = 0; g < MAX_GROUPS; g++)
        out->map[g] = 0;
    for (size_t i = 0; i < n; i++) {
        if (from[i] == 0)
            continue;
        out->map[i / GROUP_WORDS] |= (uint64_t)1 << i % GROUP_WORDS;
        *word++ = from[i];
    }
}

void loop_pack_get(const LoopPacked *self, void *data)
{
    uint64_t       *to = data;
    const uint64_t *word = self->words;

    for (size_t g = 0; g < MAX_GROUPS; g++) {
        for (uint64_t left = self->map[g]; left != 0; left &= left - 1)
            to[g * GROUP_WORDS + (size_t)__builtin_ctzll(left)] = *word++;
    }
}
