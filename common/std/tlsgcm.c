#include "common/std/tlsgcm.h"

#include "common/std/attr.h"

#ifdef MESH_IPSECMB

#include <intel-ipsec-mb.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define NAME     "mesh-tlsgcm"
#define PROPERTY "mesh.records=yes"

enum {
    KEY_BYTES = 16,
    NONCE_BYTES = 12,
    TAG_BYTES = 16,
    AAD_BYTES = 64, /* TLS has 5, or 13 */
};

/* One direction of a connection. The key is expanded anew for each record: that takes a tenth of a
 * microsecond, and a thousand bytes that a silent connection does not have to keep. */
typedef struct {
    bool    seals, has_key, has_nonce, has_tag, is_done;
    size_t  aad_len;
    uint8_t key[KEY_BYTES], nonce[NONCE_BYTES], tag[TAG_BYTES], computed[TAG_BYTES], aad[AAD_BYTES];
} Context;

static IMB_MGR       *manager; /* for the life of the process: names functions, holds nothing */
static OSSL_PROVIDER *providers[2]; /* the same: OpenSSL's own, ours */
static const char    *query;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* --- the cipher --- */

static OSSL_FUNC_cipher_newctx_fn              new_context;
static OSSL_FUNC_cipher_freectx_fn             free_context;
static OSSL_FUNC_cipher_encrypt_init_fn        init_seal;
static OSSL_FUNC_cipher_decrypt_init_fn        init_open;
static OSSL_FUNC_cipher_update_fn              update;
static OSSL_FUNC_cipher_final_fn               final;
static OSSL_FUNC_cipher_get_params_fn          get_params;
static OSSL_FUNC_cipher_get_ctx_params_fn      get_context_params;
static OSSL_FUNC_cipher_set_ctx_params_fn      set_context_params;
static OSSL_FUNC_cipher_gettable_params_fn     list_params;
static OSSL_FUNC_cipher_gettable_ctx_params_fn list_readable;
static OSSL_FUNC_cipher_settable_ctx_params_fn list_writable;

static void *new_context(void *provider)
{
    (void)provider;
    return OPENSSL_zalloc(sizeof(Context));
}

static void free_context(void *context)
{
    OPENSSL_clear_free(context, sizeof(Context));
}

static int init(Context *self, bool seals, MeshSpan key, MeshSpan nonce)
{
    if ((key.data != NULL && key.len != KEY_BYTES) ||
        (nonce.data != NULL && nonce.len != NONCE_BYTES))
        return 0;
    self->seals = seals;
    self->is_done = self->has_tag = false;
    self->aad_len = 0;
    if (key.data != NULL)
        memcpy(self->key, key.data, KEY_BYTES);
    if (nonce.data != NULL)
        memcpy(self->nonce, nonce.data, NONCE_BYTES);
    self->has_key |= key.data != NULL;
    self->has_nonce = nonce.data != NULL; /* each serves once */
    return 1;
}

static int init_seal(void *context, const unsigned char *key, size_t key_len,
                     const unsigned char *nonce, size_t nonce_len, const OSSL_PARAM params[])
{
    return init(context, true, MESH_SPAN(key, key_len), MESH_SPAN(nonce, nonce_len)) &&
           set_context_params(context, params);
}

static int init_open(void *context, const unsigned char *key, size_t key_len,
                     const unsigned char *nonce, size_t nonce_len, const OSSL_PARAM params[])
{
    return init(context, false, MESH_SPAN(key, key_len), MESH_SPAN(nonce, nonce_len)) &&
           set_context_params(context, params);
}

/* The whole of a record's text. */
static void run(Context *self, uint8_t *out, const uint8_t *in, size_t len)
{
    _Alignas(64) struct gcm_key_data key;
    struct gcm_context_data          state;

    IMB_AES128_GCM_PRE(manager, self->key, &key);
    if (self->seals)
        IMB_AES128_GCM_ENC(manager, &key, &state, out, in, len, self->nonce, self->aad,
                           self->aad_len, self->computed, TAG_BYTES);
    else
        IMB_AES128_GCM_DEC(manager, &key, &state, out, in, len, self->nonce, self->aad,
                           self->aad_len, self->computed, TAG_BYTES);
    OPENSSL_cleanse(&key, sizeof(key));
    OPENSSL_cleanse(&state, sizeof(state));
    self->is_done = true;
    self->has_nonce = false;
}

static int update(void *context, unsigned char *out, size_t *out_len, size_t out_size,
                  const unsigned char *in, size_t in_len)
{
    Context *self = context;

    *out_len = 0;
    if (in_len == 0)
        return 1;
    if (!self->has_key || !self->has_nonce || self->is_done)
        return 0;
    if (out == NULL) {
        if (in_len > AAD_BYTES - self->aad_len)
            return 0;
        memcpy(self->aad + self->aad_len, in, in_len);
        self->aad_len += in_len;
        return 1;
    }
    if (out_size < in_len)
        return 0;
    run(self, out, in, in_len);
    *out_len = in_len;
    return 1;
}

static int final(void *context, unsigned char *out, size_t *out_len, size_t out_size)
{
    Context *self = context;
    uint8_t  nothing[1] = { 0 };

    (void)out;
    (void)out_size;
    *out_len = 0;
    if (!self->is_done) {
        if (!self->has_key || !self->has_nonce)
            return 0;
        run(self, nothing, nothing, 0);
    }
    if (self->seals)
        return 1;
    return self->has_tag && CRYPTO_memcmp(self->tag, self->computed, TAG_BYTES) == 0;
}

/* --- what OpenSSL asks about it --- */

static const OSSL_PARAM *list_params(void *provider)
{
    static const OSSL_PARAM list[] = {
        OSSL_PARAM_uint(OSSL_CIPHER_PARAM_MODE, NULL),
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, NULL),
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_IVLEN, NULL),
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_BLOCK_SIZE, NULL),
        OSSL_PARAM_int(OSSL_CIPHER_PARAM_AEAD, NULL),
        OSSL_PARAM_int(OSSL_CIPHER_PARAM_CUSTOM_IV, NULL),
        OSSL_PARAM_END,
    };

    (void)provider;
    return list;
}

static bool put_size(OSSL_PARAM params[], const char *name, size_t value)
{
    OSSL_PARAM *found = OSSL_PARAM_locate(params, name);

    return found == NULL || OSSL_PARAM_set_size_t(found, value) == 1;
}

static bool put_int(OSSL_PARAM params[], const char *name, int value)
{
    OSSL_PARAM *found = OSSL_PARAM_locate(params, name);

    return found == NULL || OSSL_PARAM_set_int(found, value) == 1;
}

static int get_params(OSSL_PARAM params[])
{
    OSSL_PARAM *mode = OSSL_PARAM_locate(params, OSSL_CIPHER_PARAM_MODE);

    return (mode == NULL || OSSL_PARAM_set_uint(mode, EVP_CIPH_GCM_MODE) == 1) &&
           put_size(params, OSSL_CIPHER_PARAM_KEYLEN, KEY_BYTES) &&
           put_size(params, OSSL_CIPHER_PARAM_IVLEN, NONCE_BYTES) &&
           put_size(params, OSSL_CIPHER_PARAM_BLOCK_SIZE, 1) &&
           put_int(params, OSSL_CIPHER_PARAM_AEAD, 1) &&
           put_int(params, OSSL_CIPHER_PARAM_CUSTOM_IV, 1);
}

static const OSSL_PARAM *list_readable(void *context, void *provider)
{
    static const OSSL_PARAM list[] = {
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, NULL),
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_IVLEN, NULL),
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_TAGLEN, NULL),
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, NULL, 0),
        OSSL_PARAM_END,
    };

    (void)context;
    (void)provider;
    return list;
}

static int get_context_params(void *context, OSSL_PARAM params[])
{
    const Context *self = context;
    OSSL_PARAM    *tag = OSSL_PARAM_locate(params, OSSL_CIPHER_PARAM_AEAD_TAG);

    if (tag != NULL &&
        (!self->seals || !self->is_done ||
         OSSL_PARAM_set_octet_string(tag, self->computed,
                                     tag->data_size < TAG_BYTES ? tag->data_size : TAG_BYTES) != 1))
        return 0;
    return put_size(params, OSSL_CIPHER_PARAM_KEYLEN, KEY_BYTES) &&
           put_size(params, OSSL_CIPHER_PARAM_IVLEN, NONCE_BYTES) &&
           put_size(params, OSSL_CIPHER_PARAM_AEAD_TAGLEN, TAG_BYTES);
}

static const OSSL_PARAM *list_writable(void *context, void *provider)
{
    static const OSSL_PARAM list[] = {
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, NULL),
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_IVLEN, NULL),
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, NULL, 0),
        OSSL_PARAM_END,
    };

    (void)context;
    (void)provider;
    return list;
}

static bool is_size(const OSSL_PARAM params[], const char *name, size_t wanted)
{
    const OSSL_PARAM *found = OSSL_PARAM_locate_const(params, name);
    size_t            value;

    return found == NULL || (OSSL_PARAM_get_size_t(found, &value) == 1 && value == wanted);
}

static int set_context_params(void *context, const OSSL_PARAM params[])
{
    Context          *self = context;
    const OSSL_PARAM *tag;

    if (params == NULL)
        return 1;
    tag = OSSL_PARAM_locate_const(params, OSSL_CIPHER_PARAM_AEAD_TAG);
    if (tag != NULL && tag->data != NULL) { /* to be checked against: never a shorter one */
        if (self->seals || tag->data_size != TAG_BYTES)
            return 0;
        memcpy(self->tag, tag->data, TAG_BYTES);
        self->has_tag = true;
    }
    return is_size(params, OSSL_CIPHER_PARAM_KEYLEN, KEY_BYTES) &&
           is_size(params, OSSL_CIPHER_PARAM_IVLEN, NONCE_BYTES);
}

/* --- the provider --- */

static const OSSL_DISPATCH cipher[] = {
    { OSSL_FUNC_CIPHER_NEWCTX, (void (*)(void))new_context },
    { OSSL_FUNC_CIPHER_FREECTX, (void (*)(void))free_context },
    { OSSL_FUNC_CIPHER_ENCRYPT_INIT, (void (*)(void))init_seal },
    { OSSL_FUNC_CIPHER_DECRYPT_INIT, (void (*)(void))init_open },
    { OSSL_FUNC_CIPHER_UPDATE, (void (*)(void))update },
    { OSSL_FUNC_CIPHER_FINAL, (void (*)(void)) final },
    { OSSL_FUNC_CIPHER_GET_PARAMS, (void (*)(void))get_params },
    { OSSL_FUNC_CIPHER_GET_CTX_PARAMS, (void (*)(void))get_context_params },
    { OSSL_FUNC_CIPHER_SET_CTX_PARAMS, (void (*)(void))set_context_params },
    { OSSL_FUNC_CIPHER_GETTABLE_PARAMS, (void (*)(void))list_params },
    { OSSL_FUNC_CIPHER_GETTABLE_CTX_PARAMS, (void (*)(void))list_readable },
    { OSSL_FUNC_CIPHER_SETTABLE_CTX_PARAMS, (void (*)(void))list_writable },
    { 0, NULL },
};

static const OSSL_ALGORITHM *list_algorithms(void *provider, int operation, int *no_cache)
{
    static const OSSL_ALGORITHM ciphers[] = {
        { "AES-128-GCM:id-aes128-GCM:2.16.840.1.101.3.4.1.6", "provider=" NAME "," PROPERTY, cipher,
          NULL },
        { NULL, NULL, NULL, NULL },
    };

    (void)provider;
    *no_cache = 0;
    return operation == OSSL_OP_CIPHER ? ciphers : NULL;
}

static int start_provider(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *core,
                          const OSSL_DISPATCH **out_functions, void **out_provider)
{
    static const OSSL_DISPATCH functions[] = {
        { OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))list_algorithms },
        { 0, NULL },
    };

    (void)core;
    *out_functions = functions;
    *out_provider = (void *)(uintptr_t)handle;
    return 1;
}

static bool is_worth_it(void)
{
    const uint64_t needs = IMB_FEATURE_VAES | IMB_FEATURE_AESNI;

    manager = alloc_mb_mgr(0);
    if (manager == NULL)
        return false;
    init_mb_mgr_auto(manager, NULL);
    if (imb_get_errno(manager) == 0 && (manager->features & needs) == needs)
        return true;
    free_mb_mgr(manager);
    manager = NULL;
    return false;
}

/* OpenSSL's own first: who names no property gets the first there is. */
static void install(void)
{
    if (!is_worth_it())
        return;
    providers[0] = OSSL_PROVIDER_load(NULL, "default");
    if (providers[0] != NULL && OSSL_PROVIDER_add_builtin(NULL, NAME, start_provider) == 1)
        providers[1] = OSSL_PROVIDER_load(NULL, NAME);
    if (providers[1] != NULL)
        query = "?" PROPERTY;
    ERR_clear_error();
}

const char *mesh_tlsgcm_get_query(void)
{
    (void)pthread_once(&once, install);
    return query;
}

#else

#include <stddef.h>

const char *mesh_tlsgcm_get_query(void)
{
    return NULL;
}

#endif
