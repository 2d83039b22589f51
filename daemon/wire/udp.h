/* daemon/wire/udp.h: batches of datagrams in and out, with the addresses at both ends.
 *
 * Callers hand over whole batches; UDP GSO and GRO go behind these calls. The scratch of a sender
 * or receiver belongs to one thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/std/attr.h"
#include "daemon/wire/packet.h"
#include "daemon/wire/route.h"
#include "daemon/wire/sockets.h"

#define WIRE_UDP_MAX_RECEIVE 64u /* datagrams a call */

/** wire_udp_open: a non-blocking socket of one family with all options the plane wants, bound.
 * @inout_port: 0: the kernel chooses; written then.
 * Returns: a descriptor; -EAFNOSUPPORT; -EADDRINUSE; -EPERM: the mark; other errno. */
MESH_CHECKED int wire_udp_open(int family, uint16_t *inout_port, uint32_t fwmark);
MESH_CHECKED int wire_udp_set_mark(int fd, uint32_t fwmark); /* 0; -EPERM */

/* Received: @hop.remote is the sender, @hop.source our address that it used. */
typedef struct {
    WirePacket packet; /* in the receiver's slab until the next call */
    WireHop    hop;
} WireDatagram;

typedef struct WireUdpReceiver WireUdpReceiver;

MESH_CHECKED int wire_udp_receiver_new(WireUdpReceiver **out_self); /* 0; -ENOMEM */
void             wire_udp_receiver_free(WireUdpReceiver *self);     /* NULL is fine */

/** wire_udp_receive: what waits on @fd, at most WIRE_UDP_MAX_RECEIVE. Returns: how many. */
size_t wire_udp_receive(WireUdpReceiver *self, int fd, WireDatagram *out_datagrams);

/** WireUdpRun: datagrams in their order to one place. */
typedef struct {
    WireHop           hop;
    const WirePacket *packets; /* borrowed */
    size_t            n_packets;
    size_t            n_sent;        /* out */
    int               error;         /* out: of the last that was not sent; 0 */
    bool              source_failed; /* out: the kernel refused hop.source; it chose itself */
} WireUdpRun;

typedef struct WireUdpSender WireUdpSender;

MESH_CHECKED int wire_udp_sender_new(WireUdpSender **out_self); /* 0; -ENOMEM */
void             wire_udp_sender_free(WireUdpSender *self);     /* NULL is fine */

/** wire_udp_send: sends the runs, at most WIRE_MAX_BATCH packets and as many runs together. Waits,
 * shortly, while a socket is full; what does not go then, or at all, is dropped and counted. */
void wire_udp_send(WireUdpSender *self, const WireSockets *sockets, WireUdpRun *runs,
                   size_t n_runs);
