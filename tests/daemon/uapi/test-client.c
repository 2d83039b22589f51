/* Tests of daemon/uapi/client.c: requests over a socket pair, in any pieces, good and bad. */
#include "common/std/key.h"
#include "daemon/uapi/client.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEY "3333333333333333333333333333333333333333333333333333333333333333"

typedef struct {
    UapiState   state;
    UapiHandler handler;
    UapiClient  client;
    int         fd;       /* the other end */
    int         apply_rc; /* what the plane answers */
    unsigned    n_applied;
    size_t      get_bytes; /* how much an answer to get is padded to */
} Rig;

static void answer_get(void *data, UapiText *out)
{
    Rig     *rig = data;
    UapiLive live = { .listen_port = 1, .get_peer = NULL };

    while (out->len < rig->get_bytes)
        uapi_reply_write_errno(out, -1);
    if (rig->get_bytes == 0)
        uapi_reply_write_state(out, &rig->state, &live);
}

static int apply(void *data, UapiDraft *draft)
{
    Rig *rig = data;

    rig->n_applied++;
    g_assert_nonnull(draft->next.config);
    return rig->apply_rc;
}

static void set_up(Rig *rig)
{
    int fds[2];

    memset(rig, 0, sizeof *rig);
    g_assert_cmpint(uapi_state_init(&rig->state), ==, 0);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), ==, 0);
    rig->handler =
        (UapiHandler){ .state = &rig->state, .get = answer_get, .apply = apply, .data = rig };
    rig->fd = fds[0];
    uapi_client_open(&rig->client, fds[1], &rig->handler);
}

static void tear_down(Rig *rig)
{
    uapi_client_close(&rig->client);
    close(rig->fd);
    uapi_state_done(&rig->state);
}

static void serve(Rig *rig)
{
    struct pollfd polled = { .fd = rig->client.fd };

    while (rig->client.fd >= 0) {
        polled.events = uapi_client_events(&rig->client);
        if (poll(&polled, 1, 0) != 1)
            return;
        uapi_client_handle(&rig->client, polled.revents);
        if (polled.revents == POLLOUT || polled.revents == POLLIN)
            continue;
    }
}

static void say(Rig *rig, const char *text)
{
    g_assert_cmpint(write(rig->fd, text, strlen(text)), ==, (gssize)strlen(text));
    serve(rig);
}

static void assert_heard(Rig *rig, const char *want)
{
    char    text[8192];
    ssize_t n = read(rig->fd, text, sizeof text - 1);

    text[n < 0 ? 0 : n] = '\0';
    g_assert_cmpstr(text, ==, want);
}

static void test_requests(void)
{
    Rig rig;

    set_up(&rig);
    say(&rig, "get=1\n\n");
    assert_heard(&rig, "listen_port=1\nerrno=0\n\n");
    say(&rig, "set=1\nfwmark=5\npublic_key=" KEY "\nallowed_ip=10.0.0.0/8\n\n");
    assert_heard(&rig, "errno=0\n\n");
    g_assert_cmpuint(rig.n_applied, ==, 1);
    say(&rig, "get=1\n\nset=1\n\n\nget=1\n\n"); /* three at once; answers in order */
    assert_heard(&rig, "listen_port=1\nerrno=0\n\nerrno=0\n\nlisten_port=1\nerrno=0\n\n");
    g_assert_cmpint(rig.client.fd, >=, 0);
    tear_down(&rig);
}

static void test_pieces(void)
{
    static const char request[] = "set=1\nlisten_port=9\npublic_key=" KEY "\n\n";
    Rig               rig;

    set_up(&rig);
    for (size_t i = 0; i < sizeof request - 1; i++) {
        char piece[2] = { request[i], '\0' };

        assert_heard(&rig, "");
        say(&rig, piece);
    }
    assert_heard(&rig, "errno=0\n\n");
    tear_down(&rig);
}

static void test_refused(void)
{
    Rig rig;

    set_up(&rig);
    say(&rig, "set=1\nlisten_port=x\npublic_key=also bad\n\n"); /* one answer, the first error */
    assert_heard(&rig, "errno=-22\n\n");
    g_assert_cmpuint(rig.n_applied, ==, 0);
    rig.apply_rc = -EADDRINUSE;
    say(&rig, "set=1\nlisten_port=1\n\n");
    assert_heard(&rig, "errno=-98\n\n");
    say(&rig, "get=1\nlisten_port=1\n\n");
    assert_heard(&rig, "errno=-22\n\n");
    g_assert_cmpint(rig.client.fd, >=, 0);
    tear_down(&rig);
}

typedef struct {
    const char *name;
    const char *text;
} RudeCase;

static const RudeCase rude[] = {
    { "no-request", "hello\n" },
    { "get-two", "get=2\n\n" },
    { "http", "GET / HTTP/1.1\r\n\r\n" },
};

/* Answered once and closed. */
static void test_rude(gconstpointer data)
{
    const RudeCase *c = data;
    Rig             rig;

    set_up(&rig);
    say(&rig, c->text);
    assert_heard(&rig, "errno=-22\n\n");
    g_assert_cmpint(rig.client.fd, ==, -1);
    tear_down(&rig);
}

static void test_long_line(void)
{
    g_autofree char *line = g_strnfill(5000, 'a');
    Rig              rig;

    set_up(&rig);
    say(&rig, "set=1\n");
    say(&rig, line);
    assert_heard(&rig, "errno=-22\n\n");
    g_assert_cmpint(rig.client.fd, ==, -1);
    tear_down(&rig);
}

static void test_nul_byte(void)
{
    Rig rig;

    set_up(&rig);
    g_assert_cmpint(write(rig.fd, "set=1\nfwmark=1\0\n\n", 17), ==, 17);
    serve(&rig);
    assert_heard(&rig, "errno=-22\n\n");
    g_assert_cmpint(rig.client.fd, ==, -1);
    tear_down(&rig);
}

/* A long request of short lines is fine: it is applied as it comes. */
static void test_long_request(void)
{
    Rig rig;

    set_up(&rig);
    say(&rig, "set=1\npublic_key=" KEY "\n");
    for (unsigned i = 0; i < 20000; i++) {
        g_autofree char *line = g_strdup_printf("allowed_ip=10.%u.%u.0/24\n", i / 256, i % 256);

        say(&rig, line);
    }
    say(&rig, "\n");
    assert_heard(&rig, "errno=0\n\n");
    tear_down(&rig);
}

/* Answers that the client does not read are not piled up: requests behind them wait. */
static void test_slow_reader(void)
{
    char   chunk[65536];
    size_t total = 0;
    Rig    rig;

    set_up(&rig);
    rig.get_bytes = 4 << 20;
    say(&rig, "get=1\n\nget=1\n\nget=1\n\n");
    g_assert_cmpuint(rig.client.out.len, <, (4 << 20) + 100);
    for (;;) {
        ssize_t n = read(rig.fd, chunk, sizeof chunk);

        if (n <= 0)
            break;
        total += (size_t)n;
        serve(&rig);
    }
    g_assert_cmpuint(total, >, 3 * (size_t)(4 << 20));
    g_assert_cmpuint(rig.client.out.len, ==, 0);
    tear_down(&rig);
}

static void test_hang_up(void)
{
    Rig rig;

    set_up(&rig);
    say(&rig, "set=1\nprivate_key=" KEY "\n");
    shutdown(rig.fd, SHUT_RDWR);
    serve(&rig);
    g_assert_cmpint(rig.client.fd, ==, -1);
    g_assert_cmpuint(rig.n_applied, ==, 0); /* a request without its end is none */
    tear_down(&rig);
}

/* wg(8) may close its writing side before it reads. */
static void test_half_close(void)
{
    Rig rig;

    set_up(&rig);
    g_assert_cmpint(write(rig.fd, "get=1\n\nset=1\n\n", 14), ==, 14);
    shutdown(rig.fd, SHUT_WR);
    serve(&rig);
    assert_heard(&rig, "listen_port=1\nerrno=0\n\nerrno=0\n\n");
    g_assert_cmpint(rig.client.fd, ==, -1);
    tear_down(&rig);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(mesh_key_init(), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(rude); i++) {
        g_autofree char *path = g_strdup_printf("/client/rude/%s", rude[i].name);

        g_test_add_data_func(path, &rude[i], test_rude);
    }
    g_test_add_func("/client/requests", test_requests);
    g_test_add_func("/client/pieces", test_pieces);
    g_test_add_func("/client/refused", test_refused);
    g_test_add_func("/client/long-line", test_long_line);
    g_test_add_func("/client/nul-byte", test_nul_byte);
    g_test_add_func("/client/long-request", test_long_request);
    g_test_add_func("/client/slow-reader", test_slow_reader);
    g_test_add_func("/client/hang-up", test_hang_up);
    g_test_add_func("/client/half-close", test_half_close);
    return g_test_run();
}
