#include "server/loop/conn.h"

#include "server/loop/bulk.h"
#include "server/loop/outbox.h"
#include "server/loop/shard.h"
#include "server/loop/tls.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    READS_A_ROUND = 4, /* then the others get their turn */
    WRITES_A_ROUND = 16,
    FLUSH_MS = 15000,
    LINGER_MS = 2000,
    LINGER_STOPPING_MS = 200,
    LINGER_BYTES = 4 << 20,
    USER_TIMEOUT_MS = 15000,
    /* In the kernel: the rest waits where it can still be judged. Of bulk less, as up to
     * LOOP_WIRE_BYTES more are between. */
    UNSENT_BYTES = 128 << 10,
    UNSENT_BULK_BYTES = 64 << 10,
};

typedef enum {
    CONN_HANDSHAKE,
    CONN_OPEN,
    CONN_FLUSH,  /* writes what is queued, reads nothing */
    CONN_LINGER, /* said all; swallows what still comes, so that no reset eats our last words */
    CONN_DEAD,   /* waits for loop_conn_settle() */
} ConnState;

/* A connection on its way to another shard. */
typedef struct {
    LoopMail   mail; /* first member */
    LoopShard *to;
    LoopConn  *conn;
    void (*arrived)(void *data);
    void *data;
} Move;

struct LoopConn {
    LoopSource   source;
    LoopAlarm    alarm; /* the deadline: of the handshake, the owner's, of the end */
    LoopAlarm    rest;  /* the end of a pause */
    LoopShard   *shard;
    LoopConn    *next_dirty;
    LoopConn    *older, *newer; /* of those that are awake, by @used_ms */
    int64_t      used_ms;       /* 0: not among them */
    void        *data;          /* the owner's */
    LoopTls      tls;           /* opened with the first byte */
    LoopOutbox   outbox;
    LoopConnId   id;
    MeshEndpoint peer;
    size_t       lingered; /* bytes */
    uint32_t     watched;  /* events */
    int          fd;
    ConnState    state;
    bool         is_dirty;
    bool         was_opened;
    bool         blocked; /* TLS waits for room in the socket */
    bool         bulk;
    bool         paused;
    Move        *move; /* asked for; NULL: stays */
};

static LoopConn *conn_of_alarm(LoopAlarm *alarm)
{
    return (LoopConn *)((char *)alarm - offsetof(LoopConn, alarm));
}

static void make_dirty(LoopConn *self)
{
    if (self->is_dirty)
        return;
    self->is_dirty = true;
    self->next_dirty = self->shard->dirty;
    self->shard->dirty = self;
}

static void leave_awake(LoopConn *self)
{
    LoopShard *shard = self->shard;

    if (self->used_ms == 0)
        return;
    *(self->older != NULL ? &self->older->newer : &shard->oldest) = self->newer;
    *(self->newer != NULL ? &self->newer->older : &shard->newest) = self->older;
    self->used_ms = 0;
}

/* TLS is about to be used, which wakes it. */
static void stay_awake(LoopConn *self)
{
    LoopShard *shard = self->shard;

    leave_awake(self);
    self->used_ms = shard->now_ms;
    self->older = shard->newest;
    self->newer = NULL;
    *(self->older != NULL ? &self->older->newer : &shard->oldest) = self;
    shard->newest = self;
}

void loop_conn_doze(LoopShard *shard)
{
    Loop     *loop = shard->loop;
    LoopConn *self;

    while (loop_conn_get_doze_ms(shard) == 0) {
        self = shard->oldest;
        leave_awake(self);
        if (self->state == CONN_OPEN && !self->blocked && loop_conn_is_drained(self) &&
            loop_tls_sleep(&self->tls))
            (void)atomic_fetch_add(&loop->dozed, 1);
    }
}

int loop_conn_get_doze_ms(const LoopShard *shard)
{
    unsigned doze_ms = shard->loop->config.doze_ms;
    int64_t  left;

    if (shard->oldest == NULL || doze_ms == 0)
        return -1;
    left = shard->oldest->used_ms + doze_ms - shard->now_ms;
    return left > 0 ? (int)left : 0;
}

const size_t loop_conn_bytes = sizeof(LoopConn);

void loop_conn_abort(LoopConn *self)
{
    self->state = CONN_DEAD;
    make_dirty(self);
}

/* Who does not take what we said is not heard until he does: his questions would only add to it. */
static bool is_deaf(const LoopConn *self)
{
    return self->state == CONN_FLUSH || (self->state == CONN_OPEN && self->paused) ||
           (self->state == CONN_OPEN && self->blocked && !loop_conn_is_drained(self));
}

static void watch(LoopConn *self)
{
    bool     writes = self->blocked || !loop_conn_is_drained(self);
    uint32_t events = is_deaf(self) ? 0 : EPOLLIN;

    if (writes && self->state != CONN_LINGER)
        events |= EPOLLOUT;
    if (events == self->watched || self->state == CONN_DEAD)
        return;
    self->watched = events;
    if (loop_shard_watch(self->shard, self->fd, events, &self->source) < 0)
        loop_conn_abort(self);
}

/* What a failed TLS call means. Returns true when it only has to be called again later. */
static bool must_wait(LoopConn *self, int rc)
{
    if (rc == -ENOBUFS)
        self->blocked = true;
    return rc == -ENOBUFS || rc == -EAGAIN;
}

static void start_linger(LoopConn *self)
{
    loop_tls_shutdown(&self->tls);
    if (shutdown(self->fd, SHUT_WR) < 0) {
        loop_conn_abort(self);
        return;
    }
    self->state = CONN_LINGER;
    loop_shard_set_alarm(self->shard, &self->alarm,
                         self->shard->stopping ? LINGER_STOPPING_MS : LINGER_MS);
}

/* Encrypts what is queued. Returns: 0; or what TLS said. */
static int write_records(LoopConn *self)
{
    for (unsigned i = 0; i < WRITES_A_ROUND; i++) {
        MeshSpan data =
            loop_outbox_offer(&self->outbox, self->shard->scratch_out, LOOP_SCRATCH_BYTES);
        int rc;

        if (data.len == 0)
            break;
        rc = loop_tls_write(&self->tls, data.data, (int)data.len);
        if (rc <= 0)
            return rc;
        loop_outbox_take(&self->outbox, (size_t)rc);
    }
    return 0;
}

static void write_out(LoopConn *self)
{
    int rc = loop_socket_flush(&self->tls.socket), written = 0;

    self->blocked = false;
    if (rc == 0) {
        written = write_records(self);
        rc = loop_socket_flush(&self->tls.socket); /* also of what was written before it failed */
    }
    if ((rc < 0 && !must_wait(self, rc)) || (written < 0 && !must_wait(self, written))) {
        loop_conn_abort(self);
        return;
    }
    if (self->state == CONN_FLUSH && loop_conn_is_drained(self))
        start_linger(self);
}

/* All that one call gives. Whether there is more, epoll tells: the others get their turn before.
 * Returns: what TLS said. */
static int read_bulk(LoopConn *self)
{
    uint8_t *scratch = self->shard->scratch_in;
    size_t   len = 0;
    int      rc = loop_socket_read_ahead(&self->tls.socket);

    if (rc < 0)
        return rc;
    do {
        rc = loop_tls_read(&self->tls, scratch + len, (int)(LOOP_BULK_BYTES - len));
        len += rc > 0 ? (size_t)rc : 0;
    } while (rc > 0 && len < LOOP_BULK_BYTES);
    if (loop_socket_end_ahead(&self->tls.socket) < 0)
        rc = -EPROTO;
    if (len > 0)
        self->shard->loop->config.events->input(self, scratch, len);
    return rc;
}

static int read_rounds(LoopConn *self)
{
    const LoopEvents *events = self->shard->loop->config.events;
    int               rc = 1;

    for (unsigned i = 0; i < READS_A_ROUND && self->state == CONN_OPEN && !self->bulk; i++) {
        rc = loop_tls_read(&self->tls, self->shard->scratch_in, LOOP_SCRATCH_BYTES);
        if (rc <= 0)
            return rc;
        events->input(self, self->shard->scratch_in, (size_t)rc);
        if (!loop_outbox_is_empty(&self->outbox))
            break; /* first the answer; the rest comes in the next round */
    }
    return rc;
}

static void read_in(LoopConn *self)
{
    int rc = self->bulk ? read_bulk(self) : read_rounds(self);

    if (rc <= 0) {
        if (!must_wait(self, rc))
            loop_conn_abort(self);
        return;
    }
    if (self->state == CONN_OPEN && loop_tls_has_pending(&self->tls))
        make_dirty(self); /* no event will tell of what TLS has read already */
}

static void shake_hands(LoopConn *self)
{
    Loop *loop = self->shard->loop;
    int   rc;

    /* With the first byte only: who says nothing costs next to nothing. */
    if (self->tls.ssl == NULL &&
        loop_tls_open(&self->tls, loop->tls, self->fd, &self->shard->wire) < 0) {
        loop_conn_abort(self);
        return;
    }
    self->blocked = false;
    rc = loop_tls_shake_hands(&self->tls);
    if (rc < 0) {
        if (must_wait(self, rc))
            return;
        (void)atomic_fetch_add(&loop->handshakes_failed, 1);
        loop_conn_abort(self);
        return;
    }
    self->state = CONN_OPEN;
    self->was_opened = true;
    stay_awake(self);
    loop_shard_set_alarm(self->shard, &self->alarm, 0);
    loop->config.events->opened(self, loop->config.user_data);
    read_in(self); /* the first request may have come with the client's Finished */
}

static void swallow(LoopConn *self)
{
    ssize_t n = recv(self->fd, self->shard->scratch_in, LOOP_SCRATCH_BYTES, 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    self->lingered += n > 0 ? (size_t)n : 0;
    if (n <= 0 || self->lingered > LINGER_BYTES)
        loop_conn_abort(self);
}

static void on_ready(LoopSource *source, uint32_t events)
{
    LoopConn *self = (LoopConn *)source;
    bool      was_blocked = self->blocked;

    switch (self->state) {
    case CONN_HANDSHAKE:
        shake_hands(self);
        break;
    case CONN_OPEN:
        stay_awake(self);
        if (events & EPOLLOUT)
            write_out(self);
        if (events & (EPOLLHUP | EPOLLERR) || ((events & EPOLLIN || was_blocked) && !is_deaf(self)))
            read_in(self);
        break;
    case CONN_FLUSH:
        if (events & (EPOLLHUP | EPOLLERR))
            loop_conn_abort(self);
        else
            write_out(self);
        break;
    case CONN_LINGER:
        swallow(self);
        break;
    case CONN_DEAD:
        return;
    }
    watch(self);
}

static void on_alarm(LoopAlarm *alarm)
{
    LoopConn *self = conn_of_alarm(alarm);
    Loop     *loop = self->shard->loop;

    if (self->state == CONN_HANDSHAKE)
        (void)atomic_fetch_add(&loop->handshakes_failed, 1);
    if (self->state == CONN_OPEN)
        loop->config.events->expired(self);
    else
        loop_conn_abort(self);
}

static void on_rest(LoopAlarm *alarm)
{
    loop_conn_pause((LoopConn *)((char *)alarm - offsetof(LoopConn, rest)), 0);
}

static void set_options(int fd)
{
    int          on = 1;
    unsigned int timeout_ms = USER_TIMEOUT_MS, unsent = UNSENT_BYTES;

    /* Neither is vital: without them answers come later, dead clients go later. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
}

static void destroy(LoopConn *self)
{
    Loop *loop = self->shard->loop;

    if (self->was_opened)
        loop->config.events->closed(self);
    loop_shard_set_alarm(self->shard, &self->alarm, 0);
    loop_shard_set_alarm(self->shard, &self->rest, 0);
    if (self->id != 0)
        loop_shard_remove(self->shard, self->id);
    free(self->move);
    leave_awake(self);
    loop_region_give(self->data);
    loop_tls_close(&self->tls);
    (void)close(self->fd);
    loop_outbox_clear(&self->outbox);
    loop_slots_give(loop->conns, self);
    (void)atomic_fetch_sub(&loop->n_conns, 1); /* from here on there is room for another */
}

void loop_conn_adopt(LoopShard *shard, int fd, const MeshEndpoint *peer)
{
    LoopConn *self = loop_slots_take(shard->loop->conns);

    if (self == NULL) {
        (void)atomic_fetch_sub(&shard->loop->n_conns, 1);
        (void)close(fd);
        return;
    }
    self->source.ready = on_ready;
    self->alarm.fire = on_alarm;
    self->rest.fire = on_rest;
    self->shard = shard;
    self->peer = *peer;
    self->fd = fd;
    set_options(fd);
    if (loop_shard_add(shard, self, &self->id) < 0) {
        destroy(self);
        return;
    }
    loop_shard_set_alarm(shard, &self->alarm, shard->loop->config.handshake_ms);
    watch(self);
}

/* --- to another shard ---
 * That one counts the connection as its own from before it leaves: it does not end meanwhile. */

static void arrive(LoopMail *mail, LoopConn *none)
{
    Move      *move = (Move *)mail;
    LoopConn  *self = move->conn;
    LoopShard *shard = move->to;

    (void)none;
    self->shard = shard;
    self->tls.socket.wire = &shard->wire;
    (void)atomic_fetch_sub(&shard->n_conns, 1);
    if (shard->ended || loop_shard_add(shard, self, &self->id) < 0) {
        self->was_opened &= !shard->ended; /* its owner is on no thread any more */
        free(move);
        destroy(self);
        return;
    }
    make_dirty(self); /* what waits, either way, it learns by itself */
    move->arrived(move->data);
    free(move);
    if (shard->stopping)
        loop_conn_stop(self);
}

static void leave(LoopConn *self)
{
    Move      *move = self->move;
    LoopShard *to = move->to;

    self->move = NULL;
    (void)atomic_fetch_add(&to->n_conns, 1);
    if (self->shard->stopping || atomic_load(&to->takes_none)) {
        (void)atomic_fetch_sub(&to->n_conns, 1);
        free(move);
        return;
    }
    loop_shard_set_alarm(self->shard, &self->alarm, 0);
    loop_shard_set_alarm(self->shard, &self->rest, 0);
    (void)epoll_ctl(self->shard->epoll, EPOLL_CTL_DEL, self->fd, NULL);
    loop_shard_remove(self->shard, self->id);
    leave_awake(self);
    self->id = 0;
    self->watched = 0;
    self->paused = false;
    loop_mailbox_put(to->mailbox, &move->mail);
}

bool loop_conn_move(LoopConn *self, uint32_t key, void (*arrived)(void *data), void *data)
{
    Loop      *loop = self->shard->loop;
    LoopShard *to = loop->shards[key % loop->config.shards];

    if (to == self->shard || self->state != CONN_OPEN || self->move != NULL)
        return false;
    self->move = malloc(sizeof(*self->move));
    if (self->move == NULL)
        return false;
    *self->move = (Move){
        .mail = { .deliver = arrive }, .to = to, .conn = self, .arrived = arrived, .data = data
    };
    make_dirty(self);
    return true;
}

void loop_conn_settle(LoopShard *shard)
{
    LoopConn *list = shard->dirty;

    shard->dirty = NULL; /* who gets dirty from here on has the next round, which does not wait */
    while (list != NULL) {
        LoopConn *self = list;

        list = self->next_dirty;
        self->is_dirty = false;
        if (self->state == CONN_DEAD) {
            destroy(self);
            continue;
        }
        if (self->state == CONN_OPEN)
            stay_awake(self);
        if (self->state == CONN_OPEN || self->state == CONN_FLUSH)
            write_out(self);
        if (self->state == CONN_OPEN && loop_tls_has_pending(&self->tls) && !is_deaf(self))
            read_in(self);
        if (self->move != NULL && self->state == CONN_OPEN && !self->is_dirty)
            leave(self);
        else
            watch(self);
    }
}

void loop_conn_stop(LoopConn *self)
{
    if (self->state == CONN_OPEN)
        self->shard->loop->config.events->stopping(self);
    else if (self->state == CONN_HANDSHAKE)
        loop_conn_abort(self);
}

void *loop_conn_new_data(LoopConn *self, size_t len)
{
    self->data = loop_tls_take(&self->tls, len);
    return self->data;
}

void *loop_conn_get_data(const LoopConn *self)
{
    return self->data;
}

Loop *loop_conn_get_loop(const LoopConn *self)
{
    return self->shard->loop;
}

LoopConnId loop_conn_get_id(const LoopConn *self)
{
    return self->id;
}

const MeshEndpoint *loop_conn_get_peer(const LoopConn *self)
{
    return &self->peer;
}

int loop_conn_send(LoopConn *self, const LoopItem *item)
{
    if (self->state != CONN_OPEN) {
        if (item->release != NULL)
            item->release(item->owner);
        return -EPIPE;
    }
    make_dirty(self);
    /* What came in one round may be more than the bound: as long as the socket takes it, the client
     * is not slow. */
    if (!self->blocked && !loop_outbox_has_room(&self->outbox, item))
        write_out(self);
    return loop_outbox_push(&self->outbox, item);
}

bool loop_conn_pass(LoopConn *self, const void *data, size_t len)
{
    const uint8_t *at = data;

    if (self->state != CONN_OPEN || self->blocked || !loop_conn_is_drained(self) ||
        !loop_socket_claim(&self->tls.socket, len))
        return false;
    make_dirty(self);
    while (len > 0) {
        int n = len < LOOP_RECORD_BYTES ? (int)len : LOOP_RECORD_BYTES;

        if (loop_tls_write(&self->tls, at, n) != n) { /* there is room for it: this is the end */
            loop_conn_abort(self);
            return true;
        }
        at += n;
        len -= (size_t)n;
    }
    return true;
}

void loop_conn_pause(LoopConn *self, unsigned ms)
{
    if (self->state != CONN_OPEN || (ms == 0 && !self->paused))
        return;
    self->paused = ms > 0;
    loop_shard_set_alarm(self->shard, &self->rest, ms);
    if (!self->paused)
        make_dirty(self);
}

void loop_conn_drop_queued(LoopConn *self)
{
    loop_outbox_drop_queued(&self->outbox);
}

bool loop_conn_is_drained(const LoopConn *self)
{
    return loop_outbox_is_empty(&self->outbox) && !loop_socket_waits(&self->tls.socket);
}

void loop_conn_set_bulk(LoopConn *self)
{
    unsigned int unsent = UNSENT_BULK_BYTES;

    self->bulk = self->tls.socket.gathers = true;
    (void)setsockopt(self->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
}

void loop_conn_set_deadline(LoopConn *self, unsigned ms)
{
    if (self->state == CONN_OPEN)
        loop_shard_set_alarm(self->shard, &self->alarm, ms);
}

void loop_conn_finish(LoopConn *self)
{
    if (self->state != CONN_OPEN)
        return;
    self->state = CONN_FLUSH;
    loop_shard_set_alarm(self->shard, &self->alarm, FLUSH_MS);
    make_dirty(self);
}
