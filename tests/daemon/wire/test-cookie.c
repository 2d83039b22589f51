/* Tests of daemon/wire/cookie.c: known answers, life of cookies, what must be refused. */
#include "common/std/base64.h"
#include "common/std/endpoint.h"
#include "common/std/hash.h"
#include "common/std/key.h"
#include "daemon/wire/cookie.h"
#include "tests/daemon/wire/vectors-noise.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

/* Computed as those in vectors-noise.h: the responder of the first vector, under load, answers its
 * initiation; XChaCha20 after draft-irtf-cfrg-xchacha §2. */
typedef struct {
    const char *name;
    const char *source;
    const char *reply;
    const char *mac2; /* of the initiation sent again with the cookie */
} CookieVector;

static const char secret_hex[] = "4e5e88b28d2821be00fa9116994114590e36349d4ab4b55967ac2bd41cded163";
static const char nonce_hex[] = "8a48837d04ee0fe300fffd9cd38162a3012829359443c79b";

static const CookieVector vectors[] = {
    { "ipv4", "192.0.2.7:51820",
      "03000000040302018a48837d04ee0fe300fffd9cd38162a3012829359443c79b"
      "4271dd01b5d3ab811f714ec5dcf89e594f3548bc77ca13fdc6462504dbf937b5",
      "75ae0b6af574186ce4ac7bd334a6cd00" },
    { "ipv6", "[2001:db8::7]:51820",
      "03000000040302018a48837d04ee0fe300fffd9cd38162a3012829359443c79b"
      "14e82f6588785bf6e3e0e2ec1ecceb812257c48dff44ed1aacdc2fb039924bd1",
      "07601acdb7262638a9ff115bf98cf8a0" },
};

/* An initiator that knows the responder, and the responder's judge. */
typedef struct {
    WireCookieJar     jar;
    WireCookieChecker checker;
    MeshEndpoint      source;
    uint8_t           message[WIRE_INITIATION_BYTES];
} Pair;

static void from_hex(const char *hex, void *out, size_t len)
{
    g_assert_cmpint(mesh_hex_decode(hex, out, len, NULL), ==, 0);
}

static bool equals_hex(const uint8_t *bytes, size_t len, const char *hex)
{
    uint8_t want[256];

    from_hex(hex, want, len);
    return memcmp(bytes, want, len) == 0;
}

static void set_up(Pair *pair, const char *source)
{
    const NoiseVector *v = &noise_vectors[0];
    MeshKey            private_key, public_key;

    from_hex(v->static_r, private_key.bytes, MESH_KEY_BYTES);
    mesh_key_make_public(&private_key, &public_key);
    wire_cookie_jar_init(&pair->jar, &public_key);
    wire_cookie_checker_init(&pair->checker, &public_key);
    g_assert_cmpint(mesh_endpoint_parse(source, &pair->source), ==, 0);
    memset(pair->message, 0xee, sizeof pair->message);
    from_hex(v->initiation, pair->message, WIRE_INITIATION_BYTES - 32);
}

static void add_macs(Pair *pair, int64_t now_ms)
{
    wire_cookie_add_macs(&pair->jar, pair->message, sizeof pair->message, now_ms);
}

static WireMac check(const Pair *pair, int64_t now_ms)
{
    return wire_cookie_check(&pair->checker, pair->message, sizeof pair->message, &pair->source,
                             now_ms);
}

static void reply(Pair *pair, int64_t now_ms, uint8_t out_reply[WIRE_COOKIE_BYTES])
{
    WireCookieRequest request = {
        .message = pair->message,
        .len = sizeof pair->message,
        .source = pair->source,
        .now_ms = now_ms,
    };

    from_hex(nonce_hex, request.nonce, sizeof request.nonce);
    from_hex(secret_hex, request.fresh_secret, sizeof request.fresh_secret);
    wire_cookie_make_reply(&pair->checker, &request, out_reply);
}

static void test_known_answer(gconstpointer data)
{
    const CookieVector *v = data;
    const uint8_t       zero[16] = { 0 };
    uint8_t             answer[WIRE_COOKIE_BYTES];
    Pair                pair;

    set_up(&pair, v->source);
    add_macs(&pair, 1000);
    g_assert_true(equals_hex(pair.message + 116, 16, noise_vectors[0].mac1_i));
    g_assert_true(memcmp(pair.message + 132, zero, 16) == 0);
    g_assert_cmpint(check(&pair, 1000), ==, WIRE_MAC_NO_COOKIE);
    reply(&pair, 1000, answer);
    g_assert_true(equals_hex(answer, sizeof answer, v->reply));
    g_assert_cmpint(wire_cookie_take_reply(&pair.jar, answer, 1001), ==, 0);
    add_macs(&pair, 1002);
    g_assert_true(equals_hex(pair.message + 132, 16, v->mac2));
    g_assert_cmpint(check(&pair, 1003), ==, WIRE_MAC_WITH_COOKIE);
}

static void test_response_mac1(void)
{
    const NoiseVector *v = &noise_vectors[0];
    uint8_t            response[WIRE_RESPONSE_BYTES];
    MeshKey            private_key, public_key;
    WireCookieJar      jar;

    from_hex(v->static_i, private_key.bytes, MESH_KEY_BYTES);
    mesh_key_make_public(&private_key, &public_key);
    wire_cookie_jar_init(&jar, &public_key);
    from_hex(v->response, response, WIRE_RESPONSE_BYTES - 32);
    wire_cookie_add_macs(&jar, response, sizeof response, 1);
    g_assert_true(equals_hex(response + 60, 16, v->mac1_r));
}

static void test_every_bit_counts(void)
{
    Pair pair;

    set_up(&pair, vectors[0].source);
    add_macs(&pair, 1000);
    for (size_t at = 0; at < 132; at++) {
        pair.message[at] ^= 0x80;
        g_assert_cmpint(check(&pair, 1000), ==, WIRE_MAC_INVALID);
        pair.message[at] ^= 0x80;
    }
    g_assert_cmpint(check(&pair, 1000), ==, WIRE_MAC_NO_COOKIE);
}

/* A cookie is worth nothing from another address, another port, or after its secret's life. */
static void test_bound_to_source_and_time(void)
{
    uint8_t answer[WIRE_COOKIE_BYTES];
    Pair    pair;

    set_up(&pair, vectors[0].source);
    add_macs(&pair, 1000);
    reply(&pair, 1000, answer);
    g_assert_cmpint(wire_cookie_take_reply(&pair.jar, answer, 1000), ==, 0);
    add_macs(&pair, 1000);
    g_assert_cmpint(check(&pair, 1000 + WIRE_COOKIE_LIFE_MS - 1), ==, WIRE_MAC_WITH_COOKIE);
    g_assert_cmpint(check(&pair, 1000 + WIRE_COOKIE_LIFE_MS), ==, WIRE_MAC_NO_COOKIE);
    pair.source.port++;
    g_assert_cmpint(check(&pair, 1000), ==, WIRE_MAC_NO_COOKIE);
    pair.source.port--;
    pair.source.addr.bytes[3]++;
    g_assert_cmpint(check(&pair, 1000), ==, WIRE_MAC_NO_COOKIE);
}

static void test_initiator_stops_in_time(void)
{
    const int64_t end_ms = 1000 + WIRE_COOKIE_LIFE_MS - WIRE_COOKIE_LATENCY_MS;
    const uint8_t zero[16] = { 0 };
    uint8_t       answer[WIRE_COOKIE_BYTES];
    Pair          pair;

    set_up(&pair, vectors[0].source);
    add_macs(&pair, 1000);
    reply(&pair, 1000, answer);
    g_assert_cmpint(wire_cookie_take_reply(&pair.jar, answer, 1000), ==, 0);
    add_macs(&pair, end_ms - 1);
    g_assert_false(memcmp(pair.message + 132, zero, 16) == 0);
    add_macs(&pair, end_ms);
    g_assert_true(memcmp(pair.message + 132, zero, 16) == 0);
}

static void test_secret_changes(void)
{
    uint8_t first[WIRE_COOKIE_BYTES], second[WIRE_COOKIE_BYTES];
    Pair    pair;

    set_up(&pair, vectors[0].source);
    add_macs(&pair, 1000);
    reply(&pair, 1000, first);
    memset(pair.checker.secret, 0x55, 32); /* stands for another one that is still alive */
    reply(&pair, 1000 + WIRE_COOKIE_LIFE_MS - 1, second);
    g_assert_false(memcmp(first, second, sizeof first) == 0);
    reply(&pair, 1000 + WIRE_COOKIE_LIFE_MS, second); /* a fresh secret: the same as at first */
    g_assert_true(memcmp(first, second, sizeof first) == 0);
}

static void test_refused_replies(void)
{
    uint8_t answer[WIRE_COOKIE_BYTES];
    Pair    pair;

    set_up(&pair, vectors[0].source);
    memset(answer, 0, sizeof answer);
    g_assert_cmpint(wire_cookie_take_reply(&pair.jar, answer, 1000), ==, -ENOENT);
    add_macs(&pair, 1000);
    reply(&pair, 1000, answer);
    for (size_t at = 8; at < sizeof answer; at++) {
        answer[at] ^= 1;
        g_assert_cmpint(wire_cookie_take_reply(&pair.jar, answer, 1000), ==, -EBADMSG);
        answer[at] ^= 1;
    }
    pair.message[10] ^= 1; /* a newer message: the reply is about the old one */
    add_macs(&pair, 1000);
    g_assert_cmpint(wire_cookie_take_reply(&pair.jar, answer, 1000), ==, -EBADMSG);
    pair.message[10] ^= 1;
    add_macs(&pair, 1000);
    g_assert_cmpint(wire_cookie_take_reply(&pair.jar, answer, 1000), ==, 0);
    g_assert_cmpint(wire_cookie_take_reply(&pair.jar, answer, 1000), ==, -ENOENT);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(mesh_key_init(), ==, 0);
    g_assert_cmpint(mesh_hash_init(), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(vectors); i++) {
        g_autofree char *path = g_strdup_printf("/cookie/known-answer/%s", vectors[i].name);

        g_test_add_data_func(path, &vectors[i], test_known_answer);
    }
    g_test_add_func("/cookie/response-mac1", test_response_mac1);
    g_test_add_func("/cookie/every-bit-counts", test_every_bit_counts);
    g_test_add_func("/cookie/bound-to-source-and-time", test_bound_to_source_and_time);
    g_test_add_func("/cookie/initiator-stops-in-time", test_initiator_stops_in_time);
    g_test_add_func("/cookie/secret-changes", test_secret_changes);
    g_test_add_func("/cookie/refused-replies", test_refused_replies);
    return g_test_run();
}
