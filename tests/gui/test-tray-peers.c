/* Which peers the tray's short list shows. */
#include "gui/tray/peers.h"

#include <string.h>

static const char *const no_copies[] = { NULL };

static void put(TrayPeers *peers, const char *node, const char *name, const char *address,
                bool is_online)
{
    const char *const addresses[] = { address, NULL };
    GVariantBuilder   dict;
    g_autoptr(GVariant) peer = NULL;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&dict, "{sv}", "node", g_variant_new_string(node));
    g_variant_builder_add(&dict, "{sv}", "name", g_variant_new_string(name));
    g_variant_builder_add(&dict, "{sv}", "online", g_variant_new_boolean(is_online));
    if (address != NULL)
        g_variant_builder_add(&dict, "{sv}", "addresses", g_variant_new_strv(addresses, -1));
    peer = g_variant_ref_sink(g_variant_builder_end(&dict));
    tray_peers_put(peers, peer);
}

/* The names that are picked, in order, with a space after each. */
static char *pick(TrayPeers *peers, const char *const *copied, unsigned limit)
{
    TrayPeer picked[32];
    unsigned n = tray_peers_pick(peers, copied, picked, limit);
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < n; i++)
        g_string_append_printf(text, "%s ", picked[i].name);
    return g_string_free(text, false);
}

static void expect(TrayPeers *peers, const char *const *copied, unsigned limit, const char *want)
{
    g_autofree char *got = pick(peers, copied, limit);

    g_assert_cmpstr(got, ==, want);
}

static void test_order(void)
{
    static const char *const copied[] = { "10.0.0.5", "10.0.0.9", "10.0.0.4", NULL };
    g_autoptr(TrayPeers) peers = tray_peers_new();

    put(peers, "k1", "zebra", "10.0.0.1", true);
    put(peers, "k2", "ape", "10.0.0.2", false);
    put(peers, "k3", "bear", "10.0.0.3", true);
    put(peers, "k4", "cat", "10.0.0.4", true);
    put(peers, "k5", "dog", "10.0.0.5", false);
    expect(peers, no_copies, 9, "bear cat zebra ape dog ");
    expect(peers, no_copies, 2, "bear cat ");
    expect(peers, no_copies, 0, "");
    expect(peers, copied, 4, "dog cat bear zebra "); /* copied, the last first; 10.0.0.9 is gone */
}

static void test_changes(void)
{
    g_autoptr(TrayPeers) peers = tray_peers_new();

    put(peers, "k1", "a", "10.0.0.1", true);
    put(peers, "k2", "b", "10.0.0.2", true);
    put(peers, "k1", "renamed", "10.0.0.1", false);
    expect(peers, no_copies, 9, "b renamed ");
    tray_peers_remove(peers, "k2");
    tray_peers_remove(peers, "nobody");
    put(peers, "k3", "no-address", NULL, true);
    expect(peers, no_copies, 9, "renamed ");
    g_assert_cmpuint(tray_peers_count(peers), ==, 1);
    tray_peers_clear(peers);
    expect(peers, no_copies, 9, "");
}

/* Against the whole list sorted: the same first ones, whatever the order in which they came. */
static void test_many(void)
{
    g_autoptr(TrayPeers) peers = tray_peers_new();
    g_autoptr(GString) want = g_string_new(NULL);

    for (unsigned i = 0; i < 10000; i++) {
        unsigned         number = i * 7919 % 10000;
        g_autofree char *node = g_strdup_printf("k%u", number);
        g_autofree char *name = g_strdup_printf("node-%05u", number);

        put(peers, node, name, "10.0.0.1", number % 3 == 0);
    }
    for (unsigned i = 0; i < 20; i++)
        g_string_append_printf(want, "node-%05u ", i * 3);
    expect(peers, no_copies, 20, want->str);
}

static void test_bounded(void)
{
    g_autoptr(TrayPeers) peers = tray_peers_new();

    for (unsigned i = 0; i < 40000; i++) {
        g_autofree char *node = g_strdup_printf("k%u", i);

        put(peers, node, "x", "10.0.0.1", true);
    }
    g_assert_cmpuint(tray_peers_count(peers), ==, 32768);
    put(peers, "k0", "first", "10.0.0.1", true); /* one that is known still changes */
    g_assert_cmpuint(tray_peers_count(peers), ==, 32768);
    expect(peers, no_copies, 1, "first ");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tray/peers/order", test_order);
    g_test_add_func("/tray/peers/changes", test_changes);
    g_test_add_func("/tray/peers/many", test_many);
    g_test_add_func("/tray/peers/bounded", test_bounded);
    return g_test_run();
}
