/* tests/daemon/wire/test-icmp.c: which packets are answered by an ICMP error, and how it looks. */
#include <glib.h>
#include <string.h>

#include "daemon/wire/icmp.h"
#include "daemon/wire/pmtu.h"

typedef struct {
    const char *name;
    uint8_t     version, protocol;
    size_t      at;    /* this byte of the packet … */
    uint8_t     value; /* … is this; 0: nothing is changed */
    size_t      len;
    size_t      want; /* bytes of the error; 0: none */
} Case;

static const Case cases[] = {
    { "udp4", 4, 17, .len = 100, .want = 128 },
    { "udp4-long-is-cut", 4, 17, .len = 1420, .want = 576 },
    { "udp6", 6, 17, .len = 100, .want = 148 },
    { "udp6-long-is-cut", 6, 17, .len = 1420, .want = 1280 },
    { "echo4", 4, 1, .at = 20, .value = 8, .len = 84, .want = 112 },
    { "error4", 4, 1, .at = 20, .value = 3, .len = 84, .want = 0 },
    { "error4-cut", 4, 1, .len = 20, .want = 0 },
    { "fragment4", 4, 17, .at = 7, .value = 1, .len = 100, .want = 0 },
    { "multicast4", 4, 17, .at = 16, .value = 224, .len = 100, .want = 0 },
    { "options4-cut", 4, 17, .at = 0, .value = 0x4f, .len = 40, .want = 0 },
    { "options4-impossible", 4, 17, .at = 0, .value = 0x41, .len = 40, .want = 0 },
    { "echo6", 6, 58, .at = 40, .value = 128, .len = 100, .want = 148 },
    { "error6", 6, 58, .at = 40, .value = 1, .len = 100, .want = 0 },
    { "error6-cut", 6, 58, .len = 40, .want = 0 },
    { "fragment6", 6, 44, .at = 43, .value = 8, .len = 100, .want = 0 },
    { "fragment6-first", 6, 44, .at = 43, .value = 1, .len = 100, .want = 148 },
    { "fragment6-cut", 6, 44, .len = 41, .want = 0 },
    { "multicast6", 6, 17, .at = 24, .value = 0xff, .len = 100, .want = 0 },
    { "version-5", 5, 17, .len = 100, .want = 0 },
    { "short4", 4, 17, .len = 19, .want = 0 },
    { "short6", 6, 17, .len = 39, .want = 0 },
    { "nothing", 4, 17, .len = 0, .want = 0 },
};

static uint32_t sum_words(uint32_t sum, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        sum += (uint32_t)bytes[i] << (i % 2 == 0 ? 8 : 0);
    return sum;
}

static uint16_t fold(uint32_t sum)
{
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static void check_error4(const uint8_t *error, const uint8_t *packet, size_t len)
{
    g_assert_cmpuint((size_t)(error[2] << 8 | error[3]), ==, len);
    g_assert_cmpmem(error + 12, 4, packet + 16, 4);
    g_assert_cmpmem(error + 16, 4, packet + 12, 4);
    g_assert_cmpuint(error[20] << 8 | error[21], ==, 3 << 8 | 1);
    g_assert_cmpuint(fold(sum_words(0, error, 20)), ==, 0xffff);
    g_assert_cmpuint(fold(sum_words(0, error + 20, len - 20)), ==, 0xffff);
    g_assert_cmpmem(error + 28, len - 28, packet, len - 28);
}

static void check_error6(const uint8_t *error, const uint8_t *packet, size_t len)
{
    g_assert_cmpuint((size_t)(error[4] << 8 | error[5]), ==, len - 40);
    g_assert_cmpmem(error + 8, 16, packet + 24, 16);
    g_assert_cmpmem(error + 24, 16, packet + 8, 16);
    g_assert_cmpuint(error[40] << 8 | error[41], ==, 1 << 8 | 3);
    g_assert_cmpuint(fold(sum_words((uint32_t)(len - 40) + 58, error + 8, len - 8)), ==, 0xffff);
    g_assert_cmpmem(error + 48, len - 48, packet, len - 48);
}

static void test_unreachable(gconstpointer data)
{
    const Case        *c = data;
    uint8_t            error[WIRE_ICMP_ERROR_BYTES];
    g_autofree guint8 *packet = g_malloc0(c->len + 1); /* exact: a read behind it is seen */
    uint8_t            whole[2048];
    size_t             n;

    for (size_t i = 0; i < sizeof(whole); i++)
        whole[i] = (uint8_t)(i % 200 + 1);
    memset(whole, 0, 8);
    whole[0] = (uint8_t)(c->version << 4 | (c->version == 4 ? 5 : 0));
    whole[c->version == 4 ? 9 : 6] = c->protocol;
    whole[c->version == 4 ? 12 : 8] = 10;
    whole[c->version == 4 ? 16 : 24] = 10;
    if (c->protocol == 44)
        whole[42] = whole[43] = 0;
    if (c->value != 0)
        whole[c->at] = c->value;
    memcpy(packet, whole, c->len);
    n = wire_icmp_make_unreachable(packet, c->len, false, error);
    g_assert_cmpuint(n, ==, c->want);
    if (n > 0 && c->version == 4)
        check_error4(error, packet, n);
    if (n > 0 && c->version == 6)
        check_error6(error, packet, n);
    if (n > 0) {
        g_assert_cmpuint(wire_icmp_make_unreachable(packet, c->len, true, error), ==, n);
        g_assert_cmpuint(error[c->version == 4 ? 21 : 41], ==, c->version == 4 ? 13 : 1);
    }
}

static void test_too_long(void)
{
    uint8_t packet4[1400] = { 0x45, [6] = 0x40, [9] = 17, [12] = 10, [16] = 10 };
    uint8_t packet6[1400] = { 0x60, [6] = 17, [8] = 10, [24] = 10 };
    uint8_t error[WIRE_ICMP_ERROR_BYTES];

    g_assert_cmpuint(wire_icmp_make_too_long(packet4, sizeof packet4, 1240, error), ==, 576);
    g_assert_cmpuint(error[20] << 8 | error[21], ==, 3 << 8 | 4);
    g_assert_cmpuint(error[24] << 24 | error[25] << 16 | error[26] << 8 | error[27], ==, 1240);
    g_assert_cmpuint(fold(sum_words(0, error + 20, 576 - 20)), ==, 0xffff);
    g_assert_cmpuint(wire_icmp_make_too_long(packet6, sizeof packet6, 1300, error), ==, 1280);
    g_assert_cmpuint(error[40] << 8 | error[41], ==, 2 << 8 | 0);
    g_assert_cmpuint(error[44] << 24 | error[45] << 16 | error[46] << 8 | error[47], ==, 1300);
    g_assert_cmpuint(fold(sum_words(1240 + 58, error + 8, 1280 - 8)), ==, 0xffff);
    /* IPv6 goes no lower (RFC 8200 §5) */
    g_assert_cmpuint(wire_icmp_make_too_long(packet6, sizeof packet6, 1200, error), ==, 1280);
    g_assert_cmpuint(error[46] << 8 | error[47], ==, 1280);
}

/* What is told of, and what goes as it is. */
static void test_pmtu(void)
{
    uint8_t   packet[1400] = { 0x45, [6] = 0x40 };
    WireSplit split = { .packet = packet, .len = 1400, .n_segments = 1 };

    g_assert_false(wire_pmtu_refuses(&split, 1400));
    g_assert_true(wire_pmtu_refuses(&split, 1399));
    packet[6] = 0; /* goes in pieces */
    g_assert_false(wire_pmtu_refuses(&split, 1399));
    packet[0] = 0x60;
    g_assert_true(wire_pmtu_refuses(&split, 1399));
    split.len = 1280;
    g_assert_false(wire_pmtu_refuses(&split, 1200));
    split = (WireSplit){ .packet = packet, .len = 65000, .n_segments = 47 };
    split.header_len = 60;
    split.gso_size = 1340;
    g_assert_false(wire_pmtu_refuses(&split, 1400));
    g_assert_true(wire_pmtu_refuses(&split, 1399));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/icmp/unreachable/%s", cases[i].name);

        g_test_add_data_func(path, &cases[i], test_unreachable);
    }
    g_test_add_func("/icmp/too-long", test_too_long);
    g_test_add_func("/icmp/pmtu", test_pmtu);
    return g_test_run();
}
