/* AES-128-GCM for TLS records: what OpenSSL's own does, byte for byte, and nothing else. */
#include "common/std/tlsgcm.h"

#include <glib.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <stdbool.h>
#include <string.h>

enum { MAX = 16384 + 256, TAG = 16, AAD = 5 };

typedef struct {
    uint8_t key[16], nonce[12], aad[AAD], text[MAX];
} Record;

static EVP_CIPHER *fetch(const char *query)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-128-GCM", query);

    g_assert_nonnull(cipher);
    return cipher;
}

/* Where it is of no use there is nothing to test. */
static EVP_CIPHER *fetch_ours(void)
{
    const char *query = mesh_tlsgcm_get_query();

    if (query != NULL)
        return fetch(query);
    g_test_skip("built without ipsec-mb, or no vector AES in this processor");
    return NULL;
}

static const char *name_of(const EVP_CIPHER *cipher)
{
    return OSSL_PROVIDER_get0_name(EVP_CIPHER_get0_provider(cipher));
}

static void make_record(Record *record, GRand *rand)
{
    uint8_t *bytes = (uint8_t *)record;

    for (size_t i = 0; i < sizeof(*record); i++)
        bytes[i] = (uint8_t)g_rand_int(rand);
}

/* As libssl does it: the key once, a nonce for each record, in place. */
static void seal(EVP_CIPHER_CTX *context, const Record *record, uint8_t *text, size_t len,
                 uint8_t tag[TAG])
{
    int n;

    g_assert_cmpint(EVP_CipherInit_ex(context, NULL, NULL, NULL, record->nonce, 1), ==, 1);
    g_assert_cmpint(EVP_CipherUpdate(context, NULL, &n, record->aad, AAD), ==, 1);
    g_assert_cmpint(EVP_CipherUpdate(context, text, &n, text, (int)len), ==, 1);
    g_assert_cmpint(n, ==, (int)len);
    g_assert_cmpint(EVP_CipherFinal_ex(context, text + len, &n), ==, 1);
    g_assert_cmpint(n, ==, 0);
    g_assert_cmpint(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG, tag), ==, 1);
}

static bool open_record(EVP_CIPHER_CTX *context, const Record *record, uint8_t *text, size_t len,
                        uint8_t tag[TAG])
{
    int n;

    g_assert_cmpint(EVP_CipherInit_ex(context, NULL, NULL, NULL, record->nonce, 0), ==, 1);
    g_assert_cmpint(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG, tag), ==, 1);
    g_assert_cmpint(EVP_CipherUpdate(context, NULL, &n, record->aad, AAD), ==, 1);
    g_assert_cmpint(EVP_CipherUpdate(context, text, &n, text, (int)len), ==, 1);
    return EVP_CipherFinal_ex(context, text + len, &n) == 1;
}

static EVP_CIPHER_CTX *make_context(const EVP_CIPHER *cipher, const Record *record, int seals)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();

    g_assert_cmpint(EVP_CipherInit_ex(context, cipher, NULL, NULL, NULL, seals), ==, 1);
    g_assert_cmpint(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_IVLEN, 12, NULL), ==, 1);
    g_assert_cmpint(EVP_CipherInit_ex(context, NULL, NULL, record->key, NULL, -1), ==, 1);
    return context;
}

static void test_same(void)
{
    EVP_CIPHER     *ours = fetch_ours(), *theirs;
    EVP_CIPHER_CTX *seals[2], *opens[2];
    GRand          *rand = g_rand_new_with_seed(3);
    static Record   record;
    static uint8_t  text[2][MAX + TAG];
    uint8_t         tag[2][TAG];

    if (ours == NULL) {
        g_rand_free(rand);
        return;
    }
    theirs = fetch("provider=default");
    make_record(&record, rand);
    for (int i = 0; i < 2; i++) {
        seals[i] = make_context(i == 0 ? ours : theirs, &record, 1);
        opens[i] = make_context(i == 0 ? ours : theirs, &record, 0);
    }
    for (size_t len = 1; len <= MAX; len += len < 300 ? 1 : 1 + len / 7) {
        Record next;

        make_record(&next, rand);
        memcpy(next.key, record.key, sizeof(next.key));
        for (int i = 0; i < 2; i++) {
            memcpy(text[i], next.text, len);
            seal(seals[i], &next, text[i], len, tag[i]);
        }
        g_assert_cmpmem(text[0], len, text[1], len);
        g_assert_cmpmem(tag[0], TAG, tag[1], TAG);
        g_assert_true(open_record(opens[0], &next, text[0], len, tag[0]));
        g_assert_cmpmem(text[0], len, next.text, len);
        text[1][len / 2] ^= 1;
        g_assert_false(open_record(opens[0], &next, text[1], len, tag[1]));
        tag[0][len % TAG] ^= 0x80;
        memcpy(text[0], next.text, len);
        seal(seals[0], &next, text[0], len, tag[1]);
        g_assert_false(open_record(opens[0], &next, text[0], len, tag[0]));
    }
    for (int i = 0; i < 2; i++) {
        EVP_CIPHER_CTX_free(seals[i]);
        EVP_CIPHER_CTX_free(opens[i]);
    }
    EVP_CIPHER_free(ours);
    EVP_CIPHER_free(theirs);
    g_rand_free(rand);
}

/* It is nobody's who does not ask for it. */
static void test_asked_for(void)
{
    EVP_CIPHER *ours = fetch_ours(), *any;

    if (ours == NULL)
        return;
    any = fetch(NULL);
    g_assert_cmpstr(name_of(ours), ==, "mesh-tlsgcm");
    g_assert_cmpstr(name_of(any), ==, "default");
    EVP_CIPHER_free(ours);
    EVP_CIPHER_free(any);
}

/* No nonce serves twice, no tag is missing or short, no other nonce length, no text in two pieces.
 */
static void test_refused(void)
{
    EVP_CIPHER     *ours = fetch_ours();
    EVP_CIPHER_CTX *seals, *opens;
    static Record   record;
    uint8_t         text[64] = { 0 }, tag[TAG];
    int             n;

    if (ours == NULL)
        return;
    seals = make_context(ours, &record, 1);
    opens = make_context(ours, &record, 0);
    g_assert_cmpint(EVP_CipherUpdate(seals, text, &n, text, 16), !=, 1);
    seal(seals, &record, text, 16, tag);
    g_assert_cmpint(EVP_CipherUpdate(seals, text, &n, text, 16), !=, 1);
    g_assert_cmpint(EVP_CIPHER_CTX_ctrl(seals, EVP_CTRL_AEAD_SET_IVLEN, 16, NULL), !=, 1);
    g_assert_cmpint(EVP_CipherInit_ex(opens, NULL, NULL, NULL, record.nonce, 0), ==, 1);
    g_assert_cmpint(EVP_CIPHER_CTX_ctrl(opens, EVP_CTRL_AEAD_SET_TAG, 12, tag), !=, 1);
    g_assert_cmpint(EVP_CipherUpdate(opens, text, &n, text, 16), ==, 1);
    g_assert_cmpint(EVP_CipherFinal_ex(opens, text, &n), !=, 1);
    ERR_clear_error();
    EVP_CIPHER_CTX_free(seals);
    EVP_CIPHER_CTX_free(opens);
    EVP_CIPHER_free(ours);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tlsgcm/same-as-openssl", test_same);
    g_test_add_func("/tlsgcm/only-who-asks", test_asked_for);
    g_test_add_func("/tlsgcm/refused", test_refused);
    return g_test_run();
}
