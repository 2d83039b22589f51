/* common/std/sign.c: see sign.h. */
#include "common/std/sign.h"

#include "common/std/writer.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define SIGN_DOMAIN   "mesh1-"
#define SIGN_TYPE_MAX 32

void mesh_sign_make_pair(const uint8_t seed[MESH_SIGN_SEED_BYTES], MeshSignSecret *out_secret,
                         MeshKey *out_public)
{
    MeshSignSecret secret;
    MeshKey        public_key;

    /* Documented to fail never; a pair that was not made must not be used. */
    if (crypto_sign_seed_keypair(public_key.bytes, secret.bytes, seed) != 0)
        abort();
    if (out_secret != NULL)
        *out_secret = secret;
    if (out_public != NULL)
        *out_public = public_key;
    mesh_key_wipe(&secret, sizeof(secret));
}

/* The bytes that are signed, owned by the caller (free()). */
static int join_input(const MeshSignInput *input, uint8_t **out_bytes, size_t *out_len)
{
    size_t type_len = strlen(input->type);
    size_t len =
        sizeof(SIGN_DOMAIN) + type_len + input->network_id.len + input->message.len; /* its NUL */
    MeshWriter w;
    uint8_t   *bytes;

    if (type_len == 0 || type_len > SIGN_TYPE_MAX)
        return -EINVAL;
    bytes = malloc(len);
    if (bytes == NULL)
        return -ENOMEM;
    w = mesh_writer_make(bytes, len);
    mesh_writer_bytes(&w, SIGN_DOMAIN, sizeof(SIGN_DOMAIN) - 1);
    mesh_writer_bytes(&w, input->type, type_len + 1); /* with its NUL, so no type begins another */
    mesh_writer_bytes(&w, input->network_id.data, input->network_id.len);
    mesh_writer_bytes(&w, input->message.data, input->message.len);
    *out_bytes = bytes;
    *out_len = len;
    return 0;
}

void mesh_sign_sign_raw(const MeshSignSecret *secret, MeshSpan message,
                        MeshSignature *out_signature)
{
    if (crypto_sign_detached(out_signature->bytes, NULL, message.data, message.len,
                             secret->bytes) != 0)
        abort(); /* documented to fail never */
}

/* libsodium refuses S ≥ L and public keys and R of small order or not canonical (its default
 * build, which Debian's is; the unit test holds it to that). */
int mesh_sign_verify_raw(const MeshKey *public_key, MeshSpan message,
                         const MeshSignature *signature)
{
    if (crypto_sign_verify_detached(signature->bytes, message.data, message.len,
                                    public_key->bytes) != 0)
        return -EBADMSG;
    return 0;
}

int mesh_sign_sign(const MeshSignSecret *secret, const MeshSignInput *input,
                   MeshSignature *out_signature)
{
    uint8_t *bytes;
    size_t   len;
    int      rc = join_input(input, &bytes, &len);

    if (rc < 0)
        return rc;
    mesh_sign_sign_raw(secret, MESH_SPAN(bytes, len), out_signature);
    free(bytes);
    return 0;
}

int mesh_sign_verify(const MeshKey *public_key, const MeshSignInput *input,
                     const MeshSignature *signature)
{
    uint8_t *bytes;
    size_t   len;
    int      rc = join_input(input, &bytes, &len);

    if (rc < 0)
        return rc;
    rc = mesh_sign_verify_raw(public_key, MESH_SPAN(bytes, len), signature);
    free(bytes);
    return rc;
}
