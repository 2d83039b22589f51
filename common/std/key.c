/* common/std/key.c: see key.h. All of it is libsodium, named for what we use it for. */
#include "common/std/key.h"

#include "common/std/base64.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

int mesh_key_init(void)
{
    return sodium_init() < 0 ? -EIO : 0;
}

void mesh_key_random(void *out, size_t len)
{
    randombytes_buf(out, len);
}

int mesh_key_parse(const char *text, MeshKey *out_key)
{
    MeshKey key = { 0 };

    if (mesh_base64_decode(text, key.bytes, sizeof(key.bytes), NULL) < 0)
        return -EINVAL;
    *out_key = key;
    mesh_key_wipe(&key, sizeof(key));
    return 0;
}

char *mesh_key_format(const MeshKey *key, char out_text[MESH_KEY_TEXT_SIZE])
{
    sodium_bin2base64(out_text, MESH_KEY_TEXT_SIZE, key->bytes, sizeof(key->bytes),
                      sodium_base64_VARIANT_ORIGINAL);
    return out_text;
}

bool mesh_key_equal(const MeshKey *a, const MeshKey *b)
{
    return sodium_memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool mesh_key_is_zero(const MeshKey *key)
{
    return sodium_is_zero(key->bytes, sizeof(key->bytes)) == 1;
}

void mesh_key_wipe(void *secret, size_t len)
{
    sodium_memzero(secret, len);
}

void mesh_key_make_private(MeshKey *out_private)
{
    mesh_key_random(out_private->bytes, sizeof(out_private->bytes));
    out_private->bytes[0] &= 248;
    out_private->bytes[31] = (uint8_t)((out_private->bytes[31] & 127) | 64);
}

void mesh_key_make_public(const MeshKey *private_key, MeshKey *out_public)
{
    MeshKey public_key;

    /* Only a zero result fails, and the base point times a clamped scalar is never zero. */
    if (crypto_scalarmult_base(public_key.bytes, private_key->bytes) != 0)
        abort();
    *out_public = public_key;
}

void *mesh_key_alloc(size_t len)
{
    void *secret = sodium_malloc(len);

    if (secret != NULL)
        memset(secret, 0, len);
    return secret;
}

void mesh_key_free(void *secret)
{
    sodium_free(secret);
}

void mesh_key_protect(void *secret, MeshKeyAccess access)
{
    int rc;

    if (access == MESH_KEY_NOACCESS)
        rc = sodium_mprotect_noaccess(secret);
    else if (access == MESH_KEY_READONLY)
        rc = sodium_mprotect_readonly(secret);
    else
        rc = sodium_mprotect_readwrite(secret);
    /* Systems without mprotect answer ENOSYS: there the pages stay as they are. */
    if (rc != 0 && errno != ENOSYS)
        abort();
}
