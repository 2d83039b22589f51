/* Real TLS clients against the loop on loopback, with one and with several shards. */
#include "server/loop/loop.h"

#include "common/std/endpoint.h"
#include "common/std/key.h"
#include "server/loop/conn.h"
#include "server/loop/region.h"

#include <errno.h>
#include <glib.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define DOZES false /* OpenSSL keeps malloc() */
#else
#define DOZES true
#endif

/* An echo: "bye" ends the connection, "bulk" makes it one of much traffic, "big" asks for more than
 * a socket holds, "move" sends it to the shard of the others that said so, "hold" is a pause,
 * "late" and "soon" are one before and after a deadline is set that is over sooner, "then" is one
 * that ends before the deadline, and from "pass" on all that comes goes to who moved first. */
typedef struct {
    Loop                *loop;
    atomic_int           opened, closed, delivered, moved, passed;
    atomic_bool          expired;
    atomic_uint_fast64_t last_id, first_moved_id;
    LoopConn            *first_moved; /* of its shard */
} Echo;

typedef struct {
    Echo     *echo;
    LoopConn *conn;
    bool      passes;
} Talk;

enum {
    BIG_BYTES = 3 << 20,
    KEY = 7,
};

static void on_opened(LoopConn *conn, void *user_data)
{
    Echo *echo = user_data;
    Talk *talk = loop_conn_new_data(conn, sizeof(*talk));

    talk->echo = echo;
    talk->conn = conn;
    atomic_store(&echo->last_id, loop_conn_get_id(conn));
    atomic_fetch_add(&echo->opened, 1);
}

static void pass_on(Echo *echo, const uint8_t *data, size_t len)
{
    LoopItem item = { .data = data, .len = len, .uncounted = true };

    if (len <= 3 * 16384 && loop_conn_pass(echo->first_moved, data, len))
        atomic_fetch_add(&echo->passed, 1);
    else
        g_assert_cmpint(loop_conn_send(echo->first_moved, &item), ==, 0);
}

static void on_moved(void *data)
{
    Talk      *talk = data;
    Echo      *echo = talk->echo;
    LoopConnId id = loop_conn_get_id(talk->conn);

    if (echo->first_moved == NULL) {
        echo->first_moved = talk->conn;
        atomic_store(&echo->first_moved_id, id);
    }
    g_assert_true(loop_conn_are_together(id, atomic_load(&echo->first_moved_id)));
    g_assert_false(loop_conn_move(talk->conn, KEY, on_moved, talk)); /* it is there */
    atomic_fetch_add(&echo->moved, 1);
}

static void move(Talk *talk)
{
    if (!loop_conn_move(talk->conn, KEY, on_moved, talk))
        on_moved(talk);
}

static void on_input(LoopConn *conn, const uint8_t *data, size_t len)
{
    Talk    *talk = loop_conn_get_data(conn);
    LoopItem item = { .data = data, .len = len };

    if (talk->passes) {
        pass_on(talk->echo, data, len);
        return;
    }
    talk->passes = len == 4 && memcmp(data, "pass", 4) == 0;
    if (len == 4 && memcmp(data, "move", 4) == 0)
        move(talk);
    if (len == 4 && memcmp(data, "hold", 4) == 0)
        loop_conn_pause(conn, 20);
    if (len == 4 && memcmp(data, "late", 4) == 0)
        loop_conn_pause(conn, 60000);
    if (len == 4 && (memcmp(data, "late", 4) == 0 || memcmp(data, "soon", 4) == 0))
        loop_conn_set_deadline(conn, 1);
    if (len == 4 && memcmp(data, "soon", 4) == 0)
        loop_conn_pause(conn, 60000);
    if (len == 4 && memcmp(data, "then", 4) == 0) {
        loop_conn_set_deadline(conn, 20);
        loop_conn_pause(conn, 1);
    }
    if (len == 3 && memcmp(data, "big", 3) == 0) {
        item.data = g_malloc0(BIG_BYTES);
        item.len = BIG_BYTES;
        item.release = g_free;
        item.owner = (void *)(uintptr_t)item.data;
    }
    if (len == 4 && memcmp(data, "bulk", 4) == 0)
        loop_conn_set_bulk(conn);
    if (len == 5 && memcmp(data, "alarm", 5) == 0)
        loop_conn_set_deadline(conn, 1);
    g_assert_cmpint(loop_conn_send(conn, &item), ==, 0);
    if (len == 3 && memcmp(data, "bye", 3) == 0)
        loop_conn_finish(conn);
}

static void on_expired(LoopConn *conn)
{
    Echo *echo = ((Talk *)loop_conn_get_data(conn))->echo;

    atomic_store(&echo->expired, true);
    loop_conn_abort(conn);
}

static void on_stopping(LoopConn *conn)
{
    LoopItem item = { .data = "stopping", .len = 8 };

    g_assert_cmpint(loop_conn_send(conn, &item), ==, 0);
    loop_conn_finish(conn);
}

static void on_closed(LoopConn *conn)
{
    Echo *echo = ((Talk *)loop_conn_get_data(conn))->echo;

    atomic_fetch_add(&echo->closed, 1);
}

static const LoopEvents events = { on_opened, on_input, on_expired, on_stopping, on_closed };

static const LoopConfig base_config = {
    .n_listen = 1,
    .shards = 1,
    .max_connections = 100,
    .accept_rate = 1000,
    .accept_burst = 1000,
    .handshake_ms = 5000,
    .events = &events,
};

static void start(Echo *echo, LoopConfig config)
{
    static const uint8_t seed[LOOP_SEED_BYTES] = { 1, 2, 3 };
    char                 why[LOOP_WHY_SIZE] = "";

    memset(echo, 0, sizeof(*echo));
    config.listen[0] = mesh_endpoint_make4(INADDR_LOOPBACK, 0);
    config.user_data = echo;
    if (loop_start(&config, seed, &echo->loop, why) < 0)
        g_error("%s", why);
}

static int dial(Echo *echo)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons(loop_get_port(echo->loop, 0)),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    struct timeval     limit = { .tv_sec = 10 };
    int                fd = socket(AF_INET, SOCK_STREAM, 0);

    g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), ==, 0);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&to, sizeof(to)), ==, 0);
    return fd;
}

typedef struct {
    SSL_CTX *context;
    SSL     *ssl;
    int      fd;
} Client;

static int client_try(Client *client, Echo *echo, int max_version)
{
    client->context = SSL_CTX_new(TLS_client_method());
    g_assert_cmpint(SSL_CTX_set_max_proto_version(client->context, max_version), ==, 1);
    client->fd = dial(echo);
    client->ssl = SSL_new(client->context);
    g_assert_cmpint(SSL_set_fd(client->ssl, client->fd), ==, 1);
    return SSL_connect(client->ssl);
}

static Client client_open(Echo *echo)
{
    Client client;

    g_assert_cmpint(client_try(&client, echo, TLS1_3_VERSION), ==, 1);
    return client;
}

static void client_close(Client *client)
{
    SSL_free(client->ssl);
    SSL_CTX_free(client->context);
    close(client->fd);
}

static void say(Client *client, const char *text)
{
    g_assert_cmpint(SSL_write(client->ssl, text, (int)strlen(text)), ==, (int)strlen(text));
}

static void hear(Client *client, const char *want)
{
    char   got[64] = "";
    size_t n = 0;

    while (n < strlen(want)) {
        int rc = SSL_read(client->ssl, got + n, (int)(strlen(want) - n));

        g_assert_cmpint(rc, >, 0);
        n += (size_t)rc;
    }
    g_assert_cmpstr(got, ==, want);
}

static void hear_end(Client *client)
{
    char byte;

    g_assert_cmpint(SSL_read(client->ssl, &byte, 1), <=, 0);
    g_assert_cmpint(SSL_get_shutdown(client->ssl) & SSL_RECEIVED_SHUTDOWN, !=, 0);
}

static void finish(Echo *echo)
{
    loop_stop(echo->loop, 2000);
    g_assert_cmpint(atomic_load(&echo->opened), ==, atomic_load(&echo->closed));
    loop_free(echo->loop);
}

static void test_echo(gconstpointer data)
{
    Echo       echo;
    LoopConfig config = base_config;
    Client     clients[12];

    config.shards = GPOINTER_TO_UINT(data);
    start(&echo, config);
    for (size_t i = 0; i < G_N_ELEMENTS(clients); i++)
        clients[i] = client_open(&echo);
    for (size_t i = 0; i < G_N_ELEMENTS(clients); i++)
        say(&clients[i], "hello");
    for (size_t i = 0; i < G_N_ELEMENTS(clients); i++)
        hear(&clients[i], "hello");
    for (size_t i = 0; i < G_N_ELEMENTS(clients); i++) {
        say(&clients[i], "bye");
        hear(&clients[i], "bye");
        hear_end(&clients[i]);
        client_close(&clients[i]);
    }
    finish(&echo);
    g_assert_cmpint(atomic_load(&echo.closed), ==, (int)G_N_ELEMENTS(clients));
}

/* Each connection's memory goes back when it closes; what stays is a thread's own of OpenSSL. */
static void test_memory(void)
{
    Echo   echo;
    Client clients[12];

    start(&echo, base_config);
    for (size_t i = 0; i < G_N_ELEMENTS(clients); i++)
        clients[i] = client_open(&echo);
    for (size_t i = 0; i < G_N_ELEMENTS(clients); i++) {
        say(&clients[i], "hello");
        hear(&clients[i], "hello");
    }
    g_assert_cmpuint(loop_region_count(), >=, G_N_ELEMENTS(clients));
    for (size_t i = 0; i < G_N_ELEMENTS(clients); i++)
        client_close(&clients[i]);
    loop_stop(echo.loop, 1000);
    loop_free(echo.loop);
    g_assert_cmpuint(loop_region_count(), <=, 2);
}

/* Who is silent goes to sleep, once; what comes wakes it, and so does what is sent to it. */
static void test_doze(void)
{
    Echo       echo;
    LoopConfig config = base_config;
    Client     clients[12];
    LoopStats  stats = { 0 };

    config.doze_ms = 1;
    config.shards = 3;
    start(&echo, config);
    for (size_t i = 0; i < G_N_ELEMENTS(clients); i++)
        clients[i] = client_open(&echo);
    for (unsigned round = 1; round <= 20; round++) {
        uint64_t dozed = stats.dozed;

        for (size_t i = 0; i < G_N_ELEMENTS(clients); i++)
            say(&clients[i], "hello");
        for (size_t i = 0; i < G_N_ELEMENTS(clients); i++)
            hear(&clients[i], "hello");
        while (DOZES && stats.dozed - dozed < G_N_ELEMENTS(clients)) {
            g_thread_yield();
            loop_get_stats(echo.loop, &stats);
        }
    }
    for (size_t i = 0; i < G_N_ELEMENTS(clients) / 2; i++)
        client_close(&clients[i]);
    loop_stop(echo.loop, 5000);
    for (size_t i = G_N_ELEMENTS(clients) / 2; i < G_N_ELEMENTS(clients); i++) {
        hear(&clients[i], "stopping");
        hear_end(&clients[i]);
        client_close(&clients[i]);
    }
    g_assert_cmpint(atomic_load(&echo.closed), ==, (int)G_N_ELEMENTS(clients));
    loop_free(echo.loop);
}

/* @first: said before; "bulk": from then on records go together. */
static void test_big(gconstpointer first)
{
    Echo                echo;
    Client              client;
    g_autofree uint8_t *buffer = g_malloc(65536);
    size_t              n = 0;

    start(&echo, base_config);
    client = client_open(&echo);
    say(&client, first);
    hear(&client, first);
    say(&client, "big");
    while (n < BIG_BYTES) {
        int rc = SSL_read(client.ssl, buffer, 65536);

        g_assert_cmpint(rc, >, 0);
        n += (size_t)rc;
    }
    say(&client, "bye");
    hear(&client, "bye");
    client_close(&client);
    finish(&echo);
}

static void post(Echo *echo, LoopConnId to);

/* From any shard to one, while they are talked to; mail to their new names arrives. */
static void test_move(void)
{
    Echo       echo;
    LoopConfig config = base_config;
    Client     clients[12];

    config.shards = 3;
    start(&echo, config);
    for (size_t i = 0; i < G_N_ELEMENTS(clients); i++)
        clients[i] = client_open(&echo);
    for (size_t i = 0; i < G_N_ELEMENTS(clients); i++) {
        say(&clients[i], "move");
        hear(&clients[i], "move");
        say(&clients[i], "hello");
        while (i == 0 && atomic_load(&echo.moved) == 0) /* so that it is the first */
            g_thread_yield();
    }
    for (size_t i = 0; i < G_N_ELEMENTS(clients); i++)
        hear(&clients[i], "hello");
    g_assert_cmpint(atomic_load(&echo.moved), ==, (int)G_N_ELEMENTS(clients));
    post(&echo, atomic_load(&echo.first_moved_id));
    hear(&clients[0], "mail");
    for (size_t i = 0; i < G_N_ELEMENTS(clients); i++) {
        say(&clients[i], "bye");
        hear(&clients[i], "bye");
        hear_end(&clients[i]);
        client_close(&clients[i]);
    }
    finish(&echo);
}

/* Whoever is on the way when the loop stops is closed as all others are. */
static void test_stop_moving(void)
{
    Echo       echo;
    LoopConfig config = base_config;
    Client     clients[12];

    config.shards = 3;
    for (unsigned round = 0; round < 20; round++) {
        start(&echo, config);
        for (size_t i = 0; i < G_N_ELEMENTS(clients); i++)
            clients[i] = client_open(&echo);
        for (size_t i = 0; i < G_N_ELEMENTS(clients); i++)
            say(&clients[i], "move");
        while (atomic_load(&echo.moved) < (int)(round % G_N_ELEMENTS(clients)))
            g_thread_yield();
        for (size_t i = 0; i < G_N_ELEMENTS(clients); i++)
            client_close(&clients[i]);
        finish(&echo);
    }
}

/* One sends what the other, who reads late, gets in order: at once as long as its socket takes it,
 * from its queue after. */
static void test_pass(void)
{
    Echo                echo;
    LoopConfig          config = base_config;
    Client              from, to;
    g_autofree uint8_t *buffer = g_malloc(65536);
    size_t              n = 0;

    config.shards = 2;
    start(&echo, config);
    to = client_open(&echo);
    from = client_open(&echo);
    for (int i = 0; i < 2; i++) {
        Client *client = i == 0 ? &to : &from;

        say(client, "move");
        hear(client, "move");
        say(client, "bulk");
        hear(client, "bulk");
    }
    say(&from, "pass");
    hear(&from, "pass");
    for (size_t at = 0; at < BIG_BYTES; at += 4096) {
        for (size_t i = 0; i < 4096; i++)
            buffer[i] = (uint8_t)((at + i) % 251);
        g_assert_cmpint(SSL_write(from.ssl, buffer, 4096), ==, 4096);
    }
    while (n < BIG_BYTES) {
        int rc = SSL_read(to.ssl, buffer, 65536);

        g_assert_cmpint(rc, >, 0);
        for (int i = 0; i < rc; i++)
            g_assert_cmpuint(buffer[i], ==, (n + (size_t)i) % 251);
        n += (size_t)rc;
    }
    g_assert_cmpint(atomic_load(&echo.passed), >, 0);
    client_close(&to);
    client_close(&from);
    finish(&echo);
}

/* What comes in a pause waits for its end. */
static void test_pause(void)
{
    Echo   echo;
    Client client;

    start(&echo, base_config);
    client = client_open(&echo);
    for (int i = 0; i < 3; i++) {
        say(&client, "hold");
        hear(&client, "hold");
        say(&client, "hello");
        hear(&client, "hello");
    }
    client_close(&client);
    finish(&echo);
    g_assert_false(atomic_load(&echo.expired));
}

/* Neither a pause nor its end takes the place of the deadline. */
static void test_pause_and_deadline(gconstpointer order)
{
    Echo   echo;
    Client client;
    char   byte;

    start(&echo, base_config);
    client = client_open(&echo);
    say(&client, order);
    hear(&client, order);
    g_assert_cmpint(SSL_read(client.ssl, &byte, 1), <=, 0);
    g_assert_true(atomic_load(&echo.expired));
    client_close(&client);
    finish(&echo);
}

static void test_only_tls13(void)
{
    Echo      echo;
    Client    client;
    LoopStats stats;

    start(&echo, base_config);
    g_assert_cmpint(client_try(&client, &echo, TLS1_2_VERSION), <=, 0);
    client_close(&client);
    client = client_open(&echo);
    g_assert_cmpint(EVP_PKEY_get_id(X509_get0_pubkey(SSL_get0_peer_certificate(client.ssl))), ==,
                    EVP_PKEY_ED25519);
    client_close(&client);
    loop_get_stats(echo.loop, &stats);
    g_assert_cmpuint(stats.handshakes_failed, ==, 1);
    finish(&echo);
}

static void test_silent_handshake(void)
{
    Echo       echo;
    LoopConfig config = base_config;
    char       byte;
    int        fd;

    config.handshake_ms = 20;
    start(&echo, config);
    fd = dial(&echo);
    g_assert_cmpint(recv(fd, &byte, 1, 0), ==, 0); /* closed by the server, not by our limit */
    close(fd);
    finish(&echo);
}

static void test_deadline(void)
{
    Echo   echo;
    Client client;
    char   byte;

    start(&echo, base_config);
    client = client_open(&echo);
    say(&client, "alarm");
    hear(&client, "alarm");
    g_assert_cmpint(SSL_read(client.ssl, &byte, 1), <=, 0);
    g_assert_true(atomic_load(&echo.expired));
    client_close(&client);
    finish(&echo);
}

static void test_cap(void)
{
    Echo       echo;
    LoopConfig config = base_config;
    Client     first;
    LoopStats  stats;
    char       byte;
    int        fd;

    config.max_connections = 1;
    start(&echo, config);
    first = client_open(&echo);
    fd = dial(&echo);
    g_assert_cmpint(recv(fd, &byte, 1, 0), ==, 0);
    close(fd);
    say(&first, "hello"); /* the one inside is not harmed */
    hear(&first, "hello");
    loop_get_stats(echo.loop, &stats);
    g_assert_cmpuint(stats.refused_limit, ==, 1);
    client_close(&first);
    finish(&echo);
}

static void test_stop(void)
{
    Echo   echo;
    Client client;

    start(&echo, base_config);
    client = client_open(&echo);
    say(&client, "hello");
    hear(&client, "hello");
    loop_stop(echo.loop, 5000);
    hear(&client, "stopping");
    hear_end(&client);
    client_close(&client);
    g_assert_cmpint(atomic_load(&echo.closed), ==, 1);
    loop_free(echo.loop);
}

typedef struct {
    LoopMail mail;
    Echo    *echo;
    bool     last;
} Letter;

static void deliver(LoopMail *mail, LoopConn *conn)
{
    Letter  *letter = (Letter *)mail;
    LoopItem item = { .data = "mail", .len = 4 };

    if (conn != NULL)
        g_assert_cmpint(loop_conn_send(conn, &item), ==, 0);
    atomic_fetch_add(&letter->echo->delivered, 1);
    g_free(letter);
}

static void post(Echo *echo, LoopConnId to)
{
    Letter *letter = g_new0(Letter, 1);

    letter->mail = (LoopMail){ .to = to, .deliver = deliver };
    letter->echo = echo;
    loop_post(echo->loop, &letter->mail);
}

static gpointer post_many(gpointer data)
{
    Echo *echo = data;

    for (int i = 0; i < 200; i++)
        post(echo, (uint64_t)0xabcd << LOOP_CONN_ID_BITS | atomic_load(&echo->last_id));
    return NULL;
}

static void test_mail(gconstpointer data)
{
    Echo       echo;
    LoopConfig config = base_config;
    Client     client;
    GThread   *writers[3];
    LoopConnId gone;

    config.shards = GPOINTER_TO_UINT(data);
    start(&echo, config);
    client = client_open(&echo);
    say(&client, "hello");
    hear(&client, "hello");
    gone = atomic_load(&echo.last_id);
    for (size_t i = 0; i < G_N_ELEMENTS(writers); i++)
        writers[i] = g_thread_new("writer", post_many, &echo);
    for (int i = 0; i < 600; i++)
        hear(&client, "mail");
    for (size_t i = 0; i < G_N_ELEMENTS(writers); i++)
        g_thread_join(writers[i]);
    say(&client, "bye");
    hear(&client, "bye");
    hear_end(&client);
    client_close(&client);
    client = client_open(&echo); /* most likely in the same place: the old id is not its name */
    post(&echo, gone);
    say(&client, "hello");
    hear(&client, "hello");
    client_close(&client);
    loop_stop(echo.loop, 2000);
    post(&echo, gone); /* after the end it waits for loop_free() */
    loop_free(echo.loop);
    g_assert_cmpint(atomic_load(&echo.delivered), ==, 602);
}

static void test_port_taken(void)
{
    static const uint8_t seed[LOOP_SEED_BYTES] = { 1 };
    Echo                 echo;
    LoopConfig           config = base_config;
    Loop                *second = NULL;
    char                 why[LOOP_WHY_SIZE] = "";

    start(&echo, base_config);
    config.listen[0] = mesh_endpoint_make4(INADDR_LOOPBACK, loop_get_port(echo.loop, 0));
    g_assert_cmpint(loop_start(&config, seed, &second, why), ==, -EADDRINUSE);
    g_assert_true(g_str_has_prefix(why, "listen on 127.0.0.1:"));
    g_assert_null(second);
    finish(&echo);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_IGN);
    g_assert_cmpint(loop_init_memory(), ==, 0);
    g_assert_cmpint(mesh_key_init(), ==, 0);
    g_test_add_data_func("/loop/echo/one-shard", GUINT_TO_POINTER(1), test_echo);
    g_test_add_data_func("/loop/echo/three-shards", GUINT_TO_POINTER(3), test_echo);
    g_test_add_func("/loop/memory-goes-back", test_memory);
    g_test_add_func("/loop/silence-is-slept-through", test_doze);
    g_test_add_data_func("/loop/more-than-a-socket-holds/records", "hello", test_big);
    g_test_add_data_func("/loop/more-than-a-socket-holds/bulk", "bulk", test_big);
    g_test_add_func("/loop/move", test_move);
    g_test_add_func("/loop/stop-while-they-move", test_stop_moving);
    g_test_add_func("/loop/pass", test_pass);
    g_test_add_func("/loop/pause", test_pause);
    g_test_add_data_func("/loop/pause-then-deadline", "late", test_pause_and_deadline);
    g_test_add_data_func("/loop/deadline-then-pause", "soon", test_pause_and_deadline);
    g_test_add_data_func("/loop/deadline-after-pause", "then", test_pause_and_deadline);
    g_test_add_func("/loop/tls-1.3-with-the-server-key-only", test_only_tls13);
    g_test_add_func("/loop/silent-handshake-is-closed", test_silent_handshake);
    g_test_add_func("/loop/deadline", test_deadline);
    g_test_add_func("/loop/connection-cap", test_cap);
    g_test_add_func("/loop/stop-says-good-bye", test_stop);
    g_test_add_data_func("/loop/mail/one-shard", GUINT_TO_POINTER(1), test_mail);
    g_test_add_data_func("/loop/mail/three-shards", GUINT_TO_POINTER(3), test_mail);
    g_test_add_func("/loop/port-taken", test_port_taken);
    return g_test_run();
}
