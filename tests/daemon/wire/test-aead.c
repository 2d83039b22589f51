/* Tests of daemon/wire/aead.c: every engine against a known answer and against libsodium. */
#include "common/std/base64.h"
#include "daemon/wire/aead.h"

#include <glib.h>
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

static void make_nonce(uint64_t counter, uint8_t nonce[12])
{
    memset(nonce, 0, 4);
    for (int i = 0; i < 8; i++)
        nonce[4 + i] = (uint8_t)(counter >> 8 * i);
}

static void fill(GRand *rand, uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)g_rand_int(rand);
}

/* RFC 8439 §2.8.2 has additional data, which the transport does not; so the answer is libsodium's,
 * an implementation apart, for each length, with the run's counters. */
static void test_against_sodium(gconstpointer data)
{
    const WireAead *engine = data;
    GRand          *rand = g_rand_new_with_seed(9);
    uint8_t         key[32], plain[MAX_LEN], out[MAX_LEN + 16], want[MAX_LEN + 16], nonce[12];
    void           *context;

    fill(rand, key, sizeof key);
    context = new_context(engine, key, true);
    for (uint32_t len = 0; len <= MAX_LEN; len += len < 300 ? 1 : 97) {
        uint64_t counter = (uint64_t)g_rand_int(rand) << 32 | len;
        WireSeg  seg = { .in = plain, .out = out, .len = len };

        fill(rand, plain, len);
        make_nonce(counter, nonce);
        crypto_aead_chacha20poly1305_ietf_encrypt(want, NULL, plain, len, NULL, 0, NULL, nonce,
                                                  key);
        engine->seal_batch(context, counter, &seg, 1);
        g_assert_cmpuint(seg.counter, ==, counter);
        g_assert_true(memcmp(out, want, len + 16u) == 0);
    }
    engine->context_free(context);
    g_rand_free(rand);
}

static const char known_answer[] =
    "a479cb54628946d6f4042a8e384ef4bd2fbc7330b8be55eb2d8dc18aaa51d66a8ec1f8d3"
    "619a258db0ac56956015b7b4937e9b8e6aa957b3dc0214d803d77660aabc913092971da8"
    "f207171ce7843608162e2e759d8efc25d8d0936990af63c820ba87e8a955b5c8274ef7d1"
    "0f6fafd04647fa6775577a1a250dcc2df37e95e46c4a";

/* Known answer: key 80…9f, counter 0x4746454443424140 (so the nonce is four zeros and 40…47), the
 * text of RFC 8439 §2.8.2 without its additional data; computed with Python's cryptography. */
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
    g_assert_cmpint(mesh_hex_decode(known_answer, want, sizeof want, NULL), ==, 0);
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
    g_assert_true(wire_aead_find("openssl") == &wire_aead_openssl);
    g_assert_null(wire_aead_find("rot13"));
    g_assert_nonnull(wire_aead_best());
}

static const char *const names[] = { "openssl", "ipsec-mb" };

static void add(const char *engine, const char *what, GTestDataFunc func)
{
    g_autofree char *path = g_strdup_printf("/aead/%s/%s", engine, what);

    g_test_add_data_func(path, wire_aead_find(engine), func);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(sodium_init(), >=, 0);
    g_assert_cmpint(wire_aead_init(), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (wire_aead_find(names[i]) == NULL)
            continue; /* not built in, or not for this CPU */
        add(names[i], "known-answer", test_known_answer);
        add(names[i], "against-sodium", test_against_sodium);
        add(names[i], "run", test_run);
        add(names[i], "apart", test_apart);
        add(names[i], "edge", test_edge);
        add(names[i], "threads", test_threads);
    }
    g_test_add_func("/aead/table", test_table);
    return g_test_run();
}
