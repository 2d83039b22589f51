/* tests/common/std/test-sign.c: RFC 8032 §7.1 vectors, domain separation, and what is refused. */
#include "common/std/sign.h"

#include "common/std/base64.h"

#include <errno.h>
#include <glib.h>

typedef struct {
    const char *name;
    const char *seed;
    const char *public_key;
    const char *message;
    const char *signature;
} VectorCase;

static const VectorCase vectors[] = {
    { "test-1", "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
      "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9"
      "b46bd25bf5f0595bbe24655141438e7a100b" },
    { "test-2", "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
      "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f1"
      "1d8c387b2eaeb4302aeeb00d291612bb0c00" },
};

static void test_vector(gconstpointer data)
{
    const VectorCase *c = data;
    uint8_t           seed[MESH_SIGN_SEED_BYTES], message[8];
    size_t            message_len;
    MeshSignSecret    secret;
    MeshKey           public_key, want_public;
    MeshSignature     signature, want;

    g_assert_cmpint(mesh_hex_decode(c->seed, seed, sizeof(seed), NULL), ==, 0);
    g_assert_cmpint(mesh_hex_decode(c->public_key, want_public.bytes, 32, NULL), ==, 0);
    g_assert_cmpint(mesh_hex_decode(c->message, message, sizeof(message), &message_len), ==, 0);
    g_assert_cmpint(mesh_hex_decode(c->signature, want.bytes, 64, NULL), ==, 0);
    mesh_sign_make_pair(seed, &secret, &public_key);
    g_assert_true(mesh_key_equal(&public_key, &want_public));
    mesh_sign_sign_raw(&secret, MESH_SPAN(message, message_len), &signature);
    g_assert_cmpmem(signature.bytes, 64, want.bytes, 64);
    g_assert_cmpint(mesh_sign_verify_raw(&public_key, MESH_SPAN(message, message_len), &signature),
                    ==, 0);
    signature.bytes[3] ^= 1;
    g_assert_cmpint(mesh_sign_verify_raw(&public_key, MESH_SPAN(message, message_len), &signature),
                    ==, -EBADMSG);
}

static const uint8_t seed_a[MESH_SIGN_SEED_BYTES] = { 1 };

static void test_domains(void)
{
    static const char raw[] = "mesh1-K\0id-id-idbody";
    MeshSignInput     input = { "K", MESH_SPAN_TEXT("id-id-id"), MESH_SPAN_TEXT("body") };
    MeshSignInput     others[] = {
            { "M", MESH_SPAN_TEXT("id-id-id"), MESH_SPAN_TEXT("body") },
            { "K", MESH_SPAN_TEXT("id-id-iD"), MESH_SPAN_TEXT("body") },
            { "K", MESH_SPAN_TEXT("id-id-id"), MESH_SPAN_TEXT("bodY") },
            { "K", MESH_SPAN_TEXT("id-id-id"), MESH_SPAN_TEXT("") },
            { "Ki", MESH_SPAN_TEXT("d-id-id"), MESH_SPAN_TEXT("body") },
    };
    MeshSignSecret secret;
    MeshKey        public_key, other_key;
    MeshSignature  signature;

    mesh_sign_make_pair(seed_a, &secret, &public_key);
    mesh_sign_make_pair((const uint8_t[MESH_SIGN_SEED_BYTES]){ 2 }, NULL, &other_key);
    g_assert_cmpint(mesh_sign_sign(&secret, &input, &signature), ==, 0);
    g_assert_cmpint(mesh_sign_verify(&public_key, &input, &signature), ==, 0);
    g_assert_cmpint(mesh_sign_verify(&other_key, &input, &signature), ==, -EBADMSG);
    for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
        g_assert_cmpint(mesh_sign_verify(&public_key, &others[i], &signature), ==, -EBADMSG);
    /* The exact bytes that docs/PROTOCOL.md names. */
    g_assert_cmpint(mesh_sign_verify_raw(&public_key, MESH_SPAN(raw, sizeof(raw) - 1), &signature),
                    ==, 0);
}

static void test_types(void)
{
    MeshSignInput  empty = { "", MESH_SPAN(NULL, 0), MESH_SPAN(NULL, 0) };
    MeshSignInput  longest = { "abcdefghabcdefghabcdefghabcdefgh", MESH_SPAN(NULL, 0),
                               MESH_SPAN(NULL, 0) };
    MeshSignInput  longer = { "abcdefghabcdefghabcdefghabcdefghi", MESH_SPAN(NULL, 0),
                              MESH_SPAN(NULL, 0) };
    MeshSignSecret secret;
    MeshKey        public_key;
    MeshSignature  signature = { { 0 } };

    mesh_sign_make_pair(seed_a, &secret, &public_key);
    g_assert_cmpint(mesh_sign_sign(&secret, &empty, &signature), ==, -EINVAL);
    g_assert_cmpint(mesh_sign_sign(&secret, &longer, &signature), ==, -EINVAL);
    g_assert_cmpint(mesh_sign_verify(&public_key, &longer, &signature), ==, -EINVAL);
    g_assert_cmpint(mesh_sign_sign(&secret, &longest, &signature), ==, 0);
    g_assert_cmpint(mesh_sign_verify(&public_key, &longest, &signature), ==, 0);
}

/* S + L is the same number modulo L: a second form of a good signature must not pass. */
static void test_malleable(void)
{
    static const uint8_t order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,       0xd6,
                                       0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10 };
    MeshSpan             message = MESH_SPAN_TEXT("once");
    MeshSignSecret       secret;
    MeshKey              public_key;
    MeshSignature        signature;
    unsigned             carry = 0;

    mesh_sign_make_pair(seed_a, &secret, &public_key);
    mesh_sign_sign_raw(&secret, message, &signature);
    g_assert_cmpint(mesh_sign_verify_raw(&public_key, message, &signature), ==, 0);
    for (int i = 0; i < 32; i++) {
        carry += (unsigned)signature.bytes[32 + i] + order[i];
        signature.bytes[32 + i] = (uint8_t)carry;
        carry >>= 8;
    }
    g_assert_cmpint(mesh_sign_verify_raw(&public_key, message, &signature), ==, -EBADMSG);
}

/* With a key of small order, R = the same point and S = 0 would be a signature of anything. */
static void test_small_order(gconstpointer data)
{
    MeshKey       public_key;
    MeshSignature signature = { { 0 } };

    g_assert_cmpint(mesh_hex_decode(data, public_key.bytes, 32, NULL), ==, 0);
    for (int negate = 0; negate < 2; negate++) {
        memcpy(signature.bytes, public_key.bytes, 32);
        signature.bytes[31] ^= negate ? 0x80 : 0;
        g_assert_cmpint(mesh_sign_verify_raw(&public_key, MESH_SPAN_TEXT("any"), &signature), ==,
                        -EBADMSG);
        memset(signature.bytes, 0, 32);
        signature.bytes[0] = 1; /* R = identity */
        g_assert_cmpint(mesh_sign_verify_raw(&public_key, MESH_SPAN_TEXT("any"), &signature), ==,
                        -EBADMSG);
    }
}

int main(int argc, char **argv)
{
    static const char *const small_orders[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* p, not canonical */
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* p + 1 */
    };

    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(mesh_key_init(), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(vectors); i++) {
        g_autofree char *path = g_strdup_printf("/sign/rfc8032/%s", vectors[i].name);
        g_test_add_data_func(path, &vectors[i], test_vector);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(small_orders); i++) {
        g_autofree char *path = g_strdup_printf("/sign/small-order/%zu", i);
        g_test_add_data_func(path, small_orders[i], test_small_order);
    }
    g_test_add_func("/sign/domains", test_domains);
    g_test_add_func("/sign/types", test_types);
    g_test_add_func("/sign/malleable", test_malleable);
    return g_test_run();
}
