/* Tests of server/loop/region.h: pieces keep what is in them and touch no other, what closes gives
 * all back, also late and from other threads, and a whole TLS handshake runs in one. */
#include "server/loop/region.h"

#include <glib.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PIECES = 64, ROUNDS = 200000, THREADS = 4, REGION_PAGES = 16 };

typedef struct {
    uint8_t *data;
    size_t   len;
    uint8_t  with;
} Piece;

static void fill(Piece *piece, size_t len, uint8_t with)
{
    piece->len = len;
    piece->with = with;
    memset(piece->data, with, len);
}

static bool is_filled(const Piece *piece, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (piece->data[i] != piece->with)
            return false;
    return true;
}

static Piece take(size_t len, uint8_t with)
{
    Piece piece = { .data = loop_region_take(len) };

    g_assert_nonnull(piece.data);
    g_assert_cmpuint((uintptr_t)piece.data % 16, ==, 0);
    fill(&piece, len, with);
    return piece;
}

static void *take_in(LoopRegion *region, size_t len)
{
    void *piece;

    loop_region_enter(region);
    piece = loop_region_take(len);
    loop_region_enter(NULL);
    return piece;
}

/* How many pages of the 64 KiB around @piece cost memory. Asked at the page, not at the region, as
 * regions lie side by side from a page's begin on. */
static unsigned count_pages(const void *region)
{
    size_t        page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char in[REGION_PAGES] = { 0 };
    unsigned      n = 0;

    g_assert_cmpint(mincore((void *)(uintptr_t)region, REGION_PAGES * page, in), ==, 0);
    for (unsigned i = 0; i < REGION_PAGES; i++)
        n += in[i] & 1;
    return n;
}

static void test_where(void)
{
    LoopRegion *region = loop_region_new();
    void       *outside = loop_region_take(100), *first = take_in(region, 8192);
    void       *small = take_in(region, 100), *large = take_in(region, 8192);

    g_assert_false(loop_region_holds(outside));
    g_assert_true(loop_region_holds(first));
    g_assert_true(loop_region_holds(small));
    g_assert_false(loop_region_holds(large)); /* only the first may be so large */
    g_assert_null(take_in(region, 0));
    loop_region_give(NULL);
    loop_region_give(outside);
    loop_region_give(first);
    loop_region_give(small);
    loop_region_give(large);
    loop_region_free(region);
    g_assert_cmpuint(loop_region_count(), ==, 0);
}

/* Random pieces of random sizes, taken, resized and given back: whoever wrote over another is seen.
 */
static void churn(LoopRegion *region, uint32_t seed, unsigned rounds)
{
    GRand *rand = g_rand_new_with_seed(seed);
    Piece  pieces[PIECES] = { 0 };

    loop_region_enter(region);
    for (unsigned i = 0; i < rounds; i++) {
        Piece *piece = &pieces[g_rand_int_range(rand, 0, PIECES)];
        size_t len = (size_t)g_rand_int_range(rand, 1, i % 16 == 0 ? 9000 : 1200);

        if (piece->data == NULL) {
            *piece = take(len, (uint8_t)i);
        } else if (i % 3 == 0) {
            piece->data = loop_region_resize(piece->data, len);
            g_assert_true(is_filled(piece, MIN(len, piece->len)));
            fill(piece, len, (uint8_t)i);
        } else {
            g_assert_true(is_filled(piece, piece->len));
            loop_region_give(g_steal_pointer(&piece->data));
        }
        if (i % 64 == 0)
            loop_region_trim(region);
    }
    for (unsigned i = 0; i < PIECES; i++) {
        if (pieces[i].data != NULL)
            g_assert_true(is_filled(&pieces[i], pieces[i].len));
        loop_region_give(pieces[i].data);
    }
    loop_region_enter(NULL);
    g_rand_free(rand);
}

static void test_churn(void)
{
    LoopRegion *region = loop_region_new();
    void       *whole;

    churn(region, 1, ROUNDS);
    whole = take_in(region, 8192); /* taken as the first: nothing was lost */
    g_assert_true(loop_region_holds(whole));
    loop_region_give(whole);
    loop_region_free(region);
    g_assert_cmpuint(loop_region_count(), ==, 0);
}

/* When a region is full, malloc() goes on, and what is given back is used again. */
static void test_full(void)
{
    LoopRegion *region = loop_region_new();
    GPtrArray  *pieces = g_ptr_array_new_with_free_func(loop_region_give);
    size_t      inside = 0;
    void       *again;

    for (unsigned i = 0; i < 100; i++) {
        void *piece = take_in(region, 1000);

        inside += loop_region_holds(piece) ? 1 : 0;
        g_ptr_array_add(pieces, piece);
    }
    g_assert_cmpuint(inside, ==, 49000 / 1008);
    g_ptr_array_remove_index(pieces, 7);
    again = take_in(region, 1000);
    g_assert_true(loop_region_holds(again));
    loop_region_give(again);
    g_ptr_array_unref(pieces);
    loop_region_free(region);
    g_assert_cmpuint(loop_region_count(), ==, 0);
}

static void test_pages(void)
{
    LoopRegion *region = loop_region_new();
    void       *pieces[39], *last;

    if (sysconf(_SC_PAGESIZE) != 4096) {
        g_test_skip("the counts below are of 4 KiB pages");
        loop_region_free(region);
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(pieces); i++)
        pieces[i] = memset(take_in(region, 1000), 1, 1000);
    last = memset(take_in(region, 1000), 1, 1000);
    g_assert_cmpuint(count_pages(region), ==, 10);
    for (unsigned i = 0; i < G_N_ELEMENTS(pieces); i++)
        loop_region_give(pieces[i]);
    loop_region_trim(region);
    g_assert_cmpuint(count_pages(region), ==, 2); /* the first and the one of @last */
    loop_region_give(last);
    loop_region_free(region);
    g_assert_cmpuint(count_pages(region), ==, 0);
}

/* Asleep the first piece costs no pages of its own, the others are as they were; awake it is the
 * same again, at the same place. */
static void test_sleep(void)
{
    LoopRegion *region = loop_region_new();
    Piece       first = { .data = take_in(region, 7000) }, small = { .data = take_in(region, 100) };
    unsigned    awake;

    memset(first.data, 0, 7000);
    fill(&small, 100, 3);
    g_assert_false(loop_region_sleep(region, small.data)); /* not what its owner thinks it is */
    for (unsigned round = 1; round < 4; round++) {
        first.data[0] = first.data[4096] = first.data[6999] = (uint8_t)round;
        awake = count_pages(region);
        g_assert_true(loop_region_sleep(region, first.data));
        g_assert_cmpuint(count_pages(region), <, awake);
        g_assert_true(is_filled(&small, 100));
        loop_region_wake(region);
        loop_region_wake(region);
        for (unsigned i = 0; i < 7000; i++)
            g_assert_cmpuint(first.data[i], ==, i % 4096 == 0 || i == 6999 ? round : 0);
    }
    loop_region_give(first.data);
    g_assert_false(loop_region_sleep(region, first.data)); /* gone */
    loop_region_give(small.data);
    loop_region_free(region);
    g_assert_cmpuint(loop_region_count(), ==, 0);
}

static void *give_late(void *piece)
{
    loop_region_give(piece);
    return NULL;
}

/* What outlives its connection holds the region; the last piece ends it, on whatever thread. */
static void test_late(void)
{
    LoopRegion *region = loop_region_new();
    void       *piece = take_in(region, 100);

    loop_region_free(region);
    g_assert_cmpuint(loop_region_count(), ==, 1);
    piece = loop_region_resize(piece, 200);
    g_assert_true(loop_region_holds(piece));
    (void)g_thread_join(g_thread_new("late", give_late, piece));
    g_assert_cmpuint(loop_region_count(), ==, 0);
}

static void *churn_many(void *seed)
{
    for (uint32_t i = 0; i < 50; i++) {
        LoopRegion *region = loop_region_new();

        churn(region, GPOINTER_TO_UINT(seed) + i, 200);
        loop_region_free(region);
    }
    return NULL;
}

static void test_threads(void)
{
    GThread *threads[THREADS];

    for (unsigned i = 0; i < THREADS; i++)
        threads[i] = g_thread_new("churn", churn_many, GUINT_TO_POINTER(i * 1000));
    for (unsigned i = 0; i < THREADS; i++)
        (void)g_thread_join(threads[i]);
    g_assert_cmpuint(loop_region_count(), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_null(loop_region_new()); /* not installed */
    loop_region_give(loop_region_take(100));
    g_assert_cmpint(loop_region_install(), ==, 0);
    g_test_add_func("/loop/region/where", test_where);
    g_test_add_func("/loop/region/churn", test_churn);
    g_test_add_func("/loop/region/full", test_full);
    g_test_add_func("/loop/region/pages", test_pages);
    g_test_add_func("/loop/region/sleep", test_sleep);
    g_test_add_func("/loop/region/late", test_late);
    g_test_add_func("/loop/region/threads", test_threads);
    return g_test_run();
}
