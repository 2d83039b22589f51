/* tests/common/codec/test-relayframe.c: the frames of a session. The bytes of each were made in
 * Python from docs/PATHS.md §3 alone. */
#include "common/codec/relayframe.h"

#include "common/std/base64.h"
#include "common/std/endpoint.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

static MeshRelayKey  key, other_key;
static const uint8_t aa[40] = { [0 ... 39] = 0xAA };

typedef struct {
    const char   *name;
    MeshRelayWay  way;
    MeshRelayKind kind;
    uint32_t      arg;
    size_t        data_len;
    const char   *head; /* the 16 bytes; NULL: not known, only there and back */
} FrameCase;

static const FrameCase frames[] = {
    { "data", MESH_RELAY_UP, MESH_RELAY_DATA, 7, 40, "400102030000000726504de22c812600" },
    { "data-down", MESH_RELAY_DOWN, MESH_RELAY_DATA, 7, 40, "400102030000000726504de22c812600" },
    { "data-short", MESH_RELAY_UP, MESH_RELAY_DATA, 7, 3, "40010203000000071f22cdc5b1b1aed2" },
    { "ping", MESH_RELAY_UP, MESH_RELAY_PING, 9, 0, "4401020300000009512e023e346a6422" },
    { "pong", MESH_RELAY_DOWN, MESH_RELAY_PONG, 9, 0, "4501020300000009e78b435cc19196ee" },
    { "close", MESH_RELAY_UP, MESH_RELAY_CLOSE, 0, 0, "4c010203000000009ff20616f1f34ead" },
    { "where", MESH_RELAY_UP, MESH_RELAY_WHERE, 0xFFFFFFFF, 0, NULL },
    { "at", MESH_RELAY_DOWN, MESH_RELAY_AT, 5, 0, NULL },
    { "gone", MESH_RELAY_DOWN, MESH_RELAY_GONE, 5, 0, NULL },
    { "move", MESH_RELAY_DOWN, MESH_RELAY_MOVE, 0, 0, NULL },
    { "moved", MESH_RELAY_UP, MESH_RELAY_MOVED, 0, 0, NULL },
    { "restart", MESH_RELAY_DOWN, MESH_RELAY_RESTART, 1500, 0, NULL },
    { "congested", MESH_RELAY_DOWN, MESH_RELAY_CONGESTED, 5, 0, NULL },
};

static MeshRelayFrame make_frame(const FrameCase *c)
{
    MeshRelayFrame frame = {
        .kind = c->kind, .session = 0x010203, .arg = c->arg, .data = MESH_SPAN(aa, c->data_len)
    };

    if (c->kind == MESH_RELAY_PONG || c->kind == MESH_RELAY_AT || c->kind == MESH_RELAY_BOUND)
        g_assert_cmpint(mesh_endpoint_parse("203.0.113.7:55555", &frame.seen), ==, 0);
    if (c->kind == MESH_RELAY_PONG || c->kind == MESH_RELAY_BOUND)
        frame.life_s = 3600;
    if (c->kind == MESH_RELAY_MOVE || c->kind == MESH_RELAY_MOVED)
        memset(frame.cookie, 0xC0, sizeof(frame.cookie));
    return frame;
}

static void assert_same(const MeshRelayFrame *a, const MeshRelayFrame *b)
{
    g_assert_cmpint(a->kind, ==, b->kind);
    g_assert_cmpuint(a->arg, ==, b->arg);
    g_assert_cmpuint(a->life_s, ==, b->life_s);
    g_assert_true(mesh_endpoint_equal(&a->seen, &b->seen));
    g_assert_cmpmem(a->cookie, sizeof(a->cookie), b->cookie, sizeof(b->cookie));
    g_assert_cmpmem(a->data.data, a->data.len, b->data.data, b->data.len);
}

static void test_datagram(gconstpointer data)
{
    const FrameCase *c = data;
    MeshRelayFrame   frame = make_frame(c), back;
    uint8_t          out[128];
    char             hex[MESH_HEX_SIZE(MESH_RELAY_HEAD_BYTES)];
    size_t           len = 0;

    g_assert_cmpint(mesh_relayframe_encode(&frame, &key, out, sizeof(out), &len), ==, 0);
    g_assert_cmpint(mesh_hex_encode(MESH_SPAN(out, MESH_RELAY_HEAD_BYTES), hex, sizeof(hex)), ==,
                    0);
    if (c->head != NULL)
        g_assert_cmpstr(hex, ==, c->head);
    g_assert_cmpint(mesh_relayframe_peek(c->way, MESH_SPAN(out, len), &back), ==, 0);
    g_assert_cmpuint(back.session, ==, 0x010203);
    g_assert_cmpint(mesh_relayframe_decode(c->way, &key, MESH_SPAN(out, len), &back), ==, 0);
    assert_same(&frame, &back);
    g_assert_cmpuint(back.session, ==, 0x010203);
    g_assert_cmpint(mesh_relayframe_decode(c->way, &other_key, MESH_SPAN(out, len), &back), ==,
                    -EACCES);
    for (size_t size = 0; size < len; size++) {
        size_t untouched = 77;

        g_assert_cmpint(mesh_relayframe_encode(&frame, &key, out, size, &untouched), ==, -ENOSPC);
        g_assert_cmpuint(untouched, ==, 77);
    }
}

/* Each bit that the MAC covers matters: all but DATA beyond its first 16 bytes. */
static void test_forged(gconstpointer data)
{
    const FrameCase *c = data;
    MeshRelayFrame   frame = make_frame(c), back;
    uint8_t          out[128];
    size_t           len = 0;

    g_assert_cmpint(mesh_relayframe_encode(&frame, &key, out, sizeof(out), &len), ==, 0);
    for (size_t bit = 0; bit < len * 8; bit++) {
        bool covered = bit < (MESH_RELAY_HEAD_BYTES + 16) * 8 || c->kind != MESH_RELAY_DATA;
        int  rc;

        out[bit / 8] ^= (uint8_t)(1 << bit % 8);
        rc = mesh_relayframe_decode(c->way, &key, MESH_SPAN(out, len), &back);
        g_assert_true(covered ? rc < 0 : rc == 0);
        out[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void test_lengths(gconstpointer data)
{
    const FrameCase *c = data;
    MeshRelayFrame   frame = make_frame(c), back;
    uint8_t          out[2048] = { 0 };
    size_t           right = 0;

    g_assert_cmpint(mesh_relayframe_encode(&frame, &key, out, sizeof(out), &right), ==, 0);
    for (size_t len = 0; len < sizeof(out); len++) {
        bool fits = c->kind == MESH_RELAY_DATA ? len > 16 && len <= 16 + 1500 : len == right;

        g_assert_cmpint(mesh_relayframe_peek(c->way, MESH_SPAN(out, len), &back), ==,
                        fits ? 0 : -EBADMSG);
    }
}

static void test_stream(gconstpointer data)
{
    const FrameCase *c = data;
    MeshRelayFrame   frame = make_frame(c), back;
    uint8_t          out[128];
    size_t           len = 0;
    MeshReader       r;

    frame.session = 0;
    g_assert_cmpint(mesh_relayframe_encode_stream(&frame, out, sizeof(out), &len), ==, 0);
    g_assert_cmpuint(out[0], ==, c->kind);
    g_assert_cmpuint((size_t)out[2] << 8 | out[3], ==, len - 8);
    for (size_t part = 0; part < len; part++) {
        r = mesh_bytes_make_reader(out, part);
        g_assert_cmpint(mesh_relayframe_decode_stream(c->way, &r, &back), ==, -EAGAIN);
        g_assert_cmpuint(mesh_bytes_left(&r), ==, part);
    }
    r = mesh_bytes_make_reader(out, sizeof(out));
    g_assert_cmpint(mesh_relayframe_decode_stream(c->way, &r, &back), ==, 0);
    g_assert_cmpuint(mesh_bytes_left(&r), ==, sizeof(out) - len);
    assert_same(&frame, &back);
    if (c->kind == MESH_RELAY_DATA)
        return;
    r = mesh_bytes_make_reader(out, len); /* from the wrong side */
    g_assert_cmpint(mesh_relayframe_decode_stream((MeshRelayWay)(1 - (int)c->way), &r, &back), ==,
                    -EBADMSG);
    out[1] = 1; /* 64 KiB of payload */
    r = mesh_bytes_make_reader(out, len);
    g_assert_cmpint(mesh_relayframe_decode_stream(c->way, &r, &back), ==, -EBADMSG);
}

static void test_wrong_way(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(frames); i++) {
        MeshRelayFrame frame = make_frame(&frames[i]), back;
        MeshRelayWay   wrong = frames[i].way == MESH_RELAY_UP ? MESH_RELAY_DOWN : MESH_RELAY_UP;
        uint8_t        out[128];
        size_t         len = 0;

        g_assert_cmpint(mesh_relayframe_encode(&frame, &key, out, sizeof(out), &len), ==, 0);
        g_assert_cmpint(mesh_relayframe_peek(wrong, MESH_SPAN(out, len), &back), ==,
                        frame.kind == MESH_RELAY_DATA ? 0 : -EBADMSG);
    }
}

/* BOUND is a session's frame over TLS alone. */
static void test_bound(void)
{
    const FrameCase c = { "bound", MESH_RELAY_DOWN, MESH_RELAY_BOUND, 0x010203, 0, NULL };
    MeshRelayFrame  frame = make_frame(&c);
    uint8_t         out[128];
    size_t          len = 0;

    test_stream(&c);
    g_assert_cmpint(mesh_relayframe_encode(&frame, &key, out, sizeof(out), &len), ==, -EINVAL);
}

static void test_put_head(void)
{
    MeshRelayFrame frame = {
        .kind = MESH_RELAY_DATA, .session = 0x010203, .arg = 7, .data = MESH_SPAN(aa, sizeof(aa))
    };
    uint8_t want[64], have[64];
    size_t  len = 0;

    g_assert_cmpint(mesh_relayframe_encode(&frame, &key, want, sizeof(want), &len), ==, 0);
    memcpy(have + MESH_RELAY_HEAD_BYTES, aa, sizeof(aa));
    mesh_relayframe_put_head(have, sizeof(aa), 0x010203, 7, &key);
    g_assert_cmpmem(have, len, want, len);
}

static void test_refused(void)
{
    MeshRelayFrame frame = { .kind = MESH_RELAY_DATA, .session = 1 };
    uint8_t        out[2048];
    size_t         len = 0;

    g_assert_cmpint(mesh_relayframe_encode(&frame, &key, out, sizeof(out), &len), ==, -EINVAL);
    frame = (MeshRelayFrame){ .kind = MESH_RELAY_PING, .session = 0x1000000 };
    g_assert_cmpint(mesh_relayframe_encode(&frame, &key, out, sizeof(out), &len), ==, -EINVAL);
    frame = (MeshRelayFrame){ .kind = (MeshRelayKind)0x41 };
    g_assert_cmpint(mesh_relayframe_encode(&frame, &key, out, sizeof(out), &len), ==, -EINVAL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < sizeof(key.bytes); i++)
        key.bytes[i] = (uint8_t)i;
    for (size_t i = 0; i < G_N_ELEMENTS(frames); i++) {
        const struct {
            const char   *what;
            GTestDataFunc run;
        } tests[] = { { "datagram", test_datagram },
                      { "forged", test_forged },
                      { "lengths", test_lengths },
                      { "stream", test_stream } };

        for (size_t k = 0; k < G_N_ELEMENTS(tests); k++) {
            g_autofree char *path =
                g_strdup_printf("/relayframe/%s/%s", tests[k].what, frames[i].name);

            g_test_add_data_func(path, &frames[i], tests[k].run);
        }
    }
    g_test_add_func("/relayframe/wrong-way", test_wrong_way);
    g_test_add_func("/relayframe/stream/bound", test_bound);
    g_test_add_func("/relayframe/put-head", test_put_head);
    g_test_add_func("/relayframe/refused", test_refused);
    return g_test_run();
}
