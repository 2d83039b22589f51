/* server/relay/forward.c: a packet's road from the sender's session to the receiver's. Where nobody
 * waits it goes straight through; what has to wait lies in the receiver's queue. */
#include "server/relay/forward.h"
#include "common/std/bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>

enum {
    SERVE_AT_ONCE = 32,
    SERVE_MS = 1,
    PROBE_BYTE = 0xD5,
    HANDSHAKE_MAX = 3, /* WireGuard's types 1-3: initiation, response, cookie */
    AES_BITS = 0x60,   /* beside the type, in the suite of docs/PROTOCOL.md §10 */
};

static RelayTarget make_target(const RelaySession *to)
{
    return (RelayTarget){ .remote = &to->remote, .local = &to->local, .session = to->number };
}

/* With the lock of the waiting. */
static bool grow_waiting(Relay *self)
{
    unsigned  more = self->max_waiting != 0 ? self->max_waiting * 2 : 64;
    uint32_t *grown = realloc(self->waiting, more * sizeof(*grown));

    if (grown == NULL)
        return false;
    self->waiting = grown;
    self->max_waiting = more;
    return true;
}

/* Without memory it stays unlisted, and the next packet tries again. */
static bool list(Relay *self, const RelayOut *out, uint32_t number)
{
    bool done;

    (void)pthread_mutex_lock(&self->waiting_lock);
    done = self->n_waiting < self->max_waiting || grow_waiting(self);
    if (done)
        self->waiting[self->n_waiting++] = number;
    (void)pthread_mutex_unlock(&self->waiting_lock);
    if (done && out != &self->outs[RELAY_MAIN])
        (void)eventfd_write(self->wake, 1); /* the mover serves */
    return done;
}

/* With @to's lock. Returns: as relay_queue_push(). */
static int push(Relay *self, RelayOut *out, RelaySession *to, const RelayWaiting *waiting,
                uint32_t *out_dropped)
{
    int rc;

    if (to->queue == NULL)
        to->queue = relay_queue_new();
    if (to->queue == NULL)
        return -ENOMEM;
    rc = relay_queue_push(to->queue, waiting, out_dropped);
    if (to->listed)
        return rc;
    if (to->stream != NULL)
        relay_out_ring(out, to->number);
    to->listed = to->stream != NULL || list(self, out, to->number);
    return rc;
}

/* A frame of our own for a stream, which only its shard may write to. */
static void wait_for_stream(Relay *self, RelayOut *out, RelaySession *to,
                            const MeshRelayFrame *frame)
{
    RelayWaiting waiting = {
        .kind = (uint8_t)frame->kind, .urgent = true, .source = frame->arg, .now_ns = out->now_ns
    };
    uint8_t  bytes[RELAY_OUT_SMALL_BYTES];
    size_t   len;
    uint32_t dropped;

    if (mesh_relayframe_encode_stream(frame, bytes, sizeof(bytes), &len) < 0)
        return;
    waiting.payload =
        MESH_SPAN(bytes + MESH_RELAY_STREAM_HEAD_BYTES, len - MESH_RELAY_STREAM_HEAD_BYTES);
    (void)pthread_mutex_lock(&to->lock);
    if (push(self, out, to, &waiting, &dropped) != 0)
        relay_count(self, RELAY_COUNT_QUEUE, 1);
    (void)pthread_mutex_unlock(&to->lock);
}

void relay_forward_frame(Relay *self, RelayOut *out, RelaySession *to, const MeshRelayFrame *frame)
{
    RelayTarget target = make_target(to);
    uint8_t     bytes[RELAY_OUT_SMALL_BYTES];
    size_t      len;

    if (to->stream != NULL)
        wait_for_stream(self, out, to, frame);
    else if (mesh_relayframe_encode(frame, &to->keys.down, bytes, sizeof(bytes), &len) == 0)
        relay_out_put_copy(out, &target, bytes, len);
}

void relay_forward_notice(Relay *self, RelayOut *out, RelaySession *to, MeshRelayKind kind,
                          uint32_t index)
{
    const MeshRelayFrame frame = { .kind = kind, .session = to->number, .arg = index };
    bool                 may;

    (void)pthread_mutex_lock(&to->lock);
    may = relay_allowance_take(&to->notices, 1, out->now_ns);
    (void)pthread_mutex_unlock(&to->lock);
    if (may)
        relay_forward_frame(self, out, to, &frame);
}

static bool is_urgent(const RelayOut *out, RelaySession *from, MeshSpan payload)
{
    uint8_t first = *(const uint8_t *)payload.data;
    uint8_t type = (first & AES_BITS) == AES_BITS ? first ^ AES_BITS : first;

    return (first == PROBE_BYTE || (type >= 1 && type <= HANDSHAKE_MAX)) &&
           relay_allowance_take(&from->urgent, payload.len, out->now_ns);
}

void relay_forward_dropped(Relay *self, RelayOut *out, const RelaySession *to,
                           const RelayAged *dropped)
{
    RelaySession *source = NULL;

    relay_count(self, RELAY_COUNT_QUEUE, dropped->n);
    if (dropped->has_source)
        source = relay_table_find_node(self->table, &to->node, dropped->source);
    if (source != NULL)
        relay_forward_notice(self, out, source, MESH_RELAY_CONGESTED, to->node.index);
}

/* With @to's lock: whether @from is to wait until there is room again. A slow receiver makes nobody
 * wait, only one whose turn has not come yet. Returns: ms; 0: no. */
static unsigned hold(const RelayOut *out, const RelaySession *from, RelaySession *to)
{
    int64_t left_ns;

    if (from->stream == NULL || to->stream == NULL || to->queue == NULL ||
        relay_queue_get_bytes(to->queue) < RELAY_HOLD_BYTES)
        return 0;
    if (to->full_ns == 0)
        to->full_ns = out->now_ns;
    left_ns = to->full_ns + RELAY_HOLD_MS * INT64_C(1000000) - out->now_ns;
    if (left_ns <= 0)
        return 0;
    for (unsigned i = 0; i < to->n_held; i++) /* of an earlier run of the same read */
        if (to->held[i] == from->number)
            return (unsigned)(left_ns / 1000000) + 1;
    if (to->n_held == RELAY_MAX_HELD)
        return 0;
    to->held[to->n_held++] = from->number;
    return (unsigned)(left_ns / 1000000) + 1;
}

/* Payloads into the queue of @to; who is dropped for them is told: the last one's source.
 * Returns: as hold(). */
static unsigned wait_in_queue(Relay *self, RelayOut *out, RelaySession *from, RelaySession *to,
                              const RelayPayloads *run)
{
    RelayAged dropped = { 0 };
    unsigned  hold_ms;

    (void)pthread_mutex_lock(&to->lock);
    for (unsigned i = 0; i < run->n; i++) {
        RelayWaiting waiting = { .kind = MESH_RELAY_DATA,
                                 .urgent = is_urgent(out, from, run->payloads[i]),
                                 .source = from->node.index,
                                 .payload = run->payloads[i],
                                 .now_ns = out->now_ns };
        int          rc = push(self, out, to, &waiting, &dropped.source);

        dropped.n += rc != 0;
        dropped.has_source |= rc == 1;
    }
    hold_ms = hold(out, from, to);
    (void)pthread_mutex_unlock(&to->lock);
    if (dropped.n > 0)
        relay_forward_dropped(self, out, to, &dropped);
    return hold_ms;
}

/* Nobody is before it, and the receiver's allowance pays for it. */
static bool may_pass(Relay *self, const RelayOut *out, RelaySession *to, size_t bytes)
{
    bool passes;

    (void)pthread_mutex_lock(&to->lock);
    passes = to->stream == NULL && !to->listed && !atomic_load(&self->blocked) &&
             relay_allowance_take(&to->down, bytes, out->now_ns);
    (void)pthread_mutex_unlock(&to->lock);
    return passes;
}

/* The receiver; NULL: @from is told that there is none. */
static RelaySession *find_receiver(Relay *self, RelayOut *out, RelaySession *from, uint32_t index,
                                   size_t packets)
{
    RelaySession *to = relay_table_find_node(self->table, &from->node, index);

    if (to != NULL) {
        relay_count(self, RELAY_COUNT_PACKETS, packets);
        return to;
    }
    relay_count(self, RELAY_COUNT_UNKNOWN, packets);
    relay_forward_notice(self, out, from, MESH_RELAY_GONE, index);
    return NULL;
}

static void pass(RelayOut *out, const RelaySession *from, const RelaySession *to,
                 const RelayRun *run)
{
    RelayTarget target = make_target(to);

    for (size_t at = 0; at < run->len; at += run->segment) {
        size_t left = run->len - at, len = left < run->segment ? left : run->segment;

        mesh_relayframe_put_head(run->data + at, len - MESH_RELAY_HEAD_BYTES, to->number,
                                 from->node.index, &to->keys.down);
    }
    relay_out_put(out, &target, run->data, run->len, run->segment);
}

static void let_wait(Relay *self, RelayOut *out, RelaySession *from, RelaySession *to,
                     const RelayRun *run)
{
    RelayPayloads payloads = { .n = 0 };

    for (size_t at = 0; at < run->len; at += run->segment) {
        size_t left = run->len - at, len = left < run->segment ? left : run->segment;

        if (payloads.n == RELAY_PAYLOADS) {
            (void)wait_in_queue(self, out, from, to, &payloads); /* nobody holds datagrams */
            payloads.n = 0;
        }
        payloads.payloads[payloads.n++] =
            MESH_SPAN(run->data + at + MESH_RELAY_HEAD_BYTES, len - MESH_RELAY_HEAD_BYTES);
    }
    (void)wait_in_queue(self, out, from, to, &payloads);
}

void relay_forward_run(Relay *self, RelayOut *out, RelaySession *from, const RelayRun *run)
{
    size_t        packets = (run->len + run->segment - 1) / run->segment;
    RelaySession *to = find_receiver(self, out, from, run->index, packets);

    if (to == NULL)
        return;
    relay_count(self, RELAY_COUNT_BYTES, run->len - packets * MESH_RELAY_HEAD_BYTES);
    if (may_pass(self, out, to, run->len))
        pass(out, from, to, run);
    else
        let_wait(self, out, from, to, run);
}

/* With @to's lock: what may go now. Returns: how many, at most SERVE_AT_ONCE. */
static unsigned take_due(Relay *self, const RelayOut *out, RelaySession *to, RelayParcel **parcels,
                         RelayAged *aged)
{
    unsigned n = 0;

    while (n < SERVE_AT_ONCE && !atomic_load(&self->blocked) && to->queue != NULL &&
           !relay_queue_is_empty(to->queue)) {
        bool urgent = relay_queue_has_urgent(to->queue);

        if (!urgent && relay_allowance_due_ns(&to->down) > out->now_ns)
            break;
        parcels[n] = relay_queue_pop(to->queue, out->now_ns, aged);
        if (parcels[n] == NULL)
            break;
        (void)relay_allowance_take(&to->down, sizeof(parcels[n]->head) + parcels[n]->len,
                                   out->now_ns);
        n++;
    }
    return n;
}

/* Returns: something still waits. */
static bool serve(Relay *self, RelayOut *out, RelaySession *to)
{
    RelayTarget  target = make_target(to);
    RelayParcel *parcels[SERVE_AT_ONCE];
    RelayAged    aged = { 0 };
    unsigned     n;
    bool         waits;

    do { /* nothing is put with the lock: a flush may come back to this queue */
        (void)pthread_mutex_lock(&to->lock);
        n = take_due(self, out, to, parcels, &aged);
        waits = to->queue != NULL && !relay_queue_is_empty(to->queue);
        if (!waits) {
            to->listed = false;
            relay_queue_free(to->queue);
            to->queue = NULL;
        }
        (void)pthread_mutex_unlock(&to->lock);
        for (unsigned i = 0; i < n; i++) {
            mesh_relayframe_put_head(parcels[i]->head, parcels[i]->len, to->number,
                                     parcels[i]->source, &to->keys.down);
            relay_out_put_parcel(out, &target, parcels[i]);
        }
    } while (n == SERVE_AT_ONCE && waits);
    if (aged.n > 0)
        relay_forward_dropped(self, out, to, &aged);
    return waits;
}

unsigned relay_forward_payloads(Relay *self, RelayOut *out, RelaySession *from,
                                const RelayPayloads *run)
{
    RelaySession *to = find_receiver(self, out, from, run->index, run->n);
    unsigned      hold_ms;

    if (to == NULL)
        return 0;
    relay_count(self, RELAY_COUNT_BYTES, run->bytes);
    if (to->stream != NULL && relay_stream_pass(from, to, run))
        return 0;
    hold_ms = wait_in_queue(self, out, from, to, run);
    if (to->stream == NULL)
        (void)serve(self, out, to); /* of what may not go yet, the mover was told */
    return hold_ms;
}

int relay_forward_serve(Relay *self)
{
    RelayOut *out = &self->outs[RELAY_MAIN];
    uint32_t *numbers;
    unsigned  n;
    bool      waits = false;

    (void)pthread_mutex_lock(&self->waiting_lock);
    numbers = self->waiting;
    n = self->n_waiting;
    self->waiting = NULL;
    self->n_waiting = self->max_waiting = 0;
    (void)pthread_mutex_unlock(&self->waiting_lock);
    relay_table_read(self->table);
    for (unsigned i = 0; i < n; i++) {
        RelaySession *to = relay_table_find(self->table, numbers[i]);

        if (to == NULL || !serve(self, out, to))
            continue;
        waits = true;
        if (!list(self, out, numbers[i])) {
            (void)pthread_mutex_lock(&to->lock);
            to->listed = false;
            (void)pthread_mutex_unlock(&to->lock);
        }
    }
    relay_out_flush(out);
    relay_table_unlock(self->table);
    free(numbers);
    if (!waits)
        return -1;
    return atomic_load(&self->blocked) ? -1
                                       : SERVE_MS; /* EPOLLOUT tells when the socket takes more */
}

void relay_forward_blocked(RelayOut *out, uint32_t session, const uint8_t *datagram, size_t len)
{
    Relay        *self = out->user_data;
    RelaySession *to = relay_table_find(self->table, session);
    MeshReader    r = mesh_bytes_make_reader(datagram, len);
    RelayWaiting  waiting = { .kind = MESH_RELAY_DATA,
                              .payload = MESH_SPAN(datagram + MESH_RELAY_HEAD_BYTES,
                                                   len - MESH_RELAY_HEAD_BYTES),
                              .now_ns = out->now_ns };
    uint32_t      dropped;
    int           rc;

    atomic_store(&self->blocked, true);
    if (to == NULL || !mesh_bytes_skip(&r, 4) || !mesh_bytes_read_u32be(&r, &waiting.source))
        return;
    (void)pthread_mutex_lock(&to->lock);
    rc = push(self, out, to, &waiting, &dropped);
    (void)pthread_mutex_unlock(&to->lock);
    if (rc != 0)
        relay_count(self, RELAY_COUNT_QUEUE, 1);
}
