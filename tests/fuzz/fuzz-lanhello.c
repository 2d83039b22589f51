/* tests/fuzz/fuzz-lanhello.c: an announcement from the own link, as it comes and as the content of
 * one that a member sealed. What is taken says the same when it is sealed and opened again. */
#include "common/codec/lanhello.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

enum { NONCE = MESH_LANHELLO_NONCE_BYTES, OVERHEAD = NONCE + 16 };

static const MeshKey key = { { 7 } };

static bool is_same(const MeshLanhelloRecord *a, const MeshLanhelloRecord *b)
{
    return a->body.len == b->body.len && memcmp(a->body.data, b->body.data, a->body.len) == 0 &&
           memcmp(&a->signature, &b->signature, sizeof a->signature) == 0;
}

static void check(const MeshLanhello *hello, const uint8_t *plain)
{
    uint8_t      bytes[MESH_LANHELLO_MAX_BYTES], again[MESH_LANHELLO_MAX_BYTES];
    MeshLanhello copy;
    size_t       len = 0;

    assert(hello->k.body.len > 0 && hello->e.body.len > 0);
    assert((const uint8_t *)hello->k.body.data > plain &&
           (const uint8_t *)hello->e.body.data + hello->e.body.len <=
               plain + MESH_LANHELLO_MAX_BYTES - OVERHEAD);
    assert(mesh_lanhello_seal(&key, hello, bytes, sizeof bytes, &len) == 0);
    assert(len % MESH_LANHELLO_BLOCK_BYTES == 0);
    assert(mesh_lanhello_open(&key, MESH_SPAN(bytes, len), again, &copy) == 0);
    assert(mesh_key_equal(&copy.node, &hello->node));
    assert(is_same(&copy.k, &hello->k) && is_same(&copy.e, &hello->e));
}

static void open_content(const uint8_t *data, size_t size)
{
    uint8_t      bytes[MESH_LANHELLO_MAX_BYTES] = { 0 }, plain[MESH_LANHELLO_MAX_BYTES];
    size_t       len = (size + OVERHEAD + 63) / 64 * 64; /* the rest: zeros */
    MeshLanhello hello;

    if (len > sizeof bytes || len < MESH_LANHELLO_MIN_BYTES)
        return;
    memset(plain, 0, sizeof plain);
    if (size > 0)
        memcpy(plain, data, size);
    crypto_aead_xchacha20poly1305_ietf_encrypt(bytes + NONCE, NULL, plain, len - OVERHEAD, NULL, 0,
                                               NULL, bytes, key.bytes);
    if (mesh_lanhello_open(&key, MESH_SPAN(bytes, len), plain, &hello) == 0)
        check(&hello, plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint8_t     *bytes = malloc(len == 0 ? 1 : len); /* its own end: reading over it is seen */
    uint8_t      plain[MESH_LANHELLO_MAX_BYTES];
    MeshLanhello hello;

    assert(bytes != NULL && mesh_key_init() == 0);
    if (len > 0)
        memcpy(bytes, data, len);
    if (mesh_lanhello_open(&key, MESH_SPAN(bytes, len), plain, &hello) == 0)
        check(&hello, plain);
    open_content(bytes, len);
    free(bytes);
    return 0;
}
