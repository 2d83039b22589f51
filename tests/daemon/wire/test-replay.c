/* Tests of daemon/wire/replay.c: the window's edges by hand, and long runs against a slow model. */
#include "daemon/wire/keypair.h"
#include "daemon/wire/replay.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

typedef struct {
    const char *name;
    uint64_t    before[4]; /* accepted first, in this order; ends at the first UINT64_MAX */
    uint64_t    counter;
    int         want;
} ReplayCase;

#define END UINT64_MAX

static const ReplayCase cases[] = {
    { "first-may-be-zero", { END }, 0, 0 },
    { "first-may-be-large", { END }, 1u << 30, 0 },
    { "zero-twice", { 0, END }, 0, -EALREADY },
    { "one-after-zero", { 0, END }, 1, 0 },
    { "same-again", { 9, 8, END }, 9, -EALREADY },
    { "late-but-new", { 9, 7, END }, 8, 0 },
    { "oldest-of-the-window", { WIRE_REPLAY_WINDOW, END }, 1, 0 },
    { "one-older-than-the-window", { WIRE_REPLAY_WINDOW, END }, 0, -ERANGE },
    { "jump-by-a-whole-ring-forgets", { 3, 3 + 8192, END }, 3 + 8192 - 8127, 0 },
    { "jump-keeps-the-newest", { 3, 3 + 8192, END }, 3 + 8192, -EALREADY },
    { "jump-far-then-old", { 5, UINT64_C(1) << 40, END }, 5, -ERANGE },
    { "jump-far-then-near", { 5, UINT64_C(1) << 40, END }, (UINT64_C(1) << 40) - 64, 0 },
    { "last-before-the-limit", { END }, WIRE_REJECT_AFTER_MESSAGES - 1, 0 },
    { "the-limit", { END }, WIRE_REJECT_AFTER_MESSAGES, -ERANGE },
    { "past-the-limit", { 1, END }, UINT64_MAX, -ERANGE },
};

static void test_case(gconstpointer data)
{
    const ReplayCase *c = data;
    WireReplay        window = { 0 };

    for (size_t i = 0; c->before[i] != END; i++)
        g_assert_cmpint(wire_replay_accept(&window, c->before[i]), ==, 0);
    g_assert_cmpint(wire_replay_accept(&window, c->counter), ==, c->want);
    if (c->want == 0)
        g_assert_cmpint(wire_replay_accept(&window, c->counter), ==, -EALREADY);
}

static void test_forward_and_back(void)
{
    WireReplay window = { 0 };

    for (uint64_t i = 0; i < 3 * WIRE_REPLAY_WINDOW; i++)
        g_assert_cmpint(wire_replay_accept(&window, i), ==, 0);
    memset(&window, 0, sizeof window);
    for (uint64_t i = WIRE_REPLAY_WINDOW; i-- > 0;)
        g_assert_cmpint(wire_replay_accept(&window, i), ==, 0);
    for (uint64_t i = 0; i < WIRE_REPLAY_WINDOW; i++)
        g_assert_cmpint(wire_replay_accept(&window, i), ==, -EALREADY);
}

/* The model: every counter ever seen in a set, and the newest. */
static int model_accept(GHashTable *seen, uint64_t *newest, uint64_t counter)
{
    if (g_hash_table_size(seen) > 0 && counter < *newest && *newest - counter >= WIRE_REPLAY_WINDOW)
        return -ERANGE;
    if (!g_hash_table_add(seen, g_memdup2(&counter, sizeof counter)))
        return -EALREADY;
    *newest = MAX(*newest, counter);
    return 0;
}

/* Where the next packet of a disturbed stream may come from. */
static uint64_t draw(GRand *rand, uint64_t newest)
{
    int     kind = g_rand_int_range(rand, 0, 100);
    guint32 step = (guint32)g_rand_int_range(rand, 0, 9000);

    if (kind < 60)
        return newest + 1;
    if (kind < 70)
        return newest + step % 200;
    if (kind < 72)
        return newest + step;
    return newest > step ? newest - step : step;
}

static void test_model(void)
{
    GRand *rand = g_rand_new_with_seed(20240607);

    for (int round = 0; round < 20; round++) {
        GHashTable *seen = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
        WireReplay  window = { 0 };
        uint64_t    newest = 0;

        for (int i = 0; i < 20000; i++) {
            uint64_t counter = draw(rand, newest);
            int      want = model_accept(seen, &newest, counter);

            g_assert_cmpint(wire_replay_accept(&window, counter), ==, want);
        }
        g_hash_table_unref(seen);
    }
    g_rand_free(rand);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/replay/%s", cases[i].name);

        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_func("/replay/forward-and-back", test_forward_and_back);
    g_test_add_func("/replay/model", test_model);
    return g_test_run();
}
