/* Tests of daemon/wire/limiter.c under a clock that the test moves. */
#include "common/std/ip.h"
#include "daemon/wire/limiter.h"

#include <glib.h>
#include <sodium.h>
#include <sys/socket.h>

#define T0 INT64_C(1000000)

static MeshAddr parse(const char *text)
{
    MeshAddr addr = { 0 };

    g_assert_cmpint(mesh_ip_parse_addr(text, &addr), ==, 0);
    return addr;
}

static unsigned count_allowed(WireLimiter *limiter, const char *source, unsigned n, int64_t now_ms)
{
    MeshAddr addr = parse(source);
    unsigned allowed = 0;

    for (unsigned i = 0; i < n; i++)
        allowed += wire_limiter_allow(limiter, &addr, now_ms);
    return allowed;
}

static WireLimiter *make(size_t max_sources)
{
    WireLimiter *limiter = NULL;

    g_assert_cmpint(wire_limiter_new(max_sources, &limiter), ==, 0);
    return limiter;
}

/* One source, step by step: ms since the step before, tries, how many pass. */
typedef struct {
    int64_t  wait_ms;
    unsigned tries, want;
} Step;

static const Step steps[] = {
    { 0, 20, 5 },  { 49, 1, 0 },      { 1, 2, 1 },  { 50, 1, 1 }, { 100, 9, 2 },
    { 250, 9, 5 }, { 3600000, 9, 5 }, { 25, 1, 0 }, { 25, 1, 1 }, { 1000, 100, 5 },
};

static void test_steps(gconstpointer data)
{
    WireLimiter *limiter = make(64);
    int64_t      now_ms = T0;

    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
        now_ms += steps[i].wait_ms;
        g_assert_cmpuint(count_allowed(limiter, data, steps[i].tries, now_ms), ==, steps[i].want);
    }
    wire_limiter_free(limiter);
}

static void test_rate(void)
{
    WireLimiter *limiter = make(64);
    unsigned     allowed = 0;

    for (int64_t ms = 0; ms < 10000; ms++)
        allowed += count_allowed(limiter, "192.0.2.1", 1, T0 + ms);
    g_assert_cmpuint(allowed, >=, 200);
    g_assert_cmpuint(allowed, <=, 205);
    wire_limiter_free(limiter);
}

static void test_sources(void)
{
    WireLimiter *limiter = make(4096);

    g_assert_cmpuint(count_allowed(limiter, "192.0.2.1", 9, T0), ==, 5);
    g_assert_cmpuint(count_allowed(limiter, "192.0.2.2", 9, T0), ==, 5);
    g_assert_cmpuint(count_allowed(limiter, "2001:db8:0:1::1", 3, T0), ==, 3);
    g_assert_cmpuint(count_allowed(limiter, "2001:db8:0:1:ffff::2", 9, T0), ==, 2); /* same /64 */
    g_assert_cmpuint(count_allowed(limiter, "2001:db8:0:2::1", 9, T0), ==, 5);
    /* c000:201:: begins with the bytes of 192.0.2.1 and is somebody else */
    g_assert_cmpuint(count_allowed(limiter, "c000:201::", 9, T0), ==, 5);
    wire_limiter_free(limiter);
}

/* A flood of sources takes buckets away, never memory, and never more than a burst each. */
static void test_bounded(void)
{
    WireLimiter *limiter = make(64);
    MeshAddr     addr = parse("10.0.0.0");

    for (unsigned i = 0; i < 100000; i++) {
        addr.bytes[1] = (uint8_t)(i >> 16);
        addr.bytes[2] = (uint8_t)(i >> 8);
        addr.bytes[3] = (uint8_t)i;
        g_assert_true(wire_limiter_allow(limiter, &addr, T0 + i / 1000));
    }
    g_assert_cmpuint(count_allowed(limiter, "192.0.2.1", 9, T0 + 200), ==, 5);
    wire_limiter_free(limiter);
}

static void test_right_after_boot(void)
{
    WireLimiter *limiter = make(64);

    g_assert_cmpuint(count_allowed(limiter, "192.0.2.1", 9, 1), ==, 5);
    g_assert_cmpuint(count_allowed(limiter, "192.0.2.1", 9, 51), ==, 1);
    wire_limiter_free(limiter);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(sodium_init(), >=, 0);
    g_test_add_data_func("/limiter/steps/ipv4", "192.0.2.1", test_steps);
    g_test_add_data_func("/limiter/steps/ipv6", "2001:db8::1", test_steps);
    g_test_add_func("/limiter/rate", test_rate);
    g_test_add_func("/limiter/sources", test_sources);
    g_test_add_func("/limiter/bounded", test_bounded);
    g_test_add_func("/limiter/right-after-boot", test_right_after_boot);
    return g_test_run();
}
