#include "server/loop/timers.h"

#include <glib.h>

enum {
    N = 500,
};

static void test_order(void)
{
    LoopTimers timers = { 0 };
    LoopTimer  all[N] = { 0 };
    int64_t    last = 0;
    unsigned   left = N;

    for (size_t i = 0; i < N; i++)
        g_assert_cmpint(loop_timers_set(&timers, &all[i], (int64_t)(i * 7919 % 1000)), ==, 0);
    for (size_t i = 0; i < N; i += 3) { /* some go, some move */
        loop_timers_cancel(&timers, &all[i]);
        left--;
    }
    for (size_t i = 1; i < N; i += 3)
        g_assert_cmpint(loop_timers_set(&timers, &all[i], (int64_t)(i * 104729 % 1000)), ==, 0);
    for (LoopTimer *timer; (timer = loop_timers_pop(&timers, 1000)) != NULL; left--) {
        g_assert_cmpint(timer->due_ms, >=, last);
        g_assert_cmpuint(timer->place, ==, 0);
        last = timer->due_ms;
    }
    g_assert_cmpuint(left, ==, 0);
    loop_timers_done(&timers);
}

static void test_wait(void)
{
    LoopTimers timers = { 0 };
    LoopTimer  timer = { 0 };

    g_assert_cmpint(loop_timers_wait_ms(&timers, 5), ==, -1);
    g_assert_cmpint(loop_timers_set(&timers, &timer, 100), ==, 0);
    g_assert_cmpint(loop_timers_wait_ms(&timers, 40), ==, 60);
    g_assert_cmpint(loop_timers_wait_ms(&timers, 140), ==, 0);
    g_assert_null(loop_timers_pop(&timers, 99));
    g_assert_true(loop_timers_pop(&timers, 100) == &timer);
    g_assert_null(loop_timers_pop(&timers, 100));
    loop_timers_cancel(&timers, &timer); /* once more does no harm */
    loop_timers_done(&timers);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/loop/timers/come-in-order", test_order);
    g_test_add_func("/loop/timers/wait", test_wait);
    return g_test_run();
}
