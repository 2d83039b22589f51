/* tests/daemon/wire/test-stream.c: peers reached by a relay over TLS, plain and in WebSocket
 * messages; a relay that says nonsense, stalls, ends.
 *   a ══ TLS ══ relay: a thread ══ TLS ══ b */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/codec/websocket.h"
#include "daemon/wire/ways.h"
#include "pair-steer.h"

enum { HEAD = 8, INDEX_A = 7, INDEX_B = 0x01020304, ROOM = 1 << 20, RECORD = 16384 };

/* The relay's end of one connection. */
typedef struct {
    SSL          *ssl;
    int           fd;
    MeshWebsocket websocket;
    uint32_t      index; /* of who is there */
    size_t        n_in, n_out;
    uint8_t       in[ROOM], out[ROOM]; /* not taken apart; not sent yet */
} End;

typedef struct {
    bool            is_websocket;
    End            *a, *b;
    SSL_CTX        *server, *client;
    int             stop[2];
    GThread        *thread;
    gint            n_data, deaf; /* atomic: DATA frames passed; it reads nothing */
    pthread_mutex_t lock;         /* of what the test has it say */
    size_t          n_say;
    uint8_t         say[4096]; /* to b, as it is */
    bool            hang_up;   /* on b */
} Relay;

static SSL_CTX *make_server(void)
{
    SSL_CTX  *ctx = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    X509     *certificate = X509_new();

    g_assert_true(X509_set_pubkey(certificate, key) == 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    g_assert_true(X509_sign(certificate, key, NULL) > 0);
    g_assert_true(SSL_CTX_use_certificate(ctx, certificate) == 1);
    g_assert_true(SSL_CTX_use_PrivateKey(ctx, key) == 1);
    SSL_CTX_set_mode(ctx, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_ENABLE_PARTIAL_WRITE);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return ctx;
}

static void finish_handshake(SSL *client, SSL *server)
{
    int at_client = 0, at_server = 0;

    while (at_client != 1 || at_server != 1) {
        at_client = SSL_connect(client);
        at_server = SSL_accept(server);
        g_assert_true(at_client == 1 || SSL_get_error(client, at_client) == SSL_ERROR_WANT_READ);
        g_assert_true(at_server == 1 || SSL_get_error(server, at_server) == SSL_ERROR_WANT_READ);
    }
}

static End *end_new(Relay *self, PairSide *side, uint32_t index)
{
    End *end = g_new0(End, 1);
    SSL *client = SSL_new(self->client);
    int  fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), ==, 0);
    end->ssl = SSL_new(self->server);
    end->fd = fds[0];
    end->index = index;
    mesh_websocket_init(&end->websocket, true);
    SSL_set_fd(end->ssl, fds[0]);
    SSL_set_fd(client, fds[1]);
    finish_handshake(client, end->ssl);
    g_assert_cmpint(wire_ways_adopt_stream(side->plane, 1, client, self->is_websocket), ==, 0);
    return end;
}

static void end_free(End *self)
{
    if (self->fd >= 0)
        close(self->fd);
    SSL_free(self->ssl);
    g_free(self);
}

static void put(Relay *self, End *to, const uint8_t *bytes, size_t len)
{
    uint8_t *at = to->out + to->n_out + MESH_WEBSOCKET_HEAD_BYTES;
    size_t   head = 0;

    g_assert_cmpuint(ROOM - to->n_out, >=, len + MESH_WEBSOCKET_HEAD_BYTES);
    memcpy(at, bytes, len);
    if (self->is_websocket)
        head = mesh_websocket_wrap(NULL, at, len);
    memmove(to->out + to->n_out, at - head, head + len);
    to->n_out += head + len;
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Whole frames that came from @from go to the other; written here once more from the document. */
static void forward(Relay *self, End *from, End *to)
{
    size_t at = 0;

    while (from->n_in - at >= HEAD) {
        uint8_t *frame = from->in + at;
        size_t   len = HEAD + (get32(frame) & 0xffffff);

        if (from->n_in - at < len)
            break;
        if (frame[0] == 0x40) {
            g_assert_cmpuint(get32(frame + 4), ==, to->index);
            for (int i = 0; i < 4; i++)
                frame[4 + i] = (uint8_t)(from->index >> (24 - 8 * i));
            g_atomic_int_inc(&self->n_data);
            put(self, to, frame, len);
        }
        at += len;
    }
    memmove(from->in, from->in + at, from->n_in - at);
    from->n_in -= at;
}

/* What is to be sent to a slow reader does not grow for ever: the sender has to wait. */
static bool has_room(const End *to)
{
    return to->n_out < ROOM / 2;
}

/* A whole TLS record at a time, so that what is left can be polled for. */
static void pull(Relay *self, End *from, End *to)
{
    int n;

    if (from->fd < 0 || g_atomic_int_get(&self->deaf))
        return;
    while (has_room(to) && (n = SSL_read(from->ssl, from->in + from->n_in, RECORD)) > 0) {
        size_t len = (size_t)n;

        if (self->is_websocket)
            g_assert_cmpint(mesh_websocket_decode(&from->websocket, from->in + from->n_in, len,
                                                  &len),
                            ==, 0);
        from->n_in += len;
        forward(self, from, to);
    }
}

static void push(End *to)
{
    int n;

    while (to->fd >= 0 && to->n_out > 0 && (n = SSL_write(to->ssl, to->out, (int)to->n_out)) > 0) {
        to->n_out -= (size_t)n;
        memmove(to->out, to->out + n, to->n_out);
    }
    ERR_clear_error();
}

static void obey(Relay *self)
{
    pthread_mutex_lock(&self->lock);
    memcpy(self->b->out + self->b->n_out, self->say, self->n_say);
    self->b->n_out += self->n_say;
    self->n_say = 0;
    push(self->b);
    if (self->hang_up && self->b->fd >= 0) {
        close(self->b->fd);
        self->b->fd = -1;
    }
    pthread_mutex_unlock(&self->lock);
}

static gpointer run_relay(gpointer data)
{
    Relay *self = data;
    char   byte = 0;

    while (byte != 'q') {
        short         events = g_atomic_int_get(&self->deaf) ? 0 : POLLIN;
        short         from_a = has_room(self->b) ? events : 0;
        short         from_b = has_room(self->a) ? events : 0;
        struct pollfd fds[] = {
            { .fd = self->a->fd, .events = (short)(from_a | (self->a->n_out > 0 ? POLLOUT : 0)) },
            { .fd = self->b->fd, .events = (short)(from_b | (self->b->n_out > 0 ? POLLOUT : 0)) },
            { .fd = self->stop[0], .events = POLLIN },
        };

        (void)poll(fds, 3, -1);
        if (fds[2].revents != 0)
            g_assert_cmpint(read(self->stop[0], &byte, 1), ==, 1);
        pull(self, self->a, self->b);
        pull(self, self->b, self->a);
        push(self->a);
        obey(self);
    }
    return NULL;
}

static void tell(Relay *self, char what)
{
    g_assert_cmpint(write(self->stop[1], &what, 1), ==, 1);
}

static void say(Relay *self, const void *bytes, size_t len, bool hang_up)
{
    pthread_mutex_lock(&self->lock);
    memcpy(self->say + self->n_say, bytes, len);
    self->n_say += len;
    self->hang_up = hang_up;
    pthread_mutex_unlock(&self->lock);
    tell(self, 's');
}

static void set_route(PairSide *side, const PairSide *peer, uint32_t index)
{
    WireRoute route = { .pinned = true, .way = { .link = 1, .index = index } };

    g_assert_cmpint(wire_plane_set_route(side->plane, &peer->public_key, &route, false), ==, 0);
}

static void relay_start(Relay *self, Pair *pair, bool is_websocket)
{
    memset(self, 0, sizeof *self);
    self->is_websocket = is_websocket;
    pair_start(pair, &(PairOptions){ .unrouted = true });
    self->server = make_server();
    self->client = SSL_CTX_new(TLS_client_method());
    g_assert_cmpint(pipe(self->stop), ==, 0);
    pthread_mutex_init(&self->lock, NULL);
    self->a = end_new(self, &pair->a, INDEX_A);
    self->b = end_new(self, &pair->b, INDEX_B);
    set_route(&pair->a, &pair->b, INDEX_B);
    set_route(&pair->b, &pair->a, INDEX_A);
    self->thread = g_thread_new("relay", run_relay, self);
}

static void relay_stop(Relay *self, Pair *pair)
{
    pair_stop(pair);
    tell(self, 'q');
    g_thread_join(self->thread);
    end_free(self->a);
    end_free(self->b);
    SSL_CTX_free(self->server);
    SSL_CTX_free(self->client);
    pthread_mutex_destroy(&self->lock);
    close(self->stop[0]);
    close(self->stop[1]);
}

static void test_passes(gconstpointer data)
{
    Pair      pair;
    Relay     relay;
    WireEvent event;

    relay_start(&relay, &pair, data != NULL);
    for (int i = 0; i < 20; i++) {
        pair_pass(&pair, true, i % 2 != 0, (uint8_t)i, 60 + 60 * (size_t)i);
        pair_pass(&pair, false, i % 2 != 0, (uint8_t)(i + 100), 1200);
    }
    g_assert_cmpint(g_atomic_int_get(&relay.n_data), >=, 42);
    pair_wait_event(&pair.a, WIRE_EVENT_HANDSHAKE, &event);
    g_assert_cmpuint(event.way.link, ==, 1);
    g_assert_cmpuint(event.way.index, ==, INDEX_B);
    g_assert_cmpuint(pair_info(&pair.a, &pair.b).way.index, ==, INDEX_B);
    wire_ways_remove_link(pair.a.plane, 1);
    g_assert_cmpint(wire_ways_send(pair.a.plane, &event.way, 0, MESH_SPAN("\xd5", 1)), ==,
                    -ENOTCONN);
    relay_stop(&relay, &pair);
}

/* Many packets behind one another keep their order and their bytes. */
static void test_burst(gconstpointer data)
{
    uint8_t packet[1400], got[2048];
    Pair    pair;
    Relay   relay;

    relay_start(&relay, &pair, data != NULL);
    pair_pass(&pair, true, false, 1, 100);
    for (int round = 0; round < 8; round++) {
        for (uint8_t i = 0; i < 32; i++) {
            pair_make_packet(true, false, i, sizeof packet - i, packet);
            pair_write(&pair.a, packet, sizeof packet - i);
        }
        for (uint8_t i = 0; i < 32; i++) {
            size_t len = pair_make_packet(true, false, i, sizeof packet - i, packet);

            g_assert_cmpmem(got, pair_read(&pair.b, got, sizeof got), packet, len);
        }
    }
    relay_stop(&relay, &pair);
}

/* Probes, and frames of the relay's own, each told with the way it came. */
static void test_raw(gconstpointer data)
{
    const uint8_t probe[48] = { 0xD5, 1, 0, 0, 9, 9, 9 };
    uint8_t       pong[MESH_WEBSOCKET_HEAD_BYTES + HEAD + 24] = { 0 };
    uint8_t      *frame = pong + MESH_WEBSOCKET_HEAD_BYTES;
    WireWay       way = { .link = 1, .index = INDEX_B };
    Pair          pair;
    Relay         relay;
    WireEvent     event;
    size_t        head = 0;

    relay_start(&relay, &pair, data != NULL);
    g_assert_cmpint(wire_ways_send(pair.a.plane, &way, 0, MESH_SPAN(probe, sizeof probe)), ==, 0);
    pair_wait_event(&pair.b, WIRE_EVENT_RAW, &event);
    g_assert_cmpmem(event.data, event.n_data, probe, sizeof probe);
    g_assert_cmpuint(event.way.link, ==, 1);
    g_assert_cmpuint(event.way.index, ==, INDEX_A);
    memcpy(frame, "\x45\0\0\x18\0\0\0\x05", HEAD);
    if (data != NULL)
        head = mesh_websocket_wrap(NULL, frame, HEAD + 24);
    say(&relay, frame - head, head + HEAD + 24, false);
    pair_wait_event(&pair.b, WIRE_EVENT_RAW, &event);
    g_assert_cmpmem(event.data, event.n_data, frame, HEAD + 24);
    g_assert_cmpuint(event.way.link, ==, 1);
    g_assert_cmpuint(event.way.index, ==, WIRE_WHOLE_FRAME);
    relay_stop(&relay, &pair);
}

typedef struct {
    const char *name;
    const char *bytes;
    size_t      len;
    bool        is_websocket, hang_up;
    int         want;
} Nonsense;

static const Nonsense nonsense[] = {
    { "unknown-kind", "\x41\0\0\x01\0\0\0\0x", 9, .want = -EBADMSG },
    { "text", "HTTP/1.1 200 OK\r\n\r\n", 19, .want = -EBADMSG },
    { "huge-length", "\x40\xff\xff\xff\0\0\0\0", 8, .want = -EBADMSG },
    { "a-client's-kind", "\x44\0\0\x18\0\0\0\0", 8, .want = -EBADMSG },
    { "empty-data", "\x40\0\0\0\0\0\0\0", 8, .want = -EBADMSG },
    { "hangs-up", "", 0, .hang_up = true, .want = -EPROTO },
    { "hangs-up-in-a-frame", "\x40\0\x01\0\0\0\0\x07half", 12, .hang_up = true, .want = -EPROTO },
    { "masked", "\x82\x81mask.", 7, .is_websocket = true, .want = -EBADMSG },
    { "text-message", "\x81\x01x", 3, .is_websocket = true, .want = -EBADMSG },
    { "reserved-bits", "\xc2\x01\x40", 3, .is_websocket = true, .want = -EBADMSG },
    { "closes", "\x88\0", 2, .is_websocket = true, .want = -EPIPE },
    { "huge-message", "\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", 10, true, .want = -EBADMSG },
    { "huge-ping", "\x89\x7e\xff\xff", 4, .is_websocket = true, .want = -EBADMSG },
};

/* A stream that makes no sense is over, and says why; another may take its place. */
static void test_nonsense(gconstpointer data)
{
    const Nonsense *c = data;
    Pair            pair;
    Relay           relay;
    WireEvent       event;
    End            *old;

    relay_start(&relay, &pair, c->is_websocket);
    pair_pass(&pair, true, false, 1, 100);
    say(&relay, c->bytes, c->len, c->hang_up);
    pair_wait_event(&pair.b, WIRE_EVENT_LINK_DOWN, &event);
    g_assert_cmpuint(event.way.link, ==, 1);
    g_assert_cmpint(event.id, ==, c->want);
    g_assert_cmpint(wire_ways_send(pair.b.plane, &(WireWay){ .link = 1, .index = 1 }, 0,
                                   MESH_SPAN("\xd5", 1)),
                    ==, -ENOTCONN);
    tell(&relay, 'q');
    g_thread_join(relay.thread);
    old = relay.b;
    relay.b = end_new(&relay, &pair.b, INDEX_B);
    relay.hang_up = false;
    end_free(old);
    relay.thread = g_thread_new("relay", run_relay, &relay);
    pair_pass(&pair, true, false, 2, 100);
    pair_pass(&pair, false, false, 3, 100);
    relay_stop(&relay, &pair);
}

static bool dropped_some(void *data)
{
    return pair_drops(data, WIRE_DROP_SEND) >= 64;
}

/* A relay that takes nothing: data is dropped, the oldest first, and nobody waits. What is new
 * when it reads again arrives. */
static void test_stalled(void)
{
    uint8_t packet[1400], got[2048];
    Pair    pair;
    Relay   relay;
    int     last = -1;

    relay_start(&relay, &pair, false);
    pair_pass(&pair, true, false, 0, sizeof packet);
    g_atomic_int_set(&relay.deaf, 1);
    tell(&relay, 's');
    for (int i = 0; !dropped_some(&pair.a); i++) {
        pair_make_packet(true, false, (uint8_t)i, sizeof packet, packet);
        pair_write(&pair.a, packet, sizeof packet);
        if (i % 16 == 0) /* and the in thread of a looks at its streams */
            g_assert_cmpint(wire_plane_apply(pair.a.plane, pair.a.config), ==, 0);
    }
    pair_make_packet(true, false, 0xEE, 333, packet);
    g_atomic_int_set(&relay.deaf, 0);
    tell(&relay, 's');
    while (last != 333) { /* the host that reads it may have been too slow for it */
        if (pair_is_quiet(&pair.b))
            pair_write(&pair.a, packet, 333);
        else
            last = (int)pair_read(&pair.b, got, sizeof got);
    }
    g_assert_cmpmem(got, 333, packet, 333);
    relay_stop(&relay, &pair);
}

/* A link that is taken away while packets go by it. */
static void test_removed(void)
{
    uint8_t packet[1400];
    Pair    pair;
    Relay   relay;

    relay_start(&relay, &pair, false);
    pair_pass(&pair, true, false, 1, 100);
    for (int i = 0; i < 200; i++) {
        pair_make_packet(true, false, (uint8_t)i, sizeof packet, packet);
        pair_write(&pair.a, packet, sizeof packet);
        if (i == 100)
            wire_ways_remove_link(pair.a.plane, 1);
    }
    g_assert_cmpuint(pair_info(&pair.a, &pair.b).way.link, ==, 1);
    relay_stop(&relay, &pair);
}

int main(int argc, char **argv)
{
    static const char *const forms[] = { "plain", "websocket" };

    g_test_init(&argc, &argv, NULL);
    (void)signal(SIGPIPE, SIG_IGN); /* as in meshd; the relay writes to who has just gone, too */
    for (size_t i = 0; i < G_N_ELEMENTS(forms); i++) {
        g_autofree char *passes = g_strdup_printf("/stream/passes/%s", forms[i]);
        g_autofree char *burst = g_strdup_printf("/stream/burst/%s", forms[i]);
        g_autofree char *raw = g_strdup_printf("/stream/raw/%s", forms[i]);
        gconstpointer    form = i == 0 ? NULL : forms[i];

        g_test_add_data_func(passes, form, test_passes);
        g_test_add_data_func(burst, form, test_burst);
        g_test_add_data_func(raw, form, test_raw);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(nonsense); i++) {
        g_autofree char *name = g_strdup_printf("/stream/nonsense/%s", nonsense[i].name);

        g_test_add_data_func(name, &nonsense[i], test_nonsense);
    }
    g_test_add_func("/stream/stalled", test_stalled);
    g_test_add_func("/stream/removed", test_removed);
    return g_test_run();
}
