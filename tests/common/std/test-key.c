/* tests/common/std/test-key.c: key texts, X25519 public keys, and memory that is really guarded. */
#include "common/std/key.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

static void test_text(void)
{
    static const char *const bad[] = {
        "",
        "AAAA",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",  /* no padding */
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=", /* trailing bits */
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= ",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
        "-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    };
    char    text[MESH_KEY_TEXT_SIZE];
    MeshKey key, back = { 0 };

    mesh_key_random(&key, sizeof(key));
    g_assert_cmpint(mesh_key_parse(mesh_key_format(&key, text), &back), ==, 0);
    g_assert_cmpuint(strlen(text), ==, 44);
    g_assert_true(mesh_key_equal(&key, &back));
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_cmpint(mesh_key_parse(bad[i], &back), ==, -EINVAL);
    g_assert_true(mesh_key_equal(&key, &back)); /* refused text leaves the output alone */
}

static void test_compare(void)
{
    MeshKey a = { { 0 } }, b = { { 0 } };

    g_assert_true(mesh_key_is_zero(&a));
    b.bytes[31] = 0x80;
    g_assert_false(mesh_key_is_zero(&b));
    g_assert_false(mesh_key_equal(&a, &b));
    mesh_key_wipe(&b, sizeof(b));
    g_assert_true(mesh_key_equal(&a, &b));
}

static void test_public(void)
{
    MeshKey private_key, public_key;
    char    text[MESH_KEY_TEXT_SIZE];

    /* Computed with wg pubkey. */
    g_assert_cmpint(mesh_key_parse("eN/56bG0MtzbJJdzZUh/Qzt1vcHlz4Hop27GrsOm3Ho=", &private_key),
                    ==, 0);
    mesh_key_make_public(&private_key, &public_key);
    g_assert_cmpstr(mesh_key_format(&public_key, text), ==,
                    "tSH6rllbMINI4jgBQTPMOOM1JcCOj0LyTZkuJXa6C2Q=");
    for (int i = 0; i < 64; i++) {
        mesh_key_make_private(&private_key);
        g_assert_cmphex(private_key.bytes[0] & 7, ==, 0);
        g_assert_cmphex(private_key.bytes[31] & 0xc0, ==, 0x40);
    }
}

static void test_guarded(void)
{
    MeshKey *key = mesh_key_alloc(sizeof(*key));

    g_assert_nonnull(key);
    g_assert_true(mesh_key_is_zero(key));
    mesh_key_random(key, sizeof(*key));
    mesh_key_protect(key, MESH_KEY_READONLY);
    g_assert_false(mesh_key_is_zero(key));
    mesh_key_protect(key, MESH_KEY_NOACCESS);
    mesh_key_protect(key, MESH_KEY_READWRITE);
    key->bytes[0] = 1;
    mesh_key_free(key);
    mesh_key_free(NULL);
}

/* Runs in a child: the access has to kill it. */
static void test_guarded_trap(void)
{
    if (g_test_subprocess()) {
        volatile MeshKey *key = mesh_key_alloc(sizeof(*key));

        mesh_key_protect((void *)key, MESH_KEY_NOACCESS);
        key->bytes[0] = 1;
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_failed();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(mesh_key_init(), ==, 0);
    g_test_add_func("/key/text", test_text);
    g_test_add_func("/key/compare", test_compare);
    g_test_add_func("/key/public", test_public);
    g_test_add_func("/key/guarded", test_guarded);
    g_test_add_func("/key/guarded-trap", test_guarded_trap);
    return g_test_run();
}
