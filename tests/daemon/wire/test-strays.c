/* Tests of daemon/wire/strays.c. */
#include "daemon/wire/strays.h"

#include <glib.h>

static WireWay at(uint16_t port)
{
    MeshAddr addr;

    g_assert_cmpint(mesh_ip_parse_addr("192.0.2.1", &addr), ==, 0);
    return (WireWay){ .endpoint = mesh_endpoint_make(&addr, port) };
}

/* A flow of any speed is told of once a second. */
static void test_once(void)
{
    WireStrays strays = { { 0 } };
    WireWay    relayed = { .link = 1, .index = 7 };

    g_assert_true(wire_strays_is_news(&strays, &relayed, 5000));
    for (int64_t ms = 5000; ms < 5000 + WIRE_STRAYS_MS; ms++)
        g_assert_false(wire_strays_is_news(&strays, &relayed, ms));
    g_assert_true(wire_strays_is_news(&strays, &relayed, 5000 + WIRE_STRAYS_MS));
}

/* Members that come one after the other do not hide each other, as far as there are places. */
static void test_apart(void)
{
    WireStrays strays = { { 0 } };
    unsigned   n = 0;

    for (uint32_t i = 1; i <= 32; i++)
        n += wire_strays_is_news(&strays, &(WireWay){ .link = 1, .index = i }, 5000);
    g_assert_cmpuint(n, >=, 16);
}

/* However many addresses strangers write: so many tellings a second. */
static void test_bounded(void)
{
    WireStrays strays = { { 0 } };
    unsigned   n = 0;

    for (unsigned port = 1; port <= UINT16_MAX; port++) {
        WireWay way = at((uint16_t)port);

        n += wire_strays_is_news(&strays, &way, 5000);
    }
    g_assert_cmpuint(n, <=, WIRE_STRAYS_PLACES);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/strays/once", test_once);
    g_test_add_func("/strays/apart", test_apart);
    g_test_add_func("/strays/bounded", test_bounded);
    return g_test_run();
}
