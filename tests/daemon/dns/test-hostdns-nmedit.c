/* Tests of daemon/dns/hostdns-nmedit.c: what becomes of a connection's settings, in GVariant's text
 * form. */
#include "daemon/dns/hostdns-nmlink.h"

#include <glib.h>
#include <string.h>

#define MADE_UP "'connection': {'id': <'mesh0'>, 'autoconnect': <false>}"
#define OWN     "'connection': {'id': <'mine'>}"
#define ADDRESS "'address-data': <[{'address': <'10.71.0.7'>, 'prefix': <uint32 32>}]>"
#define ZONES   "'~home.mesh', '~71.10.in-addr.arpa'"

typedef struct {
    const char *name, *before;
    const char *after; /* NULL: nothing is to be done */
    bool        equal, not_yet;
} Case;

static const Case cases[] = {
    { "made-up", "{" MADE_UP ", 'ipv4': {'method': <'manual'>, " ADDRESS "}}",
      "{" MADE_UP ", 'ipv4': {'method': <'manual'>, " ADDRESS ", 'dns-data': <['10.71.0.7']>, "
      "'dns-search': <[" ZONES "]>, 'dns-priority': <40>}}" },
    { "zones-known", "{" MADE_UP ", 'ipv4': {'method': <'manual'>, " ADDRESS "}}",
      "{" MADE_UP ", 'ipv4': {'method': <'manual'>, " ADDRESS ", 'dns-data': <['10.71.0.7']>, "
      "'dns-search': <[" ZONES "]>, 'dns-priority': <100>}}",
      .equal = true },
    { "before-its-address", "{" MADE_UP ", 'ipv4': {'method': <'disabled'>}}",
      "{" MADE_UP ", 'ipv4': {'method': <'manual'>, " ADDRESS ", 'dns-data': <['10.71.0.7']>, "
      "'dns-search': <[" ZONES "]>, 'dns-priority': <40>}}" },
    { "ipv6-left-alone",
      "{" MADE_UP ", 'ipv4': {" ADDRESS "}, 'ipv6': {'method': <'manual'>, 'address-data': "
      "<[{'address': <'fd00::7'>, 'prefix': <uint32 128>}]>}}",
      "{" MADE_UP ", 'ipv4': {" ADDRESS ", 'dns-data': <['10.71.0.7']>, 'dns-search': <[" ZONES
      "]>, 'dns-priority': <40>}, 'ipv6': {'method': <'ignore'>}}" },
    { "somebodys-own",
      "{" OWN ", 'ipv4': {" ADDRESS ", 'dns-data': <['192.0.2.1']>, 'dns-search': <['corp']>, "
      "'dns-priority': <-5>}, 'ipv6': {'method': <'auto'>}}",
      "{" OWN ", 'ipv4': {" ADDRESS ", 'dns-data': <['10.71.0.7', '192.0.2.1']>, 'dns-search': "
      "<[" ZONES ", 'corp']>, 'dns-priority': <-5>}, 'ipv6': {'method': <'auto'>}}" },
    { "somebodys-own-without-the-address", "{" OWN ", 'ipv4': {'method': <'auto'>}}", NULL,
      .not_yet = true },
    { "old-forms-would-win",
      "{" MADE_UP ", 'ipv4': {" ADDRESS ", 'addresses': <[[uint32 1, 2, 3]]>, 'dns-data': "
      "<@as []>, 'dns': <[uint32 1]>, 'route-data': <@aa{sv} []>, 'routes': <@aau []>}}",
      "{" MADE_UP ", 'ipv4': {" ADDRESS ", 'dns-data': <['10.71.0.7']>, 'route-data': "
      "<@aa{sv} []>, 'dns-search': <[" ZONES "]>, 'dns-priority': <40>}}" },
    { "not-lists", "{" MADE_UP ", 'ipv4': {" ADDRESS ", 'dns-data': <7>, 'dns-search': <'x'>}}",
      "{" MADE_UP ", 'ipv4': {" ADDRESS ", 'dns-data': <['10.71.0.7']>, 'dns-search': <[" ZONES
      "]>, 'dns-priority': <40>}}" },
};

static GVariant *parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    GVariant *value = g_variant_parse(G_VARIANT_TYPE("a{sa{sv}}"), text, NULL, NULL, &error);

    g_assert_no_error(error);
    return value;
}

static void fill_link(DnsHostdnsLink *link)
{
    *link = (DnsHostdnsLink){ .ifname = "mesh0", .suffix = "home.mesh" };
    link->n_prefixes = 1;
    link->n_servers = 2;
    g_assert_cmpint(mesh_ip_parse_prefix("10.71.0.0/16", &link->prefixes[0]), ==, 0);
    g_assert_cmpint(mesh_ip_parse_addr("10.71.0.7", &link->servers[0]), ==, 0);
    g_assert_cmpint(mesh_ip_parse_addr("fd00::7", &link->servers[1]), ==, 0);
}

/* Dictionaries have no order of their own. */
static void assert_same(GVariant *is, GVariant *wish)
{
    GVariantIter iter;
    const char  *name, *key;
    GVariant    *setting, *value;

    g_assert_cmpuint(g_variant_n_children(is), ==, g_variant_n_children(wish));
    g_variant_iter_init(&iter, wish);
    while (g_variant_iter_loop(&iter, "{&s@a{sv}}", &name, &setting)) {
        g_autoptr(GVariant) mine = g_variant_lookup_value(is, name, G_VARIANT_TYPE_VARDICT);
        GVariantIter keys;

        g_assert_nonnull(mine);
        g_assert_cmpuint(g_variant_n_children(mine), ==, g_variant_n_children(setting));
        g_variant_iter_init(&keys, setting);
        while (g_variant_iter_loop(&keys, "{&sv}", &key, &value)) {
            g_autoptr(GVariant) is_value = g_variant_lookup_value(mine, key, NULL);

            g_assert_nonnull(is_value);
            g_assert_cmpvariant(is_value, value);
        }
    }
}

static void test_edit(gconstpointer data)
{
    const Case                *c = data;
    DnsHostdnsLink             link;
    const DnsHostdnsNmlinkWish wish = { .link = &link, .first = !c->equal };
    g_autoptr(GVariant) before = parse(c->before);
    g_autoptr(GVariant) after = NULL;
    g_autoptr(GVariant) wanted = NULL;
    g_autoptr(GVariant) undone = NULL;
    g_autofree char *text = NULL;
    bool             not_yet = !c->not_yet;

    fill_link(&link);
    after = dns_hostdns_nmlink_edit(before, wish, false, &not_yet);
    g_assert_cmpint(not_yet, ==, c->not_yet);
    if (c->after == NULL) {
        g_assert_null(after);
        return;
    }
    g_variant_ref_sink(after);
    wanted = parse(c->after);
    assert_same(after, wanted);
    g_assert_null(dns_hostdns_nmlink_edit(after, wish, false, &not_yet)); /* nothing more */
    undone = g_variant_ref_sink(dns_hostdns_nmlink_edit(after, wish, true, &not_yet));
    text = g_variant_print(undone, false);
    g_assert_null(strchr(text, '~'));
    g_assert_null(dns_hostdns_nmlink_edit(undone, wish, true, &not_yet));
}

/* What others have set beside ours is there again, as it was. */
static void test_undo(void)
{
    DnsHostdnsLink             link;
    const DnsHostdnsNmlinkWish wish = { .link = &link, .first = true };
    g_autoptr(GVariant) before = parse(cases[4].before);
    g_autoptr(GVariant) after = NULL;
    g_autoptr(GVariant) undone = NULL;
    bool not_yet = false;

    fill_link(&link);
    after = g_variant_ref_sink(dns_hostdns_nmlink_edit(before, wish, false, &not_yet));
    undone = g_variant_ref_sink(dns_hostdns_nmlink_edit(after, wish, true, &not_yet));
    assert_same(undone, before);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/dns/hostdns-nmedit/%s", cases[i].name);

        g_test_add_data_func(path, &cases[i], test_edit);
    }
    g_test_add_func("/dns/hostdns-nmedit/undo", test_undo);
    return g_test_run();
}
