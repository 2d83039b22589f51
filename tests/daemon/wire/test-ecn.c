/* tests/daemon/wire/test-ecn.c: RFC 6040's table, in both families, with right checksums. */
#include <glib.h>
#include <string.h>

#include "daemon/wire/ecn.h"

enum { DROPPED = 4 };

/* RFC 6040 §4.2, figure 4: by inner, then outer: Not-ECT, ECT(1), ECT(0), CE. */
static const uint8_t figure4[4][4] = {
    [WIRE_ECN_NOT_ECT] = { WIRE_ECN_NOT_ECT, WIRE_ECN_NOT_ECT, WIRE_ECN_NOT_ECT, DROPPED },
    [WIRE_ECN_ECT1] = { WIRE_ECN_ECT1, WIRE_ECN_ECT1, WIRE_ECN_ECT1, WIRE_ECN_CE },
    [WIRE_ECN_ECT0] = { WIRE_ECN_ECT0, WIRE_ECN_ECT1, WIRE_ECN_ECT0, WIRE_ECN_CE },
    [WIRE_ECN_CE] = { WIRE_ECN_CE, WIRE_ECN_CE, WIRE_ECN_CE, WIRE_ECN_CE },
};

static uint16_t sum(const uint8_t *header)
{
    uint32_t total = 0;

    for (int i = 0; i < 20; i += 2)
        total += (uint32_t)(header[i] << 8 | header[i + 1]);
    while (total >> 16 != 0)
        total = (total & 0xffff) + (total >> 16);
    return (uint16_t)~total;
}

/* A header with DSCP 46 and random rest. */
static void make4(uint8_t out[20], uint8_t ecn, GRand *rand)
{
    uint16_t check;

    for (int i = 0; i < 20; i++)
        out[i] = (uint8_t)g_rand_int(rand);
    out[0] = 0x45;
    out[1] = (uint8_t)(46 << 2 | ecn);
    out[10] = out[11] = 0;
    check = sum(out);
    out[10] = (uint8_t)(check >> 8);
    out[11] = (uint8_t)check;
}

static void test_ipv4(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(6040);

    for (int round = 0; round < 20000; round++) {
        uint8_t inner = round & 3, outer = round >> 2 & 3, packet[20], before[20];
        bool    kept;

        make4(packet, inner, rand);
        memcpy(before, packet, sizeof before);
        g_assert_cmpuint(wire_ecn_get(packet, sizeof packet), ==, inner);
        kept = wire_ecn_merge(packet, outer);
        g_assert_cmpint(kept, ==, figure4[inner][outer] != DROPPED);
        if (!kept)
            continue;
        g_assert_cmpuint(packet[1], ==, 46 << 2 | figure4[inner][outer]);
        g_assert_cmpuint(sum(packet), ==, 0);
        g_assert_cmpmem(packet + 12, 8, before + 12, 8);
        g_assert_cmpmem(packet + 2, 8, before + 2, 8);
    }
}

static void test_ipv6(void)
{
    for (uint8_t inner = 0; inner < 4; inner++) {
        for (uint8_t outer = 0; outer < 4; outer++) {
            uint8_t packet[40] = { 0x6b, (uint8_t)(0x8a | inner << 4), 0xcd, 0xef };
            uint8_t want = figure4[inner][outer];

            packet[1] = (uint8_t)(0x80 | inner << 4 | 0x0a); /* class 0xb8 + ECN, label 0xacdef */
            g_assert_cmpuint(wire_ecn_get(packet, sizeof packet), ==, inner);
            g_assert_cmpint(wire_ecn_merge(packet, outer), ==, want != DROPPED);
            if (want == DROPPED)
                continue;
            g_assert_cmphex(packet[0], ==, 0x6b);
            g_assert_cmphex(packet[1], ==, 0x8a | want << 4);
            g_assert_cmphex(packet[2], ==, 0xcd);
        }
    }
}

static void test_no_packet(void)
{
    const uint8_t zeros[2] = { 0, 3 };

    g_assert_cmpuint(wire_ecn_get(zeros, 0), ==, 0);
    g_assert_cmpuint(wire_ecn_get(zeros, 1), ==, 0);
    g_assert_cmpuint(wire_ecn_get(zeros, 2), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ecn/ipv4", test_ipv4);
    g_test_add_func("/ecn/ipv6", test_ipv6);
    g_test_add_func("/ecn/no-packet", test_no_packet);
    return g_test_run();
}
