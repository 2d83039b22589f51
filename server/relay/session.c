#include "server/relay/session.h"

#include "common/codec/relayframe.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLOT_BITS = 16,
    MAX_SLOTS = 1 << SLOT_BITS, /* RELAY_MAX_SESSIONS */
    GENERATIONS = 1 << (24 - SLOT_BITS),
    URGENT_BYTES_S = 64000 / 8,
    URGENT_BURST = 8192,
    NOTICES_S = 10,
    MOVES_S = 5,
};

typedef struct {
    RelaySession *session; /* NULL: free */
    uint32_t      next_free;
    uint8_t       generation;
} Slot;

struct RelayTable {
    pthread_rwlock_t lock;
    unsigned         max;
    unsigned         count;
    uint32_t         first_free;
    RelaySession   **places; /* by who; a power of two of them */
    uint32_t         n_places;
    uint8_t          hash_key[crypto_shorthash_KEYBYTES]; /* networks are named by strangers */
    Slot             slots[];
};

_Static_assert((int)RELAY_MAX_SESSIONS <= (int)MAX_SLOTS, "a session's number names its slot");

static int init_lock(pthread_rwlock_t *lock)
{
    pthread_rwlockattr_t attr;
    int                  rc = pthread_rwlockattr_init(&attr);

    if (rc != 0)
        return -rc;
    /* Threads that forward hold it nearly all the time: a bind must get in between. */
    (void)pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    rc = pthread_rwlock_init(lock, &attr);
    (void)pthread_rwlockattr_destroy(&attr);
    return -rc;
}

int relay_table_new(unsigned max, RelayTable **out_table)
{
    RelayTable *self;
    uint32_t    n_places = 64;

    if (max > MAX_SLOTS)
        max = MAX_SLOTS;
    while (n_places < max)
        n_places *= 2;
    self = calloc(1, sizeof(*self) + max * sizeof(self->slots[0]));
    if (self == NULL)
        return -ENOMEM;
    self->places = calloc(n_places, sizeof(*self->places));
    if (self->places == NULL || init_lock(&self->lock) < 0) {
        free(self->places);
        free(self);
        return -ENOMEM;
    }
    self->max = max;
    self->n_places = n_places;
    self->first_free = 1; /* session 0 is nobody's */
    randombytes_buf(self->hash_key, sizeof(self->hash_key));
    for (uint32_t i = 0; i < max; i++) {
        self->slots[i].next_free = i + 1;
        /* From anywhere: after a restart old numbers name nobody, most likely. */
        self->slots[i].generation = (uint8_t)randombytes_uniform(GENERATIONS);
    }
    *out_table = self;
    return 0;
}

static void free_session(RelaySession *session)
{
    relay_queue_free(session->queue);
    (void)pthread_mutex_destroy(&session->lock);
    mesh_key_wipe(&session->keys, sizeof(session->keys));
    free(session);
}

void relay_table_free(RelayTable *self)
{
    if (self == NULL)
        return;
    for (uint32_t i = 0; i < self->max; i++)
        if (self->slots[i].session != NULL)
            free_session(self->slots[i].session);
    (void)pthread_rwlock_destroy(&self->lock);
    free(self->places);
    free(self);
}

void relay_table_read(RelayTable *self)
{
    (void)pthread_rwlock_rdlock(&self->lock);
}

void relay_table_write(RelayTable *self)
{
    (void)pthread_rwlock_wrlock(&self->lock);
}

void relay_table_unlock(RelayTable *self)
{
    (void)pthread_rwlock_unlock(&self->lock);
}

static uint32_t make_number(const RelayTable *self, uint32_t slot)
{
    return (uint32_t)self->slots[slot].generation << SLOT_BITS | slot;
}

RelaySession *relay_table_find(RelayTable *self, uint32_t number)
{
    uint32_t slot = number & (MAX_SLOTS - 1);

    if (slot >= self->max || make_number(self, slot) != number)
        return NULL;
    return self->slots[slot].session;
}

static RelaySession **find_place(RelayTable *self, const RelayNode *of, uint32_t index)
{
    uint8_t  input[14], hash[crypto_shorthash_BYTES];
    uint32_t place;

    memcpy(input, of->network, RELAY_NETWORK_BYTES);
    memcpy(input + 8, &index, sizeof(index));
    memcpy(input + 12, &of->server, sizeof(of->server));
    (void)crypto_shorthash(hash, input, sizeof(input), self->hash_key);
    memcpy(&place, hash, sizeof(place));
    return &self->places[place & (self->n_places - 1)];
}

RelaySession *relay_table_find_node(RelayTable *self, const RelayNode *of, uint32_t index)
{
    RelaySession *at = *find_place(self, of, index);

    while (at != NULL && (at->node.index != index || at->node.server != of->server ||
                          memcmp(at->node.network, of->network, RELAY_NETWORK_BYTES) != 0))
        at = at->next_alike;
    return at;
}

RelaySession *relay_table_add(RelayTable *self, const RelayGrant *grant, int64_t now_ms,
                              int64_t exp_ms)
{
    RelaySession *session, **place;
    uint32_t      slot = self->first_free;

    if (slot >= self->max)
        return NULL;
    session = calloc(1, sizeof(*session));
    if (session == NULL || pthread_mutex_init(&session->lock, NULL) != 0) {
        free(session);
        return NULL;
    }
    self->first_free = self->slots[slot].next_free;
    self->slots[slot].session = session;
    self->count++;
    session->number = make_number(self, slot);
    session->node = grant->node;
    session->exp_ms = exp_ms;
    atomic_store_explicit(&session->heard_ms, now_ms, memory_order_relaxed);
    session->up = relay_allowance_make(grant->bps / 8, grant->burst);
    session->down = session->up;
    session->urgent = relay_allowance_make(URGENT_BYTES_S, URGENT_BURST);
    session->notices = relay_allowance_make(NOTICES_S, NOTICES_S);
    session->moves = relay_allowance_make(MOVES_S, MOVES_S);
    place = find_place(self, &grant->node, grant->node.index);
    session->next_alike = *place;
    *place = session;
    return session;
}

void relay_table_remove(RelayTable *self, RelaySession *session)
{
    uint32_t       slot = session->number & (MAX_SLOTS - 1);
    RelaySession **place = find_place(self, &session->node, session->node.index);

    while (*place != session)
        place = &(*place)->next_alike;
    *place = session->next_alike;
    self->slots[slot].session = NULL;
    self->slots[slot].generation++;
    self->slots[slot].next_free = self->first_free;
    self->first_free = slot;
    self->count--;
    free_session(session);
}

void relay_table_each(RelayTable *self, void (*visit)(RelaySession *session, void *data),
                      void       *data)
{
    for (uint32_t i = 0; i < self->max; i++)
        if (self->slots[i].session != NULL)
            visit(self->slots[i].session, data);
}

unsigned relay_table_count(const RelayTable *self)
{
    return self->count;
}
