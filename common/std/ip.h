/* common/std/ip.h: addresses and prefixes as values; endpoints are in common/std/endpoint.h.
 *
 * Any thread, no allocation, no name lookup. Texts are NUL-terminated. Outputs are written on
 * success only. IPv4 in IPv6 (::ffff:a.b.c.d) stays IPv6 unless a function says otherwise. */
#pragma once

#include "common/std/attr.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint16_t family;    /* AF_INET, AF_INET6; 0: no address (a zeroed MeshAddr) */
    uint8_t  bytes[16]; /* network order; IPv4 in the first 4, the rest zero */
} MeshAddr;

typedef struct {
    MeshAddr addr;
    uint8_t  bits; /* 0-32 or 0-128 */
} MeshPrefix;

typedef struct {
    MeshAddr addr;
    uint16_t port;  /* host order; 0: none */
    uint32_t scope; /* interface index of a link-local IPv6 address, else 0 */
} MeshEndpoint;

/* What an address is good for, as far as its number tells. */
typedef enum {
    MESH_IP_NONE,       /* no family, 0.0.0.0/8 or :: */
    MESH_IP_LOOPBACK,   /* 127.0.0.0/8, ::1 */
    MESH_IP_LINK_LOCAL, /* 169.254.0.0/16, fe80::/10 */
    MESH_IP_MULTICAST,  /* 224.0.0.0/3 (multicast, reserved, broadcast), ff00::/8 */
    MESH_IP_PRIVATE,    /* RFC 1918, RFC 4193 */
    MESH_IP_SHARED,     /* 100.64.0.0/10 (RFC 6598) */
    MESH_IP_GLOBAL,     /* everything else; v4-mapped IPv6 is judged as its IPv4 address */
} MeshIpClass;

#define MESH_IP_ADDR_TEXT_SIZE   46 /* longest address text with its NUL */
#define MESH_IP_PREFIX_TEXT_SIZE 50 /* the same with "/128" */

/* @family AF_INET (4 bytes read) or AF_INET6 (16), network order; any other: no address. */
MeshAddr mesh_ip_make_addr(int family, const uint8_t *bytes);

/* "10.1.2.3" or "fd7a::1"; no brackets, no zone, no leading zeros. Returns: 0; -EINVAL. */
MESH_CHECKED int mesh_ip_parse_addr(const char *text, MeshAddr *out_addr);

/* The canonical text (RFC 5952) into MESH_IP_ADDR_TEXT_SIZE bytes; "-" for no address.
 * Returns @out_text. */
char *mesh_ip_format_addr(const MeshAddr *addr, char *out_text);

bool        mesh_ip_equal_addr(const MeshAddr *a, const MeshAddr *b);
MeshIpClass mesh_ip_class(const MeshAddr *addr);

/* "10.0.0.0/8": a network, host bits must be zero. Without "/bits": one address.
 * Returns: 0; -EINVAL: no prefix, or host bits are set. */
MESH_CHECKED int mesh_ip_parse_prefix(const char *text, MeshPrefix *out_prefix);

/* "10.1.2.3/8": an address with the length of its network; host bits may be set and are kept.
 * Without "/bits": one address. Returns: 0; -EINVAL. */
MESH_CHECKED int mesh_ip_parse_cidr(const char *text, MeshPrefix *out_prefix);

/* "addr/bits" into MESH_IP_PREFIX_TEXT_SIZE bytes. Returns @out_text. */
char *mesh_ip_format_prefix(const MeshPrefix *prefix, char *out_text);

/* @prefix with its host bits cleared; bits beyond the family's length are cut to it. */
MeshPrefix mesh_ip_mask_prefix(const MeshPrefix *prefix);

bool mesh_ip_equal_prefix(const MeshPrefix *a, const MeshPrefix *b); /* host bits count */

/* True when @addr is of the prefix's family and inside it; host bits of @prefix are ignored. */
bool mesh_ip_contains(const MeshPrefix *prefix, const MeshAddr *addr);

/* True when the two prefixes share at least one address. */
bool mesh_ip_overlaps(const MeshPrefix *a, const MeshPrefix *b);
