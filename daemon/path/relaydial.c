#include "daemon/path/relaydial.h"

#include "common/codec/websocket.h"
#include "common/std/attr.h"
#include "common/std/base64.h"
#include "common/std/endpoint.h"
#include "common/std/tlsgcm.h"
#include "daemon/path/relayanswer.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SECOND_MS = 200, /* the second address begins so much later */
    WHOLE_MS = 5000, /* all of it */
    HEAD_MAX = 4096, /* bytes of an answer's head */
    KEY_BYTES = 32,
    N_LANES = 2,
    BUFFER_BYTES = 128 * 1024, /* of received records */
    USER_TIMEOUT_MS = 10000,   /* what nobody acknowledges so long ends the connection */
};

typedef enum { UNUSED, CONNECTING, ASKING_PROXY, HEARING_PROXY, SHAKING, ASKING, HEARING } Step;

/* One address. */
typedef struct {
    PathRelayDial *owner;
    Step           step;
    MeshEndpoint   at;
    int            fd;
    SSL           *ssl;
    guint          watch;
    GString       *text; /* what is being sent, or was heard */
    size_t         n_sent;
} Lane;

struct PathRelayDial {
    PathRelayDialDone done;
    void             *user_data;
    char             *name, *host, *request, *connect; /* owned, the last two secret; connect NULL:
                                                        * no proxy */
    uint16_t            port;
    MeshKey             key;
    bool                webpki, websocket;
    char                accept[MESH_WEBSOCKET_ACCEPT_BYTES]; /* that answers our key */
    Lane                lanes[N_LANES];
    guint               second, whole; /* timers */
    GCancellable       *looking;       /* the proxy's name up */
    char               *proxy_host;
    uint16_t            proxy_port;
    PathRelayDialResult worst; /* what to say if no lane gets there; its why is owned */
    char               *why;
};

static gboolean on_ready(int fd, GIOCondition condition, gpointer user_data);

/* ---- ends ---- */

static void clear_lane(Lane *lane)
{
    g_clear_handle_id(&lane->watch, g_source_remove);
    g_clear_pointer(&lane->ssl, SSL_free);
    if (lane->step != UNUSED)
        close(lane->fd);
    if (lane->text != NULL) {
        mesh_key_wipe(lane->text->str, lane->text->allocated_len);
        g_string_free(g_steal_pointer(&lane->text), TRUE);
    }
    lane->step = UNUSED;
}

static void wipe_text(char *text)
{
    if (text != NULL)
        mesh_key_wipe(text, strlen(text));
    g_free(text);
}

void path_relaydial_cancel(PathRelayDial *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; i < N_LANES; i++)
        clear_lane(&self->lanes[i]);
    g_clear_handle_id(&self->second, g_source_remove);
    g_clear_handle_id(&self->whole, g_source_remove);
    if (self->looking != NULL)
        g_cancellable_cancel(self->looking);
    g_clear_object(&self->looking);
    wipe_text(self->request);
    wipe_text(self->connect);
    g_free(self->name);
    g_free(self->host);
    g_free(self->proxy_host);
    g_free(self->why);
    g_free(self);
}

/* Nothing of @self may be used after it. */
static void finish(PathRelayDial *self, const PathRelayDialResult *result)
{
    PathRelayDialDone done = self->done;
    void             *user_data = self->user_data;

    done(result, user_data);
    path_relaydial_cancel(self);
}

static bool is_over(const PathRelayDial *self)
{
    for (size_t i = 0; i < N_LANES; i++)
        if (self->lanes[i].step != UNUSED)
            return false;
    return self->second == 0 && self->looking == NULL;
}

static void start_lane(Lane *lane);

/* A lane leads nowhere. An answer that refuses says more than silence, so that is kept. */
static void give_up(Lane *lane, const PathRelayDialResult *why)
{
    PathRelayDial *self = lane->owner;

    if (self->why == NULL || self->worst.end == PATH_RELAYDIAL_FAILED) {
        g_free(self->why);
        self->why = g_strdup(why->why);
        self->worst = *why;
        self->worst.why = self->why;
    }
    clear_lane(lane);
    if (lane == &self->lanes[0] && self->second != 0) {
        g_clear_handle_id(&self->second, g_source_remove);
        start_lane(&self->lanes[1]);
        return;
    }
    if (is_over(self))
        finish(self, &self->worst);
}

static void fail(Lane *lane, const char *why)
{
    give_up(lane, &(PathRelayDialResult){ .end = PATH_RELAYDIAL_FAILED, .why = why });
}

/* ---- waiting ---- */

static void await(Lane *lane, GIOCondition condition)
{
    g_clear_handle_id(&lane->watch, g_source_remove);
    lane->watch = g_unix_fd_add(lane->fd, condition, on_ready, lane);
}

/* After OpenSSL did nothing. Returns: false: it never will; the lane is gone. */
static bool await_tls(Lane *lane, int rc, const char *what)
{
    int error = SSL_get_error(lane->ssl, rc);

    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        await(lane, error == SSL_ERROR_WANT_READ ? G_IO_IN : G_IO_OUT);
        return true;
    }
    fail(lane, what);
    return false;
}

/* ---- the answers ---- */

static void refuse(Lane *lane, int status, bool by_proxy)
{
    g_autofree char *why = NULL;

    if (status == 0)
        why = g_strdup(by_proxy ? "the proxy does not speak HTTP" : "no answer in HTTP");
    else if (by_proxy)
        why = g_strdup_printf("the proxy answers %d%s", status,
                              status == 407 ? ": it wants a name and a password" : "");
    else
        why = g_strdup_printf("it answers %d", status);
    give_up(lane,
            &(PathRelayDialResult){ .end = PATH_RELAYDIAL_REFUSED,
                                    .status = status,
                                    .by_proxy = by_proxy,
                                    .date_s = by_proxy ? 0 : path_relayanswer_date(lane->text->str),
                                    .why = why });
}

/* A WebSocket server proves that it is one. */
static bool is_accepted(Lane *lane)
{
    g_autofree char *accept = NULL;

    if (!lane->owner->websocket)
        return true;
    accept = path_relayanswer_dup_field(lane->text->str, "Sec-WebSocket-Accept");
    return accept != NULL && strcmp(accept, lane->owner->accept) == 0;
}

static void take_answer(Lane *lane)
{
    PathRelayDial      *self = lane->owner;
    PathRelayDialResult result = { .end = PATH_RELAYDIAL_OPEN };
    int                 status = path_relayanswer_status(lane->text->str);

    if (status != 101) {
        refuse(lane, status, false);
        return;
    }
    if (!is_accepted(lane)) {
        fail(lane, "its WebSocket answer is not for our question");
        return;
    }
    result.ssl = g_steal_pointer(&lane->ssl);
    lane->step = UNUSED; /* the socket is in it */
    finish(self, &result);
}

/* Bytes of an answer, not one more than its head: what is behind belongs to the stream.
 * Returns: true: the head is whole; false: later, or the lane is gone. */
static bool hear(Lane *lane)
{
    char byte;

    while (lane->text->len < HEAD_MAX) {
        int n;

        ERR_clear_error();
        n = lane->step == HEARING ? SSL_read(lane->ssl, &byte, 1)
                                  : (int)recv(lane->fd, &byte, 1, MSG_DONTWAIT);
        if (n <= 0 && lane->step == HEARING) {
            (void)await_tls(lane, n, "it ended instead of an answer");
            return false;
        }
        if (n <= 0) {
            if (n < 0 && (errno == EAGAIN || errno == EINTR))
                await(lane, G_IO_IN);
            else
                fail(lane, "the proxy ended instead of an answer");
            return false;
        }
        g_string_append_c(lane->text, byte);
        if (byte == '\n' && g_str_has_suffix(lane->text->str, "\r\n\r\n"))
            return true;
    }
    fail(lane, "the head of its answer has no end");
    return false;
}

/* ---- TLS ---- */

static SSL_CTX *get_context(void)
{
    static SSL_CTX *context;

    if (context != NULL)
        return context;
    context = SSL_CTX_new_ex(NULL, mesh_tlsgcm_get_query(), TLS_client_method());
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1)
        g_error("out of memory");
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, BUFFER_BYTES);
    (void)SSL_CTX_set_default_verify_paths(context);
    return context;
}

static bool is_name(const char *host)
{
    MeshAddr addr;

    return *host != '\0' && mesh_ip_parse_addr(host, &addr) < 0;
}

static bool prepare_tls(Lane *lane)
{
    const PathRelayDial *self = lane->owner;

    lane->ssl = SSL_new(get_context());
    if (lane->ssl == NULL || SSL_set_fd(lane->ssl, lane->fd) != 1)
        return false;
    if (is_name(self->host) && SSL_set_tlsext_host_name(lane->ssl, self->host) != 1)
        return false;
    if (!self->webpki) /* it may have another certificate, for browsers */
        return SSL_set1_sigalgs_list(lane->ssl, "ed25519") == 1;
    SSL_set_verify(lane->ssl, SSL_VERIFY_PEER, NULL);
    return SSL_set1_host(lane->ssl, self->host) == 1;
}

static bool is_pinned(const Lane *lane)
{
    X509   *certificate = SSL_get0_peer_certificate(lane->ssl);
    uint8_t raw[KEY_BYTES];
    size_t  len = sizeof raw;

    if (lane->owner->webpki)
        return SSL_get_verify_result(lane->ssl) == X509_V_OK;
    return certificate != NULL && X509_get0_pubkey(certificate) != NULL &&
           EVP_PKEY_get_raw_public_key(X509_get0_pubkey(certificate), raw, &len) == 1 &&
           len == sizeof raw && memcmp(raw, lane->owner->key.bytes, sizeof raw) == 0;
}

/* ---- step by step ---- */

static void set_text(Lane *lane, const char *text)
{
    if (lane->text == NULL)
        lane->text = g_string_sized_new(HEAD_MAX);
    g_string_assign(lane->text, text);
    lane->n_sent = 0;
}

static void shake(Lane *lane)
{
    int rc;

    ERR_clear_error();
    rc = SSL_connect(lane->ssl);
    if (rc != 1) {
        (void)await_tls(lane, rc, "no TLS");
        return;
    }
    if (!is_pinned(lane)) {
        fail(lane, "its certificate has another key than the network's map says");
        return;
    }
    set_text(lane, lane->owner->request);
    lane->step = ASKING;
    await(lane, G_IO_OUT);
}

static void start_tls(Lane *lane)
{
    lane->step = SHAKING;
    if (prepare_tls(lane))
        shake(lane);
    else
        fail(lane, "TLS cannot be prepared");
}

/* What is asked goes out. @next: when all of it went. */
static void ask(Lane *lane, Step next)
{
    const char *at = lane->text->str + lane->n_sent;
    size_t      left = lane->text->len - lane->n_sent;
    int         n;

    ERR_clear_error();
    n = lane->step == ASKING ? SSL_write(lane->ssl, at, (int)left)
                             : (int)send(lane->fd, at, left, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n <= 0 && lane->step == ASKING) {
        (void)await_tls(lane, n, "it took no request");
        return;
    }
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        fail(lane, "the proxy took no request");
        return;
    }
    lane->n_sent += n > 0 ? (size_t)n : 0;
    if (lane->n_sent < lane->text->len)
        return; /* the watch goes on */
    lane->step = next;
    mesh_key_wipe(lane->text->str, lane->text->len);
    set_text(lane, "");
    await(lane, G_IO_IN);
}

static void take_connected(Lane *lane)
{
    int       error = 0;
    socklen_t len = sizeof error;

    if (getsockopt(lane->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0) {
        fail(lane, g_strerror(error));
        return;
    }
    if (lane->owner->connect == NULL) {
        start_tls(lane);
        return;
    }
    set_text(lane, lane->owner->connect);
    lane->step = ASKING_PROXY;
    await(lane, G_IO_OUT);
}

static void take_proxy_answer(Lane *lane)
{
    int status = path_relayanswer_status(lane->text->str);

    if (status >= 200 && status < 300)
        start_tls(lane);
    else
        refuse(lane, status, true);
}

static gboolean on_ready(int fd, GIOCondition condition, gpointer user_data)
{
    Lane *lane = user_data;

    (void)fd;
    (void)condition; /* errors come out of the call */
    switch (lane->step) {
    case CONNECTING:
        take_connected(lane);
        break;
    case ASKING_PROXY:
        ask(lane, HEARING_PROXY);
        break;
    case HEARING_PROXY:
        if (hear(lane))
            take_proxy_answer(lane);
        break;
    case SHAKING:
        shake(lane);
        break;
    case ASKING:
        ask(lane, HEARING);
        break;
    case HEARING:
        if (hear(lane))
            take_answer(lane);
        break;
    case UNUSED:
        break;
    }
    return G_SOURCE_CONTINUE; /* whoever changed the watch removed this one */
}

static void start_lane(Lane *lane)
{
    int                     on = 1, timeout = USER_TIMEOUT_MS, family = lane->at.addr.family;
    struct sockaddr_storage name;
    socklen_t               len = mesh_endpoint_to_sockaddr(&lane->at, &name);

    lane->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (lane->fd < 0) {
        fail(lane, g_strerror(errno));
        return;
    }
    lane->step = CONNECTING;
    (void)setsockopt(lane->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(lane->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof timeout);
    if (connect(lane->fd, (struct sockaddr *)&name, len) < 0 && errno != EINPROGRESS) {
        fail(lane, g_strerror(errno));
        return;
    }
    await(lane, G_IO_OUT);
}

static gboolean on_second(gpointer user_data)
{
    PathRelayDial *self = user_data;

    self->second = 0;
    start_lane(&self->lanes[1]);
    return G_SOURCE_REMOVE;
}

static gboolean on_whole(gpointer user_data)
{
    PathRelayDial      *self = user_data;
    PathRelayDialResult late = { .end = PATH_RELAYDIAL_FAILED, .why = "no answer in time" };

    self->whole = 0;
    finish(self, self->why != NULL ? &self->worst : &late);
    return G_SOURCE_REMOVE;
}

/* IPv6 first, the other a little later. */
static void race(PathRelayDial *self, const MeshEndpoint *at4, const MeshEndpoint *at6)
{
    size_t n = 0;

    if (at6->addr.family != 0)
        self->lanes[n++].at = *at6;
    if (at4->addr.family != 0)
        self->lanes[n++].at = *at4;
    if (n == 2)
        self->second = g_timeout_add(SECOND_MS, on_second, self);
    if (n > 0)
        start_lane(&self->lanes[0]);
    else
        fail(&self->lanes[0], "it has no address that we could use");
}

/* ---- begin ---- */

static void on_looked_up(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GError) error = NULL;
    GList         *list = g_resolver_lookup_by_name_finish(G_RESOLVER(source), result, &error);
    PathRelayDial *self = user_data;
    MeshEndpoint   found[2] = { { .port = 0 } };

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return; /* the dial is gone */
    for (const GList *at = list; at != NULL; at = at->next) {
        bool     v4 = g_inet_address_get_family(at->data) == G_SOCKET_FAMILY_IPV4;
        MeshAddr addr =
            mesh_ip_make_addr(v4 ? AF_INET : AF_INET6, g_inet_address_to_bytes(at->data));

        if (found[v4].addr.family == 0)
            found[v4] = mesh_endpoint_make(&addr, self->proxy_port);
    }
    g_resolver_free_addresses(list);
    g_clear_object(&self->looking);
    race(self, &found[1], &found[0]);
}

/* To the proxy, which finds the relay itself. */
static gboolean start_at_proxy(gpointer user_data)
{
    PathRelayDial *self = user_data;
    g_autoptr(GResolver) resolver = NULL;
    MeshEndpoint at[2] = { { .port = 0 } };
    MeshAddr     addr;

    self->second = 0;
    if (mesh_ip_parse_addr(self->proxy_host, &addr) == 0) {
        at[addr.family == AF_INET6] = mesh_endpoint_make(&addr, self->proxy_port);
        race(self, &at[0], &at[1]);
        return G_SOURCE_REMOVE;
    }
    self->looking = g_cancellable_new();
    resolver = g_resolver_get_default();
    g_resolver_lookup_by_name_async(resolver, self->proxy_host, self->looking, on_looked_up, self);
    return G_SOURCE_REMOVE;
}

static gboolean start_direct(gpointer user_data)
{
    PathRelayDial *self = user_data;
    MeshEndpoint   at6 = self->lanes[0].at, at4 = self->lanes[1].at;

    self->second = 0;
    self->lanes[0].at = self->lanes[1].at = (MeshEndpoint){ .port = 0 };
    race(self, &at4, &at6);
    return G_SOURCE_REMOVE;
}

static char *make_request(PathRelayDial *self, const PathRelayTarget *target)
{
    bool             v6 = strchr(target->host, ':') != NULL;
    char             key[MESH_BASE64_SIZE(16)];
    g_autofree char *upgrade = NULL;
    uint8_t          random[16];

    if (target->websocket) {
        mesh_key_random(random, sizeof random);
        if (mesh_base64_encode(MESH_SPAN(random, sizeof random), key, sizeof key) < 0 ||
            mesh_websocket_accept(key, strlen(key), self->accept) < 0)
            g_assert_not_reached();
        upgrade = g_strdup_printf("websocket\r\nSec-WebSocket-Version: 13\r\n"
                                  "Sec-WebSocket-Protocol: " MESH_WEBSOCKET_PROTOCOL
                                  "\r\nSec-WebSocket-Key: %s",
                                  key);
    }
    return g_strdup_printf("GET /v1/relay HTTP/1.1\r\nHost: %s%s%s:%u\r\nConnection: Upgrade\r\n"
                           "Upgrade: %s\r\n%s\r\n",
                           v6 ? "[" : "", target->host, v6 ? "]" : "", target->port,
                           upgrade != NULL ? upgrade : "mesh-relay/1", target->headers);
}

PathRelayDial *path_relaydial_start(const PathRelayTarget *target, PathRelayDialDone done,
                                    void *user_data)
{
    PathRelayDial *self = g_new0(PathRelayDial, 1);

    *self = (PathRelayDial){ .done = done,
                             .user_data = user_data,
                             .name = g_strdup(target->name),
                             .host = g_strdup(target->host),
                             .port = target->port,
                             .key = target->key,
                             .webpki = target->webpki,
                             .websocket = target->websocket };
    for (size_t i = 0; i < N_LANES; i++)
        self->lanes[i].owner = self;
    self->request = make_request(self, target);
    self->whole = g_timeout_add(WHOLE_MS, on_whole, self);
    if (target->proxy != NULL) {
        self->proxy_host = g_strdup(target->proxy->host);
        self->proxy_port = target->proxy->port;
        self->connect = mesh_proxy_format_connect(target->proxy, target->host, target->port);
        self->second = g_idle_add(start_at_proxy, self); /* done is not called from in here */
        return self;
    }
    self->lanes[0].at = target->at6;
    self->lanes[1].at = target->at4;
    self->second = g_idle_add(start_direct, self);
    return self;
}
