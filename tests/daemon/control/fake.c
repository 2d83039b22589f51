/* tests/daemon/control/fake.c: see fake.h. */
#include "tests/daemon/control/fake.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_HEAD = 16384, READ_CHUNK = 4096 };

struct FakeServer {
    SSL_CTX   *ctx;
    MeshKey    key;
    int        listener, stop_pipe[2];
    unsigned   port;
    GThread   *acceptor;
    GMutex     mutex;   /* what follows */
    GQueue     script;  /* owned FakeAnswer */
    GPtrArray *log;     /* owned FakeRequest */
    GPtrArray *threads; /* of connections */
};

typedef struct {
    FakeServer *server;
    SSL        *ssl;
    int         fd;
} Conn;

/* ---- certificate ---- */

static SSL_CTX *make_context(uint8_t seed)
{
    uint8_t   bytes[32];
    EVP_PKEY *pkey;
    X509     *cert = X509_new();
    SSL_CTX  *ctx = SSL_CTX_new(TLS_server_method());

    memset(bytes, seed, sizeof(bytes));
    pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, bytes, sizeof(bytes));
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, pkey);
    g_assert_cmpint(X509_sign(cert, pkey, NULL), >, 0);
    SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
    g_assert_cmpint(SSL_CTX_use_certificate(ctx, cert), ==, 1);
    g_assert_cmpint(SSL_CTX_use_PrivateKey(ctx, pkey), ==, 1);
    X509_free(cert);
    EVP_PKEY_free(pkey);
    return ctx;
}

/* ---- one connection ---- */

/* False: the test ends, or the other side closed. */
static bool wait_readable(Conn *conn)
{
    struct pollfd fds[2] = { { conn->fd, POLLIN, 0 }, { conn->server->stop_pipe[0], POLLIN, 0 } };

    if (SSL_pending(conn->ssl) > 0)
        return true;
    return poll(fds, 2, -1) > 0 && fds[1].revents == 0;
}

static bool read_some(Conn *conn, GString *into)
{
    char buffer[READ_CHUNK];
    int  n;

    if (!wait_readable(conn))
        return false;
    n = SSL_read(conn->ssl, buffer, sizeof(buffer));
    if (n <= 0)
        return false;
    g_string_append_len(into, buffer, n);
    return true;
}

static void write_text(Conn *conn, const char *text)
{
    (void)SSL_write(conn->ssl, text, (int)strlen(text));
}

static char *find_header(char **lines, const char *name)
{
    size_t len = strlen(name);

    for (unsigned i = 1; lines[i] != NULL; i++)
        if (g_ascii_strncasecmp(lines[i], name, len) == 0 && lines[i][len] == ':')
            return g_strstrip(lines[i] + len + 1);
    return NULL;
}

static void check_signature(const FakeServer *server, char **lines, char *target, GString *body,
                            FakeRequest *out)
{
    char fingerprint[MESH_REQSIGN_FINGERPRINT_SIZE];
    g_auto(GStrv) first = g_strsplit(lines[0], " ", 3);
    MeshReqsignInput   input = { find_header(lines, "Content-Digest"),
                                 find_header(lines, "Mesh-Server"),
                                 find_header(lines, "Signature-Input"),
                                 find_header(lines, "Signature") };
    MeshReqsignRequest request = { first[0], target, out->query, MESH_SPAN(body->str, body->len),
                                   mesh_reqsign_fingerprint(&server->key, fingerprint) };
    g_autoptr(GError) error = NULL;

    mesh_reqsign_verify(&request, &input, &out->params, &error);
    g_assert_no_error(error);
    g_assert_null(find_header(lines, "Transfer-Encoding"));
    g_assert_null(find_header(lines, "Expect"));
}

/* Reads a request; false: no more. */
static bool read_request(Conn *conn, FakeRequest *out)
{
    g_autoptr(GString) head = g_string_new(NULL), body = NULL;
    char *end, *target, *query, *length;
    g_auto(GStrv) lines = NULL, first = NULL;

    while ((end = strstr(head->str, "\r\n\r\n")) == NULL)
        if (head->len > MAX_HEAD || !read_some(conn, head))
            return false;
    body = g_string_new_len(end + 4, (gssize)(head->len - (size_t)(end + 4 - head->str)));
    *end = '\0';
    lines = g_strsplit(head->str, "\r\n", -1);
    first = g_strsplit(lines[0], " ", 3);
    target = first[1];
    length = find_header(lines, "Content-Length");
    while (length != NULL && body->len < (size_t)atoi(length))
        if (!read_some(conn, body))
            return false;
    query = strchr(target, '?');
    if (query != NULL)
        *query++ = '\0';
    out->query = g_strdup(query != NULL ? query : "");
    check_signature(conn->server, lines, target, body, out);
    out->verb = g_strdup(strrchr(target, '/') + 1);
    out->body = g_strndup(body->str, body->len);
    return true;
}

static void write_chunk(Conn *conn, const char *text)
{
    g_autofree char *chunk = g_strdup_printf("%zx\r\n%s\r\n", strlen(text), text);

    write_text(conn, chunk);
}

static char *make_hello(const FakeRequest *request)
{
    g_autoptr(MeshSigned) tip = fixture_tip(1, 5, 1, &request->params.nonce);
    MeshMapline line = { .type = MESH_MAPLINE_HELLO,
                         .time = FIXTURE_NOW,
                         .hb_s = 60,
                         .tip = tip,
                         .network = fixture_network(),
                         .observed = fixture_addr("192.0.2.77") };

    return mesh_mapline_encode(&line, NULL);
}

/* False: the connection ends. */
static bool answer_stream(Conn *conn, const FakeRequest *request, const FakeAnswer *answer)
{
    g_auto(GStrv) parts = g_strsplit(answer->body, "@hello\n", -1);
    g_autoptr(GString) rest = g_string_new(NULL);

    write_text(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
                     "Transfer-Encoding: chunked\r\n\r\n");
    for (unsigned i = 0; parts[i] != NULL; i++) {
        g_autofree char *hello = i > 0 ? make_hello(request) : NULL;

        if (hello != NULL)
            write_chunk(conn, hello);
        if (parts[i][0] != '\0')
            write_chunk(conn, parts[i]);
    }
    while (answer->hold && read_some(conn, rest))
        ;
    if (!answer->hold)
        write_text(conn, "0\r\n\r\n");
    return !answer->hold;
}

static bool answer_request(Conn *conn, const FakeRequest *request, const FakeAnswer *answer)
{
    g_autofree char *text = NULL;

    if (answer->status == 0)
        return false;
    if (strcmp(request->verb, "map") == 0 && answer->status == 200)
        return answer_stream(conn, request, answer);
    text = g_strdup_printf("HTTP/1.1 %u X\r\nContent-Type: application/json\r\n"
                           "Content-Length: %zu\r\n\r\n%s",
                           answer->status, strlen(answer->body), answer->body);
    write_text(conn, text);
    return true;
}

static void free_answer(gpointer data)
{
    FakeAnswer *answer = data;

    g_free((char *)answer->verb);
    g_free((char *)answer->body);
    g_free(answer);
}

/* The next answer for @verb out of the script; owned; NULL: none. */
static FakeAnswer *take_answer(FakeServer *self, const char *verb)
{
    for (GList *l = self->script.head; l != NULL; l = l->next) {
        FakeAnswer *answer = l->data;

        if (strcmp(answer->verb, verb) != 0)
            continue;
        g_queue_delete_link(&self->script, l);
        return answer;
    }
    return NULL;
}

static bool serve_one(Conn *conn)
{
    FakeServer      *self = conn->server;
    FakeRequest     *request = g_new0(FakeRequest, 1);
    FakeAnswer      *answer;
    const FakeAnswer lost = { .status = 500, .body = "" };
    bool             more;

    if (!read_request(conn, request)) {
        g_free(request);
        return false;
    }
    g_mutex_lock(&self->mutex);
    g_ptr_array_add(self->log, request);
    answer = take_answer(self, request->verb);
    g_mutex_unlock(&self->mutex);
    more = answer_request(conn, request, answer != NULL ? answer : &lost);
    if (answer != NULL)
        free_answer(answer);
    return more;
}

static gpointer run_conn(gpointer data)
{
    Conn *conn = data;

    if (SSL_accept(conn->ssl) == 1)
        while (serve_one(conn))
            ;
    SSL_free(conn->ssl);
    close(conn->fd);
    g_free(conn);
    return NULL;
}

/* ---- the server ---- */

static gpointer run_acceptor(gpointer data)
{
    FakeServer   *self = data;
    struct pollfd fds[2] = { { self->listener, POLLIN, 0 }, { self->stop_pipe[0], POLLIN, 0 } };

    while (poll(fds, 2, -1) > 0 && fds[1].revents == 0) {
        Conn *conn = g_new0(Conn, 1);

        conn->server = self;
        conn->fd = accept(self->listener, NULL, NULL);
        conn->ssl = SSL_new(self->ctx);
        SSL_set_fd(conn->ssl, conn->fd);
        g_mutex_lock(&self->mutex);
        g_ptr_array_add(self->threads, g_thread_new("conn", run_conn, conn));
        g_mutex_unlock(&self->mutex);
    }
    return NULL;
}

static void free_request(gpointer data)
{
    FakeRequest *request = data;

    g_free(request->verb);
    g_free(request->query);
    g_free(request->body);
    g_free(request);
}

FakeServer *fake_start(const FixturePair *key)
{
    FakeServer        *self = g_new0(FakeServer, 1);
    struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t          len = sizeof(any);

    self->key = key->key;
    self->ctx = make_context(key->secret.bytes[0]); /* a seed of 32 equal bytes */
    self->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(self->listener, (struct sockaddr *)&any, len), ==, 0);
    g_assert_cmpint(listen(self->listener, 16), ==, 0);
    g_assert_cmpint(getsockname(self->listener, (struct sockaddr *)&any, &len), ==, 0);
    self->port = ntohs(any.sin_port);
    g_assert_cmpint(pipe(self->stop_pipe), ==, 0);
    g_mutex_init(&self->mutex);
    g_queue_init(&self->script);
    self->log = g_ptr_array_new_with_free_func(free_request);
    self->threads = g_ptr_array_new();
    self->acceptor = g_thread_new("acceptor", run_acceptor, self);
    return self;
}

void fake_stop(FakeServer *self)
{
    g_assert_cmpint(write(self->stop_pipe[1], "x", 1), ==, 1);
    g_thread_join(self->acceptor);
    for (guint i = 0; i < self->threads->len; i++)
        g_thread_join(g_ptr_array_index(self->threads, i));
    g_ptr_array_unref(self->threads);
    g_ptr_array_unref(self->log);
    g_queue_clear_full(&self->script, free_answer);
    g_mutex_clear(&self->mutex);
    SSL_CTX_free(self->ctx);
    close(self->listener);
    close(self->stop_pipe[0]);
    close(self->stop_pipe[1]);
    g_free(self);
}

unsigned fake_get_port(const FakeServer *self)
{
    return self->port;
}

void fake_answer(FakeServer *self, const FakeAnswer *answer)
{
    FakeAnswer *copy = g_memdup2(answer, sizeof(*answer));

    copy->verb = g_strdup(answer->verb);
    copy->body = g_strdup(answer->body != NULL ? answer->body : "");
    g_mutex_lock(&self->mutex);
    g_queue_push_tail(&self->script, copy);
    g_mutex_unlock(&self->mutex);
}

unsigned fake_count(FakeServer *self, const char *verb)
{
    unsigned count = 0;

    g_mutex_lock(&self->mutex);
    for (guint i = 0; i < self->log->len; i++)
        count += strcmp(((FakeRequest *)self->log->pdata[i])->verb, verb) == 0;
    g_mutex_unlock(&self->mutex);
    return count;
}

FakeRequest fake_get(FakeServer *self, const char *verb, unsigned at)
{
    FakeRequest found = { NULL };

    g_mutex_lock(&self->mutex);
    for (guint i = 0; i < self->log->len; i++) {
        FakeRequest *request = self->log->pdata[i];

        if (strcmp(request->verb, verb) == 0 && at-- == 0)
            found = *request;
    }
    g_mutex_unlock(&self->mutex);
    g_assert_nonnull(found.verb);
    return found;
}
