/* Tests of common/proto/session.c: report, errors, server information. */
#include "common/proto/session.h"
#include "tests/common/proto/objects.h"

#include <string.h>

static void test_report(void)
{
    MeshReport       report = { .n_health = 2, .health = { "no UDP", "clock" } }, again;
    g_autofree char *text = NULL, *long_text = g_strnfill(129, 'x'), *long_report = NULL;
    g_autoptr(GError) error = NULL;
    size_t len;

    report.e = fixture_e(1, 5, "192.0.2.1:5", MESH_RECORD_LOCAL);
    report.k = fixture_k(1, 2);
    text = mesh_session_encode_report(&report, &len);
    mesh_session_decode_report(text, len, &again, &error);
    g_assert_no_error(error);
    g_assert_true(mesh_signed_equal(again.e, report.e) && mesh_signed_equal(again.k, report.k));
    g_assert_cmpuint(again.n_health, ==, 2);
    g_assert_cmpstr(again.health[1], ==, "clock");
    mesh_session_clear_report(&again);
    mesh_session_clear_report(&report);
    long_report = g_strdup_printf("{\"e\":{},\"health\":[\"%s\"]}", long_text);
    g_assert_false(mesh_session_decode_report(long_report, strlen(long_report), &again, &error));
    g_assert_cmpstr(error->message, ==, "health[0]: longer than 128 bytes");
    g_clear_error(&error);
    g_assert_false(mesh_session_decode_report("{}", 2, &again, &error));
    g_assert_cmpstr(error->message, ==, "e: missing");
}

static void test_report_answer(void)
{
    MeshReportAnswer answer = { .time = 9, .e_seq = 77, .observed = fixture_addr("192.0.2.9") };
    MeshReportAnswer again;
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    size_t len;

    text = mesh_session_encode_report_answer(&answer, &len);
    g_assert_cmpstr(text, ==, "{\"time\":9,\"observed\":\"192.0.2.9\",\"e_seq\":77}");
    mesh_session_decode_report_answer(text, len, &again, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(again.e_seq, ==, 77);
    g_assert_true(mesh_ip_equal_addr(&again.observed, &answer.observed));
}

typedef struct {
    const char *name;
    unsigned    status;
    const char *text;
    int         code;
    const char *message;
} ErrorCase;

static const ErrorCase errors[] = {
    { "known", 403, "{\"error\":{\"code\":\"key-used\",\"message\":\"used\"}}", MESH_ERROR_KEY_USED,
      "used" },
    { "no-message", 403, "{\"error\":{\"code\":\"removed\"}}", MESH_ERROR_REMOVED,
      "this node was removed from the network" },
    { "control-characters", 400,
      "{\"error\":{\"code\":\"bad-request\",\"message\":\"a\\u001b[2Jb\\nc\"}}",
      MESH_ERROR_BAD_REQUEST, "a [2Jb c" },
    { "unknown-code", 403, "{\"error\":{\"code\":\"new-one\",\"message\":\"m\"}}",
      MESH_ERROR_BAD_ANSWER, "m" },
    { "unknown-code-503", 503, "{\"error\":{\"code\":\"new-one\",\"message\":\"m\"}}",
      MESH_ERROR_BUSY, "m" },
    { "own-code", 400, "{\"error\":{\"code\":\"state\",\"message\":\"m\"}}", MESH_ERROR_BAD_ANSWER,
      "m" },
    { "html", 502, "<html>Bad Gateway</html>", MESH_ERROR_BUSY,
      "the server answered with HTTP status 502" },
    { "empty", 500, "", MESH_ERROR_INTERNAL, "the server answered with HTTP status 500" },
    { "text", 404, "{\"error\":\"x\"}", MESH_ERROR_NOT_FOUND,
      "the server answered with HTTP status 404" },
};

static void test_error(gconstpointer data)
{
    const ErrorCase *c = data;
    MeshSessionHints hints;
    g_autoptr(GError) error = NULL;

    mesh_session_decode_error(c->status, c->text, strlen(c->text), &hints, &error);
    g_assert_error(error, MESH_ERROR, c->code);
    g_assert_cmpstr(error->message, ==, c->message);
}

static void test_hints(void)
{
    FixturePair      server = fixture_server();
    MeshSessionHints hints = { .time = 5,
                               .after = 6,
                               .retry_in_s = 7,
                               .proto_min = 1,
                               .proto_max = 2,
                               .has_key = true,
                               .key = server.key };
    MeshSessionHints again;
    g_autofree char *text = NULL, *own = NULL;
    g_autoptr(GError) error = NULL;
    size_t len;

    text = mesh_session_encode_error(MESH_ERROR_CLOCK, NULL, &hints, &len);
    mesh_session_decode_error(401, text, len, &again, &error);
    g_assert_error(error, MESH_ERROR, MESH_ERROR_CLOCK);
    g_assert_cmpint(again.time, ==, 5);
    g_assert_cmpint(again.after, ==, 6);
    g_assert_cmpuint(again.retry_in_s, ==, 7);
    g_assert_cmpuint(again.proto_max, ==, 2);
    g_assert_true(again.has_key && mesh_key_equal(&again.key, &server.key));
    own = mesh_session_encode_error(MESH_ERROR_STATE, "m", NULL, NULL);
    g_assert_cmpstr(own, ==, "{\"error\":{\"code\":\"internal\",\"message\":\"m\"}}");
}

static void test_server(void)
{
    MeshServerInfo   info = { .name = "mesh-server",
                              .version = "0.1.0",
                              .proto_min = 1,
                              .proto_max = 1,
                              .key = fixture_server().key,
                              .time = 44 };
    MeshServerInfo   again;
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    size_t len;

    text = mesh_session_encode_server(&info, &len);
    mesh_session_decode_server(text, len, &again, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(again.name, ==, "mesh-server");
    g_assert_cmpint(again.time, ==, 44);
    g_assert_true(mesh_key_equal(&again.key, &info.key));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    fixture_start();
    g_test_add_func("/session/report", test_report);
    g_test_add_func("/session/report-answer", test_report_answer);
    g_test_add_func("/session/hints", test_hints);
    g_test_add_func("/session/server", test_server);
    for (size_t i = 0; i < G_N_ELEMENTS(errors); i++) {
        g_autofree char *path = g_strdup_printf("/session/error/%s", errors[i].name);
        g_test_add_data_func(path, &errors[i], test_error);
    }
    return g_test_run();
}
