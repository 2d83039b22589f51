#include "common/codec/lanhello.h"

#include "common/std/bytes.h"
#include "common/std/hash.h"
#include "common/std/writer.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

enum {
    VERSION = 1,
    TAG = crypto_aead_xchacha20poly1305_ietf_ABYTES,
    OVERHEAD = MESH_LANHELLO_NONCE_BYTES + TAG,
    NET_BYTES = 8,
};

_Static_assert(crypto_aead_xchacha20poly1305_ietf_NPUBBYTES == MESH_LANHELLO_NONCE_BYTES,
               "nonce of XChaCha20");
_Static_assert(crypto_aead_xchacha20poly1305_ietf_KEYBYTES == MESH_KEY_BYTES, "its key");

void mesh_lanhello_derive(const MeshKey *lan, const uint8_t net[8], MeshKey *out_key)
{
    static const char label[] = "mesh1-lan";
    uint8_t           data[sizeof label - 1 + NET_BYTES];

    memcpy(data, label, sizeof label - 1);
    memcpy(data + sizeof label - 1, net, NET_BYTES);
    mesh_hash_blake2s_keyed(MESH_SPAN(lan->bytes, MESH_KEY_BYTES), MESH_SPAN(data, sizeof data),
                            out_key->bytes, MESH_KEY_BYTES);
}

static void write_record(MeshWriter *w, const MeshLanhelloRecord *record)
{
    mesh_writer_u16be(w, (uint16_t)record->body.len);
    mesh_writer_bytes(w, record->body.data, record->body.len);
    mesh_writer_bytes(w, record->signature.bytes, MESH_SIGN_BYTES);
}

static bool is_sendable(const MeshLanhelloRecord *record)
{
    return record->body.len > 0 && record->body.len <= UINT16_MAX;
}

/* Zeros up to where the whole datagram is a multiple of a block. */
static void pad(MeshWriter *w)
{
    size_t rest = (mesh_writer_length(w) + OVERHEAD) % MESH_LANHELLO_BLOCK_BYTES;

    if (rest != 0)
        mesh_writer_zeros(w, MESH_LANHELLO_BLOCK_BYTES - rest);
}

int mesh_lanhello_seal(const MeshKey *key, const MeshLanhello *hello, uint8_t *out, size_t size,
                       size_t *out_len)
{
    uint8_t    plain[MESH_LANHELLO_MAX_BYTES - OVERHEAD];
    MeshWriter w = mesh_writer_make(plain, sizeof plain);
    size_t     len = 0;

    if (!is_sendable(&hello->k) || !is_sendable(&hello->e))
        return -EINVAL;
    mesh_writer_u8(&w, VERSION);
    mesh_writer_bytes(&w, hello->node.bytes, MESH_KEY_BYTES);
    write_record(&w, &hello->k);
    write_record(&w, &hello->e);
    pad(&w);
    if (mesh_writer_finish(&w, &len) < 0 || len + OVERHEAD > size)
        return -ENOSPC;
    mesh_key_random(out, MESH_LANHELLO_NONCE_BYTES);
    crypto_aead_xchacha20poly1305_ietf_encrypt(out + MESH_LANHELLO_NONCE_BYTES, NULL, plain, len,
                                               NULL, 0, NULL, out, key->bytes);
    *out_len = len + OVERHEAD;
    return 0;
}

static bool read_record(MeshReader *r, MeshLanhelloRecord *out)
{
    uint16_t   len;
    MeshReader body;

    if (!mesh_bytes_read_u16be(r, &len) || len == 0 || !mesh_bytes_take(r, len, &body) ||
        !mesh_bytes_read_copy(r, out->signature.bytes, MESH_SIGN_BYTES))
        return false;
    out->body = MESH_SPAN(body.at, len);
    return true;
}

static bool is_padding(MeshReader *r)
{
    uint8_t byte, any = 0;

    if (mesh_bytes_left(r) >= MESH_LANHELLO_BLOCK_BYTES)
        return false;
    while (mesh_bytes_read_u8(r, &byte))
        any |= byte;
    return any == 0;
}

int mesh_lanhello_open(const MeshKey *key, MeshSpan datagram,
                       uint8_t plain[MESH_LANHELLO_MAX_BYTES], MeshLanhello *out_hello)
{
    const uint8_t     *bytes = datagram.data;
    unsigned long long len = 0;
    MeshLanhello       hello;
    MeshReader         r;
    uint8_t            version;

    if (datagram.len < MESH_LANHELLO_MIN_BYTES || datagram.len > MESH_LANHELLO_MAX_BYTES ||
        datagram.len % MESH_LANHELLO_BLOCK_BYTES != 0)
        return -EPROTO;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain, &len, NULL,
                                                   bytes + MESH_LANHELLO_NONCE_BYTES,
                                                   datagram.len - MESH_LANHELLO_NONCE_BYTES, NULL,
                                                   0, bytes, key->bytes) != 0)
        return -EBADMSG;
    r = mesh_bytes_make_reader(plain, (size_t)len);
    if (!mesh_bytes_read_u8(&r, &version) || version != VERSION ||
        !mesh_bytes_read_copy(&r, hello.node.bytes, MESH_KEY_BYTES) || !read_record(&r, &hello.k) ||
        !read_record(&r, &hello.e) || !is_padding(&r))
        return -EPROTO;
    *out_hello = hello;
    return 0;
}
