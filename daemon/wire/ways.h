/* daemon/wire/ways.h: what the plane is told about relays and further sockets, and sending by any
 * way. As plane.h: called from its control thread; errors are negative errno, then nothing changed.
 *
 * Frames of the relay: docs/PATHS.md §3. The plane puts the header of DATA on and takes it off;
 * every other frame comes and goes as it is, for the control thread to understand. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/codec/relaykey.h"
#include "common/std/attr.h"
#include "daemon/wire/plane.h"

#define WIRE_MAX_PROBE   9248u      /* bytes of a datagram of wire_ways_probe(): jumbo frames */
#define WIRE_MAX_TRAIN   16u        /* datagrams of wire_ways_send_train() */
#define WIRE_WHOLE_FRAME UINT32_MAX /* as index of wire_ways_send(): not to be wrapped */

/** WireLink: our session at a relay, over UDP. */
typedef struct {
    MeshEndpoint  relay;
    uint32_t      session; /* 24 bits */
    MeshRelayKeys keys;
} WireLink;

/** wire_ways_put_link: makes number @link, 1 to WIRE_MAX_LINKS, this session; copies. Peers that
 * are routed there stay. Returns: 0; -EINVAL; -ENOMEM. */
MESH_CHECKED int wire_ways_put_link(WirePlane *plane, uint8_t link, const WireLink *what);

struct ssl_st;

/** wire_ways_adopt_stream: makes number @link this connection to a relay: TLS, its handshake done
 * and the relay's 101 read, with its non-blocking socket inside; taken over on success. It gets a
 * thread of its own. @websocket: frames travel in binary messages. Frames of the relay's own come
 * as WIRE_EVENT_RAW with their head of 8 bytes; the end as WIRE_EVENT_LINK_DOWN: the link is
 * then to be removed or put anew. Returns: 0; -EINVAL; -ENOMEM, -EMFILE, -EAGAIN. */
MESH_CHECKED int wire_ways_adopt_stream(WirePlane *plane, uint8_t link, struct ssl_st *ssl,
                                        bool websocket);

/** wire_ways_adopt_direct: the same with a connection that ends at a peer itself, node @index: what
 * comes on it came from him, whatever its frames say. */
MESH_CHECKED int wire_ways_adopt_direct(WirePlane *plane, uint8_t link, struct ssl_st *ssl,
                                        uint32_t index);

/** wire_ways_is_open: Returns: @link is a stream that has not ended. WIRE_EVENT_LINK_DOWN may have
 * been said of the one before it. */
bool wire_ways_is_open(WirePlane *plane, uint8_t link);

/** wire_ways_remove_link: wipes it, ends its stream; peers that are routed there have no way until
 * they are given another. */
void wire_ways_remove_link(WirePlane *plane, uint8_t link);

/** wire_ways_adopt_socket: takes over a bound UDP socket; what comes on it counts as on our own.
 * Returns: its number, from 1; -ENOSPC: WIRE_MAX_SOCKETS; -EINVAL: no UDP socket. */
MESH_CHECKED int wire_ways_adopt_socket(WirePlane *plane, int fd);
void             wire_ways_drop_socket(WirePlane *plane, uint8_t socket); /* closes it */

/** wire_ways_send: sends what is not WireGuard's. By a link it becomes the payload of a DATA frame
 * to way->index, or goes to the relay as it is with WIRE_WHOLE_FRAME. A frame
 * for a stream has the head that streams have. @ttl: hops of a direct datagram, 0: as usual.
 * Returns: 0; -EINVAL; -ENOTCONN: no such link or socket, or no port yet; -EAGAIN: socket full; or
 * what the kernel says. */
MESH_CHECKED int wire_ways_send(WirePlane *plane, const WireWay *way, uint8_t ttl, MeshSpan bytes);

/** wire_ways_probe: sends @bytes, and zeros behind them up to @len, straight to way->endpoint, as
 * one packet that nobody on its way may take apart, whatever ICMP has said of that way. Of more
 * than WIRE_MAX_RAW bytes the first ones arrive. As far as a relay it goes so, too; from
 * there on as the relay sends, and by a stream as all else. Returns: as above; -EMSGSIZE: the
 * first link carries less; -EINVAL: longer than WIRE_MAX_PROBE, or by a link than WIRE_MAX_RAW. */
MESH_CHECKED int wire_ways_probe(WirePlane *plane, const WireWay *way, MeshSpan bytes, size_t len);

/** WireTrain: datagrams of one length, at most WIRE_MAX_RAW, that are sent in one go. @joined: as
 * one message (UDP GSO), as data goes; else one by one, one right behind the other. */
typedef struct {
    const uint8_t *probes[WIRE_MAX_TRAIN]; /* borrowed; not WireGuard's */
    size_t         len;                    /* of each */
    size_t         n;
    bool           joined;
} WireTrain;

/** wire_ways_send_train: by UDP, straight or to a relay over UDP. Returns: 0; -EINVAL: by a stream;
 * -ENOTCONN, -EAGAIN; or what the kernel says: with EIO and EINVAL it does not join them there. */
MESH_CHECKED int wire_ways_send_train(WirePlane *plane, const WireWay *way, const WireTrain *train);

/** wire_ways_watch_bursts: WIRE_EVENT_BURSTS shall be told once more of @peer. */
void wire_ways_watch_bursts(WirePlane *plane, const MeshKey *peer);
