/* tests/common/codec/test-probekey.c: two nodes derive what fits; the window accepts each once. */
#include "common/codec/probekey.h"
#include "common/std/hash.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

static const uint8_t net_a[8] = "network", net_b[8] = "another";

static void test_mirror(void)
{
    MeshKey       secret[2], open[2];
    MeshProbeKeys one, two, other;

    for (int i = 0; i < 2; i++) {
        mesh_key_make_private(&secret[i]);
        mesh_key_make_public(&secret[i], &open[i]);
    }
    g_assert_cmpint(mesh_probekey_derive(&secret[0], &open[0], &open[1], net_a, &one), ==, 0);
    g_assert_cmpint(mesh_probekey_derive(&secret[1], &open[1], &open[0], net_a, &two), ==, 0);
    g_assert_true(mesh_key_equal(&one.send_key, &two.receive_key));
    g_assert_true(mesh_key_equal(&one.receive_key, &two.send_key));
    g_assert_false(mesh_key_equal(&one.send_key, &one.receive_key));
    g_assert_cmpuint(one.send_index, ==, two.receive_index);
    g_assert_cmpuint(one.receive_index, ==, two.send_index);
    g_assert_cmpint(mesh_probekey_derive(&secret[0], &open[0], &open[1], net_b, &other), ==, 0);
    g_assert_false(mesh_key_equal(&one.send_key, &other.send_key));
    mesh_probekey_wipe(&one);
    g_assert_true(mesh_key_is_zero(&one.send_key));
}

static void test_low_order(void)
{
    MeshKey       secret, open, zero = { { 0 } };
    MeshProbeKeys keys = { .sent = 5 };

    mesh_key_make_private(&secret);
    mesh_key_make_public(&secret, &open);
    g_assert_cmpint(mesh_probekey_derive(&secret, &open, &zero, net_a, &keys), ==, -EINVAL);
    g_assert_cmpuint(keys.sent, ==, 5);
}

/* Whoever tells our own key as its own, and echoes, would answer our pings. */
static void test_own_key(void)
{
    MeshKey       secret, open;
    MeshProbeKeys keys = { .sent = 5 };

    mesh_key_make_private(&secret);
    mesh_key_make_public(&secret, &open);
    g_assert_cmpint(mesh_probekey_derive(&secret, &open, &open, net_a, &keys), ==, -EINVAL);
    g_assert_cmpuint(keys.sent, ==, 5);
}

/* Against a set that remembers everything. */
static void test_window(void)
{
    MeshProbeKeys keys = { .sent = 0 };
    g_autoptr(GHashTable) seen = g_hash_table_new(g_direct_hash, g_direct_equal);
    guint64 newest = 0;

    for (int i = 0; i < 20000; i++) {
        guint64 near = newest + (guint64)g_test_rand_int_range(0, 12);
        guint64 counter =
            near > 80 && g_test_rand_bit() ? near - (guint64)g_test_rand_int_range(0, 80) : near;
        bool fresh = counter != 0 && counter + 64 > newest &&
                     !g_hash_table_contains(seen, GSIZE_TO_POINTER(counter));

        g_assert_cmpint(mesh_probekey_accept(&keys, counter), ==, fresh);
        g_hash_table_add(seen, GSIZE_TO_POINTER(counter));
        newest = MAX(newest, counter);
    }
    g_assert_true(mesh_probekey_accept(&keys, UINT64_MAX));
    g_assert_false(mesh_probekey_accept(&keys, UINT64_MAX));
    g_assert_false(mesh_probekey_accept(&keys, newest + 1));
}

/* One key for both ends, another for each pair and network, and none with oneself. */
static void test_psk(void)
{
    MeshKey       secret[3], open[3], one, two, other;
    const uint8_t net[8] = { 1 }, elsewhere[8] = { 2 };

    for (unsigned i = 0; i < 3; i++) {
        mesh_key_make_private(&secret[i]);
        mesh_key_make_public(&secret[i], &open[i]);
    }
    g_assert_cmpint(mesh_probekey_derive_psk(&secret[0], &open[0], &open[1], net, &one), ==, 0);
    g_assert_cmpint(mesh_probekey_derive_psk(&secret[1], &open[1], &open[0], net, &two), ==, 0);
    g_assert_true(mesh_key_equal(&one, &two));
    g_assert_cmpint(mesh_probekey_derive_psk(&secret[0], &open[0], &open[2], net, &other), ==, 0);
    g_assert_false(mesh_key_equal(&one, &other));
    g_assert_cmpint(mesh_probekey_derive_psk(&secret[0], &open[0], &open[1], elsewhere, &other), ==,
                    0);
    g_assert_false(mesh_key_equal(&one, &other));
    g_assert_cmpint(mesh_probekey_derive_psk(&secret[0], &open[0], &open[0], net, &other), ==,
                    -EINVAL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_true(mesh_key_init() == 0 && mesh_hash_init() == 0);
    g_test_add_func("/probekey/mirror", test_mirror);
    g_test_add_func("/probekey/low-order", test_low_order);
    g_test_add_func("/probekey/own-key", test_own_key);
    g_test_add_func("/probekey/window", test_window);
    g_test_add_func("/probekey/psk", test_psk);
    return g_test_run();
}
