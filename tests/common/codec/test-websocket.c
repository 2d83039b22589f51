/* tests/common/codec/test-websocket.c: the examples of RFC 6455, cut anywhere; what is no stream of
 * ours. */
#include "common/codec/websocket.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

typedef struct {
    const char *name;
    bool        from_client;
    const char *bytes;
    size_t      len;
    const char *want;
    int         want_rc;
} Case;

#define ROW(name, client, bytes, want, rc)               \
    {                                                    \
        name, client, bytes, sizeof(bytes) - 1, want, rc \
    }

static const Case cases[] = {
    /* RFC 6455 §5.7, with binary instead of text */
    ROW("single-unmasked", false, "\x82\x05Hello", "Hello", 0),
    ROW("single-masked", true, "\x82\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", "Hello", 0),
    ROW("fragmented", false, "\x02\x03Hel\x80\x02lo", "Hello", 0),
    ROW("ping-between-fragments", false, "\x02\x03Hel\x89\x05 ping\x80\x02lo", "Hello", 0),
    ROW("two-messages", false, "\x82\x03Hel\x82\x02lo", "Hello", 0),
    ROW("empty-message", false, "\x82\0\x82\x05Hello", "Hello", 0),
    ROW("unasked-pong", false, "\x8a\x02hm\x82\x05Hello", "Hello", 0),
    ROW("close-behind-data", false, "\x82\x02ok\x88\x02\x03\xe8", "ok", -EPIPE),
    ROW("empty-close", false, "\x88\0", "", -EPIPE),
    ROW("client-without-mask", true, "\x82\x05Hello", "", -EBADMSG),
    ROW("server-with-mask", false, "\x82\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", "", -EBADMSG),
    ROW("text", false, "\x81\x05Hello", "", -EBADMSG),
    ROW("continuation-of-nothing", false, "\x80\x05Hello", "", -EBADMSG),
    ROW("message-in-message", false, "\x02\x03Hel\x82\x02lo", "Hel", -EBADMSG),
    ROW("reserved-bit", false, "\xa2\x05Hello", "", -EBADMSG),
    ROW("unknown-control", false, "\x8b\x05Hello", "", -EBADMSG),
    ROW("cut-control", false, "\x09\x05Hello", "", -EBADMSG),
    ROW("long-control", false, "\x89\x7e\x01\x00", "", -EBADMSG),
    ROW("length-too-wide-16", false, "\x82\x7e\0\x7d", "", -EBADMSG),
    ROW("length-too-wide-64", false, "\x82\x7f\0\0\0\0\0\0\xff\xff", "", -EBADMSG),
    ROW("huge-message", false, "\x82\x7f\0\0\0\0\0\x10\0\x01", "", -EBADMSG),
    ROW("negative-message", false, "\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", "", -EBADMSG),
};

/* In pieces of @step bytes. */
static void try_steps(const Case *c, size_t step)
{
    MeshWebsocket self;
    uint8_t       got[64];
    size_t        n_got = 0;
    int           rc = 0;

    mesh_websocket_init(&self, c->from_client);
    for (size_t at = 0; rc == 0 && at < c->len; at += step) {
        size_t n = MIN(step, c->len - at);

        memcpy(got + n_got, c->bytes + at, n);
        rc = mesh_websocket_decode(&self, got + n_got, n, &n);
        n_got += n;
    }
    g_assert_cmpint(rc, ==, c->want_rc);
    g_assert_cmpmem(got, n_got, c->want, strlen(c->want));
}

static void test_case(gconstpointer data)
{
    const Case *c = data;

    for (size_t step = 1; step <= c->len; step++)
        try_steps(c, step);
}

static void test_wrap(void)
{
    static const size_t lengths[] = { 1, 125, 126, 65535, 65536, 70000 };
    const uint8_t       mask[4] = { 1, 2, 3, 0xff };
    g_autofree uint8_t *bytes = g_malloc(MESH_WEBSOCKET_HEAD_BYTES + 70000);

    for (size_t i = 0; i < 2 * G_N_ELEMENTS(lengths); i++) {
        uint8_t      *payload = bytes + MESH_WEBSOCKET_HEAD_BYTES;
        size_t        len = lengths[i / 2], head, got;
        MeshWebsocket self;

        for (size_t at = 0; at < len; at++)
            payload[at] = (uint8_t)(at * 7);
        head = mesh_websocket_wrap(i % 2 != 0 ? mask : NULL, payload, len);
        mesh_websocket_init(&self, i % 2 != 0);
        g_assert_cmpint(mesh_websocket_decode(&self, payload - head, head + len, &got), ==, 0);
        g_assert_cmpuint(got, ==, len);
        for (size_t at = 0; at < len; at++)
            g_assert_cmpuint((payload - head)[at], ==, (uint8_t)(at * 7));
    }
}

static void test_pong(void)
{
    const uint8_t mask[4] = { 9, 8, 7, 6 };
    uint8_t       ping[] = "\x89\x01x\x89\x05Hello";
    uint8_t       pong[MESH_WEBSOCKET_HEAD_BYTES + MESH_WEBSOCKET_CONTROL_BYTES];
    MeshWebsocket self;
    size_t        got;

    mesh_websocket_init(&self, false);
    g_assert_cmpuint(mesh_websocket_take_pong(&self, mask, pong), ==, 0);
    g_assert_cmpint(mesh_websocket_decode(&self, ping, sizeof ping - 1, &got), ==, 0);
    g_assert_cmpuint(got, ==, 0);
    g_assert_cmpuint(mesh_websocket_take_pong(&self, mask, pong), ==, 11); /* of the last */
    g_assert_cmpmem(pong, 6, "\x8a\x85\x09\x08\x07\x06", 6);
    g_assert_cmpuint(pong[6], ==, 'H' ^ 9);
    g_assert_cmpuint(mesh_websocket_take_pong(&self, mask, pong), ==, 0);
}

/* RFC 6455 §1.3. */
static void test_accept(void)
{
    char out[MESH_WEBSOCKET_ACCEPT_BYTES];

    g_assert_cmpint(mesh_websocket_accept("dGhlIHNhbXBsZSBub25jZQ==", 24, out), ==, 0);
    g_assert_cmpstr(out, ==, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    g_assert_cmpint(mesh_websocket_accept("short", 5, out), ==, -EINVAL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *name = g_strdup_printf("/websocket/decode/%s", cases[i].name);

        g_test_add_data_func(name, &cases[i], test_case);
    }
    g_test_add_func("/websocket/wrap", test_wrap);
    g_test_add_func("/websocket/pong", test_pong);
    g_test_add_func("/websocket/accept", test_accept);
    return g_test_run();
}
