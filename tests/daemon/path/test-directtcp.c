/* Tests of daemon/path/directtcp.c: two nodes on one host, whose data planes are stood in for. */
#include "common/std/endpoint.h"
#include "daemon/path/directtcp.h"
#include "daemon/wire/ways.h"

#include <arpa/inet.h>
#include <glib.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ENDS = 2, STRANGERS = 8, FROM = 0x11223344 };

typedef struct {
    PathTcp *tcp;
    SSL     *ssl; /* of the one link that there is; NULL: none */
    uint8_t  link;
    uint16_t port;
    unsigned n_opened, n_ended;
} End;

static End ends[ENDS];

/* ---- the data plane ---- */

static WirePlane *plane_of(const End *end)
{
    return (WirePlane *)(void *)(uintptr_t)end;
}

static void hang_up(End *end)
{
    int fd = end->ssl != NULL ? SSL_get_fd(end->ssl) : -1;

    SSL_free(end->ssl);
    end->ssl = NULL;
    if (fd >= 0)
        close(fd);
}

int wire_ways_adopt_direct(WirePlane *plane, uint8_t link, struct ssl_st *ssl, uint32_t index)
{
    End *end = (End *)(void *)plane;

    g_assert_cmpuint(index, ==, 7 + (end == &ends[0]));
    g_assert_true(end->ssl == NULL || end->link == link); /* it takes the place of the other */
    hang_up(end);
    end->ssl = ssl;
    end->link = link;
    return 0;
}

void wire_ways_remove_link(WirePlane *plane, uint8_t link)
{
    End *end = (End *)(void *)plane;

    g_assert_cmpuint(link, ==, end->link);
    hang_up(end);
}

bool wire_ways_is_open(WirePlane *plane, uint8_t link)
{
    End *end = (End *)(void *)plane;

    return end->ssl != NULL && end->link == link;
}

/* ---- the two ---- */

static PathTcpPeer peer_of(const End *end)
{
    PathTcpPeer peer = { .index = 7 + (end == &ends[0]),
                         .from = FROM + (end == &ends[0]),
                         .ours_stays = end == &ends[0] };

    memset(peer.psk.bytes, 0x5a, sizeof peer.psk.bytes);
    return peer;
}

static bool find(uint32_t from, PathTcpPeer *out_peer, void *user_data)
{
    const End *end = user_data;

    *out_peer = peer_of(end);
    return from == FROM + (end != &ends[0]);
}

static void on_changed(uint32_t index, uint8_t link, bool open, void *user_data)
{
    End *end = user_data;

    g_assert_cmpuint(index, ==, peer_of(end).index);
    g_assert_cmpuint(link, ==, end->link);
    if (open)
        end->n_opened++;
    else
        end->n_ended++;
}

static uint16_t find_port(void)
{
    struct sockaddr_in name = { .sin_family = AF_INET };
    socklen_t          len = sizeof name;
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(bind(fd, (struct sockaddr *)&name, len), ==, 0);
    g_assert_cmpint(getsockname(fd, (struct sockaddr *)&name, &len), ==, 0);
    close(fd);
    return ntohs(name.sin_port);
}

static void start(void)
{
    for (size_t i = 0; i < ENDS; i++) {
        ends[i] = (End){ .port = find_port() };
        ends[i].tcp =
            path_tcp_new(&(PathTcpHost){ plane_of(&ends[i]), find, on_changed, &ends[i] });
        path_tcp_listen(ends[i].tcp, ends[i].port);
    }
}

static void stop(void)
{
    for (size_t i = 0; i < ENDS; i++) {
        path_tcp_free(ends[i].tcp);
        g_assert_null(ends[i].ssl);
    }
}

static void dial(End *from, const End *to)
{
    PathTcpPeer  peer = peer_of(from);
    MeshEndpoint place;
    MeshAddr     addr;

    g_assert_cmpint(mesh_ip_parse_addr("127.0.0.1", &addr), ==, 0);
    place = mesh_endpoint_make(&addr, to->port);
    path_tcp_dial(from->tcp, &peer, &place, 1);
}

static uint16_t port_of(const End *end, bool far)
{
    struct sockaddr_in name = { 0 };
    socklen_t          len = sizeof name;
    int                fd = SSL_get_fd(end->ssl);

    return (far ? getpeername : getsockname)(fd, (struct sockaddr *)&name, &len) == 0
               ? ntohs(name.sin_port)
               : 0;
}

/* Both hold the two ends of one connection. */
static bool are_one(void)
{
    return ends[0].ssl != NULL && ends[1].ssl != NULL &&
           port_of(&ends[0], false) == port_of(&ends[1], true) &&
           port_of(&ends[0], true) == port_of(&ends[1], false);
}

static void meet(void)
{
    while (!are_one())
        g_main_context_iteration(NULL, TRUE);
}

static void pass(SSL *from, SSL *to)
{
    char byte = 0;

    g_assert_cmpint(SSL_write(from, "x", 1), ==, 1);
    while (SSL_read(to, &byte, 1) != 1) {
    }
    g_assert_cmpint(byte, ==, 'x');
}

/* Each has its own first, then the other's: they do not end each other's. */
static void test_crossing(void)
{
    for (int i = 0; i < 8; i++) {
        start();
        dial(&ends[0], &ends[1]);
        dial(&ends[1], &ends[0]);
        meet();
        while (g_main_context_iteration(NULL, FALSE)) {
        }
        g_assert_true(are_one());
        pass(ends[0].ssl, ends[1].ssl);
        pass(ends[1].ssl, ends[0].ssl);
        stop();
    }
}

/* One end has lost it, and the other does not know yet. */
static void test_again(gconstpointer data)
{
    End *one = &ends[GPOINTER_TO_INT(data)], *other = &ends[1 - GPOINTER_TO_INT(data)];

    start();
    dial(one, other);
    meet();
    path_tcp_close(one->tcp, one->link);
    g_assert_nonnull(other->ssl);
    dial(one, other);
    meet();
    g_assert_cmpuint(other->n_opened, ==, 2);
    pass(one->ssl, other->ssl);
    stop();
}

/* The news that a stream ended counts for that stream alone. */
static void test_late_news(void)
{
    WireEvent event = { .kind = WIRE_EVENT_LINK_DOWN };

    start();
    dial(&ends[0], &ends[1]);
    meet();
    event.way.link = ends[0].link;
    g_assert_true(path_tcp_handle(ends[0].tcp, &event));
    g_assert_cmpuint(ends[0].n_ended, ==, 0);
    g_assert_nonnull(ends[0].ssl);
    hang_up(&ends[0]);
    g_assert_true(path_tcp_handle(ends[0].tcp, &event));
    g_assert_cmpuint(ends[0].n_ended, ==, 1);
    stop();
}

/* Who says nothing, from one place, leaves room for a peer. */
static void test_strangers(void)
{
    struct sockaddr_in6 name = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
    int                 fds[STRANGERS];

    start();
    name.sin6_port = htons(ends[1].port);
    for (size_t i = 0; i < STRANGERS; i++) {
        fds[i] = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fds[i] < 0 || connect(fds[i], (struct sockaddr *)&name, sizeof name) < 0) {
            g_test_skip("no IPv6 here");
            stop();
            return;
        }
        while (g_main_context_iteration(NULL, FALSE)) {
        }
    }
    dial(&ends[0], &ends[1]);
    meet();
    for (size_t i = 0; i < STRANGERS; i++)
        close(fds[i]);
    stop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/directtcp/crossing", test_crossing);
    g_test_add_data_func("/directtcp/again/first", GINT_TO_POINTER(0), test_again);
    g_test_add_data_func("/directtcp/again/second", GINT_TO_POINTER(1), test_again);
    g_test_add_func("/directtcp/late-news", test_late_news);
    g_test_add_func("/directtcp/strangers", test_strangers);
    return g_test_run();
}
