/* tests/common/codec/test-relaybind.c: frames without a session. BOUND's bytes were made with
 * Python's hashlib from docs/PATHS.md §3 alone. */
#include "common/codec/relaybind.h"

#include "common/std/base64.h"
#include "common/std/endpoint.h"
#include "common/std/hash.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

static const MeshRelayGreeting greeting = { .nonce = { 1, 2, 3, 4, 5, 6, 7, 8 },
                                            .cookie = { [0 ... 15] = 0xC0 } };
static MeshSignSecret          node;
static MeshKey                 node_key;

static void test_hello(void)
{
    uint8_t           out[MESH_RELAYBIND_HELLO_BYTES + 1] = { 0 };
    MeshRelayGreeting back;

    mesh_relaybind_encode_hello(&greeting, out);
    g_assert_cmpmem(out, 12, "\x50\x01\x00\x00\x01\x02\x03\x04\x05\x06\x07\x08", 12);
    g_assert_cmpint(mesh_relaybind_decode_hello(MESH_SPAN(out, sizeof(out)), &back), ==, 0);
    for (size_t len = 0; len < MESH_RELAYBIND_HELLO_BYTES; len++) /* shorter than it may be */
        g_assert_cmpint(mesh_relaybind_decode_hello(MESH_SPAN(out, len), &back), ==, -EBADMSG);
    g_assert_cmpint(mesh_relaybind_decode_hello(MESH_SPAN(out, MESH_RELAYBIND_HELLO_BYTES), &back),
                    ==, 0);
    g_assert_cmpmem(back.nonce, 8, greeting.nonce, 8);
    out[1] = 2;
    g_assert_cmpint(mesh_relaybind_decode_hello(MESH_SPAN(out, sizeof(out)), &back), ==, -EBADMSG);
}

static void test_cookie(void)
{
    uint8_t           out[MESH_RELAYBIND_COOKIE_BYTES + 1] = { 0 };
    MeshRelayGreeting back;

    mesh_relaybind_encode_cookie(&greeting, out);
    g_assert_cmpuint(out[0], ==, 0x51);
    for (size_t len = 0; len <= sizeof(out); len++)
        g_assert_cmpint(mesh_relaybind_decode_cookie(MESH_SPAN(out, len), &back), ==,
                        len == MESH_RELAYBIND_COOKIE_BYTES ? 0 : -EBADMSG);
    g_assert_cmpint(mesh_relaybind_decode_cookie(MESH_SPAN(out, MESH_RELAYBIND_COOKIE_BYTES),
                                                 &back),
                    ==, 0);
    g_assert_cmpmem(&back, sizeof(back), &greeting, sizeof(greeting));
}

static const MeshKey relay = { { 5 } };

static size_t make_bind(MeshSpan token, uint8_t *out, size_t size)
{
    MeshRelayBind bind = { .greeting = greeting, .token = token };
    MeshWriter    w = mesh_writer_make(out, size);

    memset(bind.ephemeral.bytes, 0xE0, sizeof(bind.ephemeral.bytes));
    memset(bind.server_id, 0x51, sizeof(bind.server_id));
    memset(bind.network_id, 0x4E, sizeof(bind.network_id));
    memset(bind.token_signature.bytes, 0x70, sizeof(bind.token_signature.bytes));
    if (mesh_relaybind_encode_bind(&bind, &relay, &node, &w) < 0)
        return 0;
    return mesh_writer_length(&w);
}

static void test_bind(void)
{
    uint8_t       out[MESH_RELAYBIND_MAX_BYTES];
    MeshRelayBind back;
    size_t        len = make_bind(MESH_SPAN_TEXT("{\"t\":\"T\"}"), out, sizeof(out));

    g_assert_cmpuint(len, ==, 84 + 9 + 64 + 64);
    g_assert_cmpint(mesh_relaybind_decode_bind(MESH_SPAN(out, len), &back), ==, 0);
    g_assert_cmpuint(back.version, ==, 1);
    g_assert_cmpmem(back.token.data, back.token.len, "{\"t\":\"T\"}", 9);
    g_assert_cmpmem(&back.greeting, sizeof(greeting), &greeting, sizeof(greeting));
    g_assert_cmpuint(back.ephemeral.bytes[31], ==, 0xE0);
    g_assert_cmpuint(back.server_id[15], ==, 0x51);
    g_assert_cmpuint(back.network_id[7], ==, 0x4E);
    g_assert_cmpuint(back.token_signature.bytes[63], ==, 0x70);
    g_assert_cmpint(mesh_relaybind_verify_bind(MESH_SPAN(out, len), &relay, &node_key), ==, 0);
    for (size_t part = 0; part < len; part++)
        g_assert_cmpint(mesh_relaybind_decode_bind(MESH_SPAN(out, part), &back), ==, -EBADMSG);
    g_assert_cmpint(mesh_relaybind_decode_bind(MESH_SPAN(out, len + 1), &back), ==, -EBADMSG);
}

/* The signature holds for this frame at this relay in this network by this node. */
static void test_bind_signature(void)
{
    uint8_t out[MESH_RELAYBIND_MAX_BYTES];
    MeshKey stranger = { { 1 } }, wrong = relay;
    size_t  len = make_bind(MESH_SPAN_TEXT("{}"), out, sizeof(out));

    wrong.bytes[0]++;
    g_assert_cmpint(mesh_relaybind_verify_bind(MESH_SPAN(out, len), &wrong, &node_key), <, 0);
    g_assert_cmpint(mesh_relaybind_verify_bind(MESH_SPAN(out, len), &relay, &stranger), <, 0);
    for (size_t i = 0; i < len; i++) {
        out[i] ^= 0x10;
        g_assert_cmpint(mesh_relaybind_verify_bind(MESH_SPAN(out, len), &relay, &node_key), <, 0);
        out[i] ^= 0x10;
    }
    g_assert_cmpint(mesh_relaybind_verify_bind(MESH_SPAN(out, 20), &relay, &node_key), ==,
                    -EBADMSG);
}

static void test_bind_token_size(void)
{
    static const uint8_t token[MESH_RELAYBIND_MAX_TOKEN_BYTES + 1];
    uint8_t              out[MESH_RELAYBIND_MAX_BYTES];

    g_assert_cmpuint(make_bind(MESH_SPAN(token, 1024), out, sizeof(out)), ==, sizeof(out));
    g_assert_cmpuint(make_bind(MESH_SPAN(token, 1025), out, sizeof(out)), ==, 0);
    g_assert_cmpuint(make_bind(MESH_SPAN(token, 0), out, sizeof(out)), ==, 0);
    g_assert_cmpuint(make_bind(MESH_SPAN(token, 10), out, 84 + 10 + 127), ==, 0);
    g_assert_cmpuint(make_bind(MESH_SPAN(token, 10), out, 84 + 10 + 128), ==, 84 + 10 + 128);
}

static void test_bound(void)
{
    MeshRelayBound bound = { .status = MESH_RELAYBIND_OK, .session = 0x010203, .life_s = 3600 };
    MeshRelayBound back;
    MeshRelayKey   key, other = { { 1 } };
    uint8_t        out[MESH_RELAYBIND_BOUND_BYTES];
    char           hex[MESH_HEX_SIZE(MESH_RELAYBIND_BOUND_BYTES)];

    for (size_t i = 0; i < sizeof(key.bytes); i++)
        key.bytes[i] = (uint8_t)i;
    memcpy(bound.nonce, greeting.nonce, sizeof(bound.nonce));
    g_assert_cmpint(mesh_endpoint_parse("203.0.113.7:55555", &bound.seen), ==, 0);
    mesh_relaybind_encode_bound(&bound, &key, out);
    g_assert_cmpint(mesh_hex_encode(MESH_SPAN(out, sizeof(out)), hex, sizeof(hex)), ==, 0);
    g_assert_cmpstr(hex, ==,
                    "5301000001020304050607080001020300000e10d903000000000000"
                    "00000000ffffcb0071070000d17917ddec58029d8910aa499bbbaf6f");
    g_assert_cmpint(mesh_relaybind_decode_bound(MESH_SPAN(out, sizeof(out)), &key, &back), ==, 0);
    g_assert_cmpint(back.status, ==, MESH_RELAYBIND_OK);
    g_assert_cmpuint(back.session, ==, 0x010203);
    g_assert_cmpuint(back.life_s, ==, 3600);
    g_assert_true(mesh_endpoint_equal(&back.seen, &bound.seen));
    g_assert_cmpint(mesh_relaybind_decode_bound(MESH_SPAN(out, sizeof(out)), &other, &back), ==,
                    -EACCES);
    for (size_t i = 0; i < sizeof(out); i++) {
        out[i] ^= 1;
        g_assert_cmpint(mesh_relaybind_decode_bound(MESH_SPAN(out, sizeof(out)), &key, &back), <,
                        0);
        out[i] ^= 1;
        g_assert_cmpint(mesh_relaybind_decode_bound(MESH_SPAN(out, i), &key, &back), ==, -EBADMSG);
    }
    bound.status = MESH_RELAYBIND_REVOKED;
    mesh_relaybind_encode_bound(&bound, &key, out);
    g_assert_cmpint(mesh_relaybind_decode_bound(MESH_SPAN(out, sizeof(out)), &key, &back), ==, 0);
    g_assert_cmpint(back.status, ==, MESH_RELAYBIND_REVOKED);
}

static void test_reset(void)
{
    const uint8_t head[8] = { 0x40, 1, 2, 3, 4, 5, 6, 7 };
    uint8_t       out[MESH_RELAYBIND_RESET_BYTES], back[8];

    mesh_relaybind_encode_reset(head, out);
    g_assert_cmpmem(out, 4, "\x54\x01\x00\x00", 4);
    g_assert_cmpint(mesh_relaybind_decode_reset(MESH_SPAN(out, sizeof(out)), back), ==, 0);
    g_assert_cmpmem(back, 8, head, 8);
    g_assert_cmpint(mesh_relaybind_decode_reset(MESH_SPAN(out, sizeof(out) - 1), back), ==,
                    -EBADMSG);
}

int main(int argc, char **argv)
{
    static const uint8_t seed[MESH_SIGN_SEED_BYTES] = { 42 };

    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(mesh_key_init(), ==, 0);
    g_assert_cmpint(mesh_hash_init(), ==, 0);
    mesh_sign_make_pair(seed, &node, &node_key);
    g_test_add_func("/relaybind/hello", test_hello);
    g_test_add_func("/relaybind/cookie", test_cookie);
    g_test_add_func("/relaybind/bind/fields", test_bind);
    g_test_add_func("/relaybind/bind/signature", test_bind_signature);
    g_test_add_func("/relaybind/bind/token-size", test_bind_token_size);
    g_test_add_func("/relaybind/bound", test_bound);
    g_test_add_func("/relaybind/reset", test_reset);
    return g_test_run();
}
