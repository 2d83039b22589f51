/* tests/daemon/wire/test-handshake.c: under load strangers are asked for a cookie, garbage gets
 * nothing, and the peer comes through: at once when it has shown a cookie. */
#include <glib.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "daemon/wire/cookie.h"
#include "daemon/wire/freshness.h"
#include "daemon/wire/state.h"
#include "pair-steer.h"

enum { FLOOD = 900 }; /* messages, sent faster than curves can be computed */

enum {
    INDEX = 77,
    AT_RECEIVER = 4
}; /* the sender of the test's initiations; where a reply names it */

#define NS_PER_MS INT64_C(1000000)

typedef struct {
    int                     fd;
    struct sockaddr_storage to;
    socklen_t               len;
} Flooder;

static void flooder_start(Flooder *self, PairSide *victim)
{
    MeshEndpoint to = pair_endpoint(victim, false);

    self->len = mesh_endpoint_to_sockaddr(&to, &self->to);
    self->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(self->fd, >=, 0);
}

static void say(Flooder *self, const uint8_t *message, size_t len)
{
    g_assert_cmpint(sendto(self->fd, message, len, 0, (struct sockaddr *)&self->to, self->len), ==,
                    (int)len);
}

/* Initiations that nobody sealed; @honest: with the mac1 that whoever knows the victim can make. */
static void flood(Flooder *self, const PairSide *victim, bool honest, unsigned n)
{
    uint8_t       message[WIRE_INITIATION_BYTES];
    WireCookieJar jar;

    wire_cookie_jar_init(&jar, &victim->public_key);
    for (unsigned i = 0; i < n; i++) {
        mesh_key_random(message, sizeof(message));
        memset(message, 0, 4);
        message[0] = 1;
        if (honest)
            wire_cookie_add_macs(&jar, message, sizeof(message), 1);
        say(self, message, sizeof(message));
    }
}

static uint64_t count_judged(PairSide *side)
{
    return pair_drops(side, WIRE_DROP_FORGED) + pair_drops(side, WIRE_DROP_HANDSHAKES);
}

/* All of what was sent has been judged or refused. */
static bool is_digested(void *data)
{
    return count_judged(data) >= FLOOD;
}

static unsigned count_answers(Flooder *self)
{
    uint8_t  answer[256];
    unsigned n = 0;
    ssize_t  len;

    while ((len = recv(self->fd, answer, sizeof(answer), MSG_DONTWAIT)) > 0) {
        g_assert_cmpint(len, ==, WIRE_COOKIE_BYTES); /* smaller than what it answers */
        g_assert_cmpuint(answer[0], ==, 3);
        n++;
    }
    return n;
}

static void test_garbage(void)
{
    Flooder flooder;
    Pair    pair;

    pair_start(&pair, &(PairOptions){ .unrouted = true });
    flooder_start(&flooder, &pair.b);
    flood(&flooder, &pair.b, false, FLOOD);
    pair_wait_until(is_digested, &pair.b);
    g_assert_cmpuint(count_answers(&flooder), ==, 0);
    close(flooder.fd);
    pair_stop(&pair);
}

/* The peer was asked for one, too, and took it. */
static bool has_cookie(void *data)
{
    Pair *pair = data;

    return pair_info(&pair->a, &pair->b).rx_bytes == WIRE_COOKIE_BYTES;
}

static void test_under_load(void)
{
    uint8_t      packet[100];
    MeshEndpoint to;
    Flooder      flooder;
    Pair         pair;

    pair_start(&pair, &(PairOptions){ .unrouted = true });
    flooder_start(&flooder, &pair.b);
    flood(&flooder, &pair.b, true, FLOOD);
    pair_wait_until(is_digested, &pair.b);
    g_assert_cmpuint(count_answers(&flooder), >, 0);
    to = pair_endpoint(&pair.b, false);
    pair_route(&pair.a, &pair.b, &to);
    pair_make_packet(true, false, 1, sizeof(packet), packet);
    pair_write(&pair.a, packet, sizeof(packet));
    pair_wait_until(has_cookie, &pair);
    g_assert_false(pair_info(&pair.a, &pair.b).has_session);
    pair_advance(&pair, 5400); /* with the next try it is shown */
    pair_wait_event(&pair.a, WIRE_EVENT_HANDSHAKE, NULL);
    g_assert_cmpuint(pair_read(&pair.b, packet, sizeof(packet)), ==, sizeof(packet));
    close(flooder.fd);
    pair_stop(&pair);
}

/* ---- a handshake thread that the test can hold, on a clock that stands still ---- */

static struct {
    _Atomic bool held;
    _Atomic int  n_waiting;
} rein;

static int64_t read_clock(void *data)
{
    char name[16];

    (void)data;
    if (!rein.held || pthread_getname_np(pthread_self(), name, sizeof(name)) != 0 ||
        strcmp(name, "mesh-handshake") != 0)
        return 1000000 * NS_PER_MS;
    rein.n_waiting++;
    while (rein.held)
        g_usleep(1000);
    rein.n_waiting--;
    return 1000000 * NS_PER_MS;
}

static bool are_waiting(void *data)
{
    (void)data;
    return rein.n_waiting == 2; /* a's and b's */
}

static void hold_handshakes(Pair *pair)
{
    rein.held = true;
    wire_mailbox_ring(&pair->a.plane->to_handshake);
    wire_mailbox_ring(&pair->b.plane->to_handshake);
    pair_wait_until(are_waiting, NULL);
}

/* An initiation of a to b, made by the test; @second tells those of one pair apart. */
static void make_initiation(Pair *pair, WireCookieJar *jar, unsigned second,
                            uint8_t out[WIRE_INITIATION_BYTES])
{
    WireIdentity   a = { pair->a.private_key, pair->a.public_key };
    WireHandshake  handshake = { .local_index = INDEX };
    WireMoment     at = { .wall_ns = (1000 + second) * 1000 * NS_PER_MS };
    MeshKey        no_psk = { { 0 } };
    WireNoiseFresh fresh;
    WireRemote     b;
    int64_t        last_ns = 0;

    g_assert_cmpint(wire_noise_make_remote(&a, &pair->b.public_key, &no_psk, &b), ==, 0);
    mesh_key_make_private(&fresh.ephemeral);
    wire_freshness_encode(wire_freshness_next(&last_ns, &at), fresh.timestamp);
    g_assert_cmpint(wire_noise_create_initiation(&handshake, &a, &b, &fresh, out), ==, 0);
    wire_cookie_add_macs(jar, out, WIRE_INITIATION_BYTES, 1);
}

/* The next datagram that comes back. */
static size_t next_answer(Flooder *self, uint8_t out[256])
{
    struct pollfd wait = { .fd = self->fd, .events = POLLIN };
    ssize_t       len;

    g_assert_cmpint(poll(&wait, 1, 20000), ==, 1);
    len = recv(self->fd, out, 256, 0);
    g_assert_cmpint(len, >, 0);
    return (size_t)len;
}

/* The cookie for the test's own initiation. Before it may come those for the end of the flood,
 * which was counted as judged before its answers were sent. */
static void next_cookie(Flooder *self, uint8_t out[256])
{
    do
        g_assert_cmpuint(next_answer(self, out), ==, WIRE_COOKIE_BYTES);
    while (memcmp(out + AT_RECEIVER, (uint8_t[4]){ INDEX }, 4) != 0);
}

/* Its bell rings after it took one: what counts messages does so before, and for those refused. */
static bool has_one_proven(void *data)
{
    const PairSide *side = data;
    struct pollfd   bell = { .fd = mesh_ring_fd(side->plane->proven), .events = POLLIN };

    return poll(&bell, 1, 0) == 1;
}

/* The queue is full of what strangers sent. Who shows a cookie finds a place, and is served before
 * any of them. */
static void test_cookie_goes_first(void)
{
    static const MeshClockSource frozen = { .boot_ns = read_clock, .wall_ns = read_clock };
    uint8_t                      message[WIRE_INITIATION_BYTES], answer[256];
    WireCookieJar                jar;
    Flooder                      flooder;
    Pair                         pair;

    mesh_clock_set_source(&frozen);
    pair_start(&pair, &(PairOptions){ .unrouted = true });
    flooder_start(&flooder, &pair.b);
    wire_cookie_jar_init(&jar, &pair.b.public_key);
    flood(&flooder, &pair.b, true, FLOOD); /* under load, and as the clock stands, it remains so */
    pair_wait_until(is_digested, &pair.b);
    count_answers(&flooder);
    make_initiation(&pair, &jar, 1, message);
    say(&flooder, message, sizeof(message));
    next_cookie(&flooder, answer);
    g_assert_cmpint(wire_cookie_take_reply(&jar, answer, 1), ==, 0);

    hold_handshakes(&pair);
    for (uint64_t drops = count_judged(&pair.b); count_judged(&pair.b) == drops;)
        flood(&flooder, &pair.b, true, 64);
    make_initiation(&pair, &jar, 2, message);
    say(&flooder, message, sizeof(message));
    pair_wait_until(has_one_proven, &pair.b);
    rein.held = false;
    g_assert_cmpuint(next_answer(&flooder, answer), ==, WIRE_RESPONSE_BYTES);
    g_assert_cmpuint(answer[0], ==, WIRE_MESSAGE_RESPONSE);
    close(flooder.fd);
    pair_stop(&pair);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    pair_use_clock();
    g_test_add_func("/handshake/garbage", test_garbage);
    g_test_add_func("/handshake/under-load", test_under_load);
    g_test_add_func("/handshake/cookie-goes-first", test_cookie_goes_first);
    return g_test_run();
}
