/* server/relay/forward.c: a packet's road from the sender's session to the receiver's. Where nobody
 * waits it goes straight through; what has to wait lies in the receiver's queue. */
#include "common/std/bytes.h"
#include "server/relay/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SERVE_AT_ONCE = 32,
    SERVE_MS = 1,
    PROBE_BYTE = 0xD5,
    HANDSHAKE_MAX = 3, /* WireGuard's types 1-3: initiation, response, cookie */
};

static RelayTarget make_target(const RelaySession *to)
{
    return (RelayTarget){ .remote = &to->remote, .local = &to->local, .session = to->number };
}

void relay_forward_frame(RelayOut *out, const RelaySession *to, const MeshRelayFrame *frame)
{
    RelayTarget target = make_target(to);
    uint8_t     bytes[RELAY_OUT_SMALL_BYTES];
    size_t      len;

    if (mesh_relayframe_encode(frame, &to->keys.down, bytes, sizeof(bytes), &len) == 0)
        relay_out_put_copy(out, &target, bytes, len);
}

void relay_forward_notice(Relay *self, RelayOut *out, RelaySession *to, MeshRelayKind kind,
                          uint32_t index)
{
    const MeshRelayFrame frame = { .kind = kind, .session = to->number, .arg = index };
    bool                 may;

    (void)pthread_mutex_lock(&to->lock);
    may = relay_allowance_take(&to->notices, 1, self->now_ns);
    (void)pthread_mutex_unlock(&to->lock);
    if (may)
        relay_forward_frame(out, to, &frame);
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
static bool list(Relay *self, uint32_t number)
{
    bool done;

    (void)pthread_mutex_lock(&self->waiting_lock);
    done = self->n_waiting < self->max_waiting || grow_waiting(self);
    if (done)
        self->waiting[self->n_waiting++] = number;
    (void)pthread_mutex_unlock(&self->waiting_lock);
    return done;
}

/* A payload that waits. */
typedef struct {
    uint32_t source;
    bool     urgent;
    MeshSpan payload;
} Waiting;

/* With @to's lock. Returns: as relay_queue_push(). */
static int push(Relay *self, RelaySession *to, const Waiting *waiting, uint32_t *out_dropped)
{
    int rc;

    if (to->queue == NULL)
        to->queue = relay_queue_new();
    if (to->queue == NULL)
        return -ENOMEM;
    rc = relay_queue_push(to->queue, waiting->source, waiting->payload, waiting->urgent,
                          out_dropped);
    if (!to->listed)
        to->listed = list(self, to->number);
    return rc;
}

static bool is_urgent(Relay *self, RelaySession *from, MeshSpan payload)
{
    uint8_t first = *(const uint8_t *)payload.data;

    return (first == PROBE_BYTE || (first >= 1 && first <= HANDSHAKE_MAX)) &&
           relay_allowance_take(&from->urgent, payload.len, self->now_ns);
}

/* Each packet of @run into the queue of @to; who is dropped for it is told. */
static void wait_in_queue(Relay *self, RelayOut *out, RelaySession *from, RelaySession *to,
                          const RelayRun *run)
{
    uint64_t lost = 0;

    for (size_t at = 0; at < run->len; at += run->segment) {
        size_t   left = run->len - at, len = left < run->segment ? left : run->segment;
        Waiting  waiting = { .source = from->node.index,
                             .payload = MESH_SPAN(run->data + at + MESH_RELAY_HEAD_BYTES,
                                                  len - MESH_RELAY_HEAD_BYTES) };
        uint32_t dropped = 0;
        int      rc;

        waiting.urgent = is_urgent(self, from, waiting.payload);
        (void)pthread_mutex_lock(&to->lock);
        rc = push(self, to, &waiting, &dropped);
        (void)pthread_mutex_unlock(&to->lock);
        if (rc != 0)
            lost++;
        if (rc == 1) {
            RelaySession *source = relay_table_find_node(self->table, &to->node, dropped);

            if (source != NULL)
                relay_forward_notice(self, out, source, MESH_RELAY_CONGESTED, to->node.index);
        }
    }
    if (lost > 0)
        relay_count(self, RELAY_COUNT_QUEUE, lost);
}

/* Nobody is before it, and the receiver's allowance pays for it. */
static bool may_pass(Relay *self, RelaySession *to, size_t bytes)
{
    bool passes;

    (void)pthread_mutex_lock(&to->lock);
    passes = !to->listed && !self->blocked && relay_allowance_take(&to->down, bytes, self->now_ns);
    (void)pthread_mutex_unlock(&to->lock);
    return passes;
}

void relay_forward_run(Relay *self, RelayOut *out, RelaySession *from, const RelayRun *run)
{
    RelaySession *to = relay_table_find_node(self->table, &from->node, run->index);
    size_t        packets = (run->len + run->segment - 1) / run->segment;
    RelayTarget   target;

    if (to == NULL) {
        relay_count(self, RELAY_COUNT_UNKNOWN, packets);
        relay_forward_notice(self, out, from, MESH_RELAY_GONE, run->index);
        return;
    }
    relay_count(self, RELAY_COUNT_PACKETS, packets);
    relay_count(self, RELAY_COUNT_BYTES, run->len - packets * MESH_RELAY_HEAD_BYTES);
    if (!may_pass(self, to, run->len)) {
        wait_in_queue(self, out, from, to, run);
        return;
    }
    for (size_t at = 0; at < run->len; at += run->segment) {
        size_t left = run->len - at, len = left < run->segment ? left : run->segment;

        mesh_relayframe_put_head(run->data + at, len - MESH_RELAY_HEAD_BYTES, to->number,
                                 from->node.index, &to->keys.down);
    }
    target = make_target(to);
    relay_out_put(out, &target, run->data, run->len, run->segment);
}

/* With @to's lock: what may go now. Returns: how many, at most SERVE_AT_ONCE. */
static unsigned take_due(Relay *self, RelaySession *to, RelayParcel **parcels)
{
    unsigned n = 0;

    while (n < SERVE_AT_ONCE && !self->blocked && to->queue != NULL &&
           !relay_queue_is_empty(to->queue)) {
        bool urgent = relay_queue_has_urgent(to->queue);

        if (!urgent && relay_allowance_due_ns(&to->down) > self->now_ns)
            break;
        parcels[n] = relay_queue_pop(to->queue);
        (void)relay_allowance_take(&to->down, sizeof(parcels[n]->head) + parcels[n]->len,
                                   self->now_ns);
        n++;
    }
    return n;
}

/* Returns: something still waits. */
static bool serve(Relay *self, RelaySession *to)
{
    RelayTarget  target = make_target(to);
    RelayParcel *parcels[SERVE_AT_ONCE];
    unsigned     n;
    bool         waits;

    do { /* nothing is put with the lock: a flush may come back to this queue */
        (void)pthread_mutex_lock(&to->lock);
        n = take_due(self, to, parcels);
        waits = to->queue != NULL && !relay_queue_is_empty(to->queue);
        to->listed = waits;
        if (!waits) {
            relay_queue_free(to->queue);
            to->queue = NULL;
        }
        (void)pthread_mutex_unlock(&to->lock);
        for (unsigned i = 0; i < n; i++) {
            mesh_relayframe_put_head(parcels[i]->head, parcels[i]->len, to->number,
                                     parcels[i]->source, &to->keys.down);
            relay_out_put_parcel(&self->outs[RELAY_MAIN], &target, parcels[i]);
        }
    } while (n == SERVE_AT_ONCE && waits);
    return waits;
}

int relay_forward_serve(Relay *self)
{
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

        if (to == NULL || !serve(self, to))
            continue;
        waits = true;
        if (!list(self, numbers[i])) {
            (void)pthread_mutex_lock(&to->lock);
            to->listed = false;
            (void)pthread_mutex_unlock(&to->lock);
        }
    }
    relay_out_flush(&self->outs[RELAY_MAIN]);
    relay_table_unlock(self->table);
    free(numbers);
    if (!waits)
        return -1;
    return self->blocked ? -1 : SERVE_MS; /* EPOLLOUT tells when the socket takes more */
}

void relay_forward_blocked(RelayOut *out, uint32_t session, const uint8_t *datagram, size_t len)
{
    Relay        *self = out->user_data;
    RelaySession *to = relay_table_find(self->table, session);
    MeshReader    r = mesh_bytes_make_reader(datagram, len);
    Waiting       waiting = { .payload = MESH_SPAN(datagram + MESH_RELAY_HEAD_BYTES,
                                                   len - MESH_RELAY_HEAD_BYTES) };
    uint32_t      dropped;
    int           rc;

    self->blocked = true;
    if (to == NULL || !mesh_bytes_skip(&r, 4) || !mesh_bytes_read_u32be(&r, &waiting.source))
        return;
    (void)pthread_mutex_lock(&to->lock);
    rc = push(self, to, &waiting, &dropped);
    (void)pthread_mutex_unlock(&to->lock);
    if (rc != 0)
        relay_count(self, RELAY_COUNT_QUEUE, 1);
}
