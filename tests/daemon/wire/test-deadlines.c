/* Tests of daemon/wire/deadlines.c: order, re-arming, and random use against a slow model and
 * against a sorted array. */
#include "daemon/wire/deadlines.h"

#include <glib.h>

#define N 200

static WireDeadlines *make(void)
{
    WireDeadlines *deadlines = NULL;

    g_assert_cmpint(wire_deadlines_new(&deadlines), ==, 0);
    return deadlines;
}

static void test_order(void)
{
    WireDeadlines *deadlines = make();
    WireDeadline   a = { 0 }, b = { 0 }, c = { 0 };

    g_assert_cmpint(wire_deadlines_next(deadlines), ==, INT64_MAX);
    wire_deadlines_arm(deadlines, &a, 30);
    wire_deadlines_arm(deadlines, &b, 10);
    wire_deadlines_arm(deadlines, &c, 20);
    g_assert_null(wire_deadlines_pop(deadlines, 9));
    g_assert_true(wire_deadlines_pop(deadlines, 25) == &b);
    wire_deadlines_arm(deadlines, &a, 15); /* earlier */
    g_assert_true(wire_deadlines_pop(deadlines, 25) == &a);
    wire_deadlines_arm(deadlines, &c, 40); /* later */
    g_assert_null(wire_deadlines_pop(deadlines, 25));
    g_assert_cmpint(wire_deadlines_next(deadlines), ==, 40);
    wire_deadlines_arm(deadlines, &c, INT64_MAX);
    g_assert_cmpint(wire_deadlines_next(deadlines), ==, INT64_MAX);
    wire_deadlines_disarm(deadlines, &c);
    wire_deadlines_free(deadlines);
    wire_deadlines_free(NULL);
}

static WireDeadline *model_earliest(WireDeadline *entries)
{
    WireDeadline *earliest = NULL;

    for (int i = 0; i < N; i++) {
        if (entries[i].link != NULL && (earliest == NULL || entries[i].at_ms < earliest->at_ms))
            earliest = &entries[i];
    }
    return earliest;
}

/* Times of all sizes, so that every level is used; some lie in the past. */
static int64_t draw_time(GRand *rand, int64_t now_ms)
{
    int64_t span = INT64_C(1) << g_rand_int_range(rand, 0, 44);

    return now_ms - 5 + (int64_t)(g_rand_double(rand) * (double)span);
}

/* All that is due, in order, and nothing else. */
static void pop_all(WireDeadlines *deadlines, WireDeadline *entries, int64_t was_ms, int64_t now_ms)
{
    int64_t       last_ms = 0;
    WireDeadline *popped;

    while ((popped = wire_deadlines_pop(deadlines, now_ms)) != NULL) {
        int64_t at_ms = MAX(popped->at_ms, was_ms);

        g_assert_null(popped->link);
        g_assert_cmpint(at_ms, <=, now_ms);
        g_assert_cmpint(at_ms, >=, last_ms);
        last_ms = at_ms;
    }
    for (int i = 0; i < N; i++)
        g_assert_true(entries[i].link == NULL || entries[i].at_ms > now_ms);
}

static void test_model(void)
{
    WireDeadlines *deadlines = make();
    WireDeadline   entries[N] = { { 0 } };
    GRand         *rand = g_rand_new_with_seed(4);
    int64_t        now_ms = 1000000;

    pop_all(deadlines, entries, 0, now_ms);
    for (int i = 0; i < 60000; i++) {
        WireDeadline *entry = &entries[g_rand_int_range(rand, 0, N)], *earliest;
        int           kind = g_rand_int_range(rand, 0, 10);

        if (kind < 6) {
            wire_deadlines_arm(deadlines, entry, draw_time(rand, now_ms));
        } else if (kind < 8) {
            wire_deadlines_disarm(deadlines, entry);
        } else {
            int64_t was_ms = now_ms, next_ms = wire_deadlines_next(deadlines);

            now_ms += g_rand_int_range(rand, 0, 3);
            if (next_ms != INT64_MAX && g_rand_int_range(rand, 0, 20) == 0)
                now_ms = MAX(now_ms, next_ms); /* a sleep of full length: never early */
            pop_all(deadlines, entries, was_ms, now_ms);
        }
        earliest = model_earliest(entries);
        g_assert_cmpint(wire_deadlines_next(deadlines), ==,
                        earliest == NULL ? INT64_MAX : MAX(earliest->at_ms, now_ms));
    }
    g_rand_free(rand);
    wire_deadlines_free(deadlines);
}

static gint compare_times(gconstpointer a, gconstpointer b)
{
    const WireDeadline *const *x = a, *const *y = b;

    return (*x)->at_ms < (*y)->at_ms ? -1 : (*x)->at_ms > (*y)->at_ms;
}

/* The order of all that was armed once is that of a sorted array. */
static void test_sorted(void)
{
    WireDeadlines           *deadlines = make();
    g_autofree WireDeadline *entries = g_new0(WireDeadline, 10000);
    g_autoptr(GPtrArray) sorted = g_ptr_array_new();
    GRand *rand = g_rand_new_with_seed(5);

    g_assert_null(wire_deadlines_pop(deadlines, 77));
    for (guint i = 0; i < 10000; i++) {
        wire_deadlines_arm(deadlines, &entries[i], 1 + draw_time(rand, 100));
        wire_deadlines_arm(deadlines, &entries[i], 1 + draw_time(rand, 100));
        g_ptr_array_add(sorted, &entries[i]);
    }
    g_ptr_array_sort(sorted, compare_times);
    for (guint i = 0; i < 10000; i++) {
        const WireDeadline *wanted = sorted->pdata[i];

        g_assert_cmpint(wire_deadlines_next(deadlines), ==, wanted->at_ms);
        g_assert_null(wire_deadlines_pop(deadlines, wanted->at_ms - 1));
        g_assert_cmpint(wire_deadlines_pop(deadlines, wanted->at_ms)->at_ms, ==, wanted->at_ms);
    }
    g_assert_cmpint(wire_deadlines_next(deadlines), ==, INT64_MAX);
    g_rand_free(rand);
    wire_deadlines_free(deadlines);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/deadlines/order", test_order);
    g_test_add_func("/deadlines/model", test_model);
    g_test_add_func("/deadlines/sorted", test_sorted);
    return g_test_run();
}
