#include "daemon/path/directtcp.h"

#include "common/glib/log.h"
#include "common/std/attr.h"
#include "common/std/buckets.h"
#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "common/std/tlsgcm.h"
#include "daemon/wire/ways.h"

#include <errno.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    LINKS = WIRE_MAX_LINKS - PATH_FIRST_TCP_LINK + 1,
    MAX_CALLS = 8,   /* handshakes under way, of each direction */
    MAX_OF_ONE = 4,  /* of those to us, from one address (IPv6: /64) */
    LIMIT_MS = 5000, /* of one place, from the first packet to an open connection */
    CALLS_A_SECOND = 2,
    CALLS_AT_ONCE = 8, /* of one source */
    IDENTITY_BYTES = 4,
    BUFFER_BYTES = 128 * 1024,
    USER_TIMEOUT_MS = 10000,
};

typedef struct {
    PathTcp     *owner;
    bool         is_ours; /* we dialled */
    int          fd;
    SSL         *ssl; /* NULL: TCP is being connected */
    guint        watch, timer;
    bool         known; /* @peer means something: from the start if we dialled */
    PathTcpPeer  peer;
    uint8_t      identity[IDENTITY_BYTES];
    MeshEndpoint at, left[PATH_TCP_PLACES];
    size_t       n_left;
} Call;

typedef struct {
    bool         open, is_ours; /* the latter: we dialled */
    uint32_t     index;
    MeshEndpoint at;
} Link;

struct PathTcp {
    PathTcpHost  host;
    uint16_t     port;
    int          listeners[2]; /* -1: none */
    guint        watches[2];
    MeshBuckets *sources;
    GPtrArray   *calls; /* owned Call */
    Link         links[LINKS];
};

/* ---- calls ---- */

static void free_call(gpointer data)
{
    Call *call = data;

    g_clear_handle_id(&call->watch, g_source_remove);
    g_clear_handle_id(&call->timer, g_source_remove);
    SSL_free(call->ssl);
    if (call->fd >= 0)
        close(call->fd);
    mesh_key_wipe(&call->peer, sizeof call->peer);
    g_free(call);
}

static gboolean on_late(gpointer user_data);
static bool     connect_next(Call *call);

static Call *new_call(PathTcp *self, bool is_ours)
{
    Call *call = g_new0(Call, 1);

    call->owner = self;
    call->is_ours = is_ours;
    call->fd = -1;
    call->timer = g_timeout_add(LIMIT_MS, on_late, call);
    g_ptr_array_add(self->calls, call);
    return call;
}

static void end_call(Call *call)
{
    g_ptr_array_remove_fast(call->owner->calls, call);
}

/* Nobody there, or not the peer: the next place, if there is one. */
static void fail(Call *call, const char *why)
{
    char text[MESH_ENDPOINT_TEXT_SIZE];

    mesh_log_debug("TCP %s %s: %s", call->is_ours ? "to" : "from",
                   mesh_endpoint_format(&call->at, text), why);
    if (!call->is_ours || !connect_next(call))
        end_call(call);
}

static gboolean on_late(gpointer user_data)
{
    Call *call = user_data;

    call->timer = 0;
    fail(call, "no answer in time");
    return G_SOURCE_REMOVE;
}

/* ---- the key of the pair (RFC 8446 §4.2.11, with fresh Diffie-Hellman) ---- */

static SSL_SESSION *make_session(SSL *ssl, const MeshKey *psk)
{
    static const unsigned char suite[] = { 0x13, 0x01 }; /* TLS_AES_128_GCM_SHA256 */
    const SSL_CIPHER          *cipher = SSL_CIPHER_find(ssl, suite);
    SSL_SESSION               *session = SSL_SESSION_new();

    if (session != NULL && cipher != NULL &&
        SSL_SESSION_set1_master_key(session, psk->bytes, sizeof psk->bytes) == 1 &&
        SSL_SESSION_set_cipher(session, cipher) == 1 &&
        SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) == 1)
        return session;
    SSL_SESSION_free(session);
    return NULL;
}

static int offer_key(SSL *ssl, const EVP_MD *md, const unsigned char **out_identity,
                     size_t *out_len, SSL_SESSION **out_session)
{
    Call *call = SSL_get_app_data(ssl);

    (void)md; /* the one suite has the one hash */
    *out_identity = call->identity;
    *out_len = sizeof call->identity;
    *out_session = make_session(ssl, &call->peer.psk);
    return *out_session != NULL;
}

/* A stranger has no key: without one, and without a certificate of ours, TLS ends by itself. */
static int find_key(SSL *ssl, const unsigned char *identity, size_t len, SSL_SESSION **out_session)
{
    Call *call = SSL_get_app_data(ssl);

    *out_session = NULL;
    if (len != IDENTITY_BYTES)
        return 1;
    call->known = call->owner->host.find((uint32_t)identity[0] << 24 | (uint32_t)identity[1] << 16 |
                                             (uint32_t)identity[2] << 8 | identity[3],
                                         &call->peer, call->owner->host.user_data);
    if (!call->known)
        return 1;
    *out_session = make_session(ssl, &call->peer.psk);
    return *out_session != NULL;
}

static SSL_CTX *make_context(const SSL_METHOD *method)
{
    SSL_CTX *context = SSL_CTX_new_ex(NULL, mesh_tlsgcm_get_query(), method);

    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") != 1 ||
        SSL_CTX_set_num_tickets(context, 0) != 1)
        g_error("out of memory");
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, BUFFER_BYTES);
    SSL_CTX_set_psk_use_session_callback(context, offer_key);
    SSL_CTX_set_psk_find_session_callback(context, find_key);
    return context;
}

static SSL_CTX *get_context(bool is_ours)
{
    static SSL_CTX *client, *server;

    if (client == NULL) {
        client = make_context(TLS_client_method());
        server = make_context(TLS_server_method());
    }
    return is_ours ? client : server;
}

/* ---- the handshake ---- */

static Link *find_link(PathTcp *self, uint32_t index)
{
    for (size_t i = 0; i < LINKS; i++)
        if (self->links[i].open && self->links[i].index == index)
            return &self->links[i];
    return NULL;
}

/* Of two connections of a pair both ends keep the same. Who dials again has lost the one before. */
static bool is_kept(const Link *old, const Call *call)
{
    return old->is_ours != call->is_ours && old->is_ours == call->peer.ours_stays;
}

/* Returns: where @call belongs; NULL: nowhere. */
static Link *find_place(PathTcp *self, const Call *call)
{
    Link *old = find_link(self, call->peer.index);

    if (old != NULL)
        return is_kept(old, call) ? NULL : old;
    for (size_t i = 0; i < LINKS; i++)
        if (!self->links[i].open)
            return &self->links[i];
    return NULL;
}

/* The plane has it from here on. */
static void take_open(Call *call)
{
    PathTcp *self = call->owner;
    uint32_t index = call->peer.index;
    Link    *place = find_place(self, call);
    uint8_t  link;
    int      rc;

    if (place == NULL) {
        end_call(call);
        return;
    }
    link = (uint8_t)(PATH_FIRST_TCP_LINK + (place - self->links));
    rc = wire_ways_adopt_direct(self->host.plane, link, call->ssl, index);
    if (rc < 0) {
        mesh_log_debug("a connection of a peer cannot be used: %s", g_strerror(-rc));
        end_call(call);
        return;
    }
    call->ssl = NULL;
    call->fd = -1;
    *place = (Link){ .open = true, .is_ours = call->is_ours, .index = index, .at = call->at };
    end_call(call);
    self->host.changed(index, link, true, self->host.user_data);
}

static gboolean on_ready(int fd, GIOCondition condition, gpointer user_data);

static void await(Call *call, GIOCondition condition)
{
    g_clear_handle_id(&call->watch, g_source_remove);
    call->watch = g_unix_fd_add(call->fd, condition, on_ready, call);
}

static void shake(Call *call)
{
    int rc, error;

    ERR_clear_error();
    rc = call->is_ours ? SSL_connect(call->ssl) : SSL_accept(call->ssl);
    if (rc == 1 && call->known && SSL_session_reused(call->ssl) == 1) {
        take_open(call); /* with the key of the pair: nobody else's certificate would do */
        return;
    }
    error = rc == 1 ? SSL_ERROR_SSL : SSL_get_error(call->ssl, rc);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        await(call, error == SSL_ERROR_WANT_READ ? G_IO_IN : G_IO_OUT);
    else
        fail(call, "not with the key of a peer");
}

static void start_tls(Call *call)
{
    int on = 1, timeout = USER_TIMEOUT_MS;

    (void)setsockopt(call->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(call->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof timeout);
    call->ssl = SSL_new(get_context(call->is_ours));
    if (call->ssl == NULL || SSL_set_fd(call->ssl, call->fd) != 1) {
        fail(call, "no memory for TLS");
        return;
    }
    SSL_set_app_data(call->ssl, call);
    shake(call);
}

static gboolean on_ready(int fd, GIOCondition condition, gpointer user_data)
{
    Call     *call = user_data;
    int       error = 0;
    socklen_t len = sizeof error;

    (void)condition; /* errors come out of the calls */
    if (call->ssl != NULL)
        shake(call);
    else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0)
        fail(call, g_strerror(error != 0 ? error : errno));
    else
        start_tls(call);
    return G_SOURCE_CONTINUE; /* whoever changed the watch removed this one */
}

/* ---- dialling ---- */

static void drop_socket(Call *call)
{
    g_clear_handle_id(&call->watch, g_source_remove);
    g_clear_handle_id(&call->timer, g_source_remove);
    g_clear_pointer(&call->ssl, SSL_free);
    if (call->fd >= 0)
        close(call->fd);
    call->fd = -1;
}

/* Returns: false: there is no place left. */
static bool connect_next(Call *call)
{
    while (call->n_left > 0) {
        struct sockaddr_storage name;
        socklen_t               len;

        drop_socket(call);
        call->at = call->left[0];
        call->left[0] = call->left[1];
        call->n_left--;
        len = mesh_endpoint_to_sockaddr(&call->at, &name);
        call->fd =
            socket(call->at.addr.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
        if (call->fd < 0 ||
            (connect(call->fd, (struct sockaddr *)&name, len) < 0 && errno != EINPROGRESS))
            continue;
        call->timer = g_timeout_add(LIMIT_MS, on_late, call);
        await(call, G_IO_OUT);
        return true;
    }
    return false;
}

/* @from: only those from there; NULL: all. */
static unsigned count_calls(const PathTcp *self, bool is_ours, const MeshAddr *from)
{
    unsigned n = 0;

    for (guint i = 0; i < self->calls->len; i++) {
        const Call     *call = self->calls->pdata[i];
        const MeshAddr *at = &call->at.addr;

        n += call->is_ours == is_ours &&
             (from == NULL || (at->family == from->family &&
                               memcmp(at->bytes, from->bytes, at->family == AF_INET ? 4 : 8) == 0));
    }
    return n;
}

static bool is_called(PathTcp *self, uint32_t index)
{
    for (guint i = 0; i < self->calls->len; i++) {
        const Call *call = self->calls->pdata[i];

        if (call->is_ours && call->peer.index == index)
            return true;
    }
    return find_link(self, index) != NULL;
}

void path_tcp_dial(PathTcp *self, const PathTcpPeer *peer, const MeshEndpoint *places,
                   size_t n_places)
{
    Call *call;

    if (count_calls(self, true, NULL) >= MAX_CALLS || n_places == 0 || is_called(self, peer->index))
        return;
    call = new_call(self, true);
    call->known = true;
    call->peer = *peer;
    for (unsigned i = 0; i < IDENTITY_BYTES; i++)
        call->identity[i] = (uint8_t)(peer->from >> (24 - 8 * i));
    call->n_left = MIN(n_places, PATH_TCP_PLACES);
    memcpy(call->left, places, call->n_left * sizeof places[0]);
    if (!connect_next(call))
        end_call(call);
}

/* ---- listening ---- */

static gboolean on_caller(int fd, GIOCondition condition, gpointer user_data)
{
    PathTcp                *self = user_data;
    struct sockaddr_storage name;
    socklen_t               len = sizeof name;
    Call                   *call;
    int          socket = accept4(fd, (struct sockaddr *)&name, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
    MeshEndpoint at;

    (void)condition;
    if (socket < 0)
        return G_SOURCE_CONTINUE; /* it went away, or there are no descriptors: the next round */
    if (mesh_endpoint_from_sockaddr((struct sockaddr *)&name, len, true, &at) < 0 ||
        count_calls(self, false, NULL) >= MAX_CALLS ||
        count_calls(self, false, &at.addr) >= MAX_OF_ONE ||
        !mesh_buckets_take(self->sources, &at.addr, mesh_clock_boot_ms())) {
        close(socket);
        return G_SOURCE_CONTINUE;
    }
    call = new_call(self, false);
    call->fd = socket;
    call->at = at;
    start_tls(call);
    return G_SOURCE_CONTINUE;
}

static void stop_listening(PathTcp *self)
{
    for (int i = 0; i < 2; i++) {
        g_clear_handle_id(&self->watches[i], g_source_remove);
        if (self->listeners[i] >= 0)
            close(self->listeners[i]);
        self->listeners[i] = -1;
    }
}

/* Returns: descriptor, or negative errno. */
static int listen_on(int family, uint16_t port)
{
    MeshAddr                any = { .family = (uint8_t)family };
    MeshEndpoint            at = mesh_endpoint_make(&any, port);
    struct sockaddr_storage name;
    socklen_t               len = mesh_endpoint_to_sockaddr(&at, &name);
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP), on = 1;

    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        (family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0) &&
        bind(fd, (struct sockaddr *)&name, len) == 0 && listen(fd, MAX_CALLS) == 0)
        return fd;
    on = -errno;
    close(fd);
    return on;
}

void path_tcp_listen(PathTcp *self, uint16_t port)
{
    static const int families[] = { AF_INET, AF_INET6 };

    if (port == self->port)
        return;
    stop_listening(self);
    self->port = port;
    for (int i = 0; i < 2 && port != 0; i++) {
        int fd = listen_on(families[i], port);

        if (fd < 0 && fd != -EAFNOSUPPORT)
            mesh_log_info("TCP port %u: %s: peers without UDP come by a relay", port,
                          g_strerror(-fd));
        if (fd < 0)
            continue;
        self->listeners[i] = fd;
        self->watches[i] = g_unix_fd_add(fd, G_IO_IN, on_caller, self);
    }
}

/* ---- front ---- */

PathTcp *path_tcp_new(const PathTcpHost *host)
{
    PathTcp *self = g_new0(PathTcp, 1);

    self->host = *host;
    self->listeners[0] = self->listeners[1] = -1;
    self->calls = g_ptr_array_new_with_free_func(free_call);
    if (mesh_buckets_new(MESH_BUCKETS_BY_32, CALLS_A_SECOND, CALLS_AT_ONCE, &self->sources) < 0)
        g_error("out of memory");
    return self;
}

void path_tcp_free(PathTcp *self)
{
    if (self == NULL)
        return;
    stop_listening(self);
    g_ptr_array_unref(self->calls);
    for (size_t i = 0; i < LINKS; i++)
        path_tcp_close(self, (uint8_t)(PATH_FIRST_TCP_LINK + i));
    mesh_buckets_free(self->sources);
    g_free(self);
}

static Link *get_link(PathTcp *self, uint8_t link)
{
    if (link < PATH_FIRST_TCP_LINK || link > WIRE_MAX_LINKS)
        return NULL;
    return self->links[link - PATH_FIRST_TCP_LINK].open ? &self->links[link - PATH_FIRST_TCP_LINK]
                                                        : NULL;
}

void path_tcp_close(PathTcp *self, uint8_t link)
{
    Link *place = get_link(self, link);

    if (place == NULL)
        return;
    wire_ways_remove_link(self->host.plane, link);
    *place = (Link){ .open = false };
}

bool path_tcp_handle(PathTcp *self, const WireEvent *event)
{
    const Link *place = get_link(self, event->way.link);
    uint32_t    index;

    if (place == NULL)
        return event->way.link >= PATH_FIRST_TCP_LINK;
    if (wire_ways_is_open(self->host.plane, event->way.link))
        return true; /* it was said of the one before this */
    index = place->index;
    path_tcp_close(self, event->way.link);
    self->host.changed(index, event->way.link, false, self->host.user_data);
    return true;
}

bool path_tcp_get(const PathTcp *self, uint8_t link, MeshEndpoint *out_at)
{
    const Link *place = get_link((PathTcp *)(uintptr_t)self, link);

    if (place != NULL)
        *out_at = place->at;
    return place != NULL;
}
