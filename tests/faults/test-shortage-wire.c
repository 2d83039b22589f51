/* The data plane when each allocation, descriptor or read fails once: what was told to it stands
 * as a whole or not at all, it goes on with what it had, and the same again succeeds. */
#include "common/std/endpoint.h"
#include "common/std/hash.h"
#include "tests/daemon/wire/pair-steer.h"
#include "tests/faults/shortage.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PEERS = 24, IPS_EACH = 3, LIMIT_MS = 60000 };

static MeshKey keys[PEERS];

/* ---- the configuration ---- */

/* Everything that a configuration tells, as text. */
static void describe_ip(const MeshPrefix *prefix, void *data)
{
    char text[MESH_IP_PREFIX_TEXT_SIZE];

    g_string_append_printf(data, " %s", mesh_ip_format_prefix(prefix, text));
}

typedef struct {
    const WireConfig *config;
    GString          *text;
} Description;

static void describe_peer(const WirePeerSpec *spec, void *data)
{
    Description *self = data;
    char         text[MESH_KEY_TEXT_SIZE];

    g_string_append_printf(self->text, "\n%s %u", mesh_key_format(&spec->public_key, text),
                           spec->keepalive_s);
    wire_config_list_allowed_ips(self->config, &spec->public_key, describe_ip, self->text);
}

static char *describe(const WireConfig *config)
{
    Description self = { config, g_string_new(NULL) };

    wire_config_list_peers(config, describe_peer, &self);
    return g_string_free(self.text, FALSE);
}

static MeshPrefix prefix_of(unsigned peer, unsigned number)
{
    MeshPrefix prefix = { .bits = 32 };

    prefix.addr =
        mesh_ip_make_addr(AF_INET, (const uint8_t[]){ 10, 1, (uint8_t)peer, (uint8_t)number });
    return prefix;
}

/* Step @n of making a configuration of all peers. Returns: 1: there is no such step. */
static int build_step(WireConfig *config, unsigned n)
{
    unsigned      peer = n / (IPS_EACH + 1), part = n % (IPS_EACH + 1);
    WirePeerSpec  spec = { .public_key = keys[peer % PEERS], .keepalive_s = 5 };
    WireFilterRow row = { .accept = true };
    MeshPrefix    prefix = prefix_of(peer, part);

    if (n == PEERS * (IPS_EACH + 1))
        return wire_config_set_filter(config, &row, 1, false);
    if (n > PEERS * (IPS_EACH + 1))
        return 1;
    return part == 0 ? wire_config_put_peer(config, &spec)
                     : wire_config_add_allowed_ip(config, &spec.public_key, &prefix);
}

static void use_config(void)
{
    g_autofree char *whole = NULL, *copied = NULL;
    WireConfig      *config, *copy;
    int              rc = 0;

    shortage_begin();
    config = wire_config_new();
    if (config == NULL) {
        shortage_end();
        return;
    }
    for (unsigned n = 0; rc != 1;) {
        g_autofree char *before = describe(config);

        rc = build_step(config, n);
        if (rc < 0) { /* nothing of it happened */
            g_autofree char *after = describe(config);

            g_assert_cmpint(rc, ==, -ENOMEM);
            g_assert_cmpstr(after, ==, before);
            shortage_end();
        } else
            n++;
    }
    copy = wire_config_dup(config);
    shortage_end();
    if (copy == NULL)
        copy = wire_config_dup(config);
    g_assert_nonnull(copy);
    whole = describe(config);
    copied = describe(copy);
    g_assert_cmpstr(whole, ==, copied);
    wire_config_free(config);
    wire_config_free(copy);
}

/* ---- a plane ---- */

static WireConfig *make_config(unsigned n_peers)
{
    WireConfig *config = wire_config_new();

    g_assert_nonnull(config);
    for (unsigned n = 0; n < n_peers * (IPS_EACH + 1); n++)
        g_assert_cmpint(build_step(config, n), ==, 0);
    return config;
}

static bool knows(WirePlane *plane, unsigned peer)
{
    WirePeerInfo info;

    return wire_plane_get_peer(plane, &keys[peer], &info) == 0;
}

static void check_apply(WirePlane *plane, const WireConfig *config, unsigned n_before, unsigned n)
{
    int rc = wire_plane_apply(plane, config);

    if (rc < 0) { /* the old one runs on, whole */
        for (unsigned i = 0; i < PEERS; i++)
            g_assert_true(knows(plane, i) == (i < n_before));
        shortage_end();
        g_assert_cmpint(wire_plane_apply(plane, config), ==, 0);
    }
    for (unsigned i = 0; i < PEERS; i++)
        g_assert_true(knows(plane, i) == (i < n));
}

static void check_route(WirePlane *plane)
{
    WireRoute    route = { .endpoint = mesh_endpoint_make4(INADDR_LOOPBACK, 9), .n_candidates = 1 };
    WirePeerInfo info;
    int          rc;

    route.candidates[0] = mesh_endpoint_make4(INADDR_LOOPBACK, 10);
    rc = wire_plane_set_route(plane, &keys[0], &route, false);
    g_assert_cmpint(wire_plane_get_peer(plane, &keys[0], &info), ==, 0);
    g_assert_true(info.endpoint.port == (rc == 0 ? 9 : 0));
    shortage_end();
    g_assert_cmpint(wire_plane_set_route(plane, &keys[0], &route, false), ==, 0);
}

static void use_plane(void)
{
    WireConfig      *small = make_config(PEERS / 2), *large = make_config(PEERS);
    WirePlaneOptions options = { .ifname = "short" };
    WirePlane       *plane = NULL;
    MeshKey          secret;
    int              fds[2], rc;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), ==, 0);
    options.tun_fd = fds[1];
    mesh_key_make_private(&secret);
    shortage_begin();
    rc = wire_plane_start(&options, &plane);
    if (rc < 0) {
        g_assert_null(plane);
        g_assert_cmpint(fcntl(fds[1], F_GETFD), >=, 0); /* taken over on success only */
        shortage_end();
        g_assert_cmpint(wire_plane_start(&options, &plane), ==, 0);
    }
    rc = wire_plane_set_private_key(plane, &secret);
    g_assert_true(rc == 0 || rc == -ENOMEM);
    check_apply(plane, small, 0, PEERS / 2);
    check_apply(plane, large, PEERS / 2, PEERS);
    check_route(plane);
    wire_plane_stop(plane);
    close(fds[0]);
    wire_config_free(small);
    wire_config_free(large);
}

/* ---- a session ---- */

/* Whether exactly this packet comes out; others are passed over. False: something was refused, and
 * nothing came for @patience_ms. */
static bool comes_out(PairSide *side, const uint8_t *packet, size_t len, int patience_ms)
{
    struct pollfd wait = { .fd = side->host, .events = POLLIN };
    gint64        limit = g_get_monotonic_time() + LIMIT_MS * 1000;
    uint8_t       got[2048];

    while (g_get_monotonic_time() < limit) {
        int ready = g_poll((GPollFD *)&wait, 1, patience_ms);

        if (ready > 0 && recv(side->host, got, sizeof(got), MSG_DONTWAIT) == (ssize_t)len &&
            memcmp(got, packet, len) == 0)
            return true;
        if (ready == 0 && shortage_happened())
            return false; /* perhaps this packet was the price of it */
    }
    g_error("nothing was refused, and yet a packet is lost");
}

static void insist(Pair *pair, bool from_a, uint8_t seed)
{
    uint8_t packet[300];

    pair_make_packet(from_a, false, seed, sizeof(packet), packet);
    for (int tries = 1; tries < 100; tries++) {
        pair_write(from_a ? &pair->a : &pair->b, packet, sizeof(packet));
        /* Ever longer: a handshake must not be overtaken by the next on a busy machine. */
        if (comes_out(from_a ? &pair->b : &pair->a, packet, sizeof(packet), 20 * tries))
            return;
        shortage_end();
        pair_advance(pair, 5500); /* the next initiation is due */
    }
    g_error("it does not come back");
}

static bool host_is_drained(void *data)
{
    PairSide *side = data;
    uint8_t   got[2048];

    while (recv(side->host, got, sizeof(got), MSG_DONTWAIT) > 0)
        continue;
    return pair_is_quiet(side);
}

static void use_session(void)
{
    Pair pair;

    pair_start(&pair, &(PairOptions){ .psk = true });
    shortage_begin();
    insist(&pair, true, 1);
    insist(&pair, false, 2);
    shortage_end();
    insist(&pair, true, 3);
    insist(&pair, false, 4);
    pair_wait_until(host_is_drained, &pair.a);
    pair_wait_until(host_is_drained, &pair.b);
    pair_stop(&pair);
}

static const ShortageRow rows[] = {
    { "config/memory", { SHORTAGE_MEMORY, ENOMEM, false }, use_config, 200 },
    { "config/memory-for-good", { SHORTAGE_MEMORY, ENOMEM, true }, use_config, 200 },
    { "plane/memory", { SHORTAGE_MEMORY, ENOMEM, false }, use_plane, 50 },
    { "plane/memory-for-good", { SHORTAGE_MEMORY, ENOMEM, true }, use_plane, 50 },
    { "plane/descriptors", { SHORTAGE_DESCRIPTORS, EMFILE, false }, use_plane, 10 },
    { "plane/descriptors-for-good", { SHORTAGE_DESCRIPTORS, EMFILE, true }, use_plane, 10 },
    { "session/memory", { SHORTAGE_MEMORY, ENOMEM, false }, use_session, 4 },
    { "session/reads-interrupted", { SHORTAGE_READS, EINTR, false }, use_session, 10 },
    { "session/reads-without-memory", { SHORTAGE_READS, ENOMEM, false }, use_session, 10 },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    pair_use_clock();
    g_assert_cmpint(mesh_key_init(), ==, 0);
    g_assert_cmpint(mesh_hash_init(), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        mesh_key_make_private(&keys[i]);
        mesh_key_make_public(&keys[i], &keys[i]);
    }
    shortage_add_rows(rows, G_N_ELEMENTS(rows));
    return g_test_run();
}
