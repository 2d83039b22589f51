/* daemon/wire/stream.h: a relay over TLS: a thread of its own between the TLS connection and the
 * plane's threads, which give and take frames by rings. Internal to daemon/wire.
 *
 * Frames: `kind 1 | length of payload 3 | arg 4` and the payload, docs/PATHS.md §3. What waits to
 * be sent is bounded; while the connection takes nothing, the oldest data goes. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/std/attr.h"
#include "daemon/wire/mailbox.h"
#include "daemon/wire/packet.h"

typedef struct WireStream WireStream;
struct ssl_st;

/* Who sends: each has a ring of its own, and the earlier ones go first. */
typedef enum {
    WIRE_STREAM_FROM_CONTROL,   /* probes, frames of our own making */
    WIRE_STREAM_FROM_HANDSHAKE, /* handshake thread */
    WIRE_STREAM_FROM_OUT,       /* out thread: data */
    WIRE_STREAM_N_FROM,
} WireStreamFrom;

/** wire_stream_new: takes over @ssl, after its handshake, with its non-blocking socket inside, and
 * starts the thread. @websocket: frames travel in binary messages. @reader: rung when frames, or
 * the end, wait for the in thread. Returns: 0; -EINVAL: no socket; -ENOMEM, -EMFILE, -EAGAIN; then
 * nothing was taken. */
MESH_CHECKED int wire_stream_new(struct ssl_st *ssl, bool websocket, WireMailbox *reader,
                                 WireStream **out_self);

/** wire_stream_stop: sends what waits if that needs no waiting, ends and joins the thread. */
void wire_stream_stop(WireStream *self);

/** wire_stream_disown: after stop: the connection is the caller's again. */
void wire_stream_disown(WireStream *self);

/** wire_stream_free: after stop, when no thread uses it any more. */
void wire_stream_free(WireStream *self);

/** wire_stream_has_ended: nothing that is given to it goes anywhere any more. Any thread. */
bool wire_stream_has_ended(const WireStream *self);

/** wire_stream_send: @packets become DATA to node @index. Returns: how many fit. */
size_t wire_stream_send(WireStream *self, WireStreamFrom from, uint32_t index,
                        const WirePacket *packets, size_t n_packets);

/** wire_stream_send_frame: control thread: a whole frame. Returns: 0; -EAGAIN: full. */
MESH_CHECKED int wire_stream_send_frame(WireStream *self, MeshSpan frame);

/* In thread. */

/** wire_stream_take: the next frame that came, with its head of 8 bytes; may be written over until
 * it is released. Returns: false: none. */
bool wire_stream_take(WireStream *self, WirePacket *out_frame);
void wire_stream_release(WireStream *self);

/** wire_stream_get_end: why the stream ended, once, when all that came was taken. Returns: negative
 * errno; 0: it goes on, or that was told. */
int  wire_stream_get_end(WireStream *self);
void wire_stream_put_end_back(WireStream *self); /* it could not be told: again, later */

/** wire_stream_take_dropped: packets that were old and made room, since the last call. */
uint64_t wire_stream_take_dropped(WireStream *self);
