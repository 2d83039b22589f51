/* tests/common/codec/test-relaykey.c: session keys, MACs, cookies. Known answers: SipHash-2-4 from
 * its paper (appendix A), the keys computed with Python's hashlib and an X25519 written for it. */
#include "common/codec/relaykey.h"

#include "common/std/base64.h"
#include "common/std/endpoint.h"
#include "common/std/hash.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

static void assert_hex(const uint8_t *bytes, size_t len, const char *want)
{
    char text[MESH_HEX_SIZE(64)];

    g_assert_cmpint(mesh_hex_encode(MESH_SPAN(bytes, len), text, sizeof(text)), ==, 0);
    g_assert_cmpstr(text, ==, want);
}

static void test_derive(void)
{
    MeshKey          client, relay;
    MeshRelayPublics publics;
    MeshRelayKeys    ours, theirs;

    memset(client.bytes, 0x11, sizeof(client.bytes));
    memset(relay.bytes, 0x22, sizeof(relay.bytes));
    mesh_key_make_public(&client, &publics.ephemeral);
    mesh_key_make_public(&relay, &publics.relay);
    g_assert_cmpint(mesh_relaykey_derive(&client, false, &publics, &ours), ==, 0);
    g_assert_cmpint(mesh_relaykey_derive(&relay, true, &publics, &theirs), ==, 0);
    g_assert_cmpmem(&ours, sizeof(ours), &theirs, sizeof(theirs));
    assert_hex(ours.up.bytes, sizeof(ours.up.bytes), "5b74d3002a35685d2a4e9322dc28bc2d");
    assert_hex(ours.down.bytes, sizeof(ours.down.bytes), "912d678dbeece01b0ce8c15a555a8ed3");
}

static void test_small_order(void)
{
    MeshKey          relay = { { 1 } };
    MeshRelayPublics publics = { { { 0 } }, { { 0 } } };
    MeshRelayKeys    keys;

    g_assert_cmpint(mesh_relaykey_derive(&relay, true, &publics, &keys), ==, -EBADMSG);
}

static void test_mac(void)
{
    MeshRelayKey key;
    uint8_t      input[15], mac[MESH_RELAYKEY_MAC_BYTES];

    for (size_t i = 0; i < sizeof(key.bytes); i++)
        key.bytes[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof(input); i++)
        input[i] = (uint8_t)i;
    for (size_t cut = 0; cut <= sizeof(input); cut++) { /* in two spans as in one */
        mesh_relaykey_mac(&key, MESH_SPAN(input, cut), MESH_SPAN(input + cut, sizeof(input) - cut),
                          mac);
        assert_hex(mac, sizeof(mac), "e545be4961ca29a1");
    }
    input[14] ^= 1;
    g_assert_true(mesh_relaykey_mac_equal(mac, mac));
    mesh_relaykey_mac(&key, MESH_SPAN(input, sizeof(input)), MESH_SPAN(NULL, 0), input);
    g_assert_false(mesh_relaykey_mac_equal(mac, input));
}

static MeshRelayClaim make_claim(void)
{
    MeshRelayClaim claim = { .purpose = 0x52, .nonce = "1234567" };

    g_assert_cmpint(mesh_endpoint_parse("203.0.113.7:4000", &claim.source), ==, 0);
    return claim;
}

/* A cookie proves exactly what it was made for. */
static void test_cookie_scope(void)
{
    MeshRelayJar   jar, other;
    MeshRelayClaim claim = make_claim(), changed = claim;
    uint8_t        cookie[MESH_RELAYKEY_COOKIE_BYTES];

    mesh_relaykey_jar_init(&jar, 5);
    mesh_relaykey_jar_init(&other, 5);
    mesh_relaykey_cookie_make(&jar, &claim, cookie);
    g_assert_true(mesh_relaykey_cookie_check(&jar, &claim, cookie));
    g_assert_false(mesh_relaykey_cookie_check(&other, &claim, cookie));
    changed.purpose = 0x4A;
    g_assert_false(mesh_relaykey_cookie_check(&jar, &changed, cookie));
    changed = claim;
    changed.source.port++;
    g_assert_false(mesh_relaykey_cookie_check(&jar, &changed, cookie));
    changed = claim;
    changed.source.addr.bytes[3]++;
    g_assert_false(mesh_relaykey_cookie_check(&jar, &changed, cookie));
    changed = claim;
    changed.nonce[0]++;
    g_assert_false(mesh_relaykey_cookie_check(&jar, &changed, cookie));
    cookie[15] ^= 0x80;
    g_assert_false(mesh_relaykey_cookie_check(&jar, &claim, cookie));
}

typedef struct {
    const char *name;
    int64_t     steps_ms[4]; /* how far the clock goes before each turn; 0 ends */
    bool        want;
} AgeCase;

static const AgeCase ages[] = {
    { "fresh", { 59999 }, true },
    { "one-turn", { 60000 }, true },
    { "one-late-turn", { 119999 }, true },
    { "two-turns", { 60000, 60000 }, false },
    { "nobody-turned-for-long", { 120000 }, false },
    { "turned-often", { 30000, 20000, 20000, 20000 }, true },
};

static void test_cookie_age(gconstpointer data)
{
    const AgeCase *c = data;
    MeshRelayJar   jar;
    MeshRelayClaim claim = make_claim();
    uint8_t        cookie[MESH_RELAYKEY_COOKIE_BYTES];
    int64_t        now_ms = 1000000;

    mesh_relaykey_jar_init(&jar, now_ms);
    mesh_relaykey_cookie_make(&jar, &claim, cookie);
    for (size_t i = 0; i < G_N_ELEMENTS(c->steps_ms) && c->steps_ms[i] != 0; i++) {
        now_ms += c->steps_ms[i];
        mesh_relaykey_jar_turn(&jar, now_ms);
    }
    g_assert_cmpint(mesh_relaykey_cookie_check(&jar, &claim, cookie), ==, c->want);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(mesh_key_init(), ==, 0);
    g_assert_cmpint(mesh_hash_init(), ==, 0);
    g_test_add_func("/relaykey/derive", test_derive);
    g_test_add_func("/relaykey/small-order", test_small_order);
    g_test_add_func("/relaykey/mac", test_mac);
    g_test_add_func("/relaykey/cookie/scope", test_cookie_scope);
    for (size_t i = 0; i < G_N_ELEMENTS(ages); i++) {
        g_autofree char *path = g_strdup_printf("/relaykey/cookie/%s", ages[i].name);

        g_test_add_data_func(path, &ages[i], test_cookie_age);
    }
    return g_test_run();
}
