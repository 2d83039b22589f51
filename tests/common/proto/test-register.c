/* Tests of common/proto/register.c: request and answer both ways, the join signature. */
#include "common/glib/error.h"
#include "common/proto/joinlink.h"
#include "common/proto/register.h"
#include "tests/common/proto/objects.h"

#include <string.h>

static MeshRegister make(void)
{
    MeshRegister request = {
        .proto = 1, .name = "Büro PC", .os = "linux", .version = "0.1.0", .ip4 = true
    };

    request.k = fixture_k(1, 1);
    return request;
}

static void test_round(void)
{
    uint8_t          secret[MESH_JOINLINK_SECRET_BYTES] = { 1, 2, 3 };
    MeshNetwork      network = fixture_network();
    MeshNetworkId    other = { { 1 } };
    MeshSignSecret   join;
    MeshKey          join_key;
    MeshRegister     request = make(), again;
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    size_t len;

    mesh_joinlink_make_pair(secret, &join, &join_key);
    mesh_register_sign_join(&request, &network.id, &join, &join_key);
    text = mesh_register_encode(&request, &len);
    mesh_register_decode(text, len, &again, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(again.proto, ==, 1);
    g_assert_cmpstr(again.name, ==, "Büro PC");
    g_assert_cmpstr(again.os, ==, "linux");
    g_assert_true(again.ip4 && again.has_join);
    g_assert_true(mesh_signed_equal(again.k, request.k));
    g_assert_true(mesh_key_equal(&again.join_key, &join_key));
    g_assert_true(mesh_register_verify_join(&again, &network.id, &error));
    g_assert_false(mesh_register_verify_join(&again, &other, NULL));
    again.join_sig.bytes[3] ^= 1;
    g_assert_false(mesh_register_verify_join(&again, &network.id, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_BAD_SIGNATURE);
    mesh_register_clear(&again);
    mesh_register_clear(&request);
}

/* A join signature over one K does not let another K in. */
static void test_join_binds_k(void)
{
    MeshNetwork  network = fixture_network();
    FixturePair  join = fixture_pair(33);
    MeshRegister request = make();

    mesh_register_sign_join(&request, &network.id, &join.secret, &join.key);
    mesh_register_clear(&request);
    request.k = fixture_k(2, 1);
    g_assert_false(mesh_register_verify_join(&request, &network.id, NULL));
    mesh_register_clear(&request);
    request = make();
    g_assert_false(mesh_register_verify_join(&request, &network.id, NULL)); /* none at all */
    mesh_register_clear(&request);
}

static void test_defaults(void)
{
    MeshRegister     request = make(), again;
    g_autofree char *text = mesh_register_encode(&request, NULL);
    g_auto(GStrv) parts = g_strsplit(text, ",\"ip4\":true", 2);
    g_autofree char *without = g_strjoinv("", parts);
    g_autoptr(GError) error = NULL;

    g_assert_cmpuint(strlen(without), <, strlen(text));
    mesh_register_decode(without, strlen(without), &again, &error);
    g_assert_no_error(error);
    g_assert_true(again.ip4);
    g_assert_false(again.has_join);
    mesh_register_clear(&again);
    mesh_register_clear(&request);
}

typedef struct {
    const char *name, *text, *want;
} BadCase;

static const BadCase bad[] = {
    { "empty", "", "JSON, line 1 column 1: it ends too early" },
    { "no-fields", "{}", "proto: missing" },
    { "no-k", "{\"proto\":1}", "k: missing" },
    { "k-text", "{\"proto\":1,\"k\":\"x\"}", "k: an object was expected" },
    { "no-name", "{\"proto\":1,\"k\":{}}", "name: missing" },
    { "join-key",
      "{\"proto\":1,\"k\":{},\"name\":\"\",\"os\":\"\",\"version\":\"\",\"join\":{\"key\":1}}",
      "join.key: a text was expected" },
    { "k-empty", "{\"proto\":1,\"k\":{},\"name\":\"\",\"os\":\"\",\"version\":\"\"}",
      "k.b: missing" },
    { "os-long",
      "{\"proto\":1,\"k\":{},\"name\":\"\",\"os\":"
      "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
      "os: too long, at most 64 bytes allowed" },
};

static void test_bad(gconstpointer data)
{
    const BadCase *c = data;
    g_autoptr(GError) error = NULL;
    MeshRegister request;

    g_assert_false(mesh_register_decode(c->text, strlen(c->text), &request, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON);
    g_assert_cmpstr(error->message, ==, c->want);
}

static void test_answers(void)
{
    g_autoptr(MeshMember) member = fixture_member(1);
    MeshRegisterAnswer active = { .active = true, .network = fixture_network() }, again;
    MeshRegisterAnswer pending = { .retry_in_s = 5 };
    g_autofree char   *text = NULL, *text2 = NULL;
    g_autoptr(GError) error = NULL;
    size_t len;

    active.m = fixture_sign_member(member);
    active.observed = fixture_addr("2001:db8::7");
    text = mesh_register_encode_answer(&active, &len);
    mesh_register_decode_answer(text, len, &again, &error);
    g_assert_no_error(error);
    g_assert_true(again.active);
    g_assert_true(mesh_signed_equal(again.m, active.m));
    g_assert_true(mesh_network_equal(&again.network, &active.network));
    g_assert_true(mesh_ip_equal_addr(&again.observed, &active.observed));
    mesh_register_clear_answer(&again);
    mesh_register_clear_answer(&active);
    text2 = mesh_register_encode_answer(&pending, &len);
    g_assert_cmpstr(text2, ==, "{\"state\":\"pending\",\"retry_in_s\":5}");
    mesh_register_decode_answer(text2, len, &again, &error);
    g_assert_no_error(error);
    g_assert_false(again.active);
    g_assert_cmpuint(again.retry_in_s, ==, 5);
    g_assert_false(mesh_register_decode_answer("{\"state\":\"x\"}", 13, &again, &error));
    g_assert_cmpstr(error->message, ==, "state: neither active nor pending");
    g_clear_error(&error);
    g_assert_false(mesh_register_decode_answer("{\"state\":\"active\"}", 18, &again, &error));
    g_assert_cmpstr(error->message, ==, "m: missing");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    fixture_start();
    g_test_add_func("/register/round", test_round);
    g_test_add_func("/register/join-binds-k", test_join_binds_k);
    g_test_add_func("/register/defaults", test_defaults);
    g_test_add_func("/register/answers", test_answers);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *path = g_strdup_printf("/register/bad/%s", bad[i].name);
        g_test_add_data_func(path, &bad[i], test_bad);
    }
    return g_test_run();
}
