/* common/std/endpoint.c: see endpoint.h. */
#include "common/std/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

MeshEndpoint mesh_endpoint_make(const MeshAddr *addr, uint16_t port)
{
    return (MeshEndpoint){ .addr = *addr, .port = port };
}

MeshEndpoint mesh_endpoint_make4(uint32_t addr, uint16_t port)
{
    uint8_t bytes[4] = { (uint8_t)(addr >> 24), (uint8_t)(addr >> 16), (uint8_t)(addr >> 8),
                         (uint8_t)addr };

    return (MeshEndpoint){ .addr = mesh_ip_make_addr(AF_INET, bytes), .port = port };
}

/* Decimal digits of @text up to @len, 1 to @max; no sign, no leading zero. */
static int parse_number(const char *text, size_t len, uint64_t max, uint32_t *out_value)
{
    uint64_t value = 0;

    if (len == 0 || len > 10 || text[0] == '0')
        return -EINVAL;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -EINVAL;
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    if (value > max)
        return -EINVAL;
    *out_value = (uint32_t)value;
    return 0;
}

/* @text of @len bytes, the part before ":port" without brackets: "1.2.3.4", "fe80::1%3". */
static int parse_host(const char *text, size_t len, bool bracketed, MeshEndpoint *endpoint)
{
    const char *zone = memchr(text, '%', len);
    size_t      addr_len = zone != NULL ? (size_t)(zone - text) : len;
    char        addr_text[MESH_IP_ADDR_TEXT_SIZE];

    if (addr_len >= sizeof(addr_text))
        return -EINVAL;
    memcpy(addr_text, text, addr_len);
    addr_text[addr_len] = '\0';
    if (mesh_ip_parse_addr(addr_text, &endpoint->addr) < 0)
        return -EINVAL;
    if (bracketed != (endpoint->addr.family == AF_INET6))
        return -EINVAL;
    if (zone == NULL)
        return 0;
    if (mesh_ip_class(&endpoint->addr) != MESH_IP_LINK_LOCAL || !bracketed)
        return -EINVAL;
    return parse_number(zone + 1, len - addr_len - 1, UINT32_MAX, &endpoint->scope);
}

int mesh_endpoint_parse(const char *text, MeshEndpoint *out_endpoint)
{
    const char  *colon = strrchr(text, ':');
    MeshEndpoint endpoint = { 0 };
    bool         bracketed = text[0] == '[';
    uint32_t     port;
    size_t       host_len;

    if (colon == NULL)
        return -EINVAL;
    host_len = (size_t)(colon - text);
    if (bracketed) {
        if (host_len < 2 || colon[-1] != ']')
            return -EINVAL;
        text++;
        host_len -= 2;
    }
    if (parse_host(text, host_len, bracketed, &endpoint) < 0)
        return -EINVAL;
    if (parse_number(colon + 1, strlen(colon + 1), UINT16_MAX, &port) < 0)
        return -EINVAL;
    endpoint.port = (uint16_t)port;
    *out_endpoint = endpoint;
    return 0;
}

char *mesh_endpoint_format(const MeshEndpoint *endpoint, char *out_text)
{
    char addr[MESH_IP_ADDR_TEXT_SIZE], zone[12] = "";

    mesh_ip_format_addr(&endpoint->addr, addr);
    if (endpoint->scope != 0)
        snprintf(zone, sizeof(zone), "%%%u", endpoint->scope);
    if (endpoint->addr.family == AF_INET6)
        snprintf(out_text, MESH_ENDPOINT_TEXT_SIZE, "[%s%s]:%u", addr, zone, endpoint->port);
    else if (endpoint->addr.family == AF_INET)
        snprintf(out_text, MESH_ENDPOINT_TEXT_SIZE, "%s:%u", addr, endpoint->port);
    else
        memcpy(out_text, "-", 2);
    return out_text;
}

bool mesh_endpoint_equal(const MeshEndpoint *a, const MeshEndpoint *b)
{
    return a->port == b->port && a->scope == b->scope && mesh_ip_equal_addr(&a->addr, &b->addr);
}

int mesh_endpoint_from_sockaddr(const struct sockaddr *sa, socklen_t len, bool unmap,
                                MeshEndpoint *out_endpoint)
{
    struct sockaddr_in  v4;
    struct sockaddr_in6 v6;
    MeshEndpoint        endpoint = { 0 };

    if (len < sizeof(sa->sa_family))
        return -EINVAL;
    if (sa->sa_family != AF_INET && sa->sa_family != AF_INET6)
        return -EAFNOSUPPORT;
    if (len < (sa->sa_family == AF_INET ? sizeof(v4) : sizeof(v6)))
        return -EINVAL;
    if (sa->sa_family == AF_INET) {
        memcpy(&v4, sa, sizeof(v4));
        *out_endpoint = mesh_endpoint_make4(ntohl(v4.sin_addr.s_addr), ntohs(v4.sin_port));
        return 0;
    }
    memcpy(&v6, sa, sizeof(v6));
    endpoint.port = ntohs(v6.sin6_port);
    if (unmap && IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
        endpoint.addr = mesh_ip_make_addr(AF_INET, v6.sin6_addr.s6_addr + 12);
    } else {
        endpoint.addr = mesh_ip_make_addr(AF_INET6, v6.sin6_addr.s6_addr);
        endpoint.scope = v6.sin6_scope_id;
    }
    *out_endpoint = endpoint;
    return 0;
}

socklen_t mesh_endpoint_to_sockaddr(const MeshEndpoint *endpoint, struct sockaddr_storage *out_sa)
{
    struct sockaddr_in  v4 = { .sin_family = AF_INET, .sin_port = htons(endpoint->port) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(endpoint->port) };

    memset(out_sa, 0, sizeof(*out_sa));
    if (endpoint->addr.family == AF_INET) {
        memcpy(&v4.sin_addr, endpoint->addr.bytes, sizeof(v4.sin_addr));
        memcpy(out_sa, &v4, sizeof(v4));
        return sizeof(v4);
    }
    if (endpoint->addr.family == AF_INET6) {
        memcpy(&v6.sin6_addr, endpoint->addr.bytes, sizeof(v6.sin6_addr));
        v6.sin6_scope_id = endpoint->scope;
        memcpy(out_sa, &v6, sizeof(v6));
        return sizeof(v6);
    }
    return 0;
}
