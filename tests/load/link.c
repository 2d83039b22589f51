#include "tests/load/link.h"

#include "common/std/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    EVENTS = 256,
    READS_A_ROUND = 16,
    SCRATCH = 16384,
};

typedef enum { CONNECTING, SHAKING, OPEN, DEAD } Phase;
typedef enum { HEAD, BODY, CHUNK_SIZE, CHUNK, CHUNK_END } Part;

struct LoadLink {
    LoadNet    *net;
    void       *user_data;
    LoadLink   *next_dead;
    SSL        *ssl;
    GByteArray *in, *out, *line;
    size_t      left; /* bytes of body or chunk */
    unsigned    status;
    int         fd;
    Phase       phase;
    Part        part;
    uint32_t    watched;
};

void load_link_init_net(LoadNet *net, const MeshEndpoint *server, const MeshKey *pin)
{
    net->epoll = epoll_create1(EPOLL_CLOEXEC);
    net->tls = SSL_CTX_new(TLS_client_method());
    net->server = *server;
    net->pin = *pin;
    if (net->epoll < 0 || net->tls == NULL ||
        SSL_CTX_set_min_proto_version(net->tls, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set1_sigalgs_list(net->tls, "ed25519") != 1)
        g_error("no epoll set or TLS context");
    SSL_CTX_set_verify(net->tls, SSL_VERIFY_NONE, NULL); /* the pin is what counts */
    (void)SSL_CTX_set_session_cache_mode(net->tls, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_mode(net->tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                         SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

/* --- ends ------------------------------------------------------------------------------------ */

void load_link_close(LoadLink *self)
{
    if (self->phase == DEAD)
        return;
    if (self->phase != OPEN)
        self->net->shaking--;
    self->phase = DEAD;
    self->next_dead = self->net->dead;
    self->net->dead = self;
}

static void fail(LoadLink *self, const char *why)
{
    if (self->phase == DEAD)
        return;
    load_link_close(self);
    self->net->funcs->closed(self, why);
}

void load_link_reap(LoadNet *net)
{
    LoadLink *list = net->dead;

    net->dead = NULL;
    while (list != NULL) {
        LoadLink *self = list;

        list = self->next_dead;
        SSL_free(self->ssl);
        if (self->fd >= 0)
            (void)close(self->fd);
        g_byte_array_unref(self->in);
        g_byte_array_unref(self->out);
        g_byte_array_unref(self->line);
        g_free(self);
    }
}

/* --- answers --------------------------------------------------------------------------------- */

/* The value of a header in a head that ends with an empty line. */
static const char *header(const char *head, const char *name)
{
    size_t len = strlen(name);

    for (const char *at = strstr(head, "\r\n"); at != NULL && at[2] != '\r';
         at = strstr(at + 2, "\r\n"))
        if (g_ascii_strncasecmp(at + 2, name, len) == 0 && at[2 + len] == ':')
            return at + 3 + len;
    return NULL;
}

/* Bytes taken; 0: more is needed. */
static size_t take_head(LoadLink *self, const char *data, size_t len)
{
    const char      *end = g_strstr_len(data, (gssize)len, "\r\n\r\n");
    g_autofree char *head = NULL;
    const char      *length;

    if (end == NULL)
        return 0;
    head = g_strndup(data, (gsize)(end - data) + 4);
    if (strlen(head) < 16 || strncmp(head, "HTTP/1.1 ", 9) != 0) {
        fail(self, "not HTTP/1.1");
        return 0;
    }
    self->status = (unsigned)atoi(head + 9);
    length = header(head, "content-length");
    self->left = length != NULL ? (size_t)strtoul(length, NULL, 10) : 0;
    self->part = length != NULL ? BODY : CHUNK_SIZE;
    return strlen(head);
}

static size_t take_body(LoadLink *self, const char *data, size_t len)
{
    if (len < self->left)
        return 0;
    self->part = HEAD;
    self->net->funcs->answer(self, self->status, data, self->left);
    return self->left;
}

static size_t take_chunk_size(LoadLink *self, const char *data, size_t len)
{
    const char *end = g_strstr_len(data, (gssize)len, "\r\n");

    if (end == NULL)
        return 0;
    self->left = strtoul(data, NULL, 16);
    self->part = self->left > 0 ? CHUNK : CHUNK_END;
    return (size_t)(end - data) + 2;
}

static void take_lines(LoadLink *self, const char *data, size_t len)
{
    const char *end = data + len, *newline;

    while (self->phase == OPEN && (newline = memchr(data, '\n', (size_t)(end - data))) != NULL) {
        size_t run = (size_t)(newline - data);

        self->net->lines++;
        if (self->line->len > 0) {
            g_byte_array_append(self->line, (const guint8 *)data, (guint)run);
            self->net->funcs->line(self, (const char *)self->line->data, self->line->len);
            g_byte_array_set_size(self->line, 0);
        } else {
            self->net->funcs->line(self, data, run);
        }
        data = newline + 1;
    }
    g_byte_array_append(self->line, (const guint8 *)data, (guint)(end - data));
}

static size_t take_chunk(LoadLink *self, const char *data, size_t len)
{
    size_t size = self->left;

    if (len < size + 2)
        return 0;
    self->part = CHUNK_SIZE;
    take_lines(self, data, size);
    return size + 2;
}

static size_t take_some(LoadLink *self, const char *data, size_t len)
{
    switch (self->part) {
    case HEAD:
        return take_head(self, data, len);
    case BODY:
        return take_body(self, data, len);
    case CHUNK_SIZE:
        return take_chunk_size(self, data, len);
    case CHUNK:
        return take_chunk(self, data, len);
    default: /* a stream is the last answer of its connection */
        fail(self, "the stream has ended");
        return 0;
    }
}

static void parse(LoadLink *self)
{
    size_t at = 0;

    while (self->phase == OPEN && at < self->in->len) {
        size_t took = take_some(self, (const char *)self->in->data + at, self->in->len - at);

        if (took == 0)
            break;
        at += took;
    }
    if (at > 0)
        g_byte_array_remove_range(self->in, 0, (guint)at);
}

/* --- TLS ------------------------------------------------------------------------------------- */

static void watch(LoadLink *self, uint32_t events)
{
    struct epoll_event event = { .events = events, .data = { .ptr = self } };

    if (self->phase == DEAD || events == self->watched)
        return;
    if (epoll_ctl(self->net->epoll, self->watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, self->fd,
                  &event) < 0)
        g_error("epoll_ctl: %s", strerror(errno));
    self->watched = events;
}

/* Whether the failed call only has to be made again. */
static bool must_wait(LoadLink *self, int rc)
{
    int why = SSL_get_error(self->ssl, rc);

    ERR_clear_error();
    if (why == SSL_ERROR_WANT_WRITE)
        watch(self, EPOLLIN | EPOLLOUT);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
}

static void write_out(LoadLink *self)
{
    while (self->phase == OPEN && self->out->len > 0) {
        int rc;

        ERR_clear_error();
        rc = SSL_write(self->ssl, self->out->data, (int)self->out->len);
        if (rc <= 0) {
            if (!must_wait(self, rc))
                fail(self, "write");
            return;
        }
        g_byte_array_remove_range(self->out, 0, (guint)rc);
    }
    watch(self, EPOLLIN);
}

static void read_in(LoadLink *self)
{
    static uint8_t scratch[SCRATCH];

    for (unsigned i = 0; i < READS_A_ROUND && self->phase == OPEN; i++) {
        int rc;

        ERR_clear_error();
        rc = SSL_read(self->ssl, scratch, SCRATCH);
        if (rc <= 0) {
            parse(self);
            if (!must_wait(self, rc))
                fail(self, "the server closed the connection");
            return;
        }
        self->net->bytes += (uint64_t)rc;
        g_byte_array_append(self->in, scratch, (guint)rc);
        parse(self);
    }
}

static bool is_pinned(LoadLink *self)
{
    X509   *certificate = SSL_get0_peer_certificate(self->ssl);
    MeshKey key;
    size_t  len = sizeof key.bytes;

    return certificate != NULL &&
           EVP_PKEY_get_raw_public_key(X509_get0_pubkey(certificate), key.bytes, &len) == 1 &&
           len == sizeof key.bytes && mesh_key_equal(&key, &self->net->pin);
}

static void shake_hands(LoadLink *self)
{
    int rc;

    ERR_clear_error();
    rc = SSL_connect(self->ssl);
    if (rc <= 0) {
        if (!must_wait(self, rc))
            fail(self, "the TLS handshake failed");
        return;
    }
    if (!is_pinned(self)) {
        fail(self, "not the server's key");
        return;
    }
    self->phase = OPEN;
    self->net->shaking--;
    self->net->funcs->opened(self);
    write_out(self);
}

static void on_ready(LoadLink *self, uint32_t events)
{
    int       error = 0;
    socklen_t len = sizeof error;

    if (self->phase == CONNECTING) {
        (void)getsockopt(self->fd, SOL_SOCKET, SO_ERROR, &error, &len);
        if (error != 0) {
            fail(self, strerror(error));
            return;
        }
        self->phase = SHAKING;
        watch(self, EPOLLIN);
    }
    if (self->phase == SHAKING)
        shake_hands(self);
    if (self->phase == OPEN && (events & EPOLLOUT))
        write_out(self);
    if (self->phase == OPEN && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        read_in(self);
}

static int open_socket(const LoadNet *net, uint32_t source)
{
    struct sockaddr_in      from = { .sin_family = AF_INET, .sin_addr = { htonl(source) } };
    struct sockaddr_storage to;
    socklen_t               len = mesh_endpoint_to_sockaddr(&net->server, &to);
    int                     on = 1, error;
    int                     fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) == 0 &&
        (connect(fd, (struct sockaddr *)&to, len) == 0 || errno == EINPROGRESS))
        return fd;
    error = errno;
    (void)close(fd);
    errno = error;
    return -1;
}

LoadLink *load_link_new(LoadNet *net, uint32_t source, void *user_data)
{
    LoadLink *self;
    int       fd = open_socket(net, source);

    if (fd < 0 && errno != ECONNREFUSED)
        g_error("no socket: %s", strerror(errno)); /* the rig's own limits: nothing to measure */
    if (fd < 0)
        return NULL;
    self = g_new0(LoadLink, 1);
    self->net = net;
    self->user_data = user_data;
    self->in = g_byte_array_new();
    self->out = g_byte_array_new();
    self->line = g_byte_array_new();
    self->fd = fd;
    self->ssl = SSL_new(net->tls);
    if (self->ssl == NULL || SSL_set_fd(self->ssl, self->fd) != 1)
        g_error("out of memory");
    net->shaking++;
    watch(self, EPOLLIN | EPOLLOUT);
    return self;
}

void *load_link_get_data(const LoadLink *self)
{
    return self->user_data;
}

void load_link_send(LoadLink *self, const char *text, size_t len)
{
    g_byte_array_append(self->out, (const guint8 *)text, (guint)len);
    write_out(self);
}

void load_link_run(LoadNet *net, int wait_ms)
{
    struct epoll_event events[EVENTS];
    int                n = epoll_wait(net->epoll, events, EVENTS, wait_ms);

    for (int i = 0; i < n; i++) {
        LoadLink *self = events[i].data.ptr; /* NULL: the caller's own descriptor */

        if (self != NULL && self->phase != DEAD)
            on_ready(self, events[i].events);
    }
    load_link_reap(net);
}
