/* common/std/hash.c: see hash.h. Algorithms are fetched once (a fetch costs a lock and a search of
 * providers); each thread has its own contexts, made at its first hash and freed when it ends. */
#include "common/std/hash.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    EVP_MD_CTX  *digest;
    EVP_MAC_CTX *keyed;
    EVP_MAC_CTX *hmac;
} Contexts;

static _Thread_local Contexts own; /* zeroed: not made yet */

/* Written once by fetch_all(), read-only afterwards; they live as long as the process. */
static struct {
    EVP_MD       *blake2s;
    EVP_MD       *sha256;
    EVP_MAC      *keyed;
    EVP_MAC      *hmac;
    pthread_key_t contexts; /* for free_contexts() at the end of a thread */
    int           rc;
} algorithms;
static pthread_once_t fetched = PTHREAD_ONCE_INIT;

static void free_contexts(void *data)
{
    Contexts *ctx = data;

    EVP_MD_CTX_free(ctx->digest);
    EVP_MAC_CTX_free(ctx->keyed);
    EVP_MAC_CTX_free(ctx->hmac);
    *ctx = (Contexts){ .digest = NULL }; /* for a hash by what is freed later in this thread */
}

static void fetch_all(void)
{
    algorithms.blake2s = EVP_MD_fetch(NULL, "BLAKE2S-256", NULL);
    algorithms.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    algorithms.keyed = EVP_MAC_fetch(NULL, "BLAKE2SMAC", NULL);
    algorithms.hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (algorithms.blake2s == NULL || algorithms.sha256 == NULL || algorithms.keyed == NULL ||
        algorithms.hmac == NULL || pthread_key_create(&algorithms.contexts, free_contexts) != 0)
        algorithms.rc = -ENOTSUP;
}

int mesh_hash_init(void)
{
    pthread_once(&fetched, fetch_all);
    return algorithms.rc;
}

/* This thread's contexts. Aborts without memory or without mesh_hash_init() having passed: a hash
 * that silently did not happen would be worse. */
static Contexts *get_contexts(void)
{
    if (own.digest != NULL)
        return &own;
    if (mesh_hash_init() < 0)
        abort();
    own.digest = EVP_MD_CTX_new();
    own.keyed = EVP_MAC_CTX_new(algorithms.keyed);
    own.hmac = EVP_MAC_CTX_new(algorithms.hmac);
    if (own.digest == NULL || own.keyed == NULL || own.hmac == NULL ||
        pthread_setspecific(algorithms.contexts, &own) != 0)
        abort();
    return &own;
}

static void must(int openssl_ok)
{
    if (openssl_ok != 1)
        abort();
}

static void digest(EVP_MD *md, const MeshSpan *parts, size_t count, uint8_t *out)
{
    EVP_MD_CTX *ctx = get_contexts()->digest;

    must(EVP_DigestInit_ex2(ctx, md, NULL));
    for (size_t i = 0; i < count; i++)
        must(EVP_DigestUpdate(ctx, parts[i].data, parts[i].len));
    must(EVP_DigestFinal_ex(ctx, out, NULL));
}

void mesh_hash_blake2s(const MeshSpan *parts, size_t count, uint8_t out[MESH_HASH_BYTES])
{
    get_contexts();
    digest(algorithms.blake2s, parts, count, out);
}

void mesh_hash_sha256(const MeshSpan *parts, size_t count, uint8_t out[MESH_HASH_BYTES])
{
    get_contexts();
    digest(algorithms.sha256, parts, count, out);
}

void mesh_hash_blake2s_keyed(MeshSpan key, MeshSpan data, uint8_t *out, size_t out_len)
{
    EVP_MAC_CTX *ctx = get_contexts()->keyed;
    OSSL_PARAM   params[] = { OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &out_len),
                              OSSL_PARAM_construct_end() };
    size_t       written = 0;

    must(EVP_MAC_init(ctx, key.data, key.len, params));
    must(EVP_MAC_update(ctx, data.data, data.len));
    must(EVP_MAC_final(ctx, out, &written, out_len));
}

static void hmac(MeshSpan key, const MeshSpan *parts, size_t count, uint8_t *out)
{
    EVP_MAC_CTX *ctx = get_contexts()->hmac;
    char         name[] = "BLAKE2S-256";
    OSSL_PARAM   params[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                              OSSL_PARAM_construct_end() };
    size_t       written = 0;

    /* A NULL key would mean "the one before". */
    must(EVP_MAC_init(ctx, key.len > 0 ? key.data : (const void *)"", key.len, params));
    for (size_t i = 0; i < count; i++)
        must(EVP_MAC_update(ctx, parts[i].data, parts[i].len));
    must(EVP_MAC_final(ctx, out, &written, MESH_HASH_BYTES));
}

void mesh_hash_hmac(MeshSpan key, MeshSpan data, uint8_t out[MESH_HASH_BYTES])
{
    hmac(key, &data, 1, out);
}

/* T0 = HMAC(key, input); T_i = HMAC(T0, T_{i-1} ‖ i): HKDF (RFC 5869) with an empty info. */
static void kdf(const uint8_t *key, MeshSpan input, uint8_t *const *outs, size_t count)
{
    uint8_t secret[MESH_HASH_BYTES], step[MESH_HASH_BYTES];

    mesh_hash_hmac(MESH_SPAN(key, MESH_HASH_BYTES), input, secret);
    for (size_t i = 0; i < count; i++) {
        uint8_t        index = (uint8_t)(i + 1);
        const MeshSpan parts[] = { MESH_SPAN(step, i > 0 ? sizeof(step) : 0),
                                   MESH_SPAN(&index, 1) };

        hmac(MESH_SPAN(secret, sizeof(secret)), parts, MESH_N_ELEMENTS(parts), step);
        if (outs[i] != NULL)
            memcpy(outs[i], step, sizeof(step));
    }
    sodium_memzero(secret, sizeof(secret));
    sodium_memzero(step, sizeof(step));
}

void mesh_hash_kdf1(const uint8_t key[MESH_HASH_BYTES], MeshSpan input,
                    uint8_t out1[MESH_HASH_BYTES])
{
    kdf(key, input, (uint8_t *const[]){ out1 }, 1);
}

void mesh_hash_kdf2(const uint8_t key[MESH_HASH_BYTES], MeshSpan input,
                    uint8_t out1[MESH_HASH_BYTES], uint8_t out2[MESH_HASH_BYTES])
{
    kdf(key, input, (uint8_t *const[]){ out1, out2 }, 2);
}

void mesh_hash_kdf3(const uint8_t key[MESH_HASH_BYTES], MeshSpan input,
                    uint8_t out1[MESH_HASH_BYTES], uint8_t out2[MESH_HASH_BYTES],
                    uint8_t out3[MESH_HASH_BYTES])
{
    kdf(key, input, (uint8_t *const[]){ out1, out2, out3 }, 3);
}
