/* tests/daemon/wire/test-stage.c: what waits for a session: in order, the newest, none over
 * another; beside a model that keeps whole copies. */
#include <glib.h>
#include <string.h>

#include "daemon/wire/stage.h"

static uint8_t bytes[WIRE_MAX_PACKET];

static WirePacket make(size_t number, uint32_t len)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(number * 7 + i);
    return (WirePacket){ .data = bytes, .len = len };
}

static void assert_is(WireStaged *staged, size_t n, size_t number, uint32_t len)
{
    const WirePacket *have = wire_stage_get(staged, n);

    make(number, len);
    g_assert_cmpuint(have->len, ==, len);
    g_assert_cmpint(memcmp(have->data, bytes, len), ==, 0);
}

typedef struct {
    const char *name;
    uint32_t    len;
    size_t      want; /* packets that may wait at least */
} Case;

static const Case cases[] = {
    { "small", 40, 128 },
    { "usual", 1420, 80 },
    { "large", 9000, 14 },
    { "greatest", WIRE_MAX_PACKET, 1 },
};

/* Of many, the last ones wait: the first of a flow may be sent again, but nobody waits for it. */
static void test_oldest_goes(gconstpointer data)
{
    const Case *c = data;
    WireStage   stage;
    WireStaged *staged = NULL;
    size_t      n_put = 3 * WIRE_MAX_BATCH + 5, n_dropped = 0;

    g_assert_cmpint(wire_stage_init(&stage), ==, 0);
    for (size_t i = 0; i < n_put; i++) {
        WirePacket packet = make(i, c->len);

        n_dropped += wire_stage_put(&stage, &staged, &packet);
        assert_is(staged, staged->n_packets - 1, i, c->len);
        if (i < c->want)
            g_assert_cmpuint(n_dropped, ==, 0);
    }
    g_assert_cmpuint(staged->n_packets, >=, c->want);
    g_assert_cmpuint(staged->n_packets + n_dropped, ==, n_put);
    for (size_t n = 0; n < staged->n_packets; n++)
        assert_is(staged, n, n_dropped + n, c->len);
    g_assert_cmpuint(wire_stage_drop(&stage, &staged), ==, n_put - n_dropped);
    g_assert_null(staged);
    wire_stage_done(&stage);
}

/* Lengths of all kinds; each is sealed where it lies, so its room is written to, too. */
static void test_mixed(void)
{
    static uint32_t lens[4000];
    WireStage       stage;
    WireStaged     *staged = NULL;
    size_t          first = 0;

    g_assert_cmpint(wire_stage_init(&stage), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(lens); i++) {
        WirePacket packet;

        lens[i] = (uint32_t)g_test_rand_int_range(0, g_test_rand_bit() ? 200 : 20000);
        if (i % 1000 == 999)
            lens[i] = WIRE_MAX_PACKET;
        packet = make(i, lens[i]);
        first += wire_stage_put(&stage, &staged, &packet);
        g_assert_cmpuint(staged->n_packets, ==, i + 1 - first);
        for (size_t n = 0; n < staged->n_packets; n++) {
            WirePacket *have = wire_stage_get(staged, n);

            assert_is(staged, n, first + n, lens[first + n]);
            g_assert_true(have->data - WIRE_HEADROOM >= staged->room);
            g_assert_true(have->data + have->len + WIRE_TAILROOM <=
                          staged->room + WIRE_STAGE_BLOCK_BYTES);
        }
        for (size_t n = 0; n < staged->n_packets; n++) {
            WirePacket *have = wire_stage_get(staged, n);

            memset(have->data - WIRE_HEADROOM, 0xee, WIRE_HEADROOM);
            memset(have->data + have->len, 0xee, WIRE_TAILROOM);
        }
    }
    wire_stage_drop(&stage, &staged);
    wire_stage_done(&stage);
}

/* Peers beyond the pool's blocks have no place; who had one gives it to the next. */
static void test_bounded(void)
{
    WireStage   stage;
    WireStaged *staged[WIRE_STAGE_BLOCKS + 1] = { NULL };
    WirePacket  packet = make(1, 100);

    g_assert_cmpint(wire_stage_init(&stage), ==, 0);
    for (size_t i = 0; i < WIRE_STAGE_BLOCKS; i++)
        g_assert_cmpuint(wire_stage_put(&stage, &staged[i], &packet), ==, 0);
    g_assert_cmpuint(wire_stage_put(&stage, &staged[WIRE_STAGE_BLOCKS], &packet), ==, 1);
    g_assert_null(staged[WIRE_STAGE_BLOCKS]);
    g_assert_cmpuint(wire_stage_drop(&stage, &staged[5]), ==, 1);
    g_assert_cmpuint(wire_stage_put(&stage, &staged[WIRE_STAGE_BLOCKS], &packet), ==, 0);
    wire_stage_done(&stage);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/stage/oldest-goes/%s", cases[i].name);

        g_test_add_data_func(path, &cases[i], test_oldest_goes);
    }
    g_test_add_func("/stage/mixed", test_mixed);
    g_test_add_func("/stage/bounded", test_bounded);
    return g_test_run();
}
