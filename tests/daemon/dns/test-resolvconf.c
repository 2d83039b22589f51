/* Tests of daemon/dns/resolvconf.c: what we put into resolv.conf comes out again without a trace.
 */
#include "daemon/dns/resolvconf.h"

#include <glib.h>
#include <string.h>

static char *make(const char *text)
{
    MeshAddr servers[2];

    g_assert_cmpint(mesh_ip_parse_addr("10.71.0.5", &servers[0]), ==, 0);
    g_assert_cmpint(mesh_ip_parse_addr("fd00::5", &servers[1]), ==, 0);
    return dns_resolvconf_make(text, servers, 2);
}

static void test_make(void)
{
    g_autofree char *text = make("search corp.example\nnameserver 192.0.2.1\n");

    g_assert_true(g_str_has_prefix(text, "# meshd: begin"));
    g_assert_true(g_str_has_suffix(text,
                                   "\nnameserver 10.71.0.5\nnameserver fd00::5\n# meshd: end\n"
                                   "search corp.example\nnameserver 192.0.2.1\n"));
}

/* Without a server the C library asks this host; that must not be lost. */
static void test_empty_means_this_host(void)
{
    g_autofree char *text = make("# nothing\n");

    g_assert_nonnull(strstr(text, "fd00::5\nnameserver 127.0.0.1\n"));
}

static void test_rotate(void)
{
    g_autofree char *text = make("nameserver 192.0.2.1\noptions edns0 rotate timeout:2\n");

    g_assert_nonnull(strstr(text, "\noptions edns0 timeout:2\n"));
    g_assert_null(strstr(text, "\noptions edns0 rotate"));
}

static void test_strip(void)
{
    static const char *const texts[] = {
        "",
        "\n",
        "nameserver 192.0.2.1",
        "nameserver 192.0.2.1\n",
        "# a\n\n\nnameserver 192.0.2.1\noptions rotate\noptions  ndots:2   rotate\n\n",
        "options rotate",
        "options edns0\tuse-vc\nsortlist 1.2.3.4\n",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autofree char *made = make(texts[i]);
        g_autofree char *back = dns_resolvconf_strip(made);

        g_assert_cmpstr(back, ==, texts[i]);
        g_assert_null(dns_resolvconf_strip(texts[i]));
    }
}

static void test_strip_what_was_edited(void)
{
    g_autofree char *made = make("nameserver 192.0.2.1\n");
    g_autofree char *edited = g_strconcat("# top\n", made, "# bottom\n", NULL);
    g_autofree char *back = dns_resolvconf_strip(edited);

    g_assert_cmpstr(back, ==, "# top\nnameserver 192.0.2.1\n# bottom\n");
    g_assert_null(
        dns_resolvconf_strip("# meshd: begin; names of mesh networks, see meshd(8)\nx\n"));
}

static void test_is_resolved(void)
{
    static const struct {
        const char *text, *target;
        bool        is;
    } rows[] = {
        { "nameserver 127.0.0.53\noptions edns0\n", NULL, true },
        { "  nameserver   127.0.0.54  \n", NULL, true },
        { "", "../run/systemd/resolve/stub-resolv.conf", true },
        { "nameserver 192.0.2.1\n", "/run/systemd/resolve/resolv.conf", true },
        { "nameserver 192.0.2.1\n", "/run/NetworkManager/resolv.conf", false },
        { "# nameserver 127.0.0.53\nnameserver 192.0.2.1\n", NULL, false },
        { "nameserver 127.0.0.5\nsearch 127.0.0.53\n", NULL, false },
        { "nameserver\n", NULL, false },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        g_assert_cmpint(dns_resolvconf_is_resolved(rows[i].text, rows[i].target), ==, rows[i].is);
}

static void test_nsswitch(void)
{
    g_assert_true(dns_resolvconf_uses_resolve(
        "passwd: files\nhosts: mymachines resolve [!UNAVAIL=return] files dns\n"));
    g_assert_false(dns_resolvconf_uses_resolve("passwd: files resolve\nhosts: files dns\n"));
    g_assert_false(dns_resolvconf_uses_resolve("# hosts: resolve\nhosts: files resolver\n"));
    g_assert_false(dns_resolvconf_uses_resolve(""));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dns/resolvconf/make", test_make);
    g_test_add_func("/dns/resolvconf/empty-means-this-host", test_empty_means_this_host);
    g_test_add_func("/dns/resolvconf/rotate", test_rotate);
    g_test_add_func("/dns/resolvconf/strip", test_strip);
    g_test_add_func("/dns/resolvconf/strip-what-was-edited", test_strip_what_was_edited);
    g_test_add_func("/dns/resolvconf/is-resolved", test_is_resolved);
    g_test_add_func("/dns/resolvconf/nsswitch", test_nsswitch);
    return g_test_run();
}
