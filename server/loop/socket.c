#include "server/loop/socket.h"

#include <errno.h>
#include <openssl/bio.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    RECORD_ADDS = 256, /* encryption to a record, at most */
};

static BIO_METHOD    *method; /* for the life of the process; NULL: no memory */
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static bool is_later(int error)
{
    return error == EAGAIN || error == EINTR;
}

/* --- out --- */

/* Returns: bytes; -EAGAIN; -EPROTO. */
static ssize_t send_some(const LoopSocket *self, const void *data, size_t len)
{
    ssize_t n = send(self->fd, data, len, MSG_NOSIGNAL);

    if (n >= 0)
        return n;
    return is_later(errno) ? -EAGAIN : -EPROTO;
}

static int send_rest(LoopSocket *self)
{
    ssize_t n;

    if (self->rest == NULL)
        return 0;
    n = send_some(self, self->rest + self->rest_at, self->rest_len);
    if (n == -EPROTO)
        return -EPROTO;
    self->rest_at += n > 0 ? (size_t)n : 0;
    self->rest_len -= n > 0 ? (size_t)n : 0;
    if (self->rest_len > 0)
        return -ENOBUFS;
    free(self->rest);
    self->rest = NULL;
    return 0;
}

/* What is gathered goes out, or becomes the rest. There is none before. */
static int send_gathered(LoopSocket *self)
{
    LoopWire *wire = self->wire;
    size_t    len = wire->out_len;
    ssize_t   n;

    if (wire->writer != self)
        return 0;
    wire->writer = NULL;
    wire->out_len = 0;
    n = send_some(self, wire->out, len);
    self->lost = n == -EPROTO;
    if (self->lost)
        return -EPROTO;
    n = n > 0 ? n : 0;
    if ((size_t)n == len)
        return 0;
    self->rest = malloc(len - (size_t)n);
    self->lost = self->rest == NULL; /* a hole in the stream of bytes ends it */
    if (self->lost)
        return -EPROTO;
    self->rest_at = 0;
    self->rest_len = len - (size_t)n;
    memcpy(self->rest, wire->out + n, self->rest_len);
    return -ENOBUFS;
}

int loop_socket_flush(LoopSocket *self)
{
    int rc = self->lost ? -EPROTO : send_rest(self);

    self->corks = false;
    return rc < 0 ? rc : send_gathered(self);
}

bool loop_socket_claim(LoopSocket *self, size_t len)
{
    LoopWire *wire = self->wire;
    size_t    need = len + (len / LOOP_RECORD_BYTES + 1) * RECORD_ADDS;

    if (need > sizeof(wire->out) || self->rest != NULL || self->lost)
        return false;
    if (wire->writer == NULL || (wire->writer == self && wire->out_len + need <= sizeof(wire->out)))
        return true;
    /* What it means to another one, his own flush tells him. */
    return send_gathered(wire->writer) == 0 || (self->rest == NULL && !self->lost);
}

bool loop_socket_waits(const LoopSocket *self)
{
    return self->rest != NULL;
}

static int gather(LoopSocket *self, const char *data, size_t len)
{
    LoopWire *wire = self->wire;

    if (wire->out_len + len > sizeof(wire->out)) {
        int rc = send_gathered(self);

        if (rc < 0)
            return rc;
    }
    wire->writer = self;
    memcpy(wire->out + wire->out_len, data, len);
    wire->out_len += len;
    return (int)len;
}

static int on_write(BIO *bio, const char *data, int len)
{
    LoopSocket *self = BIO_get_data(bio);
    int         rc = send_rest(self);

    BIO_clear_retry_flags(bio);
    if (rc < 0 || len <= 0) {
        /* it may be retried, or is over */
    } else if (self->corks && (size_t)len <= sizeof(self->wire->out) &&
               (self->wire->writer == NULL || self->wire->writer == self)) {
        rc = gather(self, data, (size_t)len);
    } else {
        rc = send_gathered(self); /* in order */
        if (rc == 0)
            rc = (int)send_some(self, data, (size_t)len);
    }
    if (rc == -EAGAIN || rc == -ENOBUFS)
        BIO_set_retry_write(bio);
    return rc < 0 ? -1 : rc;
}

/* --- in --- */

int loop_socket_read_ahead(LoopSocket *self)
{
    LoopWire *wire = self->wire;
    ssize_t   n = recv(self->fd, wire->in, sizeof(wire->in), 0);

    if (n == 0 || (n < 0 && !is_later(errno)))
        return -EPROTO;
    wire->in_at = 0;
    wire->in_len = n > 0 ? (size_t)n : 0;
    self->ahead = true;
    return 0;
}

int loop_socket_end_ahead(LoopSocket *self)
{
    self->ahead = false;
    return self->wire->in_at == self->wire->in_len ? 0 : -EPROTO;
}

static int take_ahead(LoopWire *wire, char *out, size_t size)
{
    size_t left = wire->in_len - wire->in_at, len = size < left ? size : left;

    memcpy(out, wire->in + wire->in_at, len);
    wire->in_at += len;
    return (int)len;
}

static int on_read(BIO *bio, char *out, int size)
{
    const LoopSocket *self = BIO_get_data(bio);
    ssize_t           n;

    BIO_clear_retry_flags(bio);
    if (size > 0 && self->ahead) {
        n = take_ahead(self->wire, out, (size_t)size);
        if (n > 0)
            return (int)n;
        BIO_set_retry_read(bio);
        return -1;
    }
    n = size > 0 ? recv(self->fd, out, (size_t)size, 0) : 0;
    if (n < 0 && is_later(errno))
        BIO_set_retry_read(bio);
    return (int)n;
}

/* --- with OpenSSL --- */

static long on_control(BIO *bio, int command, long number, void *data)
{
    (void)bio;
    (void)number;
    (void)data;
    return command == BIO_CTRL_FLUSH; /* ours comes later: nothing is lost until then */
}

static int on_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static void make_method(void)
{
    BIO_METHOD *made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "loop socket");

    if (made != NULL && BIO_meth_set_write(made, on_write) == 1 &&
        BIO_meth_set_read(made, on_read) == 1 && BIO_meth_set_ctrl(made, on_control) == 1 &&
        BIO_meth_set_create(made, on_create) == 1)
        method = made;
    else
        BIO_meth_free(made);
}

int loop_socket_prepare(void)
{
    (void)pthread_once(&method_once, make_method);
    return method != NULL ? 0 : -ENOMEM;
}

int loop_socket_attach(LoopSocket *self, SSL *ssl)
{
    BIO *bio = BIO_new(method);

    if (bio == NULL)
        return -ENOMEM;
    BIO_set_data(bio, self);
    SSL_set_bio(ssl, bio, bio);
    return 0;
}

void loop_socket_done(LoopSocket *self)
{
    if (self->wire != NULL && self->wire->writer == self) {
        self->wire->writer = NULL;
        self->wire->out_len = 0;
    }
    free(self->rest);
    self->rest = NULL;
}
