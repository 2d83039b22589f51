/* common/codec/relayframe.h: the frames of a session with a relay, over UDP and over TLS
 * (docs/PATHS.md §3).
 *
 * Values; any thread; nothing allocates. Over UDP a frame is `kind 1 | session 3 | arg 4 | mac 8`
 * and its payload, over TLS `kind 1 | length 3 | arg 4` and the same payload without a MAC.
 * Frames without a session are in relaybind.h. */
#pragma once

#include "common/codec/relaykey.h"
#include "common/std/attr.h"
#include "common/std/bytes.h"
#include "common/std/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MESH_RELAY_HEAD_BYTES = 16,         /* over UDP */
    MESH_RELAY_STREAM_HEAD_BYTES = 8,   /* over TLS */
    MESH_RELAY_MAX_DATA_BYTES = 1500,   /* payload of DATA */
    MESH_RELAY_MAX_STREAM_BYTES = 2048, /* payload of any frame over TLS */
    MESH_RELAY_SESSION_MAX = 0xFFFFFF,
};

typedef enum {
    MESH_RELAY_DATA = 0x40,
    MESH_RELAY_PING = 0x44,
    MESH_RELAY_PONG = 0x45,
    MESH_RELAY_WHERE = 0x46,
    MESH_RELAY_AT = 0x47,
    MESH_RELAY_GONE = 0x48,
    MESH_RELAY_MOVE = 0x49,
    MESH_RELAY_MOVED = 0x4A,
    MESH_RELAY_RESTART = 0x4B,
    MESH_RELAY_CLOSE = 0x4C,
    MESH_RELAY_CONGESTED = 0x4D,
    MESH_RELAY_BOUND = 0x53, /* as a session's frame: over TLS only */
} MeshRelayKind;

typedef enum {
    MESH_RELAY_UP,   /* from a node to the relay */
    MESH_RELAY_DOWN, /* from the relay to a node */
} MeshRelayWay;

typedef struct {
    MeshRelayKind kind;
    uint32_t      session;                            /* 24 bits; over TLS not written: 0 */
    uint32_t      arg;                                /* i, sequence, ms, session (BOUND) */
    MeshEndpoint  seen;                               /* PONG, AT, BOUND */
    uint32_t      life_s;                             /* PONG, BOUND: of the token */
    uint8_t       cookie[MESH_RELAYKEY_COOKIE_BYTES]; /* MOVE, MOVED */
    MeshSpan      data;                               /* DATA; borrowed */
} MeshRelayFrame;

/* Tells what a datagram says it is, before its session's key is known: a kind of a session's frame
 * that travels @way over UDP, of a length which that kind can have; sets kind, session and arg.
 * Returns: 0; -EBADMSG: no such frame. */
MESH_CHECKED int mesh_relayframe_peek(MeshRelayWay way, MeshSpan datagram,
                                      MeshRelayFrame *out_frame);

/* The MAC of a frame of at least 16 bytes holds. Constant time. */
bool mesh_relayframe_check(const MeshRelayKey *key, MeshSpan datagram);

/* Checks the MAC, then reads the whole. @out_frame borrows the data of @datagram.
 * Returns: 0; -EBADMSG: no such frame; -EACCES: another key's. */
MESH_CHECKED int mesh_relayframe_decode(MeshRelayWay way, const MeshRelayKey *key,
                                        MeshSpan datagram, MeshRelayFrame *out_frame);

/* Writes a frame with its MAC into @size bytes at @out.
 * Returns: 0; -ENOSPC: does not fit; -EINVAL: a field is outside its limits. */
MESH_CHECKED int mesh_relayframe_encode(const MeshRelayFrame *frame, const MeshRelayKey *key,
                                        uint8_t *out, size_t size, size_t *out_len);

/* Writes the 16 bytes before @len bytes of data that are in place at @frame + 16: the one way to
 * make DATA without a copy, for the sender and, over what came, for the relay. */
void mesh_relayframe_put_head(uint8_t *frame, size_t len, uint32_t session, uint32_t i,
                              const MeshRelayKey *key);

/* Over TLS: takes one frame off @r. Returns: 0; -EAGAIN: not all of it is there yet, @r did not
 * move; -EBADMSG: nothing that travels @way, or longer than it may be: the stream is lost. */
MESH_CHECKED int mesh_relayframe_decode_stream(MeshRelayWay way, MeshReader *r,
                                               MeshRelayFrame *out_frame);

/* As mesh_relayframe_encode(), for TLS. */
MESH_CHECKED int mesh_relayframe_encode_stream(const MeshRelayFrame *frame, uint8_t *out,
                                               size_t size, size_t *out_len);
