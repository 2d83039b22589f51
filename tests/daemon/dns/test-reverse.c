/* Tests of daemon/dns/reverse.c: names of addresses, zones of prefixes. */
#include "daemon/dns/reverse.h"

#include <glib.h>

#define NIBBLES "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa"

static void test_make_and_parse(void)
{
    static const struct {
        const char *prefix, *name;
    } rows[] = {
        { "10.71.0.5/32", "5.0.71.10.in-addr.arpa" },
        { "10.71.0.0/16", "71.10.in-addr.arpa" },
        { "255.255.255.255/32", "255.255.255.255.in-addr.arpa" },
        /* the address of RFC 3596 §2.5 */
        { "4321:0:1:2:3:4:567:89ab/128", NIBBLES },
        { "fd00:1:2::/48", "2.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa" },
        { "fd00::/12", "0.d.f.ip6.arpa" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        MeshPrefix prefix, back;
        DnsName    name;
        char       text[DNS_NAME_TEXT_SIZE];

        g_assert_cmpint(mesh_ip_parse_prefix(rows[i].prefix, &prefix), ==, 0);
        name = dns_reverse_make(&prefix.addr, prefix.bits);
        g_assert_cmpstr(dns_name_format(&name, text), ==, rows[i].name);
        g_assert_true(dns_reverse_parse(&name, &back));
        g_assert_true(mesh_ip_equal_prefix(&prefix, &back));
    }
}

static void test_refused(void)
{
    static const char *const rows[] = {
        "256.in-addr.arpa",  "01.in-addr.arpa", "1.2.3.4.5.in-addr.arpa",
        "x.in-addr.arpa",    "g.ip6.arpa",      "10.ip6.arpa",
        "0." NIBBLES,        "home.mesh",       "arpa",
        "1111.in-addr.arpa", "-1.in-addr.arpa", "00.in-addr.arpa",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        MeshPrefix prefix;
        DnsName    name;

        g_assert_cmpint(dns_name_parse(rows[i], &name), ==, 0);
        g_assert_false(dns_reverse_parse(&name, &prefix));
    }
}

static void test_zones(void)
{
    static const struct {
        const char *prefix;
        size_t      n;
        const char *first, *last;
    } rows[] = {
        { "10.71.0.0/16", 1, "71.10.in-addr.arpa", "71.10.in-addr.arpa" },
        { "172.16.0.0/12", 16, "16.172.in-addr.arpa", "31.172.in-addr.arpa" },
        { "100.64.0.0/10", 64, "64.100.in-addr.arpa", "127.100.in-addr.arpa" },
        { "10.0.0.128/25", 128, "128.0.0.10.in-addr.arpa", "255.0.0.10.in-addr.arpa" },
        { "10.1.2.0/23", 2, "2.1.10.in-addr.arpa", "3.1.10.in-addr.arpa" },
        { "fd00:1:2::/48", 1, "2.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa",
          "2.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa" },
        { "fd00:1:4::/46", 4, "4.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa",
          "7.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa" },
        { "fd00:1:20::/43", 2, "2.0.0.1.0.0.0.0.0.d.f.ip6.arpa", "3.0.0.1.0.0.0.0.0.d.f.ip6.arpa" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree DnsName *zones = g_new(DnsName, DNS_REVERSE_MAX_ZONES);
        MeshPrefix          prefix;
        char                text[DNS_NAME_TEXT_SIZE];

        g_assert_cmpint(mesh_ip_parse_prefix(rows[i].prefix, &prefix), ==, 0);
        g_assert_cmpuint(dns_reverse_list(&prefix, zones), ==, rows[i].n);
        g_assert_cmpstr(dns_name_format(&zones[0], text), ==, rows[i].first);
        g_assert_cmpstr(dns_name_format(&zones[rows[i].n - 1], text), ==, rows[i].last);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dns/reverse/make-and-parse", test_make_and_parse);
    g_test_add_func("/dns/reverse/refused", test_refused);
    g_test_add_func("/dns/reverse/zones", test_zones);
    return g_test_run();
}
