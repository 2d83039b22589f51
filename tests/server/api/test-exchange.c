/* Requests and answers, over real TLS, with a core that the test plays. */
#include "common/glib/json.h"
#include "common/proto/session.h"
#include "server/http/message.h"
#include "tests/server/api/client.h"
#include "tests/server/api/played.h"

#include <string.h>

#define NETWORK "/v1/networks/0123456789abcdef/"

static Client *new_client(Played *played)
{
    Client *client = client_new(played_get_port(played));

    client_set_server(client, played_get_fingerprint());
    return client;
}

/* The error that an answer holds must be of @code, and @hints are read from it. */
static void check_error(Client *client, unsigned status, MeshErrorCode code,
                        MeshSessionHints *out_hints)
{
    Answer answer = client_read(client);
    g_autoptr(GError) error = NULL;
    MeshSessionHints hints;

    mesh_session_decode_error(answer.status, answer.body, strlen(answer.body), &hints, &error);
    g_assert_cmpuint(answer.status, ==, status);
    g_assert_error(error, MESH_ERROR, (int)code);
    if (out_hints != NULL)
        *out_hints = hints;
    answer_clear(&answer);
}

static void test_server(void)
{
    Played *played = played_new(1, 10000);
    Client *client = new_client(played);
    g_autoptr(GError) error = NULL;
    MeshServerInfo info;

    client_send(client, "GET /v1/server HTTP/1.1\r\nHost: x\r\n\r\n"
                        "GET /v1/server HTTP/1.1\r\nHost: x\r\n\r\n"
                        "GET /v1/server HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    for (int i = 0; i < 3; i++) { /* three at once: three answers, in order */
        Answer answer = client_read(client);

        g_assert_cmpuint(answer.status, ==, 200);
        g_assert_true(mesh_session_decode_server(answer.body, strlen(answer.body), &info, &error));
        g_assert_cmpstr(info.version, ==, MESH_VERSION);
        answer_clear(&answer);
    }
    g_assert_true(client_read_end(client));
    client_free(client);
    played_free(played);
}

typedef struct {
    const char   *name;
    const char   *request; /* whole */
    unsigned      want_status;
    MeshErrorCode want_code;
} RefusalCase;

static const RefusalCase refusals[] = {
    { "not-http", "hello\r\n\r\n", 400, MESH_ERROR_BAD_REQUEST },
    { "no-path", "GET /v2/server HTTP/1.1\r\nHost: x\r\n\r\n", 404, MESH_ERROR_NOT_FOUND },
    { "longer-path", "GET /v1/server/x HTTP/1.1\r\nHost: x\r\n\r\n", 404, MESH_ERROR_NOT_FOUND },
    { "network-id-short", "GET /v1/networks/0123/map HTTP/1.1\r\nHost: x\r\n\r\n", 404,
      MESH_ERROR_NOT_FOUND },
    { "method", "DELETE /v1/server HTTP/1.1\r\nHost: x\r\n\r\n", 405, MESH_ERROR_METHOD },
    { "unsigned", "GET " NETWORK "map HTTP/1.1\r\nHost: x\r\n\r\n", 401, MESH_ERROR_BAD_SIGNATURE },
    { "too-large", "POST " NETWORK "report HTTP/1.1\r\nHost: x\r\nContent-Length: 32769\r\n\r\n",
      413, MESH_ERROR_TOO_LARGE },
    { "body-for-get", "GET /v1/server HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n", 413,
      MESH_ERROR_TOO_LARGE },
    { "chunked", "POST " NETWORK "report HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
      400, MESH_ERROR_BAD_REQUEST },
};

static void test_refusal(gconstpointer data)
{
    const RefusalCase *c = data;
    Played            *played = played_new(1, 10000);
    Client            *client = new_client(played);

    client_send(client, c->request);
    check_error(client, c->want_status, c->want_code, NULL);
    client_free(client);
    played_free(played);
}

static void test_long_header(void)
{
    Played          *played = played_new(1, 10000);
    Client          *client = new_client(played);
    g_autofree char *filler = g_strnfill(HTTP_MAX_HEAD_BYTES, 'a');

    client_send(client, "GET /v1/server HTTP/1.1\r\nHost: x\r\nX: ");
    client_send(client, filler);
    check_error(client, 431, MESH_ERROR_HEADERS, NULL);
    g_assert_true(client_read_end(client));
    client_free(client);
    played_free(played);
}

static void test_slow(void)
{
    Played *played = played_new(1, 30);
    Client *silent = new_client(played), *header = new_client(played), *body = new_client(played);

    client_send(header, "GET /v1/serv");
    client_send(body, "POST " NETWORK "report HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n{");
    check_error(header, 408, MESH_ERROR_TIMEOUT, NULL);
    check_error(body, 408, MESH_ERROR_TIMEOUT, NULL);
    check_error(silent, 408, MESH_ERROR_TIMEOUT, NULL);
    g_assert_true(client_read_end(silent));
    client_free(silent);
    client_free(header);
    client_free(body);
    played_free(played);
}

static void test_idle(void)
{
    Played *played = played_new(1, 30);
    Client *client = new_client(played);
    Answer  answer;

    client_send(client, "GET /v1/server HTTP/1.1\r\nHost: x\r\n\r\n");
    answer = client_read(client);
    answer_clear(&answer);
    g_assert_true(client_read_end(client)); /* no error: it had its answer */
    client_free(client);
    played_free(played);
}

static void test_report(void)
{
    Played     *played = played_new(2, 10000);
    Client     *client = new_client(played);
    MeshKey     node = client_get_node(client);
    MeshAddr    loopback = mesh_ip_make_addr(2, (const uint8_t[]){ 127, 0, 0, 1 });
    PlayedCall *call;
    Answer      answer;

    for (int i = 0; i < 2; i++) { /* on one connection */
        client_ask(client, "POST", NETWORK "report", "{\"e\":1}");
        call = played_wait(played);
        g_assert_cmpint(call->kind, ==, PLAYED_REPORT);
        g_assert_cmpstr(call->body, ==, "{\"e\":1}");
        g_assert_true(mesh_key_equal(&call->caller.params.node, &node));
        g_assert_cmpuint(call->caller.network.bytes[0], ==, 0x01);
        g_assert_true(mesh_ip_equal_addr(&call->caller.observed, &loopback));
        played_answer_body(call, 200, "{\"time\":1}");
        answer = client_read(client);
        g_assert_cmpuint(answer.status, ==, 200);
        g_assert_cmpstr(answer.body, ==, "{\"time\":1}");
        played_answer_body(call, 200, "{\"time\":2}"); /* for a request that is over: dropped */
        played_call_free(call);
        answer_clear(&answer);
    }
    client_free(client);
    played_free(played);
}

static void test_core_error(void)
{
    Played          *played = played_new(1, 10000);
    Client          *client = new_client(played);
    MeshSessionHints hints;
    PlayedCall      *call;

    client_ask(client, "POST", NETWORK "leave", "{}");
    call = played_wait(played);
    g_assert_cmpint(call->kind, ==, PLAYED_LEAVE);
    played_answer_error(call, 429, "busy", 7);
    played_call_free(call);
    check_error(client, 429, MESH_ERROR_BUSY, &hints);
    g_assert_cmpuint(hints.retry_in_s, ==, 7);
    client_ask(client, "POST", NETWORK "register?wait=55", "{}"); /* the connection goes on */
    call = played_wait(played);
    g_assert_cmpint(call->kind, ==, PLAYED_REGISTER);
    g_assert_cmpuint(call->wait_s, ==, 55);
    played_answer_error(call, 403, "key-used", 0);
    played_call_free(call);
    check_error(client, 403, MESH_ERROR_KEY_USED, NULL);
    client_ask(client, "POST", NETWORK "register?wait=56", "{}");
    check_error(client, 400, MESH_ERROR_BAD_REQUEST, NULL);
    client_free(client);
    played_free(played);
}

static void test_clock(void)
{
    Played          *played = played_new(1, 10000);
    Client          *client = new_client(played);
    MeshSessionHints hints;

    for (int sign = -1; sign <= 1; sign += 2) {
        client_set_clock(client, sign * 400);
        client_ask(client, "POST", NETWORK "leave", "{}");
        check_error(client, 401, MESH_ERROR_CLOCK, &hints);
        g_assert_cmpint(ABS(hints.time - g_get_real_time() / G_USEC_PER_SEC), <=, 2);
    }
    client_free(client);
    played_free(played);
}

static void test_wrong_server(void)
{
    Played          *played = played_new(1, 10000);
    Client          *client = new_client(played);
    MeshSessionHints hints;

    client_set_server(client, "AAAAAAAAAAAAAAAAAAAAAA");
    client_ask(client, "POST", NETWORK "leave", "{}");
    check_error(client, 421, MESH_ERROR_WRONG_SERVER, &hints);
    g_assert_true(hints.has_key);
    client_free(client);
    played_free(played);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(refusals); i++) {
        g_autofree char *path = g_strdup_printf("/api/refused/%s", refusals[i].name);

        g_test_add_data_func(path, &refusals[i], test_refusal);
    }
    g_test_add_func("/api/server", test_server);
    g_test_add_func("/api/refused/long-header", test_long_header);
    g_test_add_func("/api/refused/slow", test_slow);
    g_test_add_func("/api/idle-connection-ends-silently", test_idle);
    g_test_add_func("/api/report", test_report);
    g_test_add_func("/api/errors-of-the-core", test_core_error);
    g_test_add_func("/api/refused/clock", test_clock);
    g_test_add_func("/api/refused/wrong-server", test_wrong_server);
    return g_test_run();
}
