/* tests/common/std/test-clock.c: the clocks are the system's, and a test's when it says so. */
#include "common/std/clock.h"

#include <glib.h>
#include <stdlib.h>

static void test_system(void)
{
    struct timespec boot;
    int64_t         before = mesh_clock_boot_ns(), wall_ms;

    g_assert_cmpint(clock_gettime(CLOCK_BOOTTIME, &boot), ==, 0);
    g_assert_cmpint(boot.tv_sec * 1000000000LL + boot.tv_nsec, >=, before);
    g_assert_cmpint(mesh_clock_boot_ns(), >=, boot.tv_sec * 1000000000LL + boot.tv_nsec);
    wall_ms = g_get_real_time() / 1000;
    g_assert_cmpint(llabs(mesh_clock_wall_ms() - wall_ms), <, 60000);
    g_assert_cmpint(llabs(mesh_clock_wall_s() - wall_ms / 1000), <, 60);
}

static int64_t fixed_boot(void *user_data)
{
    return *(int64_t *)user_data;
}

static int64_t fixed_wall(void *user_data)
{
    (void)user_data;
    return 1700000000123456789;
}

static void test_source(void)
{
    int64_t         boot = 5000000000;
    MeshClockSource source = { .boot_ns = fixed_boot, .wall_ns = fixed_wall, .user_data = &boot };

    mesh_clock_set_source(&source);
    g_assert_cmpint(mesh_clock_boot_ms(), ==, 5000);
    boot += 1999999;
    g_assert_cmpint(mesh_clock_boot_ms(), ==, 5001);
    g_assert_cmpint(mesh_clock_boot_ns(), ==, 5001999999);
    g_assert_cmpint(mesh_clock_wall_s(), ==, 1700000000);
    g_assert_cmpint(mesh_clock_wall_ms(), ==, 1700000000123);
    g_assert_cmpint(mesh_clock_wall().tv_nsec, ==, 123456789);
    mesh_clock_set_source(NULL);
    g_assert_cmpint(mesh_clock_boot_ns(), !=, 5001999999);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/clock/system", test_system);
    g_test_add_func("/clock/source", test_source);
    return g_test_run();
}
