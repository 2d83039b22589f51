/* daemon/wire/streamsocket.c: two buffers of four records. What is read is as much as there is;
 * what is written waits for the flush, or until there is no room for more. */
#include "daemon/wire/streamsocket.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { BUFFER_BYTES = 4 * (16384 + 256) };

struct WireStreamSocket {
    SSL    *ssl;
    int     fd;
    int     error;     /* of the flush; 0: none */
    bool    is_at_end; /* of what comes */
    size_t  in_at, in_len, out_at, out_len;
    uint8_t in[BUFFER_BYTES], out[BUFFER_BYTES];
};

static BIO_METHOD    *method; /* for the life of the process; NULL: no memory */
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

int wire_streamsocket_flush(WireStreamSocket *self)
{
    while (self->error == 0 && self->out_at < self->out_len) {
        ssize_t n =
            send(self->fd, self->out + self->out_at, self->out_len - self->out_at, MSG_NOSIGNAL);

        if (n >= 0)
            self->out_at += (size_t)n;
        else if (errno == EAGAIN)
            return -EAGAIN;
        else if (errno != EINTR)
            self->error = -errno;
    }
    if (self->error == 0)
        self->out_at = self->out_len = 0;
    return self->error;
}

static int on_write(BIO *bio, const char *data, int len)
{
    WireStreamSocket *self = BIO_get_data(bio);
    int               rc = 0;

    BIO_clear_retry_flags(bio);
    if (len <= 0)
        return 0;
    if (self->out_len + (size_t)len > sizeof(self->out))
        rc = wire_streamsocket_flush(self);
    if (rc < 0) {
        errno = -rc;
        if (rc == -EAGAIN)
            BIO_set_retry_write(bio);
        return -1;
    }
    if ((size_t)len > sizeof(self->out) - self->out_len)
        len = (int)(sizeof(self->out) - self->out_len);
    memcpy(self->out + self->out_len, data, (size_t)len);
    self->out_len += (size_t)len;
    return len;
}

/* Returns: what recv() does. */
static ssize_t fill(WireStreamSocket *self)
{
    ssize_t n = recv(self->fd, self->in, sizeof(self->in), 0);

    self->in_at = 0;
    self->in_len = n > 0 ? (size_t)n : 0;
    return n;
}

static int on_read(BIO *bio, char *out, int size)
{
    WireStreamSocket *self = BIO_get_data(bio);
    size_t            len = size > 0 ? (size_t)size : 0;

    BIO_clear_retry_flags(bio);
    if (self->in_at == self->in_len) {
        ssize_t n = fill(self);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            BIO_set_retry_read(bio);
        self->is_at_end = n == 0;
        if (n <= 0)
            return (int)n;
    }
    if (len > self->in_len - self->in_at)
        len = self->in_len - self->in_at;
    memcpy(out, self->in + self->in_at, len);
    self->in_at += len;
    return (int)len;
}

static long on_control(BIO *bio, int command, long number, void *data)
{
    const WireStreamSocket *self = BIO_get_data(bio);

    (void)number;
    (void)data;
    if (command == BIO_CTRL_EOF)
        return self->is_at_end;
    return command == BIO_CTRL_FLUSH; /* ours comes later: nothing is lost until then */
}

static int on_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static void make_method(void)
{
    BIO_METHOD *made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "relay stream");

    if (made != NULL && BIO_meth_set_write(made, on_write) == 1 &&
        BIO_meth_set_read(made, on_read) == 1 && BIO_meth_set_ctrl(made, on_control) == 1 &&
        BIO_meth_set_create(made, on_create) == 1)
        method = made;
    else
        BIO_meth_free(made);
}

int wire_streamsocket_new(struct ssl_st *ssl, WireStreamSocket **out_self)
{
    WireStreamSocket *self;
    BIO              *bio;
    int               fd = SSL_get_fd(ssl);

    if (fd < 0)
        return -EINVAL;
    (void)pthread_once(&method_once, make_method);
    self = method != NULL ? calloc(1, sizeof(*self)) : NULL;
    bio = self != NULL ? BIO_new(method) : NULL;
    if (bio == NULL) {
        free(self);
        return -ENOMEM;
    }
    self->ssl = ssl;
    self->fd = fd;
    BIO_set_data(bio, self);
    SSL_set_bio(ssl, bio, bio);
    *out_self = self;
    return 0;
}

void wire_streamsocket_free(WireStreamSocket *self)
{
    if (self == NULL)
        return;
    if (SSL_set_fd(self->ssl, self->fd) != 1)
        SSL_set_bio(self->ssl, NULL, NULL);
    free(self);
}
