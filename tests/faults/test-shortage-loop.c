/* The server's loop when each allocation, descriptor or read fails once: a start fails and says
 * why, or the loop serves; a client may be the price, the next one is served. */
#include "server/loop/loop.h"

#include "common/std/endpoint.h"
#include "common/std/key.h"
#include "tests/faults/shortage.h"

#include <errno.h>
#include <glib.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS = 5, LIMIT_S = 60 };

static atomic_int opened, closed;
static SSL_CTX   *context; /* the clients' */

static void on_opened(LoopConn *conn, void *user_data)
{
    (void)user_data;
    atomic_fetch_add(&opened, 1);
    loop_conn_set_deadline(conn, 60000);
}

static void on_input(LoopConn *conn, const uint8_t *data, size_t len)
{
    LoopItem item = { .data = data, .len = len };

    if (loop_conn_send(conn, &item) < 0)
        loop_conn_abort(conn); /* as the API's side does: no half answers */
}

static void on_closed(LoopConn *conn)
{
    (void)conn;
    atomic_fetch_add(&closed, 1);
}

static const LoopEvents events = { on_opened, on_input, loop_conn_abort, loop_conn_finish,
                                   on_closed };

static Loop *start(unsigned shards)
{
    static const uint8_t seed[LOOP_SEED_BYTES] = { 1, 2, 3 };
    LoopConfig           config = {
                  .listen = { mesh_endpoint_make4(INADDR_LOOPBACK, 0) },
                  .n_listen = 1,
                  .shards = shards,
                  .max_connections = 100,
                  .accept_rate = 100000,
                  .accept_burst = 100000,
                  .handshake_ms = 60000,
                  .events = &events,
    };
    Loop *loop = NULL;
    char  why[LOOP_WHY_SIZE] = "";

    if (loop_start(&config, seed, &loop, why) == 0)
        return loop;
    g_assert_true(shortage_happened());
    g_assert_cmpstr(why, !=, "");
    g_assert_null(loop);
    return NULL;
}

/* One client says something and hears it; @short_of: calls count meanwhile. Returns: whether that
 * went well. */
static bool visit(const Loop *loop, bool short_of)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons(loop_get_port(loop, 0)),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    struct timeval     limit = { .tv_sec = LIMIT_S };
    SSL               *ssl = SSL_new(context);
    char               got[8] = "";
    bool               served;
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), ==, 0);
    /* Else each visit waits 40 ms: for the delayed answer to the handshake's end, to say hello. */
    g_assert_cmpint(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)), ==, 0);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&to, sizeof(to)), ==, 0);
    g_assert_cmpint(SSL_set_fd(ssl, fd), ==, 1);
    if (short_of)
        shortage_begin();
    served = SSL_connect(ssl) == 1 && SSL_write(ssl, "hello", 5) == 5 &&
             SSL_read(ssl, got, sizeof(got)) == 5 && memcmp(got, "hello", 5) == 0;
    shortage_end();
    ERR_clear_error();
    SSL_free(ssl);
    close(fd);
    return served;
}

static void use_loop(unsigned shards)
{
    Loop     *loop;
    LoopStats stats;
    int       served = 0;

    atomic_store(&opened, 0);
    atomic_store(&closed, 0);
    shortage_begin();
    loop = start(shards);
    shortage_end();
    if (loop == NULL)
        loop = start(shards);
    g_assert_nonnull(loop);
    for (int i = 0; i < CLIENTS; i++)
        served += visit(loop, true);
    g_assert_cmpint(served, >=, shortage_happened() ? CLIENTS - 1 : CLIENTS);
    g_assert_true(visit(loop, false)); /* and it goes on */
    shortage_begin();
    loop_stop(loop, 2000);
    shortage_end();
    loop_get_stats(loop, &stats);
    g_assert_cmpuint(stats.connections, ==, 0);
    g_assert_cmpint(atomic_load(&opened), ==, atomic_load(&closed));
    loop_free(loop);
}

static void use_one_shard(void)
{
    use_loop(1);
}

static void use_three_shards(void)
{
    use_loop(3);
}

static const ShortageRow rows[] = {
    { "loop/memory", { SHORTAGE_MEMORY, ENOMEM, false }, use_one_shard, 20 },
    { "loop/memory-three-shards", { SHORTAGE_MEMORY, ENOMEM, false }, use_three_shards, 25 },
    { "loop/descriptors", { SHORTAGE_DESCRIPTORS, EMFILE, false }, use_one_shard, 15 },
    { "loop/descriptors-three-shards",
      { SHORTAGE_DESCRIPTORS, EMFILE, false },
      use_three_shards,
      20 },
    { "loop/reads-interrupted", { SHORTAGE_READS, EINTR, false }, use_one_shard, 10 },
};

int main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_IGN);
    g_assert_cmpint(mesh_key_init(), ==, 0);
    context = SSL_CTX_new(TLS_client_method());
    shortage_add_rows(rows, G_N_ELEMENTS(rows));
    status = g_test_run();
    SSL_CTX_free(context);
    return status;
}
