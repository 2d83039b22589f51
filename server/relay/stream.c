/* server/relay/stream.c: sessions over TLS. A stream belongs to its connection's shard, which alone
 * reads and writes it. What others have for it lies in its session's queue; the first of them rings
 * by mail. One batch at a time is with the connection, as large as a TLS record: what is behind it
 * waits in the queue, where it is judged fairly, and not in the socket. */
#include "common/codec/websocket.h"
#include "common/std/clock.h"
#include "server/relay/forward.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH_BYTES = 16384, /* a TLS record */
    TOGETHER = 128,      /* nodes */
    INPUT_BYTES = MESH_RELAY_STREAM_HEAD_BYTES + MESH_RELAY_MAX_STREAM_BYTES,
};

/* Outlives its stream while the connection has it. */
typedef struct {
    RelayStream *stream; /* NULL: gone */
    size_t       len;
    uint8_t      head[MESH_WEBSOCKET_HEAD_BYTES]; /* before the data, for that form */
    uint8_t      data[BATCH_BYTES];
} Batch;

_Static_assert(offsetof(Batch, data) == offsetof(Batch, head) + MESH_WEBSOCKET_HEAD_BYTES,
               "what is wrapped lies behind its head");

struct RelayStream {
    Relay         *relay;
    LoopConn      *conn;
    uint32_t       number; /* of its session */
    Batch         *batch;  /* with the connection; NULL: none */
    bool           moving; /* its connection is on no shard, or not yet on the right one */
    size_t         n_input;
    uint8_t       *input;     /* the beginning of a frame; NULL: none */
    MeshWebsocket *websocket; /* owned; NULL: frames come as they are */
};

/* Of each shard's thread: datagrams to sessions over UDP. Freed at the thread's end. */
static pthread_key_t  out_key;
static pthread_once_t out_once = PTHREAD_ONCE_INIT;

static void make_out_key(void)
{
    if (pthread_key_create(&out_key, free) != 0)
        abort();
}

static RelayOut *get_out(Relay *self)
{
    RelayOut *out;

    (void)pthread_once(&out_once, make_out_key);
    out = pthread_getspecific(out_key);
    if (out == NULL) {
        out = calloc(1, sizeof(*out));
        if (out == NULL || pthread_setspecific(out_key, out) != 0) {
            free(out);
            return NULL;
        }
    }
    out->fd = self->fds[RELAY_MAIN];
    out->is_v6 = self->is_v6[RELAY_MAIN];
    out->blocked = relay_forward_blocked;
    out->ring = relay_stream_ring;
    out->user_data = self;
    out->now_ns = mesh_clock_boot_ns();
    return out;
}

/* --- from others: the bell ---------------------------------------------------------------------
 */

typedef struct {
    LoopMail mail;
    Relay   *relay;
    uint32_t number;
    bool     end;
} Bell;

static void write_out(RelayStream *self);

static void hear_bell(LoopMail *mail, LoopConn *conn)
{
    Bell         *bell = (Bell *)mail;
    RelaySession *session;
    RelayStream  *stream = NULL;

    if (conn != NULL && bell->end) {
        loop_conn_abort(conn);
    } else if (conn != NULL) { /* without a connection there may be no relay any more */
        relay_table_read(bell->relay->table);
        session = relay_table_find(bell->relay->table, bell->number);
        if (session != NULL)
            stream = session->stream; /* ours: it ends on this thread */
        relay_table_unlock(bell->relay->table);
    }
    if (stream != NULL && stream->batch == NULL)
        write_out(stream);
    free(bell);
}

static bool post(Relay *self, const RelaySession *session, bool end)
{
    Bell *bell = malloc(sizeof(*bell));

    if (bell == NULL)
        return false;
    *bell = (Bell){ .mail = { .to = session->conn, .deliver = hear_bell },
                    .relay = self,
                    .number = session->number,
                    .end = end };
    loop_post(session->loop, &bell->mail);
    return true;
}

void relay_stream_ring(RelayOut *out, uint32_t number)
{
    Relay        *self = out->user_data;
    RelaySession *session = relay_table_find(self->table, number);

    if (session == NULL || session->stream == NULL || post(self, session, false))
        return;
    if (pthread_mutex_trylock(&session->lock) != 0) /* who rings may hold another's */
        return;
    session->listed = false; /* no memory: the next one tries again */
    (void)pthread_mutex_unlock(&session->lock);
}

void relay_stream_end_session(Relay *self, RelaySession *session)
{
    if (session->stream != NULL)
        (void)post(self, session, true);
    relay_table_remove(self->table, session);
}

/* --- out ---------------------------------------------------------------------------------------
 */

static void add_frame(Batch *batch, const RelayParcel *parcel)
{
    uint8_t *at = batch->data + batch->len;

    at[0] = parcel->kind;
    at[1] = 0;
    at[2] = (uint8_t)(parcel->len >> 8);
    at[3] = (uint8_t)parcel->len;
    for (int i = 0; i < 4; i++)
        at[4 + i] = (uint8_t)(parcel->source >> (24 - 8 * i));
    memcpy(at + MESH_RELAY_STREAM_HEAD_BYTES, parcel->data, parcel->len);
    batch->len += MESH_RELAY_STREAM_HEAD_BYTES + parcel->len;
}

/* --- who fills a queue waits for it --- */

static void hear_release(LoopMail *mail, LoopConn *conn)
{
    if (conn != NULL)
        loop_conn_pause(conn, 0);
    free(mail);
}

/* With @session's lock. Whom this does not reach, for want of memory, goes on by himself. */
static void release_held(Relay *self, RelaySession *session)
{
    for (unsigned i = 0; i < session->n_held; i++) {
        const RelaySession *from = relay_table_find(self->table, session->held[i]);
        LoopMail *mail = from != NULL && from->stream != NULL ? malloc(sizeof(*mail)) : NULL;

        if (mail == NULL)
            continue;
        *mail = (LoopMail){ .to = from->conn, .deliver = hear_release };
        loop_post(from->loop, mail);
    }
    session->n_held = 0;
    session->full_ns = 0;
}

/* As many frames as go into a record; with the session's lock. */
static void fill(Relay *self, RelaySession *session, int64_t now_ns, Batch *batch, RelayAged *aged)
{
    while (session->queue != NULL && !relay_queue_is_empty(session->queue) &&
           batch->len + INPUT_BYTES + sizeof(batch->head) <= sizeof(batch->data)) {
        RelayParcel *parcel = relay_queue_pop(session->queue, now_ns, aged);

        if (parcel == NULL)
            break;
        add_frame(batch, parcel);
        free(parcel);
    }
    if (session->full_ns != 0 &&
        (session->queue == NULL || relay_queue_get_bytes(session->queue) < RELAY_RELEASE_BYTES))
        release_held(self, session);
    if (session->queue != NULL && relay_queue_is_empty(session->queue)) {
        relay_queue_free(session->queue);
        session->queue = NULL;
    }
    if (batch->len == 0)
        session->listed = false; /* the next one rings again */
}

static void fill_from_session(RelayStream *self, Batch *batch)
{
    RelayOut     *out = get_out(self->relay);
    RelayAged     aged = { 0 };
    RelaySession *session;

    batch->len = 0;
    if (out == NULL) {
        loop_conn_abort(self->conn);
        return;
    }
    relay_table_read(self->relay->table);
    session = relay_table_find(self->relay->table, self->number);
    if (session != NULL && session->stream == self) {
        (void)pthread_mutex_lock(&session->lock);
        fill(self->relay, session, out->now_ns, batch, &aged);
        (void)pthread_mutex_unlock(&session->lock);
        if (aged.n > 0)
            relay_forward_dropped(self->relay, out, session, &aged);
        relay_out_flush(out);
    }
    relay_table_unlock(self->relay->table);
}

static void send_batch(RelayStream *self, Batch *batch);

/* The kernel has the batch: the next one. */
static void batch_is_out(void *owner)
{
    Batch       *batch = owner;
    RelayStream *self = batch->stream;

    if (self != NULL) {
        self->batch = NULL;
        fill_from_session(self, batch);
        if (batch->len > 0) {
            send_batch(self, batch);
            return;
        }
    }
    free(batch);
}

/* A connection that is ending takes nothing and releases it at once. */
static void send_batch(RelayStream *self, Batch *batch)
{
    size_t head = self->websocket != NULL ? mesh_websocket_wrap(NULL, batch->data, batch->len) : 0;
    const LoopItem item = { .data = batch->data - head,
                            .len = head + batch->len,
                            .release = batch_is_out,
                            .owner = batch,
                            .uncounted = true };

    self->batch = batch;
    batch->stream = self;
    if (loop_conn_send(self->conn, &item) < 0)
        loop_conn_abort(self->conn);
}

static void write_out(RelayStream *self)
{
    Batch *batch = malloc(sizeof(*batch));

    if (batch == NULL) {
        loop_conn_abort(self->conn);
        return;
    }
    fill_from_session(self, batch);
    if (batch->len > 0)
        send_batch(self, batch);
    else
        free(batch);
}

static void put_source(uint8_t *head, uint32_t source)
{
    for (int i = 0; i < 4; i++)
        head[4 + i] = (uint8_t)(source >> (24 - 8 * i));
}

bool relay_stream_pass(const RelaySession *from, RelaySession *to, const RelayPayloads *run)
{
    const MeshSpan *last = &run->payloads[run->n - 1];
    uint8_t        *first;
    bool            waits;

    if (from->stream == NULL || from->loop != to->loop ||
        !loop_conn_are_together(from->conn, to->conn) || from->stream->moving ||
        to->stream->moving || to->stream->batch != NULL || to->stream->websocket != NULL)
        return false;
    (void)pthread_mutex_lock(&to->lock);
    waits = to->listed;
    (void)pthread_mutex_unlock(&to->lock);
    if (waits)
        return false;
    for (unsigned i = 0; i < run->n; i++)
        put_source((uint8_t *)(uintptr_t)run->payloads[i].data - MESH_RELAY_STREAM_HEAD_BYTES,
                   from->node.index);
    first = (uint8_t *)(uintptr_t)run->payloads[0].data - MESH_RELAY_STREAM_HEAD_BYTES;
    return loop_conn_pass(to->stream->conn, first,
                          (size_t)((const uint8_t *)last->data + last->len - first));
}

/* --- in ----------------------------------------------------------------------------------------
 */

static void answer_ping(Relay *self, RelayOut *out, RelaySession *session, uint32_t sequence)
{
    const MeshRelayFrame pong = {
        .kind = MESH_RELAY_PONG,
        .arg = sequence,
        .seen = session->remote,
        .life_s = (uint32_t)((session->exp_ms - out->now_ns / 1000000) / 1000),
    };

    relay_forward_frame(self, out, session, &pong);
}

static void answer_where(Relay *self, RelayOut *out, RelaySession *session, uint32_t index)
{
    const RelaySession *other = relay_table_find_node(self->table, &session->node, index);
    MeshRelayFrame      frame = { .kind = MESH_RELAY_AT, .arg = index };

    if (other == NULL) {
        relay_forward_notice(self, out, session, MESH_RELAY_GONE, index);
        return;
    }
    if (other->stream == NULL)
        frame.seen = other->remote;
    relay_forward_frame(self, out, session, &frame);
}

static void flush_run(Relay *self, RelayOut *out, RelaySession *session, RelayPayloads *run)
{
    unsigned hold_ms = run->n > 0 ? relay_forward_payloads(self, out, session, run) : 0;

    if (hold_ms > 0)
        loop_conn_pause(session->stream->conn, hold_ms);
    run->n = 0;
    run->bytes = 0;
}

static bool is_next(const RelayPayloads *run, const MeshRelayFrame *frame)
{
    const MeshSpan *last = &run->payloads[run->n - 1];

    return run->index == frame->arg &&
           (const uint8_t *)last->data + last->len ==
               (const uint8_t *)frame->data.data - MESH_RELAY_STREAM_HEAD_BYTES;
}

static void add_to_run(Relay *self, RelayOut *out, RelaySession *session, RelayPayloads *run,
                       const MeshRelayFrame *frame)
{
    if (run->n == RELAY_PAYLOADS || run->bytes + frame->data.len > RELAY_RUN_BYTES ||
        (run->n > 0 && !is_next(run, frame)))
        flush_run(self, out, session, run);
    run->index = frame->arg;
    run->payloads[run->n++] = frame->data;
    run->bytes += frame->data.len;
}

/* DATA waits in @run for more of it: judged together it takes one look-up and one lock. */
static void take_frame(Relay *self, RelayOut *out, RelaySession *session, RelayPayloads *run,
                       const MeshRelayFrame *frame)
{
    size_t bytes = MESH_RELAY_STREAM_HEAD_BYTES + frame->data.len;

    if (!relay_allowance_take(&session->up, bytes, out->now_ns)) {
        relay_count(self, RELAY_COUNT_RATE, 1);
        if (frame->kind == MESH_RELAY_DATA)
            relay_forward_notice(self, out, session, MESH_RELAY_CONGESTED, frame->arg);
        return;
    }
    switch (frame->kind) {
    case MESH_RELAY_DATA:
        add_to_run(self, out, session, run, frame);
        return;
    case MESH_RELAY_PING:
        answer_ping(self, out, session, frame->arg);
        return;
    case MESH_RELAY_WHERE:
        answer_where(self, out, session, frame->arg);
        return;
    default: /* MOVED: there is nothing to prove over TCP */
        return;
    }
}

/* All whole frames in @r. False: the stream is lost or closed. */
static bool take_frames(RelayStream *self, MeshReader *r)
{
    Relay         *relay = self->relay;
    RelayOut      *out = get_out(relay);
    RelayPayloads  run;
    MeshRelayFrame frame;
    RelaySession  *session;
    int            rc = -ENOMEM;

    if (out == NULL)
        return false;
    run.n = 0;
    run.bytes = 0;
    relay_table_read(relay->table);
    session = relay_table_find(relay->table, self->number);
    if (session != NULL && session->stream == self) {
        atomic_store_explicit(&session->heard_ms, out->now_ns / 1000000, memory_order_relaxed);
        while ((rc = mesh_relayframe_decode_stream(MESH_RELAY_UP, r, &frame)) == 0) {
            if (frame.kind == MESH_RELAY_CLOSE) {
                rc = -EPIPE;
                break;
            }
            take_frame(relay, out, session, &run, &frame);
        }
        flush_run(relay, out, session, &run);
    }
    relay_out_flush(out);
    relay_table_unlock(relay->table);
    return rc == -EAGAIN;
}

/* Completes the frame that an earlier read began. Returns: bytes of @data it took. */
static size_t complete_frame(RelayStream *self, const uint8_t *data, size_t len)
{
    size_t n = INPUT_BYTES - self->n_input;

    if (n > len)
        n = len;
    memcpy(self->input + self->n_input, data, n);
    return n;
}

/* The answer to a ping of the WebSocket. */
static void send_pong(RelayStream *self)
{
    uint8_t       *pong = malloc(MESH_WEBSOCKET_HEAD_BYTES + MESH_WEBSOCKET_CONTROL_BYTES);
    size_t         len = pong == NULL ? 0 : mesh_websocket_take_pong(self->websocket, NULL, pong);
    const LoopItem item = { .data = pong, .len = len, .release = free, .owner = pong };

    if (len == 0)
        free(pong);
    else if (loop_conn_send(self->conn, &item) < 0)
        loop_conn_abort(self->conn);
}

static void take_bytes(RelayStream *self, const uint8_t *data, size_t len)
{
    size_t     kept = self->n_input, taken = 0;
    MeshReader r;

    if (kept > 0) { /* with enough behind it that the first frame is whole, if it can be */
        taken = complete_frame(self, data, len);
        r = mesh_bytes_make_reader(self->input, kept + taken);
        if (!take_frames(self, &r)) {
            loop_conn_abort(self->conn);
            return;
        }
        if (r.at - self->input < (ptrdiff_t)kept) { /* still the beginning of the first one */
            self->n_input = kept + taken;
            return;
        }
        taken = (size_t)(r.at - self->input) - kept; /* what is left is read in place */
        self->n_input = 0;
    }
    r = mesh_bytes_make_reader(data + taken, len - taken);
    if (!take_frames(self, &r)) {
        loop_conn_abort(self->conn);
        return;
    }
    if (mesh_bytes_left(&r) == 0)
        return;
    if (self->input == NULL)
        self->input = malloc(INPUT_BYTES);
    if (self->input == NULL || mesh_bytes_left(&r) > INPUT_BYTES) {
        loop_conn_abort(self->conn);
        return;
    }
    self->n_input = mesh_bytes_left(&r);
    memcpy(self->input, r.at, self->n_input);
}

void relay_stream_input(RelayStream *self, const uint8_t *data, size_t len)
{
    uint8_t *copy;
    int      rc;

    if (self->websocket == NULL) {
        take_bytes(self, data, len);
        return;
    }
    copy = malloc(len);
    if (copy == NULL) {
        loop_conn_abort(self->conn);
        return;
    }
    memcpy(copy, data, len);
    rc = mesh_websocket_decode(self->websocket, copy, len, &len);
    if (len > 0)
        take_bytes(self, copy, len);
    free(copy);
    if (rc < 0)
        loop_conn_abort(self->conn);
    else
        send_pong(self);
}

/* --- open and close ----------------------------------------------------------------------------
 */

static MeshRelayStatus add_session(RelayStream *self, const RelayGrant *grant, int64_t life_s)
{
    Relay        *relay = self->relay;
    int64_t       now_ms = mesh_clock_boot_ms();
    RelaySession *session = relay_table_find_node(relay->table, &grant->node, grant->node.index);

    if (relay_bind_is_revoked(relay, grant))
        return MESH_RELAYBIND_REVOKED;
    if (session != NULL)
        relay_stream_end_session(relay, session);
    session = relay_table_add(relay->table, grant, now_ms, now_ms + life_s * 1000);
    if (session == NULL)
        return MESH_RELAYBIND_BUSY;
    session->remote = *loop_conn_get_peer(self->conn);
    session->stream = self;
    session->loop = loop_conn_get_loop(self->conn);
    session->conn = loop_conn_get_id(self->conn);
    self->number = session->number;
    return MESH_RELAYBIND_OK;
}

static void free_stream(RelayStream *self)
{
    free(self->websocket);
    free(self->input);
    free(self);
}

static RelayStream *new_stream(Relay *relay, LoopConn *conn, bool websocket)
{
    RelayStream *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return NULL;
    self->relay = relay;
    self->conn = conn;
    self->websocket = websocket ? malloc(sizeof(*self->websocket)) : NULL;
    if (websocket && self->websocket == NULL) {
        free(self);
        return NULL;
    }
    if (websocket)
        mesh_websocket_init(self->websocket, true);
    return self;
}

MeshRelayStatus relay_stream_open(Relay *relay, LoopConn *conn, const RelayGrant *grant,
                                  bool websocket, RelayStream **out_stream)
{
    int64_t         life_s = grant->exp_s - mesh_clock_wall_s();
    RelayStream    *self;
    MeshRelayStatus status = MESH_RELAYBIND_TOKEN_EXPIRED;

    if (life_s <= 0)
        return status;
    self = new_stream(relay, conn, websocket);
    if (self == NULL)
        return MESH_RELAYBIND_BUSY;
    relay_table_write(relay->table);
    status = add_session(self, grant, life_s);
    relay_table_unlock(relay->table);
    relay_count(relay, status == MESH_RELAYBIND_OK ? RELAY_COUNT_BOUND : RELAY_COUNT_REFUSED, 1);
    if (status == MESH_RELAYBIND_OK)
        *out_stream = self;
    else
        free_stream(self);
    return status;
}

/* Nodes that may talk are on one shard: what one sends to another needs no other thread. Those of a
 * large network are spread. */
static uint32_t make_key(const RelayNode *node)
{
    uint32_t key = node->index / TOGETHER;

    for (size_t i = 0; i < sizeof(node->network); i++)
        key = (key ^ node->network[i]) * 0x01000193U;
    return key ^ key >> 16;
}

/* On the new shard. Bells to the old one may have rung for nobody. */
static void has_moved(void *data)
{
    RelayStream  *self = data;
    RelaySession *session;

    relay_table_write(self->relay->table);
    session = relay_table_find(self->relay->table, self->number);
    if (session != NULL && session->stream == self)
        session->conn = loop_conn_get_id(self->conn);
    else
        loop_conn_abort(self->conn); /* ended meanwhile: nobody could tell it */
    self->moving = false;
    relay_table_unlock(self->relay->table);
    if (self->batch == NULL)
        write_out(self);
}

void relay_stream_start(RelayStream *self)
{
    RelayOut      *out = get_out(self->relay);
    RelaySession  *session;
    MeshRelayFrame bound = { .kind = MESH_RELAY_BOUND, .arg = self->number };
    RelayNode      node = { .index = 0 };

    if (out == NULL) {
        loop_conn_abort(self->conn);
        return;
    }
    loop_conn_set_bulk(self->conn);
    relay_table_read(self->relay->table);
    session = relay_table_find(self->relay->table, self->number);
    if (session != NULL && session->stream == self) {
        node = session->node;
        bound.seen = session->remote;
        bound.life_s = (uint32_t)((session->exp_ms - out->now_ns / 1000000) / 1000);
        relay_forward_frame(self->relay, out, session, &bound);
        relay_out_flush(out);
    }
    relay_table_unlock(self->relay->table);
    self->moving = loop_conn_move(self->conn, make_key(&node), has_moved, self);
}

void relay_stream_close(RelayStream *self)
{
    RelaySession *session;

    relay_table_write(self->relay->table);
    session = relay_table_find(self->relay->table, self->number);
    if (session != NULL && session->stream == self)
        relay_table_remove(self->relay->table, session);
    relay_table_unlock(self->relay->table);
    if (self->batch != NULL)
        self->batch->stream = NULL;
    free_stream(self);
}
