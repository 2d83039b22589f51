#include "tests/daemon/path/hardlab.h"

#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "common/std/key.h"
#include "daemon/path/relayhome.h"
#include "daemon/wire/ways.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PING_BYTES = MESH_PROBE_PING_BYTES + HARDLAB_IP_UDP_BYTES,
    RELAY_BYTES = 40 + HARDLAB_IP_UDP_BYTES, /* of a ping of the relay, and of its pong */
};

Hardlab lab;

static int64_t get_boot_ns(void *user_data)
{
    (void)user_data;
    return g_get_monotonic_time() * 1000 + lab.ahead_ms * 1000000;
}

static const MeshClockSource clock_source = { .boot_ns = get_boot_ns, .wall_ns = get_boot_ns };

void hardlab_start(void)
{
    mesh_clock_set_source(&clock_source);
}

static HardlabSide *side_of(const void *seek)
{
    return seek == &lab.sides[0].seek ? &lab.sides[0] : &lab.sides[1];
}

/* ---- what hardnat.c calls ---- */

PathWay *path_seek_get_active(PathSeek *self)
{
    return wire_way_is_set(&self->active) ? path_ways_find(&self->ways, &self->active) : NULL;
}

typedef struct {
    HardlabSide *to;
    MeshProbe    probe;
} Delivery;

/* Later: none of the two is called from inside itself. */
static gboolean on_delivery(gpointer user_data)
{
    Delivery *delivery = user_data;

    if (lab.apart)
        return G_SOURCE_REMOVE;
    if (delivery->probe.type == MESH_PROBE_CALL)
        path_hardnat_take_call(&delivery->to->seek, &delivery->probe);
    else
        path_hardnat_take_ack(&delivery->to->seek, &delivery->probe);
    return G_SOURCE_REMOVE;
}

bool path_seek_is_alive(const PathSeek *self)
{
    return !side_of(self)->silent;
}

bool path_meet_is_direct(PathSeek *self)
{
    return path_seek_get_active(self) != NULL;
}

static void deliver(HardlabSide *from, const MeshProbe *probe)
{
    Delivery *delivery = g_new0(Delivery, 1);

    delivery->to = from == &lab.sides[0] ? &lab.sides[1] : &lab.sides[0];
    delivery->probe = *probe;
    from->n_bytes += MESH_PROBE_PING_BYTES + 16 + HARDLAB_IP_UDP_BYTES;
    from->n_calls += probe->type == MESH_PROBE_CALL;
    from->n_acks += probe->type == MESH_PROBE_CALL_ACK;
    g_assert_cmpuint(probe->flags | MESH_PROBE_HALF, ==, MESH_PROBE_HARD | MESH_PROBE_HALF);
    g_idle_add_full(G_PRIORITY_DEFAULT, on_delivery, delivery, g_free);
}

bool path_seek_send(PathSeek *self, const MeshProbe *probe, const WireWay *way, uint8_t ttl)
{
    HardlabSide *side = side_of(self);

    (void)ttl;
    if (way->link != 0) {
        deliver(side, probe);
        return true;
    }
    side->n_pings++;
    side->n_bytes += PING_BYTES;
    side->strayed |= !mesh_ip_equal_addr(&way->endpoint.addr, &self->seen.addr);
    side->pinged[way->endpoint.port] = true;
    return true;
}

bool path_seek_ping(PathSeek *self, PathWay *way, uint8_t ttl)
{
    (void)self, (void)way, (void)ttl;
    return true;
}

void path_seek_take_probe(PathSeek *self, const MeshProbe *probe, const WireEvent *event)
{
    (void)self, (void)probe, (void)event;
}

bool path_attempt_is_caller(const PathSeek *self)
{
    return self == &lab.sides[0].seek;
}

bool path_relays_look(PathRelays *self, const WireWay *way, bool ping, PathRelayLook *out_look)
{
    HardlabSide *side = (HardlabSide *)(void *)self;

    (void)way;
    side->n_looks += ping;
    side->n_bytes += ping ? 2 * RELAY_BYTES : 0;
    *out_look = side->look;
    return true;
}

void path_relays_ask(PathRelays *self, const WireWay *way)
{
    (void)way;
    ((HardlabSide *)(void *)self)->n_asked++;
}

bool path_relayhome_get_home(PathRelays *self, uint16_t *out_id, MeshEndpoint *out_seen)
{
    *out_id = 1;
    *out_seen = ((HardlabSide *)(void *)self)->look.seen;
    return true;
}

void wire_plane_get_info(WirePlane *self, WirePlaneInfo *out_info)
{
    (void)self;
    *out_info = (WirePlaneInfo){ .listen_port = 51820 };
}

int wire_ways_adopt_socket(WirePlane *self, int fd)
{
    HardlabSide *side = (HardlabSide *)(void *)self;

    if (side->adopts > 0)
        side->adopted = fd;
    return side->adopts;
}

void wire_ways_drop_socket(WirePlane *self, uint8_t socket)
{
    HardlabSide *side = (HardlabSide *)(void *)self;

    g_assert_cmpuint(socket, ==, 3);
    side->dropped++;
    close(side->adopted);
    side->adopted = -1;
}

/* ---- */

MeshEndpoint hardlab_at_loopback(uint16_t port)
{
    MeshAddr addr;

    g_assert_cmpint(mesh_ip_parse_addr("127.0.0.1", &addr), ==, 0);
    return mesh_endpoint_make(&addr, port);
}

static uint16_t open_far(void)
{
    struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t          len = sizeof name;
    int                size = 1 << 20;

    lab.far = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    g_assert_cmpint(lab.far, >=, 0);
    g_assert_cmpint(bind(lab.far, (struct sockaddr *)&name, sizeof name), ==, 0);
    g_assert_cmpint(setsockopt(lab.far, SOL_SOCKET, SO_RCVBUF, &size, sizeof size), ==, 0);
    g_assert_cmpint(getsockname(lab.far, (struct sockaddr *)&name, &len), ==, 0);
    return ntohs(name.sin_port);
}

static void make_side(HardlabSide *side, MeshProbeDependence own, MeshProbeDependence peers,
                      uint16_t port)
{
    void *itself = side;

    memset(side, 0, sizeof *side);
    side->adopts = 3;
    side->adopted = -1;
    side->look = (PathRelayLook){ .alt = hardlab_at_loopback(port), .rtt_us = 30000 };
    side->host.plane = itself;
    side->host.relays = itself;
    side->host.nat.mapping = own;
    side->host.ports_known = true;
    side->seek.host = &side->host;
    side->seek.told = &side->told;
    side->seek.relay = (WireWay){ .link = 1, .index = 2 };
    side->seek.nat.mapping = peers;
    side->seek.seen = hardlab_at_loopback(port);
    mesh_key_make_private(&side->secret);
    mesh_key_make_public(&side->secret, &side->public_key);
}

void hardlab_set_up(MeshProbeDependence first, MeshProbeDependence second)
{
    static const uint8_t net[8] = { 1 };
    uint16_t             port = open_far();

    lab.apart = false;
    make_side(&lab.sides[0], first, second, port);
    make_side(&lab.sides[1], second, first, port);
    for (int i = 0; i < 2; i++)
        g_assert_cmpint(mesh_probekey_derive(&lab.sides[i].secret, &lab.sides[i].public_key,
                                             &lab.sides[!i].public_key, net,
                                             &lab.sides[i].seek.keys),
                        ==, 0);
}

void hardlab_tear_down(void)
{
    lab.apart = true;
    for (int i = 0; i < 2; i++) {
        path_hardnat_forget(&lab.sides[i].seek);
        g_assert_null(lab.sides[i].seek.hard);
        g_assert_null(lab.sides[i].host.hard);
    }
    close(lab.far);
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

unsigned hardlab_count_far(bool from[65536], size_t *out_bytes)
{
    struct sockaddr_in name;
    socklen_t          len = sizeof name;
    uint8_t            bytes[2048];
    unsigned           n = 0;
    ssize_t            got;

    while ((got = recvfrom(lab.far, bytes, sizeof bytes, 0, (struct sockaddr *)&name, &len)) > 0) {
        from[ntohs(name.sin_port)] = true;
        *out_bytes += (size_t)got + HARDLAB_IP_UDP_BYTES;
        n++;
    }
    return n;
}

unsigned hardlab_count_set(const bool set[65536])
{
    unsigned n = 0;

    for (size_t i = 0; i < 65536; i++)
        n += set[i];
    return n;
}

gboolean hardlab_on_limit(gpointer user_data)
{
    (void)user_data;
    g_error("nothing happens");
    return G_SOURCE_REMOVE;
}
