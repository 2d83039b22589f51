/* Tests of common/proto/signed.c, record.c, member.c and tip.c: known answers, round trips, what is
 * refused. The known answers were made with openssl pkeyutl. */
#include "common/glib/error.h"
#include "common/glib/json.h"
#include "common/std/base64.h"
#include "common/std/endpoint.h"
#include "tests/common/proto/objects.h"

#include <string.h>
#include <sys/socket.h>

#define KBODY                                                     \
    "{\"t\":\"K\",\"net\":\"00112233445566ff\",\"node\":\"A6EHv_" \
    "POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJV"                          \
    "Mbg\",\"wg\":\"CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk\",\"seq\":1,\"suites\":[\"wg1\"]}"
#define KSIG \
    "wO2jhUsvI3hjSckoyynpgK3NsWO4AecGJSqTrKeo_uPB5ut2LIxk7WEj8qlyD9pNqwLnlHjzascoNMIonYJUDA"

static void test_known_k(void)
{
    MeshNetwork    network = fixture_network();
    uint8_t        seed[32];
    MeshSignSecret secret;
    MeshKey        node, wg;
    MeshRecordK    record;
    g_autoptr(MeshSigned) k = NULL;
    g_autoptr(GError) error = NULL;
    char text[90];

    for (unsigned i = 0; i < sizeof(seed); i++)
        seed[i] = (uint8_t)i;
    mesh_sign_make_pair(seed, &secret, &node);
    memset(wg.bytes, 9, sizeof(wg.bytes));
    record = mesh_record_make_k(&node, &wg, 1);
    k = mesh_record_sign_k(&record, &network.id, &secret, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(mesh_signed_get_body(k, NULL), ==, KBODY);
    g_assert_cmpint(mesh_base64url_encode(MESH_SPAN(mesh_signed_get_signature(k)->bytes, 64), text,
                                          sizeof(text)),
                    ==, 0);
    g_assert_cmpstr(text, ==, KSIG);
}

static void test_round_k(void)
{
    MeshNetwork network = fixture_network();
    FixturePair node = fixture_node(3);
    MeshKey     wg = fixture_wg(3);
    g_autoptr(MeshSigned) k = fixture_k(3, 42);
    g_autoptr(GError) error = NULL;
    MeshRecordK record;

    mesh_record_open_k(k, &network.id, &node.key, &record, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(record.seq, ==, 42);
    g_assert_true(mesh_key_equal(&record.wg, &wg));
    g_assert_cmpuint(record.n_suites, ==, 1);
    g_assert_cmpstr(record.suites[0], ==, "wg1");
}

/* The suite of AES, in the form that is read fast and in one that is not. */
static void test_suites_of_k(void)
{
    static const struct {
        const char *first, *second;
        bool        aes;
    } cases[] = {
        { NULL, NULL, false },       { "aesgcm1", NULL, true },   { "new1", NULL, false },
        { "new1", "aesgcm1", true }, { "aesgcm1", "new1", true }, { "aesgcm10", "aesgcm", false },
    };
    MeshNetwork network = fixture_network();
    FixturePair node = fixture_node(3);
    MeshKey     wg = fixture_wg(3);

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        MeshRecordK record = mesh_record_make_k(&node.key, &wg, 9), again;
        g_autoptr(MeshSigned) k = NULL;
        g_autoptr(GError) error = NULL;

        if (cases[i].first != NULL)
            mesh_record_add_suite(&record, cases[i].first);
        if (cases[i].second != NULL)
            mesh_record_add_suite(&record, cases[i].second);
        k = mesh_record_sign_k(&record, &network.id, &node.secret, &error);
        mesh_record_open_k(k, &network.id, &node.key, &again, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(again.n_suites, ==, record.n_suites);
        g_assert_true(mesh_record_has_suite(&again, MESH_RECORD_SUITE_AES) == cases[i].aes);
        g_assert_true(mesh_record_has_suite(&again, "wg1"));
    }
}

static void test_round_e(void)
{
    MeshNetwork network = fixture_network();
    FixturePair node = fixture_node(3);
    MeshRecordE record = { .node = node.key, .seq = 7, .exp = FIXTURE_NOW }, again;
    g_autoptr(MeshSigned) e = NULL;
    g_autoptr(GError) error = NULL;

    record.n_relays = 2;
    record.relays[0] = 1;
    record.relays[1] = 65535;
    record.relay = (MeshRecordRelay){ .port = 41700, .key = { { 9, 8, 7 } } };
    record.tcp = mesh_endpoint_make4(0x05050501, 41700);
    record.n_endpoints = MESH_RECORD_MAX_ENDPOINTS;
    for (unsigned i = 0; i < record.n_endpoints; i++) {
        record.endpoints[i].kind = (MeshRecordKind)(i % 3);
        record.endpoints[i].endpoint = mesh_endpoint_make4(0xc0000200 + i, (uint16_t)(i + 1));
    }
    e = mesh_record_sign_e(&record, &network.id, &node.secret, &error);
    g_assert_no_error(error);
    mesh_record_open_e(e, &network.id, &node.key, &again, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(again.n_endpoints, ==, record.n_endpoints);
    g_assert_cmpint(again.exp, ==, FIXTURE_NOW);
    g_assert_cmpuint(again.n_relays, ==, 2);
    g_assert_cmpuint(again.relays[1], ==, 65535);
    g_assert_cmpuint(again.relay.port, ==, 41700);
    g_assert_true(mesh_key_equal(&again.relay.key, &record.relay.key));
    g_assert_true(mesh_endpoint_equal(&again.tcp, &record.tcp));
    for (unsigned i = 0; i < record.n_endpoints; i++) {
        g_assert_cmpint(again.endpoints[i].kind, ==, record.endpoints[i].kind);
        g_assert_true(
            mesh_endpoint_equal(&again.endpoints[i].endpoint, &record.endpoints[i].endpoint));
    }
}

static void test_round_m(void)
{
    MeshNetwork network = fixture_network();
    g_autoptr(MeshMember) member = fixture_member(4), again = NULL;
    g_autoptr(MeshSigned) m = NULL;
    g_autoptr(GError) error = NULL;

    member->n_prefixes = 2;
    member->prefixes = g_new0(MeshPrefix, 2);
    member->prefixes[0] = fixture_prefix("192.168.7.0/24");
    member->prefixes[1] = fixture_prefix("fd77::/64");
    g_strfreev(member->tags);
    member->tags = g_strsplit("web db", " ", 0);
    m = fixture_sign_member(member);
    again = mesh_member_open(m, &network.id, &network.server, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(again->name, ==, "node-4");
    g_assert_cmpuint(again->serial, ==, 4);
    g_assert_cmpint(again->nbf, ==, member->nbf);
    g_assert_cmpint(again->exp, ==, member->exp);
    g_assert_true(mesh_ip_equal_addr(&again->ip4, &member->ip4));
    g_assert_true(mesh_ip_equal_addr(&again->ip6, &member->ip6));
    g_assert_cmpuint(again->n_prefixes, ==, 2);
    g_assert_true(mesh_ip_equal_prefix(&again->prefixes[1], &member->prefixes[1]));
    g_assert_true(mesh_member_has_tag(again, "db"));
    g_assert_false(mesh_member_has_tag(again, "d"));
}

static void test_member_time(void)
{
    g_autoptr(MeshMember) member = fixture_member(1);
    g_autoptr(GError) error = NULL;

    g_assert_true(mesh_member_check_time(member, member->nbf - 300, NULL));
    g_assert_false(mesh_member_check_time(member, member->nbf - 301, NULL));
    g_assert_true(mesh_member_check_time(member, member->exp - 1, NULL));
    g_assert_false(mesh_member_check_time(member, member->exp, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_EXPIRED);
}

static void test_member_limits(void)
{
    MeshNetwork network = fixture_network();
    FixturePair server = fixture_server();
    g_autoptr(MeshMember) member = fixture_member(1);
    g_autoptr(GError) error = NULL;

    member->exp = member->nbf + MESH_MEMBER_MAX_LIFE_S + 1;
    g_assert_null(mesh_member_sign(member, &network.id, &server.secret, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT);
    g_clear_error(&error);
    member->exp--;
    g_strlcpy(member->name, "Not A Name", sizeof(member->name));
    g_assert_null(mesh_member_sign(member, &network.id, &server.secret, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT);
}

static void test_round_tip(void)
{
    MeshNetwork network = fixture_network();
    MeshNonce   nonce = { { 1, 2 }, 3 };
    g_autoptr(MeshSigned) with = fixture_tip(1, 5, 2, &nonce), without = fixture_tip(1, 6, 2, NULL);
    g_autoptr(GError) error = NULL;
    MeshTip tip;

    mesh_tip_open(with, &network.id, &network.server, &tip, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(tip.ver, ==, 5);
    g_assert_cmpuint(tip.pver, ==, 2);
    g_assert_true(tip.has_nonce);
    g_assert_cmpuint(tip.nonce.number, ==, 3);
    mesh_tip_open(without, &network.id, &network.server, &tip, &error);
    g_assert_no_error(error);
    g_assert_false(tip.has_nonce);
}

/* Any bit of body or signature that is turned, another key, network or type: refused. */
static void test_tampered(void)
{
    MeshNetwork   network = fixture_network();
    FixturePair   node = fixture_node(1), other = fixture_node(2);
    MeshNetworkId other_net = { { 9 } };
    g_autoptr(MeshSigned) k = fixture_k(1, 1);
    size_t        len;
    const char   *body = mesh_signed_get_body(k, &len);
    MeshSignature signature = *mesh_signed_get_signature(k);
    MeshRecordK   record;
    MeshRecordE   e;

    for (size_t i = 0; i < len + sizeof(signature.bytes); i += 3) {
        g_autofree char *copy = g_strndup(body, len);
        MeshSignature    turned = signature;
        g_autoptr(MeshSigned) bad = NULL;
        g_autoptr(GError) error = NULL;

        if (i < len)
            copy[i] = (char)(copy[i] ^ 1);
        else
            turned.bytes[i - len] ^= 1;
        bad = mesh_signed_new(copy, len, turned.bytes, &error);
        g_assert_false(mesh_record_open_k(bad, &network.id, &node.key, &record, &error));
        g_assert_error(error, MESH_ERROR, MESH_ERROR_UNVERIFIED);
    }
    g_assert_false(mesh_record_open_k(k, &network.id, &other.key, &record, NULL));
    g_assert_false(mesh_record_open_k(k, &other_net, &node.key, &record, NULL));
    g_assert_false(mesh_record_open_e(k, &network.id, &node.key, &e, NULL));
}

/* Rightly signed bodies that say something wrong. */
typedef struct {
    const char    *name;
    MeshSignedType type;
    const char    *body; /* %N: the node's key */
    const char    *want; /* error text */
} BodyCase;

#define B(t, rest) "{\"t\":\"" t "\",\"net\":\"00112233445566ff\"," rest "}"
#define WG         "\"wg\":\"CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk\","
#define M_BEGIN    "\"node\":\"%N\",\"name\":\"a\",\"ip6\":\"fd00:1:2::1\","
#define M_END      "\"serial\":1,\"nbf\":100,\"exp\":200,\"by\":\"server\""
#define M_NO_LISTS "\"prefixes\":[],\"tags\":[],"
#define OTHER      "\"node\":\"6kpsY-KcUgq-9VB7Ey7F-ZVHdq6-vnuSQh7qaRRG0iw\","

static const BodyCase bodies[] = {
    { "k-fine", MESH_SIGNED_K, B("K", "\"node\":\"%N\"," WG "\"seq\":1,\"suites\":[\"wg1\"]"),
      NULL },
    { "k-other-type", MESH_SIGNED_K, B("E", "\"node\":\"%N\"," WG "\"seq\":1,\"suites\":[\"wg1\"]"),
      "K.t: it is a \"E\"" },
    { "k-other-net", MESH_SIGNED_K,
      "{\"t\":\"K\",\"net\":\"00112233445566fe\",\"node\":\"%N\"," WG
      "\"seq\":1,\"suites\":[\"wg1\"]}",
      "K.net: it is of another network" },
    { "k-other-node", MESH_SIGNED_K, B("K", OTHER WG "\"seq\":1,\"suites\":[\"wg1\"]"),
      "K.node: it names another node" },
    { "k-no-seq", MESH_SIGNED_K, B("K", "\"node\":\"%N\"," WG "\"suites\":[\"wg1\"]"),
      "K.seq: missing" },
    { "k-seq-0", MESH_SIGNED_K, B("K", "\"node\":\"%N\"," WG "\"seq\":0,\"suites\":[\"wg1\"]"),
      "K.seq: 0 is not within 1 … 9007199254740991" },
    { "k-no-wg1", MESH_SIGNED_K, B("K", "\"node\":\"%N\"," WG "\"seq\":1,\"suites\":[\"wg2\"]"),
      "K.suites: \"wg1\" is missing" },
    { "k-zero-wg", MESH_SIGNED_K,
      B("K", "\"node\":\"%N\",\"wg\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"seq\":1,"
             "\"suites\":[\"wg1\"]"),
      "K.wg: the key is all zero" },
    { "k-same-key-twice", MESH_SIGNED_K,
      B("K", "\"node\":\"%N\"," WG "\"seq\":1,\"seq\":2,\"suites\":[\"wg1\"]"), NULL },
    { "e-fine", MESH_SIGNED_E, B("E", "\"node\":\"%N\",\"seq\":1,\"exp\":5,\"eps\":[]"), NULL },
    { "e-bad-endpoint", MESH_SIGNED_E,
      B("E", "\"node\":\"%N\",\"seq\":1,\"exp\":5,\"eps\":[{\"a\":\"1.2.3.4\",\"k\":\"local\"}]"),
      "E.eps[0].a: not an endpoint (ADDRESS:PORT)" },
    { "e-zone", MESH_SIGNED_E,
      B("E",
        "\"node\":\"%N\",\"seq\":1,\"exp\":5,\"eps\":[{\"a\":\"[fe80::1%3]:5\",\"k\":\"local\"}]"),
      "E.eps[0].a: not an endpoint (ADDRESS:PORT)" },
    { "e-bad-kind", MESH_SIGNED_E,
      B("E", "\"node\":\"%N\",\"seq\":1,\"exp\":5,\"eps\":[{\"a\":\"1.2.3.4:5\",\"k\":\"relay\"}]"),
      "E.eps[0].k: none of local, static, observed, mapped" },
    { "e-not-objects", MESH_SIGNED_E,
      B("E", "\"node\":\"%N\",\"seq\":1,\"exp\":5,\"eps\":[\"1.2.3.4:5\"]"),
      "E.eps[0]: an object was expected" },
    { "e-relay", MESH_SIGNED_E,
      B("E", "\"node\":\"%N\",\"seq\":1,\"exp\":5,\"eps\":[],"
             "\"relay\":{\"udp\":1,\"rk\":\"%N\"}"),
      NULL },
    { "e-relay-port", MESH_SIGNED_E,
      B("E", "\"node\":\"%N\",\"seq\":1,\"exp\":5,\"eps\":[],"
             "\"relay\":{\"udp\":0,\"rk\":\"%N\"}"),
      "E.relay.udp: 0 is not within 1 … 65535" },
    { "e-relay-key", MESH_SIGNED_E,
      B("E", "\"node\":\"%N\",\"seq\":1,\"exp\":5,\"eps\":[],\"relay\":{\"udp\":1}"),
      "E.relay.rk: missing" },
    { "e-tcp", MESH_SIGNED_E,
      B("E", "\"node\":\"%N\",\"seq\":1,\"exp\":5,\"eps\":[],\"tcp\":\"5.5.5.1:9\""), NULL },
    { "e-tcp-nowhere", MESH_SIGNED_E,
      B("E", "\"node\":\"%N\",\"seq\":1,\"exp\":5,\"eps\":[],\"tcp\":\"5.5.5.1\""),
      "E.tcp: not an endpoint (ADDRESS:PORT)" },
    { "m-fine", MESH_SIGNED_M, B("M", M_BEGIN M_NO_LISTS M_END), NULL },
    { "m-bad-name", MESH_SIGNED_M,
      B("M", "\"node\":\"%N\",\"name\":\"A B\",\"ip6\":\"fd00::1\"," M_NO_LISTS M_END),
      "M.name: not a name (a-z, 0-9 and '-' inside, 1-63 characters)" },
    { "m-host-bits", MESH_SIGNED_M,
      B("M", M_BEGIN "\"prefixes\":[\"10.0.0.1/8\"],\"tags\":[]," M_END),
      "M.prefixes[0]: not a prefix" },
    { "m-bad-tag", MESH_SIGNED_M, B("M", M_BEGIN "\"prefixes\":[],\"tags\":[\"a\",\"B\"]," M_END),
      "M.tags[1]: not a name" },
    { "m-too-many-tags", MESH_SIGNED_M,
      B("M", M_BEGIN "\"prefixes\":[],\"tags\":[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\","
                     "\"a\"]," M_END),
      "M.tags: 9 elements, at most 8 allowed" },
    { "m-long-life", MESH_SIGNED_M,
      B("M", M_BEGIN M_NO_LISTS "\"serial\":1,\"nbf\":0,\"exp\":2592001,\"by\":\"server\""),
      "M.exp: not within 30 days of nbf" },
    { "m-by-other", MESH_SIGNED_M,
      B("M", M_BEGIN M_NO_LISTS "\"serial\":1,\"nbf\":0,\"exp\":200,\"by\":\"me\""),
      "M.by: not \"server\"" },
};

static void open_any(const BodyCase *c, MeshSigned *object, const FixturePair *signer,
                     GError **error)
{
    MeshNetwork network = fixture_network();
    g_autoptr(MeshMember) member = NULL;
    MeshRecordK k;
    MeshRecordE e;

    if (c->type == MESH_SIGNED_K)
        mesh_record_open_k(object, &network.id, &signer->key, &k, error);
    else if (c->type == MESH_SIGNED_E)
        mesh_record_open_e(object, &network.id, &signer->key, &e, error);
    else
        member = mesh_member_open(object, &network.id, &signer->key, error);
}

static void test_body(gconstpointer data)
{
    const BodyCase *c = data;
    MeshNetwork     network = fixture_network();
    FixturePair     signer = fixture_node(1);
    char            key[44];
    g_auto(GStrv) parts = g_strsplit(c->body, "%N", -1);
    g_autofree char *body = NULL;
    g_autoptr(MeshSigned) object = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(mesh_base64url_encode(MESH_SPAN(signer.key.bytes, 32), key, sizeof(key)), ==,
                    0);
    body = g_strjoinv(key, parts);
    object = mesh_signed_make(c->type, &network.id, body, &signer.secret, &error);
    g_assert_no_error(error);
    open_any(c, object, &signer, &error);
    if (strstr(c->name, "twice") != NULL) {
        g_assert_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON);
        g_assert_nonnull(strstr(error->message, "the same key twice"));
        return;
    }
    if (c->want == NULL)
        g_assert_no_error(error);
    else
        g_assert_cmpstr(error != NULL ? error->message : "no error", ==, c->want);
}

static void test_envelope(void)
{
    g_autoptr(MeshSigned) k = fixture_k(1, 1), again = NULL;
    MeshJsonOut      out;
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) object = NULL;
    size_t len;

    mesh_jsonout_init(&out);
    mesh_signed_encode(k, &out, NULL);
    text = mesh_jsonout_finish(&out, &len);
    object = mesh_json_parse(text, len, 10000, &error);
    g_assert_no_error(error);
    again = mesh_signed_decode(object, MESH_SIGNED_MAX_BODY, "k", &error);
    g_assert_no_error(error);
    g_assert_true(mesh_signed_equal(k, again));
    g_assert_false(mesh_signed_equal(k, NULL));
    g_assert_null(mesh_signed_decode(object, 10, "x.k", &error));
    g_assert_cmpstr(error->message, ==, "x.k.b: too long, at most 10 bytes allowed");
    g_clear_error(&error);
    json_object_set_string_member(object, "s", "AAAA");
    g_assert_null(mesh_signed_decode(object, MESH_SIGNED_MAX_BODY, "k", &error));
    g_assert_cmpstr(error->message, ==, "k.s: not base64url of 64 bytes");
}

static void test_too_long(void)
{
    MeshNetwork      network = fixture_network();
    FixturePair      server = fixture_server();
    g_autofree char *body = g_strnfill(MESH_SIGNED_MAX_BODY + 1, ' ');
    g_autoptr(GError) error = NULL;

    g_assert_null(mesh_signed_make(MESH_SIGNED_M, &network.id, body, &server.secret, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_LIMIT);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    fixture_start();
    g_test_add_func("/signed/known-k", test_known_k);
    g_test_add_func("/signed/round-k", test_round_k);
    g_test_add_func("/signed/round-k-suites", test_suites_of_k);
    g_test_add_func("/signed/round-e", test_round_e);
    g_test_add_func("/signed/round-m", test_round_m);
    g_test_add_func("/signed/round-tip", test_round_tip);
    g_test_add_func("/signed/member-time", test_member_time);
    g_test_add_func("/signed/member-limits", test_member_limits);
    g_test_add_func("/signed/tampered", test_tampered);
    g_test_add_func("/signed/envelope", test_envelope);
    g_test_add_func("/signed/too-long", test_too_long);
    for (size_t i = 0; i < G_N_ELEMENTS(bodies); i++) {
        g_autofree char *path = g_strdup_printf("/signed/body/%s", bodies[i].name);
        g_test_add_data_func(path, &bodies[i], test_body);
    }
    return g_test_run();
}
