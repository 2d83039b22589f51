/* Tests of server/loop/slots.h: no two things overlap, places are used again from the lowest, and
 * pages without any go back. */
#include "server/loop/slots.h"

#include <glib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BYTES = 230, PLACE = 240, MAX = 1000, ROUNDS = 20000, THREADS = 4 };

static bool is_all(const uint8_t *thing, uint8_t with)
{
    for (size_t i = 0; i < BYTES; i++) {
        if (thing[i] != with)
            return false;
    }
    return true;
}

static void *churn(void *data)
{
    LoopSlots *slots = data;
    GRand     *rand = g_rand_new_with_seed(7);
    uint8_t   *things[MAX / THREADS] = { 0 };

    for (unsigned i = 0; i < ROUNDS; i++) {
        size_t at = (size_t)g_rand_int_range(rand, 0, MAX / THREADS);

        if (things[at] == NULL) {
            things[at] = loop_slots_take(slots);
            g_assert_true(is_all(things[at], 0));
            memset(things[at], (int)at % 255 + 1, BYTES);
        } else {
            g_assert_true(is_all(things[at], (uint8_t)(at % 255 + 1)));
            loop_slots_give(slots, g_steal_pointer(&things[at]));
        }
    }
    for (size_t at = 0; at < MAX / THREADS; at++)
        loop_slots_give(slots, things[at]);
    g_rand_free(rand);
    return NULL;
}

static void test_churn(void)
{
    LoopSlots *slots = NULL;
    GThread   *threads[THREADS];

    g_assert_cmpint(loop_slots_new(BYTES, MAX, &slots), ==, 0);
    for (unsigned i = 0; i < THREADS; i++)
        threads[i] = g_thread_new("churn", churn, slots);
    for (unsigned i = 0; i < THREADS; i++)
        (void)g_thread_join(threads[i]);
    loop_slots_free(slots);
}

#if !defined(__SANITIZE_ADDRESS__) /* there each comes from malloc() */
static void test_places(void)
{
    LoopSlots *slots = NULL;
    uint8_t   *things[MAX];

    g_assert_cmpint(loop_slots_new(BYTES, MAX, &slots), ==, 0);
    for (unsigned i = 0; i < MAX; i++) {
        things[i] = loop_slots_take(slots);
        g_assert_true(things[i] == things[0] + (size_t)i * PLACE);
    }
    g_assert_null(loop_slots_take(slots));
    loop_slots_give(slots, things[700]);
    loop_slots_give(slots, things[3]);
    loop_slots_give(slots, things[500]);
    g_assert_true(loop_slots_take(slots) == things[3]);
    g_assert_true(loop_slots_take(slots) == things[500]);
    g_assert_true(loop_slots_take(slots) == things[700]);
    g_assert_null(loop_slots_take(slots));
    loop_slots_free(slots);
}

static size_t count_pages(void *range, size_t len)
{
    size_t        page = (size_t)sysconf(_SC_PAGESIZE), n = 0;
    unsigned char in[PLACE * MAX / 4096 + 1];

    g_assert_cmpint(mincore(range, len, in), ==, 0);
    for (size_t i = 0; i < (len + page - 1) / page; i++)
        n += in[i] & 1;
    return n;
}

static void test_pages(void)
{
    LoopSlots *slots = NULL;
    uint8_t   *things[MAX];

    g_assert_cmpint(loop_slots_new(BYTES, MAX, &slots), ==, 0);
    for (unsigned i = 0; i < MAX; i++)
        things[i] = loop_slots_take(slots);
    g_assert_cmpuint(count_pages(things[0], sizeof(things) / sizeof(*things) * PLACE), >, 10);
    for (unsigned i = 0; i < MAX; i++) {
        if (i != 40)
            loop_slots_give(slots, things[i]);
    }
    g_assert_true(is_all(things[40], 0));
    g_assert_cmpuint(count_pages(things[0], sizeof(things) / sizeof(*things) * PLACE), <=, 2);
    loop_slots_give(slots, things[40]);
    g_assert_cmpuint(count_pages(things[0], sizeof(things) / sizeof(*things) * PLACE), ==, 0);
    loop_slots_free(slots);
}
#endif

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/loop/slots/churn", test_churn);
#if !defined(__SANITIZE_ADDRESS__)
    g_test_add_func("/loop/slots/places", test_places);
    g_test_add_func("/loop/slots/pages", test_pages);
#endif
    return g_test_run();
}
