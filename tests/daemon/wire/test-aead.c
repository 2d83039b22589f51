/* Tests of daemon/wire/aead.c: every engine against a known answer and against a reference. */
#include "common/std/base64.h"
#include "daemon/wire/aead-judge.h"

#include <glib.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_LEN 2048u

static void *new_context(const WireAead *engine, const uint8_t *key, bool seal)
{
    void *context = engine->context_new(key, seal);

    g_assert_nonnull(context);
    return context;
}

/* What every engine is held to. For ChaCha20-Poly1305 that is libsodium, an implementation apart;
 * for AES-256-GCM OpenSSL, asked in another way than the engine asks it, and both for known answers
 * of a third. @out: text and tag. */
static void seal_slowly(WireSuite suite, const uint8_t key[32], const WireSeg *seg, uint8_t *out)
{
    uint8_t         nonce[12] = { 0 };
    EVP_CIPHER_CTX *context;
    int             len = 0;

    for (int i = 0; i < 8; i++)
        nonce[suite == WIRE_SUITE_WG1 ? 4 + i : 11 - i] = (uint8_t)(seg->counter >> 8 * i);
    if (suite == WIRE_SUITE_WG1) {
        crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, seg->in, seg->len, NULL, 0, NULL,
                                                  nonce, key);
        return;
    }
    context = EVP_CIPHER_CTX_new();
    g_assert_cmpint(EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), NULL, key, nonce), ==, 1);
    for (uint32_t at = 0; at < seg->len; at += (uint32_t)len)
        g_assert_cmpint(EVP_EncryptUpdate(context, out + at, &len, seg->in + at,
                                          (int)MIN(seg->len - at, 1000)),
                        ==, 1);
    g_assert_cmpint(EVP_EncryptFinal_ex(context, out + seg->len, &len), ==, 1);
    g_assert_cmpint(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, 16, out + seg->len), ==, 1);
    EVP_CIPHER_CTX_free(context);
}

static void fill(GRand *rand, uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)g_rand_int(rand);
}

/* Each length, with the run's counters. RFC 8439 §2.8.2 and NIST's vectors have additional data,
 * which the transport does not. */
static void test_against_reference(gconstpointer data)
{
    const WireAead *engine = data;
    GRand          *rand = g_rand_new_with_seed(9);
    uint8_t         key[32], plain[MAX_LEN], out[MAX_LEN + 16], want[MAX_LEN + 16];
    void           *context;

    fill(rand, key, sizeof key);
    context = new_context(engine, key, true);
    for (uint32_t len = 0; len <= MAX_LEN; len += len < 300 ? 1 : 97) {
        uint64_t counter = (uint64_t)g_rand_int(rand) << 32 | len;
        WireSeg  seg = { .in = plain, .out = out, .len = len };

        fill(rand, plain, len);
        engine->seal_batch(context, counter, &seg, 1);
        g_assert_cmpuint(seg.counter, ==, counter);
        seal_slowly(engine->suite, key, &seg, want);
        g_assert_true(memcmp(out, want, len + 16u) == 0);
    }
    engine->context_free(context);
    g_rand_free(rand);
}

enum { ROUNDS = 300, WHOLE = 65535, GUARD = 64, FENCE = 0xa5 };

/* One packet at a place of its own on both sides: as the reference has it, not a byte beside it,
 * and one bit of it changed is refused wherever that is. */
static void check_once(const WireAead *engine, GRand *rand, uint8_t *text, uint8_t *room)
{
    uint8_t             key[32];
    g_autofree uint8_t *want = g_malloc(WHOLE + 16);
    uint32_t len = (uint32_t)g_rand_int_range(rand, 0, 1 << g_rand_int_range(rand, 1, 17));
    uint64_t counter = (uint64_t)g_rand_int(rand) << 32 | g_rand_int(rand);
    uint8_t *in = text + g_rand_int_range(rand, 0, GUARD);
    uint8_t *out = room + g_rand_int_range(rand, 1, GUARD);
    void    *sealer, *opener;
    WireSeg  seg;
    uint32_t bit;

    len = MIN(len, WHOLE);
    fill(rand, key, sizeof key);
    fill(rand, in, len);
    sealer = new_context(engine, key, true);
    opener = new_context(engine, key, false);
    seg = (WireSeg){ .in = in, .out = out, .len = len };
    memset(room, FENCE, WHOLE + 2 * GUARD + 16);
    engine->seal_batch(sealer, counter, &seg, 1);
    seal_slowly(engine->suite, key, &seg, want);
    g_assert_true(memcmp(out, want, len + 16u) == 0);
    g_assert_true(out[-1] == FENCE && out[len + 16] == FENCE);

    bit = (uint32_t)g_rand_int_range(rand, 0, (int)(len + 16) * 8);
    out[bit / 8] ^= (uint8_t)(1u << bit % 8);
    memcpy(want, out, len + 16u); /* opening in place destroys it */
    seg = (WireSeg){ .in = out, .out = out, .len = len, .counter = counter };
    g_assert_cmpuint(engine->open_batch(opener, &seg, 1), ==, 0);
    g_assert_false(seg.tag_ok);
    memcpy(out, want, len + 16u);
    out[bit / 8] ^= (uint8_t)(1u << bit % 8);
    g_assert_cmpuint(engine->open_batch(opener, &seg, 1), ==, 1);
    g_assert_true(seg.tag_ok && memcmp(out, in, len) == 0 && out[-1] == FENCE);
    engine->context_free(sealer);
    engine->context_free(opener);
}

static void test_random(gconstpointer data)
{
    guint32             seed = g_random_int();
    GRand              *rand = g_rand_new_with_seed(seed);
    g_autofree uint8_t *text = g_malloc(WHOLE + GUARD);
    g_autofree uint8_t *room = g_malloc(WHOLE + 2 * GUARD + 16);

    g_test_message("seed %u", seed);
    for (int i = 0; i < ROUNDS; i++)
        check_once(data, rand, text, room);
    g_rand_free(rand);
}

static const char *const known_answers[] = {
    [WIRE_SUITE_WG1] = "a479cb54628946d6f4042a8e384ef4bd2fbc7330b8be55eb2d8dc18aaa51d66a8ec1f8d3"
                       "619a258db0ac56956015b7b4937e9b8e6aa957b3dc0214d803d77660aabc913092971da8"
                       "f207171ce7843608162e2e759d8efc25d8d0936990af63c820ba87e8a955b5c8274ef7d1"
                       "0f6fafd04647fa6775577a1a250dcc2df37e95e46c4a",
    [WIRE_SUITE_AESGCM1] =
        "f945baabc06e441ad333fd9ac67b93a43f681ecfda37aa4e24bbdc09dabd357a55f8602d"
        "8da359e4049413572b4e1d50b08cb4c9215bda61a27becc521d2fb56c1487aa2ae06cf14"
        "6f899f2d2a1b1c7067d1866bc33d8022a5b2279b5445f12491b8e58ccb5baa7510b704fd"
        "7ca19a74c130a33de74fdc2db2e286cbf12d9d2b370b",
};

/* Known answer: key 80…9f, counter 0x4746454443424140 (so the nonce is four zeros and 40…47, or
 * 47…40), the text of RFC 8439 §2.8.2 without its additional data; computed with Python's
 * cryptography. */
static void test_known_answer(gconstpointer data)
{
    static const char text[] =
        "Ladies and Gentlemen of the class of '99: If I could offer you only "
        "one tip for the future, sunscreen would be it.";
    const WireAead *engine = data;
    uint8_t         key[32], out[sizeof text + 15], want[sizeof text + 15];
    WireSeg         seg = { .in = (const uint8_t *)text, .out = out, .len = sizeof text - 1 };
    void           *context;

    for (unsigned i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)(0x80 + i);
    context = new_context(engine, key, true);
    engine->seal_batch(context, UINT64_C(0x4746454443424140), &seg, 1);
    engine->context_free(context);
    g_assert_cmpint(mesh_hex_decode(known_answers[engine->suite], want, sizeof want, NULL), ==, 0);
    g_assert_true(memcmp(out, want, sizeof want) == 0);
}

#define RUN 64u

/* A run sealed in place and opened in place; one packet of it is forged. */
static void test_run(gconstpointer data)
{
    const WireAead *engine = data;
    uint8_t         key[32] = { 7 };
    uint8_t(*slab)[128 + 16] = g_malloc0(RUN * sizeof *slab);
    void   *sealer = new_context(engine, key, true);
    void   *opener = new_context(engine, key, false);
    WireSeg segs[RUN];

    for (unsigned i = 0; i < RUN; i++) {
        memset(slab[i], (int)i, 128);
        segs[i] = (WireSeg){ .in = slab[i], .out = slab[i], .len = i * 2 };
    }
    engine->seal_batch(sealer, 1000, segs, RUN);
    slab[9][3] ^= 1;               /* ciphertext */
    slab[20][2 * 20 + 15] ^= 0x80; /* tag */
    segs[30].counter++;            /* nonce */
    slab[0][0] ^= 1;               /* an empty packet's tag */
    g_assert_cmpuint(engine->open_batch(opener, segs, RUN), ==, RUN - 4);
    for (unsigned i = 0; i < RUN; i++) {
        bool forged = i == 0 || i == 9 || i == 20 || i == 30;

        g_assert_true(segs[i].tag_ok == !forged);
        for (unsigned at = 0; !forged && at < segs[i].len; at++)
            g_assert_cmpuint(slab[i][at], ==, i);
    }
    engine->context_free(sealer);
    engine->context_free(opener);
    engine->context_free(NULL);
    g_free(slab);
}

static void test_apart(gconstpointer data)
{
    const WireAead *engine = data;
    uint8_t         key[32] = { 1 }, plain[100], sealed[116], opened[100];
    void           *sealer = new_context(engine, key, true);
    void           *opener = new_context(engine, key, false);
    WireSeg         seg = { .in = plain, .out = sealed, .len = sizeof plain };

    memset(plain, 0x5a, sizeof plain);
    engine->seal_batch(sealer, 5, &seg, 1);
    seg = (WireSeg){ .in = sealed, .out = opened, .len = sizeof plain, .counter = 5 };
    g_assert_cmpuint(engine->open_batch(opener, &seg, 1), ==, 1);
    g_assert_true(memcmp(plain, opened, sizeof plain) == 0);
    engine->context_free(sealer);
    engine->context_free(opener);
}

/* Input and output end where the process's memory ends: not a byte behind is touched. */
static void test_edge(gconstpointer data)
{
    const WireAead *engine = data;
    uint8_t         key[32] = { 3 }, want[1500 + 16];
    size_t          page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t        *room =
        mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint8_t *edges[] = { room + page, room + 3 * page };
    void    *sealer = new_context(engine, key, true), *opener = new_context(engine, key, false);

    g_assert_true(room != MAP_FAILED);
    g_assert_cmpint(mprotect(edges[0], page, PROT_NONE), ==, 0);
    g_assert_cmpint(mprotect(edges[1], page, PROT_NONE), ==, 0);
    for (uint32_t len = 0; len <= 1500; len += len < 200 ? 1 : 31) {
        uint8_t *plain = edges[0] - len, *sealed = edges[1] - len - 16;
        WireSeg  seg = { .in = plain, .out = sealed, .len = len };

        memset(plain, (int)len, len);
        engine->seal_batch(sealer, len, &seg, 1);
        memcpy(want, sealed, len + 16u);
        seg = (WireSeg){ .in = sealed, .out = plain, .len = len, .counter = len };
        memset(plain, 0, len);
        g_assert_cmpuint(engine->open_batch(opener, &seg, 1), ==, 1);
        for (uint32_t i = 0; i < len; i++)
            g_assert_cmpuint(plain[i], ==, (uint8_t)len);
        seg = (WireSeg){ .in = sealed, .out = sealed, .len = len, .counter = len }; /* in place */
        g_assert_cmpuint(engine->open_batch(opener, &seg, 1), ==, 1);
        seg = (WireSeg){ .in = sealed, .out = sealed, .len = len };
        engine->seal_batch(sealer, len, &seg, 1);
        g_assert_true(memcmp(sealed, want, len + 16u) == 0);
    }
    engine->context_free(sealer);
    engine->context_free(opener);
    munmap(room, 4 * page);
}

static void *seal_many(void *data)
{
    const WireAead *engine = data;
    uint8_t         key[32] = { 5 }, plain[64] = { 0 }, out[80];
    void           *context = new_context(engine, key, true);
    GChecksum      *sum = g_checksum_new(G_CHECKSUM_SHA256);
    char           *text;

    for (uint64_t i = 0; i < 2000; i++) {
        WireSeg seg = { .in = plain, .out = out, .len = sizeof plain };

        engine->seal_batch(context, i, &seg, 1);
        g_checksum_update(sum, out, sizeof out);
    }
    engine->context_free(context);
    text = g_strdup(g_checksum_get_string(sum));
    g_checksum_free(sum);
    return text;
}

/* Threads share nothing: each seals the same. */
static void test_threads(gconstpointer data)
{
    GThread         *threads[4];
    g_autofree char *want = seal_many((void *)data);

    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("sealer", seal_many, (void *)data);
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++) {
        g_autofree char *got = g_thread_join(threads[i]);

        g_assert_cmpstr(got, ==, want);
    }
}

static void test_table(void)
{
    g_assert_true(wire_aead_find(WIRE_SUITE_WG1, "openssl") == &wire_aead_openssl);
    g_assert_null(wire_aead_find(WIRE_SUITE_WG1, "rot13"));
    g_assert_false(wire_aead_is_name("rot13"));
    g_assert_true(wire_aead_is_name("openssl"));
    for (WireSuite suite = 0; suite < WIRE_N_SUITES; suite++) {
        const WireAead *best = wire_aead_best(suite);

        g_assert_true((best != NULL) == wire_suite_is_fit(suite));
        g_assert_true(wire_aead_choose(suite, NULL) == best);
        g_assert_true(wire_aead_choose(suite, "rot13") == best);
        g_assert_true(best == NULL || best->suite == suite);
    }
    if (wire_suite_is_fit(WIRE_SUITE_AESGCM1))
        g_assert_true(wire_aead_choose(WIRE_SUITE_AESGCM1, "openssl") == &wire_aead_aes_openssl);
}

/* ---- the judge ---- */

static unsigned flaw; /* what the engine below does wrong, at which length */

enum { BAD_TEXT = 1, BAD_TAG, ACCEPTS_ALL, ACCEPTS_NONE, BAD_NONCE, N_FLAWS };

static void seal_badly(void *context, uint64_t first_counter, WireSeg *segs, size_t n_segs)
{
    for (size_t i = 0; i < n_segs; i++) {
        uint64_t counter = flaw == BAD_NONCE ? (uint32_t)(first_counter + i) : first_counter + i;

        wire_aead_openssl.seal_batch(context, counter, &segs[i], 1);
        segs[i].counter = first_counter + i;
        if (segs[i].len == 65 && flaw == BAD_TEXT)
            segs[i].out[64] ^= 1;
        if (segs[i].len == 17 && flaw == BAD_TAG)
            segs[i].out[17 + 15] ^= 0x80;
    }
}

static size_t open_badly(void *context, WireSeg *segs, size_t n_segs)
{
    size_t n = wire_aead_openssl.open_batch(context, segs, n_segs);

    for (size_t i = 0; i < n_segs; i++) {
        if (flaw == ACCEPTS_ALL || flaw == ACCEPTS_NONE) {
            segs[i].tag_ok = flaw == ACCEPTS_ALL;
            n = flaw == ACCEPTS_ALL ? n_segs : 0;
        }
    }
    return n;
}

/* An engine that is wrong here and there is found out. */
static void test_judge(void)
{
    WireAead broken = wire_aead_openssl;

    broken.seal_batch = seal_badly;
    broken.open_batch = open_badly;
    for (flaw = 0; flaw < N_FLAWS; flaw++)
        g_assert_true(wire_aead_judge_is_sound(&broken, &wire_aead_openssl) == (flaw == 0));
    flaw = BAD_TEXT;
    g_assert_false(wire_aead_judge_is_sound(&wire_aead_openssl, &broken)); /* or the reference is */
    flaw = 0;
    g_assert_cmpuint(wire_aead_judge_measure(&broken), <, UINT64_MAX);
}

static void add(const WireAead *engine, const char *what, GTestDataFunc func)
{
    g_autofree char *path =
        g_strdup_printf("/aead/%s/%s/%s", wire_suite_get_name(engine->suite), engine->name, what);

    g_test_add_data_func(path, engine, func);
}

static void add_engine(const WireAead *engine)
{
    if (engine == NULL)
        return; /* not for this CPU */
    add(engine, "known-answer", test_known_answer);
    add(engine, "against-reference", test_against_reference);
    add(engine, "random", test_random);
    add(engine, "run", test_run);
    add(engine, "apart", test_apart);
    add(engine, "edge", test_edge);
    add(engine, "threads", test_threads);
}

/* OpenSSL reads it when it is loaded, so that takes another process. */
static void test_openssl_without_aes(void)
{
    if (g_test_subprocess()) {
        g_assert_null(wire_aead_best(WIRE_SUITE_AESGCM1));
        g_assert_nonnull(wire_aead_best(WIRE_SUITE_WG1));
        return;
    }
    if (wire_aead_best(WIRE_SUITE_AESGCM1) == NULL) {
        g_test_skip("no AES on this processor");
        return;
    }
#if defined(__x86_64__)
    g_setenv("OPENSSL_ia32cap", "~0x200000000000000", TRUE);
    g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
    g_unsetenv("OPENSSL_ia32cap");
    g_test_trap_assert_passed();
#else
    g_test_skip("a word of x86");
#endif
}

int main(int argc, char **argv)
{
    const WireAead *engine;

    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(sodium_init(), >=, 0);
    g_assert_cmpint(wire_aead_init(), ==, 0);
    for (size_t i = 0; (engine = wire_aead_get(i)) != NULL; i++)
        add_engine(wire_aead_find(engine->suite, engine->name));
    g_test_add_func("/aead/table", test_table);
    g_test_add_func("/aead/judge", test_judge);
    g_test_add_func("/aead/openssl-without-aes", test_openssl_without_aes);
    return g_test_run();
}
