/* tests/daemon/wire/test-udp.c: what a sender makes of its runs, and of a kernel that refuses: a
 * pretended one, row by row; then GSO and GRO over loopback. */
#include <arpa/inet.h>
#include <errno.h>
#include <glib.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "common/std/endpoint.h"
#include "daemon/wire/udp-loose.h"
#include "daemon/wire/udp-open.h"
#include "daemon/wire/udp.h"

enum { MAX_MESSAGES = 128, LIMIT_MS = 60000 };

/* A message as the pretended kernel took it: "3x100" or "100", "s" behind it if it named a source.
 */
typedef struct {
    size_t len, size, n_vectors; /* size: of a segment; 0: none */
    bool   source;
} Taken;

static struct {
    Taken  taken[MAX_MESSAGES];
    size_t n_taken;
    int    error;    /* what it refuses with */
    int    n_errors; /* how often; -1: always */
    bool   only_gso; /* … only messages of several */
    bool   only_sourced;
    size_t only_above; /* … only segments of more bytes */
} kernel;

static Taken look_at(const struct msghdr *header)
{
    Taken taken = { .n_vectors = header->msg_iovlen };

    for (size_t i = 0; i < header->msg_iovlen; i++)
        taken.len += header->msg_iov[i].iov_len;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL;
         c = CMSG_NXTHDR((struct msghdr *)header, c)) {
        uint16_t size;

        if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_SEGMENT) {
            memcpy(&size, CMSG_DATA(c), sizeof(size));
            taken.size = size;
        }
        taken.source |= c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO;
    }
    return taken;
}

static bool refuses(const Taken *taken)
{
    if (kernel.n_errors == 0 || (kernel.only_gso && taken->size == 0) ||
        (kernel.only_sourced && !taken->source) || taken->size < kernel.only_above)
        return false;
    if (kernel.n_errors > 0)
        kernel.n_errors--;
    return true;
}

static int pretend(int fd, struct mmsghdr *headers, unsigned n, int flags)
{
    (void)fd;
    (void)flags;
    for (unsigned i = 0; i < n; i++) {
        Taken taken = look_at(&headers[i].msg_hdr);

        if (refuses(&taken)) {
            errno = kernel.error;
            return i > 0 ? (int)i : -1;
        }
        g_assert_cmpuint(kernel.n_taken, <, MAX_MESSAGES);
        kernel.taken[kernel.n_taken++] = taken;
    }
    return (int)n;
}

static char *describe(void)
{
    GString *text = g_string_new(NULL);

    for (size_t i = 0; i < kernel.n_taken; i++) {
        const Taken *t = &kernel.taken[i];

        g_string_append(text, i == 0 ? "" : " ");
        if (t->size == 0)
            g_string_append_printf(text, "%zu", t->len);
        else if (t->len % t->size == 0)
            g_string_append_printf(text, "%zux%zu", t->len / t->size, t->size);
        else
            g_string_append_printf(text, "%zux%zu+%zu", t->len / t->size, t->size,
                                   t->len % t->size);
        g_string_append(text, t->source ? "s" : "");
    }
    return g_string_free(text, FALSE);
}

typedef struct {
    const char *name;
    size_t      lens[8]; /* of the first run; the last one repeated @repeat times more */
    size_t      repeat;
    bool        gso_off, source, scattered;
    int         error, n_errors;
    bool        only_gso, only_sourced;
    size_t      only_above;
    const char *want, *want_next; /* messages of the first call; of the same once more */
    size_t      want_lost;
    uint64_t    want_refused;
    bool        want_source_failed;
} Case;

static const Case cases[] = {
    { "one", { 100 }, .want = "100" },
    { "equal-go-together", { 100, 100, 100 }, .want = "3x100" },
    { "last-is-shorter", { 100, 100, 60 }, .want = "2x100+60" },
    { "longer-starts-anew", { 100, 100, 120, 120 }, .want = "2x100 2x120" },
    { "shorter-ends", { 100, 60, 100, 100 }, .want = "1x100+60 2x100" },
    { "63-segments", { 100 }, .repeat = 127, .want = "63x100 63x100 2x100" },
    { "below-64-kib", { 1452 }, .repeat = 46, .want = "45x1452 2x1452" },
    { "largest-go-alone", { 65000, 65000 }, .want = "65000 65000" },
    { "scattered", { 100, 100 }, .scattered = true, .want = "2x100" },
    { "switched-off", { 100, 100 }, .gso_off = true, .want = "100 100" },
    { "source-in-each", { 100, 100, 120 }, .source = true, .want = "2x100s 120s" },
    { "eio-turns-it-off",
      { 100, 100, 120, 120 },
      .error = EIO,
      .n_errors = -1,
      .only_gso = true,
      .want = "100 100 120 120",
      .want_next = "100 100 120 120",
      .want_refused = 2 },
    { "einval-limits-the-length",
      { 90, 90, 120, 120 },
      .error = EINVAL,
      .n_errors = -1,
      .only_gso = true,
      .only_above = 100,
      .want = "2x90 120 120",
      .want_next = "2x90 120 120",
      .want_refused = 1 },
    { "emsgsize-is-the-same",
      { 120, 120 },
      .error = EMSGSIZE,
      .n_errors = -1,
      .only_gso = true,
      .want = "120 120",
      .want_next = "120 120",
      .want_refused = 1 },
    { "einval-by-the-source",
      { 100, 100, 120 },
      .source = true,
      .error = EINVAL,
      .n_errors = -1,
      .only_sourced = true,
      .want = "100 100 120",
      .want_next = "100 100 120",
      .want_refused = 1,
      .want_source_failed = true },
    { "unreachable-by-the-source",
      { 100, 100, 120 },
      .source = true,
      .error = ENETUNREACH,
      .n_errors = -1,
      .only_sourced = true,
      .want = "2x100 120",
      .want_next = "2x100 120",
      .want_source_failed = true },
    { "enobufs-three-times",
      { 100, 100, 120 },
      .error = ENOBUFS,
      .n_errors = 3,
      .want = "2x100 120" },
    { "enobufs-loses-one-message",
      { 100, 100, 120 },
      .error = ENOBUFS,
      .n_errors = 4,
      .want = "120",
      .want_lost = 2 },
    { "eintr", { 100, 100 }, .error = EINTR, .n_errors = 9, .want = "2x100" },
    { "eperm-loses-all",
      { 100, 100, 120 },
      .error = EPERM,
      .n_errors = -1,
      .want = "",
      .want_lost = 3 },
};

static uint8_t bytes[256 * 1024];

static size_t make_packets(const Case *c, WirePacket *packets)
{
    size_t n = 0, at = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(c->lens) && c->lens[i] != 0; i++)
        packets[n++].len = (uint32_t)c->lens[i];
    for (size_t i = 0; i < c->repeat; i++, n++)
        packets[n].len = packets[n - 1].len;
    for (size_t i = 0; i < n; i++) {
        packets[i].data = bytes + at;
        at += packets[i].len + (c->scattered ? 1 : 0);
    }
    g_assert_cmpuint(at, <=, sizeof(bytes));
    return n;
}

static void send_and_check(const Case *c, WireUdpSender *sender, const char *want)
{
    WireSockets      sockets = { .fds = { { 0, 0 } } };
    WirePacket       packets[WIRE_MAX_BATCH];
    size_t           n = make_packets(c, packets), left = 0;
    WireUdpRun       runs[2] = { { .packets = packets, .n_packets = n } };
    g_autofree char *got = NULL;

    runs[0].hop.remote = mesh_endpoint_make4(0x7f000001, 9);
    if (c->source)
        runs[0].hop.source = runs[0].hop.remote.addr;
    g_assert_cmpuint(n, <=, WIRE_MAX_BATCH);
    kernel.n_taken = 0;
    wire_udp_send(sender, &sockets, runs, 1);
    got = describe();
    g_assert_cmpstr(got, ==, want);
    g_assert_cmpuint(runs[0].n_sent, ==, n - c->want_lost);
    g_assert_true(runs[0].source_failed == c->want_source_failed);
    for (size_t i = 0; i < kernel.n_taken; i++)
        left += kernel.taken[i].len;
    if (c->scattered)
        g_assert_cmpuint(kernel.taken[0].n_vectors, ==, n);
    else if (kernel.n_taken > 0)
        g_assert_cmpuint(kernel.taken[0].n_vectors, ==, 1);
}

static void test_case(gconstpointer data)
{
    const Case    *c = data;
    WireCounters  *counters = g_aligned_alloc0(1, sizeof(*counters), _Alignof(WireCounters));
    WireUdpSender *sender;

    kernel.error = c->error;
    kernel.n_errors = c->n_errors;
    kernel.only_gso = c->only_gso;
    kernel.only_sourced = c->only_sourced;
    kernel.only_above = c->only_above;
    g_assert_cmpint(wire_udp_sender_new(counters, !c->gso_off, &sender), ==, 0);
    wire_udp_sender_set_call(sender, pretend);
    send_and_check(c, sender, c->want);
    if (c->want_next != NULL && !c->source) {
        kernel.n_taken = 0;
        send_and_check(c, sender, c->want_next);
    }
    g_assert_cmpuint(wire_count_read(&counters->offloads[WIRE_OFFLOAD_UDP_SEND].refused), ==,
                     c->want_refused);
    g_assert_cmpuint(wire_count_read(&counters->offloads[WIRE_OFFLOAD_UDP_SEND].given_up), ==,
                     c->error == EIO && c->want_refused > 0 ? 1 : 0);
    wire_udp_sender_free(sender);
    g_aligned_free(counters);
}

/* What may wait for more: whole messages of one length, then some that make none. */
static void test_loose(void)
{
    static const struct {
        uint32_t len, last;
        size_t   n, want;
        bool     gso_off, singly;
    } loose[] = {
        { .len = 1452, .n = 44, .want = 0 }, /* no full one before it */
        { .len = 1452, .n = 45, .want = 0 },
        { .len = 1452, .n = 47, .want = 2 },
        { .len = 1452, .n = 128, .want = 38 },
        { .len = 80, .n = 128, .want = 2 },
        { .len = 1452, .last = 1000, .n = 47, .want = 0 }, /* ends a message */
        { .len = 1452, .n = 47, .gso_off = true },
        { .len = 1452, .n = 47, .singly = true },
        { .len = 40000, .n = 2, .want = 0 },
        { .len = 65441, .n = 2, .want = 0 }, /* more than any message of several */
        { .len = 1452, .n = 0, .want = 0 },
    };
    WireCounters *counters = g_aligned_alloc0(1, sizeof(*counters), _Alignof(WireCounters));

    for (size_t i = 0; i < G_N_ELEMENTS(loose); i++) {
        WirePacket     packets[WIRE_MAX_BATCH];
        WireUdpRun     run = { .packets = packets,
                               .n_packets = loose[i].n,
                               .singly = loose[i].singly,
                               .hop.remote = mesh_endpoint_make4(0x7f000001, 9) };
        WireUdpSender *sender;

        g_assert_cmpint(wire_udp_sender_new(counters, !loose[i].gso_off, &sender), ==, 0);
        for (size_t n = 0; n < loose[i].n; n++)
            packets[n] = (WirePacket){ bytes, loose[i].len };
        if (loose[i].last != 0)
            packets[loose[i].n - 1].len = loose[i].last;
        g_assert_cmpuint(wire_udp_count_loose(sender, &run), ==, loose[i].want);
        wire_udp_sender_free(sender);
    }
    g_aligned_free(counters);
}

/* A length that was refused is tried again after a while: the route may be another one. */
static void test_limit_ends(void)
{
    Case           c = { .name = "", .lens = { 120, 120 }, .want = "120 120" };
    WireCounters  *counters = g_aligned_alloc0(1, sizeof(*counters), _Alignof(WireCounters));
    WireUdpSender *sender;
    size_t         rounds = 0;

    kernel.error = EINVAL;
    kernel.n_errors = 1;
    kernel.only_gso = true;
    kernel.only_sourced = false;
    kernel.only_above = 0;
    g_assert_cmpint(wire_udp_sender_new(counters, true, &sender), ==, 0);
    wire_udp_sender_set_call(sender, pretend);
    do {
        WireSockets sockets = { .fds = { { 0, 0 } } };
        WirePacket  packets[2];
        WireUdpRun  run = { .packets = packets, .n_packets = make_packets(&c, packets) };

        run.hop.remote = mesh_endpoint_make4(0x7f000001, 9);
        kernel.n_taken = 0;
        wire_udp_send(sender, &sockets, &run, 1);
        g_assert_cmpuint(++rounds, <, 100000);
    } while (kernel.n_taken == 2);
    g_assert_cmpuint(rounds, >, 1000);
    wire_udp_sender_free(sender);
    g_aligned_free(counters);
}

/* ---- the real kernel, on loopback ---- */

typedef struct {
    int         family;
    bool        gso, gro;
    const char *name;
} Loop;

static const Loop loops[] = {
    { AF_INET, true, true, "ipv4" },
    { AF_INET6, true, true, "ipv6" },
    { AF_INET, true, false, "without-gro" },
    { AF_INET, false, true, "without-gso" },
};

static void receive_all(WireUdpReceiver *receiver, int fd, size_t n)
{
    static WireDatagram datagrams[WIRE_UDP_MAX_RECEIVE];
    size_t              seen = 0;

    while (seen < n) {
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        size_t        got = wire_udp_receive(receiver, fd, datagrams);

        for (size_t i = 0; i < got; i++, seen++) {
            const WirePacket *p = &datagrams[i].packet;

            g_assert_cmpuint(p->len, ==, seen + 1 == n ? 77 : 1000);
            for (size_t b = 0; b < p->len; b++)
                g_assert_cmpuint(p->data[b], ==, (uint8_t)(seen * 3 + 1));
            g_assert_cmpuint(datagrams[i].hop->remote.port, !=, 0);
            g_assert_cmpint(datagrams[i].hop->source.family, !=, 0);
        }
        if (got == 0)
            g_assert_cmpint(poll(&wait, 1, LIMIT_MS), ==, 1);
    }
}

static void test_loop(gconstpointer data)
{
    const Loop      *loop = data;
    WireCounters    *counters = g_aligned_alloc0(1, sizeof(*counters), _Alignof(WireCounters));
    WireSockets      sockets = { .fds = { { -1, -1 } } };
    uint16_t         ports[2] = { 0, 0 };
    int              to = wire_udp_open(loop->family, &ports[0], 0);
    int              from = wire_udp_open(loop->family, &ports[1], 0);
    WirePacket       packets[100];
    WireUdpRun       run = { .packets = packets, .n_packets = G_N_ELEMENTS(packets) };
    WireUdpSender   *sender;
    WireUdpReceiver *receiver;

    if (to < 0) {
        g_test_skip("no such family here");
        g_aligned_free(counters);
        return;
    }
    if (loop->gro)
        g_assert_cmpint(wire_udp_set_gro(to), ==, 0);
    sockets.fds[0][loop->family == AF_INET ? WIRE_SOCKET_V4 : WIRE_SOCKET_V6] = from;
    g_assert_cmpint(mesh_endpoint_parse(loop->family == AF_INET ? "127.0.0.1:1" : "[::1]:1",
                                        &run.hop.remote),
                    ==, 0);
    run.hop.remote.port = ports[0];
    g_assert_cmpint(wire_udp_sender_new(counters, loop->gso, &sender), ==, 0);
    g_assert_cmpint(wire_udp_receiver_new(counters, &receiver), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(packets); i++) {
        packets[i] = (WirePacket){ bytes + i * 1000, i + 1 == G_N_ELEMENTS(packets) ? 77 : 1000 };
        memset(packets[i].data, (int)(i * 3 + 1), packets[i].len);
    }
    wire_udp_send(sender, &sockets, &run, 1);
    g_assert_cmpuint(run.n_sent, ==, G_N_ELEMENTS(packets));
    receive_all(receiver, to, G_N_ELEMENTS(packets));
    g_assert_cmpuint(wire_count_read(&counters->offloads[WIRE_OFFLOAD_UDP_SEND].packets), ==,
                     loop->gso ? 100 : 0);
    if (loop->gso && loop->gro)
        g_assert_cmpuint(wire_count_read(&counters->offloads[WIRE_OFFLOAD_UDP_RECEIVE].packets), ==,
                         100);
    wire_udp_sender_free(sender);
    wire_udp_receiver_free(receiver);
    close(to);
    close(from);
    g_aligned_free(counters);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/udp/send/", cases[i].name, NULL);

        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_func("/udp/loose", test_loose);
    g_test_add_func("/udp/limit-ends", test_limit_ends);
    for (size_t i = 0; i < G_N_ELEMENTS(loops); i++) {
        g_autofree char *path = g_strconcat("/udp/loopback/", loops[i].name, NULL);

        g_test_add_data_func(path, &loops[i], test_loop);
    }
    return g_test_run();
}
