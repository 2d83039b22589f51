/* tests/daemon/path/test-relaydial.c: a relay, or a proxy before it, that answers as it should, or
 * not: each dial ends, once, and says how.
 *   dial ── loopback ── a thread that plays one case */
#include "common/codec/websocket.h"
#include "common/std/endpoint.h"
#include "daemon/path/relaydial.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SWITCHED "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
#define TUNNEL   "HTTP/1.1 200 Connection established\r\n\r\n"

typedef struct {
    const char      *name;
    const char      *proxy;   /* what the proxy answers; NULL: there is none */
    bool             no_tls;  /* @answer goes as it is, at once */
    bool             endless; /* it begins an answer and never ends its head */
    bool             silent;  /* it hears the request, and that is all */
    bool             other_key, websocket, with_accept;
    const char      *answer; /* after the request; NULL: it hangs up */
    bool             dead6;  /* nobody is at its IPv6 address */
    PathRelayDialEnd want;
    int              want_status;
    const char      *want_why; /* a part of it */
} Case;

static const Case cases[] = {
    { "switches", .answer = SWITCHED "Upgrade: mesh-relay/1\r\n\r\nfirst",
      .want = PATH_RELAYDIAL_OPEN },
    { "ipv6-leads-nowhere", .dead6 = true, .answer = SWITCHED "\r\nfirst",
      .want = PATH_RELAYDIAL_OPEN },
    { "websocket", .websocket = true, .with_accept = true, .answer = SWITCHED,
      .want = PATH_RELAYDIAL_OPEN },
    { "websocket-for-another", .websocket = true, .answer = SWITCHED "\r\n",
      .want = PATH_RELAYDIAL_FAILED, .want_why = "not for our question" },
    { "by-a-proxy", .proxy = TUNNEL, .answer = SWITCHED "\r\nfirst", .want = PATH_RELAYDIAL_OPEN },
    { "another-key", .other_key = true, .answer = SWITCHED "\r\n", .want = PATH_RELAYDIAL_FAILED,
      .want_why = "another key" },
    { "refuses",
      .answer = "HTTP/1.1 400 Bad Request\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
      .want = PATH_RELAYDIAL_REFUSED, .want_status = 400, .want_why = "400" },
    { "no-status", .answer = "HTTP/1.1 abc\r\n\r\n", .want = PATH_RELAYDIAL_REFUSED,
      .want_why = "no answer in HTTP" },
    { "no-http", .answer = "hello\r\n\r\n", .want = PATH_RELAYDIAL_REFUSED,
      .want_why = "no answer in HTTP" },
    { "no-tls", .no_tls = true, .answer = "SSH-2.0-OpenSSH\r\n", .want = PATH_RELAYDIAL_FAILED,
      .want_why = "no TLS" },
    { "hangs-up", .answer = NULL, .want = PATH_RELAYDIAL_FAILED, .want_why = "ended" },
    { "head-without-end", .endless = true, .answer = "HTTP/1.1 101 Yes\r\n",
      .want = PATH_RELAYDIAL_FAILED, .want_why = "no end" },
    { "silence", .silent = true, .want = PATH_RELAYDIAL_FAILED, .want_why = "in time" },
    { "proxy-wants-a-name", .proxy = "HTTP/1.1 407 Who\r\n\r\n", .want = PATH_RELAYDIAL_REFUSED,
      .want_status = 407, .want_why = "name and a password" },
    { "proxy-says-no", .proxy = "HTTP/1.0 403 No\r\nX: y\r\n\r\n", .want = PATH_RELAYDIAL_REFUSED,
      .want_status = 403, .want_why = "the proxy answers 403" },
    { "proxy-is-none", .proxy = "220 mail ready\r\n\r\n", .want = PATH_RELAYDIAL_REFUSED,
      .want_why = "does not speak HTTP" },
    { "proxy-hangs-up", .proxy = "", .want = PATH_RELAYDIAL_FAILED, .want_why = "proxy ended" },
};

typedef struct {
    const Case         *c;
    int                 listener;
    SSL_CTX            *ctx;
    GMainLoop          *loop;
    unsigned            n_ends;
    PathRelayDialResult result;
    char               *why;         /* owned */
    char                heard[2048]; /* by the proxy; the thread's until it ended */
} World;

static SSL_CTX *make_server(MeshKey *out_key)
{
    SSL_CTX  *ctx = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    X509     *certificate = X509_new();
    size_t    len = sizeof out_key->bytes;

    g_assert_true(EVP_PKEY_get_raw_public_key(key, out_key->bytes, &len) == 1);
    g_assert_true(X509_set_pubkey(certificate, key) == 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    g_assert_true(X509_sign(certificate, key, NULL) > 0);
    g_assert_true(SSL_CTX_use_certificate(ctx, certificate) == 1);
    g_assert_true(SSL_CTX_use_PrivateKey(ctx, key) == 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return ctx;
}

/* A request's head. False: none. */
static bool hear(SSL *ssl, int fd, char *text, size_t size)
{
    size_t n = 0;

    while (n + 1 < size) {
        ssize_t got = ssl != NULL ? SSL_read(ssl, text + n, 1) : recv(fd, text + n, 1, 0);

        if (got <= 0)
            return false;
        text[++n] = '\0';
        if (g_str_has_suffix(text, "\r\n\r\n"))
            return true;
    }
    return false;
}

static void answer_key(SSL *ssl, const char *request)
{
    const char      *key = strstr(request, "Sec-WebSocket-Key: ");
    char             accept[MESH_WEBSOCKET_ACCEPT_BYTES];
    g_autofree char *line = NULL;

    g_assert_nonnull(key);
    key += strlen("Sec-WebSocket-Key: ");
    g_assert_cmpint(mesh_websocket_accept(key, strcspn(key, "\r"), accept), ==, 0);
    line = g_strdup_printf("sec-websocket-accept: %s\r\n\r\nfirst", accept);
    g_assert_cmpint(SSL_write(ssl, line, (int)strlen(line)), >, 0);
}

static void play_tls(World *self, int fd)
{
    const Case *c = self->c;
    SSL        *ssl = SSL_new(self->ctx);
    char        request[2048] = "", byte;

    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1 && hear(ssl, fd, request, sizeof request)) {
        g_assert_nonnull(strstr(request, "GET /v1/relay HTTP/1.1\r\nHost: relay.example:443\r\n"));
        g_assert_nonnull(strstr(request, "X-Secret: 1\r\n"));
        if (c->answer != NULL)
            (void)SSL_write(ssl, c->answer, (int)strlen(c->answer));
        if (c->with_accept)
            answer_key(ssl, request);
        while (c->endless && SSL_write(ssl, "X: y\r\n", 6) > 0) {
        }
        if (c->answer != NULL || c->silent)
            (void)SSL_read(ssl, &byte, 1); /* until the other side goes */
    }
    SSL_free(ssl);
}

static void play(World *self, int fd)
{
    const Case *c = self->c;
    char        byte;

    if (c->proxy != NULL) {
        if (!hear(NULL, fd, self->heard, sizeof self->heard))
            return;
        if (send(fd, c->proxy, strlen(c->proxy), MSG_NOSIGNAL) < 0 || strcmp(c->proxy, TUNNEL) != 0)
            return;
    }
    if (!c->no_tls) {
        play_tls(self, fd);
        return;
    }
    (void)!send(fd, c->answer, strlen(c->answer), MSG_NOSIGNAL);
    (void)!recv(fd, &byte, 1, MSG_PEEK); /* it is heard before we go */
}

static void *run(void *data)
{
    World *self = data;
    int    fd;

    while ((fd = accept(self->listener, NULL, NULL)) >= 0) {
        play(self, fd);
        shutdown(fd, SHUT_WR);
        close(fd);
    }
    return NULL;
}

static int listen_at(MeshEndpoint *out_at)
{
    struct sockaddr_storage name;
    MeshEndpoint            any = mesh_endpoint_make4(0x7f000001, 0);
    socklen_t               len = mesh_endpoint_to_sockaddr(&any, &name);
    int                     fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(bind(fd, (struct sockaddr *)&name, len), ==, 0);
    g_assert_cmpint(listen(fd, 4), ==, 0);
    len = sizeof name;
    g_assert_cmpint(getsockname(fd, (struct sockaddr *)&name, &len), ==, 0);
    g_assert_cmpint(mesh_endpoint_from_sockaddr((struct sockaddr *)&name, len, false, out_at), ==,
                    0);
    return fd;
}

static void on_done(const PathRelayDialResult *result, void *user_data)
{
    World *self = user_data;

    self->n_ends++;
    self->result = *result;
    self->why = g_strdup(result->why);
    g_main_loop_quit(self->loop);
}

/* What came in the record of the 101 is the stream's, all of it. */
static void check_open(SSL *ssl)
{
    int  fd = SSL_get_fd(ssl), n = 0, got;
    char text[6] = "";

    while (n < 5) {
        got = SSL_read(ssl, text + n, 5 - n);
        g_assert_true(got > 0 || SSL_get_error(ssl, got) == SSL_ERROR_WANT_READ);
        n += got > 0 ? got : 0;
    }
    g_assert_cmpstr(text, ==, "first");
    SSL_free(ssl);
    close(fd);
}

static void check_end(World *self)
{
    const Case *c = self->c;

    g_assert_cmpuint(self->n_ends, ==, 1);
    g_assert_cmpint(self->result.end, ==, c->want);
    if (c->want == PATH_RELAYDIAL_OPEN) {
        check_open(self->result.ssl);
        return;
    }
    g_assert_cmpint(self->result.status, ==, c->want_status);
    if (strstr(self->why, c->want_why) == NULL)
        g_error("\"%s\" is not said, but \"%s\"", c->want_why, self->why);
    if (strcmp(c->name, "refuses") == 0)
        g_assert_cmpint(self->result.date_s, ==, 784111777);
}

static void test_case(gconstpointer data)
{
    World           world = { .c = data };
    const Case     *c = data;
    MeshProxy       proxy = { .host = "127.0.0.1", .basic = "bW9sZTpkaWc=" };
    PathRelayTarget target = { .name = "test",
                               .host = "relay.example",
                               .port = 443,
                               .websocket = c->websocket,
                               .headers = "X-Secret: 1\r\n" };
    pthread_t       thread;

    world.listener = listen_at(&target.at4);
    world.ctx = make_server(&target.key);
    target.key.bytes[0] ^= c->other_key;
    proxy.port = target.at4.port;
    if (c->dead6) { /* port 1: nobody */
        uint8_t here[16] = { [15] = 1 };

        target.at6 = (MeshEndpoint){ .addr = mesh_ip_make_addr(AF_INET6, here), .port = 1 };
    }
    target.proxy = c->proxy != NULL ? &proxy : NULL;
    world.loop = g_main_loop_new(NULL, false);
    g_assert_cmpint(pthread_create(&thread, NULL, run, &world), ==, 0);
    g_assert_nonnull(path_relaydial_start(&target, on_done, &world));
    g_main_loop_run(world.loop);
    check_end(&world);
    shutdown(world.listener, SHUT_RDWR);
    pthread_join(thread, NULL);
    if (c->proxy != NULL) {
        g_assert_nonnull(strstr(world.heard, "CONNECT relay.example:443 HTTP/1.1\r\n"));
        g_assert_nonnull(strstr(world.heard, "Proxy-Authorization: Basic bW9sZTpkaWc=\r\n"));
    }
    close(world.listener);
    SSL_CTX_free(world.ctx);
    g_main_loop_unref(world.loop);
    g_free(world.why);
}

/* A dial that nobody wants any more, at every step of it: no end is told, nothing is left. */
static void test_cancel(void)
{
    for (int steps = 0; steps < 12; steps++) {
        World           world = { .c = &cases[0] };
        PathRelayTarget target = {
            .name = "test", .host = "relay.example", .port = 443, .headers = "X-Secret: 1\r\n"
        };
        PathRelayDial *dial;
        pthread_t      thread;

        world.listener = listen_at(&target.at4);
        world.ctx = make_server(&target.key);
        g_assert_cmpint(pthread_create(&thread, NULL, run, &world), ==, 0);
        world.loop = g_main_loop_new(NULL, false);
        dial = path_relaydial_start(&target, on_done, &world);
        for (int i = 0; i < steps && world.n_ends == 0; i++)
            g_main_context_iteration(NULL, true);
        if (world.n_ends == 0)
            path_relaydial_cancel(dial);
        else
            check_end(&world);
        while (g_main_context_iteration(NULL, false)) {
        }
        g_assert_cmpuint(world.n_ends, <=, 1);
        shutdown(world.listener, SHUT_RDWR);
        pthread_join(thread, NULL);
        close(world.listener);
        SSL_CTX_free(world.ctx);
        g_main_loop_unref(world.loop);
        g_free(world.why);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *name = g_strdup_printf("/relaydial/%s", cases[i].name);

        g_test_add_data_func(name, &cases[i], test_case);
    }
    g_test_add_func("/relaydial/cancel", test_cancel);
    return g_test_run();
}
