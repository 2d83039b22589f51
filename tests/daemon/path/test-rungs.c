/* tests/daemon/path/test-rungs.c: the search for the longest datagram that a way carries. */
#include "daemon/path/rungs.h"

#include <glib.h>

enum { LOW = 1232, MOST_ROUNDS = 40 };

/* A way that carries @width bytes and loses every @loses-th datagram; 0: none. Returns rounds. */
static unsigned search(PathRungs *rungs, uint16_t high, uint16_t width, unsigned loses)
{
    unsigned rounds = 1, n = 0;
    bool     again = true;

    path_rungs_begin(rungs, LOW, high);
    for (; again && rounds < MOST_ROUNDS; rounds++) {
        for (size_t i = 0; i < rungs->n; i++)
            if (path_rungs_ask(rungs, i) && rungs->rungs[i] <= width &&
                (loses == 0 || ++n % loses != 0))
                path_rungs_answer(rungs, i);
        again = path_rungs_step(rungs, false) || path_rungs_step(rungs, true);
    }
    g_assert_true(path_rungs_is_over(rungs));
    return rounds;
}

static void test_all(void)
{
    static const uint16_t highs[] = { 1432, 1452, 1472, 8952, 9248 };

    for (size_t h = 0; h < G_N_ELEMENTS(highs); h++) {
        for (uint16_t width = LOW; width <= highs[h]; width++) {
            PathRungs rungs;
            unsigned  rounds = search(&rungs, highs[h], width, 0);

            g_assert_true(rungs.shown);
            g_assert_cmpuint(rungs.low, <=, width);
            g_assert_cmpuint(rungs.low + 4u, >, width);
            g_assert_cmpuint(rounds, <=, highs[h] > 2000 ? 14 : 10);
        }
    }
}

static void test_whole_at_once(void)
{
    PathRungs rungs;

    path_rungs_begin(&rungs, LOW, 1432);
    g_assert_cmpuint(rungs.n, ==, 1);
    g_assert_false(path_rungs_step(&rungs, false));
    g_assert_false(path_rungs_is_over(&rungs));
    path_rungs_answer(&rungs, 0);
    g_assert_false(path_rungs_step(&rungs, false));
    g_assert_true(path_rungs_is_over(&rungs));
    g_assert_cmpuint(rungs.low, ==, 1432);
}

/* Two losses in a row do not make a way narrow. */
static void test_losses(void)
{
    PathRungs rungs;

    path_rungs_begin(&rungs, LOW, 1432);
    g_assert_true(path_rungs_step(&rungs, true));
    g_assert_true(path_rungs_step(&rungs, true));
    path_rungs_answer(&rungs, 0);
    g_assert_false(path_rungs_step(&rungs, false));
    g_assert_cmpuint(rungs.low, ==, 1432);
    for (unsigned loses = 3; loses < 7; loses++) {
        (void)search(&rungs, 1432, 1340, loses);
        g_assert_true(rungs.shown);
        g_assert_cmpuint(rungs.low, <=, 1340);
        g_assert_cmpuint(rungs.low, >=, 1240);
    }
}

static void test_nothing(void)
{
    PathRungs rungs;

    (void)search(&rungs, 1432, LOW - 1, 0);
    g_assert_false(rungs.shown);
    g_assert_cmpuint(rungs.low, ==, LOW);
    path_rungs_begin(&rungs, LOW, LOW - 100);
    path_rungs_answer(&rungs, 0);
    g_assert_false(path_rungs_step(&rungs, false));
    g_assert_true(path_rungs_is_over(&rungs));
    g_assert_cmpuint(rungs.low, ==, LOW - 100);
    path_rungs_answer(&rungs, 0); /* too late */
    g_assert_cmpuint(rungs.low, ==, LOW - 100);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/path/rungs/all", test_all);
    g_test_add_func("/path/rungs/whole-at-once", test_whole_at_once);
    g_test_add_func("/path/rungs/losses", test_losses);
    g_test_add_func("/path/rungs/nothing", test_nothing);
    return g_test_run();
}
