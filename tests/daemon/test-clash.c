/* Tests of daemon/clash.c and net_routes_find_clash(): what stands in the way of a prefix, and how
 * it is named. */
#include "daemon/clash.h"

#include <string.h>

typedef struct {
    const char *name, *prefix;
    const char *route, *gateway, *dev; /* of the host; NULL: none */
    const char *other;                 /* of another network; NULL: none */
    const char *want;                  /* NULL: no clash */
} ClashCase;

static const ClashCase cases[] = {
    { .name = "free", .prefix = "10.71.0.0/16", .route = "192.168.0.0/16", .dev = "eth0" },
    { "inside", "10.71.0.0/16", "10.71.5.0/24", NULL, "eth0", NULL,
      "10.71.0.0/16 clashes with this host's route 10.71.5.0/24 dev eth0" },
    { "around", "10.71.0.0/16", "10.0.0.0/8", "192.168.1.1", "tun0", NULL,
      "10.71.0.0/16 clashes with this host's route 10.0.0.0/8 via 192.168.1.1 dev tun0" },
    { .name = "default-route", .prefix = "10.71.0.0/16", .route = "0.0.0.0/0", .dev = "eth0" },
    { .name = "other-family", .prefix = "10.71.0.0/16", .route = "fd00::/8", .dev = "eth0" },
    { .name = "own-interface", .prefix = "10.71.0.0/16", .route = "10.71.0.0/16", .dev = "mesh0" },
    { "other-network", "10.71.0.0/16", NULL, NULL, NULL, "10.71.0.0/17",
      "10.71.0.0/16 clashes with 10.71.0.0/17 of the network work" },
    { "ipv6", "fd01:2:3::/48", "fd01:2::/32", NULL, "eth0", NULL,
      "fd01:2:3::/48 clashes with this host's route fd01:2::/32 dev eth0" },
};

static void test_clash(gconstpointer data)
{
    static const char *const own[] = { "mesh0", NULL };
    const ClashCase         *c = data;
    g_autoptr(GArray) routes = g_array_new(false, true, sizeof(NetRoute));
    g_autoptr(GArray) others = g_array_new(false, true, sizeof(MeshdClashPrefix));
    g_autofree char *found = NULL;
    NetRoute         route = { 0 };
    MeshdClashPrefix other = { .name = "work" };
    MeshPrefix       prefix;

    g_assert_cmpint(mesh_ip_parse_prefix(c->prefix, &prefix), ==, 0);
    if (c->route != NULL) {
        g_assert_cmpint(mesh_ip_parse_prefix(c->route, &route.destination), ==, 0);
        if (c->gateway != NULL)
            g_assert_cmpint(mesh_ip_parse_addr(c->gateway, &route.gateway), ==, 0);
        g_strlcpy(route.ifname, c->dev, sizeof route.ifname);
        g_array_append_val(routes, route);
    }
    if (c->other != NULL) {
        g_assert_cmpint(mesh_ip_parse_prefix(c->other, &other.prefix), ==, 0);
        g_array_append_val(others, other);
    }
    found = meshd_clash_find(&prefix, others, routes, own);
    g_assert_cmpstr(found, ==, c->want);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/clash/", cases[i].name, NULL);

        g_test_add_data_func(path, &cases[i], test_clash);
    }
    return g_test_run();
}
