/* daemon/wire/udp.h: batches of datagrams in and out, with the addresses at both ends.
 *
 * Callers hand over whole batches; UDP GSO and GRO go on behind these calls, each while the kernel
 * takes it. The scratch of a sender or receiver belongs to one thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/std/attr.h"
#include "daemon/wire/counters.h"
#include "daemon/wire/packet.h"
#include "daemon/wire/route.h"
#include "daemon/wire/sockets.h"

#define WIRE_UDP_MAX_RECEIVE 256u /* datagrams a call */

/* Received: @hop->remote is the sender, @hop->source our address that it used. Both lie in the
 * receiver until the next call. */
typedef struct {
    WirePacket     packet;
    const WireHop *hop;
    uint8_t        ecn; /* of the IP packet: WIRE_ECN_… */
} WireDatagram;

typedef struct WireUdpReceiver WireUdpReceiver;

/** wire_udp_receiver_new: for one socket. @counters: of the thread. Returns: 0; -ENOMEM. */
MESH_CHECKED int wire_udp_receiver_new(WireCounters *counters, WireUdpReceiver **out_self);
void             wire_udp_receiver_free(WireUdpReceiver *self); /* NULL is fine */

/** wire_udp_receiver_set_socket: the number that hops of what is received from now on bear. */
void wire_udp_receiver_set_socket(WireUdpReceiver *self, uint8_t socket);

/** wire_udp_receiver_is_empty: nothing received is left to be handed out: it may be used for
 * another descriptor. */
bool wire_udp_receiver_is_empty(const WireUdpReceiver *self);

/** wire_udp_receiver_is_dry: all was handed out, and the last call emptied the socket. */
bool wire_udp_receiver_is_dry(const WireUdpReceiver *self);

/** wire_udp_receive: what waits on @fd, at most WIRE_UDP_MAX_RECEIVE. Returns: how many. */
size_t wire_udp_receive(WireUdpReceiver *self, int fd, WireDatagram *out_datagrams);

/** WireUdpRun: datagrams in their order to one place. Those of equal length go together, best when
 * they lie one behind the other. */
typedef struct {
    WireHop           hop;
    uint8_t           ecn;     /* WIRE_ECN_… of the packets */
    bool              singly;  /* not as one message, whatever the kernel can */
    const WirePacket *packets; /* borrowed */
    size_t            n_packets;
    size_t            n_sent;        /* out */
    bool              joined;        /* out: some of them went as one message */
    int               error;         /* out: of the last that was not sent; 0 */
    bool              source_failed; /* out: the kernel refused hop.source; it chose itself */
} WireUdpRun;

typedef struct WireUdpSender WireUdpSender;

/** wire_udp_sender_new: @gso: as long as the kernel takes it. Returns: 0; -ENOMEM. */
MESH_CHECKED int wire_udp_sender_new(WireCounters *counters, bool gso, WireUdpSender **out_self);
void             wire_udp_sender_free(WireUdpSender *self); /* NULL is fine */

/** wire_udp_sender_set_shard: whose sockets it sends on; at first those of shard 0. And if one of
 * these is full, it makes room for what it sends instead of waiting: from then on whoever calls
 * this looks after that, by wire_udp_sender_take_full(). */
void wire_udp_sender_set_shard(WireUdpSender *self, unsigned shard);

/** wire_udp_sender_take_full: which socket was full in wire_udp_send() since it was last asked; -1:
 * none. */
int wire_udp_sender_take_full(WireUdpSender *self);

/** wire_udp_send: sends the runs, at most WIRE_MAX_BATCH packets and as many runs together. Waits,
 * shortly, while a socket is full; what does not go then, or at all, is dropped and counted. */
void wire_udp_send(WireUdpSender *self, const WireSockets *sockets, WireUdpRun *runs,
                   size_t n_runs);

/* sendmmsg(), or what a test puts in its place. */
typedef int (*WireUdpSendCall)(int fd, struct mmsghdr *headers, unsigned n, int flags);
void wire_udp_sender_set_call(WireUdpSender *self, WireUdpSendCall call);
