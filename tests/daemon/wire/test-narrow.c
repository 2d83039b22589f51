/* tests/daemon/wire/test-narrow.c: what becomes of a socket's buffer while its link takes less than
 * comes, and when packets go on. */
#include "daemon/wire/narrow.h"

#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/wire/udp-open.h"

enum { LEN = 1000, START_MS = 5000, OVER_MS = 600 };

typedef struct {
    WireCounters counters;
    WireNarrow  *narrow;
    int          fds[3];
    int          wide; /* of a socket's buffer, as the kernel tells it */
} Fixture;

static int get_buffer(int fd)
{
    int       size;
    socklen_t len = sizeof(size);

    g_assert_cmpint(getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &len), ==, 0);
    return size;
}

static void set_up(Fixture *f, gconstpointer data)
{
    (void)data;
    memset(&f->counters, 0, sizeof(f->counters));
    g_assert_cmpint(wire_narrow_new(&f->counters, &f->narrow), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(f->fds); i++) {
        f->fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        g_assert_cmpint(f->fds[i], >=, 0);
        wire_udp_set_send_buffer(f->fds[i], WIRE_UDP_SEND_BYTES);
    }
    f->wide = get_buffer(f->fds[0]);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    (void)data;
    wire_narrow_free(f->narrow);
    for (size_t i = 0; i < G_N_ELEMENTS(f->fds); i++)
        close(f->fds[i]);
}

static void put(Fixture *f, unsigned n, int64_t now_ms)
{
    static uint8_t bytes[LEN] = { 0x45 };
    WireSuper      super = { .packet = { bytes, LEN }, .vnet.gso_type = WIRE_VNET_NONE };

    for (unsigned i = 0; i < n; i++)
        wire_narrow_put(f->narrow, &super, 1, now_ms);
}

static size_t take(Fixture *f, int64_t now_ms)
{
    WireSuper supers[WIRE_MAX_BATCH];
    size_t    n = wire_narrow_take(f->narrow, supers, WIRE_MAX_BATCH, now_ms);

    wire_narrow_sent(f->narrow);
    return n;
}

/* What waits goes when there is room, a piece at a time, and nothing is left behind; half a second
 * later all is as before. */
static void test_wakes(Fixture *f, gconstpointer data)
{
    size_t n = 0;

    (void)data;
    g_assert_false(wire_narrow_is_on(f->narrow, START_MS));
    wire_narrow_enter(f->narrow, -1, START_MS);
    g_assert_false(wire_narrow_is_on(f->narrow, START_MS));
    wire_narrow_enter(f->narrow, f->fds[0], START_MS);
    g_assert_true(wire_narrow_is_on(f->narrow, START_MS));
    put(f, 100, START_MS);
    g_assert_cmpuint(take(f, START_MS), ==, 0); /* until the socket has room */
    while (n < 100) {
        size_t got;

        g_assert_cmpint(wire_narrow_fd(f->narrow), ==, f->fds[0]);
        wire_narrow_wake(f->narrow);
        got = take(f, START_MS);
        g_assert_cmpuint(got, >, 0);
        n += got;
    }
    g_assert_cmpuint(n, ==, 100);
    g_assert_true(wire_narrow_is_on(f->narrow, START_MS + OVER_MS / 2));
    g_assert_false(wire_narrow_is_on(f->narrow, START_MS + OVER_MS));
    g_assert_cmpint(wire_narrow_fd(f->narrow), ==, -1);
    g_assert_cmpint(get_buffer(f->fds[0]), ==, f->wide);
    g_assert_cmpuint(wire_count_read(&f->counters.queue_times), ==, 1);
}

/* A link that is full is so for both families: the socket of one is not let fill its buffer while
 * the other's is waited for, in turns, and it is one time that there is a queue. */
static void test_two_families(Fixture *f, gconstpointer data)
{
    (void)data;
    wire_narrow_enter(f->narrow, f->fds[0], START_MS);
    put(f, 10, START_MS);
    for (int i = 1; i < 7; i++) {
        wire_narrow_enter(f->narrow, f->fds[i % 2], START_MS + i);
        g_assert_cmpint(wire_narrow_fd(f->narrow), ==, f->fds[i % 2]);
        g_assert_cmpint(get_buffer(f->fds[0]), <, f->wide);
        g_assert_cmpint(get_buffer(f->fds[1]), <, f->wide);
    }
    g_assert_cmpuint(wire_count_read(&f->counters.queue_times), ==, 1);
    wire_narrow_enter(f->narrow, f->fds[2], START_MS + 7); /* none is forgotten */
    wire_narrow_wake(f->narrow);
    g_assert_cmpuint(take(f, START_MS + 8), ==, 10);
    g_assert_false(wire_narrow_is_on(f->narrow, START_MS + 8 + OVER_MS));
    for (size_t i = 0; i < G_N_ELEMENTS(f->fds); i++)
        g_assert_cmpint(get_buffer(f->fds[i]), ==, f->wide);
}

/* Fills a socket whose other end reads nothing. Returns: that end. */
static int make_stuck(int *out_fd)
{
    static const uint8_t bytes[LEN];
    int                  pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), ==, 0);
    for (int i = 0; i < 4; i++)
        g_assert_cmpint(send(pair[0], bytes, LEN, 0), ==, LEN);
    g_assert_cmpuint(wire_udp_get_held(pair[0]), >=, 4 * LEN);
    *out_fd = pair[0];
    return pair[1];
}

/* What stands in the socket and does not move, for a neighbour that is no more, say, does not keep
 * all else from going; while it moves it is waited for. */
static void test_stuck(Fixture *f, gconstpointer data)
{
    uint8_t bytes[LEN];
    int     fd, far = make_stuck(&fd), cut;
    int64_t now_ms = START_MS;

    (void)data;
    wire_narrow_enter(f->narrow, fd, now_ms);
    g_assert_cmpint(wire_narrow_patience(f->narrow), ==, -1); /* nothing waits */
    put(f, 10, now_ms);
    for (int i = 0; i < 3; i++) {
        int patience_ms = wire_narrow_patience(f->narrow);

        g_assert_cmpint(patience_ms, >, 0);
        g_assert_true(wire_narrow_is_on(f->narrow, now_ms));
        g_assert_cmpuint(take(f, now_ms), ==, 0);
        now_ms += patience_ms;
        g_assert_cmpint(recv(far, bytes, LEN, 0), ==, LEN); /* it moves */
    }
    g_assert_true(wire_narrow_is_on(f->narrow, now_ms));
    g_assert_cmpuint(take(f, now_ms), ==, 0);
    cut = get_buffer(fd);
    now_ms += wire_narrow_patience(f->narrow);
    g_assert_true(wire_narrow_is_on(f->narrow, now_ms));
    g_assert_cmpint(get_buffer(fd), >, cut);
    for (size_t n = 0, got; n < 10; n += got) {
        got = take(f, now_ms);
        g_assert_cmpuint(got, >, 0);
        wire_narrow_wake(f->narrow);
    }
    g_assert_cmpint(wire_narrow_patience(f->narrow), ==, -1);
    put(f, 1, now_ms + 4000); /* and is looked at anew in some seconds */
    g_assert_true(wire_narrow_is_on(f->narrow, now_ms + 4000));
    g_assert_cmpint(get_buffer(fd), ==, cut);
    close(fd);
    close(far);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/narrow/wakes", Fixture, NULL, set_up, test_wakes, tear_down);
    g_test_add("/narrow/two-families", Fixture, NULL, set_up, test_two_families, tear_down);
    g_test_add("/narrow/stuck", Fixture, NULL, set_up, test_stuck, tear_down);
    return g_test_run();
}
