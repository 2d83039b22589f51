/* tests/daemon/net/test-pref64.c: what the kernel passes on of routers' announcements. */
#include "daemon/net/pref64.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

/* As Linux 6 said it of 64:ff9b::/96 for 600 s, announced by fe80::ff:fe00:1 on interface 3. */
static const char whole[] = "0a001000030000008600000000000000"
                            "260202580064ff9b0000000000000000"
                            "14000100fe80000000000000000000fffe000001";

typedef struct {
    const char *name;
    size_t      at; /* of the bytes changed, as they count in the message */
    const char *hex;
    const char *want; /* NULL: refused */
    int64_t     want_ms;
} Case;

static const Case cases[] = {
    { "whole", 0, "", "64:ff9b::/96", 600000 },
    { "ended", 18, "0000", "64:ff9b::/96", 0 },
    { "longest", 18, "fff8", "64:ff9b::/96", 65528000 },
    { "length-64", 18, "0259", "64:ff9b::/64", 600000 },
    { "length-32", 18, "025d", "64:ff9b::/32", 600000 },
    { "length-of-no-code", 18, "025e", NULL, 0 },
    { "behind-the-prefix", 18, "025d0064ff9bffff", "64:ff9b::/32", 600000 },
    { "multicast", 20, "ff02", NULL, 0 },
    { "link-local", 20, "fe80", NULL, 0 },
    { "zero", 20, "000000000000000000000000", NULL, 0 },
    { "zero-of-32-bits", 18, "025d0000", NULL, 0 },
    { "mapped", 20, "00000000000000000000ffff", NULL, 0 },
    { "of-no-use-yet", 20, "0001", NULL, 0 },
    { "local-use", 18, "025b0064ff9b0001", "64:ff9b:1::/48", 600000 },
    { "unique-local", 20, "fd01", "fd01:ff9b::/96", 600000 },
    { "another-option", 16, "19", NULL, 0 },
    { "longer-option", 17, "03", NULL, 0 },
    { "no-option", 2, "0000", NULL, 0 },
    { "another-family", 0, "02", NULL, 0 },
    { "another-message", 8, "85", NULL, 0 },
    { "another-attribute", 34, "02", NULL, 0 },
    { "short-attribute", 32, "0800", NULL, 0 },
};

static size_t put(const char *hex, uint8_t *out)
{
    size_t n = strlen(hex) / 2;

    for (size_t i = 0; i < n; i++)
        out[i] =
            (uint8_t)(g_ascii_xdigit_value(hex[2 * i]) << 4 | g_ascii_xdigit_value(hex[2 * i + 1]));
    return n;
}

static void test_read(gconstpointer data)
{
    const Case  *c = data;
    uint8_t      bytes[sizeof whole / 2];
    size_t       n = put(whole, bytes);
    NetPref64Row row;
    char         text[MESH_IP_PREFIX_TEXT_SIZE];

    (void)put(c->hex, bytes + c->at);
    g_assert_cmpint(net_pref64_read(MESH_SPAN(bytes, n), 1000, &row), ==,
                    c->want != NULL ? 0 : -EBADMSG);
    if (c->want == NULL)
        return;
    g_assert_cmpstr(mesh_ip_format_prefix(&row.prefix, text), ==, c->want);
    g_assert_cmpint(row.until_ms, ==, 1000 + c->want_ms);
    g_assert_cmpuint(row.ifindex, ==, 3);
    g_assert_cmpstr(mesh_ip_format_addr(&row.router, text), ==, "fe80::ff:fe00:1");
    for (size_t cut = 0; cut < n; cut++) {
        g_autofree uint8_t *exact = g_memdup2(bytes, cut); /* reading over its end is seen */

        g_assert_cmpint(net_pref64_read(MESH_SPAN(exact, cut), 1000, &row), ==, -EBADMSG);
    }
}

static NetPref64Row make_row(uint8_t which, int64_t until_ms)
{
    NetPref64Row row = { .ifindex = 3, .until_ms = until_ms };

    g_assert_cmpint(mesh_ip_parse_addr("fe80::1", &row.router), ==, 0);
    g_assert_cmpint(mesh_ip_parse_prefix("2001:db8::/96", &row.prefix), ==, 0);
    row.prefix.addr.bytes[4] = which;
    return row;
}

static void test_table(void)
{
    NetPref64    table = { .n = 0 };
    NetPref64Row row = make_row(0, 100), other = make_row(0, 100);
    MeshAddr     router = row.router;

    net_pref64_prefer(&table, &router, 3);
    g_assert_true(net_pref64_note(&table, &row, 0));
    g_assert_cmpint(net_pref64_next_ms(&table), ==, 100);
    row.until_ms = 200;
    g_assert_false(net_pref64_note(&table, &row, 50)); /* renewed */
    g_assert_cmpuint(net_pref64_find(&table, &router, 3, 150).bits, ==, 96);
    g_assert_cmpuint(net_pref64_find(&table, &router, 3, 200).bits, ==, 0);
    g_assert_cmpuint(net_pref64_find(&table, &router, 4, 150).bits, ==, 0);
    other.router.bytes[15] = 2;
    g_assert_cmpuint(net_pref64_find(&table, &other.router, 3, 150).bits, ==, 0);
    row.until_ms = 150;
    g_assert_true(net_pref64_note(&table, &row, 150)); /* taken back */
    g_assert_cmpint(net_pref64_next_ms(&table), ==, INT64_MAX);
    g_assert_false(net_pref64_note(&table, &row, 150)); /* again */
}

/* Whoever announces more than there is room for does not take more. */
static void test_bound(void)
{
    NetPref64    table = { .n = 0 };
    NetPref64Row row;

    for (unsigned i = 0; i < 200; i++) {
        row = make_row((uint8_t)i, 1000 + i);
        (void)net_pref64_note(&table, &row, 0);
    }
    g_assert_cmpuint(table.n, ==, NET_MAX_PREF64);
    g_assert_cmpint(net_pref64_next_ms(&table), ==, 1000 + 200 - NET_MAX_PREF64);
}

/* A neighbour fills the table for as long as it can; our router's own goes in, stays, and may be
 * renewed and replaced by its own. What others say is no news. */
static void test_share(void)
{
    NetPref64    table = { .n = 0 };
    NetPref64Row row, ours = make_row(0, 500);
    MeshAddr     router = ours.router;

    net_pref64_prefer(&table, &router, 3);
    for (unsigned i = 0; i < 200; i++) {
        row = make_row((uint8_t)i, 65528000);
        row.router.bytes[14] = (uint8_t)(1 + i);
        if (i == 100)
            g_assert_true(net_pref64_note(&table, &ours, 0));
        g_assert_false(net_pref64_note(&table, &row, 0));
    }
    g_assert_cmpuint(table.n, ==, NET_MAX_PREF64);
    g_assert_cmpuint(net_pref64_find(&table, &router, 3, 1).bits, ==, 96);
    for (unsigned i = 1; i < 20; i++) {
        ours = make_row((uint8_t)i, 500 + i);
        g_assert_true(net_pref64_note(&table, &ours, 0));
    }
    g_assert_false(net_pref64_note(&table, &row, 0)); /* no place for it */
    g_assert_cmpint(net_pref64_next_ms(&table), ==, 500 + 20 - NET_MAX_PREF64);
    row = make_row(1, 65528000);
    row.ifindex = 4; /* the same name on another link is somebody else */
    g_assert_false(net_pref64_note(&table, &row, 0));
    g_assert_cmpuint(net_pref64_find(&table, &router, 4, 1).bits, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/pref64/read/%s", cases[i].name);

        g_test_add_data_func(path, &cases[i], test_read);
    }
    g_test_add_func("/pref64/table", test_table);
    g_test_add_func("/pref64/bound", test_bound);
    g_test_add_func("/pref64/share", test_share);
    return g_test_run();
}
