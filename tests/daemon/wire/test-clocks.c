/* tests/daemon/wire/test-clocks.c: two planes whose clocks disagree, jump and forget: they still
 * make sessions, and recorded initiations are of no use. */
#include <glib.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "daemon/wire/time.h"
#include "pair-steer.h"

#define NOW      INT64_C(1700000000)
#define YEARS_10 (INT64_C(10) * 365 * 86400)

static _Atomic int64_t wall_s = NOW;

static int64_t get_boot_ns(void *data)
{
    struct timespec now;

    (void)data;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t get_wall_ns(void *data)
{
    (void)data;
    return wall_s * 1000000000 + 5;
}

/* A new plane for @side, as after a restart: same keys and peer, no memory but what is given. */
static void restart(PairSide *side, const PairSide *peer, int64_t taken_ns, const WireTime *time)
{
    WirePeerSpec spec;

    g_assert_cmpint(wire_config_get_peer(side->config, &peer->public_key, &spec), ==, 0);
    spec.taken_ns = taken_ns;
    g_assert_cmpint(wire_config_put_peer(side->config, &spec), ==, 0);
    pair_restart(side);
    if (time != NULL)
        wire_time_set(side->plane, time);
    pair_apply(side);
}

static void route(PairSide *side, const PairSide *peer)
{
    MeshEndpoint to = pair_endpoint(peer, false);

    pair_route(side, peer, &to);
}

static void pass(Pair *pair)
{
    pair_pass(pair, true, false, 1, 100);
    pair_wait_event(&pair->a, WIRE_EVENT_HANDSHAKE, NULL);
}

/* One that forgot its session but not its floor starts anew although its clock stands at 1970. */
static void test_sender_back_at_1970(void)
{
    WireTime floor = { .until_s = 0 };
    Pair     pair;

    wall_s = NOW;
    pair_start(&pair, &(PairOptions){ .psk = false });
    pass(&pair);
    wall_s = 100;
    floor.from_s = NOW + 1;
    restart(&pair.a, &pair.b, 0, &floor);
    route(&pair.a, &pair.b);
    pass(&pair);
    pair_stop(&pair);
}

static bool has_refused(void *data)
{
    return pair_drops(data, WIRE_DROP_REPLAYED) > 0;
}

/* Without a floor it would be refused: that is what the floor is for. */
static void test_sender_without_floor(void)
{
    uint8_t packet[100];
    Pair    pair;

    wall_s = NOW;
    pair_start(&pair, &(PairOptions){ .psk = false });
    pass(&pair);
    wall_s = 100;
    restart(&pair.a, &pair.b, 0, NULL);
    route(&pair.a, &pair.b);
    pair_make_packet(true, false, 1, sizeof packet, packet);
    pair_write(&pair.a, packet, sizeof packet);
    pair_wait_until(has_refused, &pair.b);
    pair_stop(&pair);
}

/* What stands between a and b, and keeps a's initiation. */
typedef struct {
    int     fd;
    uint8_t initiation[148];
} Recorder;

static void record(Recorder *self, Pair *pair)
{
    struct sockaddr_storage name;
    MeshEndpoint            any = mesh_endpoint_make4(0x7f000001, 0), here;
    socklen_t               len = mesh_endpoint_to_sockaddr(&any, &name);
    struct pollfd           wait = { .events = POLLIN };
    uint8_t                 packet[100];

    self->fd = wait.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(self->fd, (struct sockaddr *)&name, len), ==, 0);
    g_assert_cmpint(getsockname(self->fd, (struct sockaddr *)&name, &len), ==, 0);
    g_assert_cmpint(mesh_endpoint_from_sockaddr((struct sockaddr *)&name, len, false, &here), ==,
                    0);
    pair_route(&pair->a, &pair->b, &here);
    pair_make_packet(true, false, 1, sizeof packet, packet);
    pair_write(&pair->a, packet, sizeof packet);
    g_assert_cmpint(poll(&wait, 1, 20000), ==, 1);
    g_assert_cmpint(recv(self->fd, self->initiation, sizeof self->initiation, 0), ==, 148);
}

static void replay(Recorder *self, PairSide *to)
{
    MeshEndpoint            at = pair_endpoint(to, false);
    struct sockaddr_storage name;
    socklen_t               len = mesh_endpoint_to_sockaddr(&at, &name);

    g_assert_cmpint(sendto(self->fd, self->initiation, 148, 0, (struct sockaddr *)&name, len), ==,
                    148);
}

/* Until it is refused: where much else goes on, loopback loses a datagram as well. */
static void replay_in_vain(Recorder *self, PairSide *to)
{
    gint64 limit = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;

    do {
        g_assert_cmpint(g_get_monotonic_time(), <, limit);
        replay(self, to);
        g_usleep(10000);
    } while (!has_refused(to));
}

static bool is_answered(Recorder *self, int wait_ms)
{
    struct pollfd wait = { .fd = self->fd, .events = POLLIN };

    return poll(&wait, 1, wait_ms) == 1;
}

/* A recorded initiation moves no endpoint after a restart of the responder that kept its floor. */
static void test_receiver_restarts(void)
{
    Recorder recorder;
    uint8_t  answer[200];
    Pair     pair;
    int64_t  taken_ns;

    wall_s = NOW;
    pair_start(&pair, &(PairOptions){ .unrouted = true });
    record(&recorder, &pair);
    replay(&recorder, &pair.b);
    g_assert_true(is_answered(&recorder, 20000)); /* the first time it is no replay */
    g_assert_cmpint(recv(recorder.fd, answer, sizeof answer, 0), ==, 92);
    taken_ns = pair_info(&pair.b, &pair.a).taken_ns;
    g_assert_cmpint(taken_ns, ==, NOW * 1000000000);
    restart(&pair.b, &pair.a, taken_ns, NULL);
    replay_in_vain(&recorder, &pair.b);
    g_assert_false(is_answered(&recorder, 0));
    g_assert_cmpuint(pair_info(&pair.b, &pair.a).endpoint.addr.family, ==, 0);
    close(recorder.fd);
    pair_stop(&pair);
}

/* Once a's clock was ten years ahead and somebody kept the initiation. Who knows the time refuses
 * it; who took it before he knew is talked to again as soon as he does. */
static void test_ten_years_ahead(gconstpointer data)
{
    bool     taken = GPOINTER_TO_INT(data);
    WireTime known = { .true_s = NOW };
    Recorder recorder;
    uint8_t  answer[200];
    Pair     pair;

    wall_s = NOW + YEARS_10;
    pair_start(&pair, &(PairOptions){ .unrouted = true });
    record(&recorder, &pair);
    if (taken) {
        replay(&recorder, &pair.b);
        g_assert_true(is_answered(&recorder, 20000));
        g_assert_cmpint(recv(recorder.fd, answer, sizeof answer, 0), ==, 92);
        g_assert_cmpint(pair_info(&pair.b, &pair.a).taken_ns, ==, wall_s * 1000000000);
    }
    wall_s = NOW;
    wire_time_set(pair.b.plane, &known);
    replay_in_vain(&recorder, &pair.b);
    g_assert_false(is_answered(&recorder, 0));
    restart(&pair.a, &pair.b, 0, &known);
    route(&pair.a, &pair.b);
    wall_s = NOW + 60; /* later than what the floor fell back to */
    pass(&pair);
    g_assert_cmpint(pair_info(&pair.b, &pair.a).taken_ns, <, (NOW + 3600) * 1000000000);
    close(recorder.fd);
    pair_stop(&pair);
}

int main(int argc, char **argv)
{
    static const MeshClockSource source = { .boot_ns = get_boot_ns, .wall_ns = get_wall_ns };

    g_test_init(&argc, &argv, NULL);
    mesh_clock_set_source(&source);
    g_test_add_func("/clocks/sender-back-at-1970", test_sender_back_at_1970);
    g_test_add_func("/clocks/sender-without-floor", test_sender_without_floor);
    g_test_add_func("/clocks/receiver-restarts", test_receiver_restarts);
    g_test_add_data_func("/clocks/ten-years-ahead", GINT_TO_POINTER(0), test_ten_years_ahead);
    g_test_add_data_func("/clocks/ten-years-ahead-and-taken", GINT_TO_POINTER(1),
                         test_ten_years_ahead);
    return g_test_run();
}
