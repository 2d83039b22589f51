/* daemon/wire/aead-openssl.c: ChaCha20-Poly1305 and AES-256-GCM by OpenSSL's EVP; the reference of
 * each suite. AES is used only where the processor has the instructions, see wire_suite_is_fit():
 * OpenSSL then takes them, too.
 *
 * The ciphers are fetched once for the process and each context gets its key once: per packet only
 * the nonce changes. A new context, an implicit fetch or setting the IV's length again would each
 * cost more than the packet (openssl issue 17064). */
#include "daemon/wire/aead-nonce.h"
#include "daemon/wire/aead.h"

#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>

typedef struct {
    EVP_CIPHER_CTX *evp;
    void (*make_nonce)(uint64_t counter, uint8_t nonce[WIRE_AEAD_NONCE_BYTES]);
} Context;

static EVP_CIPHER    *chacha, *aes; /* NULL: not available */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fetch(void)
{
    chacha = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
    if (wire_suite_is_fit(WIRE_SUITE_AESGCM1))
        aes = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
}

int wire_aead_openssl_init(void)
{
    pthread_once(&once, fetch);
    return chacha == NULL ? -ENOTSUP : 0;
}

int wire_aead_aes_openssl_init(void)
{
    pthread_once(&once, fetch);
    return aes == NULL ? -ENOTSUP : 0;
}

static void context_free(void *context)
{
    Context *self = context;

    if (self == NULL)
        return;
    EVP_CIPHER_CTX_free(self->evp); /* clears the provider's copy of the key */
    free(self);
}

static Context *make_context(const EVP_CIPHER *cipher, const uint8_t *key, bool seal)
{
    Context *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return NULL;
    self->evp = EVP_CIPHER_CTX_new();
    if (self->evp != NULL &&
        EVP_CipherInit_ex2(self->evp, cipher, key, NULL, seal ? 1 : 0, NULL) == 1)
        return self;
    context_free(self);
    return NULL;
}

static void *context_new(const uint8_t key[WIRE_AEAD_KEY_BYTES], bool seal)
{
    Context *self = make_context(chacha, key, seal);

    if (self != NULL)
        self->make_nonce = wire_aead_nonce_le;
    return self;
}

static void *aes_context_new(const uint8_t key[WIRE_AEAD_KEY_BYTES], bool seal)
{
    Context *self = make_context(aes, key, seal);

    if (self != NULL)
        self->make_nonce = wire_aead_nonce_be;
    return self;
}

/* Only a broken build can make these calls fail: lengths are bounded and the key is set. */
static void must(int ok)
{
    if (ok != 1)
        abort();
}

static void seal_batch(void *context, uint64_t first_counter, WireSeg *segs, size_t n_segs)
{
    const Context  *self = context;
    EVP_CIPHER_CTX *evp = self->evp;

    for (size_t i = 0; i < n_segs; i++) {
        WireSeg *seg = &segs[i];
        uint8_t  nonce[WIRE_AEAD_NONCE_BYTES];
        int      len = 0, rest = 0;

        seg->counter = first_counter + i;
        self->make_nonce(seg->counter, nonce);
        must(EVP_EncryptInit_ex(evp, NULL, NULL, NULL, nonce));
        must(EVP_EncryptUpdate(evp, seg->out, &len, seg->in, (int)seg->len));
        must(EVP_EncryptFinal_ex(evp, seg->out + len, &rest));
        must(EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_AEAD_GET_TAG, WIRE_AEAD_TAG_BYTES,
                                 seg->out + seg->len));
    }
}

static bool open_one(const Context *self, const WireSeg *seg)
{
    uint8_t nonce[WIRE_AEAD_NONCE_BYTES], tag[WIRE_AEAD_TAG_BYTES];
    int     len = 0, rest = 0;

    for (size_t i = 0; i < sizeof tag; i++) /* EVP wants it writable */
        tag[i] = seg->in[seg->len + i];
    self->make_nonce(seg->counter, nonce);
    must(EVP_DecryptInit_ex(self->evp, NULL, NULL, NULL, nonce));
    must(EVP_CIPHER_CTX_ctrl(self->evp, EVP_CTRL_AEAD_SET_TAG, (int)sizeof tag, tag));
    must(EVP_DecryptUpdate(self->evp, seg->out, &len, seg->in, (int)seg->len));
    /* compares in constant time */
    return EVP_DecryptFinal_ex(self->evp, seg->out + len, &rest) == 1;
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

const WireAead wire_aead_openssl = {
    .name = "openssl",
    .context_new = context_new,
    .context_free = context_free,
    .seal_batch = seal_batch,
    .open_batch = open_batch,
};

const WireAead wire_aead_aes_openssl = {
    .name = "openssl",
    .suite = WIRE_SUITE_AESGCM1,
    .context_new = aes_context_new,
    .context_free = context_free,
    .seal_batch = seal_batch,
    .open_batch = open_batch,
};
