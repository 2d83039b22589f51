#include "server/loop/region.h"

#include "server/loop/pack.h"
#include "server/loop/slots.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    REGION_BYTES = 1 << 16,
    MAX_REGIONS = 1 << 16, /* addresses only: 4 GiB; connections beyond use malloc() */
    GROW_REGIONS = 16,     /* made accessible at a time */
    MAX_PAGE_BYTES = 1 << 14,
    /* The first is the SSL, 7.6 KB: it has pages of its own, behind all others. What else is large
     * is there for a moment, records and handshake messages on their way: it would leave a gap
     * here, and cost faults at each message. */
    MAX_FIRST_BYTES = 8 << 10,
    MAX_PIECE_BYTES = 2 << 10,
    MAX_PACKED_BYTES = 1920,                  /* an SSL's are 1.7 KB; who has more stays awake */
    FIRST_AT = REGION_BYTES - MAX_PAGE_BYTES, /* where the first piece lies */
    UNIT = 16,                                /* malloc()'s alignment, too */
    HEAD = 8,
};

/* Precedes each piece. Blocks lie one after the other and fill the region; no two free ones touch.
 * A block is named by its place: units from HEAD bytes behind the region's begin, so that what
 * follows its head is aligned. */
typedef struct {
    uint16_t units;  /* with this head */
    uint16_t before; /* units of the block before; 0: it is the first */
    uint16_t next;   /* of a gap: the place of another one; 0: none */
    bool     used;
} Block;

struct LoopRegion {
    pthread_mutex_t lock;      /* all but @next_free; pieces may be given back on another thread */
    uint32_t        n_pieces;  /* in use */
    uint32_t        first_len; /* bytes of the first piece while it is in use, else 0 */
    LoopPacked     *asleep;    /* what was in the first piece; NULL: it is there */
    uint16_t        gaps;      /* the blocks that are free, in no order */
    bool            closed;
};

enum {
    BEGIN = (sizeof(LoopRegion) + UNIT - 1 - HEAD) / UNIT,
    END = (FIRST_AT - HEAD) / UNIT,
};

_Static_assert(sizeof(Block) <= HEAD, "a head fits before a piece");
_Static_assert(MAX_FIRST_BYTES <= MAX_PAGE_BYTES, "the first piece fits behind the others");

/* OpenSSL has one set of memory functions for the process, and so is this. */
static struct {
    pthread_mutex_t lock;  /* the counts and @free; taken with no region's lock held */
    uint8_t        *range; /* MAX_REGIONS; set once, before other threads are; NULL: none */
    size_t          page_bytes;
    uint32_t        n_ready, n_opened; /* may be touched; were handed out once */
    LoopSlots      *packed;            /* first pieces of those that sleep */
    uint32_t        n_free;
    uint16_t        free[MAX_REGIONS]; /* a stack */
} all = { .lock = PTHREAD_MUTEX_INITIALIZER };

static __thread LoopRegion *current;

static Block *block_at(LoopRegion *self, unsigned place)
{
    return (Block *)(void *)((uint8_t *)self + HEAD + (size_t)place * UNIT);
}

static unsigned place_of(const LoopRegion *self, const void *piece)
{
    return (unsigned)((size_t)((const uint8_t *)piece - (const uint8_t *)self) / UNIT) - 1;
}

static LoopRegion *region_of(const void *piece)
{
    size_t at = (size_t)((uintptr_t)piece - (uintptr_t)all.range);

    if (all.range == NULL || at >= (size_t)MAX_REGIONS * REGION_BYTES)
        return NULL;
    return (LoopRegion *)(void *)(all.range + at / REGION_BYTES * REGION_BYTES);
}

static void set_block(LoopRegion *self, unsigned place, unsigned units, bool used)
{
    Block *block = block_at(self, place);

    block->units = (uint16_t)units;
    block->used = used;
    if (place + units < END)
        block_at(self, place + units)->before = (uint16_t)units;
}

static void add_gap(LoopRegion *self, unsigned place, unsigned units)
{
    set_block(self, place, units, false);
    block_at(self, place)->next = self->gaps;
    self->gaps = (uint16_t)place;
}

/* Of some ten, as a rule. */
static void remove_gap(LoopRegion *self, unsigned place)
{
    uint16_t *at = &self->gaps;

    while (*at != place)
        at = &block_at(self, *at)->next;
    *at = block_at(self, place)->next;
}

/* Best fit: pieces of a handshake leave gaps between those that stay, and what comes later fills
 * the gap it leaves least of. The wide room behind all of them comes last. Returns: the place; 0:
 * there is none. */
static unsigned find_gap(LoopRegion *self, unsigned units)
{
    unsigned best = 0, best_units = END;

    for (unsigned place = self->gaps; place != 0 && best_units != units;) {
        const Block *block = block_at(self, place);

        if (block->units >= units && block->units < best_units) {
            best = place;
            best_units = block->units;
        }
        place = block->next;
    }
    return best;
}

static void *cut(LoopRegion *self, unsigned units)
{
    unsigned place = find_gap(self, units), room;

    if (place == 0)
        return NULL;
    room = block_at(self, place)->units;
    remove_gap(self, place);
    set_block(self, place, units, true);
    if (room > units)
        add_gap(self, place + units, room - units);
    self->n_pieces++;
    return (uint8_t *)block_at(self, place) + HEAD;
}

static void *first_of(LoopRegion *self)
{
    return (uint8_t *)self + FIRST_AT;
}

static void *take_first(LoopRegion *self, size_t len)
{
    if (self->n_pieces > 0 || len > MAX_FIRST_BYTES)
        return NULL;
    self->first_len = (uint32_t)len;
    self->n_pieces++;
    return first_of(self);
}

static void *take_from(LoopRegion *self, size_t len)
{
    void *piece;

    (void)pthread_mutex_lock(&self->lock);
    if (len > MAX_PIECE_BYTES)
        piece = take_first(self, len);
    else
        piece = cut(self, (unsigned)((len + HEAD + UNIT - 1) / UNIT));
    (void)pthread_mutex_unlock(&self->lock);
    return piece;
}

static void join(LoopRegion *self, unsigned place)
{
    Block   *block = block_at(self, place);
    unsigned units = block->units, before = place - block->before;

    if (place + units < END && !block_at(self, place + units)->used) {
        remove_gap(self, place + units);
        units += block_at(self, place + units)->units;
    }
    if (place > BEGIN && !block_at(self, before)->used) {
        remove_gap(self, before);
        units += place - before;
        place = before;
    }
    add_gap(self, place, units);
    self->n_pieces--;
}

static void put_back(LoopRegion *self)
{
    (void)pthread_mutex_destroy(&self->lock);
    (void)madvise(self, REGION_BYTES, MADV_DONTNEED); /* if it fails they cost memory, no more */
    (void)pthread_mutex_lock(&all.lock);
    all.free[all.n_free++] = (uint16_t)((size_t)((uint8_t *)self - all.range) / REGION_BYTES);
    (void)pthread_mutex_unlock(&all.lock);
}

static void give_to(LoopRegion *self, void *piece)
{
    bool is_last;

    (void)pthread_mutex_lock(&self->lock);
    if (piece == first_of(self)) {
        self->first_len = 0;
        self->n_pieces--;
    } else {
        join(self, place_of(self, piece));
    }
    is_last = self->closed && self->n_pieces == 0;
    (void)pthread_mutex_unlock(&self->lock);
    if (is_last)
        put_back(self);
}

/* One that was never used. @all is locked. */
static uint8_t *open_next(void)
{
    uint8_t *end = all.range + (size_t)all.n_ready * REGION_BYTES;

    if (all.n_opened == MAX_REGIONS)
        return NULL;
    if (all.n_opened == all.n_ready) {
        if (mprotect(end, (size_t)GROW_REGIONS * REGION_BYTES, PROT_READ | PROT_WRITE) < 0)
            return NULL;
        all.n_ready += GROW_REGIONS;
    }
    return all.range + (size_t)all.n_opened++ * REGION_BYTES;
}

LoopRegion *loop_region_new(void)
{
    uint8_t    *begin = NULL;
    LoopRegion *self;

    if (all.range == NULL)
        return NULL;
    (void)pthread_mutex_lock(&all.lock);
    if (all.n_free > 0)
        begin = all.range + (size_t)all.free[--all.n_free] * REGION_BYTES;
    else
        begin = open_next();
    (void)pthread_mutex_unlock(&all.lock);
    if (begin == NULL)
        return NULL;
    self = (LoopRegion *)(void *)begin;
    *self = (LoopRegion){ .lock = PTHREAD_MUTEX_INITIALIZER };
    block_at(self, BEGIN)->before = 0;
    add_gap(self, BEGIN, END - BEGIN);
    return self;
}

void loop_region_free(LoopRegion *self)
{
    bool is_empty;

    if (self == NULL)
        return;
    if (current == self)
        current = NULL;
    (void)pthread_mutex_lock(&self->lock);
    self->closed = true;
    is_empty = self->n_pieces == 0;
    (void)pthread_mutex_unlock(&self->lock);
    if (is_empty)
        put_back(self);
}

void loop_region_enter(LoopRegion *self)
{
    current = self;
}

void loop_region_trim(LoopRegion *self)
{
    Block *block;

    if (self == NULL)
        return;
    (void)pthread_mutex_lock(&self->lock);
    for (unsigned place = self->gaps; place != 0; place = block->next) {
        size_t from = HEAD + (size_t)place * UNIT + HEAD;
        size_t to;

        block = block_at(self, place);
        to = (from - HEAD + (size_t)block->units * UNIT) / all.page_bytes * all.page_bytes;
        if (place + block->units >= END)
            to = FIRST_AT;
        from = (from + all.page_bytes - 1) / all.page_bytes * all.page_bytes;
        if (from < to)
            (void)madvise((uint8_t *)self + from, to - from, MADV_DONTNEED);
    }
    (void)pthread_mutex_unlock(&self->lock);
}

bool loop_region_sleep(LoopRegion *self, const void *first)
{
    if (self == NULL || first != first_of(self) || self->first_len == 0 ||
        loop_pack_measure(first, self->first_len) > MAX_PACKED_BYTES)
        return false;
    self->asleep = loop_slots_take(all.packed);
    if (self->asleep == NULL)
        return false;
    loop_pack_put(first, self->first_len, self->asleep);
    /* If it fails the bytes are still there, and are written again as they are. */
    (void)madvise(first_of(self), MAX_PAGE_BYTES, MADV_DONTNEED);
    return true;
}

void loop_region_wake(LoopRegion *self)
{
    if (self == NULL || self->asleep == NULL)
        return;
    loop_pack_get(self->asleep, first_of(self));
    OPENSSL_cleanse(self->asleep, MAX_PACKED_BYTES); /* keys are among it */
    loop_slots_give(all.packed, self->asleep);
    self->asleep = NULL;
}

void *loop_region_take(size_t len)
{
    void *piece = NULL;

    if (len == 0) /* as OpenSSL's own */
        return NULL;
    if (current != NULL)
        piece = take_from(current, len);
    return piece != NULL ? piece : malloc(len);
}

void loop_region_give(void *piece)
{
    LoopRegion *region = region_of(piece);

    if (region != NULL)
        give_to(region, piece);
    else
        free(piece);
}

/* It stays with its connection, whoever asks. */
void *loop_region_resize(void *piece, size_t len)
{
    LoopRegion *region = region_of(piece);
    size_t      room;
    void       *other;

    if (piece == NULL)
        return loop_region_take(len);
    if (len == 0) {
        loop_region_give(piece);
        return NULL;
    }
    if (region == NULL) /* how long it is only malloc() knows */
        return realloc(piece, len);
    /* Its own head changes only when it is given back, so it may be read without the lock. */
    if (piece == first_of(region))
        room = region->first_len;
    else
        room = (size_t)block_at(region, place_of(region, piece))->units * UNIT - HEAD;
    if (len <= room)
        return piece;
    other = take_from(region, len);
    if (other == NULL)
        other = malloc(len);
    if (other == NULL)
        return NULL;
    memcpy(other, piece, room);
    give_to(region, piece);
    return other;
}

bool loop_region_holds(const void *piece)
{
    return region_of(piece) != NULL;
}

size_t loop_region_count(void)
{
    size_t n;

    (void)pthread_mutex_lock(&all.lock);
    n = all.n_opened - all.n_free;
    (void)pthread_mutex_unlock(&all.lock);
    return n;
}

#if !defined(__SANITIZE_ADDRESS__)
static void *take_for_ssl(size_t len, const char *file, int line)
{
    (void)file;
    (void)line;
    return loop_region_take(len);
}

static void *resize_for_ssl(void *piece, size_t len, const char *file, int line)
{
    (void)file;
    (void)line;
    return loop_region_resize(piece, len);
}

static void give_for_ssl(void *piece, const char *file, int line)
{
    (void)file;
    (void)line;
    loop_region_give(piece);
}

static int redirect_ssl(void)
{
    return CRYPTO_set_mem_functions(take_for_ssl, resize_for_ssl, give_for_ssl) == 1 ? 0
                                                                                     : -EALREADY;
}
#else
static int redirect_ssl(void)
{
    return 0;
}
#endif

int loop_region_install(void)
{
    const size_t len = (size_t)MAX_REGIONS * REGION_BYTES;
    long         page = sysconf(_SC_PAGESIZE);
    void        *range;
    int          rc;

    if (page <= 0 || page > MAX_PAGE_BYTES)
        return -ENOTSUP;
    range = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (range == MAP_FAILED)
        return -ENOMEM;
    (void)madvise(range, len,
                  MADV_NOHUGEPAGE); /* one would be 32 regions; not all kernels have it */
    rc = loop_slots_new(MAX_PACKED_BYTES, MAX_REGIONS, &all.packed);
    if (rc == 0)
        rc = redirect_ssl();
    if (rc < 0) {
        loop_slots_free(all.packed);
        (void)munmap(range, len);
        return rc;
    }
    all.page_bytes = (size_t)page;
    all.range = range;
    return 0;
}
