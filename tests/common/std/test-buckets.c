#include "common/std/buckets.h"

#include <glib.h>
#include <sodium.h>

static MeshAddr addr(const char *text)
{
    MeshAddr value;

    g_assert_cmpint(mesh_ip_parse_addr(text, &value), ==, 0);
    return value;
}

static unsigned take_all(MeshBuckets *buckets, const char *text, int64_t now_ms)
{
    MeshAddr from = addr(text);
    unsigned n = 0;

    while (n < 1000 && mesh_buckets_take(buckets, &from, now_ms))
        n++;
    return n;
}

static void test_rate(void)
{
    MeshBuckets *buckets = NULL;

    g_assert_cmpint(mesh_buckets_new(MESH_BUCKETS_BY_24, 10, 5, &buckets), ==, 0);
    g_assert_cmpuint(take_all(buckets, "192.0.2.1", 1000), ==, 5);
    g_assert_cmpuint(take_all(buckets, "192.0.2.200", 1000), ==, 0); /* the same /24 */
    g_assert_cmpuint(take_all(buckets, "192.0.3.1", 1000), ==, 5);
    g_assert_cmpuint(take_all(buckets, "192.0.2.1", 1100), ==, 1);
    g_assert_cmpuint(take_all(buckets, "192.0.2.1", 1150), ==, 0);
    g_assert_cmpuint(take_all(buckets, "192.0.2.1", 1200), ==, 1); /* halves add up */
    g_assert_cmpuint(take_all(buckets, "192.0.2.1", 100000), ==, 5);
    mesh_buckets_free(buckets);
}

static void test_by_address(void)
{
    MeshBuckets *buckets = NULL;

    g_assert_cmpint(mesh_buckets_new(MESH_BUCKETS_BY_32, 10, 5, &buckets), ==, 0);
    g_assert_cmpuint(take_all(buckets, "192.0.2.1", 1000), ==, 5);
    g_assert_cmpuint(take_all(buckets, "192.0.2.2", 1000), ==, 5);
    g_assert_cmpuint(take_all(buckets, "192.0.2.1", 1000), ==, 0);
    mesh_buckets_free(buckets);
}

static void test_ipv6(void)
{
    MeshBuckets *buckets = NULL;

    g_assert_cmpint(mesh_buckets_new(MESH_BUCKETS_BY_24, 1, 3, &buckets), ==, 0);
    g_assert_cmpuint(take_all(buckets, "2001:db8::1", 1000), ==, 3);
    g_assert_cmpuint(take_all(buckets, "2001:db8::ffff:1", 1000), ==, 0); /* the same /64 */
    g_assert_cmpuint(take_all(buckets, "2001:db8:0:1::1", 1000), ==, 3);
    mesh_buckets_free(buckets);
}

/* More networks than places: memory is fixed, and the newest always finds a place. */
static void test_crowd(void)
{
    MeshBuckets *buckets = NULL;

    g_assert_cmpint(mesh_buckets_new(MESH_BUCKETS_BY_24, 1, 1, &buckets), ==, 0);
    for (unsigned i = 0; i < 50000; i++) {
        uint8_t  bytes[4] = { 10, (uint8_t)(i >> 8), (uint8_t)i, 1 };
        MeshAddr from = mesh_ip_make_addr(2, bytes);

        g_assert_true(mesh_buckets_take(buckets, &from, 1000 + (int64_t)i * 1000));
    }
    mesh_buckets_free(buckets);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(sodium_init(), >=, 0);
    g_test_add_func("/buckets/rate-and-burst", test_rate);
    g_test_add_func("/buckets/by-address", test_by_address);
    g_test_add_func("/buckets/ipv6-by-64", test_ipv6);
    g_test_add_func("/buckets/more-than-places", test_crowd);
    return g_test_run();
}
