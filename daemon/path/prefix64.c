#include "daemon/path/prefix64.h"

#include "common/std/endpoint.h"

#include <string.h>
#include <sys/socket.h>

enum {
    IP4_BYTES = 4,
    RESERVED_AT = 8, /* RFC 6052 §2.2: this byte is zero, and no part of the IPv4 address */
    BITS_A_BYTE = 8,
    LAST_BITS = 96,
};

static const uint8_t lengths[] = { LAST_BITS, 64, 56, 48, 40, 32 };

/* Where byte @i of the IPv4 address stands behind a prefix of @bits. */
static size_t locate(unsigned bits, size_t i)
{
    size_t at = bits / BITS_A_BYTE + i;

    return bits < LAST_BITS && at >= RESERVED_AT ? at + 1 : at;
}

/* The IPv4 address of ipv4only.arpa, 192.0.0.170 or .171, behind a prefix of @bits? */
static bool has_known(const MeshAddr *addr, unsigned bits)
{
    static const uint8_t known[IP4_BYTES - 1] = { 192, 0, 0 };
    uint8_t              last = addr->bytes[locate(bits, IP4_BYTES - 1)];

    for (size_t i = 0; i < sizeof known; i++)
        if (addr->bytes[locate(bits, i)] != known[i])
            return false;
    return (last == 170 || last == 171) && (bits == LAST_BITS || addr->bytes[RESERVED_AT] == 0);
}

static bool find_one(const MeshAddr *addr, PathPrefix64 *out)
{
    unsigned bits = 0;

    for (size_t i = 0; i < sizeof lengths; i++) {
        if (!has_known(addr, lengths[i]))
            continue;
        if (bits != 0)
            return false;
        bits = lengths[i];
    }
    if (bits == 0)
        return false;
    *out = (PathPrefix64){ .addr = { .family = AF_INET6 }, .bits = (uint8_t)bits };
    memcpy(out->addr.bytes, addr->bytes, bits / BITS_A_BYTE);
    return true;
}

bool path_prefix64_find(const MeshAddr *addrs, size_t n, PathPrefix64 *out_prefix)
{
    for (size_t i = 0; i < n; i++)
        if (addrs[i].family == AF_INET6 && find_one(&addrs[i], out_prefix))
            return true;
    return false;
}

MeshAddr path_prefix64_make(const PathPrefix64 *prefix, const MeshAddr *ip4)
{
    MeshAddr addr = prefix->addr;

    for (size_t i = 0; i < IP4_BYTES; i++)
        addr.bytes[locate(prefix->bits, i)] = ip4->bytes[i];
    return addr;
}

bool path_prefix64_has(const PathPrefix64 *prefix, const MeshAddr *addr)
{
    return prefix->bits != 0 && addr->family == AF_INET6 &&
           memcmp(prefix->addr.bytes, addr->bytes, prefix->bits / BITS_A_BYTE) == 0;
}

/* RFC 6052 §3.1: addresses that are not public are nobody's behind a NAT64. */
MeshEndpoint path_prefix64_translate(const PathPrefix64 *prefix, const MeshEndpoint *endpoint)
{
    MeshAddr addr;

    if (prefix->bits == 0 || endpoint->addr.family != AF_INET ||
        mesh_ip_class(&endpoint->addr) != MESH_IP_GLOBAL)
        return *endpoint;
    addr = path_prefix64_make(prefix, &endpoint->addr);
    return mesh_endpoint_make(&addr, endpoint->port);
}

size_t path_prefix64_translate_all(const PathPrefix64 *prefix, const MeshRecordEndpoint *list,
                                   size_t n, MeshRecordEndpoint out[MESH_RECORD_MAX_ENDPOINTS])
{
    size_t n_out = n < MESH_RECORD_MAX_ENDPOINTS ? n : MESH_RECORD_MAX_ENDPOINTS;

    for (size_t i = 0; i < n_out; i++)
        out[i] =
            (MeshRecordEndpoint){ .endpoint = path_prefix64_translate(prefix, &list[i].endpoint),
                                  .kind = list[i].kind };
    return n_out;
}

static void fill(const PathPrefix64 *prefix, const MeshEndpoint *at4, MeshEndpoint *at6)
{
    if (at6->addr.family == 0 && at4->addr.family == AF_INET && prefix->bits != 0)
        *at6 = path_prefix64_translate(prefix, at4);
    if (at6->addr.family != AF_INET6)
        *at6 = (MeshEndpoint){ .port = 0 };
}

void path_prefix64_fill(const PathPrefix64 *prefix, PathRelay *relay)
{
    fill(prefix, &relay->at4, &relay->at6);
    fill(prefix, &relay->tls4, &relay->tls6);
}
