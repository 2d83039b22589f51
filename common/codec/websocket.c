#include "common/codec/websocket.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "common/std/base64.h"

enum {
    CONTINUATION = 0,
    BINARY = 2,
    CLOSE = 8,
    PING = 9,
    PONG = 10,
    FIN = 0x80,
    RESERVED = 0x70,
    OPCODE = 0x0f,
    MASKED = 0x80,
    LEN = 0x7f,
    LEN16 = 126,
    LEN64 = 127,
    SHA1_BYTES = 20,
};

static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 §1.3 */

void mesh_websocket_init(MeshWebsocket *self, bool from_client)
{
    *self = (MeshWebsocket){ .masked = from_client };
}

static bool is_control(uint8_t opcode)
{
    return opcode >= CLOSE;
}

/* How long the head is, as far as its first two bytes tell. */
static size_t head_length(const uint8_t *head)
{
    size_t len = 2 + ((head[1] & MASKED) != 0 ? 4u : 0u);

    if ((head[1] & LEN) == LEN16)
        return len + 2;
    return (head[1] & LEN) == LEN64 ? len + 8 : len;
}

/* What may follow what. The last frame of a message ends it. */
static bool is_in_order(MeshWebsocket *self, uint8_t first)
{
    uint8_t opcode = first & OPCODE;

    if ((first & RESERVED) != 0)
        return false;
    if (is_control(opcode))
        return opcode <= PONG && (first & FIN) != 0;
    if (opcode != (self->open ? CONTINUATION : BINARY))
        return false; /* text is no stream of bytes */
    self->open = (first & FIN) == 0;
    return true;
}

/* A whole head. */
static int take_head(MeshWebsocket *self)
{
    const uint8_t *at = self->head + 2;
    uint8_t        n_len = (uint8_t)(head_length(self->head) - 2 - (self->masked ? 4 : 0));

    if (((self->head[1] & MASKED) != 0) != self->masked || !is_in_order(self, self->head[0]))
        return -EBADMSG;
    self->opcode = self->head[0] & OPCODE;
    self->left = n_len == 0 ? self->head[1] & LEN : 0;
    for (uint8_t i = 0; i < n_len; i++)
        self->left = self->left << 8 | *at++;
    if ((n_len == 2 && self->left < LEN16) || (n_len == 8 && self->left <= UINT16_MAX) ||
        self->left > MESH_WEBSOCKET_MAX_BYTES ||
        (is_control(self->opcode) && self->left > MESH_WEBSOCKET_CONTROL_BYTES))
        return -EBADMSG;
    if (self->masked)
        memcpy(self->mask, at, sizeof(self->mask));
    self->n_head = 0;
    self->n_control = 0;
    self->masked_bytes = 0;
    return 0;
}

static void unmask(const uint8_t mask[4], uint32_t from, uint8_t *data, size_t len)
{
    uint64_t wide;
    uint8_t  turned[8];
    size_t   i = 0;

    for (uint32_t m = 0; m < sizeof(turned); m++)
        turned[m] = mask[(from + m) & 3];
    for (; len - i >= sizeof(wide); i += sizeof(wide)) {
        uint64_t bits;

        memcpy(&wide, data + i, sizeof(wide));
        memcpy(&bits, turned, sizeof(bits));
        wide ^= bits;
        memcpy(data + i, &wide, sizeof(wide));
    }
    for (; i < len; i++)
        data[i] ^= turned[i & 7];
}

/* A control frame is whole. */
static int end_control(MeshWebsocket *self)
{
    if (self->opcode == CLOSE)
        return -EPIPE;
    if (self->opcode == PING) { /* only the last of several need be answered */
        memcpy(self->ping, self->control, self->n_control);
        self->n_ping = self->n_control;
        self->pinged = true;
    }
    return 0;
}

/* Payload of the frame under way. @inout_out: where the next byte of the stream goes. */
static int take_payload(MeshWebsocket *self, uint8_t *data, size_t len, uint8_t **inout_out)
{
    if (self->masked)
        unmask(self->mask, self->masked_bytes, data, len);
    self->masked_bytes = (self->masked_bytes + (uint32_t)len) & 3;
    self->left -= len;
    if (!is_control(self->opcode)) {
        memmove(*inout_out, data, len);
        *inout_out += len;
        return 0;
    }
    memcpy(self->control + self->n_control, data, len);
    self->n_control = (uint8_t)(self->n_control + len);
    return self->left == 0 ? end_control(self) : 0;
}

/* Bytes of a head, one by one. Returns: 0; or what is wrong with it. */
static int take_head_byte(MeshWebsocket *self, uint8_t byte)
{
    int rc;

    self->head[self->n_head++] = byte;
    if (self->n_head < 2 || self->n_head < head_length(self->head))
        return 0;
    rc = take_head(self);
    if (rc == 0 && self->left == 0 && is_control(self->opcode))
        rc = end_control(self);
    return rc;
}

int mesh_websocket_decode(MeshWebsocket *self, uint8_t *data, size_t len, size_t *out_len)
{
    uint8_t *out = data;
    size_t   at = 0;
    int      rc = 0;

    while (rc == 0 && at < len) {
        size_t n = len - at;

        if (self->left == 0) {
            rc = take_head_byte(self, data[at++]);
            continue;
        }
        if (n > self->left)
            n = (size_t)self->left;
        rc = take_payload(self, data + at, n, &out);
        at += n;
    }
    *out_len = (size_t)(out - data);
    return rc;
}

/* Writes a head so that it ends at @end. Returns its length. */
static size_t put_head(uint8_t opcode, size_t len, const uint8_t *mask, uint8_t *end)
{
    uint8_t *at = end;
    uint8_t  n_len = len < LEN16 ? 0 : len <= UINT16_MAX ? 2 : 8;

    if (mask != NULL)
        at = memcpy(at - 4, mask, 4);
    for (uint8_t i = 0; i < n_len; i++)
        *--at = (uint8_t)(len >> (8 * i));
    *--at = (uint8_t)((mask != NULL ? MASKED : 0) | (n_len == 0   ? (uint8_t)len
                                                     : n_len == 2 ? LEN16
                                                                  : LEN64));
    *--at = FIN | opcode;
    return (size_t)(end - at);
}

size_t mesh_websocket_wrap(const uint8_t *mask, uint8_t *payload, size_t len)
{
    if (mask != NULL)
        unmask(mask, 0, payload, len);
    return put_head(BINARY, len, mask, payload);
}

size_t mesh_websocket_take_pong(MeshWebsocket *self, const uint8_t *mask, uint8_t *out)
{
    uint8_t head[MESH_WEBSOCKET_HEAD_BYTES];
    size_t  n;

    if (!self->pinged)
        return 0;
    self->pinged = false;
    n = put_head(PONG, self->n_ping, mask, head + sizeof(head));
    memcpy(out, head + sizeof(head) - n, n);
    memcpy(out + n, self->ping, self->n_ping);
    if (mask != NULL)
        unmask(mask, 0, out + n, self->n_ping);
    return n + self->n_ping;
}

int mesh_websocket_accept(const char *key, size_t len, char out[MESH_WEBSOCKET_ACCEPT_BYTES])
{
    uint8_t text[MESH_WEBSOCKET_KEY_CHARS + sizeof(guid) - 1], digest[SHA1_BYTES];

    if (len != MESH_WEBSOCKET_KEY_CHARS)
        return -EINVAL;
    memcpy(text, key, len);
    memcpy(text + len, guid, sizeof(guid) - 1);
    if (EVP_Digest(text, sizeof(text), digest, NULL, EVP_sha1(), NULL) != 1)
        return -EINVAL;
    return mesh_base64_encode((MeshSpan){ digest, sizeof(digest) }, out,
                              MESH_WEBSOCKET_ACCEPT_BYTES);
}
