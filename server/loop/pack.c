#include "server/loop/pack.h"

#include <openssl/crypto.h>
#include <stdint.h>
#include <stdlib.h>

enum {
    WORD_BYTES = sizeof(uint64_t),
    MAX_WORDS = LOOP_PACK_MAX_BYTES / WORD_BYTES,
    GROUP_WORDS = 64,
    MAX_GROUPS = MAX_WORDS / GROUP_WORDS,
};

struct LoopPacked {
    uint64_t map[MAX_GROUPS]; /* bit i of group g: word g * 64 + i is here */
    size_t   n_words;
    uint64_t words[];
};

static size_t map_words(const uint64_t *data, size_t n, uint64_t map[MAX_GROUPS])
{
    size_t kept = 0;

    for (size_t g = 0; g < MAX_GROUPS; g++)
        map[g] = 0;
    for (size_t i = 0; i < n; i++) {
        if (data[i] == 0)
            continue;
        map[i / GROUP_WORDS] |= (uint64_t)1 << i % GROUP_WORDS;
        kept++;
    }
    return kept;
}

LoopPacked *loop_pack_new(const void *data, size_t len)
{
    const uint64_t *from = data;
    size_t          n = (len + WORD_BYTES - 1) / WORD_BYTES;
    uint64_t        map[MAX_GROUPS];
    size_t          kept = map_words(from, n, map), at = 0;
    LoopPacked     *self = malloc(sizeof(*self) + kept * WORD_BYTES);

    if (self == NULL)
        return NULL;
    self->n_words = kept;
    for (size_t g = 0; g < MAX_GROUPS; g++)
        self->map[g] = map[g];
    for (size_t i = 0; i < n; i++) {
        if (from[i] != 0)
            self->words[at++] = from[i];
    }
    return self;
}

void loop_pack_take(LoopPacked *self, void *data)
{
    uint64_t       *to = data;
    const uint64_t *word = self->words;

    for (size_t g = 0; g < MAX_GROUPS; g++) {
        for (uint64_t left = self->map[g]; left != 0; left &= left - 1)
            to[g * GROUP_WORDS + (size_t)__builtin_ctzll(left)] = *word++;
    }
    OPENSSL_cleanse(self->words, self->n_words * WORD_BYTES);
    free(self);
}
