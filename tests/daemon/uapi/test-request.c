/* Tests of daemon/uapi/request.c and reply.c: what each line does, what is refused, and that a
 * reply says what requests set. */
#include "common/std/key.h"
#include "daemon/uapi/reply.h"
#include "daemon/uapi/request.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>

#define KEY_1 "1111111111111111111111111111111111111111111111111111111111111111"
#define KEY_2 "2222222222222222222222222222222222222222222222222222222222222222"
#define ZERO  "0000000000000000000000000000000000000000000000000000000000000000"

/* Applies a request of lines to @state, as the server does. Returns the first error. */
static int set(UapiState *state, const char *request)
{
    g_auto(GStrv) lines = g_strsplit(request, "\n", -1);
    UapiDraft draft;
    int       rc = 0;

    g_assert_cmpint(uapi_request_begin(&draft, state), ==, 0);
    for (char **line = lines; rc == 0 && *line != NULL && **line != '\0'; line++)
        rc = uapi_request_take(&draft, *line);
    if (rc == 0) {
        UapiState old = *state;

        uapi_request_finish(&draft);
        *state = draft.next;
        draft.next = (UapiState){ .config = NULL };
        uapi_state_done(&old);
    }
    uapi_request_end(&draft);
    return rc;
}

/* The plane knows peer 1 only. */
static int get_live(void *data, const MeshKey *peer, WirePeerInfo *out_info)
{
    WirePeerInfo info = {
        .last_handshake_s = 1700000000, .last_handshake_ns = 5, .rx_bytes = 12, .tx_bytes = 34
    };

    (void)data;
    if (peer->bytes[0] != 0x11)
        return -ENOENT;
    info.endpoint.addr = mesh_ip_make_addr(AF_INET, (const uint8_t[]){ 192, 0, 2, 1 });
    info.endpoint.port = 7;
    *out_info = info;
    return 0;
}

static char *get(const UapiState *state)
{
    UapiLive live = { .listen_port = 51820, .get_peer = get_live };
    UapiText text = { .text = NULL };
    char    *copy;

    uapi_reply_write_state(&text, state, &live);
    uapi_reply_write_errno(&text, 0);
    copy = g_strndup(text.text, text.len);
    uapi_text_done(&text);
    return copy;
}

static void assert_get(const UapiState *state, const char *want)
{
    g_autofree char *text = get(state), *all = g_strdup_printf("%serrno=0\n\n", want);

    g_assert_cmpstr(text, ==, all);
}

#define DEVICE "listen_port=51820\n"
#define LIVE_1                                                                       \
    "protocol_version=1\nendpoint=192.0.2.1:7\nlast_handshake_time_sec=1700000000\n" \
    "last_handshake_time_nsec=5\ntx_bytes=34\nrx_bytes=12\n"

typedef struct {
    const char *name;
    const char *first, *then; /* requests; the first succeeds */
    int         want_rc;
    const char *want; /* what get says afterwards, without its errno line */
} SetCase;

static const SetCase cases[] = {
    { "nothing", "", "", 0, DEVICE },
    { "private-key-is-clamped", "", "private_key=" KEY_1 "\n", 0,
      "private_key=1011111111111111111111111111111111111111111111111111111111111151\n" DEVICE },
    { "private-key-cleared", "private_key=" KEY_1 "\n", "private_key=" ZERO "\n", 0, DEVICE },
    { "fwmark", "", "fwmark=4660\nlisten_port=7\n", 0, DEVICE "fwmark=4660\n" },
    { "whole-peer", "",
      "public_key=" KEY_1 "\npreshared_key=" KEY_2 "\nendpoint=192.0.2.9:1\n"
      "persistent_keepalive_interval=25\nallowed_ip=10.1.2.3/24\nprotocol_version=1\n",
      0,
      DEVICE "public_key=" KEY_1 "\npreshared_key=" KEY_2 "\n" LIVE_1
             "persistent_keepalive_interval=25\nallowed_ip=10.1.2.0/24\n" },
    { "peer-without-a-plane-object", "", "public_key=" KEY_2 "\nallowed_ip=fd00::1\n", 0,
      DEVICE "public_key=" KEY_2 "\npreshared_key=" ZERO "\nprotocol_version=1\n"
             "persistent_keepalive_interval=0\nallowed_ip=fd00::1/128\n" },
    { "changing-one-thing-keeps-the-rest",
      "public_key=" KEY_1 "\npreshared_key=" KEY_2 "\nallowed_ip=10.0.0.0/8\n",
      "public_key=" KEY_1 "\npersistent_keepalive_interval=9\n", 0,
      DEVICE "public_key=" KEY_1 "\npreshared_key=" KEY_2 "\n" LIVE_1
             "persistent_keepalive_interval=9\nallowed_ip=10.0.0.0/8\n" },
    { "replace-allowed-ips", "public_key=" KEY_1 "\nallowed_ip=10.0.0.0/8\n",
      "public_key=" KEY_1 "\nreplace_allowed_ips=true\nallowed_ip=10.9.0.0/16\n", 0,
      DEVICE "public_key=" KEY_1 "\npreshared_key=" ZERO "\n" LIVE_1
             "persistent_keepalive_interval=0\nallowed_ip=10.9.0.0/16\n" },
    { "take-an-allowed-ip-away",
      "public_key=" KEY_1 "\nallowed_ip=10.0.0.0/8\nallowed_ip=10.0.0.0/9\n",
      "public_key=" KEY_1 "\nallowed_ip=-10.0.0.0/8\nallowed_ip=-10.0.0.0/10\n", 0,
      DEVICE "public_key=" KEY_1 "\npreshared_key=" ZERO "\n" LIVE_1
             "persistent_keepalive_interval=0\nallowed_ip=10.0.0.0/9\n" },
    { "remove", "public_key=" KEY_1 "\n", "public_key=" KEY_1 "\nremove=true\n", 0, DEVICE },
    { "remove-then-lines-are-only-checked", "",
      "public_key=" KEY_1 "\nremove=true\nallowed_ip=10.0.0.0/8\nendpoint=192.0.2.1:5\n"
      "preshared_key=" KEY_2 "\n",
      0, DEVICE },
    { "replace-peers", "public_key=" KEY_1 "\n", "replace_peers=true\npublic_key=" KEY_2 "\n", 0,
      DEVICE "public_key=" KEY_2 "\npreshared_key=" ZERO "\nprotocol_version=1\n"
             "persistent_keepalive_interval=0\n" },
    { "update-only-of-nobody", "",
      "public_key=" KEY_1 "\nupdate_only=true\nallowed_ip=10.0.0.0/8\n", 0, DEVICE },
    { "update-only-of-somebody", "public_key=" KEY_1 "\n",
      "public_key=" KEY_1 "\nupdate_only=true\nallowed_ip=10.0.0.0/8\n", 0,
      DEVICE "public_key=" KEY_1 "\npreshared_key=" ZERO "\n" LIVE_1
             "persistent_keepalive_interval=0\nallowed_ip=10.0.0.0/8\n" },
    { "an-error-leaves-all-as-it-was", "fwmark=1\n",
      "fwmark=2\nprivate_key=" KEY_2 "\npublic_key=" KEY_1 "\nendpoint=nowhere\n", -EINVAL,
      DEVICE "fwmark=1\n" },
};

static void test_set(gconstpointer data)
{
    const SetCase *c = data;
    UapiState      state;

    g_assert_cmpint(uapi_state_init(&state), ==, 0);
    g_assert_cmpint(set(&state, c->first), ==, 0);
    g_assert_cmpint(set(&state, c->then), ==, c->want_rc);
    assert_get(&state, c->want);
    uapi_state_done(&state);
}

/* Each alone, behind a good peer where that is needed, ends the request. */
static const char *const refused[] = {
    "private_key=",
    "private_key=" KEY_1 "1",
    "private_key=xx11111111111111111111111111111111111111111111111111111111111111",
    "listen_port=",
    "listen_port=65536",
    "listen_port=-1",
    "listen_port= 1",
    "listen_port=0x10",
    "fwmark=4294967296",
    "replace_peers=false",
    "remove=true",           /* no peer yet */
    "allowed_ip=10.0.0.0/8", /* no peer yet */
    "nonsense=1",
    "nonsense",
    "=",
    "public_key=" ZERO,
    "public_key=" KEY_1 "\nfwmark=1", /* about the device, too late */
    "public_key=" KEY_1 "\nprivate_key=" KEY_2,
    "public_key=" KEY_1 "\nremove=1",
    "public_key=" KEY_1 "\nupdate_only=yes",
    "public_key=" KEY_1 "\npreshared_key=12",
    "public_key=" KEY_1 "\nendpoint=192.0.2.1",
    "public_key=" KEY_1 "\nendpoint=192.0.2.1:0",
    "public_key=" KEY_1 "\nendpoint=example.com:1",
    "public_key=" KEY_1 "\npersistent_keepalive_interval=off",
    "public_key=" KEY_1 "\npersistent_keepalive_interval=65536",
    "public_key=" KEY_1 "\nallowed_ip=",
    "public_key=" KEY_1 "\nallowed_ip=10.0.0.0/33",
    "public_key=" KEY_1 "\nallowed_ip=--10.0.0.0/8",
    "public_key=" KEY_1 "\nallowed_ip=fe80::%eth0/64",
    "public_key=" KEY_1 "\nremove=true\nendpoint=bad", /* checked even when nobody is meant */
};

static void test_refused(gconstpointer data)
{
    UapiState state;

    g_assert_cmpint(uapi_state_init(&state), ==, 0);
    g_assert_cmpint(set(&state, data), ==, -EINVAL);
    assert_get(&state, DEVICE);
    uapi_state_done(&state);
}

static void test_version(void)
{
    UapiState state;

    g_assert_cmpint(uapi_state_init(&state), ==, 0);
    g_assert_cmpint(set(&state, "public_key=" KEY_1 "\nprotocol_version=2\n"), ==, -EPROTO);
    uapi_state_done(&state);
}

/* Whoever sets a private key whose public one is a peer loses that peer, in either order. */
static void test_own_key(void)
{
    MeshKey          private_key = { { 0 } }, public_key;
    g_autofree char *request = NULL;
    GString         *hex = g_string_new(NULL);
    UapiState        state;

    memset(private_key.bytes, 0x11, sizeof private_key.bytes);
    mesh_key_make_public(&private_key, &public_key);
    for (size_t i = 0; i < sizeof public_key.bytes; i++)
        g_string_append_printf(hex, "%02x", (unsigned)public_key.bytes[i]);
    g_assert_cmpint(uapi_state_init(&state), ==, 0);
    request =
        g_strdup_printf("private_key=" KEY_1 "\npublic_key=%s\nallowed_ip=10.0.0.0/8\n", hex->str);
    g_assert_cmpint(set(&state, request), ==, 0);
    assert_get(
        &state,
        "private_key=1011111111111111111111111111111111111111111111111111111111111151\n" DEVICE);
    g_string_free(hex, TRUE);
    uapi_state_done(&state);
}

static void test_endpoints(void)
{
    UapiState state;
    UapiDraft draft;

    g_assert_cmpint(uapi_state_init(&state), ==, 0);
    g_assert_cmpint(uapi_request_begin(&draft, &state), ==, 0);
    g_assert_cmpint(uapi_request_take(&draft, "public_key=" KEY_1), ==, 0);
    for (int i = 0; i < 20; i++)
        g_assert_cmpint(uapi_request_take(&draft, "endpoint=[fe80::1%3]:9"), ==, 0);
    g_assert_cmpuint(draft.n_endpoints, ==, 20);
    g_assert_cmpuint(draft.endpoints[19].endpoint.port, ==, 9);
    g_assert_cmpuint(draft.endpoints[19].endpoint.scope, ==, 3);
    g_assert_cmpuint(draft.endpoints[19].peer.bytes[5], ==, 0x11);
    uapi_request_end(&draft);
    uapi_state_done(&state);
}

/* What get says, set says again: the same. */
static void test_round_trip(void)
{
    g_autoptr(GString) request = g_string_new("private_key=" KEY_1 "\nfwmark=3\n");
    g_autofree char *before = NULL, *after = NULL;
    g_autoptr(GPtrArray) kept = g_ptr_array_new();
    g_auto(GStrv) lines = NULL;
    UapiState a, b;

    for (unsigned i = 1; i < 100; i++)
        g_string_append_printf(request,
                               "public_key=%064x\nallowed_ip=10.%u.0.0/16\n"
                               "allowed_ip=fd00:%x::/32\n",
                               i, i, i);
    g_assert_cmpint(uapi_state_init(&a), ==, 0);
    g_assert_cmpint(uapi_state_init(&b), ==, 0);
    g_assert_cmpint(set(&a, request->str), ==, 0);
    before = get(&a);
    lines = g_strsplit(before, "\n", -1);
    for (char **line = lines; *line != NULL; line++) {
        if (!g_str_has_prefix(*line, "last_") && !g_str_has_prefix(*line, "rx_") &&
            !g_str_has_prefix(*line, "tx_") && !g_str_has_prefix(*line, "errno") && **line != '\0')
            g_ptr_array_add(kept, *line);
    }
    g_ptr_array_add(kept, NULL);
    after = g_strjoinv("\n", (char **)kept->pdata);
    g_assert_cmpint(set(&b, after), ==, 0);
    g_free(after);
    after = get(&b);
    g_assert_cmpuint(strlen(before), ==, strlen(after));
    uapi_state_done(&a);
    uapi_state_done(&b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(mesh_key_init(), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/uapi/set/%s", cases[i].name);

        g_test_add_data_func(path, &cases[i], test_set);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autofree char *path = g_strdup_printf("/uapi/refused/%zu", i);

        g_test_add_data_func(path, refused[i], test_refused);
    }
    g_test_add_func("/uapi/version", test_version);
    g_test_add_func("/uapi/own-key", test_own_key);
    g_test_add_func("/uapi/endpoints", test_endpoints);
    g_test_add_func("/uapi/round-trip", test_round_trip);
    return g_test_run();
}
