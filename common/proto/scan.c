/* common/proto/scan.c: see scan.h. */
#include "common/proto/scan.h"

#include "common/std/base64.h"

#include <string.h>

enum {
    MAX_DIGITS = 16,
    MAX_BYTES = 64, /* of what is written as base64url */
};

#define MAX_INT ((UINT64_C(1) << 53) - 1)

static size_t left(const MeshScan *self)
{
    return (size_t)(self->end - self->at);
}

bool mesh_scan_word(MeshScan *self, const char *word)
{
    size_t len = strlen(word);

    if (left(self) < len || memcmp(self->at, word, len) != 0)
        return false;
    self->at += len;
    return true;
}

bool mesh_scan_bool(MeshScan *self, bool *out)
{
    *out = mesh_scan_word(self, "true");
    return *out || mesh_scan_word(self, "false");
}

bool mesh_scan_int(MeshScan *self, uint64_t *out)
{
    uint64_t    value = 0;
    const char *first = self->at;

    while (self->at < self->end && *self->at >= '0' && *self->at <= '9') {
        if (self->at - first == MAX_DIGITS)
            return false;
        value = value * 10 + (uint64_t)(*self->at++ - '0');
    }
    if (self->at == first || (*first == '0' && self->at - first > 1) || value > MAX_INT)
        return false;
    /* a point or an exponent would go on: then what follows is not what the caller expects */
    *out = value;
    return true;
}

/* Printable ASCII that stands for itself in a JSON string. */
static bool is_plain(char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

bool mesh_scan_text(MeshScan *self, char *out, size_t size)
{
    size_t len = 0;

    while (len < left(self) && is_plain(self->at[len]))
        len++;
    if (len == left(self) || self->at[len] != '"' || len >= size)
        return false;
    memcpy(out, self->at, len);
    out[len] = '\0';
    self->at += len + 1;
    return true;
}

bool mesh_scan_bytes(MeshScan *self, uint8_t *out, size_t len)
{
    char text[MESH_BASE64URL_SIZE(MAX_BYTES)];

    return mesh_scan_text(self, text, sizeof(text)) &&
           mesh_base64url_decode(text, out, len, NULL) == 0;
}

bool mesh_scan_addr(MeshScan *self, int family, MeshAddr *out)
{
    char text[MESH_IP_ADDR_TEXT_SIZE];

    return mesh_scan_text(self, text, sizeof(text)) && mesh_ip_parse_addr(text, out) == 0 &&
           out->family == family;
}

/* The text of a JSON object inside a JSON string: quotation marks and backslashes are escaped. */
static bool scan_body(MeshScan *self, char *out, size_t max, size_t *out_len)
{
    const char *at = self->at;
    size_t      len = 0;

    for (; at < self->end && *at != '"'; at++) {
        bool escaped = *at == '\\';

        if (escaped && (++at == self->end || (*at != '"' && *at != '\\')))
            return false;
        if ((!escaped && !is_plain(*at)) || len == max)
            return false;
        out[len++] = *at;
    }
    if (at == self->end)
        return false;
    self->at = at + 1;
    *out_len = len;
    return true;
}

MeshSigned *mesh_scan_signed(MeshScan *self, size_t max)
{
    char          body[MESH_SIGNED_MAX_BODY];
    size_t        len;
    MeshSignature signature;

    if (max > sizeof(body) || !mesh_scan_word(self, "{\"b\":\"") ||
        !scan_body(self, body, max, &len) || len < 2 || !mesh_scan_word(self, ",\"s\":\"") ||
        !mesh_scan_bytes(self, signature.bytes, sizeof(signature.bytes)) ||
        !mesh_scan_word(self, "}"))
        return NULL;
    return mesh_signed_new(body, len, signature.bytes, NULL);
}

bool mesh_scan_open(MeshScan *out, const MeshSigned *object, MeshSignedType type,
                    const MeshNetworkId *net)
{
    char        id[MESH_NETWORK_ID_TEXT_SIZE];
    size_t      len;
    const char *body = mesh_signed_get_body(object, &len);

    *out = (MeshScan){ body, body + len };
    return mesh_scan_word(out, "{\"t\":\"") && mesh_scan_word(out, mesh_signed_type_name(type)) &&
           mesh_scan_word(out, "\",\"net\":\"") &&
           mesh_scan_word(out, mesh_network_format_id(net, id)) && mesh_scan_word(out, "\",");
}
