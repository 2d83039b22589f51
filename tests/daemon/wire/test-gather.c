/* tests/daemon/wire/test-gather.c: many small packets gather, nothing else does. */
#include "daemon/wire/gather.h"

#include <glib.h>

enum { START_MS = 1000000 };

/* A millisecond with @n_waits, each after @packets packets of @size bytes. Returns: what the first
 * wait of the next one is told. */
static long pass(WireGather *self, uint64_t *packets, unsigned n_waits, unsigned n, unsigned size)
{
    static uint64_t bytes;

    for (unsigned i = 0; i < n_waits; i++) {
        *packets += n;
        bytes += n * size;
        (void)wire_gather_wait(self, self->ms, *packets, bytes);
    }
    return wire_gather_wait(self, self->ms + 1, *packets, bytes);
}

static void test_small(void)
{
    WireGather self = { .ms = START_MS };
    uint64_t   packets = 0;

    g_assert_cmpint(pass(&self, &packets, 40, 4, 64), ==, 200000);  /* 160: not longer */
    g_assert_cmpint(pass(&self, &packets, 5, 128, 64), ==, 100000); /* it goes on: 640 in 1 ms */
    g_assert_cmpint(pass(&self, &packets, 5, 10, 64), ==, 0);       /* until there are few */
    g_assert_cmpint(pass(&self, &packets, 5, 128, 64), ==, 0);      /* they come together anyway */
    g_assert_cmpint(pass(&self, &packets, 40, 16, 64), ==, 100000);
}

static void test_others(void)
{
    WireGather self = { .ms = START_MS };
    uint64_t   packets = 0;

    g_assert_cmpint(pass(&self, &packets, 40, 45, 1420), ==, 0); /* bulk */
    g_assert_cmpint(pass(&self, &packets, 20, 2, 64), ==, 0);    /* questions and answers */
    g_assert_cmpint(pass(&self, &packets, 40, 0, 64), ==, 0);    /* notes */
    g_assert_cmpint(pass(&self, &packets, 40, 4, 64), ==, 200000);
    g_assert_cmpint(wire_gather_wait(&self, self.ms + 60000, packets + 1, 0), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/gather/small", test_small);
    g_test_add_func("/gather/others", test_others);
    return g_test_run();
}
