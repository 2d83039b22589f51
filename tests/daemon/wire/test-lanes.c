/* tests/daemon/wire/test-lanes.c: little goes before much, much takes turns, a lane keeps its
 * order; and when a sender hands its core over. */
#include "daemon/wire/lanes.h"
#include "daemon/wire/turns.h"

#include <glib.h>

enum { START_MS = 1600000, SUPER = 64000, PING = 84 };

/* What a round reads: @n packets of @sizes by lane. Returns the lanes as letters. */
static const char *pass(WireLanes *self, int64_t now_ms, uint32_t ready, unsigned n,
                        const uint32_t *sizes)
{
    static char letters[64];

    (void)wire_lanes_begin(self, now_ms);
    self->ready = ready;
    for (unsigned i = 0; i < n; i++) {
        unsigned lane = 99;

        letters[i + 1] = '\0';
        if (!wire_lanes_choose(self, &lane)) {
            letters[i] = '-';
            continue;
        }
        g_assert_true(lane < self->n_lanes && (self->ready >> lane & 1) != 0);
        letters[i] = (char)('a' + lane);
        wire_lanes_read(self, lane, sizes[lane]);
    }
    return letters;
}

static void test_order(void)
{
    static const uint32_t sizes[8] = { SUPER, SUPER, 0, SUPER, PING, 0, SUPER, 0 };
    WireLanes             self = { .n_lanes = 8 };

    g_assert_cmpstr(pass(&self, START_MS, 0x4b, 6, sizes), ==, "abdgab"); /* in turns */
    g_assert_cmpstr(pass(&self, START_MS, 0x4b, 3, sizes), ==, "dga");    /* goes on where it was */
    g_assert_cmpstr(pass(&self, START_MS, 0x5b, 3, sizes), ==, "eee");    /* little first */
    g_assert_cmpstr(pass(&self, START_MS, 0x24, 3, sizes), ==, "cf-");    /* empty ones once */
    g_assert_cmpstr(pass(&self, START_MS + 16, 0x12, 3, sizes), ==, "eee"); /* b was busy */
    g_assert_cmpstr(pass(&self, START_MS + 160, 0x12, 1, sizes), ==, "b");  /* a flow's start */
}

/* A turn is of some bytes, not of a packet, so that small packets are read in runs. */
static void test_turn(void)
{
    static const uint32_t sizes[4] = { 1000, 1000, 1000, 1000 };
    WireLanes             self = { .n_lanes = 4, .busy = 0xf };
    unsigned              lane, n = 0, changes = 0, last = 0;

    (void)wire_lanes_begin(&self, START_MS);
    self.busy = self.ready = 0xf;
    for (unsigned i = 0; i < 4; i++)
        self.bytes[i] = WIRE_LANE_SPARSE;
    for (; n < 320; n++) {
        g_assert_true(wire_lanes_choose(&self, &lane));
        changes += lane != last;
        last = lane;
        wire_lanes_read(&self, lane, sizes[lane]);
    }
    g_assert_cmpuint(changes, >=, 16);
    g_assert_cmpuint(changes, <=, 24);
    for (unsigned i = 0; i < 4; i++)
        g_assert_cmpuint(self.bytes[i], >=, 60000);
}

static bool mixes(uint32_t one, uint32_t other, int64_t after_ms)
{
    WireLanes self = { .n_lanes = 2 };

    (void)wire_lanes_begin(&self, START_MS);
    self.ready = 3;
    if (one > 0)
        wire_lanes_read(&self, 0, one);
    if (other > 0)
        wire_lanes_read(&self, 1, other);
    g_assert_false(wire_lanes_begin(&self, START_MS)); /* the period is not over */
    (void)wire_lanes_begin(&self, START_MS + 16);
    return wire_lanes_begin(&self, START_MS + 16 + after_ms);
}

static void test_mixed(void)
{
    g_assert_true(mixes(PING, WIRE_LANE_BULK, 0));
    g_assert_true(mixes(WIRE_LANE_BULK, WIRE_LANE_SPARSE, WIRE_LANE_MIXED_MS - 1));
    g_assert_false(mixes(WIRE_LANE_BULK, PING, WIRE_LANE_MIXED_MS));
    g_assert_false(mixes(WIRE_LANE_BULK, 0, 0)); /* alone */
    g_assert_false(mixes(PING, PING, 0));
    g_assert_false(mixes(WIRE_LANE_BULK, WIRE_LANE_BULK, 0));
}

static void test_turns(void)
{
    WireTurns self = { 0 };

    g_assert_false(wire_turns_is_due(&self, 1000, 5));
    g_assert_true(wire_turns_is_due(&self, 1 << 20, 5));
    wire_turns_done(&self, 1 << 20, 5, 200005);
    g_assert_false(wire_turns_is_due(&self, (1 << 20) + 1000, 200006));
    g_assert_true(wire_turns_is_due(&self, 2 << 20, 200006));
    wire_turns_done(&self, 2 << 20, 0, 4000000); /* to one that never sleeps */
    g_assert_false(wire_turns_is_due(&self, 4 << 20, 4000000 + 12000000));
    g_assert_true(wire_turns_is_due(&self, 4 << 20, 4000000 + 16000000));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/lanes/order", test_order);
    g_test_add_func("/lanes/turn", test_turn);
    g_test_add_func("/lanes/mixed", test_mixed);
    g_test_add_func("/turns", test_turns);
    return g_test_run();
}
