/* daemon/wire/udp-open.h: UDP sockets with the options that a plane wants. Any thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/std/attr.h"

#define WIRE_UDP_SEND_BYTES (256u * 1024u) /* a socket's, sent and not yet out */

/** wire_udp_open: a non-blocking socket of one family with all options the plane wants, bound.
 * @inout_port: 0: the kernel chooses; written then.
 * Returns: a descriptor; -EAFNOSUPPORT; -EADDRINUSE; -EPERM: the mark; other errno. */
MESH_CHECKED int wire_udp_open(int family, uint16_t *inout_port, uint32_t fwmark);

/** wire_udp_open_beside: the same on a port that a socket of ours has, after wire_udp_share() of
 * that one. */
MESH_CHECKED int wire_udp_open_beside(int family, uint16_t port, uint32_t fwmark);

/** wire_udp_share: from now on other sockets of ours that share may have its port, too
 * (SO_REUSEPORT). Returns: 0; negative errno. */
MESH_CHECKED int wire_udp_share(int fd);

/** wire_udp_prepare: sets on a bound socket of another's making what wire_udp_open() sets but
 * IPV6_V6ONLY.
 * @out_port: what it is bound to. Returns: 0; -EINVAL: not a bound UDP socket; -EPERM: the mark. */
MESH_CHECKED int wire_udp_prepare(int fd, uint32_t fwmark, uint16_t *out_port);
MESH_CHECKED int wire_udp_set_mark(int fd, uint32_t fwmark); /* 0; -EPERM */

/** wire_udp_set_send_buffer: the kernel holds twice as much. */
void wire_udp_set_send_buffer(int fd, size_t bytes);

/** wire_udp_get_held: of the kernel's memory, in what was sent on it and is not yet out. 0: it does
 * not tell (Linux 4.12). */
size_t wire_udp_get_held(int fd);

/** wire_udp_widen: for what is to be sent now, once. Returns: false: it may not be so much. */
bool wire_udp_widen(int fd);

/** wire_udp_set_gro: lets the kernel hand over runs of datagrams as one (UDP_GRO, Linux 5.0).
 * Returns: 0; -ENOPROTOOPT: it does not know that. */
MESH_CHECKED int wire_udp_set_gro(int fd);

/** wire_udp_probe_gso: Returns: 0; -EOPNOTSUPP: the kernel does not know UDP_SEGMENT. That a route
 * takes it is seen only when it is used. */
MESH_CHECKED int wire_udp_probe_gso(void);

bool wire_udp_probe_gro(void); /* whether the kernel knows UDP_GRO */
