/* common/std/ip.c: see ip.h. */
#include "common/std/ip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static uint8_t family_bits(int family)
{
    if (family == AF_INET)
        return 32;
    return family == AF_INET6 ? 128 : 0;
}

/* The first @bits bits of both are the same. */
static bool equal_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    uint8_t mask = (uint8_t)(0xff00u >> (bits % 8));

    if (memcmp(a, b, bits / 8) != 0)
        return false;
    return bits % 8 == 0 || ((a[bits / 8] ^ b[bits / 8]) & mask) == 0;
}

MeshAddr mesh_ip_make_addr(int family, const uint8_t *bytes)
{
    MeshAddr addr = { 0 };

    if (family_bits(family) == 0)
        return addr;
    addr.family = (uint16_t)family;
    memcpy(addr.bytes, bytes, family_bits(family) / 8);
    return addr;
}

int mesh_ip_parse_addr(const char *text, MeshAddr *out_addr)
{
    int     family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
    uint8_t bytes[16];

    if (inet_pton(family, text, bytes) != 1)
        return -EINVAL;
    *out_addr = mesh_ip_make_addr(family, bytes);
    return 0;
}

char *mesh_ip_format_addr(const MeshAddr *addr, char *out_text)
{
    if (family_bits(addr->family) == 0 ||
        inet_ntop(addr->family, addr->bytes, out_text, MESH_IP_ADDR_TEXT_SIZE) == NULL)
        memcpy(out_text, "-", 2);
    return out_text;
}

bool mesh_ip_equal_addr(const MeshAddr *a, const MeshAddr *b)
{
    return a->family == b->family && equal_bits(a->bytes, b->bytes, family_bits(a->family));
}

typedef struct {
    uint8_t bytes[16];
    uint8_t bits;
    uint8_t class;
} ClassRow;

/* First match wins (RFC 6890 and the IANA special-purpose registries). */
static const ClassRow classes4[] = {
    { { 0 }, 8, MESH_IP_NONE },
    { { 127 }, 8, MESH_IP_LOOPBACK },
    { { 169, 254 }, 16, MESH_IP_LINK_LOCAL },
    { { 224 }, 3, MESH_IP_MULTICAST },
    { { 10 }, 8, MESH_IP_PRIVATE },
    { { 172, 16 }, 12, MESH_IP_PRIVATE },
    { { 192, 168 }, 16, MESH_IP_PRIVATE },
    { { 100, 64 }, 10, MESH_IP_SHARED },
    { { 0 }, 0, MESH_IP_GLOBAL },
};
static const ClassRow classes6[] = {
    { { 0 }, 128, MESH_IP_NONE },
    { { [15] = 1 }, 128, MESH_IP_LOOPBACK },
    { { 0xfe, 0x80 }, 10, MESH_IP_LINK_LOCAL },
    { { 0xff }, 8, MESH_IP_MULTICAST },
    { { 0xfc }, 7, MESH_IP_PRIVATE },
    { { 0 }, 0, MESH_IP_GLOBAL },
};
static const uint8_t v4_mapped[12] = { [10] = 0xff, [11] = 0xff };

static MeshIpClass classify(const ClassRow *row, const uint8_t *bytes)
{
    while (!equal_bits(row->bytes, bytes, row->bits))
        row++; /* the last row has no bits, so it always matches */
    return (MeshIpClass)row->class;
}

MeshIpClass mesh_ip_class(const MeshAddr *addr)
{
    if (addr->family == AF_INET)
        return classify(classes4, addr->bytes);
    if (addr->family != AF_INET6)
        return MESH_IP_NONE;
    if (memcmp(addr->bytes, v4_mapped, sizeof(v4_mapped)) == 0)
        return classify(classes4, addr->bytes + sizeof(v4_mapped));
    return classify(classes6, addr->bytes);
}

/* 1 to 3 decimal digits, no sign, no leading zero. */
static int parse_bits(const char *text, uint8_t max_bits, uint8_t *out_bits)
{
    unsigned value = 0;
    size_t   len = strlen(text);

    if (len == 0 || len > 3 || (len > 1 && text[0] == '0'))
        return -EINVAL;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return -EINVAL;
        value = value * 10 + (unsigned)(*text - '0');
    }
    if (value > max_bits)
        return -EINVAL;
    *out_bits = (uint8_t)value;
    return 0;
}

int mesh_ip_parse_cidr(const char *text, MeshPrefix *out_prefix)
{
    const char *slash = strchr(text, '/');
    size_t      len = slash != NULL ? (size_t)(slash - text) : strlen(text);
    char        addr_text[MESH_IP_ADDR_TEXT_SIZE];
    MeshPrefix  prefix;

    if (len >= sizeof(addr_text))
        return -EINVAL;
    memcpy(addr_text, text, len);
    addr_text[len] = '\0';
    if (mesh_ip_parse_addr(addr_text, &prefix.addr) < 0)
        return -EINVAL;
    prefix.bits = family_bits(prefix.addr.family);
    if (slash != NULL && parse_bits(slash + 1, prefix.bits, &prefix.bits) < 0)
        return -EINVAL;
    *out_prefix = prefix;
    return 0;
}

int mesh_ip_parse_prefix(const char *text, MeshPrefix *out_prefix)
{
    MeshPrefix prefix, masked;
    int        rc = mesh_ip_parse_cidr(text, &prefix);

    if (rc < 0)
        return rc;
    masked = mesh_ip_mask_prefix(&prefix);
    if (!mesh_ip_equal_addr(&masked.addr, &prefix.addr))
        return -EINVAL;
    *out_prefix = prefix;
    return 0;
}

char *mesh_ip_format_prefix(const MeshPrefix *prefix, char *out_text)
{
    size_t len = strlen(mesh_ip_format_addr(&prefix->addr, out_text));

    if (family_bits(prefix->addr.family) != 0)
        snprintf(out_text + len, MESH_IP_PREFIX_TEXT_SIZE - len, "/%u", prefix->bits);
    return out_text;
}

MeshPrefix mesh_ip_mask_prefix(const MeshPrefix *prefix)
{
    MeshPrefix masked = *prefix;
    uint8_t    max_bits = family_bits(prefix->addr.family);

    if (masked.bits > max_bits)
        masked.bits = max_bits;
    for (unsigned i = 0; i < sizeof(masked.addr.bytes); i++) {
        unsigned kept = masked.bits > i * 8 ? masked.bits - i * 8 : 0;

        if (kept < 8)
            masked.addr.bytes[i] &= (uint8_t)(0xff00u >> kept);
    }
    return masked;
}

bool mesh_ip_equal_prefix(const MeshPrefix *a, const MeshPrefix *b)
{
    return a->bits == b->bits && mesh_ip_equal_addr(&a->addr, &b->addr);
}

bool mesh_ip_contains(const MeshPrefix *prefix, const MeshAddr *addr)
{
    unsigned max_bits = family_bits(prefix->addr.family);

    if (max_bits == 0 || prefix->addr.family != addr->family || prefix->bits > max_bits)
        return false;
    return equal_bits(prefix->addr.bytes, addr->bytes, prefix->bits);
}

bool mesh_ip_overlaps(const MeshPrefix *a, const MeshPrefix *b)
{
    const MeshPrefix *wide = a->bits <= b->bits ? a : b;

    return mesh_ip_contains(wide, wide == a ? &b->addr : &a->addr);
}
