#include "common/std/buckets.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    SETS = 2048,
    WAYS = 4, /* places a network may be in */
    PREFIX_BYTES = 9,
    MILLI = 1000, /* tokens are kept in thousandths */
};

typedef struct {
    uint8_t prefix[PREFIX_BYTES]; /* family and the network's bytes; family 0: free */
    int64_t level;                /* thousandths of a token */
    int64_t at_ms;                /* when level was true */
} Bucket;

struct MeshBuckets {
    unsigned ip4_bytes;
    int64_t  rate, burst;
    uint8_t  hash_key[crypto_shorthash_KEYBYTES]; /* ours: nobody aims at one set from outside */
    Bucket   sets[SETS][WAYS];
};

int mesh_buckets_new(unsigned ip4_bytes, unsigned rate, unsigned burst, MeshBuckets **out_buckets)
{
    MeshBuckets *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return -ENOMEM;
    self->ip4_bytes = ip4_bytes;
    self->rate = rate;
    self->burst = (int64_t)burst * MILLI;
    randombytes_buf(self->hash_key, sizeof(self->hash_key));
    *out_buckets = self;
    return 0;
}

void mesh_buckets_free(MeshBuckets *self)
{
    free(self);
}

static void make_prefix(const MeshAddr *addr, unsigned ip4_bytes, uint8_t out[PREFIX_BYTES])
{
    memset(out, 0, PREFIX_BYTES);
    out[0] = addr->family == AF_INET ? 4 : 6;
    memcpy(out + 1, addr->bytes, addr->family == AF_INET ? ip4_bytes : 8);
}

/* The bucket of @prefix in its set, made anew in a free or the longest quiet place. */
static Bucket *find(MeshBuckets *self, const uint8_t prefix[PREFIX_BYTES], int64_t now_ms)
{
    uint8_t hash[crypto_shorthash_BYTES];
    Bucket *set, *quiet;

    (void)crypto_shorthash(hash, prefix, PREFIX_BYTES, self->hash_key);
    set = self->sets[(hash[0] | hash[1] << 8) % SETS];
    quiet = &set[0];
    for (unsigned i = 0; i < WAYS; i++) {
        if (memcmp(set[i].prefix, prefix, PREFIX_BYTES) == 0)
            return &set[i];
        if (set[i].at_ms < quiet->at_ms)
            quiet = &set[i];
    }
    memcpy(quiet->prefix, prefix, PREFIX_BYTES);
    quiet->level = self->burst;
    quiet->at_ms = now_ms;
    return quiet;
}

bool mesh_buckets_take(MeshBuckets *self, const MeshAddr *addr, int64_t now_ms)
{
    uint8_t prefix[PREFIX_BYTES];
    Bucket *bucket;

    make_prefix(addr, self->ip4_bytes, prefix);
    bucket = find(self, prefix, now_ms);
    bucket->level += (now_ms - bucket->at_ms) * self->rate; /* per ms: rate / 1000 tokens */
    if (bucket->level > self->burst)
        bucket->level = self->burst;
    bucket->at_ms = now_ms;
    if (bucket->level < MILLI)
        return false;
    bucket->level -= MILLI;
    return true;
}
