/* Tests of daemon/wire/deadlines.c: order, re-arming, and random use against a slow model. */
#include "daemon/wire/deadlines.h"

#include <glib.h>

#define N 200

static WireDeadlines *make(void)
{
    WireDeadlines *deadlines = NULL;

    g_assert_cmpint(wire_deadlines_new(&deadlines), ==, 0);
    g_assert_cmpint(wire_deadlines_reserve(deadlines, N), ==, 0);
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
        if (entries[i].place != 0 && (earliest == NULL || entries[i].at_ms < earliest->at_ms))
            earliest = &entries[i];
    }
    return earliest;
}

static void test_model(void)
{
    WireDeadlines *deadlines = make();
    WireDeadline   entries[N] = { { 0 } };
    GRand         *rand = g_rand_new_with_seed(4);

    for (int i = 0; i < 50000; i++) {
        WireDeadline *entry = &entries[g_rand_int_range(rand, 0, N)], *earliest;
        int           kind = g_rand_int_range(rand, 0, 10);

        if (kind < 7)
            wire_deadlines_arm(deadlines, entry, g_rand_int_range(rand, 0, 500));
        else if (kind < 9)
            wire_deadlines_disarm(deadlines, entry);
        else
            (void)wire_deadlines_pop(deadlines, INT64_MAX);
        earliest = model_earliest(entries);
        g_assert_cmpint(wire_deadlines_next(deadlines), ==,
                        earliest == NULL ? INT64_MAX : earliest->at_ms);
    }
    g_rand_free(rand);
    wire_deadlines_free(deadlines);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/deadlines/order", test_order);
    g_test_add_func("/deadlines/model", test_model);
    return g_test_run();
}
