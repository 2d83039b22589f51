/* Tests of daemon/path/relaychoice.c: which relay is home, and which the second. */
#include "daemon/path/relaychoice.h"

#include <glib.h>

enum { MS = 1000 };

#define OK(id_, rtt)                                    \
    {                                                   \
        .id = (id_), .usable = true, .rtt_us = (rtt)*MS \
    }
#define DOWN(id_, rtt)                                                \
    {                                                                 \
        .id = (id_), .usable = true, .down = true, .rtt_us = (rtt)*MS \
    }
#define SHAKY(id_, rtt)                                                \
    {                                                                  \
        .id = (id_), .usable = true, .shaky = true, .rtt_us = (rtt)*MS \
    }
#define AVOID(id_, rtt)                 \
    {                                   \
        .id = (id_), .rtt_us = (rtt)*MS \
    }
#define DRAIN(id_, rtt)                                   \
    {                                                     \
        .id = (id_), .draining = true, .rtt_us = (rtt)*MS \
    }

typedef struct {
    const char        *name;
    PathRelayCandidate list[4];
    uint16_t           home, want_home, want_second;
} Case;

static const Case cases[] = {
    { "nobody", { { 0 } }, 0, 0, 0 },
    { "one", { OK(1, 0) }, 0, 1, 0 },
    { "the-nearest-first", { OK(1, 80), OK(2, 20), OK(3, 50) }, 0, 2, 3 },
    { "who-was-not-measured-last", { OK(1, 0), OK(2, 200) }, 0, 2, 1 },
    { "nothing-measured-in-order", { OK(3, 0), OK(2, 0) }, 0, 3, 2 },
    { "home-stays-where-it-is", { OK(1, 25), OK(2, 20) }, 1, 1, 2 },
    { "ten-ms-are-not-enough", { OK(1, 15), OK(2, 5) }, 1, 1, 2 },
    { "a-third-is-needed-too", { OK(1, 100), OK(2, 70) }, 1, 1, 2 },
    { "clearly-nearer", { OK(1, 80), OK(2, 20) }, 1, 2, 1 },
    { "home-not-measured-stays", { OK(1, 0), OK(2, 20) }, 1, 1, 2 },
    { "home-is-down", { DOWN(1, 5), OK(2, 80), OK(3, 60) }, 1, 3, 2 },
    { "back-but-not-for-long", { SHAKY(1, 5), OK(2, 80) }, 2, 2, 1 },
    { "back-and-calm", { OK(1, 5), OK(2, 80) }, 2, 1, 2 },
    { "a-shaky-home-stays", { SHAKY(1, 5), OK(2, 10) }, 1, 1, 2 },
    { "avoid-only-without-others", { AVOID(1, 5), OK(2, 80) }, 1, 2, 1 },
    { "avoid-is-better-than-down", { AVOID(1, 5), DOWN(2, 80) }, 2, 1, 2 },
    { "avoid-alone", { AVOID(1, 50), AVOID(2, 5) }, 0, 2, 1 },
    { "leave-what-drains", { DRAIN(1, 5), OK(2, 80) }, 1, 2, 0 },
    { "leave-it-for-one-to-avoid-too", { DRAIN(1, 5), AVOID(2, 80) }, 1, 2, 0 },
    { "leave-it-for-a-shaky-one", { DRAIN(1, 5), SHAKY(2, 80) }, 1, 2, 0 },
    { "no-other-yet-so-stay", { DRAIN(1, 5), DOWN(2, 80) }, 1, 1, 2 },
    { "no-new-session-where-it-drains", { DRAIN(1, 5), DRAIN(2, 5) }, 0, 0, 0 },
    { "drained-and-down", { DRAIN(1, 5), DOWN(2, 80) }, 0, 2, 0 },
    { "home-left-the-map", { OK(2, 80), OK(3, 20) }, 1, 3, 2 },
};

static void test_case(gconstpointer data)
{
    const Case *c = data;
    size_t      n = 0;

    while (n < G_N_ELEMENTS(c->list) && c->list[n].id != 0)
        n++;
    g_assert_cmpuint(path_relaychoice_home(c->list, n, c->home), ==, c->want_home);
    g_assert_cmpuint(path_relaychoice_second(c->list, n, c->want_home), ==, c->want_second);
    /* what was chosen is chosen again */
    g_assert_cmpuint(path_relaychoice_home(c->list, n, c->want_home), ==, c->want_home);
}

/* While none is home yet, none is the second: the best of all would be it, and then home. */
static void test_no_home(void)
{
    static const PathRelayCandidate list[] = { OK(1, 80), OK(2, 20) };

    g_assert_cmpuint(path_relaychoice_second(list, G_N_ELEMENTS(list), 0), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/relaychoice/%s", cases[i].name);

        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_func("/relaychoice/no-home-no-second", test_no_home);
    return g_test_run();
}
