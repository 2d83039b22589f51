/* daemon/wire/suite.c: see suite.h. */
#include "daemon/wire/suite.h"

#include "daemon/wire/keypair.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#ifdef __aarch64__
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

enum { TAG = 16 };

static const uint8_t no_nonce[12];

static const struct {
    const char     *noise, *prologue;
    WireSuiteLimits limits;
} suites[WIRE_N_SUITES] = {
    [WIRE_SUITE_WG1] = { "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s",
                         "WireGuard v1 zx2c4 Jason@zx2c4.com",
                         { WIRE_REKEY_AFTER_MESSAGES, WIRE_REJECT_AFTER_MESSAGES } },
    [WIRE_SUITE_AESGCM1] = { "Noise_IKpsk2_25519_AESGCM_BLAKE2s",
                             "Mesh aesgcm1",
                             { UINT64_C(1) << 29, UINT64_C(1) << 30 } },
};

void wire_suite_get_noise(WireSuite suite, MeshSpan *out_name, MeshSpan *out_prologue)
{
    *out_name = MESH_SPAN(suites[suite].noise, strlen(suites[suite].noise));
    *out_prologue = MESH_SPAN(suites[suite].prologue, strlen(suites[suite].prologue));
}

WireSuiteLimits wire_suite_get_limits(WireSuite suite)
{
    return suites[suite].limits;
}

#if defined(__x86_64__)
/* What OpenSSL makes use of: what CPUID says, but for what OPENSSL_ia32cap took from it (its
 * first word has ECX of CPUID 1 in the upper half). Handshakes are its work whatever engine there
 * is, and without these instructions it is slow, or its timing depends on data. */
static bool does_openssl_use(uint64_t bits)
{
    const char *told = OPENSSL_info(OPENSSL_INFO_CPU_SETTINGS);
    const char *words = told != NULL ? strstr(told, "OPENSSL_ia32cap=0x") : NULL;

    return words == NULL || (strtoull(strchr(words, '=') + 1, NULL, 16) & bits) == bits;
}
#endif

/* AES, and the multiplication without carries that GCM authenticates by. */
static bool has_aes(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul") &&
           does_openssl_use(UINT64_C(1) << 57 | UINT64_C(1) << 33);
#elif defined(__aarch64__)
    unsigned long has = getauxval(AT_HWCAP);

    return (has & HWCAP_AES) != 0 && (has & HWCAP_PMULL) != 0;
#else
    return false;
#endif
}

bool wire_suite_is_fit(WireSuite suite)
{
    return suite == WIRE_SUITE_WG1 || has_aes();
}

/* ---- AES-256-GCM of handshakes: a few a second, so by OpenSSL ---- */

/* Only a lack of memory or a broken build can make these calls fail, and then there is no going on
 * with half a message. */
static void must(int ok)
{
    if (ok != 1)
        abort();
}

static EVP_CIPHER_CTX *start_aes(const uint8_t key[32], MeshSpan ad, bool seal)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int             len = 0;

    if (context == NULL)
        abort();
    must(EVP_CipherInit_ex(context, EVP_aes_256_gcm(), NULL, key, no_nonce, seal ? 1 : 0));
    must(EVP_CipherUpdate(context, NULL, &len, ad.data, (int)ad.len));
    return context;
}

static void seal_aes(const uint8_t key[32], MeshSpan ad, MeshSpan text, uint8_t *out)
{
    EVP_CIPHER_CTX *context = start_aes(key, ad, true);
    int             len = 0, rest = 0;

    if (text.len > 0)
        must(EVP_CipherUpdate(context, out, &len, text.data, (int)text.len));
    must(EVP_CipherFinal_ex(context, out + len, &rest));
    must(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG, out + text.len));
    EVP_CIPHER_CTX_free(context);
}

/* @out holds what was not authentic until the caller has wiped it. */
static bool open_aes(const uint8_t key[32], MeshSpan ad, MeshSpan sealed, uint8_t *out)
{
    EVP_CIPHER_CTX *context = start_aes(key, ad, false);
    size_t          text_len = sealed.len - TAG;
    uint8_t         tag[TAG];
    int             len = 0, rest = 0;
    bool            good;

    memcpy(tag, (const uint8_t *)sealed.data + text_len, TAG);
    must(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG, tag));
    if (text_len > 0)
        must(EVP_CipherUpdate(context, out, &len, sealed.data, (int)text_len));
    good = EVP_CipherFinal_ex(context, out + len, &rest) == 1; /* compares in constant time */
    EVP_CIPHER_CTX_free(context);
    return good;
}

void wire_suite_seal(WireSuite suite, const uint8_t key[32], MeshSpan ad, MeshSpan text,
                     uint8_t *out)
{
    if (suite == WIRE_SUITE_AESGCM1)
        seal_aes(key, ad, text, out);
    else
        crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, text.data, text.len, ad.data, ad.len,
                                                  NULL, no_nonce, key);
}

int wire_suite_unseal(WireSuite suite, const uint8_t key[32], MeshSpan ad, MeshSpan sealed,
                      uint8_t *out)
{
    if (suite == WIRE_SUITE_WG1)
        return crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, sealed.data, sealed.len,
                                                         ad.data, ad.len, no_nonce, key) == 0
                   ? 0
                   : -EBADMSG;
    if (open_aes(key, ad, sealed, out))
        return 0;
    sodium_memzero(out, sealed.len - TAG);
    return -EBADMSG;
}
