/* Tests of daemon/dns/name.c: text, wire form, compression, what is no name. */
#include "daemon/dns/name.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

static void test_text(void)
{
    static const struct {
        const char *text, *back; /* back NULL: refused */
        unsigned    len;
    } rows[] = {
        { "nas.home.mesh", "nas.home.mesh", 15 },
        { "NAS.Home.MESH.", "nas.home.mesh", 15 },
        { "", ".", 1 },
        { ".", ".", 1 },
        { "..", NULL, 0 },
        { ".a", NULL, 0 },
        { "a..b", NULL, 0 },
        { "a b\\c", "a\\032b\\092c", 7 },
        { "123456789012345678901234567890123456789012345678901234567890123",
          "123456789012345678901234567890123456789012345678901234567890123", 65 },
        { "1234567890123456789012345678901234567890123456789012345678901234", NULL, 0 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        char    text[DNS_NAME_TEXT_SIZE];
        DnsName name = { .len = 99 };
        int     rc = dns_name_parse(rows[i].text, &name);

        if (rows[i].back == NULL) {
            g_assert_cmpint(rc, ==, -EINVAL);
            g_assert_cmpuint(name.len, ==, 99);
            continue;
        }
        g_assert_cmpint(rc, ==, 0);
        g_assert_cmpuint(name.len, ==, rows[i].len);
        g_assert_cmpstr(dns_name_format(&name, text), ==, rows[i].back);
    }
}

/* Four labels of 63 are 256 bytes with their lengths and the root: one too many. */
static void test_longest(void)
{
    g_autofree char *label = g_strnfill(63, 'a');
    g_autofree char *three = g_strjoin(".", label, label, label, NULL);
    g_autofree char *most = g_strdup_printf("%s.%.61s", three, label);
    g_autofree char *over = g_strdup_printf("%s.%.62s", three, label);
    char             text[DNS_NAME_TEXT_SIZE];
    DnsName          name, longer;

    g_assert_cmpint(dns_name_parse(most, &name), ==, 0);
    g_assert_cmpuint(name.len, ==, 255);
    g_assert_cmpstr(dns_name_format(&name, text), ==, most);
    g_assert_cmpint(dns_name_parse(over, &name), ==, -EINVAL);
    g_assert_cmpint(dns_name_prepend("x", &name, &longer), ==, -EINVAL);
}

static void test_read(void)
{
    static const struct {
        const char *bytes;
        size_t      len, at;
        const char *name; /* NULL: refused */
        size_t      after;
    } rows[] = {
        { "\3nas\4mesh\0", 10, 0, "nas.mesh", 10 },
        { "\0", 1, 0, ".", 1 },
        /* RFC 1035 §4.1.4: F.ISI.ARPA, then FOO.F.ISI.ARPA, ARPA and the root */
        { "\1F\3ISI\4ARPA\0\3FOO\xc0\0\xc0\6\0", 21, 12, "FOO.F.ISI.ARPA", 18 },
        { "\1F\3ISI\4ARPA\0\3FOO\xc0\0\xc0\6\0", 21, 18, "ARPA", 20 },
        { "\1F\3ISI\4ARPA\0\3FOO\xc0\0\xc0\6\0", 21, 20, ".", 21 },
        { "", 0, 0, NULL, 0 },
        { "\3na", 3, 0, NULL, 0 },
        { "\3nas", 4, 0, NULL, 0 },     /* no root */
        { "\xc0", 1, 0, NULL, 0 },      /* half a pointer */
        { "\xc0\0", 2, 0, NULL, 0 },    /* to itself */
        { "\1a\xc0\0", 4, 0, NULL, 0 }, /* to its own start: a loop */
        { "\xc0\2\xc0\0", 4, 0, NULL, 0 },
        { "\xc0\2\xc0\0", 4, 2, NULL, 0 },   /* two that point to each other */
        { "\1a\xc0\4\1b\0", 7, 0, NULL, 0 }, /* forward */
        { "\xff\xff\1a\0", 5, 0, NULL, 0 },  /* far outside */
        { "\x41"
          "a\0",
          3, 0, NULL, 0 }, /* label types of RFC 2673, 6891: none */
        { "\x80"
          "a\0",
          3, 0, NULL, 0 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        /* a copy of its own size, so that a sanitizer sees every byte too many */
        g_autofree uint8_t *copy = g_memdup2(rows[i].bytes, rows[i].len);
        char                text[DNS_NAME_TEXT_SIZE];
        DnsName             name;
        size_t              at = rows[i].at;
        int                 rc = dns_name_read(copy, rows[i].len, &at, &name);

        if (rows[i].name == NULL) {
            g_assert_cmpint(rc, ==, -EBADMSG);
            g_assert_cmpuint(at, ==, rows[i].at);
            continue;
        }
        g_assert_cmpint(rc, ==, 0);
        g_assert_cmpstr(dns_name_format(&name, text), ==, rows[i].name);
        g_assert_cmpuint(at, ==, rows[i].after);
    }
}

/* Every pointer goes back, but together they make a name longer than any: it has to end. */
static void test_pointers_in_a_row(void)
{
    uint8_t message[1024];
    DnsName name;
    size_t  at = 0, start = 0;

    message[at++] = 0;
    while (at + 4 <= sizeof message) {
        size_t target = start;

        start = at;
        message[at++] = 1;
        message[at++] = 'a';
        message[at++] = (uint8_t)(0xc0 | target >> 8);
        message[at++] = (uint8_t)target;
    }
    g_assert_cmpint(dns_name_read(message, at, &start, &name), ==, -EBADMSG);
    start = 1 + 4 * 126; /* 127 labels and the root: the longest */
    g_assert_cmpint(dns_name_read(message, at, &start, &name), ==, 0);
    g_assert_cmpuint(name.len, ==, 255);
}

static void test_under(void)
{
    static const struct {
        const char *name, *zone;
        int         front; /* -1: not under */
    } rows[] = {
        { "nas.home.mesh", "home.mesh", 4 },   { "home.mesh", "home.mesh", 0 },
        { "a.b.home.mesh", "home.mesh", 4 },   { "xhome.mesh", "home.mesh", -1 },
        { "mesh", "home.mesh", -1 },           { "home.mesh", "", 10 },
        { "home.mesh.evil", "home.mesh", -1 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        DnsName name, zone;
        size_t  front = 0;

        g_assert_cmpint(dns_name_parse(rows[i].name, &name), ==, 0);
        g_assert_cmpint(dns_name_parse(rows[i].zone, &zone), ==, 0);
        g_assert_cmpint(dns_name_is_under(&name, &zone, &front), ==, rows[i].front >= 0);
        if (rows[i].front >= 0)
            g_assert_cmpuint(front, ==, rows[i].front);
    }
}

/* A label that spells the zone's bytes is not the zone. */
static void test_under_is_by_labels(void)
{
    DnsName name = { .len = 8, .bytes = "\6x\4mesh\0" }, zone;

    g_assert_cmpint(dns_name_parse("mesh", &zone), ==, 0);
    g_assert_false(dns_name_is_under(&name, &zone, NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dns/name/text", test_text);
    g_test_add_func("/dns/name/longest", test_longest);
    g_test_add_func("/dns/name/read", test_read);
    g_test_add_func("/dns/name/pointers-in-a-row", test_pointers_in_a_row);
    g_test_add_func("/dns/name/under", test_under);
    g_test_add_func("/dns/name/under-is-by-labels", test_under_is_by_labels);
    return g_test_run();
}
