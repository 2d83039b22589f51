/* daemon/wire/aead-aes-openssl.c: AES-256-GCM by OpenSSL's EVP; the reference of its suite.
 *
 * One fetch for the process, one context a key, only the nonce a packet, as aead-openssl.c. Used
 * only where the processor has the instructions, see wire_suite_is_fit(): OpenSSL then takes them,
 * too. */
#include "daemon/wire/aead-nonce.h"
#include "daemon/wire/aead.h"

#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static EVP_CIPHER    *cipher; /* NULL: not available */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fetch(void)
{
    if (wire_suite_is_fit(WIRE_SUITE_AESGCM1))
        cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
}

int wire_aead_aes_openssl_init(void)
{
    pthread_once(&once, fetch);
    return cipher == NULL ? -ENOTSUP : 0;
}

static void *context_new(const uint8_t key[WIRE_AEAD_KEY_BYTES], bool seal)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();

    if (context == NULL)
        return NULL;
    if (EVP_CipherInit_ex2(context, cipher, key, NULL, seal ? 1 : 0, NULL) == 1)
        return context;
    EVP_CIPHER_CTX_free(context);
    return NULL;
}

static void context_free(void *context)
{
    EVP_CIPHER_CTX_free(context); /* clears the provider's copy of the key */
}

/* Only a broken build can make these calls fail: lengths are bounded and the key is set. */
static void must(int ok)
{
    if (ok != 1)
        abort();
}

static void seal_batch(void *context, uint64_t first_counter, WireSeg *segs, size_t n_segs)
{
    for (size_t i = 0; i < n_segs; i++) {
        WireSeg *seg = &segs[i];
        uint8_t  nonce[WIRE_AEAD_NONCE_BYTES];
        int      len = 0, rest = 0;

        seg->counter = first_counter + i;
        wire_aead_nonce_be(seg->counter, nonce);
        must(EVP_EncryptInit_ex(context, NULL, NULL, NULL, nonce));
        must(EVP_EncryptUpdate(context, seg->out, &len, seg->in, (int)seg->len));
        must(EVP_EncryptFinal_ex(context, seg->out + len, &rest));
        must(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, WIRE_AEAD_TAG_BYTES,
                                 seg->out + seg->len));
    }
}

static bool open_one(EVP_CIPHER_CTX *context, const WireSeg *seg)
{
    uint8_t nonce[WIRE_AEAD_NONCE_BYTES], tag[WIRE_AEAD_TAG_BYTES];
    int     len = 0, rest = 0;

    memcpy(tag, seg->in + seg->len, sizeof tag); /* EVP wants it writable */
    wire_aead_nonce_be(seg->counter, nonce);
    must(EVP_DecryptInit_ex(context, NULL, NULL, NULL, nonce));
    must(EVP_DecryptUpdate(context, seg->out, &len, seg->in, (int)seg->len));
    must(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, (int)sizeof tag, tag));
    return EVP_DecryptFinal_ex(context, seg->out + len, &rest) == 1; /* compares in constant time */
}

static size_t open_batch(void *context, WireSeg *segs, size_t n_segs)
{
    size_t n_right = 0;

    for (size_t i = 0; i < n_segs; i++) {
        segs[i].tag_ok = open_one(context, &segs[i]);
        n_right += segs[i].tag_ok;
    }
    return n_right;
}

const WireAead wire_aead_aes_openssl = {
    .name = "openssl",
    .suite = WIRE_SUITE_AESGCM1,
    .context_new = context_new,
    .context_free = context_free,
    .seal_batch = seal_batch,
    .open_batch = open_batch,
};
