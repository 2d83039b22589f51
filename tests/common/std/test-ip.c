/* tests/common/std/test-ip.c: addresses and prefixes, a row per fact. */
#include "common/std/ip.h"

#include <errno.h>
#include <glib.h>
#include <sys/socket.h>

typedef struct {
    const char *name;
    const char *text;
    const char *want; /* the text it formats to; NULL: refused */
    MeshIpClass want_class;
} AddrCase;

static const AddrCase addrs[] = {
    { "v4", "192.0.2.1", "192.0.2.1", MESH_IP_GLOBAL },
    { "v4-any", "0.0.0.0", "0.0.0.0", MESH_IP_NONE },
    { "v4-loopback", "127.9.9.9", "127.9.9.9", MESH_IP_LOOPBACK },
    { "v4-link-local", "169.254.1.1", "169.254.1.1", MESH_IP_LINK_LOCAL },
    { "v4-private-10", "10.255.0.1", "10.255.0.1", MESH_IP_PRIVATE },
    { "v4-private-172-last", "172.31.255.255", "172.31.255.255", MESH_IP_PRIVATE },
    { "v4-after-private-172", "172.32.0.0", "172.32.0.0", MESH_IP_GLOBAL },
    { "v4-private-192", "192.168.0.1", "192.168.0.1", MESH_IP_PRIVATE },
    { "v4-shared-last", "100.127.255.255", "100.127.255.255", MESH_IP_SHARED },
    { "v4-after-shared", "100.128.0.0", "100.128.0.0", MESH_IP_GLOBAL },
    { "v4-multicast", "239.0.0.1", "239.0.0.1", MESH_IP_MULTICAST },
    { "v4-broadcast", "255.255.255.255", "255.255.255.255", MESH_IP_MULTICAST },
    { "v6", "2001:DB8:0:0:0::1", "2001:db8::1", MESH_IP_GLOBAL },
    { "v6-any", "::", "::", MESH_IP_NONE },
    { "v6-loopback", "::1", "::1", MESH_IP_LOOPBACK },
    { "v6-link-local", "fe80::1", "fe80::1", MESH_IP_LINK_LOCAL },
    { "v6-ula", "fd7a::1", "fd7a::1", MESH_IP_PRIVATE },
    { "v6-multicast", "ff02::1", "ff02::1", MESH_IP_MULTICAST },
    { "v6-mapped-private", "::ffff:10.0.0.1", "::ffff:10.0.0.1", MESH_IP_PRIVATE },
    { "bad-empty", "", NULL, 0 },
    { "bad-name", "localhost", NULL, 0 },
    { "bad-leading-zero", "10.0.0.01", NULL, 0 },
    { "bad-three-parts", "10.0.1", NULL, 0 },
    { "bad-256", "10.0.0.256", NULL, 0 },
    { "bad-brackets", "[::1]", NULL, 0 },
    { "bad-zone", "fe80::1%eth0", NULL, 0 },
    { "bad-space", " 10.0.0.1", NULL, 0 },
};

static void test_addr(gconstpointer data)
{
    const AddrCase *c = data;
    char            text[MESH_IP_ADDR_TEXT_SIZE];
    MeshAddr        addr = { 0 };

    g_assert_cmpint(mesh_ip_parse_addr(c->text, &addr), ==, c->want != NULL ? 0 : -EINVAL);
    g_assert_cmpstr(mesh_ip_format_addr(&addr, text), ==, c->want != NULL ? c->want : "-");
    g_assert_cmpint(mesh_ip_class(&addr), ==, c->want != NULL ? c->want_class : MESH_IP_NONE);
}

typedef struct {
    const char *name;
    const char *text;
    int         want_prefix; /* result of mesh_ip_parse_prefix() */
    int         want_cidr;   /* result of mesh_ip_parse_cidr() */
    const char *want_masked;
} PrefixCase;

static const PrefixCase prefixes[] = {
    { "ipv4-network", "10.0.0.0/8", 0, 0, "10.0.0.0/8" },
    { "ipv6-network", "fd7a::/48", 0, 0, "fd7a::/48" },
    { "everything", "0.0.0.0/0", 0, 0, "0.0.0.0/0" },
    { "one-address", "10.1.2.3", 0, 0, "10.1.2.3/32" },
    { "one-address-6", "fd7a::1", 0, 0, "fd7a::1/128" },
    { "host-bits-must-be-off", "10.0.0.1/8", -EINVAL, 0, "10.0.0.0/8" },
    { "host-bits-in-odd-length", "10.64.3.0/23", -EINVAL, 0, "10.64.2.0/23" },
    { "host-bits-6", "fd7a:0:0:8000::/48", -EINVAL, 0, "fd7a::/48" },
    { "longest-text", "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128", 0, 0,
      "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128" },
    { "bad-too-long", "10.0.0.0/33", -EINVAL, -EINVAL, NULL },
    { "bad-too-long-6", "fd7a::/129", -EINVAL, -EINVAL, NULL },
    { "bad-no-bits", "10.0.0.0/", -EINVAL, -EINVAL, NULL },
    { "bad-leading-zero", "10.0.0.0/08", -EINVAL, -EINVAL, NULL },
    { "bad-negative", "10.0.0.0/-1", -EINVAL, -EINVAL, NULL },
    { "bad-two-slashes", "10.0.0.0/8/8", -EINVAL, -EINVAL, NULL },
    { "bad-mask", "10.0.0.0/255.0.0.0", -EINVAL, -EINVAL, NULL },
    { "bad-overlong", "00000000000000000000000000000000000000000000000000/8", -EINVAL, -EINVAL,
      NULL },
};

static void test_prefix(gconstpointer data)
{
    const PrefixCase *c = data;
    char              text[MESH_IP_PREFIX_TEXT_SIZE];
    MeshPrefix        prefix = { 0 }, masked;

    g_assert_cmpint(mesh_ip_parse_prefix(c->text, &prefix), ==, c->want_prefix);
    if (c->want_prefix == 0)
        g_assert_cmpstr(mesh_ip_format_prefix(&prefix, text), ==, c->want_masked);
    else
        g_assert_cmpstr(mesh_ip_format_prefix(&prefix, text), ==, "-"); /* untouched */
    g_assert_cmpint(mesh_ip_parse_cidr(c->text, &prefix), ==, c->want_cidr);
    if (c->want_cidr < 0)
        return;
    masked = mesh_ip_mask_prefix(&prefix);
    g_assert_cmpstr(mesh_ip_format_prefix(&masked, text), ==, c->want_masked);
}

typedef struct {
    const char *name;
    const char *a;
    const char *b;
    bool        want_contains; /* b's address is in a */
    bool        want_overlaps;
} PairCase;

static const PairCase pairs[] = {
    { "inside", "10.0.0.0/8", "10.255.255.255/32", true, true },
    { "outside", "10.0.0.0/8", "11.0.0.0/32", false, false },
    { "wider-second", "10.1.0.0/16", "10.0.0.0/8", false, true },
    { "odd-length-inside", "10.64.2.0/23", "10.64.3.255/32", true, true },
    { "odd-length-outside", "10.64.2.0/23", "10.64.4.0/32", false, false },
    { "everything", "0.0.0.0/0", "1.2.3.4/32", true, true },
    { "host-bits-ignored", "10.9.9.9/8", "10.0.0.1/32", true, true },
    { "families-apart", "0.0.0.0/0", "::/0", false, false },
    { "same-6", "fd7a::/48", "fd7a::/48", true, true },
    { "sibling-6", "fd7a::/48", "fd7a:0:1::/48", false, false },
};

static void test_pair(gconstpointer data)
{
    const PairCase *c = data;
    MeshPrefix      a, b;

    g_assert_cmpint(mesh_ip_parse_cidr(c->a, &a), ==, 0);
    g_assert_cmpint(mesh_ip_parse_cidr(c->b, &b), ==, 0);
    g_assert_true(mesh_ip_contains(&a, &b.addr) == c->want_contains);
    g_assert_true(mesh_ip_overlaps(&a, &b) == c->want_overlaps);
    g_assert_true(mesh_ip_overlaps(&b, &a) == c->want_overlaps);
}

/* Masking and containing agree with plain arithmetic for every length and random addresses. */
static void test_model(void)
{
    for (int i = 0; i < 20000; i++) {
        uint32_t   base = (uint32_t)g_test_rand_int();
        uint32_t   flip = (uint32_t)g_test_rand_int_range(0, 33);
        uint32_t   other = flip == 32 ? base : base ^ (1u << flip);
        uint8_t    bits = (uint8_t)g_test_rand_int_range(0, 33);
        uint32_t   mask = bits == 0 ? 0 : ~0u << (32 - bits);
        uint8_t    base_bytes[4], other_bytes[4];
        MeshPrefix prefix = { .bits = bits };
        MeshAddr   addr;

        for (int b = 0; b < 4; b++) {
            base_bytes[b] = (uint8_t)(base >> (24 - 8 * b));
            other_bytes[b] = (uint8_t)(other >> (24 - 8 * b));
        }
        prefix.addr = mesh_ip_make_addr(AF_INET, base_bytes);
        addr = mesh_ip_make_addr(AF_INET, other_bytes);
        g_assert_true(mesh_ip_contains(&prefix, &addr) == ((base & mask) == (other & mask)));
        prefix = mesh_ip_mask_prefix(&prefix);
        for (int b = 0; b < 4; b++)
            g_assert_cmphex(prefix.addr.bytes[b], ==, (uint8_t)((base & mask) >> (24 - 8 * b)));
    }
}

static void test_equal(void)
{
    MeshPrefix a, b, c;
    MeshAddr   none = { 0 };

    g_assert_cmpint(mesh_ip_parse_cidr("10.0.0.1/8", &a), ==, 0);
    g_assert_cmpint(mesh_ip_parse_cidr("10.0.0.1/8", &b), ==, 0);
    g_assert_cmpint(mesh_ip_parse_cidr("10.0.0.1/9", &c), ==, 0);
    g_assert_true(mesh_ip_equal_prefix(&a, &b));
    g_assert_false(mesh_ip_equal_prefix(&a, &c));
    g_assert_true(mesh_ip_equal_addr(&a.addr, &c.addr));
    g_assert_false(mesh_ip_equal_addr(&a.addr, &none));
    g_assert_true(mesh_ip_equal_addr(&none, &none));
    g_assert_cmpint(mesh_ip_make_addr(AF_UNIX, a.addr.bytes).family, ==, 0);
    g_assert_false(mesh_ip_contains(&(MeshPrefix){ .addr = none }, &none));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(addrs); i++) {
        g_autofree char *path = g_strdup_printf("/ip/addr/%s", addrs[i].name);
        g_test_add_data_func(path, &addrs[i], test_addr);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(prefixes); i++) {
        g_autofree char *path = g_strdup_printf("/ip/prefix/%s", prefixes[i].name);
        g_test_add_data_func(path, &prefixes[i], test_prefix);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++) {
        g_autofree char *path = g_strdup_printf("/ip/pair/%s", pairs[i].name);
        g_test_add_data_func(path, &pairs[i], test_pair);
    }
    g_test_add_func("/ip/model", test_model);
    g_test_add_func("/ip/equal", test_equal);
    return g_test_run();
}
