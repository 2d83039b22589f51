#include "daemon/dns/reverse.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { LABEL_BITS4 = 8, LABEL_BITS6 = 4, MAX_LABELS = 32 };

static bool get_root(int family, DnsName *out_root)
{
    return dns_name_parse(family == AF_INET ? "in-addr.arpa" : "ip6.arpa", out_root) == 0;
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "0" to "255" without leading zeros, or one hexadecimal digit. -1: neither. */
static int read_label(int family, const uint8_t *label)
{
    unsigned value = 0;

    if (family == AF_INET6)
        return label[0] == 1 ? hex_value(label[1]) : -1;
    if (label[0] > 3 || (label[0] > 1 && label[1] == '0'))
        return -1;
    for (unsigned i = 1; i <= label[0]; i++) {
        if (label[i] < '0' || label[i] > '9')
            return -1;
        value = value * 10 + (unsigned)(label[i] - '0');
    }
    return value <= 255 ? (int)value : -1;
}

static bool parse_labels(int family, const DnsName *name, size_t front, MeshPrefix *out_prefix)
{
    unsigned   label_bits = family == AF_INET ? LABEL_BITS4 : LABEL_BITS6;
    unsigned   max = (family == AF_INET ? 32u : 128u) / label_bits;
    MeshPrefix prefix = { .addr.family = (uint16_t)family };
    uint8_t    values[MAX_LABELS];
    unsigned   n = 0;

    for (size_t i = 0; i < front; i += 1u + name->bytes[i]) {
        int value = n < max ? read_label(family, name->bytes + i) : -1;

        if (value < 0)
            return false;
        values[n++] = (uint8_t)value;
    }
    for (unsigned i = 0; i < n; i++) { /* the last label is the first of the address */
        uint8_t value = values[n - 1 - i];

        if (family == AF_INET)
            prefix.addr.bytes[i] = value;
        else
            prefix.addr.bytes[i / 2] |= (uint8_t)(i % 2 == 0 ? value << 4 : value);
    }
    prefix.bits = (uint8_t)(n * label_bits);
    *out_prefix = prefix;
    return true;
}

bool dns_reverse_parse(const DnsName *name, MeshPrefix *out_prefix)
{
    static const int families[] = { AF_INET, AF_INET6 };

    for (size_t i = 0; i < MESH_N_ELEMENTS(families); i++) {
        DnsName root;
        size_t  front = 0;

        if (get_root(families[i], &root) && dns_name_is_under(name, &root, &front))
            return parse_labels(families[i], name, front, out_prefix);
    }
    return false;
}

DnsName dns_reverse_make(const MeshAddr *addr, unsigned bits)
{
    unsigned label_bits = addr->family == AF_INET ? LABEL_BITS4 : LABEL_BITS6;
    DnsName  name = { 0 };
    char     label[4];

    if (addr->family == 0 || !get_root(addr->family, &name))
        return name;
    for (unsigned i = 0; i < bits / label_bits; i++) {
        DnsName longer;

        if (addr->family == AF_INET)
            snprintf(label, sizeof label, "%u", addr->bytes[i]);
        else
            snprintf(label, sizeof label, "%x",
                     i % 2 == 0 ? addr->bytes[i / 2] >> 4 : addr->bytes[i / 2] & 0xf);
        if (dns_name_prepend(label, &name, &longer) < 0)
            break; /* cannot be: the longest has 74 bytes */
        name = longer;
    }
    return name;
}

size_t dns_reverse_list(const MeshPrefix *prefix, DnsName out_zones[DNS_REVERSE_MAX_ZONES])
{
    unsigned label_bits = prefix->addr.family == AF_INET ? LABEL_BITS4 : LABEL_BITS6;
    unsigned whole = (prefix->bits + label_bits - 1) / label_bits * label_bits;
    size_t   n = (size_t)1 << (whole - prefix->bits);
    MeshAddr addr = mesh_ip_mask_prefix(prefix).addr;

    if (addr.family == 0)
        return 0;
    for (size_t i = 0; i < n; i++) {
        MeshAddr each = addr;

        if (n > 1 && label_bits == LABEL_BITS4)
            each.bytes[whole / 8 - 1] |= (uint8_t)i;
        else if (n > 1)
            each.bytes[(whole - 1) / 8] |= (uint8_t)(whole % 8 == 4 ? i << 4 : i);
        out_zones[i] = dns_reverse_make(&each, whole);
    }
    return n;
}
