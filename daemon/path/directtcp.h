/* daemon/path/directtcp.h: TCP straight to a peer, for where UDP is blocked (docs/PATHS.md §10):
 * TLS 1.3 with a key of the pair, taken or dialled; what is open is a link of the data plane.
 *
 * Nothing blocks, all of it ends in bounded time. Thread: main loop. Inside of daemon/path. */
#pragma once

#include "common/std/ip.h"
#include "common/std/key.h"
#include "daemon/wire/plane.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PATH_FIRST_TCP_LINK = 13, /* links of the data plane from here to WIRE_MAX_LINKS are ours */
    PATH_TCP_PLACES = 2,      /* addresses that a dial tries, one after the other */
};

typedef struct PathTcp PathTcp;

/** PathTcpPeer: who is called, or calls. */
typedef struct {
    uint32_t index;      /* of the node */
    uint32_t from;       /* index of the dialler's probes, which names the pair to the listener */
    MeshKey  psk;        /* of the pair */
    bool     ours_stays; /* if both dialled: ours; the same is said at the other end of the other */
} PathTcpPeer;

typedef struct {
    WirePlane *plane;
    /* Whose probes to us have that index? false: nobody's. */
    bool (*find)(uint32_t from, PathTcpPeer *out_peer, void *user_data);
    /* Node @index is connected by @link; or, @open false, no longer. */
    void (*changed)(uint32_t index, uint8_t link, bool open, void *user_data);
    void *user_data;
} PathTcpHost;

PathTcp *path_tcp_new(const PathTcpHost *host);
void     path_tcp_free(PathTcp *self); /* NULL is fine */

/** path_tcp_listen: takes connections on @port of both families; 0: none. The same again: nothing.
 * A port that is taken is logged, and there is no listener. */
void path_tcp_listen(PathTcp *self, uint16_t port);

/** path_tcp_dial: nothing if that peer is connected or being dialled, or too many are. */
void path_tcp_dial(PathTcp *self, const PathTcpPeer *peer, const MeshEndpoint *places,
                   size_t n_places);

/** path_tcp_close: ends the connection of @link without changed(). */
void path_tcp_close(PathTcp *self, uint8_t link);

/** path_tcp_handle: WIRE_EVENT_LINK_DOWN. Returns: false: of none of these. */
bool path_tcp_handle(PathTcp *self, const WireEvent *event);

/** path_tcp_get: the other end of @link. Returns: false: it is none of these. */
bool path_tcp_get(const PathTcp *self, uint8_t link, MeshEndpoint *out_at);
