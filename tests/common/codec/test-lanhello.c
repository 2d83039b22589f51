/* tests/common/codec/test-lanhello.c: announcements on the own link. The key computed with Python's
 * hashlib. */
#include "common/codec/lanhello.h"

#include "common/std/base64.h"
#include "common/std/hash.h"

#include <errno.h>
#include <glib.h>
#include <sodium.h>
#include <string.h>

enum { NONCE = MESH_LANHELLO_NONCE_BYTES, OVERHEAD = NONCE + 16, SIGNATURES = 128 };

static const MeshKey key = { { 1, 2, 3 } };

static void test_derive(void)
{
    static const uint8_t net[8] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    MeshKey              lan, out;
    char                 text[MESH_HEX_SIZE(MESH_KEY_BYTES)];

    memset(lan.bytes, 0x11, sizeof lan.bytes);
    mesh_lanhello_derive(&lan, net, &out);
    g_assert_cmpint(mesh_hex_encode(MESH_SPAN(out.bytes, sizeof out.bytes), text, sizeof text), ==,
                    0);
    g_assert_cmpstr(text, ==, "32a995de149a59047c91c9da2049db148be7a7e8877db970c2c6b3fda779c504");
}

static MeshLanhello make(const char *k, const char *e)
{
    MeshLanhello hello = { .k.body = MESH_SPAN(k, strlen(k)), .e.body = MESH_SPAN(e, strlen(e)) };

    memset(hello.node.bytes, 'n', MESH_KEY_BYTES);
    memset(hello.k.signature.bytes, 'k', MESH_SIGN_BYTES);
    memset(hello.e.signature.bytes, 'e', MESH_SIGN_BYTES);
    return hello;
}

/* Lengths around the end of a block, and the longest: the same comes out, in whole blocks. */
static void test_round(void)
{
    for (size_t n = 1; n < 2750; n = n < 200 ? n + 1 : n + 97) {
        g_autofree char *body = g_strnfill(n, 'x');
        MeshLanhello     hello = make("K", body), again;
        uint8_t          bytes[MESH_LANHELLO_MAX_BYTES], plain[MESH_LANHELLO_MAX_BYTES];
        size_t           len = 0;

        g_assert_cmpint(mesh_lanhello_seal(&key, &hello, bytes, sizeof bytes, &len), ==, 0);
        g_assert_cmpuint(len % MESH_LANHELLO_BLOCK_BYTES, ==, 0);
        g_assert_cmpuint(len, >=, n + 1 + 5 + SIGNATURES + MESH_KEY_BYTES + OVERHEAD);
        g_assert_cmpuint(len, <,
                         n + 1 + 5 + SIGNATURES + MESH_KEY_BYTES + OVERHEAD +
                             MESH_LANHELLO_BLOCK_BYTES);
        g_assert_cmpint(mesh_lanhello_open(&key, MESH_SPAN(bytes, len), plain, &again), ==, 0);
        g_assert_cmpmem(&again.node, MESH_KEY_BYTES, &hello.node, MESH_KEY_BYTES);
        g_assert_cmpmem(again.k.body.data, again.k.body.len, "K", 1);
        g_assert_cmpmem(again.e.body.data, again.e.body.len, body, n);
        g_assert_cmpmem(&again.k.signature, MESH_SIGN_BYTES, &hello.k.signature, MESH_SIGN_BYTES);
        g_assert_cmpmem(&again.e.signature, MESH_SIGN_BYTES, &hello.e.signature, MESH_SIGN_BYTES);
    }
}

static void test_limits(void)
{
    g_autofree char *body = g_strnfill(MESH_LANHELLO_MAX_BYTES, 'x');
    MeshLanhello     hello = make("K", body);
    uint8_t          bytes[MESH_LANHELLO_MAX_BYTES];
    size_t           len = 0;

    g_assert_cmpint(mesh_lanhello_seal(&key, &hello, bytes, sizeof bytes, &len), ==, -ENOSPC);
    hello = make("K", "E");
    g_assert_cmpint(mesh_lanhello_seal(&key, &hello, bytes, 255, &len), ==, -ENOSPC);
    hello = make("", "E");
    g_assert_cmpint(mesh_lanhello_seal(&key, &hello, bytes, sizeof bytes, &len), ==, -EINVAL);
    hello = make("K", "");
    g_assert_cmpint(mesh_lanhello_seal(&key, &hello, bytes, sizeof bytes, &len), ==, -EINVAL);
}

/* Each bit of it matters, and so does the key; nothing of what was in is told. */
static void test_forged(void)
{
    MeshLanhello hello = make("{\"t\":\"K\"}", "{\"t\":\"E\"}"), out;
    MeshKey      other = key;
    uint8_t      bytes[MESH_LANHELLO_MAX_BYTES], plain[MESH_LANHELLO_MAX_BYTES];
    size_t       len = 0;

    g_assert_cmpint(mesh_lanhello_seal(&key, &hello, bytes, sizeof bytes, &len), ==, 0);
    for (size_t bit = 0; bit < len * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        g_assert_cmpint(mesh_lanhello_open(&key, MESH_SPAN(bytes, len), plain, &out), ==, -EBADMSG);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    other.bytes[31] ^= 1;
    g_assert_cmpint(mesh_lanhello_open(&other, MESH_SPAN(bytes, len), plain, &out), ==, -EBADMSG);
    for (size_t n = 0; n < len; n++)
        g_assert_cmpint(mesh_lanhello_open(&key, MESH_SPAN(bytes, n), plain, &out), <, 0);
    g_assert_cmpint(mesh_lanhello_open(&key, MESH_SPAN(bytes, len), plain, &out), ==, 0);
    g_assert_null(g_strstr_len((const char *)bytes, (gssize)len, "\"t\""));
}

typedef struct {
    const char *name;
    size_t      at, len; /* @len bytes at @at are set to @value */
    uint8_t     value;
} Content;

/* Of a version byte, a node, K of one byte, E of one byte, and 49 bytes of padding: 216 in all. */
static const Content contents[] = {
    { "another-version", 0, 1, 2 },       { "empty-k", 33, 2, 0 },
    { "k-longer-than-all", 33, 2, 0xff }, { "empty-e", 100, 2, 0 },
    { "e-into-the-padding", 101, 1, 51 }, { "padding-of-something", 215, 1, 1 },
};

/* Sealed by a member, but not by our rules. */
static void test_content(gconstpointer data)
{
    const Content *c = data;
    MeshLanhello   hello = make("K", "E"), out;
    uint8_t        bytes[MESH_LANHELLO_MAX_BYTES], plain[MESH_LANHELLO_MAX_BYTES];
    size_t         len = 0;

    g_assert_cmpint(mesh_lanhello_seal(&key, &hello, bytes, sizeof bytes, &len), ==, 0);
    g_assert_cmpuint(len, ==, 256);
    g_assert_cmpint(crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL, bytes + NONCE,
                                                               len - NONCE, NULL, 0, bytes,
                                                               key.bytes),
                    ==, 0);
    memset(plain + c->at, c->value, c->len);
    crypto_aead_xchacha20poly1305_ietf_encrypt(bytes + NONCE, NULL, plain, len - OVERHEAD, NULL, 0,
                                               NULL, bytes, key.bytes);
    g_assert_cmpint(mesh_lanhello_open(&key, MESH_SPAN(bytes, len), plain, &out), ==, -EPROTO);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(mesh_key_init(), ==, 0);
    g_assert_cmpint(mesh_hash_init(), ==, 0);
    g_test_add_func("/lanhello/derive", test_derive);
    g_test_add_func("/lanhello/round", test_round);
    g_test_add_func("/lanhello/limits", test_limits);
    g_test_add_func("/lanhello/forged", test_forged);
    for (size_t i = 0; i < G_N_ELEMENTS(contents); i++) {
        g_autofree char *path = g_strdup_printf("/lanhello/content/%s", contents[i].name);

        g_test_add_data_func(path, &contents[i], test_content);
    }
    return g_test_run();
}
