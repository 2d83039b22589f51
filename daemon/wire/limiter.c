/* daemon/wire/limiter.c: token buckets by source; see limiter.h.
 *
 * A set-associative table: the keyed hash of a source names a set of four buckets; a new source
 * takes the stalest of them. A flooder with many addresses can only make buckets forget, which
 * costs it the cookie exchange that comes before this check. */
#include "daemon/wire/limiter.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define WAYS        4u
#define MIN_SOURCES 64u

/* Time is money: a bucket is filled by the clock, a handshake costs so many milliseconds. */
#define COST_MS (1000 / (int64_t)WIRE_LIMITER_PER_SECOND)
#define FULL_MS (COST_MS * (int64_t)WIRE_LIMITER_BURST)

typedef struct {
    uint8_t network[8]; /* IPv4 address and zeros, or the first 64 bits of an IPv6 address */
    bool    v6;
    int64_t paid_ms; /* boot clock up to which handshakes were paid for; 0: unused bucket */
} Bucket;

struct WireLimiter {
    uint8_t key[crypto_shorthash_KEYBYTES];
    size_t  n_sets; /* power of two */
    Bucket  buckets[];
};

int wire_limiter_new(size_t max_sources, WireLimiter **out_limiter)
{
    size_t       n = MIN_SOURCES;
    WireLimiter *self;

    while (n < max_sources && n <= SIZE_MAX / 4)
        n *= 2;
    self = calloc(1, sizeof *self + n * sizeof self->buckets[0]);
    if (self == NULL)
        return -ENOMEM;
    self->n_sets = n / WAYS;
    crypto_shorthash_keygen(self->key);
    *out_limiter = self;
    return 0;
}

void wire_limiter_free(WireLimiter *self)
{
    free(self);
}

/* The bucket of @like's source, or the stalest near it, made its own. */
static Bucket *find(WireLimiter *self, const Bucket *like)
{
    Bucket  *set, *stalest;
    uint64_t hash;

    crypto_shorthash((unsigned char *)&hash, like->network, sizeof like->network, self->key);
    set = stalest = &self->buckets[(hash & (self->n_sets - 1)) * WAYS];
    for (unsigned i = 0; i < WAYS; i++) {
        if (set[i].paid_ms != 0 && set[i].v6 == like->v6 &&
            memcmp(set[i].network, like->network, sizeof like->network) == 0)
            return &set[i];
        if (set[i].paid_ms < stalest->paid_ms)
            stalest = &set[i];
    }
    *stalest = *like;
    return stalest;
}

bool wire_limiter_allow(WireLimiter *self, const MeshAddr *source, int64_t now_ms)
{
    Bucket  like = { .v6 = source->family == AF_INET6 };
    Bucket *bucket;
    int64_t paid_ms;

    memcpy(like.network, source->bytes, like.v6 ? 8 : 4);
    like.paid_ms = now_ms - FULL_MS; /* a full bucket */
    if (like.paid_ms == 0)
        like.paid_ms = -1;
    bucket = find(self, &like);
    paid_ms = bucket->paid_ms < now_ms - FULL_MS ? now_ms - FULL_MS : bucket->paid_ms;
    if (paid_ms + COST_MS > now_ms)
        return false;
    bucket->paid_ms = paid_ms + COST_MS;
    return true;
}
