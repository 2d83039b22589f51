/* server/relay/forward.h: from a sender's session to the receiver's. Inside of server/relay only.
 * Any thread that holds the table's lock shared. */
#pragma once

#include "server/relay/inside.h"

enum {
    RELAY_PAYLOADS = 64,
    RELAY_RUN_BYTES = 3 * 16384, /* two of them go out together */
    /* A stream that fills a receiver's queue beyond the first is not read until it is below the
     * second, or has been above for so long: then it is the receiver who is slow. */
    RELAY_HOLD_BYTES = RELAY_QUEUE_BYTES / 2,
    RELAY_RELEASE_BYTES = RELAY_QUEUE_BYTES / 4,
    RELAY_HOLD_MS = 10,
};

/* Frames DATA of one length (the last may be shorter) that @from may send to node @index. */
typedef struct {
    uint8_t *data;
    size_t   len, segment;
    uint32_t index;
} RelayRun;

/* @out: of the calling thread: the mover's, or a shard's own. */
void relay_forward_run(Relay *self, RelayOut *out, RelaySession *from, const RelayRun *run);

/* A frame without payload to @to, at most so many a second: GONE, CONGESTED. */
void relay_forward_notice(Relay *self, RelayOut *out, RelaySession *to, MeshRelayKind kind,
                          uint32_t index);

void relay_forward_frame(Relay *self, RelayOut *out, RelaySession *to, const MeshRelayFrame *frame);

/* Counts what was dropped of the queue of @to, and tells its source; without @to's lock. */
void relay_forward_dropped(Relay *self, RelayOut *out, const RelaySession *to,
                           const RelayAged *dropped);

/* DATA that came over TLS, one frame behind the other, for node @index. */
typedef struct {
    uint32_t index;
    unsigned n;
    size_t   bytes;
    MeshSpan payloads[RELAY_PAYLOADS]; /* each behind its head, which may be written over */
} RelayPayloads;

/* Returns: for how long @from, a stream, is not to be read, in ms; 0: go on. */
unsigned relay_forward_payloads(Relay *self, RelayOut *out, RelaySession *from,
                                const RelayPayloads *run);

/* stream.c: writes @run to the stream of @to at once, where nobody is before it and this thread
 * may. With the table's lock. Returns: false: it has to wait in the queue. */
bool relay_stream_pass(const RelaySession *from, RelaySession *to, const RelayPayloads *run);

/* Serves every receiver that waits. Returns: how long until that makes sense again, in ms; -1: when
 * somebody comes. Mover. */
int relay_forward_serve(Relay *self);

/* For RelayOut.blocked. */
void relay_forward_blocked(RelayOut *out, uint32_t session, const uint8_t *datagram, size_t len);
