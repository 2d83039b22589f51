/* server/relay/udp.h: the relay's sockets and what comes in: recvmmsg with UDP GRO. One thread. */
#pragma once

#include "common/std/attr.h"
#include "common/std/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One datagram, or several of @segment bytes (the last may be shorter), of one source. */
typedef struct {
    uint8_t     *data; /* the receiver's until the next receive */
    size_t       len;
    size_t       segment;
    MeshEndpoint from;
    MeshAddr     local; /* what it was sent to; family 0: unknown */
} RelayDatagrams;

/* Binds @port on [::] with IPv4, or on 0.0.0.0 where there is no IPv6; 0: any port.
 * Returns: the socket; negative errno. */
MESH_CHECKED int relay_udp_open(uint16_t port, bool *out_is_v6);

uint16_t relay_udp_get_port(int fd); /* 0: none */

typedef struct RelayReceiver RelayReceiver;

MESH_CHECKED int relay_udp_receiver_new(RelayReceiver **out_self);
void             relay_udp_receiver_free(RelayReceiver *self); /* NULL is fine */

/* What has come on @fd. Returns: how many, in *@out_datagrams; 0: nothing now. */
unsigned relay_udp_receive(RelayReceiver *self, int fd, RelayDatagrams **out_datagrams);
