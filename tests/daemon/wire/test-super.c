/* tests/daemon/wire/test-super.c: super-packets through two planes: split, sealed as one message,
 * received as one, opened, merged: the host at the far end gets what the near one gave. */
#include <glib.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/wire/checksum.h"
#include "daemon/wire/ways.h"
#include "pair.h"
#include "tests/daemon/wire/offload-reference.h"

typedef struct {
    const char *name;
    bool        v6, udp, outer_v6;
    WireSwitch  gso;
    size_t      payload, mss;
} Case;

static const Case cases[] = {
    { "tcp4", .payload = 40000, .mss = 1380 },
    { "tcp6", .v6 = true, .payload = 40000, .mss = 1360 },
    { "udp4", .udp = true, .payload = 40000, .mss = 1300 },
    { "udp6", .v6 = true, .udp = true, .payload = 40000, .mss = 1300 },
    { "outer-ipv6", .outer_v6 = true, .payload = 40000, .mss = 1380 },
    { "without-gso", .gso = WIRE_SWITCH_OFF, .payload = 40000, .mss = 1380 },
    { "largest", .payload = 65495, .mss = 1380 },
    { "padded-segments", .payload = 30000, .mss = 1001 },
    { "tiny-segments", .payload = 6000, .mss = 7 }, /* many arenas full */
};

static uint8_t frame[70000], got[70000], payload[70000];

/* A frame as the host gives it: virtio header, packet. Returns its length. */
static size_t make_frame(const Case *c)
{
    uint8_t *ip = frame + WIRE_VNET_BYTES;
    size_t   l4_at = c->v6 ? 40 : 20, header = l4_at + (c->udp ? 8 : 20), len = header + c->payload;
    uint8_t *l4 = ip + l4_at;
    WireVnet vnet = { .flags = WIRE_VNET_NEEDS_CSUM,
                      .gso_type = c->udp  ? WIRE_VNET_UDP
                                  : c->v6 ? WIRE_VNET_TCP6
                                          : WIRE_VNET_TCP4,
                      .gso_size = (uint16_t)c->mss,
                      .csum_start = (uint16_t)l4_at,
                      .csum_offset = c->udp ? 6 : 16 };
    uint16_t sum;

    pair_make_packet(true, c->v6, 0, len, ip);
    ip[c->v6 ? 6 : 9] = c->udp ? 17 : 6;
    if (!c->v6)
        ip[6] = 0x40;
    memset(l4, 0, header - l4_at);
    l4[1] = l4[3] = 9;
    if (c->udp) {
        l4[4] = (uint8_t)((len - l4_at) >> 8);
        l4[5] = (uint8_t)(len - l4_at);
    } else {
        l4[12] = 0x50;
        l4[13] = 0x18;
    }
    for (size_t i = 0; i < c->payload; i++)
        ip[header + i] = payload[i] = (uint8_t)(i * 31 + (i >> 9));
    sum = wire_checksum_fold(wire_checksum_add_pseudo(c->v6 ? ip + 8 : ip + 12, c->v6 ? 32 : 8,
                                                      c->udp ? 17 : 6, len - l4_at));
    memcpy(l4 + vnet.csum_offset, &sum, 2);
    memcpy(frame, &vnet, sizeof(vnet));
    return WIRE_VNET_BYTES + len;
}

/* Reads frames until all payload was there, in order. Returns how many. */
static size_t read_payload(const Case *c, PairSide *side)
{
    size_t n = 0, at = 0, header = (c->v6 ? 40u : 20u) + (c->udp ? 8u : 20u);

    while (at < c->payload) {
        size_t         len = pair_read(side, got, sizeof(got)) - WIRE_VNET_BYTES;
        const uint8_t *ip = got + WIRE_VNET_BYTES;

        g_assert_cmpuint(len, >, header);
        g_assert_cmpuint(at + len - header, <=, c->payload);
        g_assert_cmpmem(ip + header, len - header, payload + at, len - header);
        if ((got[0] & WIRE_VNET_NEEDS_CSUM) == 0)
            g_assert_true(reference_is_right(ip, len, c->v6 ? 40 : 20, c->udp));
        at += len - header;
        n++;
    }
    return n;
}

/* What arrived is counted a moment later, where it was sent and where it came. */
static void wait_counted(PairSide *side, uint64_t tx, uint64_t rx, WireStats *out_stats)
{
    do {
        g_usleep(1000);
        wire_plane_get_stats(side->plane, out_stats);
    } while (out_stats->tx_packets < tx || out_stats->rx_packets < rx);
}

static void test_case(gconstpointer data)
{
    const Case *c = data;
    Pair        pair;
    PairOptions options = { .v6 = c->outer_v6, .offload = true, .gso = c->gso };
    size_t      len = make_frame(c), segments = (c->payload + c->mss - 1) / c->mss, frames;
    WireStats   before, out, in;

    pair_start(&pair, &options);
    pair_write(&pair.a, frame, len); /* waits, split, for the session */
    frames = segments > 128 ? 0 : read_payload(c, &pair.b);
    if (segments > 128) { /* more than may wait: what comes then is cut off */
        pair_wait_event(&pair.a, WIRE_EVENT_HANDSHAKE, NULL);
        while (pair_drops(&pair.a, WIRE_DROP_STAGED) < segments - 128)
            g_usleep(1000);
        for (size_t n = 0; n < 128;) {
            size_t got_len = pair_read(&pair.b, got, sizeof(got)) - WIRE_VNET_BYTES - 40;

            n += (got_len + c->mss - 1) / c->mss;
        }
    }
    wait_counted(&pair.a, MIN(segments, 128), 0, &before);
    pair_write(&pair.a, frame, len); /* and now at once */
    frames = read_payload(c, &pair.b);
    wait_counted(&pair.a, before.tx_packets + segments, 0, &out);
    wait_counted(&pair.b, 0, out.tx_packets, &in);
    if (segments > 128) /* each is full but the last: what is over of an arena goes with the next */
        g_assert_cmpuint(out.offloads[WIRE_OFFLOAD_UDP_SEND].units -
                             before.offloads[WIRE_OFFLOAD_UDP_SEND].units,
                         ==, (segments + 62) / 63);
    if (c->gso != WIRE_SWITCH_OFF) { /* else the receiver may be done with each before the next */
        g_assert_cmpuint(frames, <, segments);
        g_assert_cmpuint(in.offloads[WIRE_OFFLOAD_TUN_WRITE].packets, >, 0);
    }
    g_assert_true(out.offloads[WIRE_OFFLOAD_TUN_READ].on);
    g_assert_true(in.offloads[WIRE_OFFLOAD_TUN_WRITE].on);
    g_assert_true(out.offloads[WIRE_OFFLOAD_UDP_SEND].on == (c->gso != WIRE_SWITCH_OFF));
    g_assert_true(in.offloads[WIRE_OFFLOAD_UDP_RECEIVE].on == (c->gso != WIRE_SWITCH_OFF));
    g_assert_cmpuint(out.offloads[WIRE_OFFLOAD_TUN_READ].units, ==, 2);
    g_assert_cmpuint(out.offloads[WIRE_OFFLOAD_TUN_READ].packets, ==, 2 * segments);
    g_assert_cmpuint(out.offloads[WIRE_OFFLOAD_UDP_SEND].refused, ==, 0);
    if (c->gso == WIRE_SWITCH_OFF) {
        g_assert_cmpuint(out.offloads[WIRE_OFFLOAD_UDP_SEND].units, ==, 0);
        g_assert_cmpuint(in.offloads[WIRE_OFFLOAD_UDP_RECEIVE].units, ==, 0);
    } else {
        g_assert_cmpuint(out.offloads[WIRE_OFFLOAD_UDP_SEND].units, >, 0);
        g_assert_cmpuint(in.offloads[WIRE_OFFLOAD_UDP_RECEIVE].units, >, 0);
    }
    pair_stop(&pair);
}

/* What comes to @side is a segment of TCP that was taken apart; its pieces come in order. Its bytes
 * go to @out. Returns: how many are there now. */
static size_t read_pieces(PairSide *side, uint32_t mtu, uint8_t *out, size_t n)
{
    bool   more = true;
    size_t at = 0;

    while (more) {
        size_t         len = pair_read(side, got, sizeof(got)) - WIRE_VNET_BYTES;
        const uint8_t *ip = got + WIRE_VNET_BYTES;
        size_t         offset = (size_t)((ip[6] & 0x1f) << 8 | ip[7]) * 8;

        g_assert_cmpuint(len, >, 20);
        g_assert_cmpuint(len, <=, mtu);
        g_assert_cmpuint((size_t)(ip[2] << 8 | ip[3]), ==, len);
        g_assert_cmpuint(reference_sum(ip, 20, 0), ==, 0xffff);
        g_assert_cmpuint(offset, ==, at);
        memcpy(out + n + at, ip + 20, len - 20);
        at += len - 20;
        more = (ip[6] & 0x20) != 0;
    }
    return n + at;
}

/* The way carries less than the segments are long, and they have no DF: they come in pieces, those
 * that waited for the session, too. With DF the host is told, and nothing comes. */
static void test_narrow(void)
{
    static const Case c = { .payload = 40000, .mss = 1380 };
    const uint32_t    mtu = 1236;
    const size_t      segments = (c.payload + c.mss - 1) / c.mss;
    static uint8_t    segment[70000];
    Pair              pair;
    PairOptions       options = { .offload = true };
    size_t            len = make_frame(&c);
    WireRoute         route = { .pinned = true, .mtu = (uint16_t)mtu };
    WireStats         stats;

    pair_start(&pair, &options);
    route.way.endpoint = pair_endpoint(&pair.b, false);
    g_assert_cmpint(wire_plane_set_route(pair.a.plane, &pair.b.public_key, &route, false), ==, 0);
    frame[WIRE_VNET_BYTES + 6] = 0;
    for (int turn = 0; turn < 2; turn++) {
        pair_write(&pair.a, frame, len);
        for (size_t i = 0, at = 0; i < segments; i++) {
            size_t n = read_pieces(&pair.b, mtu, segment, 0) - 20;

            g_assert_cmpuint(n, ==, MIN(c.mss, c.payload - at));
            g_assert_cmpmem(segment + 20, n, payload + at, n);
            at += n;
        }
    }
    wire_plane_get_stats(pair.a.plane, &stats);
    g_assert_cmpuint(stats.cut, ==, 2 * (segments - (c.payload % c.mss + 40 <= mtu ? 1 : 0)));
    g_assert_cmpuint(pair_drops(&pair.a, WIRE_DROP_TOO_LONG), ==, 0);
    frame[WIRE_VNET_BYTES + 6] = 0x40;
    pair_write(&pair.a, frame, len);
    len = pair_read(&pair.a, got, sizeof(got));
    g_assert_cmpuint(got[WIRE_VNET_BYTES + 20] << 8 | got[WIRE_VNET_BYTES + 21], ==, 3 << 8 | 4);
    g_assert_cmpuint(pair_drops(&pair.a, WIRE_DROP_TOO_LONG), ==, 1);
    pair_stop(&pair);
}

/* Many in a row that no message of several holds: a TUN whose MTU the host raised. */
static void test_giants(void)
{
    enum { LEN = 65420, N = 200 };
    int       room = 4 << 20;
    Pair      pair;
    WireStats stats;

    pair_start(&pair, &(PairOptions){ 0 });
    (void)!setsockopt(pair.a.host, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
    pair_pass(&pair, true, false, 1, 100);
    for (int i = 0; i < N; i++) {
        pair_make_packet(true, false, 7, LEN, frame);
        pair_write(&pair.a, frame, LEN);
    }
    wait_counted(&pair.a, 1 + N, 0, &stats);
    pair_stop(&pair);
}

/* ---- bursts are told ---- */

static void send_burst(Pair *pair)
{
    static const Case c = { .payload = 2760, .mss = 1380 };

    pair_write(&pair->a, frame, make_frame(&c));
    (void)read_payload(&c, &pair->b);
}

static void pin(Pair *pair)
{
    WireRoute route = { .pinned = true, .way.endpoint = pair_endpoint(&pair->b, false) };

    g_assert_cmpint(wire_plane_set_route(pair->a.plane, &pair->b.public_key, &route, false), ==, 0);
}

/* A handshake found the peer, and it is pinned to just that way: whoever pins has not heard of
 * bursts there. */
static void test_told_of_learned(void)
{
    Pair      pair;
    WireRoute route = { .n_candidates = 1 };
    WireEvent event;

    pair_start(&pair, &(PairOptions){ .unrouted = true, .offload = true });
    route.candidates[0] = pair_endpoint(&pair.b, false);
    g_assert_cmpint(wire_plane_set_route(pair.a.plane, &pair.b.public_key, &route, false), ==, 0);
    send_burst(&pair);
    pair_wait_event(&pair.a, WIRE_EVENT_HANDSHAKE, &event);
    pin(&pair);
    send_burst(&pair);
    pair_wait_event(&pair.a, WIRE_EVENT_BURSTS, &event);
    g_assert_true(mesh_key_equal(&event.peer, &pair.b.public_key));
    pair_stop(&pair);
}

/* Nobody fetched events for long, and it found no room: it is told of a later burst. */
static void test_told_late(void)
{
    Pair      pair;
    WireEvent event;

    pair_start(&pair, &(PairOptions){ .offload = true });
    pin(&pair);
    while (pair_drops(&pair.a, WIRE_DROP_EVENTS) == 0) {
        wire_ways_watch_bursts(pair.a.plane, &pair.b.public_key);
        send_burst(&pair);
    }
    while (wire_plane_next_event(pair.a.plane, &event)) {
    }
    send_burst(&pair);
    pair_wait_event(&pair.a, WIRE_EVENT_BURSTS, &event);
    pair_stop(&pair);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/super/", cases[i].name, NULL);

        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_func("/super/narrow", test_narrow);
    g_test_add_func("/super/giants", test_giants);
    g_test_add_func("/super/told-of-learned", test_told_of_learned);
    g_test_add_func("/super/told-late", test_told_late);
    return g_test_run();
}
