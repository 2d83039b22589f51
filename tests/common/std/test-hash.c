/* tests/common/std/test-hash.c: known answers. BLAKE2s "abc": RFC 7693 appendix B; the protocol
 * constants: WireGuard's; the rest computed with Python's hashlib and hmac. */
#include "common/std/hash.h"

#include "common/std/base64.h"
#include "common/std/key.h"
#include "common/std/thread.h"

#include <glib.h>

static uint8_t count_up[255]; /* 0, 1, 2 … */

static void assert_hex(const uint8_t *bytes, size_t len, const char *want)
{
    char text[MESH_HEX_SIZE(64)];

    g_assert_cmpint(mesh_hex_encode(MESH_SPAN(bytes, len), text, sizeof(text)), ==, 0);
    g_assert_cmpstr(text, ==, want);
}

typedef struct {
    const char *name;
    MeshSpan    data;
    const char *want;
} DigestCase;

static const DigestCase digests[] = {
    { "empty", { NULL, 0 }, "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9" },
    { "abc", { "abc", 3 }, "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982" },
    { "200-bytes",
      { count_up, 200 },
      "6d244e1a06ce4ef578dd0f63aff0936706735119ca9c8d22d86c801414ab9741" },
    { "noise-construction",
      { "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s", 37 },
      "60e26daef327efc02ec335e2a025d2d016eb4206f87277f52d38d1988b78cd36" },
};

static void test_blake2s(gconstpointer data)
{
    const DigestCase *c = data;
    uint8_t           out[MESH_HASH_BYTES];

    mesh_hash_blake2s(&c->data, 1, out);
    assert_hex(out, sizeof(out), c->want);
}

static void test_spans(void)
{
    uint8_t  hash[MESH_HASH_BYTES];
    MeshSpan name = MESH_SPAN_TEXT("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s");
    MeshSpan parts[] = { MESH_SPAN(hash, sizeof(hash)), MESH_SPAN(NULL, 0),
                         MESH_SPAN_TEXT("WireGuard v1 zx2c4 Jason@zx2c4.com") };

    mesh_hash_blake2s(&name, 1, hash);
    mesh_hash_blake2s(parts, G_N_ELEMENTS(parts), hash); /* into its own input */
    assert_hex(hash, sizeof(hash),
               "2211b361081ac566691243db458ad5322d9c6c662293e8b70ee19c65ba079ef3");
}

typedef struct {
    const char *name;
    MeshSpan    key;
    MeshSpan    data;
    size_t      out_len; /* 0: HMAC */
    const char *want;
} MacCase;

static const MacCase macs[] = {
    { "keyed-32",
      { count_up, 32 },
      { "abc", 3 },
      32,
      "a281f725754969a702f6fe36fc591b7def866e4b70173ece402fc01c064d6b65" },
    { "keyed-16", { count_up, 32 }, { "abc", 3 }, 16, "61ba5f165c194692e09d12520cc4c74a" },
    { "keyed-short-key",
      { "\x07", 1 },
      { "", 0 },
      32,
      "59fdf9c60db312ef98744c891e7f0c31aca18830467df887de84abb93aa75093" },
    { "keyed-long-data",
      { count_up, 32 },
      { count_up, 255 },
      32,
      "3fb735061abc519dfe979e54c1ee5bfad0a9d858b3315bad34bde999efd724dd" },
    { "hmac",
      { count_up, 32 },
      { "abc", 3 },
      0,
      "82623be5bc0a391b24dce53e67d028eff92d586de0485ac37822e597d049c74f" },
    { "hmac-nothing",
      { NULL, 0 },
      { NULL, 0 },
      0,
      "eaf4bb25938f4d20e72656bbbc7a9bf63c0c18537333c35bdb67db1402661acd" },
    { "hmac-long-key",
      { count_up, 100 },
      { count_up, 70 },
      0,
      "673e0d5acf76590d4863bd3bea0d6ce85d93a96ea4f76dcb2e48c3e0635d5017" },
};

static void test_mac(gconstpointer data)
{
    const MacCase *c = data;
    uint8_t        out[MESH_HASH_BYTES];

    if (c->out_len > 0)
        mesh_hash_blake2s_keyed(c->key, c->data, out, c->out_len);
    else
        mesh_hash_hmac(c->key, c->data, out);
    assert_hex(out, c->out_len > 0 ? c->out_len : sizeof(out), c->want);
}

static void test_kdf(void)
{
    static const char *const empty[] = {
        "7a38c34bf2b8738d7374ca77c44ecb309a11d2b2528304fa86052c365e722624",
        "1a17621f346abdc520746a9fb64d8eb03231d674fc15687537b0780fd9c060fd",
        "4eaf02809ac4b930ef63479de62275f1c55656e61f78a3cc653c18a2223d6c5f",
    };
    static const char *const input[] = {
        "e3b7e038799447459d13f6cc03b71555c0b32ee93354ebe4526ec98bc53b20a4",
        "ca06d8e46b509266c7c0594805ffb9c256348a33c642381348f047e452d239e2",
        "5ee952936bec1473c13db1cc92b8d8ba5ad2df7c77f07478731d48aa5530a000",
    };
    uint8_t out[3][MESH_HASH_BYTES], key[MESH_HASH_BYTES];

    mesh_hash_kdf3(count_up, MESH_SPAN(NULL, 0), out[0], out[1], out[2]);
    for (int i = 0; i < 3; i++)
        assert_hex(out[i], sizeof(out[i]), empty[i]);
    mesh_hash_kdf3(count_up, MESH_SPAN(count_up + 100, 32), NULL, out[1], out[2]);
    assert_hex(out[1], sizeof(out[1]), input[1]);
    assert_hex(out[2], sizeof(out[2]), input[2]);
    mesh_hash_kdf2(count_up, MESH_SPAN(count_up + 100, 32), out[0], out[1]);
    assert_hex(out[0], sizeof(out[0]), input[0]);
    assert_hex(out[1], sizeof(out[1]), input[1]);
    memcpy(key, count_up, sizeof(key));
    mesh_hash_kdf1(key, MESH_SPAN(count_up + 100, 32), key); /* the chaining key moves on */
    assert_hex(key, sizeof(key), input[0]);
}

static void test_sha256(void)
{
    MeshSpan parts[] = { MESH_SPAN_TEXT("a"), MESH_SPAN_TEXT("bc") };
    uint8_t  out[MESH_HASH_BYTES];

    mesh_hash_sha256(parts, G_N_ELEMENTS(parts), out);
    assert_hex(out, sizeof(out),
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void hash_much(void *user_data)
{
    (void)user_data;
    for (int i = 0; i < 2000; i++) {
        for (size_t c = 0; c < G_N_ELEMENTS(macs); c++)
            test_mac(&macs[c]);
        test_spans();
    }
}

static void test_threads(void)
{
    MeshThread *threads[4];

    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
        g_assert_cmpint(mesh_thread_start("hash", hash_much, NULL, &threads[i]), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
        mesh_thread_join(threads[i]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(mesh_key_init(), ==, 0);
    g_assert_cmpint(mesh_hash_init(), ==, 0);
    for (size_t i = 0; i < sizeof(count_up); i++)
        count_up[i] = (uint8_t)i;
    for (size_t i = 0; i < G_N_ELEMENTS(digests); i++) {
        g_autofree char *path = g_strdup_printf("/hash/blake2s/%s", digests[i].name);
        g_test_add_data_func(path, &digests[i], test_blake2s);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(macs); i++) {
        g_autofree char *path = g_strdup_printf("/hash/mac/%s", macs[i].name);
        g_test_add_data_func(path, &macs[i], test_mac);
    }
    g_test_add_func("/hash/spans", test_spans);
    g_test_add_func("/hash/kdf", test_kdf);
    g_test_add_func("/hash/sha256", test_sha256);
    g_test_add_func("/hash/threads", test_threads);
    return g_test_run();
}
