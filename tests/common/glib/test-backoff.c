/* Tests of common/glib/backoff.c: waits stay in their ranges and spread. */
#include "common/glib/backoff.h"

#include <glib.h>
#include <stdbool.h>

static void test_first_wait(void)
{
    unsigned low = G_MAXUINT, high = 0;

    for (int i = 0; i < 1000; i++) {
        MeshBackoff backoff = mesh_backoff_make();
        unsigned    wait = mesh_backoff_next_ms(&backoff);

        g_assert_cmpuint(wait, >=, 500);
        g_assert_cmpuint(wait, <=, 5000);
        low = MIN(low, wait);
        high = MAX(high, wait);
    }
    g_assert_cmpuint(low, <, 1000); /* fails once in 10^50 if it is uniform */
    g_assert_cmpuint(high, >, 4500);
}

static void test_later_waits(void)
{
    MeshBackoff backoff = mesh_backoff_make();
    unsigned    last = mesh_backoff_next_ms(&backoff), highest = 0;

    for (int i = 0; i < 1000; i++) {
        unsigned wait = mesh_backoff_next_ms(&backoff);

        g_assert_cmpuint(wait, >=, 1000);
        g_assert_cmpuint(wait, <=, MIN(60000u, MAX(last * 3, 1000u)));
        highest = MAX(highest, wait);
        last = wait;
    }
    g_assert_cmpuint(highest, >, 30000);
}

static void test_reset(void)
{
    MeshBackoff backoff = mesh_backoff_make();

    backoff.first_min_ms = backoff.first_max_ms = 7;
    g_assert_cmpuint(mesh_backoff_next_ms(&backoff), ==, 7);
    g_assert_cmpuint(mesh_backoff_next_ms(&backoff), >=, 1);
    mesh_backoff_reset(&backoff);
    g_assert_cmpuint(mesh_backoff_next_ms(&backoff), ==, 7);
}

static void test_uniform(void)
{
    bool seen[3] = { false };

    g_assert_cmpuint(mesh_backoff_uniform(5, 5), ==, 5);
    g_assert_cmpuint(mesh_backoff_uniform(5, 2), ==, 5);
    for (int i = 0; i < 200; i++)
        seen[mesh_backoff_uniform(0, 2)] = true;
    g_assert_true(seen[0] && seen[1] && seen[2]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/backoff/first-wait", test_first_wait);
    g_test_add_func("/backoff/later-waits", test_later_waits);
    g_test_add_func("/backoff/reset", test_reset);
    g_test_add_func("/backoff/uniform", test_uniform);
    return g_test_run();
}
