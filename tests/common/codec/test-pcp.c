/* tests/common/codec/test-pcp.c: what goes to a router and what comes back, byte for byte. */
#include "common/codec/pcp.h"
#include "common/std/endpoint.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

static const uint8_t nonce[MESH_PCP_NONCE_BYTES] = "0123456789ab";

static MeshAddr addr(const char *text)
{
    MeshAddr found = { 0 };

    g_assert_cmpint(mesh_ip_parse_addr(text, &found), ==, 0);
    return found;
}

static MeshPcpMap make_map(const char *client, uint16_t port)
{
    MeshPcpMap map = { .port = port, .life_s = 7200 };

    memcpy(map.nonce, nonce, sizeof nonce);
    if (client != NULL)
        map.client = addr(client);
    return map;
}

/* RFC 6887 §7.1, §11.1. */
static void test_request(void)
{
    static const uint8_t want[MESH_PCP_MAP_BYTES] = {
        2,   1,   0,   0,    0,    0,   0x1c, 0x20, 0, 0,    0,    0,    0,    0,    0,
        0,   0,   0,   0xff, 0xff, 192, 168,  1,    2, '0',  '1',  '2',  '3',  '4',  '5',
        '6', '7', '8', '9',  'a',  'b', 17,   0,    0, 0,    0xa0, 0x28, 0xa0, 0x29, 0,
        0,   0,   0,   0,    0,    0,   0,    0,    0, 0xff, 0xff, 0,    0,    0,    0,
    };
    MeshPcpMap map = make_map("192.168.1.2", 0xa028);
    uint8_t    out[MESH_PCP_MAP_BYTES];
    size_t     len = 0;

    map.external.port = 0xa029;
    g_assert_cmpint(mesh_pcp_encode_map(&map, out, sizeof out, &len), ==, 0);
    g_assert_cmpmem(out, len, want, sizeof want);
    g_assert_cmpint(mesh_pcp_encode_map(&map, out, sizeof out - 1, &len), ==, -ENOSPC);
    map.port = 0;
    g_assert_cmpint(mesh_pcp_encode_map(&map, out, sizeof out, &len), ==, -EINVAL);
    map = make_map(NULL, 1);
    g_assert_cmpint(mesh_pcp_encode_map(&map, out, sizeof out, &len), ==, -EINVAL);
}

/* RFC 6886 §3.2, §3.3, §3.4. */
static void test_natpmp_request(void)
{
    static const uint8_t want[] = { 0, 1, 0, 0, 0xa0, 0x28, 0xa0, 0x29, 0, 0, 0x1c, 0x20 };
    static const uint8_t end[] = { 0, 1, 0, 0, 0xa0, 0x28, 0, 0, 0, 0, 0, 0 };
    static const uint8_t ask[] = { 0, 0 };
    MeshPcpMap           map = make_map(NULL, 0xa028);
    uint8_t              out[MESH_NATPMP_MAP_BYTES];
    size_t               len = 0;

    map.external.port = 0xa029;
    g_assert_cmpint(mesh_pcp_encode_natpmp_map(&map, out, sizeof out, &len), ==, 0);
    g_assert_cmpmem(out, len, want, sizeof want);
    map.life_s = 0;
    g_assert_cmpint(mesh_pcp_encode_natpmp_map(&map, out, sizeof out, &len), ==, 0);
    g_assert_cmpmem(out, len, end, sizeof end);
    g_assert_cmpint(mesh_pcp_encode_natpmp_address(out, sizeof out, &len), ==, 0);
    g_assert_cmpmem(out, len, ask, sizeof ask);
    g_assert_cmpint(mesh_pcp_encode_natpmp_address(out, 1, &len), ==, -ENOSPC);
}

/* An answer to make_map(…, 0xa028): 5.5.5.1:0xa029 for @life_s. */
static size_t make_answer(uint8_t out[MESH_PCP_MAP_BYTES], uint8_t result, uint32_t life_s)
{
    MeshPcpMap map = make_map("0.0.0.0", 0xa028);
    size_t     len = 0;

    map.life_s = life_s;
    map.external = mesh_endpoint_make4(0x05050501, 0xa029);
    g_assert_cmpint(mesh_pcp_encode_map(&map, out, MESH_PCP_MAP_BYTES, &len), ==, 0);
    memset(out + 8, 0, 16);
    out[1] |= 0x80;
    out[3] = result;
    out[11] = 77; /* epoch */
    return len;
}

/* What is asked for TCP says so, and the answer is told from one for UDP. */
static void test_tcp(void)
{
    MeshPcpMap    map = make_map("192.168.1.2", 0xa028);
    uint8_t       out[MESH_PCP_MAP_BYTES], bytes[MESH_PCP_MAP_BYTES] = { 0 };
    size_t        len = 0;
    MeshPcpAnswer answer;

    map.tcp = true;
    g_assert_cmpint(mesh_pcp_encode_map(&map, out, sizeof out, &len), ==, 0);
    g_assert_cmpuint(out[36], ==, 6);
    g_assert_cmpint(mesh_pcp_encode_natpmp_map(&map, out, sizeof out, &len), ==, 0);
    g_assert_cmpuint(out[1], ==, 2);
    len = make_answer(bytes, 0, 3600);
    g_assert_cmpint(mesh_pcp_decode(MESH_SPAN(bytes, len), &answer), ==, 0);
    g_assert_false(answer.map.tcp);
    bytes[36] = 6;
    g_assert_cmpint(mesh_pcp_decode(MESH_SPAN(bytes, len), &answer), ==, 0);
    g_assert_true(answer.map.tcp);
}

static void test_answer(void)
{
    uint8_t       bytes[MESH_PCP_MAP_BYTES + 8] = { 0 };
    size_t        len = make_answer(bytes, 0, 3600);
    MeshPcpAnswer answer;
    char          text[MESH_ENDPOINT_TEXT_SIZE];

    g_assert_cmpint(mesh_pcp_decode(MESH_SPAN(bytes, len), &answer), ==, 0);
    g_assert_cmpint(answer.kind, ==, MESH_PCP_MAP);
    g_assert_cmpuint(answer.map.life_s, ==, 3600);
    g_assert_cmpuint(answer.epoch_s, ==, 77);
    g_assert_cmpuint(answer.map.port, ==, 0xa028);
    g_assert_cmpstr(mesh_endpoint_format(&answer.map.external, text), ==, "5.5.5.1:41001");
    g_assert_cmpmem(answer.map.nonce, sizeof nonce, nonce, sizeof nonce);
    g_assert_cmpint(mesh_pcp_decode(MESH_SPAN(bytes, len + 8), &answer), ==, 0); /* an option */
    for (size_t cut = 0; cut < len; cut++) {
        uint8_t *exact = g_memdup2(bytes, cut); /* its own end: reading over it is seen */

        g_assert_cmpint(mesh_pcp_decode(MESH_SPAN(exact, cut), &answer), ==, -EBADMSG);
        g_free(exact);
    }
}

typedef struct {
    const char *name, *hex;
    int         want_rc;
    MeshPcpKind want_kind;
    uint16_t    want_result;
} AnswerCase;

static const AnswerCase cases[] = {
    { "announce", "0280000000000000000000050000000000000000000000000", -EBADMSG, 0, 0 },
    { "announce-whole", "028000000000000000000005000000000000000000000000", 0, MESH_PCP_ANNOUNCE,
      0 },
    { "request", "0200000000000000000000050000000000000000000000", -EBADMSG, 0, 0 },
    { "version-1", "018000000000000000000005000000000000000000000000", -EBADMSG, 0, 0 },
    { "peer", "028200000000000000000005000000000000000000000000", -EBADMSG, 0, 0 },
    { "version-refused-head-alone", "028100010000000000000005000000000000000000000000", 0,
      MESH_PCP_REFUSED, 1 },
    { "refused-head-alone", "028100020000000000000005000000000000000000000000", -EBADMSG, 0, 0 },
    { "natpmp-address", "008000000000000505050501", 0, MESH_NATPMP_ADDRESS, 0 },
    { "natpmp-address-short", "0080000000000005050505", -EBADMSG, 0, 0 },
    { "natpmp-address-refused", "0080000300000005", 0, MESH_PCP_REFUSED, 3 },
    { "natpmp-map", "0081000000000005a028a02900001c20", 0, MESH_NATPMP_MAP, 0 },
    { "natpmp-map-short", "0081000000000005a028a02900001c", -EBADMSG, 0, 0 },
    { "natpmp-map-refused", "0081000200000005", 0, MESH_PCP_REFUSED, 2 },
    { "natpmp-to-pcp", "0081000100000005", 0, MESH_PCP_REFUSED, 1 },
    { "natpmp-to-another-opcode", "0087000100000005", 0, MESH_PCP_REFUSED, 1 },
    { "natpmp-tcp", "0082000000000005a028a02900001c20", 0, MESH_NATPMP_MAP, 0 },
    { "natpmp-another-opcode", "0083000000000005a028a02900001c20", -EBADMSG, 0, 0 },
    { "natpmp-request", "0000", -EBADMSG, 0, 0 },
    { "empty", "", -EBADMSG, 0, 0 },
};

static void test_case(gconstpointer data)
{
    const AnswerCase *c = data;
    uint8_t           bytes[64];
    size_t            len = strlen(c->hex) / 2;
    MeshPcpAnswer     answer = { 0 };

    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(g_ascii_xdigit_value(c->hex[2 * i]) << 4 |
                             g_ascii_xdigit_value(c->hex[2 * i + 1]));
    if (strlen(c->hex) % 2 != 0)
        len--; /* one byte is missing */
    g_assert_cmpint(mesh_pcp_decode(MESH_SPAN(bytes, len), &answer), ==, c->want_rc);
    g_assert_cmpint(answer.kind, ==, c->want_kind);
    g_assert_cmpuint(answer.result, ==, c->want_result);
}

static void test_other_protocol(void)
{
    uint8_t       bytes[MESH_PCP_MAP_BYTES];
    size_t        len = make_answer(bytes, 0, 3600);
    MeshPcpAnswer answer;
    uint8_t       large[MESH_PCP_MAX_BYTES + 4] = { 0 };

    bytes[36] = 132; /* SCTP */
    g_assert_cmpint(mesh_pcp_decode(MESH_SPAN(bytes, len), &answer), ==, -EBADMSG);
    make_answer(large, 0, 3600);
    g_assert_cmpint(mesh_pcp_decode(MESH_SPAN(large, MESH_PCP_MAX_BYTES), &answer), ==, 0);
    g_assert_cmpint(mesh_pcp_decode(MESH_SPAN(large, sizeof large), &answer), ==, -EBADMSG);
}

/* RFC 6887 §8.5. */
static void test_epoch(void)
{
    MeshPcpEpoch epoch = { 0 };

    g_assert_true(mesh_pcp_epoch_accept(&epoch, 1000, 5000000));
    g_assert_true(mesh_pcp_epoch_accept(&epoch, 1100, 5100000));
    g_assert_true(mesh_pcp_epoch_accept(&epoch, 1099, 5100000)); /* overtaken on the way */
    g_assert_true(mesh_pcp_epoch_accept(&epoch, 4699, 8700000));
    g_assert_true(mesh_pcp_epoch_accept(&epoch, 8499, 12300000)); /* its clock is a bit fast */
    g_assert_false(mesh_pcp_epoch_accept(&epoch, 10, 12400000));  /* begun anew */
    g_assert_true(mesh_pcp_epoch_accept(&epoch, 20, 12410000));
    g_assert_false(mesh_pcp_epoch_accept(&epoch, 500, 12420000)); /* another router's */
    g_assert_false(mesh_pcp_epoch_accept(&epoch, 505, 13420000)); /* begun anew, and late heard */
    g_assert_false(mesh_pcp_epoch_accept(&epoch, UINT32_MAX, 13420000));
    g_assert_false(mesh_pcp_epoch_accept(&epoch, 0, 13420000));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pcp/request", test_request);
    g_test_add_func("/pcp/natpmp-request", test_natpmp_request);
    g_test_add_func("/pcp/answer", test_answer);
    g_test_add_func("/pcp/tcp", test_tcp);
    g_test_add_func("/pcp/other-protocol-and-too-long", test_other_protocol);
    g_test_add_func("/pcp/epoch", test_epoch);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/pcp/answer/%s", cases[i].name);

        g_test_add_data_func(path, &cases[i], test_case);
    }
    return g_test_run();
}
