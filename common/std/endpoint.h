/* common/std/endpoint.h: an address with a port, as text and as a socket address.
 *
 * Any thread, no allocation, no name lookup. MeshEndpoint is declared in common/std/ip.h. */
#pragma once

#include "common/std/attr.h"
#include "common/std/ip.h"

#include <sys/socket.h>

#define MESH_ENDPOINT_TEXT_SIZE 72 /* "[address%scope]:port" with its NUL */

MeshEndpoint mesh_endpoint_make(const MeshAddr *addr, uint16_t port);

/* @addr and @port in host order. */
MeshEndpoint mesh_endpoint_make4(uint32_t addr, uint16_t port);

/* "1.2.3.4:5", "[fd00::1]:5", "[fe80::1%3]:5" (scope as a number). Port 1-65535, decimal.
 * Returns: 0; -EINVAL. */
MESH_CHECKED int mesh_endpoint_parse(const char *text, MeshEndpoint *out_endpoint);

/* The same text into MESH_ENDPOINT_TEXT_SIZE bytes; "-" for no address. Returns @out_text. */
char *mesh_endpoint_format(const MeshEndpoint *endpoint, char *out_text);

/* Address, port and scope are the same. */
bool mesh_endpoint_equal(const MeshEndpoint *a, const MeshEndpoint *b);

/* From what the kernel gave; v4-mapped IPv6 becomes IPv4 when @unmap.
 * Returns: 0; -EAFNOSUPPORT: neither family; -EINVAL: @len too short for its family. */
MESH_CHECKED int mesh_endpoint_from_sockaddr(const struct sockaddr *sa, socklen_t len, bool unmap,
                                             MeshEndpoint *out_endpoint);

/* Fills @out_sa. Returns its length; 0 when @endpoint has no address. */
socklen_t mesh_endpoint_to_sockaddr(const MeshEndpoint *endpoint, struct sockaddr_storage *out_sa);
