/* tests/daemon/wire/test-freshness.c: timestamps rise whatever clocks do; far ones lock nobody out.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "daemon/wire/freshness.h"

#define S    INT64_C(1000000000)
#define NOW  (INT64_C(1700000000) * S)
#define HOUR (3600 * S)
#define STEP 16777216 /* 2^24 ns, as wireguard-go: our fine time does not leak */

typedef struct {
    const char *name;
    int64_t     last_ns;
    WireMoment  at;
    int64_t     want_ns;
} NextCase;

static const NextCase next_cases[] = {
    { "own-clock", 0, { .wall_ns = NOW }, NOW },
    { "fine-grain-hidden", 0, { .wall_ns = NOW + STEP + 5 }, NOW + STEP },
    { "same-moment-twice", NOW, { .wall_ns = NOW + 9 }, NOW + STEP },
    { "clock-went-back", NOW, { .wall_ns = NOW - 87600 * HOUR }, NOW + STEP },
    { "last-step-of-a-second", NOW + 59 * STEP, { .wall_ns = NOW }, NOW + S },
    { "earlier-run-was-later", 0, { .wall_ns = 0, .from_ns = NOW }, NOW },
    { "second-after-an-earlier-run", NOW, { .wall_ns = 0, .from_ns = NOW }, NOW + STEP },
    { "not-past-what-is-reserved", 0, { .wall_ns = NOW + HOUR, .until_ns = NOW + S }, NOW + S },
    { "rises-even-there", NOW + S, { .wall_ns = NOW + HOUR, .until_ns = NOW + S }, NOW + S + STEP },
    { "an-hour-ahead-is-believed", 0, { .wall_ns = NOW + HOUR, .true_ns = NOW }, NOW + HOUR },
    { "more-is-not", 0, { .wall_ns = NOW + HOUR + S, .true_ns = NOW }, NOW },
    { "ten-years-behind-is-not", 0, { .wall_ns = NOW - 87600 * HOUR, .true_ns = NOW }, NOW },
    { "ten-years-were-sent", NOW + 87600 * HOUR, { .wall_ns = NOW, .true_ns = NOW }, NOW },
    { "half-an-hour-was-sent", NOW + HOUR / 2, { NOW, NOW, 0, 0 }, NOW + HOUR / 2 + STEP },
};

static void test_next(gconstpointer data)
{
    const NextCase *c = data;
    int64_t         last_ns = c->last_ns;

    g_assert_cmpint(wire_freshness_next(&last_ns, &c->at), ==, c->want_ns);
    g_assert_cmpint(last_ns, ==, c->want_ns);
}

/* A thousand in a moment, with the clock running backwards: each later than the one before, in the
 * order of bytes too. */
static void test_rises(void)
{
    uint8_t before[WIRE_TAI64N_BYTES] = { 0 }, now[WIRE_TAI64N_BYTES];
    int64_t last_ns = 0;

    for (int i = 0; i < 1000; i++) {
        WireMoment at = { .wall_ns = NOW - i * S };

        wire_freshness_encode(wire_freshness_next(&last_ns, &at), now);
        g_assert_cmpint(memcmp(now, before, sizeof now), >, 0);
        memcpy(before, now, sizeof now);
    }
    g_assert_cmpint(last_ns, <, NOW + 20 * S); /* sixty a second */
}

static void test_text(void)
{
    static const uint8_t known[WIRE_TAI64N_BYTES] = { 0x40, 0,    0,    0, 0x65, 0x53,
                                                      0xf1, 0x0a, 0x07, 0, 0,    0 };
    uint8_t              out[WIRE_TAI64N_BYTES];

    wire_freshness_encode(NOW + 7 * STEP, out);
    g_assert_cmpmem(out, sizeof out, known, sizeof known);
    g_assert_cmpint(wire_freshness_decode(known), ==, NOW + 7 * STEP);
    memset(out, 0xff, sizeof out);
    g_assert_cmpint(wire_freshness_decode(out), ==, INT64_MAX);
    memset(out, 0, sizeof out);
    g_assert_cmpint(wire_freshness_decode(out), ==, 0);
    wire_freshness_encode(INT64_MAX, out);
    g_assert_cmpint(wire_freshness_decode(out), >=, INT64_MAX - 5 * S);
}

typedef struct {
    const char *name;
    int64_t     taken_ns, ns, true_ns;
    int         want;      /* of the check */
    int         want_take; /* of what follows, when it may */
} CheckCase;

static const CheckCase check_cases[] = {
    { "first", 0, NOW, 0, 0, 0 },
    { "nobody-knows-the-time", 0, NOW + 87600 * HOUR, 0, 0, 0 },
    { "an-hour-ahead", 0, NOW + HOUR, NOW, 0, 0 },
    { "more-than-an-hour-ahead", 0, NOW + HOUR + 1, NOW, -ERANGE, 0 },
    { "behind", 0, NOW - 87600 * HOUR, NOW, 0, 0 },
    { "replay", NOW, NOW, NOW, 0, -EALREADY },
    { "older", NOW, NOW - 1, NOW, 0, -EALREADY },
    { "newer", NOW, NOW + 1, NOW, 0, 0 },
    { "a-wrong-clock-was-believed-once", NOW + 87600 * HOUR, NOW + 1, NOW, 0, 0 },
    { "its-recording-comes-again", NOW + 87600 * HOUR, NOW + 87600 * HOUR, NOW, -ERANGE, 0 },
    { "an-older-recording-too", NOW + 87600 * HOUR, NOW - HOUR, NOW, 0, -EALREADY },
};

static void test_check(gconstpointer data)
{
    const CheckCase *c = data;
    WireFreshness    self = { .accepted_ms = 0 };
    uint8_t          timestamp[WIRE_TAI64N_BYTES];

    if (c->taken_ns != 0)
        wire_freshness_encode(c->taken_ns, self.newest);
    wire_freshness_encode(c->ns, timestamp);
    g_assert_cmpint(wire_freshness_check(&self, timestamp, c->true_ns), ==, c->want);
    if (c->want == 0)
        g_assert_cmpint(wire_noise_accept_timestamp(&self, timestamp, 1000), ==, c->want_take);
}

static void add(const char *group, const char *name, gconstpointer data, GTestDataFunc func)
{
    g_autofree char *path = g_strdup_printf("/freshness/%s/%s", group, name);

    g_test_add_data_func(path, data, func);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(next_cases); i++)
        add("next", next_cases[i].name, &next_cases[i], test_next);
    for (size_t i = 0; i < G_N_ELEMENTS(check_cases); i++)
        add("check", check_cases[i].name, &check_cases[i], test_check);
    g_test_add_func("/freshness/rises", test_rises);
    g_test_add_func("/freshness/text", test_text);
    return g_test_run();
}
