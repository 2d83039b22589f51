/* daemon/wire/stream.c: the thread of a relay over TLS.
 *
 * It alone touches the connection. Out: frames are copied from the rings into a batch as large as a
 * TLS record; what OpenSSL has begun to write it keeps until it is through. In: a record is
 * decrypted into a buffer, its whole frames are copied to the ring of the in thread, which is rung
 * once a turn. While that is full nothing is read: the relay then drops, fairly, what we do not
 * take. */
#include "daemon/wire/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/codec/relayframe.h"
#include "common/codec/websocket.h"
#include "common/std/key.h"
#include "common/std/thread.h"
#include "daemon/wire/framering.h"
#include "daemon/wire/spin.h"
#include "daemon/wire/streamsocket.h"

enum {
    HEAD = MESH_RELAY_STREAM_HEAD_BYTES,
    RECORD_BYTES = 16384,
    /* Behind it there is always a whole frame. */
    INPUT_BYTES = HEAD + MESH_RELAY_MAX_STREAM_BYTES + RECORD_BYTES,
    TURN = 8, /* records in a row, before the other direction */
    /* What the out thread seals in one go fits, and again as much. */
    DATA_RING = 512 * 1024,
    SMALL_RING = 32 * 1024,
    IN_RING = 512 * 1024,
    /* Of data that a connection which takes nothing lets wait, and that the kernel holds unsent. */
    MAX_WAITING = 64 * 1024,
    MAX_UNSENT = 64 * 1024,
};

struct WireStream {
    SSL              *ssl;
    WireStreamSocket *socket; /* of @ssl */
    int               fd;
    WireMailbox      *reader;
    WireMailbox       bell; /* rung only */
    MeshThread       *thread;
    _Atomic bool      stopping;
    _Atomic int       ended; /* negative errno; 0: it runs */
    bool              told;  /* in thread's: that it ended */
    WireFrameRing    *out[WIRE_STREAM_N_FROM];
    _Atomic bool      out_busy; /* an out thread is at its ring */
    WireFrameRing    *in;
    _Atomic bool      in_full; /* rung when there is room again */
    _Atomic uint64_t  n_dropped;

    /* The thread's own. */
    bool           is_websocket, may_read, may_write, read_wants_write;
    bool           in_news;  /* the in thread is to be rung */
    bool           in_waits; /* whole frames are in @input, and the ring is full */
    MeshWebsocket  websocket;
    size_t         n_input, n_batch;
    const uint8_t *batch; /* in batch_room */
    uint8_t        input[INPUT_BYTES];
    uint8_t        batch_room[MESH_WEBSOCKET_HEAD_BYTES + RECORD_BYTES];
};

/* ---- for other threads ---- */

static void put_head(uint8_t *at, uint8_t kind, size_t len, uint32_t arg)
{
    at[0] = kind;
    at[1] = (uint8_t)(len >> 16);
    at[2] = (uint8_t)(len >> 8);
    at[3] = (uint8_t)len;
    for (int i = 0; i < 4; i++)
        at[4 + i] = (uint8_t)(arg >> (24 - 8 * i));
}

bool wire_stream_has_ended(const WireStream *self)
{
    return atomic_load_explicit(&self->ended, memory_order_relaxed) != 0;
}

/* Returns: how many fit. */
static size_t put_data(WireFrameRing *ring, uint32_t index, const WirePacket *packets,
                       size_t n_packets)
{
    size_t n = 0;

    for (; n < n_packets; n++) {
        size_t   len = packets[n].len;
        uint8_t *at = NULL;

        if (len <= MESH_RELAY_MAX_DATA_BYTES)
            at = wire_framering_reserve(ring, HEAD + len);
        if (at == NULL)
            break;
        put_head(at, MESH_RELAY_DATA, len, index);
        memcpy(at + HEAD, packets[n].data, len);
    }
    if (n > 0)
        wire_framering_commit(ring);
    return n;
}

size_t wire_stream_send(WireStream *self, WireStreamFrom from, uint32_t index,
                        const WirePacket *packets, size_t n_packets)
{
    size_t n;

    if (wire_stream_has_ended(self))
        return 0;
    /* Of out threads there may be several. Each holds it for a run, and a relay over TLS is slow.
     */
    if (from == WIRE_STREAM_FROM_OUT)
        wire_spin_lock(&self->out_busy);
    n = put_data(self->out[from], index, packets, n_packets);
    if (from == WIRE_STREAM_FROM_OUT)
        wire_spin_unlock(&self->out_busy);
    if (n > 0)
        wire_mailbox_ring(&self->bell);
    return n;
}

int wire_stream_send_frame(WireStream *self, MeshSpan frame)
{
    WireFrameRing *ring = self->out[WIRE_STREAM_FROM_CONTROL];
    uint8_t       *at;

    at = wire_framering_reserve(ring, frame.len);
    if (at == NULL)
        return -EAGAIN;
    memcpy(at, frame.data, frame.len);
    wire_framering_commit(ring);
    wire_mailbox_ring(&self->bell);
    return 0;
}

bool wire_stream_take(WireStream *self, WirePacket *out_frame)
{
    size_t   len;
    uint8_t *at = wire_framering_peek(self->in, &len);

    if (at == NULL)
        return false;
    wire_framering_skip(self->in);
    *out_frame = (WirePacket){ at, (uint32_t)len };
    return true;
}

void wire_stream_release(WireStream *self)
{
    wire_framering_release(self->in);
    atomic_thread_fence(memory_order_seq_cst); /* either we see the flag, or it sees the room */
    if (atomic_load_explicit(&self->in_full, memory_order_relaxed) &&
        atomic_exchange(&self->in_full, false))
        wire_mailbox_ring(&self->bell);
}

int wire_stream_get_end(WireStream *self)
{
    int ended = atomic_load_explicit(&self->ended, memory_order_acquire);

    if (ended == 0 || self->told || wire_framering_used(self->in) != 0)
        return 0;
    self->told = true;
    return ended;
}

void wire_stream_put_end_back(WireStream *self)
{
    self->told = false;
}

uint64_t wire_stream_take_dropped(WireStream *self)
{
    if (atomic_load_explicit(&self->n_dropped, memory_order_relaxed) == 0)
        return 0;
    return atomic_exchange_explicit(&self->n_dropped, 0, memory_order_relaxed);
}

/* ---- the connection ---- */

/* What became of a call to OpenSSL that did nothing. Returns: 0: later; negative errno: the end. */
static int judge(WireStream *self, int rc, bool *may)
{
    *may = false;
    switch (SSL_get_error(self->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return 0;
    case SSL_ERROR_WANT_WRITE:
        self->read_wants_write |= may == &self->may_read;
        return 0;
    case SSL_ERROR_ZERO_RETURN:
        return -EPIPE;
    case SSL_ERROR_SYSCALL:
        return errno != 0 ? -errno : -ECONNRESET;
    default:
        return -EPROTO;
    }
}

/* ---- out ---- */

/* As many frames of a ring as go into the batch. */
static size_t fill_from(WireFrameRing *ring, uint8_t *batch, size_t n)
{
    const uint8_t *frame;
    size_t         len;

    while ((frame = wire_framering_peek(ring, &len)) != NULL && len <= RECORD_BYTES - n) {
        memcpy(batch + n, frame, len);
        n += len;
        wire_framering_skip(ring);
    }
    wire_framering_release(ring);
    return n;
}

/* Returns: false: nothing waits. */
static bool fill(WireStream *self)
{
    uint8_t *payload = self->batch_room + MESH_WEBSOCKET_HEAD_BYTES, mask[4];
    size_t   n = 0, n_head = 0;

    if (self->is_websocket) { /* unpredictable, RFC 6455 §10.3 */
        mesh_key_random(mask, sizeof(mask));
        n = mesh_websocket_take_pong(&self->websocket, mask, self->batch_room);
        self->batch = self->batch_room;
        self->n_batch = n;
        if (n > 0)
            return true;
        n = MESH_WEBSOCKET_HEAD_BYTES; /* with the head it is still one record */
    }
    for (int from = 0; from < WIRE_STREAM_N_FROM; from++)
        n = fill_from(self->out[from], payload, n);
    if (self->is_websocket) {
        payload += MESH_WEBSOCKET_HEAD_BYTES;
        n -= MESH_WEBSOCKET_HEAD_BYTES;
        n_head = n > 0 ? mesh_websocket_wrap(mask, payload, n) : 0;
    }
    self->batch = payload - n_head;
    self->n_batch = n_head + n;
    return n > 0;
}

/* The connection takes nothing: of its data the oldest goes, so that what comes behind is not late.
 */
static void trim(WireStream *self)
{
    WireFrameRing *ring = self->out[WIRE_STREAM_FROM_OUT];
    uint64_t       n = 0;
    size_t         len;

    while (wire_framering_used(ring) > MAX_WAITING && wire_framering_peek(ring, &len) != NULL) {
        wire_framering_skip(ring);
        n++;
    }
    if (n == 0)
        return;
    wire_framering_release(ring);
    atomic_fetch_add_explicit(&self->n_dropped, n, memory_order_relaxed);
}

/* Returns: 1: there is more to write; 0; negative errno: the end. */
static int write_records(WireStream *self)
{
    for (int i = 0; i < TURN; i++) {
        int rc;

        if (self->n_batch == 0 && !fill(self))
            return 0;
        ERR_clear_error();
        rc = SSL_write(self->ssl, self->batch, (int)self->n_batch);
        if (rc <= 0)
            return judge(self, rc, &self->may_write);
        self->n_batch = 0; /* without partial writes it is all or nothing */
    }
    return 1;
}

/* Returns: 1: there is more to write at once; 0; negative errno: the end. */
static int write_some(WireStream *self)
{
    int more = 0, rc;

    if (!self->may_write) {
        trim(self);
        return 0;
    }
    more = write_records(self);
    rc = wire_streamsocket_flush(self->socket);
    self->may_write &= rc != -EAGAIN;
    if (!self->may_write)
        trim(self);
    if (more < 0 || (rc < 0 && rc != -EAGAIN))
        return more < 0 ? more : rc;
    return self->may_write ? more : 0;
}

/* ---- in ---- */

/* One frame to the in thread. Returns: false: no room. */
static bool pass_on(WireStream *self, const uint8_t *frame, size_t len)
{
    uint8_t *at = wire_framering_reserve(self->in, len);

    if (at == NULL) {
        atomic_store(&self->in_full, true);
        atomic_thread_fence(memory_order_seq_cst);
        at = wire_framering_reserve(self->in, len); /* it may have looked just before */
    }
    if (at == NULL)
        return false;
    memcpy(at, frame, len);
    return true;
}

/* Whole frames of the input go on; the beginning of one stays. Returns: 0; -EBADMSG: no frame. */
static int pass_frames(WireStream *self)
{
    MeshReader     r = mesh_bytes_make_reader(self->input, self->n_input);
    MeshRelayFrame frame;
    int            rc;

    self->in_waits = false;
    do {
        const uint8_t *at = r.at;

        rc = mesh_relayframe_decode_stream(MESH_RELAY_DOWN, &r, &frame);
        if (rc == 0 && !pass_on(self, at, (size_t)(r.at - at))) {
            self->in_waits = true;
            r.at = at;
            rc = -EAGAIN;
        }
    } while (rc == 0);
    if (r.at != self->input) {
        wire_framering_commit(self->in);
        self->in_news = true;
    }
    self->n_input = mesh_bytes_left(&r);
    memmove(self->input, r.at, self->n_input);
    return rc == -EAGAIN ? 0 : rc;
}

/* @n bytes came behind the input. */
static int take_bytes(WireStream *self, size_t n)
{
    int ended = 0, rc;

    if (self->is_websocket)
        ended = mesh_websocket_decode(&self->websocket, self->input + self->n_input, n, &n);
    self->n_input += n;
    rc = pass_frames(self);
    return rc < 0 ? rc : ended;
}

/* Returns: 1: there may be more; 0; negative errno: the end. */
static int read_some(WireStream *self)
{
    int rc = self->in_waits ? pass_frames(self) : 0;

    for (int i = 0; rc == 0 && i < TURN && self->may_read && !self->in_waits; i++) {
        ERR_clear_error();
        rc = SSL_read(self->ssl, self->input + self->n_input, (int)(INPUT_BYTES - self->n_input));
        rc = rc > 0 ? take_bytes(self, (size_t)rc) : judge(self, rc, &self->may_read);
    }
    if (self->in_news)
        wire_mailbox_ring(self->reader);
    self->in_news = false;
    return rc < 0 ? rc : self->may_read && !self->in_waits;
}

/* ---- the thread ---- */

static void wait(WireStream *self)
{
    bool          wants_write = !self->may_write || self->read_wants_write;
    struct pollfd fds[] = {
        { .fd = self->fd,
          .events = (short)((self->in_waits ? 0 : POLLIN) | (wants_write ? POLLOUT : 0)) },
        { .fd = wire_mailbox_fd(&self->bell), .events = POLLIN },
    };

    (void)!poll(fds, MESH_N_ELEMENTS(fds), -1);
    if (fds[1].revents != 0)
        wire_mailbox_hush(&self->bell);
    if (fds[0].revents == 0)
        return;
    self->may_read = true;
    if ((fds[0].revents & ~POLLIN) != 0) {
        self->may_write = true;
        self->read_wants_write = false;
    }
}

static bool is_stopping(const WireStream *self)
{
    return atomic_load_explicit(&self->stopping, memory_order_acquire);
}

static void run(void *user_data)
{
    WireStream *self = user_data;
    int         rc = 0;

    while (rc >= 0 && !is_stopping(self)) {
        bool more;

        rc = read_some(self);
        more = rc > 0;
        if (rc >= 0)
            rc = write_some(self);
        if (rc == 0 && !more)
            wait(self);
    }
    if (rc < 0) {
        atomic_store_explicit(&self->ended, rc, memory_order_release);
        wire_mailbox_ring(self->reader);
        return;
    }
    while (write_some(self) > 0) {
    }
    (void)SSL_shutdown(self->ssl); /* says so; does not wait */
    (void)!wire_streamsocket_flush(self->socket);
}

/* ---- begin and end ---- */

static int make_parts(WireStream *self)
{
    int rc = wire_mailbox_init(&self->bell);

    for (int from = 0; rc == 0 && from < WIRE_STREAM_N_FROM; from++)
        rc = wire_framering_new(from == WIRE_STREAM_FROM_OUT ? DATA_RING : SMALL_RING,
                                &self->out[from]);
    if (rc == 0)
        rc = wire_framering_new(IN_RING, &self->in);
    return rc;
}

/* Bytes that the kernel holds and cannot send yet are a queue without a judge: few. */
static void prepare_socket(int fd)
{
    int unsent = MAX_UNSENT, on = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

int wire_stream_new(struct ssl_st *ssl, bool websocket, WireMailbox *reader, WireStream **out_self)
{
    WireStream *self;
    int         rc, fd = SSL_get_fd(ssl);

    if (fd < 0)
        return -EINVAL;
    self = calloc(1, sizeof(*self));
    if (self == NULL)
        return -ENOMEM;
    self->fd = fd;
    self->reader = reader;
    self->is_websocket = websocket;
    self->may_read = self->may_write = true;
    mesh_websocket_init(&self->websocket, false);
    rc = make_parts(self);
    if (rc == 0)
        rc = wire_streamsocket_new(ssl, &self->socket);
    if (rc == 0) {
        prepare_socket(fd);
        self->ssl = ssl; /* ours from here on, but for a thread that does not start */
        rc = mesh_thread_start("mesh-stream", run, self, &self->thread);
    }
    if (rc < 0) {
        wire_stream_disown(self);
        wire_stream_free(self);
        return rc;
    }
    *out_self = self;
    return 0;
}

void wire_stream_stop(WireStream *self)
{
    atomic_store_explicit(&self->stopping, true, memory_order_release);
    wire_mailbox_ring(&self->bell);
    mesh_thread_join(self->thread);
    self->thread = NULL;
}

void wire_stream_disown(WireStream *self)
{
    wire_streamsocket_free(self->socket);
    self->socket = NULL;
    self->ssl = NULL;
}

void wire_stream_free(WireStream *self)
{
    if (self->ssl != NULL) {
        wire_streamsocket_free(self->socket);
        SSL_free(self->ssl);
        close(self->fd);
    }
    for (int from = 0; from < WIRE_STREAM_N_FROM; from++)
        wire_framering_free(self->out[from]);
    wire_framering_free(self->in);
    wire_mailbox_done(&self->bell);
    mesh_key_wipe(self, sizeof(*self));
    free(self);
}
