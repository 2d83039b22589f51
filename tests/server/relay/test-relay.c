/* tests/server/relay/test-relay.c: a whole relay on loopback, and nodes that speak to it. What must
 * not arrive is proven by what was sent after it and does. */
#include "common/codec/stun.h"
#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "tests/server/relay/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FAST = 1000000000, LIMIT_MS = 60000 };

static RelayRig rig;
static uint8_t  buffer[4096];

static void bind_client(RelayClient *client, uint8_t net, uint32_t index, uint64_t bps)
{
    relay_client_init(client, &rig, net, index, bps);
    g_assert_cmpint(relay_client_bind(client), ==, MESH_RELAYBIND_OK);
    g_assert_cmpuint(client->session, !=, 0);
}

static MeshRelayFrame expect(RelayClient *client, MeshRelayKind kind)
{
    MeshRelayFrame frame = { .arg = 0 };

    if (!relay_client_next(client, buffer, sizeof(buffer), LIMIT_MS, &frame))
        g_error("nothing came instead of frame %#x", kind);
    g_assert_cmphex(frame.kind, ==, kind);
    return frame;
}

static void expect_data(RelayClient *client, uint32_t from, const char *text)
{
    MeshRelayFrame frame = expect(client, MESH_RELAY_DATA);

    g_assert_cmpuint(frame.arg, ==, from);
    g_assert_cmpmem(frame.data.data, frame.data.len, text, strlen(text));
}

static void ping(RelayClient *client, uint32_t sequence)
{
    const MeshRelayFrame frame = { .kind = MESH_RELAY_PING, .arg = sequence };

    relay_client_send(client, &frame);
}

static uint64_t count_forged(void)
{
    RelayStats stats;

    relay_get_stats(rig.relay, &stats);
    return stats.dropped_forged;
}

static void test_forward(void)
{
    RelayClient a, b;
    char        seen[MESH_ENDPOINT_TEXT_SIZE];

    bind_client(&a, 1, 10, FAST);
    bind_client(&b, 1, 11, FAST);
    g_assert_true(g_str_has_prefix(mesh_endpoint_format(&a.seen, seen), "127.1.0.21:"));
    relay_client_send_data(&a, 11, "\x04 hello", 7);
    expect_data(&b, 10, "\x04 hello");
    relay_client_send_data(&b, 10, "x", 1);
    expect_data(&a, 11, "x");
    relay_client_done(&a);
    relay_client_done(&b);
}

/* Many at once, of several sizes: all arrive, in order and unharmed, through GRO and GSO. */
static void test_bulk(void)
{
    RelayClient a, b;
    uint8_t     data[1500];
    uint32_t    next = 0;

    bind_client(&a, 1, 12, FAST * 10UL);
    bind_client(&b, 1, 13, FAST * 10UL);
    for (uint32_t i = 0; i < 2000; i++) {
        size_t len = i % 10 == 9 ? 700 : 1400;

        memset(data, (int)i, sizeof(data));
        memcpy(data + 1, &i, sizeof(i));
        relay_client_send_data(&a, 13, data, len);
        if (i % 50 != 49)
            continue;
        for (; next <= i; next++) {
            MeshRelayFrame frame = expect(&b, MESH_RELAY_DATA);
            uint32_t       number;

            memcpy(&number, (const uint8_t *)frame.data.data + 1, sizeof(number));
            g_assert_cmpuint(number, ==, next);
            g_assert_cmpuint(frame.data.len, ==, next % 10 == 9 ? 700 : 1400);
            g_assert_cmpuint(((const uint8_t *)frame.data.data)[frame.data.len - 1], ==,
                             next & 0xFF);
        }
    }
    relay_client_done(&a);
    relay_client_done(&b);
}

/* Joined by the sender's kernel and the relay's: one of them forged, the last one shorter. */
static void test_joined(void)
{
    enum { COUNT = 20, LEN = 500 };
    RelayClient a, b;
    int         segment = MESH_RELAY_HEAD_BYTES + LEN;
    uint8_t     frames[COUNT * (MESH_RELAY_HEAD_BYTES + LEN)];
    uint64_t    before = count_forged();

    bind_client(&a, 1, 14, FAST);
    bind_client(&b, 1, 15, FAST);
    for (int i = 0; i < COUNT; i++) {
        uint8_t *frame = frames + i * segment;

        memset(frame + MESH_RELAY_HEAD_BYTES, i, LEN);
        mesh_relayframe_put_head(frame, i == COUNT - 1 ? 100 : LEN, a.session, 15, &a.keys.up);
    }
    frames[7 * segment + 10] ^= 1;
    g_assert_cmpint(setsockopt(a.fd, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment)), ==, 0);
    g_assert_cmpint(send(a.fd, frames, sizeof(frames) - LEN + 100, 0), >, 0);
    for (int i = 0; i < COUNT; i++) {
        MeshRelayFrame frame;

        if (i == 7)
            continue;
        frame = expect(&b, MESH_RELAY_DATA);
        g_assert_cmpuint(*(const uint8_t *)frame.data.data, ==, i);
        g_assert_cmpuint(frame.data.len, ==, i == COUNT - 1 ? 100 : LEN);
    }
    g_assert_cmpuint(count_forged(), ==, before + 1);
    relay_client_done(&a);
    relay_client_done(&b);
}

static void test_other_network(void)
{
    RelayClient    a, b;
    MeshRelayFrame frame;

    bind_client(&a, 2, 20, FAST);
    bind_client(&b, 3, 21, FAST); /* same relay, same server, another network */
    relay_client_send_data(&a, 21, "secret", 6);
    frame = expect(&a, MESH_RELAY_GONE);
    g_assert_cmpuint(frame.arg, ==, 21);
    ping(&b, 5);
    g_assert_cmpuint(expect(&b, MESH_RELAY_PONG).arg, ==, 5); /* and nothing before it */
    relay_client_done(&a);
    relay_client_done(&b);
}

static void test_forged(void)
{
    RelayClient   a, b;
    MeshRelayKeys right;
    uint64_t      before = count_forged();

    bind_client(&a, 4, 1, FAST);
    bind_client(&b, 4, 2, FAST);
    right = a.keys;
    a.keys.up.bytes[3] ^= 1;
    for (int i = 0; i < 10; i++)
        relay_client_send_data(&a, 2, "forged", 6);
    a.keys = right;
    relay_client_send_data(&a, 2, "right", 5);
    expect_data(&b, 1, "right");
    g_assert_cmpuint(count_forged(), ==, before + 10);
    relay_client_done(&a);
    relay_client_done(&b);
}

typedef struct {
    const char *name;
    void (*spoil)(RelayClient *client);
    MeshRelayStatus want;
} RefusedCase;

static void spoil_time(RelayClient *client)
{
    client->token.exp = mesh_clock_wall_s() - 1;
}

static void spoil_node(RelayClient *client)
{
    client->token.node.bytes[0] ^= 1; /* the token is another's */
}

static void spoil_server(RelayClient *client)
{
    static RelayRig other;

    other = rig;
    other.key.bytes[0] ^= 1;
    client->rig = &other;
}

static void spoil_signature(RelayClient *client)
{
    static RelayRig other;

    other = rig;
    other.secret.bytes[0] ^= 1;
    client->rig = &other;
}

static const RefusedCase refused[] = {
    { "expired", spoil_time, MESH_RELAYBIND_TOKEN_EXPIRED },
    { "of-another-node", spoil_node, MESH_RELAYBIND_TOKEN_WRONG },
    { "of-another-server", spoil_server, MESH_RELAYBIND_NOT_SERVED },
    { "forged", spoil_signature, MESH_RELAYBIND_TOKEN_WRONG },
};

static void test_refused(gconstpointer data)
{
    const RefusedCase *c = data;
    RelayClient        client;

    relay_client_init(&client, &rig, 5, 1, FAST);
    c->spoil(&client);
    g_assert_cmpint(relay_client_bind(&client), ==, c->want);
    g_assert_cmpuint(client.session, ==, 0);
    relay_client_done(&client);
}

static void test_revoked(void)
{
    RelayClient a;
    RelayNode   node = { .network = { 6 }, .index = 1 };
    uint8_t     head[8];
    size_t      len;

    bind_client(&a, 6, 1, FAST);
    node.node = a.token.node;
    relay_revoke(rig.relay, &node);
    ping(&a, 1);
    len = relay_client_receive(&a, buffer, sizeof(buffer), LIMIT_MS);
    g_assert_cmpint(mesh_relaybind_decode_reset(MESH_SPAN(buffer, len), head), ==, 0);
    g_assert_cmphex(head[0], ==, MESH_RELAY_PING);
    g_assert_cmpint(relay_client_bind(&a), ==, MESH_RELAYBIND_REVOKED);
    node.node.bytes[0] ^= 1;
    relay_allow(rig.relay, &node); /* another one */
    g_assert_cmpint(relay_client_bind(&a), ==, MESH_RELAYBIND_REVOKED);
    node.node = a.token.node;
    relay_allow(rig.relay, &node); /* it came back, with the same token */
    g_assert_cmpint(relay_client_bind(&a), ==, MESH_RELAYBIND_OK);
    relay_client_done(&a);
}

/* The newer session of a node ends the older; the same BIND again does not. */
static void test_bind_again(void)
{
    RelayClient a;
    RelayStats  before, after;
    uint32_t    first;
    uint8_t     head[8];
    size_t      len;

    bind_client(&a, 7, 1, FAST);
    relay_get_stats(rig.relay, &before);
    first = a.session;
    g_assert_cmpint(send(a.fd, a.bind, a.bind_len, 0), ==, (ssize_t)a.bind_len);
    len = relay_client_receive(&a, buffer, sizeof(buffer), LIMIT_MS);
    g_assert_cmpuint(len, ==, MESH_RELAYBIND_BOUND_BYTES);
    ping(&a, 2);
    expect(&a, MESH_RELAY_PONG);
    g_assert_cmpint(relay_client_bind(&a), ==, MESH_RELAYBIND_OK);
    g_assert_cmpuint(a.session, !=, first);
    relay_get_stats(rig.relay, &after);
    g_assert_cmpuint(after.sessions, ==, before.sessions);
    a.session = first;
    ping(&a, 3);
    len = relay_client_receive(&a, buffer, sizeof(buffer), LIMIT_MS);
    g_assert_cmpint(mesh_relaybind_decode_reset(MESH_SPAN(buffer, len), head), ==, 0);
    relay_client_done(&a);
}

/* From a new address packets count, but answers stay where they were until it is proven. */
static void test_move(void)
{
    RelayClient    a, b;
    MeshRelayFrame frame, moved = { .kind = MESH_RELAY_MOVED };
    char           text[64];

    bind_client(&a, 8, 1, FAST);
    bind_client(&b, 8, 2, FAST);
    relay_client_reopen(&a);
    memset(text, 'm', sizeof(text));
    relay_client_send_data(&a, 2, text, sizeof(text));
    frame = expect(&a, MESH_RELAY_MOVE);
    g_assert_cmpuint(expect(&b, MESH_RELAY_DATA).data.len, ==, sizeof(text));
    memcpy(moved.cookie, frame.cookie, sizeof(moved.cookie));
    moved.cookie[0] ^= 1;
    relay_client_send(&a, &moved); /* not proven */
    relay_client_send_data(&a, 2, text, sizeof(text));
    frame = expect(&a, MESH_RELAY_MOVE); /* asked again */
    memcpy(moved.cookie, frame.cookie, sizeof(moved.cookie));
    relay_client_send(&a, &moved);
    ping(&a, 9);
    expect(&a, MESH_RELAY_PONG);
    expect(&b, MESH_RELAY_DATA);
    relay_client_send_data(&b, 1, "found", 5);
    expect_data(&a, 2, "found");
    relay_client_done(&a);
    relay_client_done(&b);
}

static void test_where(void)
{
    RelayClient    a, b;
    MeshRelayFrame where = { .kind = MESH_RELAY_WHERE, .arg = 2 }, frame;

    bind_client(&a, 9, 1, FAST);
    bind_client(&b, 9, 2, FAST);
    relay_client_send(&a, &where);
    frame = expect(&a, MESH_RELAY_AT);
    g_assert_cmpuint(frame.arg, ==, 2);
    g_assert_true(mesh_endpoint_equal(&frame.seen, &b.seen));
    where.arg = 3;
    relay_client_send(&a, &where);
    g_assert_cmpuint(expect(&a, MESH_RELAY_GONE).arg, ==, 3);
    relay_client_done(&a);
    relay_client_done(&b);
}

static void test_close(void)
{
    RelayClient          a;
    const MeshRelayFrame close_frame = { .kind = MESH_RELAY_CLOSE };
    uint8_t              head[8];
    size_t               len;

    bind_client(&a, 10, 1, FAST);
    relay_client_send(&a, &close_frame);
    ping(&a, 1);
    len = relay_client_receive(&a, buffer, sizeof(buffer), LIMIT_MS);
    g_assert_cmpint(mesh_relaybind_decode_reset(MESH_SPAN(buffer, len), head), ==, 0);
    relay_client_done(&a);
}

static void test_restart(void)
{
    RelayClient a;

    bind_client(&a, 11, 1, FAST);
    relay_drain(rig.relay, 1500);
    g_assert_cmpuint(expect(&a, MESH_RELAY_RESTART).arg, ==, 1500);
    relay_client_done(&a);
}

/* Over its allowance a sender is told, and what it sends beyond it goes nowhere. */
static void test_rate(void)
{
    RelayClient    a, b;
    MeshRelayFrame frame;
    char           data[1400] = { 4 };
    unsigned       got = 0;

    bind_client(&a, 12, 1, 8000); /* 1000 bytes a second, 66536 at once */
    bind_client(&b, 12, 2, FAST);
    for (int i = 0; i < 200; i++)
        relay_client_send_data(&a, 2, data, sizeof(data));
    frame = expect(&a, MESH_RELAY_CONGESTED);
    g_assert_cmpuint(frame.arg, ==, 2);
    while (relay_client_next(&b, buffer, sizeof(buffer), 200, &frame))
        got++;
    g_assert_cmpuint(got, >, 40);
    g_assert_cmpuint(got, <, 60);
    relay_client_done(&a);
    relay_client_done(&b);
}

/* A receiver with a small allowance, one who floods it and one who says a word now and then: the
 * word comes through, unless this process gets to run so late that its own socket is full. */
static void test_blaster(void)
{
    RelayClient    blaster, polite, victim;
    MeshRelayFrame frame;
    char           data[1400] = { 4 };
    unsigned       from_polite = 0, words = 0;

    bind_client(&blaster, 13, 1, FAST);
    bind_client(&polite, 13, 2, FAST);
    bind_client(&victim, 13, 3, 8000000); /* 1 MB a second; 1 MB at once */
    relay_client_widen(&victim);
    for (int round = 0; round < 60; round++) {
        for (int i = 0; i < 50; i++)
            relay_client_send_data(&blaster, 3, data, sizeof(data));
        relay_client_send_data(&polite, 3, "\x04word", 5);
        words++;
        while (relay_client_next(&victim, buffer, sizeof(buffer), 2, &frame))
            from_polite += frame.kind == MESH_RELAY_DATA && frame.arg == 2;
    }
    while (from_polite + relay_client_count_lost(&victim) < words &&
           relay_client_next(&victim, buffer, sizeof(buffer), LIMIT_MS, &frame))
        from_polite += frame.kind == MESH_RELAY_DATA && frame.arg == 2;
    g_assert_cmpuint(from_polite, <=, words);
    g_assert_cmpuint(from_polite + relay_client_count_lost(&victim), >=, words);
    g_assert_cmpuint(expect(&blaster, MESH_RELAY_CONGESTED).arg, ==, 3);
    relay_client_done(&blaster);
    relay_client_done(&polite);
    relay_client_done(&victim);
}

static int open_plain(uint16_t port)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
    int                fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&to, sizeof(to)), ==, 0);
    return fd;
}

static void test_stun(gconstpointer data)
{
    uint16_t           port = GPOINTER_TO_UINT(data) != 0 ? rig.alt : rig.port;
    MeshStunMessage    request = { .txid = "abcdefghijk" }, answer;
    RelayClient        self = { .fd = open_plain(port) };
    struct sockaddr_in own;
    socklen_t          own_len = sizeof(own);
    size_t             len = 0;

    g_assert_cmpint(getsockname(self.fd, (struct sockaddr *)&own, &own_len), ==, 0);
    g_assert_cmpint(mesh_stun_encode_request(&request, 0, buffer, sizeof(buffer), &len), ==, 0);
    g_assert_cmpint(send(self.fd, buffer, len, 0), ==, (ssize_t)len); /* too short: no answer */
    request.txid[0] = 'X';
    g_assert_cmpint(mesh_stun_encode_request(&request, MESH_STUN_REQUEST_BYTES, buffer,
                                             sizeof(buffer), &len),
                    ==, 0);
    g_assert_cmpint(send(self.fd, buffer, len, 0), ==, (ssize_t)len);
    len = relay_client_receive(&self, buffer, sizeof(buffer), LIMIT_MS);
    g_assert_cmpint(mesh_stun_decode(MESH_SPAN(buffer, len), &answer), ==, 0);
    g_assert_cmpint(answer.type, ==, MESH_STUN_SUCCESS);
    g_assert_cmpint(answer.txid[0], ==, 'X');
    g_assert_cmpuint(answer.mapped.port, ==, ntohs(own.sin_port));
    g_assert_cmpuint(answer.mapped.addr.family, ==, AF_INET);
    (void)close(self.fd);
}

/* The answer comes from the other port; another address there is none: 420. */
static void test_stun_change(void)
{
    MeshStunMessage    request = { .txid = "abcdefghijk", .change = MESH_STUN_CHANGE_PORT }, answer;
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(rig.port) }, from;
    socklen_t          from_len = sizeof(from);
    int                fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct timeval     limit = { .tv_sec = 10 };
    size_t             len = 0;
    ssize_t            n;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    for (int i = 0; i < 2; i++) {
        g_assert_cmpint(mesh_stun_encode_request(&request, MESH_STUN_REQUEST_BYTES, buffer,
                                                 sizeof(buffer), &len),
                        ==, 0);
        g_assert_cmpint(sendto(fd, buffer, len, 0, (struct sockaddr *)&to, sizeof(to)), >, 0);
        n = recvfrom(fd, buffer, sizeof(buffer), 0, (struct sockaddr *)&from, &from_len);
        g_assert_cmpint(n, >, 0);
        g_assert_cmpint(mesh_stun_decode(MESH_SPAN(buffer, (size_t)n), &answer), ==, 0);
        g_assert_cmpuint(answer.error, ==, i == 0 ? 0 : MESH_STUN_UNKNOWN_ERROR);
        g_assert_cmpuint(ntohs(from.sin_port), ==, i == 0 ? rig.alt : rig.port);
        request.change = MESH_STUN_CHANGE_IP;
    }
    (void)close(fd);
}

/* The answer goes to another port of the one who asks (RFC 5780 §7.5). */
static void test_stun_response_port(void)
{
    MeshStunMessage    request = { .type = MESH_STUN_REQUEST, .txid = "abcdefghijk" }, answer;
    struct sockaddr_in here = { 0 };
    socklen_t          here_len = sizeof(here);
    int                asker = open_plain(rig.port), other = open_plain(rig.port);
    struct timeval     patience = { .tv_usec = 200000 };
    uint8_t            came[64];
    size_t             len = 0;
    ssize_t            n;

    g_assert_cmpint(getsockname(other, (struct sockaddr *)&here, &here_len), ==, 0);
    request.response_port = ntohs(here.sin_port);
    g_assert_cmpint(mesh_stun_encode_request(&request, MESH_STUN_REQUEST_BYTES, buffer,
                                             sizeof(buffer), &len),
                    ==, 0);
    g_assert_cmpint(setsockopt(other, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), ==, 0);
    do /* what others asked from here may have spent our allowance */
        g_assert_cmpint(send(asker, buffer, len, 0), ==, (ssize_t)len);
    while ((n = recv(other, came, sizeof(came), 0)) < 0);
    g_assert_cmpint(mesh_stun_decode(MESH_SPAN(came, (size_t)n), &answer), ==, 0);
    g_assert_cmpint(getsockname(asker, (struct sockaddr *)&here, &here_len), ==, 0);
    g_assert_cmpuint(answer.mapped.port, ==, ntohs(here.sin_port));
    g_assert_cmpint(recv(asker, buffer, sizeof(buffer), MSG_DONTWAIT), <, 0);
    (void)close(asker);
    (void)close(other);
}

/* Answers cost a source a place in its allowance: a flood is not answered for long. */
static void test_strangers(void)
{
    RelayClient       self = { .fd = open_plain(rig.port) };
    MeshRelayGreeting greeting = { .nonce = { 1 } };
    uint8_t           hello[MESH_RELAYBIND_HELLO_BYTES];
    unsigned          answers = 0;

    mesh_relaybind_encode_hello(&greeting, hello);
    for (int i = 0; i < 500; i++)
        g_assert_cmpint(send(self.fd, hello, sizeof(hello), 0), ==, sizeof(hello));
    while (relay_client_receive(&self, buffer, sizeof(buffer), 300) > 0)
        answers++;
    g_assert_cmpuint(answers, >=, 1);
    g_assert_cmpuint(answers, <, 100);
    (void)close(self.fd);
}

/* One that is free: other runs on this machine have theirs. */
static uint16_t find_port(void)
{
    struct sockaddr_in6 name = { .sin6_family = AF_INET6 };
    socklen_t           len = sizeof(name);
    int                 fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(bind(fd, (struct sockaddr *)&name, sizeof(name)), ==, 0);
    g_assert_cmpint(getsockname(fd, (struct sockaddr *)&name, &len), ==, 0);
    (void)close(fd);
    return ntohs(name.sin6_port);
}

int main(int argc, char **argv)
{
    int rc;

    g_test_init(&argc, &argv, NULL);
    relay_rig_start(&rig, find_port());
    g_test_add_func("/relay/forward", test_forward);
    g_test_add_func("/relay/bulk", test_bulk);
    g_test_add_func("/relay/joined", test_joined);
    g_test_add_func("/relay/other-network", test_other_network);
    g_test_add_func("/relay/forged", test_forged);
    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autofree char *path = g_strdup_printf("/relay/refused/%s", refused[i].name);

        g_test_add_data_func(path, &refused[i], test_refused);
    }
    g_test_add_func("/relay/revoked", test_revoked);
    g_test_add_func("/relay/bind-again", test_bind_again);
    g_test_add_func("/relay/move", test_move);
    g_test_add_func("/relay/where", test_where);
    g_test_add_func("/relay/close", test_close);
    g_test_add_func("/relay/restart", test_restart);
    g_test_add_func("/relay/rate", test_rate);
    g_test_add_func("/relay/blaster", test_blaster);
    g_test_add_data_func("/relay/stun/main", GUINT_TO_POINTER(0), test_stun);
    g_test_add_data_func("/relay/stun/alt", GUINT_TO_POINTER(1), test_stun);
    g_test_add_func("/relay/stun/change", test_stun_change);
    g_test_add_func("/relay/stun/response-port", test_stun_response_port);
    g_test_add_func("/relay/strangers", test_strangers);
    rc = g_test_run();
    relay_rig_stop(&rig);
    return rc;
}
