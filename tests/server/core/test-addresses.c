/* Prefixes and their host ranges; the database's part is in test-register.c. */
#include "common/glib/error.h"
#include "server/core/addresses.h"

typedef struct {
    const char *name, *prefix, *low, *high; /* low NULL: not to be chosen */
} RangeCase;

static const RangeCase cases[] = {
    { "slash-8-leaves-out-9", "10.0.0.0/8", "10.0.0.10", "10.255.255.254" },
    { "slash-16-leaves-out-9", "10.77.0.0/16", "10.77.0.10", "10.77.255.254" },
    { "slash-17-does-not", "10.77.0.0/17", "10.77.0.1", "10.77.127.254" },
    { "slash-24", "192.168.7.0/24", "192.168.7.1", "192.168.7.254" },
    { "slash-30-has-two", "100.64.0.4/30", "100.64.0.5", "100.64.0.6" },
    { "slash-31-is-too-small", "10.0.0.0/31", NULL, NULL },
    { "slash-7-is-too-wide", "10.0.0.0/7", NULL, NULL },
    { "public-space", "203.0.113.0/24", NULL, NULL },
    { "beyond-172-16-12", "172.32.0.0/16", NULL, NULL },
    { "wider-than-192-168", "192.0.0.0/8", NULL, NULL },
    { "ipv6", "fd00::/48", NULL, NULL },
};

static void test_range(gconstpointer data)
{
    const RangeCase *c = data;
    g_autoptr(GError) error = NULL;
    MeshPrefix prefix;
    char       text[MESH_IP_ADDR_TEXT_SIZE];
    uint32_t   low, high;
    MeshAddr   addr;

    g_assert_cmpint(mesh_ip_parse_cidr(c->prefix, &prefix), ==, 0);
    g_assert_cmpint(core_addresses_check_prefix4(&prefix, &error), ==, c->low != NULL);
    if (c->low == NULL) {
        g_assert_error(error, MESH_ERROR, MESH_ERROR_BAD_REQUEST);
        return;
    }
    core_addresses_range4(&prefix, &low, &high);
    addr = core_addresses_make4(low);
    g_assert_cmpstr(mesh_ip_format_addr(&addr, text), ==, c->low);
    addr = core_addresses_make4(high);
    g_assert_cmpstr(mesh_ip_format_addr(&addr, text), ==, c->high);
}

static void test_random(void)
{
    MeshPrefix pool, ula;

    g_assert_cmpint(mesh_ip_parse_prefix("10.64.0.0/10", &pool), ==, 0);
    g_assert_cmpint(mesh_ip_parse_prefix("fd00::/8", &ula), ==, 0);
    for (unsigned i = 0; i < 1000; i++) {
        MeshPrefix four = core_addresses_random4(0), six = core_addresses_random6();
        MeshPrefix masked4 = mesh_ip_mask_prefix(&four), masked6 = mesh_ip_mask_prefix(&six);
        g_autoptr(GError) error = NULL;

        g_assert_cmpuint(four.bits, ==, 16);
        g_assert_true(mesh_ip_contains(&pool, &four.addr));
        g_assert_true(mesh_ip_equal_prefix(&four, &masked4));
        g_assert_true(core_addresses_check_prefix4(&four, &error));
        g_assert_cmpuint(six.bits, ==, 48);
        g_assert_true(mesh_ip_contains(&ula, &six.addr));
        g_assert_true(mesh_ip_equal_prefix(&six, &masked6));
    }
}

/* Networks of one server have prefixes apart as long as there are any. */
static void test_apart(void)
{
    MeshPrefix prefix;
    uint64_t   used = 0;

    for (unsigned i = 0; i < 64; i++) {
        uint64_t before = used;

        prefix = core_addresses_random4(used);
        core_addresses_use4(&used, &prefix);
        g_assert_cmpuint((guint)__builtin_popcountll(used ^ before), ==, 1);
    }
    g_assert_true(used == UINT64_MAX);
    prefix = core_addresses_random4(used);
    g_assert_cmpuint(prefix.bits, ==, 16);
    used = 0;
    g_assert_cmpint(mesh_ip_parse_prefix("10.64.0.0/11", &prefix), ==, 0);
    core_addresses_use4(&used, &prefix);
    g_assert_true(used == 0xffffffff);
    core_addresses_use4(&used, &(MeshPrefix){ 0 });
    g_assert_true(used == 0xffffffff);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(mesh_key_init(), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/addresses/", cases[i].name, NULL);

        g_test_add_data_func(path, &cases[i], test_range);
    }
    g_test_add_func("/addresses/random-prefixes", test_random);
    g_test_add_func("/addresses/apart", test_apart);
    return g_test_run();
}
