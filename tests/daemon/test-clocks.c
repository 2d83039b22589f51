/* Tests of daemon/clocks.c: what counts as sleep. That the kernel tells is shown by
 * tests/net/test-jump.py. */
#include "common/glib/log.h"
#include "common/std/clock.h"
#include "daemon/clocks.h"

static int64_t slept_ms;

static int64_t get_now(void *user_data)
{
    (void)user_data;
    return 1;
}

static int64_t get_slept(void *user_data)
{
    (void)user_data;
    return slept_ms * INT64_C(1000000);
}

static void on_woke(int64_t slept_s, void *user_data)
{
    *(int64_t *)user_data += slept_s;
}

static void on_set(void *user_data)
{
    (void)user_data;
    g_error("nobody set the clock");
}

static void test_sleep(void)
{
    static const struct {
        int64_t by_ms, want_s;
    } rows[] = { { 0, 0 },    { 5000, 0 }, { 1, 5 },         { 0, 0 },
                 { 4000, 0 }, { 2000, 6 }, { 3600000, 3600 } };
    const MeshdClocksEvents events = { .woke = on_woke, .set = on_set };
    int64_t                 told = 0;
    MeshdClocks            *clocks;

    slept_ms = 777000; /* before this run: no news */
    clocks = meshd_clocks_start(&events, &told);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        slept_ms += rows[i].by_ms;
        told = 0;
        meshd_clocks_look(clocks);
        g_assert_cmpint(told, ==, rows[i].want_s);
    }
    while (g_main_context_iteration(NULL, false))
        ;
    meshd_clocks_stop(clocks);
}

int main(int argc, char **argv)
{
    static const MeshClockSource source = { .boot_ns = get_now,
                                            .wall_ns = get_now,
                                            .slept_ns = get_slept };

    g_test_init(&argc, &argv, NULL);
    mesh_log_init("test", MESH_LOG_ERROR);
    mesh_clock_set_source(&source);
    g_test_add_func("/clocks/sleep", test_sleep);
    return g_test_run();
}
