/* daemon/wire/index.c: 32-bit index → peer and keypair; see index.h.
 *
 *   index = salt (11 random bits) ‖ slot (18 bits) ‖ number (3 bits)
 *   chunks[slot / 1024] → entry[slot % 1024]              shard: number % shards
 *
 * Of the numbers that mean one shard any is taken, so with few shards the salt is longer.
 *
 * Chunks are made when first needed and never move, so readers need no lock for growth. A free slot
 * waits at the end of a queue: the one that was released longest ago is used next. */
#include "daemon/wire/index.h"

#include "common/std/key.h"
#include "daemon/wire/keypair.h"
#include "daemon/wire/rcu.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define SLOT_BITS     18u
#define NUMBERS       (1u << WIRE_INDEX_SHARD_BITS)
#define CHUNK_ENTRIES 1024u
#define N_CHUNKS      (WIRE_INDEX_MAX / CHUNK_ENTRIES)
#define NO_SLOT       UINT32_MAX

_Static_assert(WIRE_INDEX_MAX == 1u << SLOT_BITS, "slot numbers fill their bits");

#if defined(__SANITIZE_THREAD__)
char wire_rcu_tsan_mark;
#endif

typedef struct {
    _Atomic(WireKeypair *) keypair;   /* owned by its peer's slots */
    WirePeer              *peer;      /* borrowed; NULL: free. Under the lock, as all below */
    uint32_t               index;     /* as it was given out last */
    uint32_t               next_free; /* slot after this one in the queue */
} Entry;

typedef struct {
    Entry entries[CHUNK_ENTRIES];
} Chunk;

struct WireIndexTable {
    _Atomic(Chunk *) chunks[N_CHUNKS]; /* owned */
    pthread_mutex_t  lock;
    unsigned         n_chunks, n_shards;
    uint32_t         first_free, last_free; /* queue of free slots; NO_SLOT: empty */
};

int wire_index_new(WireIndexTable **out_table)
{
    WireIndexTable *self = calloc(1, sizeof *self);

    if (self == NULL)
        return -ENOMEM;
    pthread_mutex_init(&self->lock, NULL);
    self->first_free = self->last_free = NO_SLOT;
    self->n_shards = 1;
    *out_table = self;
    return 0;
}

void wire_index_set_shards(WireIndexTable *self, unsigned n_shards)
{
    self->n_shards = n_shards;
}

static uint32_t slot_of(uint32_t index)
{
    return index >> WIRE_INDEX_SHARD_BITS & (WIRE_INDEX_MAX - 1);
}

void wire_index_free(WireIndexTable *self)
{
    if (self == NULL)
        return;
    for (unsigned i = 0; i < self->n_chunks; i++)
        free(atomic_load_explicit(&self->chunks[i], memory_order_relaxed));
    pthread_mutex_destroy(&self->lock);
    free(self);
}

/* NULL: no index of ours can have this slot yet. */
static Entry *get_entry(const WireIndexTable *self, uint32_t index)
{
    uint32_t slot = slot_of(index);
    Chunk   *chunk = wire_rcu_load(&self->chunks[slot / CHUNK_ENTRIES]);

    return chunk == NULL ? NULL : &chunk->entries[slot % CHUNK_ENTRIES];
}

/* Of a slot whose chunk is there. */
static Entry *get_slot(const WireIndexTable *self, uint32_t slot)
{
    return get_entry(self, slot << WIRE_INDEX_SHARD_BITS);
}

static void push_free(WireIndexTable *self, uint32_t slot)
{
    get_slot(self, slot)->next_free = NO_SLOT;
    if (self->last_free == NO_SLOT)
        self->first_free = slot;
    else
        get_slot(self, self->last_free)->next_free = slot;
    self->last_free = slot;
}

static int grow(WireIndexTable *self)
{
    uint32_t first = self->n_chunks * CHUNK_ENTRIES;
    Chunk   *chunk;

    if (self->n_chunks == N_CHUNKS)
        return -ENOSPC;
    chunk = calloc(1, sizeof *chunk);
    if (chunk == NULL)
        return -ENOMEM;
    wire_rcu_publish(&self->chunks[self->n_chunks++], chunk);
    for (uint32_t i = 0; i < CHUNK_ENTRIES; i++)
        push_free(self, first + i);
    return 0;
}

/* One of the numbers that mean @shard. */
static uint32_t choose_number(const WireIndexTable *self, unsigned shard, uint32_t random)
{
    unsigned n_numbers = (NUMBERS - shard + self->n_shards - 1) / self->n_shards;

    return shard + self->n_shards * (random % n_numbers);
}

int wire_index_reserve(WireIndexTable *self, WirePeer *peer, unsigned shard, uint32_t *out_index)
{
    uint32_t salt, slot;
    Entry   *entry;
    int      rc = 0;

    mesh_key_random(&salt, sizeof salt);
    pthread_mutex_lock(&self->lock);
    if (self->first_free == NO_SLOT)
        rc = grow(self);
    if (rc == 0) {
        slot = self->first_free;
        entry = get_slot(self, slot);
        self->first_free = entry->next_free;
        if (self->first_free == NO_SLOT)
            self->last_free = NO_SLOT;
        entry->index = salt << (SLOT_BITS + WIRE_INDEX_SHARD_BITS) | slot << WIRE_INDEX_SHARD_BITS |
                       choose_number(self, shard, salt >> 16);
        entry->peer = peer;
        *out_index = entry->index;
    }
    pthread_mutex_unlock(&self->lock);
    return rc;
}

WirePeer *wire_index_get_peer(WireIndexTable *self, uint32_t index)
{
    WirePeer *peer = NULL;
    Entry    *entry;

    pthread_mutex_lock(&self->lock);
    entry = get_entry(self, index);
    if (entry != NULL && entry->index == index)
        peer = entry->peer;
    pthread_mutex_unlock(&self->lock);
    return peer;
}

void wire_index_publish(WireIndexTable *self, WireKeypair *keypair)
{
    Entry *entry = get_entry(self, keypair->local_index);

    wire_rcu_publish(&entry->keypair, keypair);
}

WireKeypair *wire_index_get(const WireIndexTable *self, uint32_t index)
{
    Entry       *entry = get_entry(self, index);
    WireKeypair *keypair = entry == NULL ? NULL : wire_rcu_load(&entry->keypair);

    /* The slot may be another session's by now: what the keypair itself says decides. */
    return keypair != NULL && keypair->local_index == index ? keypair : NULL;
}

void wire_index_release(WireIndexTable *self, uint32_t index)
{
    Entry *entry;

    pthread_mutex_lock(&self->lock);
    entry = get_entry(self, index);
    if (entry != NULL && entry->index == index && entry->peer != NULL) {
        wire_rcu_publish(&entry->keypair, NULL);
        entry->peer = NULL;
        push_free(self, slot_of(index));
    }
    pthread_mutex_unlock(&self->lock);
}
