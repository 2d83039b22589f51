/* Tests of common/proto/relaymap.c and token.c: R and T both ways, and what is refused. */
#include "common/proto/relaymap.h"

#include "common/glib/error.h"
#include "common/proto/token.h"
#include "tests/common/proto/fixture.h"

#include <string.h>
#include <sys/socket.h>

static MeshRelayEntry make_entry(uint16_t id)
{
    MeshRelayEntry entry = { .id = id,
                             .name = "here",
                             .host = "relay.example.org",
                             .n_addrs = 2,
                             .addrs = { fixture_addr("192.0.2.1"), fixture_addr("2001:db8::1") },
                             .udp = 3478,
                             .alt = 3479,
                             .tls = 443,
                             .rk = fixture_wg(id),
                             .sk = fixture_server().key,
                             .state = MESH_RELAYMAP_AVOID };

    return entry;
}

static void test_map(void)
{
    MeshNetwork  network = fixture_network();
    FixturePair  server = fixture_server();
    MeshRelayMap map = { .ver = 7, .n_relays = 2, .relays = { make_entry(1), make_entry(65535) } };
    MeshRelayMap again = { 0 };
    g_autoptr(GError) error = NULL;
    g_autoptr(MeshSigned) object = NULL;

    map.relays[1].n_addrs = 0;
    map.relays[1].addrs[0] = map.relays[1].addrs[1] = (MeshAddr){ 0 };
    map.relays[1].host[0] = '\0';
    map.relays[1].alt = 0;
    object = mesh_relaymap_sign(&map, &network.id, &server.secret, &error);
    g_assert_no_error(error);
    g_assert_true(mesh_relaymap_open(object, &network.id, &server.key, &again, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(again.ver, ==, 7);
    g_assert_cmpuint(again.n_relays, ==, 2);
    for (size_t i = 0; i < 2; i++) {
        const MeshRelayEntry *a = &map.relays[i], *b = &again.relays[i];

        g_assert_cmpuint(a->id, ==, b->id);
        g_assert_cmpstr(a->name, ==, b->name);
        g_assert_cmpstr(a->host, ==, b->host);
        g_assert_cmpuint(a->n_addrs, ==, b->n_addrs);
        g_assert_true(mesh_ip_equal_addr(&a->addrs[1], &b->addrs[1]));
        g_assert_cmpuint(a->udp, ==, b->udp);
        g_assert_cmpuint(a->alt, ==, b->alt);
        g_assert_cmpuint(a->tls, ==, b->tls);
        g_assert_true(mesh_key_equal(&a->rk, &b->rk) && mesh_key_equal(&a->sk, &b->sk));
        g_assert_cmpint(a->state, ==, b->state);
    }
}

/* The biggest map that may be still fits its limit. */
static void test_full_map(void)
{
    MeshNetwork  network = fixture_network();
    FixturePair  server = fixture_server();
    MeshRelayMap map = { .ver = 1, .n_relays = MESH_RELAYMAP_MAX_RELAYS }, again = { 0 };
    g_autoptr(MeshSigned) object = NULL;
    g_autoptr(GError) error = NULL;

    for (size_t i = 0; i < map.n_relays; i++) {
        MeshRelayEntry *entry = &map.relays[i];

        *entry = make_entry((uint16_t)(65000 + i));
        memset(entry->name, 'n', sizeof(entry->name) - 1);
        for (size_t k = 0; k < sizeof(entry->host) - 1; k++)
            entry->host[k] = k % 64 == 63 ? '.' : 'h';
        entry->n_addrs = MESH_RELAYMAP_MAX_ADDRS;
        for (size_t k = 0; k < entry->n_addrs; k++)
            entry->addrs[k] = fixture_addr("2001:db8:1111:2222:3333:4444:5555:6666");
    }
    object = mesh_relaymap_sign(&map, &network.id, &server.secret, &error);
    g_assert_no_error(error);
    g_assert_true(mesh_relaymap_open(object, &network.id, &server.key, &again, &error));
    g_assert_cmpuint(again.n_relays, ==, MESH_RELAYMAP_MAX_RELAYS);
}

typedef struct {
    const char *name;
    const char *body; /* after the first two fields */
    const char *want; /* in the error */
} BadCase;

#define KEY  "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define ZERO "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define ENTRY(id, name, host, addrs, ports, keys, state)                                      \
    "{\"id\":" id ",\"name\":\"" name "\",\"host\":\"" host "\",\"addrs\":[" addrs "]," ports \
    "," keys ",\"state\":\"" state "\"}"
#define PORTS     "\"udp\":3478,\"alt\":3479,\"tls\":443"
#define KEYS      "\"rk\":\"" KEY "\",\"sk\":\"" KEY "\""
#define GOOD      ENTRY("1", "a", "", "", PORTS, KEYS, "ok")
#define R(relays) "\"ver\":1,\"relays\":[" relays "]"

static const BadCase bad[] = {
    { "good", R(GOOD), NULL },
    { "empty", R(""), NULL },
    { "unknown-key", R("") ",\"later\":1", NULL },
    { "no-ver", "\"relays\":[]", "R.ver" },
    { "no-relays", "\"ver\":1", "R.relays" },
    { "id-0", R(ENTRY("0", "a", "", "", PORTS, KEYS, "ok")), "R.relays[0].id" },
    { "id-65536", R(ENTRY("65536", "a", "", "", PORTS, KEYS, "ok")), "R.relays[0].id" },
    { "id-twice", R(GOOD "," GOOD), "R.relays[1]: id: twice" },
    { "name", R(ENTRY("1", "A b", "", "", PORTS, KEYS, "ok")), "R.relays[0].name" },
    { "host-space", R(ENTRY("1", "a", "x y", "", PORTS, KEYS, "ok")), "host: not a DNS name" },
    { "host-dots", R(ENTRY("1", "a", "x..y", "", PORTS, KEYS, "ok")), "host: not a DNS name" },
    { "host-dot-end", R(ENTRY("1", "a", "x.", "", PORTS, KEYS, "ok")), "host: not a DNS name" },
    { "addr", R(ENTRY("1", "a", "", "\"1.2.3\"", PORTS, KEYS, "ok")), "addrs: not addresses" },
    { "five-addrs",
      R(ENTRY("1", "a", "", "\"1.2.3.4\",\"1.2.3.4\",\"1.2.3.4\",\"1.2.3.4\",\"1.2.3.4\"", PORTS,
              KEYS, "ok")),
      "R.relays[0].addrs" },
    { "no-port", R(ENTRY("1", "a", "", "", "\"udp\":0,\"alt\":0,\"tls\":0", KEYS, "ok")),
      "udp, tls: neither" },
    { "alt-alone", R(ENTRY("1", "a", "", "", "\"udp\":0,\"alt\":5,\"tls\":1", KEYS, "ok")),
      "alt: without udp" },
    { "alt-same", R(ENTRY("1", "a", "", "", "\"udp\":5,\"alt\":5,\"tls\":1", KEYS, "ok")),
      "alt: without udp" },
    { "port-65536", R(ENTRY("1", "a", "", "", "\"udp\":65536,\"alt\":0,\"tls\":1", KEYS, "ok")),
      "R.relays[0].udp" },
    { "rk-zero", R(ENTRY("1", "a", "", "", PORTS, "\"rk\":\"" ZERO "\",\"sk\":\"" KEY "\"", "ok")),
      "rk: the key is all zero" },
    { "state", R(ENTRY("1", "a", "", "", PORTS, KEYS, "gone")), "state: none of" },
    { "not-an-object", R("7"), "R.relays[0]" },
};

static void test_bad(gconstpointer data)
{
    const BadCase   *c = data;
    MeshNetwork      network = fixture_network();
    FixturePair      server = fixture_server();
    g_autofree char *body =
        g_strdup_printf("{\"t\":\"R\",\"net\":\"00112233445566ff\",%s}", c->body);
    g_autoptr(GError) error = NULL;
    g_autoptr(MeshSigned) object =
        mesh_signed_make(MESH_SIGNED_R, &network.id, body, &server.secret, &error);
    MeshRelayMap map = { .ver = 99 };

    g_assert_no_error(error);
    if (c->want == NULL) {
        g_assert_true(mesh_relaymap_open(object, &network.id, &server.key, &map, &error));
        g_assert_no_error(error);
        return;
    }
    g_assert_false(mesh_relaymap_open(object, &network.id, &server.key, &map, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON);
    g_assert_nonnull(strstr(error->message, c->want));
    g_assert_cmpuint(map.ver, ==, 99);
}

static void test_sign_refuses(void)
{
    MeshNetwork  network = fixture_network();
    FixturePair  server = fixture_server();
    MeshRelayMap map = { .ver = 1, .n_relays = 1, .relays = { make_entry(3) } };
    g_autoptr(GError) error = NULL;

    map.relays[0].name[0] = ' ';
    g_assert_null(mesh_relaymap_sign(&map, &network.id, &server.secret, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT);
    g_assert_cmpstr(error->message, ==, "relay 3: name: not a name");
}

static MeshToken make_token(void)
{
    return (MeshToken){ .node = fixture_node(1).key,
                        .index = 4000000000,
                        .exp = FIXTURE_NOW + 3600,
                        .bps = 20000000,
                        .burst = 4000000 };
}

static void test_token(void)
{
    MeshNetwork   network = fixture_network();
    FixturePair   server = fixture_server(), other = fixture_pair(1);
    MeshNetworkId wrong = { { 1 } };
    MeshToken     token = make_token(), again = { 0 };
    size_t        len;
    g_autoptr(GError) error = NULL;
    g_autoptr(MeshSigned) object = NULL;

    object = mesh_token_sign(&token, &network.id, &server.secret, &error);
    g_assert_no_error(error);
    (void)mesh_signed_get_body(object, &len);
    g_assert_cmpuint(len, <=, 256); /* BIND stays one small datagram */
    g_assert_true(mesh_token_open(object, &network.id, &server.key, &again, &error));
    g_assert_true(mesh_key_equal(&again.node, &token.node));
    g_assert_cmpuint(again.index, ==, token.index);
    g_assert_cmpint(again.exp, ==, token.exp);
    g_assert_cmpuint(again.bps, ==, token.bps);
    g_assert_cmpuint(again.burst, ==, token.burst);
    g_assert_false(mesh_token_open(object, &network.id, &other.key, &again, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_UNVERIFIED);
    g_clear_error(&error);
    g_assert_false(mesh_token_open(object, &wrong, &server.key, &again, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_UNVERIFIED);
}

/* A signed R is no T, and the other way round. */
static void test_other_type(void)
{
    MeshNetwork  network = fixture_network();
    FixturePair  server = fixture_server();
    MeshToken    token = make_token();
    MeshRelayMap map = { 0 };
    g_autoptr(GError) error = NULL;
    g_autoptr(MeshSigned) object = mesh_token_sign(&token, &network.id, &server.secret, &error);

    g_assert_false(mesh_relaymap_open(object, &network.id, &server.key, &map, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_UNVERIFIED);
}

static void test_token_limits(void)
{
    MeshNetwork network = fixture_network();
    FixturePair server = fixture_server();
    MeshToken   again = { 0 };
    const char *rates[] = { "\"bps\":0,\"burst\":1", "\"bps\":1,\"burst\":0", "\"bps\":1" };

    for (size_t i = 0; i < G_N_ELEMENTS(rates); i++) {
        g_autofree char *body =
            g_strdup_printf("{\"t\":\"T\",\"net\":\"00112233445566ff\",\"node\":\"" KEY
                            "\",\"i\":1,\"exp\":1,%s}",
                            rates[i]);
        g_autoptr(GError) error = NULL;
        g_autoptr(MeshSigned) object =
            mesh_signed_make(MESH_SIGNED_T, &network.id, body, &server.secret, &error);

        g_assert_false(mesh_token_open(object, &network.id, &server.key, &again, &error));
        g_assert_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON);
    }
}

static void test_answer(void)
{
    MeshNetwork     network = fixture_network();
    FixturePair     server = fixture_server();
    MeshRelayMap    map = { .ver = 3, .n_relays = 1, .relays = { make_entry(1) } };
    MeshToken       token = make_token();
    MeshRelayAnswer answer = { .observed = fixture_addr("203.0.113.7") }, again = { 0 };
    size_t          len = 0;
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;

    answer.r = mesh_relaymap_sign(&map, &network.id, &server.secret, &error);
    answer.t = mesh_token_sign(&token, &network.id, &server.secret, &error);
    g_assert_no_error(error);
    text = mesh_relaymap_encode_answer(&answer, &len);
    g_assert_true(mesh_relaymap_decode_answer(text, len, &again, &error));
    g_assert_true(mesh_signed_equal(answer.r, again.r) && mesh_signed_equal(answer.t, again.t));
    g_assert_true(mesh_ip_equal_addr(&answer.observed, &again.observed));
    mesh_relaymap_clear_answer(&answer);
    mesh_relaymap_clear_answer(&again);
    g_assert_false(mesh_relaymap_decode_answer("{}", 2, &again, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    fixture_start();
    g_test_add_func("/relaymap/both-ways", test_map);
    g_test_add_func("/relaymap/full", test_full_map);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *path = g_strdup_printf("/relaymap/read/%s", bad[i].name);

        g_test_add_data_func(path, &bad[i], test_bad);
    }
    g_test_add_func("/relaymap/sign-refuses", test_sign_refuses);
    g_test_add_func("/relaymap/answer", test_answer);
    g_test_add_func("/token/both-ways", test_token);
    g_test_add_func("/token/other-type", test_other_type);
    g_test_add_func("/token/limits", test_token_limits);
    return g_test_run();
}
