/* tests/common/std/test-queue.c: order, waiting, and that no item is lost or doubled between
 * threads. */
#include "common/std/queue.h"

#include "common/std/clock.h"
#include "common/std/thread.h"

#include <glib.h>
#include <stdatomic.h>
#include <stdbool.h>

static void test_order(void)
{
    MeshQueue *queue = mesh_queue_new();
    int        items[3] = { 0 };

    g_assert_null(mesh_queue_pop_within(queue, 0));
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3; i++)
            mesh_queue_push(queue, &items[i]);
        g_assert_true(mesh_queue_pop(queue) == &items[0]);
        g_assert_true(mesh_queue_pop_within(queue, 0) == &items[1]);
        g_assert_true(mesh_queue_pop_within(queue, 1000) == &items[2]);
        g_assert_null(mesh_queue_pop_within(queue, 0));
    }
    mesh_queue_unref(queue);
    mesh_queue_unref(NULL);
}

static void test_waits(void)
{
    MeshQueue *queue = mesh_queue_new();
    int64_t    before = mesh_clock_boot_ms();

    g_assert_null(mesh_queue_pop_within(queue, 30));
    g_assert_cmpint(mesh_clock_boot_ms() - before, >=, 29);
    mesh_queue_unref(queue);
}

#define PUSHERS 3
#define ITEMS   20000

static atomic_uint seen[PUSHERS * ITEMS];

typedef struct {
    MeshQueue *queue;
    size_t     first;
} Part;

static void push_part(void *user_data)
{
    Part *part = user_data;

    for (size_t i = 0; i < ITEMS; i++)
        mesh_queue_push(part->queue, &seen[part->first + i]);
}

static void pop_half(void *user_data)
{
    Part *part = user_data;

    for (size_t i = 0; i < PUSHERS * ITEMS / 2; i++)
        atomic_fetch_add((atomic_uint *)mesh_queue_pop(part->queue), 1);
    mesh_queue_unref(part->queue);
}

static void test_threads(void)
{
    MeshQueue  *queue = mesh_queue_new();
    MeshThread *threads[PUSHERS + 2];
    Part        parts[PUSHERS + 2];

    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++) {
        bool pushes = i < PUSHERS;

        parts[i] = (Part){ pushes ? queue : mesh_queue_ref(queue), i * ITEMS };
        g_assert_cmpint(mesh_thread_start("queue", pushes ? push_part : pop_half, &parts[i],
                                          &threads[i]),
                        ==, 0);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
        mesh_thread_join(threads[i]);
    g_assert_null(mesh_queue_pop_within(queue, 0));
    mesh_queue_unref(queue);
    for (size_t i = 0; i < G_N_ELEMENTS(seen); i++)
        g_assert_cmpuint(seen[i], ==, 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/queue/order", test_order);
    g_test_add_func("/queue/waits", test_waits);
    g_test_add_func("/queue/threads", test_threads);
    return g_test_run();
}
