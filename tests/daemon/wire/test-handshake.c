/* tests/daemon/wire/test-handshake.c: under load strangers are asked for a cookie, garbage gets
 * nothing, and the peer comes through. */
#include <glib.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/std/endpoint.h"
#include "daemon/wire/cookie.h"
#include "pair-steer.h"

enum { FLOOD = 900 }; /* messages, sent faster than curves can be computed */

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

/* Initiations that nobody sealed; @honest: with the mac1 that whoever knows the victim can make. */
static void flood(Flooder *self, const PairSide *victim, bool honest)
{
    uint8_t       message[WIRE_INITIATION_BYTES];
    WireCookieJar jar;

    wire_cookie_jar_init(&jar, &victim->public_key);
    for (unsigned i = 0; i < FLOOD; i++) {
        mesh_key_random(message, sizeof(message));
        memset(message, 0, 4);
        message[0] = 1;
        if (honest)
            wire_cookie_add_macs(&jar, message, sizeof(message), 1);
        g_assert_cmpint(sendto(self->fd, message, sizeof(message), 0, (struct sockaddr *)&self->to,
                               self->len),
                        ==, (int)sizeof(message));
    }
}

/* All of what was sent has been judged or refused. */
static bool is_digested(void *data)
{
    PairSide *side = data;

    return pair_drops(side, WIRE_DROP_FORGED) + pair_drops(side, WIRE_DROP_HANDSHAKES) >= FLOOD;
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
    flood(&flooder, &pair.b, false);
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
    flood(&flooder, &pair.b, true);
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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    pair_use_clock();
    g_test_add_func("/handshake/garbage", test_garbage);
    g_test_add_func("/handshake/under-load", test_under_load);
    return g_test_run();
}
