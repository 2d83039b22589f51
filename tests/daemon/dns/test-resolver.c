/* Tests of daemon/dns/resolver.c and tcp.c on loopback: UDP, TCP in pieces and in a row, limits. */
#include "common/glib/error.h"
#include "daemon/dns/message.h"
#include "daemon/dns/resolver.h"
#include "daemon/dns/tcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NAS                        \
    "\x4d\x31\1\0\0\1\0\0\0\0\0\0" \
    "\3nas\4home\4mesh\0\0\1\0\1"
#define NAS_LEN (sizeof NAS - 1)

typedef struct {
    DnsHost      host;
    DnsZone      zone;
    DnsListen    listen;
    DnsResolver *resolver;
} Fixture;

static void apply(Fixture *f)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(dns_resolver_apply(f->resolver, &f->zone, &f->listen, &error));
    g_assert_no_error(error);
}

static void set_up(Fixture *f, gconstpointer data)
{
    (void)data;
    g_strlcpy(f->host.name, "nas", sizeof f->host.name);
    g_assert_cmpint(mesh_ip_parse_addr("127.7.0.5", &f->host.ip4), ==, 0);
    f->zone = (DnsZone){ .suffix = "home.mesh", .self = "nas", .hosts = &f->host, .n_hosts = 1 };
    f->zone.n_prefixes = 1;
    g_assert_cmpint(mesh_ip_parse_prefix("127.0.0.0/16", &f->zone.prefixes[0]), ==, 0);
    f->listen.n_addrs = 1;
    g_assert_cmpint(mesh_ip_parse_addr("127.0.0.1", &f->listen.addrs[0]), ==, 0);
    f->resolver = dns_resolver_new();
    apply(f);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    (void)data;
    dns_resolver_free(f->resolver);
}

static int open_client(Fixture *f, int type, const char *from)
{
    struct sockaddr_in to = { .sin_family = AF_INET }, own = { .sin_family = AF_INET };
    int                fd = socket(AF_INET, type, 0);

    to.sin_port = htons(dns_resolver_get_port(f->resolver));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    inet_pton(AF_INET, from, &own.sin_addr);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&own, sizeof own), ==, 0);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&to, sizeof to), ==, 0);
    return fd;
}

/* What comes back while the main loop runs. Returns: its length; 0: closed. */
static size_t receive(int fd, uint8_t *buffer, size_t size)
{
    ssize_t n;

    while ((n = recv(fd, buffer, size, MSG_DONTWAIT)) < 0 && errno == EAGAIN)
        g_main_context_iteration(NULL, false);
    return n > 0 ? (size_t)n : 0;
}

static void assert_nas(const uint8_t *reply, size_t len)
{
    g_assert_cmpuint(len, ==, NAS_LEN + 16);
    g_assert_cmpuint(reply[3] & 0xf, ==, 0);
    g_assert_cmpmem(reply + len - 4, 4, "\x7f\7\0\5", 4);
}

static void test_udp(Fixture *f, gconstpointer data)
{
    int     fd = open_client(f, SOCK_DGRAM, "127.0.0.1");
    uint8_t reply[2048];

    (void)data;
    for (int i = 0; i < 3; i++) {
        g_assert_cmpint(send(fd, NAS, NAS_LEN, 0), ==, NAS_LEN);
        assert_nas(reply, receive(fd, reply, sizeof reply));
    }
    /* rubbish is not answered; what comes after it is */
    g_assert_cmpint(send(fd, "x", 1, 0), ==, 1);
    g_assert_cmpint(send(fd, "", 0, 0), ==, 0);
    g_assert_cmpint(send(fd, "\x4d\x31\x81\0\0\0\0\0\0\0\0\0", 12, 0), ==, 12); /* a reply */
    g_assert_cmpint(send(fd, NAS, NAS_LEN, 0), ==, NAS_LEN);
    assert_nas(reply, receive(fd, reply, sizeof reply));
    close(fd);
}

/* Who is not of the network hears nothing, by UDP or TCP. */
static void test_strangers(Fixture *f, gconstpointer data)
{
    int     stranger = open_client(f, SOCK_DGRAM, "127.1.0.1");
    int     stream = open_client(f, SOCK_STREAM, "127.1.0.1");
    int     friendly = open_client(f, SOCK_DGRAM, "127.0.0.2");
    uint8_t reply[512];

    (void)data;
    g_assert_cmpint(send(stranger, NAS, NAS_LEN, 0), ==, NAS_LEN);
    g_assert_cmpint(send(friendly, NAS, NAS_LEN, 0), ==, NAS_LEN);
    assert_nas(reply, receive(friendly, reply, sizeof reply)); /* sent later, so answered later */
    g_assert_cmpint(recv(stranger, reply, sizeof reply, MSG_DONTWAIT), <, 0);
    g_assert_cmpuint(receive(stream, reply, sizeof reply), ==, 0);
    close(stranger);
    close(stream);
    close(friendly);
}

static void assert_stream(int fd, unsigned n)
{
    uint8_t reply[2048];
    size_t  have = 0, want = (NAS_LEN + 16 + 2) * n;

    while (have < want) {
        size_t got = receive(fd, reply + have, sizeof reply - have);

        g_assert_cmpuint(got, >, 0);
        have += got;
    }
    g_assert_cmpuint(have, ==, want);
    for (unsigned i = 0; i < n; i++)
        assert_nas(reply + i * (NAS_LEN + 18) + 2, NAS_LEN + 16);
}

static void make_stream(uint8_t *out, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        out[i * (NAS_LEN + 2)] = 0;
        out[i * (NAS_LEN + 2) + 1] = NAS_LEN;
        memcpy(out + i * (NAS_LEN + 2) + 2, NAS, NAS_LEN);
    }
}

static void test_tcp(Fixture *f, gconstpointer data)
{
    int     fd = open_client(f, SOCK_STREAM, "127.0.0.1");
    uint8_t queries[20 * (NAS_LEN + 2)];
    size_t  len = sizeof queries;

    (void)data;
    make_stream(queries, 20);
    for (size_t i = 0; i < NAS_LEN + 2; i++) { /* byte by byte */
        g_assert_cmpint(send(fd, queries + i, 1, 0), ==, 1);
        g_main_context_iteration(NULL, false);
    }
    assert_stream(fd, 1);
    g_assert_cmpint(send(fd, queries, len, 0), ==, len); /* all at once */
    assert_stream(fd, 20);
    g_assert_cmpint(send(fd, queries, NAS_LEN + 2, 0), ==, NAS_LEN + 2); /* the last word */
    shutdown(fd, SHUT_WR);
    assert_stream(fd, 1);
    g_assert_cmpuint(receive(fd, queries, sizeof queries), ==, 0);
    close(fd);
}

static void test_tcp_rubbish(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *bytes;
        size_t      len;
    } rows[] = {
        { "\xff\xff", 2 },                              /* longer than any query */
        { "\0\0", 2 },                                  /* an empty one */
        { "\0\3abc", 5 },                               /* no header */
        { "\0\x0c\x4d\x31\x81\0\0\0\0\0\0\0\0\0", 14 }, /* a reply */
    };
    uint8_t reply[64];

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        int fd = open_client(f, SOCK_STREAM, "127.0.0.1");

        g_assert_cmpint(send(fd, rows[i].bytes, rows[i].len, 0), ==, rows[i].len);
        g_assert_cmpuint(receive(fd, reply, sizeof reply), ==, 0);
        close(fd);
    }
}

/* Whoever holds all connections open loses the oldest to the next one. */
static void test_tcp_full(Fixture *f, gconstpointer data)
{
    int     held[DNS_TCP_MAX], fd;
    uint8_t query[NAS_LEN + 2], reply[64];

    (void)data;
    make_stream(query, 1);
    for (unsigned i = 0; i < DNS_TCP_MAX; i++)
        held[i] = open_client(f, SOCK_STREAM, "127.0.0.1");
    while (g_main_context_iteration(NULL, false))
        ;
    fd = open_client(f, SOCK_STREAM, "127.0.0.1");
    g_assert_cmpint(send(fd, query, sizeof query, 0), ==, sizeof query);
    assert_stream(fd, 1);
    g_assert_cmpuint(receive(held[0], reply, sizeof reply), ==, 0);
    g_assert_cmpint(recv(held[1], reply, sizeof reply, MSG_DONTWAIT), <, 0);
    g_assert_cmpint(errno, ==, EAGAIN);
    for (unsigned i = 0; i < DNS_TCP_MAX; i++)
        close(held[i]);
    close(fd);
}

static void test_apply_again(Fixture *f, gconstpointer data)
{
    int      fd = open_client(f, SOCK_DGRAM, "127.0.0.1");
    uint16_t port = dns_resolver_get_port(f->resolver);
    uint8_t  reply[512];
    g_autoptr(GError) error = NULL;

    (void)data;
    g_strlcpy(f->host.name, "other", sizeof f->host.name);
    apply(f); /* the same sockets, another zone */
    g_assert_cmpuint(dns_resolver_get_port(f->resolver), ==, port);
    g_assert_cmpint(send(fd, NAS, NAS_LEN, 0), ==, NAS_LEN);
    g_assert_cmpuint(receive(fd, reply, sizeof reply), >, 12);
    g_assert_cmpuint(reply[3] & 0xf, ==, DNS_RCODE_NXDOMAIN);
    f->zone.suffix = "a..b";
    g_assert_false(dns_resolver_apply(f->resolver, &f->zone, &f->listen, &error));
    f->zone.suffix = "home.mesh";
    f->listen.n_addrs = 2; /* one that this host does not have */
    g_assert_cmpint(mesh_ip_parse_addr("192.0.2.1", &f->listen.addrs[1]), ==, 0);
    g_clear_error(&error);
    g_assert_false(dns_resolver_apply(f->resolver, &f->zone, &f->listen, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_HOST);
    g_assert_nonnull(strstr(error->message, "192.0.2.1"));
    g_assert_cmpint(send(fd, NAS, NAS_LEN, 0), ==, NAS_LEN); /* all is as it was */
    g_assert_cmpuint(receive(fd, reply, sizeof reply), >, 12);
    g_assert_cmpuint(reply[3] & 0xf, ==, DNS_RCODE_NXDOMAIN);
    close(fd);
}

/* Another program gives the host the addresses later: both families can wait for it. */
static void test_early(Fixture *f, gconstpointer data)
{
    int     fd;
    uint8_t reply[512];

    (void)data;
    f->listen.early = true;
    f->listen.n_addrs = 2;
    g_assert_cmpint(mesh_ip_parse_addr("2001:db8::53", &f->listen.addrs[1]), ==, 0);
    apply(f);
    g_assert_cmpint(mesh_ip_parse_addr("192.0.2.1", &f->listen.addrs[1]), ==, 0);
    apply(f);
    fd = open_client(f, SOCK_DGRAM, "127.0.0.1");
    g_assert_cmpint(send(fd, NAS, NAS_LEN, 0), ==, NAS_LEN);
    assert_nas(reply, receive(fd, reply, sizeof reply));
    close(fd);
}

static void test_stop(Fixture *f, gconstpointer data)
{
    int     fd = open_client(f, SOCK_STREAM, "127.0.0.1");
    uint8_t query[NAS_LEN + 2], reply[512];

    (void)data;
    make_stream(query, 1);
    g_assert_cmpint(send(fd, query, sizeof query, 0), ==, sizeof query);
    assert_stream(fd, 1);
    dns_resolver_stop(f->resolver);
    g_assert_cmpuint(dns_resolver_get_port(f->resolver), ==, 0);
    g_assert_cmpuint(receive(fd, query, sizeof query), ==, 0);
    close(fd);
    apply(f);
    fd = open_client(f, SOCK_DGRAM, "127.0.0.1");
    g_assert_cmpint(send(fd, NAS, NAS_LEN, 0), ==, NAS_LEN);
    assert_nas(reply, receive(fd, reply, sizeof reply));
    close(fd);
}

/* Every other port that the kernel can choose for UDP is taken over TCP. */
static void test_taken(Fixture *f, gconstpointer data)
{
    const char *range = "/proc/sys/net/ipv4/ip_local_port_range";
    int         home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), taken[8];
    FILE       *choices;

    (void)data;
    if (unshare(CLONE_NEWNET) < 0 || (choices = fopen(range, "we")) == NULL) {
        g_test_skip("may not make a network namespace");
        (void)setns(home, CLONE_NEWNET);
        close(home);
        return;
    }
    fputs("40000 40015", choices);
    g_assert_cmpint(fclose(choices), ==, 0);
    for (int i = 0; i < 8; i++) {
        struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(40000 + 2 * i) };

        taken[i] = socket(AF_INET, SOCK_STREAM, 0);
        g_assert_cmpint(bind(taken[i], (struct sockaddr *)&at, sizeof at), ==, 0);
    }
    f->listen.early = true; /* nobody gives the loopback interface its address here */
    for (int i = 0; i < 16; i++) {
        dns_resolver_stop(f->resolver);
        apply(f);
        g_assert_cmpuint(dns_resolver_get_port(f->resolver), >=, 40000);
    }
    dns_resolver_stop(f->resolver);
    for (int i = 0; i < 8; i++)
        close(taken[i]);
    g_assert_cmpint(setns(home, CLONE_NEWNET), ==, 0);
    close(home);
}

#define ADD(name_, function_) \
    g_test_add("/dns/resolver/" name_, Fixture, NULL, set_up, function_, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("udp", test_udp);
    ADD("strangers", test_strangers);
    ADD("tcp", test_tcp);
    ADD("tcp-rubbish", test_tcp_rubbish);
    ADD("tcp-full", test_tcp_full);
    ADD("apply-again", test_apply_again);
    ADD("early", test_early);
    ADD("stop", test_stop);
    ADD("taken", test_taken);
    return g_test_run();
}
