/* tests/common/std/test-ring.c: order, bounds, and that no entry stays behind without a bell. */
#include "common/std/ring.h"

#include "common/std/thread.h"

#include <errno.h>
#include <glib.h>
#include <poll.h>

static bool is_ringing(MeshRing *ring)
{
    struct pollfd bell = { .fd = mesh_ring_fd(ring), .events = POLLIN };

    return poll(&bell, 1, 0) == 1;
}

static void test_bounds(void)
{
    MeshRing *ring = NULL;
    uint32_t  value = 0;

    g_assert_cmpint(mesh_ring_new(0, 4, &ring), ==, -EINVAL);
    g_assert_cmpint(mesh_ring_new(4, 0, &ring), ==, -EINVAL);
    g_assert_cmpint(mesh_ring_new(4097, 4, &ring), ==, -EINVAL);
    g_assert_cmpint(mesh_ring_new(4, 65537, &ring), ==, -EINVAL);
    g_assert_null(ring);
    g_assert_cmpint(mesh_ring_new(sizeof(value), 3, &ring), ==, 0); /* 4 entries */
    g_assert_false(mesh_ring_pop(ring, &value));
    for (uint32_t round = 0; round < 5; round++) {
        for (uint32_t i = 0; i < 6; i++)
            g_assert_true(mesh_ring_push(ring, &i) == (i < 4));
        g_assert_cmpuint(mesh_ring_dropped(ring), ==, (round + 1) * 2);
        for (uint32_t i = 0; i < 4; i++) {
            g_assert_true(mesh_ring_pop(ring, &value));
            g_assert_cmpuint(value, ==, i);
        }
        g_assert_false(mesh_ring_pop(ring, &value));
    }
    mesh_ring_free(ring);
    mesh_ring_free(NULL);
}

static void test_bell(void)
{
    MeshRing *ring;
    uint8_t   value = 7;

    g_assert_cmpint(mesh_ring_new(1, 8, &ring), ==, 0);
    g_assert_false(is_ringing(ring));
    g_assert_true(mesh_ring_push(ring, &value));
    g_assert_true(is_ringing(ring));
    g_assert_true(mesh_ring_push(ring, &value));
    mesh_ring_hush(ring);
    g_assert_false(is_ringing(ring));
    g_assert_true(mesh_ring_pop(ring, &value));
    g_assert_true(mesh_ring_push(ring, &value)); /* after the hush: a new ring is due */
    g_assert_true(is_ringing(ring));
    mesh_ring_free(ring);
}

#define ENTRIES 300000u

static void produce(void *user_data)
{
    for (uint64_t i = 0; i < ENTRIES;) {
        if (mesh_ring_push(user_data, &i))
            i++;
        else
            g_thread_yield();
    }
}

/* The consumer sleeps on the bell alone: a lost ring would hang it until the limit. */
static void test_threads(void)
{
    MeshRing   *ring;
    MeshThread *thread;
    uint64_t    next = 0, value = 0;

    g_assert_cmpint(mesh_ring_new(sizeof(value), 64, &ring), ==, 0);
    g_assert_cmpint(mesh_thread_start("producer", produce, ring, &thread), ==, 0);
    while (next < ENTRIES) {
        struct pollfd bell = { .fd = mesh_ring_fd(ring), .events = POLLIN };

        g_assert_cmpint(poll(&bell, 1, 20000), ==, 1);
        mesh_ring_hush(ring);
        while (mesh_ring_pop(ring, &value))
            g_assert_cmpuint(value, ==, next++);
    }
    mesh_thread_join(thread);
    mesh_ring_free(ring);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ring/bounds", test_bounds);
    g_test_add_func("/ring/bell", test_bell);
    g_test_add_func("/ring/threads", test_threads);
    return g_test_run();
}
