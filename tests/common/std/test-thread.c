/* tests/common/std/test-thread.c: a thread runs, has its name, and takes no signals. */
#include "common/std/thread.h"

#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

typedef struct {
    char name[16];
    bool term_blocked;
    int  pinned_to;
    int  pin_far_rc;
} Seen;

static void look(void *user_data)
{
    Seen    *seen = user_data;
    sigset_t mask;

    pthread_getname_np(pthread_self(), seen->name, sizeof(seen->name));
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    seen->term_blocked = sigismember(&mask, SIGTERM) == 1;
    seen->pinned_to = mesh_thread_pin(0) == 0 ? sched_getcpu() : 0; /* CPU 0 may be forbidden */
    seen->pin_far_rc = mesh_thread_pin(1000000);
}

static void test_start(void)
{
    Seen        seen = { .pinned_to = -1 };
    MeshThread *thread;
    sigset_t    mask;

    g_assert_cmpint(mesh_thread_start("wire-out-0-and-more", look, &seen, &thread), ==, 0);
    mesh_thread_join(thread);
    g_assert_cmpstr(seen.name, ==, "wire-out-0-and-");
    g_assert_true(seen.term_blocked);
    g_assert_cmpint(seen.pinned_to, ==, 0);
    g_assert_cmpint(seen.pin_far_rc, ==, -EINVAL);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    g_assert_false(sigismember(&mask, SIGTERM)); /* the starter's mask is as it was */
}

static void add_one(void *user_data)
{
    atomic_fetch_add((atomic_int *)user_data, 1);
}

static void test_many(void)
{
    MeshThread *threads[16];
    atomic_int  count = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
        g_assert_cmpint(mesh_thread_start("many", add_one, &count, &threads[i]), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
        mesh_thread_join(threads[i]);
    g_assert_cmpint(count, ==, 16);
}

static void test_refused(void)
{
    MeshThread *thread = NULL;

    g_assert_cmpint(mesh_thread_start(NULL, add_one, NULL, &thread), ==, -EINVAL);
    g_assert_cmpint(mesh_thread_start("none", NULL, NULL, &thread), ==, -EINVAL);
    g_assert_null(thread);
    mesh_thread_join(NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/thread/start", test_start);
    g_test_add_func("/thread/many", test_many);
    g_test_add_func("/thread/refused", test_refused);
    return g_test_run();
}
