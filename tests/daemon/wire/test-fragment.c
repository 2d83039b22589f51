/* tests/daemon/wire/test-fragment.c: IPv4 packets taken apart: what comes of known ones, which are
 * refused, and random ones against a slow reference. */
#include <glib.h>
#include <string.h>

#include "daemon/wire/fragment.h"
#include "tests/daemon/wire/fragment-reference.h"
#include "tests/daemon/wire/offload-reference.h"

enum { DF = 0x4000, MF = 0x2000, RUNS = 20000, SEED = 20791 };

static uint8_t packet[WIRE_MAX_PACKET];

/* Anew over the header as it is. */
static void put_checksum(uint8_t *ip, size_t header)
{
    uint16_t sum;

    ip[10] = ip[11] = 0;
    sum = (uint16_t)~reference_sum(ip, header, 0);
    ip[10] = (uint8_t)(sum >> 8);
    ip[11] = (uint8_t)sum;
}

static void make_packet(size_t header, size_t len, unsigned flags)
{
    for (size_t i = 0; i < len; i++)
        packet[i] = (uint8_t)(i * 7 + i / 256);
    packet[0] = (uint8_t)(0x40 + header / 4);
    packet[2] = (uint8_t)(len >> 8);
    packet[3] = (uint8_t)len;
    packet[6] = (uint8_t)(flags >> 8);
    packet[7] = (uint8_t)flags;
    memset(packet + 20, 1, header - 20); /* options: nothing */
    put_checksum(packet, header);
}

typedef struct {
    const char *name;
    size_t      header, len;
    unsigned    flags;
    uint32_t    mtu;
    size_t      lens[5]; /* of the pieces; none: refused */
    unsigned    fields[5];
} Case;

static const Case cases[] = {
    { "two", 20, 1400, 0, 1340, { 1340, 80 }, { MF, 165 } },
    { "not-a-multiple", 20, 1400, 0, 1345, { 1340, 80 }, { MF, 165 } },
    { "three", 20, 4020, 0, 1500, { 1500, 1500, 1060 }, { MF, MF | 185, 370 } },
    { "need-not", 20, 1340, 0, 1340, { 0 }, { 0 } },
    { "one-more", 20, 1341, 0, 1340, { 1340, 21 }, { MF, 165 } },
    { "middle-piece", 20, 1396, MF | 172, 1340, { 1340, 76 }, { MF | 172, MF | 337 } },
    { "last-piece", 20, 1396, 344, 1340, { 1340, 76 }, { 344 | MF, 509 } },
    { "reserved-flag", 20, 1400, 0x8000, 1340, { 1340, 80 }, { 0x8000 | MF, 0x8000 | 165 } },
    { "options-not-copied", 60, 1400, 0, 1340, { 1340, 80 }, { MF, 160 } },
    { "least", 20, 40, 0, 28, { 28, 28, 24 }, { MF, MF | 1, 2 } },
    { "least-with-options", 60, 80, 0, 68, { 68, 32 }, { MF, 1 } },
    { "greatest-offset", 20, 35, 0x1ffa, 28, { 28, 27 }, { MF | 0x1ffa, 0x1ffb } },
    { "df", 20, 1400, DF, 1340, { 0 }, { 0 } },
    { "nothing-in-it", 20, 20, 0, 1340, { 0 }, { 0 } },
    { "no-room", 20, 40, 0, 27, { 0 }, { 0 } },
    { "no-room-for-options", 60, 80, 0, 67, { 0 }, { 0 } },
    { "beyond-65535", 20, 1400, 0x1fff, 1340, { 0 }, { 0 } },
};

static void test_case(gconstpointer data)
{
    const Case  *c = data;
    WirePacket   whole = { .data = packet, .len = (uint32_t)c->len }, piece;
    WireFragment self;
    size_t       n = 0;

    make_packet(c->header, c->len, c->flags);
    n = reference_check_cut(packet, c->len, c->mtu, 0);
    g_assert_true((wire_fragment_start(&self, &whole, c->mtu) == 0) == (c->lens[0] != 0));
    if (c->lens[0] == 0) {
        g_assert_cmpuint(n, ==, 0);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        g_assert_true(wire_fragment_next(&self, &piece));
        g_assert_cmpuint(piece.len, ==, c->lens[i]);
        g_assert_cmpuint((unsigned)(piece.data[6] << 8 | piece.data[7]), ==, c->fields[i]);
    }
    g_assert_false(wire_fragment_next(&self, &piece));
    g_assert_cmpuint(c->lens[n], ==, 0);
}

/* Wrong in one byte each. */
static void test_refused(void)
{
    static const struct {
        size_t  at, len;
        uint8_t value;
    } wrong[] = {
        { 0, 1400, 0x55 },  /* version */
        { 0, 1400, 0x65 },  /* the other version */
        { 0, 1400, 0x44 },  /* header too short */
        { 10, 1400, 0xff }, /* checksum; made wrong below */
        { 2, 1400, 0xff },  /* longer than there is */
        { 20, 1400, 7 },    /* option without an end: 7, 1 */
        { 23, 1400, 0x83 }, /* in the last byte */
        { 0, 0, 0x45 },     { 0, 1, 0x45 }, { 0, 19, 0x45 }, { 0, 20, 0x46 }, { 0, 1399, 0x46 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        make_packet(24, 1400, 0);
        g_assert_cmpuint(reference_check_cut(packet, 1400, 1340, 0), ==, 2);
        packet[wrong[i].at] = wrong[i].value;
        if (wrong[i].at != 10)
            put_checksum(packet, packet[0] == 0x44 ? 16 : 24);
        g_assert_cmpuint(reference_check_cut(packet, wrong[i].len, 1340, 0), ==, 0);
    }
}

/* Copied are loose source route and security (0x83, 0x82), not record route and time (7, 68). */
static void test_options(void)
{
    static const uint8_t options[] = { 7, 7, 4, 1,  2, 3, 4, 0x83, 7, 4,    9, 8,
                                       7, 6, 1, 68, 4, 5, 0, 0x82, 3, 0xaa, 0, 0x99 };
    static const uint8_t later[] = { 0x83, 7, 4, 9, 8, 7, 6, 0x82, 3, 0xaa, 0, 0 };
    WirePacket           whole = { .data = packet, .len = 1400 }, piece;
    WireFragment         self;

    make_packet(20 + sizeof options, 1400, 0);
    memcpy(packet + 20, options, sizeof options);
    put_checksum(packet, 20 + sizeof options);
    g_assert_cmpuint(reference_check_cut(packet, 1400, 600, 300), ==, 3);
    g_assert_cmpint(wire_fragment_start(&self, &whole, 600), ==, 0);
    g_assert_true(wire_fragment_next(&self, &piece));
    g_assert_cmpuint(piece.data[0], ==, 0x4b);
    g_assert_cmpmem(piece.data + 20, sizeof options, options, sizeof options);
    while (wire_fragment_next(&self, &piece)) {
        g_assert_cmpuint(piece.data[0], ==, 0x48);
        g_assert_cmpmem(piece.data + 20, sizeof later, later, sizeof later);
    }
}

static void fill_options(GRand *rand, uint8_t *at, size_t n)
{
    while (n > 0) {
        size_t len = 1;

        at[0] = (uint8_t)g_rand_int_range(rand, 0, 12) == 0 ? 0 : 1;
        if (n >= 2 && g_rand_boolean(rand)) {
            len = (size_t)g_rand_int_range(rand, 2, (gint32)n + 1);
            at[0] = (uint8_t)(g_rand_int_range(rand, 2, 128) | (g_rand_boolean(rand) ? 0x80 : 0));
            at[1] = (uint8_t)len;
        }
        at += len;
        n -= len;
    }
}

/* Sound packets, mostly, of all lengths, with bytes behind them at times, and pieces. */
static void test_random(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(SEED);
    size_t n_cut = 0, n_refused = 0, n_pieces = 0;

    for (int run = 0; run < RUNS; run++) {
        size_t   header = 20 + 4 * (size_t)g_rand_int_range(rand, 0, 11);
        size_t   most = g_rand_int_range(rand, 0, 20) == 0 ? 65535 : 3000;
        size_t   len = (size_t)g_rand_int_range(rand, (gint32)header, (gint32)most);
        uint32_t mtu = (uint32_t)g_rand_int_range(rand, 24, 1500);
        unsigned flags = g_rand_boolean(rand) ? 0 : (unsigned)g_rand_int_range(rand, 0, 0x3fff);
        size_t   extra = (size_t)g_rand_int_range(rand, 0, 4), pieces;

        make_packet(header, len, flags);
        fill_options(rand, packet + 20, header - 20);
        put_checksum(packet, header);
        if (g_rand_int_range(rand, 0, 50) == 0)
            packet[g_rand_int_range(rand, 0, (gint32)header)] ^= 0x10;
        len = MIN(len + extra, sizeof packet);
        pieces =
            reference_check_cut(packet, len, mtu, (uint32_t)g_rand_int_range(rand, 0, (gint32)mtu));
        n_cut += pieces > 1;
        n_pieces += pieces;
        n_refused += pieces == 0;
    }
    g_test_message("%zu taken apart, %zu pieces, %zu refused", n_cut, n_pieces, n_refused);
    g_assert_cmpuint(n_cut, >, RUNS / 4);
    g_assert_cmpuint(n_refused, >, RUNS / 100);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/fragment/known/", cases[i].name, NULL);

        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_func("/fragment/refused", test_refused);
    g_test_add_func("/fragment/options", test_options);
    g_test_add_func("/fragment/random", test_random);
    return g_test_run();
}
