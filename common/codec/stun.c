/* common/codec/stun.c: see stun.h. */
#include "common/codec/stun.h"

#include "common/std/bytes.h"
#include "common/std/writer.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define COOKIE           0x2112A442U
#define FINGERPRINT_MASK 0x5354554EU

enum {
    ATTR_MAPPED_ADDRESS = 0x0001, /* of old servers; read as nothing: a NAT may have rewritten it */
    ATTR_CHANGE_REQUEST = 0x0003,
    ATTR_ERROR_CODE = 0x0009,
    ATTR_UNKNOWN = 0x000A,
    ATTR_XOR_MAPPED = 0x0020,
    ATTR_PADDING = 0x0026,
    ATTR_RESPONSE_PORT = 0x0027,
    ATTR_OPTIONAL = 0x8000, /* from here on: may be ignored */
    ATTR_FINGERPRINT = 0x8028,

    FAMILY_IP4 = 1,
    FAMILY_IP6 = 2,
    ATTR_HEAD_BYTES = 4,
};

bool mesh_stun_is(MeshSpan datagram)
{
    MeshReader r = mesh_bytes_make_reader(datagram.data, datagram.len);
    uint32_t   first, cookie;

    return datagram.len >= MESH_STUN_HEAD_BYTES && mesh_bytes_read_u32be(&r, &first) &&
           (first >> 30) == 0 && mesh_bytes_read_u32be(&r, &cookie) && cookie == COOKIE;
}

/* CRC-32 of ITU V.42, as in Ethernet. Bit by bit: it is rare and short. */
static uint32_t crc32(const uint8_t *data, size_t len)
{
    uint32_t crc = 0xFFFFFFFFU;

    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xEDB88320U : 0);
    }
    return ~crc;
}

/* The address is XORed with the magic cookie and the transaction (RFC 8489 §14.2). */
static void mask_address(const uint8_t *txid, uint8_t *bytes, size_t len)
{
    const uint8_t cookie[4] = { 0x21, 0x12, 0xA4, 0x42 };

    for (size_t i = 0; i < len; i++)
        bytes[i] ^= i < sizeof(cookie) ? cookie[i] : txid[i - sizeof(cookie)];
}

static bool read_mapped(MeshReader *r, MeshStunMessage *message)
{
    uint8_t  reserved, family, bytes[16] = { 0 };
    uint16_t port;
    size_t   len;

    if (!mesh_bytes_read_u8(r, &reserved) || !mesh_bytes_read_u8(r, &family) ||
        !mesh_bytes_read_u16be(r, &port) || (family != FAMILY_IP4 && family != FAMILY_IP6))
        return false;
    len = family == FAMILY_IP4 ? 4 : 16;
    if (mesh_bytes_left(r) != len || !mesh_bytes_read_copy(r, bytes, len))
        return false;
    mask_address(message->txid, bytes, len);
    message->mapped = (MeshEndpoint){
        .addr = mesh_ip_make_addr(family == FAMILY_IP4 ? AF_INET : AF_INET6, bytes),
        .port = (uint16_t)(port ^ COOKIE >> 16),
    };
    return true;
}

static bool read_error(MeshReader *r, MeshStunMessage *message)
{
    uint16_t reserved;
    uint8_t class, number;

    if (!mesh_bytes_read_u16be(r, &reserved) || !mesh_bytes_read_u8(r, &class) ||
        !mesh_bytes_read_u8(r, &number))
        return false;
    class &= 7;
    if (class < 3 || class > 6 || number > 99)
        return false;
    message->error = (uint16_t)(class * 100 + number);
    return true;
}

static bool read_change(MeshReader *r, MeshStunMessage *message)
{
    uint32_t flags;

    if (mesh_bytes_left(r) != 4 || !mesh_bytes_read_u32be(r, &flags))
        return false;
    message->has_change = true;
    message->change = (uint8_t)(flags & (MESH_STUN_CHANGE_PORT | MESH_STUN_CHANGE_IP));
    return true;
}

/* A port, perhaps with its two bytes of padding counted (RFC 5780 §7.5 leaves that open). */
static bool read_response_port(MeshReader *r, MeshStunMessage *message)
{
    size_t len = mesh_bytes_left(r);

    return (len == 2 || len == 4) && mesh_bytes_read_u16be(r, &message->response_port);
}

static bool read_unknown(MeshReader *r, MeshStunMessage *message)
{
    uint16_t type;

    if (mesh_bytes_left(r) % 2 != 0)
        return false;
    while (mesh_bytes_read_u16be(r, &type))
        if (message->n_unknown < MESH_STUN_MAX_UNKNOWN)
            message->unknown[message->n_unknown++] = type;
    return true;
}

/* One attribute's value; false: malformed. The first of a type counts (RFC 8489 §14). */
static bool read_attribute(uint16_t type, MeshReader *value, MeshStunMessage *message)
{
    switch (type) {
    case ATTR_XOR_MAPPED:
        return message->mapped.addr.family != 0 || read_mapped(value, message);
    case ATTR_ERROR_CODE:
        return message->error != 0 || read_error(value, message);
    case ATTR_CHANGE_REQUEST:
        return message->has_change || read_change(value, message);
    case ATTR_RESPONSE_PORT:
        return message->response_port != 0 || read_response_port(value, message);
    case ATTR_UNKNOWN:
        return message->type != MESH_STUN_FAILURE || read_unknown(value, message);
    case ATTR_MAPPED_ADDRESS:
    case ATTR_PADDING:
        return true;
    default:
        if (type < ATTR_OPTIONAL && message->type != MESH_STUN_FAILURE &&
            message->n_unknown < MESH_STUN_MAX_UNKNOWN)
            message->unknown[message->n_unknown++] = type;
        return true;
    }
}

/* FINGERPRINT ends the message and covers all before it, with the length as it stands. */
static bool check_fingerprint(const uint8_t *message, const MeshReader *value, const MeshReader *r)
{
    size_t   before = (size_t)(value->at - ATTR_HEAD_BYTES - message);
    uint32_t want;

    MeshReader v = *value;

    return mesh_bytes_left(r) == 0 && mesh_bytes_left(&v) == 4 &&
           mesh_bytes_read_u32be(&v, &want) && want == (crc32(message, before) ^ FINGERPRINT_MASK);
}

static bool is_type(uint16_t type)
{
    return type == MESH_STUN_REQUEST || type == MESH_STUN_INDICATION || type == MESH_STUN_SUCCESS ||
           type == MESH_STUN_FAILURE;
}

int mesh_stun_decode(MeshSpan datagram, MeshStunMessage *out_message)
{
    MeshReader      r = mesh_bytes_make_reader(datagram.data, datagram.len);
    MeshStunMessage message = { .n_unknown = 0 };
    uint16_t        type, length;

    if (!mesh_stun_is(datagram) || datagram.len > MESH_STUN_MAX_BYTES ||
        !mesh_bytes_read_u16be(&r, &type) || !is_type(type) ||
        !mesh_bytes_read_u16be(&r, &length) || length % 4 != 0 ||
        length != datagram.len - MESH_STUN_HEAD_BYTES || !mesh_bytes_skip(&r, 4) ||
        !mesh_bytes_read_copy(&r, message.txid, sizeof(message.txid)))
        return -EBADMSG;
    message.type = type;
    while (mesh_bytes_left(&r) > 0) {
        MeshReader value;
        uint16_t   attr, len;

        if (!mesh_bytes_read_u16be(&r, &attr) || !mesh_bytes_read_u16be(&r, &len) ||
            !mesh_bytes_take(&r, len, &value) || !mesh_bytes_skip(&r, (size_t)(-len & 3)))
            return -EBADMSG;
        if (attr == ATTR_FINGERPRINT && !check_fingerprint(datagram.data, &value, &r))
            return -EBADMSG;
        if (!read_attribute(attr, &value, &message))
            return -EBADMSG;
    }
    *out_message = message;
    return 0;
}

static MeshWriter begin(MeshStunType type, const uint8_t *txid, uint8_t *out, size_t size)
{
    MeshWriter w = mesh_writer_make(out, size);

    mesh_writer_u16be(&w, (uint16_t)type);
    mesh_writer_u16be(&w, 0); /* the length comes last */
    mesh_writer_u32be(&w, COOKIE);
    mesh_writer_bytes(&w, txid, MESH_STUN_TXID_BYTES);
    return w;
}

static int finish(const MeshWriter *w, size_t *out_len)
{
    size_t len;
    int    rc = mesh_writer_finish(w, &len);

    if (rc < 0)
        return rc;
    w->start[2] = (uint8_t)((len - MESH_STUN_HEAD_BYTES) >> 8);
    w->start[3] = (uint8_t)(len - MESH_STUN_HEAD_BYTES);
    *out_len = len;
    return 0;
}

static void write_attribute_head(MeshWriter *w, uint16_t type, size_t len)
{
    mesh_writer_u16be(w, type);
    mesh_writer_u16be(w, (uint16_t)len);
}

int mesh_stun_encode_request(const MeshStunMessage *message, size_t pad_to, uint8_t *out,
                             size_t size, size_t *out_len)
{
    MeshWriter w = begin(MESH_STUN_REQUEST, message->txid, out, size);
    size_t     len = MESH_STUN_HEAD_BYTES;

    len += message->change != 0 ? ATTR_HEAD_BYTES + 4 : 0;
    len += message->response_port != 0 ? ATTR_HEAD_BYTES + 4 : 0;
    if (message->change != 0) {
        write_attribute_head(&w, ATTR_CHANGE_REQUEST, 4);
        mesh_writer_u32be(&w, message->change);
    }
    if (message->response_port != 0) {
        write_attribute_head(&w, ATTR_RESPONSE_PORT, 2);
        mesh_writer_u16be(&w, message->response_port);
        mesh_writer_zeros(&w, 2);
    }
    if (pad_to != 0) {
        if (pad_to % 4 != 0 || pad_to < len + ATTR_HEAD_BYTES || pad_to > MESH_STUN_MAX_BYTES)
            return -EINVAL;
        write_attribute_head(&w, ATTR_PADDING, pad_to - len - ATTR_HEAD_BYTES);
        mesh_writer_zeros(&w, pad_to - len - ATTR_HEAD_BYTES);
    }
    return finish(&w, out_len);
}

static void write_mapped(MeshWriter *w, const MeshStunMessage *message)
{
    bool    is4 = message->mapped.addr.family == AF_INET;
    size_t  len = is4 ? 4 : 16;
    uint8_t bytes[16];

    memcpy(bytes, message->mapped.addr.bytes, sizeof(bytes));
    mask_address(message->txid, bytes, len);
    write_attribute_head(w, ATTR_XOR_MAPPED, 4 + len);
    mesh_writer_u8(w, 0);
    mesh_writer_u8(w, is4 ? FAMILY_IP4 : FAMILY_IP6);
    mesh_writer_u16be(w, (uint16_t)(message->mapped.port ^ COOKIE >> 16));
    mesh_writer_bytes(w, bytes, len);
}

/* ERROR-CODE without a phrase, which is for people, and UNKNOWN-ATTRIBUTES. */
static void write_error(MeshWriter *w, const MeshStunMessage *message)
{
    write_attribute_head(w, ATTR_ERROR_CODE, 4);
    mesh_writer_u32be(w, (uint32_t)(message->error / 100) << 8 | message->error % 100);
    if (message->n_unknown == 0)
        return;
    write_attribute_head(w, ATTR_UNKNOWN, (size_t)message->n_unknown * 2);
    for (uint8_t i = 0; i < message->n_unknown; i++)
        mesh_writer_u16be(w, message->unknown[i]);
    if (message->n_unknown % 2 != 0)
        mesh_writer_zeros(w, 2);
}

int mesh_stun_encode_answer(const MeshStunMessage *message, uint8_t *out, size_t size,
                            size_t *out_len)
{
    bool       is_success = message->mapped.addr.family != 0;
    MeshWriter w =
        begin(is_success ? MESH_STUN_SUCCESS : MESH_STUN_FAILURE, message->txid, out, size);

    if (!is_success && (message->error < 300 || message->error > 699 ||
                        message->n_unknown > MESH_STUN_MAX_UNKNOWN))
        return -EINVAL;
    if (is_success)
        write_mapped(&w, message);
    else
        write_error(&w, message);
    return finish(&w, out_len);
}
