/* common/codec/relaybind.c: see relaybind.h. */
#include "common/codec/relaybind.h"

#include "common/codec/relayframe.h"
#include "common/codec/seenat.h"
#include "common/std/bytes.h"
#include "common/std/hash.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

enum {
    BIND_NETWORK_AT = 76,
    BIND_FIXED_BYTES = 84, /* before the token */
    BOUND_MAC_BYTES = 16,
    BOUND_MACED_BYTES = MESH_RELAYBIND_BOUND_BYTES - BOUND_MAC_BYTES,
};

/* `kind 01 00 00` and @greeting's nonce. */
static MeshWriter begin(uint8_t kind, const MeshRelayGreeting *greeting, uint8_t *out, size_t size)
{
    MeshWriter w = mesh_writer_make(out, size);

    mesh_writer_u32be(&w, (uint32_t)kind << 24 | MESH_RELAYBIND_VERSION << 16);
    mesh_writer_bytes(&w, greeting->nonce, sizeof(greeting->nonce));
    return w;
}

void mesh_relaybind_encode_hello(const MeshRelayGreeting *greeting,
                                 uint8_t                  out[MESH_RELAYBIND_HELLO_BYTES])
{
    MeshWriter w = begin(MESH_RELAYBIND_KIND_HELLO, greeting, out, MESH_RELAYBIND_HELLO_BYTES);

    mesh_writer_zeros(&w, MESH_RELAYBIND_HELLO_BYTES - mesh_writer_length(&w));
}

void mesh_relaybind_encode_cookie(const MeshRelayGreeting *greeting,
                                  uint8_t                  out[MESH_RELAYBIND_COOKIE_BYTES])
{
    MeshWriter w = begin(MESH_RELAYBIND_KIND_COOKIE, greeting, out, MESH_RELAYBIND_COOKIE_BYTES);

    mesh_writer_bytes(&w, greeting->cookie, sizeof(greeting->cookie));
}

/* A datagram of @kind, its version behind; the two bytes after that are the caller's. */
static bool read_start(MeshReader *r, uint8_t kind, uint8_t *out_version, uint16_t *out_rest)
{
    uint8_t have;

    return mesh_bytes_read_u8(r, &have) && have == kind && mesh_bytes_read_u8(r, out_version) &&
           mesh_bytes_read_u16be(r, out_rest);
}

int mesh_relaybind_decode_hello(MeshSpan datagram, MeshRelayGreeting *out_greeting)
{
    MeshReader        r = mesh_bytes_make_reader(datagram.data, datagram.len);
    MeshRelayGreeting greeting = { { 0 }, { 0 } };
    uint8_t           version;
    uint16_t          rest;

    if (datagram.len < MESH_RELAYBIND_HELLO_BYTES ||
        !read_start(&r, MESH_RELAYBIND_KIND_HELLO, &version, &rest) ||
        version != MESH_RELAYBIND_VERSION ||
        !mesh_bytes_read_copy(&r, greeting.nonce, sizeof(greeting.nonce)))
        return -EBADMSG;
    *out_greeting = greeting;
    return 0;
}

int mesh_relaybind_decode_cookie(MeshSpan datagram, MeshRelayGreeting *out_greeting)
{
    MeshReader        r = mesh_bytes_make_reader(datagram.data, datagram.len);
    MeshRelayGreeting greeting = { 0 };
    uint8_t           version;
    uint16_t          rest;

    if (datagram.len != MESH_RELAYBIND_COOKIE_BYTES ||
        !read_start(&r, MESH_RELAYBIND_KIND_COOKIE, &version, &rest) ||
        version != MESH_RELAYBIND_VERSION ||
        !mesh_bytes_read_copy(&r, greeting.nonce, sizeof(greeting.nonce)) ||
        !mesh_bytes_read_copy(&r, greeting.cookie, sizeof(greeting.cookie)))
        return -EBADMSG;
    *out_greeting = greeting;
    return 0;
}

/* rk ‖ every byte of BIND before the signature, as the input of type "bind". */
static MeshSignInput make_input(const MeshKey *rk, MeshSpan before, uint8_t *buffer)
{
    memcpy(buffer, rk->bytes, MESH_KEY_BYTES);
    memcpy(buffer + MESH_KEY_BYTES, before.data, before.len);
    return (MeshSignInput){
        .type = "bind",
        .network_id =
            MESH_SPAN(buffer + MESH_KEY_BYTES + BIND_NETWORK_AT, MESH_RELAYBIND_NETWORK_BYTES),
        .message = MESH_SPAN(buffer, MESH_KEY_BYTES + before.len),
    };
}

void mesh_relaybind_name_server(const MeshKey *key, uint8_t out[MESH_RELAYBIND_SERVER_ID_BYTES])
{
    MeshSpan part = MESH_SPAN(key->bytes, sizeof(key->bytes));
    uint8_t  hash[MESH_HASH_BYTES];

    mesh_hash_sha256(&part, 1, hash);
    memcpy(out, hash, MESH_RELAYBIND_SERVER_ID_BYTES);
}

int mesh_relaybind_encode_bind(const MeshRelayBind *bind, const MeshKey *rk,
                               const MeshSignSecret *node, MeshWriter *w)
{
    uint8_t       buffer[MESH_KEY_BYTES + MESH_RELAYBIND_MAX_BYTES];
    uint8_t      *start = w->at;
    MeshSignInput input;
    MeshSignature signature;
    int           rc;

    if (bind->token.len == 0 || bind->token.len > MESH_RELAYBIND_MAX_TOKEN_BYTES)
        return -EINVAL;
    mesh_writer_u8(w, MESH_RELAYBIND_KIND_BIND);
    mesh_writer_u8(w, MESH_RELAYBIND_VERSION);
    mesh_writer_u16be(w, (uint16_t)bind->token.len);
    mesh_writer_bytes(w, bind->greeting.nonce, sizeof(bind->greeting.nonce));
    mesh_writer_bytes(w, bind->greeting.cookie, sizeof(bind->greeting.cookie));
    mesh_writer_bytes(w, bind->ephemeral.bytes, sizeof(bind->ephemeral.bytes));
    mesh_writer_bytes(w, bind->server_id, sizeof(bind->server_id));
    mesh_writer_bytes(w, bind->network_id, sizeof(bind->network_id));
    mesh_writer_bytes(w, bind->token.data, bind->token.len);
    mesh_writer_bytes(w, bind->token_signature.bytes, sizeof(bind->token_signature.bytes));
    if (w->overflow)
        return -ENOSPC;
    input = make_input(rk, MESH_SPAN(start, (size_t)(w->at - start)), buffer);
    rc = mesh_sign_sign(node, &input, &signature);
    if (rc < 0)
        return rc;
    mesh_writer_bytes(w, signature.bytes, sizeof(signature.bytes));
    return w->overflow ? -ENOSPC : 0;
}

int mesh_relaybind_decode_bind(MeshSpan datagram, MeshRelayBind *out_bind)
{
    MeshReader    r = mesh_bytes_make_reader(datagram.data, datagram.len), token;
    MeshRelayBind bind = { .version = 0 };
    uint16_t      token_len;

    if (!read_start(&r, MESH_RELAYBIND_KIND_BIND, &bind.version, &token_len) || token_len == 0 ||
        token_len > MESH_RELAYBIND_MAX_TOKEN_BYTES ||
        !mesh_bytes_read_copy(&r, bind.greeting.nonce, sizeof(bind.greeting.nonce)) ||
        !mesh_bytes_read_copy(&r, bind.greeting.cookie, sizeof(bind.greeting.cookie)) ||
        !mesh_bytes_read_copy(&r, bind.ephemeral.bytes, sizeof(bind.ephemeral.bytes)) ||
        !mesh_bytes_read_copy(&r, bind.server_id, sizeof(bind.server_id)) ||
        !mesh_bytes_read_copy(&r, bind.network_id, sizeof(bind.network_id)) ||
        !mesh_bytes_take(&r, token_len, &token) ||
        !mesh_bytes_read_copy(&r, bind.token_signature.bytes, sizeof(bind.token_signature.bytes)) ||
        mesh_bytes_left(&r) != MESH_SIGN_BYTES)
        return -EBADMSG;
    bind.token = MESH_SPAN(token.at, token_len);
    *out_bind = bind;
    return 0;
}

int mesh_relaybind_verify_bind(MeshSpan datagram, const MeshKey *rk, const MeshKey *node)
{
    uint8_t       buffer[MESH_KEY_BYTES + MESH_RELAYBIND_MAX_BYTES];
    MeshSignature signature;
    MeshSignInput input;
    size_t        before;

    if (datagram.len < BIND_FIXED_BYTES + 2 * MESH_SIGN_BYTES ||
        datagram.len > MESH_RELAYBIND_MAX_BYTES)
        return -EBADMSG;
    before = datagram.len - MESH_SIGN_BYTES;
    memcpy(signature.bytes, (const uint8_t *)datagram.data + before, sizeof(signature.bytes));
    input = make_input(rk, MESH_SPAN(datagram.data, before), buffer);
    return mesh_sign_verify(node, &input, &signature);
}

/* First 16 bytes of BLAKE2s-256(key K_down, the bytes before it). */
static void make_bound_mac(const MeshRelayKey *down, const uint8_t *frame, uint8_t *out_mac)
{
    uint8_t hash[MESH_HASH_BYTES];

    mesh_hash_blake2s_keyed(MESH_SPAN(down->bytes, sizeof(down->bytes)),
                            MESH_SPAN(frame, BOUND_MACED_BYTES), hash, sizeof(hash));
    memcpy(out_mac, hash, BOUND_MAC_BYTES);
}

void mesh_relaybind_encode_bound(const MeshRelayBound *bound, const MeshRelayKey *down,
                                 uint8_t out[MESH_RELAYBIND_BOUND_BYTES])
{
    MeshWriter w = mesh_writer_make(out, MESH_RELAYBIND_BOUND_BYTES);

    mesh_writer_u8(&w, MESH_RELAYBIND_KIND_BOUND);
    mesh_writer_u8(&w, MESH_RELAYBIND_VERSION);
    mesh_writer_u8(&w, (uint8_t)bound->status);
    mesh_writer_u8(&w, 0);
    mesh_writer_bytes(&w, bound->nonce, sizeof(bound->nonce));
    mesh_writer_u32be(&w, bound->session);
    mesh_writer_u32be(&w, bound->life_s);
    mesh_seenat_write(&w, &bound->seen);
    mesh_writer_zeros(&w, 2);
    make_bound_mac(down, out, out + BOUND_MACED_BYTES);
}

int mesh_relaybind_decode_bound(MeshSpan datagram, const MeshRelayKey *down,
                                MeshRelayBound *out_bound)
{
    MeshReader     r = mesh_bytes_make_reader(datagram.data, datagram.len);
    MeshRelayBound bound = { .session = 0 };
    uint8_t        version, want[BOUND_MAC_BYTES];
    uint16_t       status;

    if (datagram.len != MESH_RELAYBIND_BOUND_BYTES ||
        !read_start(&r, MESH_RELAYBIND_KIND_BOUND, &version, &status) ||
        version != MESH_RELAYBIND_VERSION)
        return -EBADMSG;
    make_bound_mac(down, datagram.data, want);
    if (sodium_memcmp(want, (const uint8_t *)datagram.data + BOUND_MACED_BYTES, sizeof(want)) != 0)
        return -EACCES;
    if (!mesh_bytes_read_copy(&r, bound.nonce, sizeof(bound.nonce)) ||
        !mesh_bytes_read_u32be(&r, &bound.session) || !mesh_bytes_read_u32be(&r, &bound.life_s) ||
        !mesh_seenat_read(&r, &bound.seen) || bound.session > MESH_RELAY_SESSION_MAX)
        return -EBADMSG;
    bound.status = (MeshRelayStatus)(status >> 8);
    *out_bound = bound;
    return 0;
}

void mesh_relaybind_encode_reset(const uint8_t head[8], uint8_t out[MESH_RELAYBIND_RESET_BYTES])
{
    MeshWriter w = mesh_writer_make(out, MESH_RELAYBIND_RESET_BYTES);

    mesh_writer_u32be(&w, MESH_RELAYBIND_KIND_RESET << 24 | MESH_RELAYBIND_VERSION << 16);
    mesh_writer_bytes(&w, head, 8);
}

int mesh_relaybind_decode_reset(MeshSpan datagram, uint8_t out_head[8])
{
    MeshReader r = mesh_bytes_make_reader(datagram.data, datagram.len);
    uint8_t    version;
    uint16_t   rest;

    if (datagram.len != MESH_RELAYBIND_RESET_BYTES ||
        !read_start(&r, MESH_RELAYBIND_KIND_RESET, &version, &rest) ||
        version != MESH_RELAYBIND_VERSION || !mesh_bytes_read_copy(&r, out_head, 8))
        return -EBADMSG;
    return 0;
}
