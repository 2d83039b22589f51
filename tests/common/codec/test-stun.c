/* tests/common/codec/test-stun.c: STUN binding messages; the long samples are RFC 5769's. */
#include "common/codec/stun.h"

#include "common/std/base64.h"
#include "common/std/endpoint.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>

#define TXID "b7e7a701bc34d686fa87dfae"

typedef struct {
    const char *name;
    const char *hex;
    int         want_rc;
    const char *mapped; /* "-": none */
    uint8_t     change;
    uint16_t    error;
    uint8_t     n_unknown;
    uint16_t    response_port;
} DecodeCase;

static const DecodeCase cases[] = {
    { "rfc5769-v4",
      "0101003c2112a442" TXID "8022000b7465737420766563746f7220"
      "002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7"
      "80280004c07d4c96",
      0, "192.0.2.1:32853", .n_unknown = 1 },
    { "rfc5769-v6",
      "010100482112a442" TXID "8022000b7465737420766563746f7220"
      "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf1"
      "1784c97c8292c275bfe3ed4180280004c8fb0b4c",
      0, "[2001:db8:1234:5678:11:2233:4455:6677]:32853", .n_unknown = 1 },
    { "bad-fingerprint",
      "0101003c2112a442" TXID "8022000b7465737420766563746f7220"
      "002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7"
      "80280004c07d4c97",
      -EBADMSG, "-" },
    { "fingerprint-not-last", "010100102112a442" TXID "80280004000000008022000474657374", -EBADMSG,
      "-" },
    { "bare-request", "000100002112a442" TXID, 0, "-" },
    { "change-port", "000100082112a442" TXID "0003000400000002", 0, "-", .change = 2 },
    { "change-both", "000100082112a442" TXID "00030004000000f6", 0, "-", .change = 6 },
    { "change-too-long", "0001000c2112a442" TXID "000300080000000200000000", -EBADMSG, "-" },
    { "padding", "000100082112a442" TXID "0026000400000000", 0, "-" },
    { "padding-uneven", "000100082112a442" TXID "0026000100000000", 0, "-" },
    { "unknown-required", "000100082112a442" TXID "0007000000280000", 0, "-", .n_unknown = 2 },
    { "response-port", "000100082112a442" TXID "002700021f900000", 0, "-", .response_port = 8080 },
    { "response-port-with-padding", "000100082112a442" TXID "002700041f900000", 0, "-",
      .response_port = 8080 },
    { "response-port-empty", "000100042112a442" TXID "00270000", -EBADMSG, "-" },
    { "unknown-optional", "000100042112a442" TXID "80ff0000", 0, "-" },
    { "error-420",
      "011100102112a442" TXID "00090004000004140"
      "00a000200030000",
      0, "-", .error = 420, .n_unknown = 1 },
    { "error-class-7", "011100082112a442" TXID "0009000400000714", -EBADMSG, "-" },
    { "error-number-100", "011100082112a442" TXID "0009000400000464", -EBADMSG, "-" },
    { "unknown-odd", "011100082112a442" TXID "000a000300030000", -EBADMSG, "-" },
    { "mapped-family-3", "0101000c2112a442" TXID "002000080003a147e112a643", -EBADMSG, "-" },
    { "mapped-v4-long", "010100102112a442" TXID "0020000c0001a147e112a64300000000", -EBADMSG, "-" },
    { "mapped-v6-short", "0101000c2112a442" TXID "002000080002a147e112a643", -EBADMSG, "-" },
    { "mapped-twice-first-counts",
      "010100182112a442" TXID "002000080001a147e112a643002000080001a147e112a644", 0,
      "192.0.2.1:32853" },
    { "length-odd", "000100022112a442" TXID "0000", -EBADMSG, "-" },
    { "length-short", "000100002112a442" TXID "0026000400000000", -EBADMSG, "-" },
    { "length-long", "0001000c2112a442" TXID "0026000400000000", -EBADMSG, "-" },
    { "attribute-over-end", "000100082112a442" TXID "0026000800000000", -EBADMSG, "-" },
    { "attribute-head-cut", "000100042112a442" TXID "00260001", -EBADMSG, "-" },
    { "other-method", "000300002112a442" TXID, -EBADMSG, "-" },
    { "old-stun", "000100002112a443" TXID, -EBADMSG, "-" },
    { "channel-data", "400100002112a442" TXID, -EBADMSG, "-" },
    { "cut-head", "000100002112a442b7e7a701bc34d686fa87df", -EBADMSG, "-" },
    { "empty", "", -EBADMSG, "-" },
};

static void test_decode(gconstpointer data)
{
    const DecodeCase *c = data;
    uint8_t           bytes[256];
    size_t            len = strlen(c->hex) / 2;
    char              text[MESH_ENDPOINT_TEXT_SIZE];
    MeshStunMessage   message = { .n_unknown = 0 };

    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(g_ascii_xdigit_value(c->hex[2 * i]) << 4 |
                             g_ascii_xdigit_value(c->hex[2 * i + 1]));
    g_assert_cmpint(mesh_stun_decode(MESH_SPAN(bytes, len), &message), ==, c->want_rc);
    g_assert_cmpstr(mesh_endpoint_format(&message.mapped, text), ==, c->mapped);
    g_assert_cmpuint(message.change, ==, c->change);
    g_assert_cmpuint(message.response_port, ==, c->response_port);
    g_assert_cmpuint(message.error, ==, c->error);
    g_assert_cmpuint(message.n_unknown, ==, c->n_unknown);
}

/* What we ask: as long as we say, and no answer to it is longer. */
static void test_request(void)
{
    const uint8_t   changes[] = { 0, MESH_STUN_CHANGE_PORT, MESH_STUN_CHANGE_IP };
    MeshStunMessage message = { .txid = "abcdefghijk" }, back;
    uint8_t         out[MESH_STUN_MAX_BYTES];
    size_t          len = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(changes); i++) {
        message.change = changes[i];
        message.response_port = (uint16_t)(40000 * i);
        g_assert_cmpint(mesh_stun_encode_request(&message, MESH_STUN_REQUEST_BYTES, out,
                                                 sizeof(out), &len),
                        ==, 0);
        g_assert_cmpuint(len, ==, MESH_STUN_REQUEST_BYTES);
        g_assert_true(mesh_stun_is(MESH_SPAN(out, len)));
        g_assert_cmpint(mesh_stun_decode(MESH_SPAN(out, len), &back), ==, 0);
        g_assert_cmpint(back.type, ==, MESH_STUN_REQUEST);
        g_assert_cmpuint(back.change, ==, changes[i]);
        g_assert_cmpuint(back.response_port, ==, message.response_port);
        g_assert_cmpuint(back.n_unknown, ==, 0);
        g_assert_cmpmem(back.txid, 12, message.txid, 12);
    }
    message.response_port = 0;
    g_assert_cmpint(mesh_stun_encode_request(&message, 0, out, sizeof(out), &len), ==, 0);
    g_assert_cmpuint(len, ==, 28);
    g_assert_cmpint(mesh_stun_encode_request(&message, 30, out, sizeof(out), &len), ==, -EINVAL);
    g_assert_cmpint(mesh_stun_encode_request(&message, 28, out, sizeof(out), &len), ==, -EINVAL);
    g_assert_cmpint(mesh_stun_encode_request(&message, 1284, out, sizeof(out), &len), ==, -EINVAL);
    g_assert_cmpint(mesh_stun_encode_request(&message, 48, out, 47, &len), ==, -ENOSPC);
}

static void test_answer(gconstpointer text)
{
    MeshStunMessage message = { .txid = "abcdefghijk" }, back;
    uint8_t         out[64];
    size_t          len = 0;

    g_assert_cmpint(mesh_endpoint_parse(text, &message.mapped), ==, 0);
    g_assert_cmpint(mesh_stun_encode_answer(&message, out, sizeof(out), &len), ==, 0);
    g_assert_cmpuint(len, <=, MESH_STUN_REQUEST_BYTES);
    g_assert_cmpint(mesh_stun_decode(MESH_SPAN(out, len), &back), ==, 0);
    g_assert_cmpint(back.type, ==, MESH_STUN_SUCCESS);
    g_assert_true(mesh_endpoint_equal(&back.mapped, &message.mapped));
    g_assert_cmpmem(back.txid, 12, message.txid, 12);
    for (size_t size = 0; size < len; size++)
        g_assert_cmpint(mesh_stun_encode_answer(&message, out, size, &len), ==, -ENOSPC);
}

static void test_failure(void)
{
    MeshStunMessage message = { .error = MESH_STUN_UNKNOWN_ERROR,
                                .n_unknown = 3,
                                .unknown = { 0x0003, 0x0027, 0x0006 } };
    MeshStunMessage back;
    uint8_t         out[64];
    size_t          len = 0;

    g_assert_cmpint(mesh_stun_encode_answer(&message, out, sizeof(out), &len), ==, 0);
    g_assert_cmpint(mesh_stun_decode(MESH_SPAN(out, len), &back), ==, 0);
    g_assert_cmpint(back.type, ==, MESH_STUN_FAILURE);
    g_assert_cmpuint(back.error, ==, 420);
    g_assert_cmpuint(back.n_unknown, ==, 3);
    g_assert_cmpuint(back.unknown[1], ==, 0x0027);
    message.error = 0;
    g_assert_cmpint(mesh_stun_encode_answer(&message, out, sizeof(out), &len), ==, -EINVAL);
}

static void test_too_long(void)
{
    static uint8_t  bytes[MESH_STUN_MAX_BYTES + 4];
    MeshStunMessage message = { .change = 0 };
    size_t          len = 0;

    g_assert_cmpint(mesh_stun_encode_request(&message, MESH_STUN_MAX_BYTES, bytes, sizeof(bytes),
                                             &len),
                    ==, 0);
    g_assert_cmpint(mesh_stun_decode(MESH_SPAN(bytes, len), &message), ==, 0);
    bytes[3] = (uint8_t)(bytes[3] + 4); /* and 4 more of padding */
    bytes[23] = (uint8_t)(bytes[23] + 4);
    g_assert_cmpint(mesh_stun_decode(MESH_SPAN(bytes, len + 4), &message), ==, -EBADMSG);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/stun/decode/%s", cases[i].name);

        g_test_add_data_func(path, &cases[i], test_decode);
    }
    g_test_add_func("/stun/request", test_request);
    g_test_add_data_func("/stun/answer/v4", "203.0.113.7:55555", test_answer);
    g_test_add_data_func("/stun/answer/v6", "[2001:db8::7]:55555", test_answer);
    g_test_add_func("/stun/failure", test_failure);
    g_test_add_func("/stun/too-long", test_too_long);
    return g_test_run();
}
