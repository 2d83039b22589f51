/* tests/daemon/wire/test-super.c: super-packets through two planes: split, sealed as one message,
 * received as one, opened, merged: the host at the far end gets what the near one gave. */
#include <glib.h>
#include <string.h>

#include "daemon/wire/checksum.h"
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

static void test_case(gconstpointer data)
{
    const Case *c = data;
    Pair        pair;
    PairOptions options = { .v6 = c->outer_v6, .offload = true, .gso = c->gso };
    size_t      len = make_frame(c), segments = (c->payload + c->mss - 1) / c->mss, frames;
    WireStats   out, in;

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
    pair_write(&pair.a, frame, len); /* and now at once */
    frames = read_payload(c, &pair.b);
    wire_plane_get_stats(pair.a.plane, &out);
    wire_plane_get_stats(pair.b.plane, &in);
    g_assert_cmpuint(frames, <, segments);
    g_assert_true(out.offloads[WIRE_OFFLOAD_TUN_READ].on);
    g_assert_true(in.offloads[WIRE_OFFLOAD_TUN_WRITE].on);
    g_assert_true(out.offloads[WIRE_OFFLOAD_UDP_SEND].on == (c->gso != WIRE_SWITCH_OFF));
    g_assert_true(in.offloads[WIRE_OFFLOAD_UDP_RECEIVE].on == (c->gso != WIRE_SWITCH_OFF));
    g_assert_cmpuint(out.offloads[WIRE_OFFLOAD_TUN_READ].units, ==, 2);
    g_assert_cmpuint(out.offloads[WIRE_OFFLOAD_TUN_READ].packets, ==, 2 * segments);
    g_assert_cmpuint(in.offloads[WIRE_OFFLOAD_TUN_WRITE].packets, >, 0);
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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/super/", cases[i].name, NULL);

        g_test_add_data_func(path, &cases[i], test_case);
    }
    return g_test_run();
}
