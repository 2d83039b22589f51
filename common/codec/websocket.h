/* common/codec/websocket.h: a stream of bytes inside of WebSocket messages (RFC 6455).
 *
 * Where a message begins or ends means nothing to what is carried: the payloads of binary messages
 * are one stream. Both sides of it. Values; any thread; nothing allocates. */
#pragma once

#include "common/std/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MESH_WEBSOCKET_HEAD_BYTES = 14,      /* the longest */
    MESH_WEBSOCKET_CONTROL_BYTES = 125,  /* payload of a ping, at most */
    MESH_WEBSOCKET_MAX_BYTES = 1 << 20,  /* payload of a frame that we take */
    MESH_WEBSOCKET_KEY_CHARS = 24,       /* Sec-WebSocket-Key: 16 bytes in base64 */
    MESH_WEBSOCKET_ACCEPT_BYTES = 28 + 1 /* Sec-WebSocket-Accept, with its NUL */
};

#define MESH_WEBSOCKET_PROTOCOL "mesh-relay.1" /* Sec-WebSocket-Protocol */

/** MeshWebsocket: what was read so far of one direction. */
typedef struct {
    bool     masked; /* frames of a client are, those of a server are not */
    bool     open;   /* a message has begun and not ended */
    bool     pinged; /* a ping waits for its answer */
    uint8_t  opcode; /* of the frame that is read */
    uint8_t  n_head; /* bytes of a head that is not whole; 0: none, or in the payload */
    uint8_t  head[MESH_WEBSOCKET_HEAD_BYTES];
    uint8_t  mask[4];
    uint32_t masked_bytes; /* of this frame so far, modulo 4 */
    uint64_t left;         /* payload to come of this frame */
    uint8_t  n_ping, n_control;
    uint8_t  ping[MESH_WEBSOCKET_CONTROL_BYTES];
    uint8_t  control[MESH_WEBSOCKET_CONTROL_BYTES];
} MeshWebsocket;

/** mesh_websocket_init: @from_client: what is read comes from one. */
void mesh_websocket_init(MeshWebsocket *self, bool from_client);

/** mesh_websocket_decode: turns @len received bytes at @data into what they carry, in place.
 * Returns: 0; -EPIPE: the other side ends here; -EBADMSG: no WebSocket, or not ours: the stream is
 * lost. @out_len is set in any case. */
MESH_CHECKED int mesh_websocket_decode(MeshWebsocket *self, uint8_t *data, size_t len,
                                       size_t *out_len);

/** mesh_websocket_wrap: makes a binary message of @len bytes at @payload: writes its head into the
 * bytes before them, of which there are MESH_WEBSOCKET_HEAD_BYTES, and masks them. @mask: 4 random
 * bytes; NULL: of a server. Returns: bytes of the head. */
size_t mesh_websocket_wrap(const uint8_t *mask, uint8_t *payload, size_t len);

/** mesh_websocket_take_pong: the answer to the last ping, once, into MESH_WEBSOCKET_HEAD_BYTES +
 * MESH_WEBSOCKET_CONTROL_BYTES at @out. Returns: its length; 0: there was none. */
size_t mesh_websocket_take_pong(MeshWebsocket *self, const uint8_t *mask, uint8_t *out);

/** mesh_websocket_accept: what answers the key of @len characters. Returns: 0; -EINVAL: no key. */
MESH_CHECKED int mesh_websocket_accept(const char *key, size_t len,
                                       char out[MESH_WEBSOCKET_ACCEPT_BYTES]);
