/* tests/daemon/wire/test-screen.c: what the in thread sees in handshake messages, and what ends
 * there. */
#include <glib.h>
#include <string.h>

#include "common/std/endpoint.h"
#include "common/std/hash.h"
#include "daemon/wire/limiter.h"
#include "daemon/wire/rcu.h"
#include "daemon/wire/screen.h"

enum { NOW_MS = 1000000, PORT = 5000, HOME = 0xc0000201, AWAY = 0xc0000202 };

typedef struct {
    WireScreen       *screen;
    WireCookieChecker checker; /* as the handshake thread has it */
    WireCookieJar     jar;     /* of a peer of ours who got a cookie at HOME */
} Rig;

static const MeshKey our_key = { { 7 } }, our_next_key = { { 8 } };

static void make_message(Rig *rig, size_t len, uint8_t *out)
{
    memset(out, 0x55, len);
    memset(out, 0, 4);
    out[0] = len == WIRE_INITIATION_BYTES ? WIRE_MESSAGE_INITIATION : WIRE_MESSAGE_RESPONSE;
    wire_cookie_add_macs(&rig->jar, out, len, NOW_MS);
}

static void give_cookie(Rig *rig)
{
    uint8_t           message[WIRE_INITIATION_BYTES], reply[WIRE_COOKIE_BYTES];
    WireCookieRequest request = { .message = message,
                                  .len = sizeof(message),
                                  .source = mesh_endpoint_make4(HOME, PORT),
                                  .nonce = { 1 },
                                  .fresh_secret = { 2 },
                                  .now_ms = NOW_MS };

    make_message(rig, sizeof(message), message);
    g_assert_true(wire_cookie_wants_secret(&rig->checker, NOW_MS));
    wire_cookie_make_reply(&rig->checker, &request, reply);
    g_assert_false(wire_cookie_wants_secret(&rig->checker, NOW_MS));
    g_assert_cmpint(wire_cookie_take_reply(&rig->jar, reply, NOW_MS), ==, 0);
}

static void rig_start(Rig *rig)
{
    *rig = (Rig){ .screen = NULL };
    wire_cookie_checker_init(&rig->checker, &our_key);
    wire_cookie_jar_init(&rig->jar, &our_key);
    give_cookie(rig);
    g_assert_cmpint(wire_screen_new(&rig->screen), ==, 0);
    wire_screen_set(rig->screen, &rig->checker);
}

static void rig_stop(Rig *rig)
{
    wire_rcu_barrier();
    wire_screen_free(rig->screen);
}

typedef struct {
    const char *name;
    size_t      len;
    size_t      flip; /* byte from the end that somebody changed; 0: none */
    uint32_t    from;
    bool        bare; /* mac2 is zero */
    int64_t     later_ms;
    WireDrop    want;
    WireMac     want_mac;
} Case;

static const Case cases[] = {
    { "with-cookie", 148, 0, HOME, false, 0, WIRE_DROP_NONE, WIRE_MAC_WITH_COOKIE },
    { "response-with-cookie", 92, 0, HOME, false, 0, WIRE_DROP_NONE, WIRE_MAC_WITH_COOKIE },
    { "without-cookie", 148, 0, HOME, true, 0, WIRE_DROP_NONE, WIRE_MAC_UNJUDGED },
    { "without-cookie-changed", 148, 17, HOME, true, 0, WIRE_DROP_NONE, WIRE_MAC_UNJUDGED },
    { "another-place", 148, 0, AWAY, false, 0, WIRE_DROP_NONE, WIRE_MAC_NO_COOKIE },
    { "changed-mac2", 148, 1, HOME, false, 0, WIRE_DROP_NONE, WIRE_MAC_NO_COOKIE },
    { "dead-cookie", 148, 0, HOME, false, 120000, WIRE_DROP_NONE, WIRE_MAC_NO_COOKIE },
    { "changed-mac1", 148, 17, HOME, false, 0, WIRE_DROP_FORGED, WIRE_MAC_INVALID },
    { "changed-content", 148, 40, HOME, false, 0, WIRE_DROP_FORGED, WIRE_MAC_INVALID },
    { "cookie-reply", 64, 0, AWAY, false, 0, WIRE_DROP_NONE, WIRE_MAC_UNJUDGED },
};

static void test_case(gconstpointer data)
{
    const Case  *c = data;
    uint8_t      message[WIRE_INITIATION_BYTES] = { WIRE_MESSAGE_COOKIE };
    WirePacket   packet = { .data = message, .len = (uint32_t)c->len };
    MeshEndpoint from = mesh_endpoint_make4(c->from, PORT);
    WireMac      mac;
    Rig          rig;

    rig_start(&rig);
    if (c->len != WIRE_COOKIE_BYTES)
        make_message(&rig, c->len, message);
    if (c->bare)
        memset(message + c->len - 16, 0, 16);
    if (c->flip != 0)
        message[c->len - c->flip] ^= 1;
    g_assert_cmpint(wire_screen_judge(rig.screen, &packet, &from, NOW_MS + c->later_ms, &mac), ==,
                    c->want);
    g_assert_cmpint(mac, ==, c->want_mac);
    rig_stop(&rig);
}

static unsigned count_passed(Rig *rig, bool bare, unsigned n)
{
    uint8_t      message[WIRE_INITIATION_BYTES];
    WirePacket   packet = { .data = message, .len = sizeof(message) };
    MeshEndpoint from = mesh_endpoint_make4(HOME, PORT);
    unsigned     passed = 0;
    WireMac      mac;

    make_message(rig, sizeof(message), message);
    if (bare)
        memset(message + sizeof(message) - 16, 0, 16);
    for (unsigned i = 0; i < n; i++) {
        WireDrop why = wire_screen_judge(rig->screen, &packet, &from, NOW_MS, &mac);

        g_assert_true(why == WIRE_DROP_NONE || why == WIRE_DROP_HANDSHAKES);
        passed += why == WIRE_DROP_NONE;
    }
    return passed;
}

/* Who can show a cookie is held to his rate, under load. The rest may be anybody's. */
static void test_rate(void)
{
    Rig rig;

    rig_start(&rig);
    g_assert_cmpuint(count_passed(&rig, false, 100), ==, 100);
    wire_screen_set_loaded(rig.screen, true);
    g_assert_cmpuint(count_passed(&rig, true, 100), ==, 100);
    g_assert_cmpuint(count_passed(&rig, false, 100), ==, WIRE_LIMITER_BURST);
    wire_screen_set_loaded(rig.screen, false);
    g_assert_cmpuint(count_passed(&rig, false, 100), ==, 100);
    rig_stop(&rig);
}

/* A new key is in force at once, and while it is on its way nobody is turned away. */
static void test_new_key(void)
{
    uint8_t      message[WIRE_INITIATION_BYTES];
    WirePacket   packet = { .data = message, .len = sizeof(message) };
    MeshEndpoint from = mesh_endpoint_make4(HOME, PORT);
    WireMac      mac;
    Rig          rig;

    rig_start(&rig);
    make_message(&rig, sizeof(message), message);
    wire_screen_set(rig.screen, NULL);
    g_assert_cmpint(wire_screen_judge(rig.screen, &packet, &from, NOW_MS, &mac), ==,
                    WIRE_DROP_NONE);
    g_assert_cmpint(mac, ==, WIRE_MAC_UNJUDGED);
    wire_cookie_checker_init(&rig.checker, &our_next_key);
    wire_screen_set(rig.screen, &rig.checker);
    g_assert_cmpint(wire_screen_judge(rig.screen, &packet, &from, NOW_MS, &mac), ==,
                    WIRE_DROP_FORGED);
    wire_cookie_jar_init(&rig.jar, &our_next_key);
    give_cookie(&rig);
    wire_screen_set(rig.screen, &rig.checker);
    make_message(&rig, sizeof(message), message);
    g_assert_cmpint(wire_screen_judge(rig.screen, &packet, &from, NOW_MS, &mac), ==,
                    WIRE_DROP_NONE);
    g_assert_cmpint(mac, ==, WIRE_MAC_WITH_COOKIE);
    rig_stop(&rig);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(mesh_key_init(), ==, 0);
    g_assert_cmpint(mesh_hash_init(), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/screen/%s", cases[i].name);

        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_func("/screen/rate", test_rate);
    g_test_add_func("/screen/new-key", test_new_key);
    return g_test_run();
}
