/* Tests of daemon/control: a client against a server that answers by a script, over real TLS: all
 * that it asks but the map (test-clientstream.c). */
#include "common/glib/error.h"
#include "common/std/clock.h"
#include "daemon/control/inside.h"
#include "tests/daemon/control/clientfixture.h"

#include <string.h>

static void on_left(ControlClient *client, const GError *error, void *user_data)
{
    ClientFixture *f = user_data;

    (void)client;
    f->left++;
    f->left_error = error != NULL ? error->code : -1;
}

/* ---- register ---- */

static void start_register(ClientFixture *f, unsigned tries)
{
    MeshRegister request = { .proto = 1, .name = "me", .os = "linux", .version = "0" };

    request.k = fixture_k(1, 1);
    control_client_register(f->client, &request, tries);
    mesh_register_clear(&request);
}

static char *make_active(void)
{
    g_autoptr(MeshMember) member = fixture_member(1);
    MeshRegisterAnswer answer = { .active = true, .network = fixture_network() };
    char              *text;

    answer.m = fixture_sign_member(member);
    text = mesh_register_encode_answer(&answer, NULL);
    mesh_register_clear_answer(&answer);
    return text;
}

static void answer_active(ClientFixture *f)
{
    g_autofree char *active = make_active();

    clientfixture_answer(f, "register", 200, active);
}

static void test_register(ClientFixture *f, gconstpointer data)
{
    (void)data;
    clientfixture_answer(f, "register", 202, "{\"state\":\"pending\",\"retry_in_s\":1}");
    answer_active(f);
    start_register(f, 1);
    CLIENTFIXTURE_WAIT(f->registered == 1);
    g_assert_cmpstr(f->states->str, ==, "pending,off,");
    g_assert_cmpstr(fake_get(f->server, "register", 0).query, ==, "");
    g_assert_cmpstr(fake_get(f->server, "register", 1).query, ==, "wait=55");
    g_assert_nonnull(strstr(fake_get(f->server, "register", 0).body, "\"name\":\"me\""));
}

/* Unreachable, busy and failing servers are tried again; the body stays the same. */
static void test_register_retries(ClientFixture *f, gconstpointer data)
{
    (void)data;
    clientfixture_answer(f, "register", 500, "");
    clientfixture_answer(f, "register", 503,
                         "{\"error\":{\"code\":\"busy\",\"message\":\"m\",\"retry_in_s\":1}}");
    clientfixture_answer(f, "register", 0, "");
    answer_active(f);
    start_register(f, 0);
    CLIENTFIXTURE_WAIT(f->registered == 1);
    g_assert_cmpuint(fake_count(f->server, "register"), ==, 4);
    g_assert_cmpstr(fake_get(f->server, "register", 0).body, ==,
                    fake_get(f->server, "register", 3).body);
    g_assert_true(g_str_has_prefix(f->states->str, "offline,"));
}

static void test_register_gives_up(ClientFixture *f, gconstpointer data)
{
    (void)data;
    start_register(f, 2); /* the script is empty: 500 */
    CLIENTFIXTURE_WAIT(f->fatal >= 0);
    g_assert_cmpint(f->fatal, ==, MESH_ERROR_INTERNAL);
    g_assert_cmpuint(fake_count(f->server, "register"), ==, 2);
}

typedef struct {
    const char *code;
    unsigned    status;
    int         want;
} FatalCase;

static const FatalCase fatals[] = {
    { "bad-request", 400, MESH_ERROR_BAD_REQUEST },
    { "proto", 400, MESH_ERROR_PROTO },
    { "bad-signature", 401, MESH_ERROR_BAD_SIGNATURE },
    { "key-unknown", 403, MESH_ERROR_KEY_UNKNOWN },
    { "key-used", 403, MESH_ERROR_KEY_USED },
    { "key-expired", 403, MESH_ERROR_KEY_EXPIRED },
    { "key-revoked", 403, MESH_ERROR_KEY_REVOKED },
    { "not-member", 403, MESH_ERROR_NOT_MEMBER },
    { "removed", 403, MESH_ERROR_REMOVED },
    { "expired", 403, MESH_ERROR_EXPIRED },
    { "no-network", 404, MESH_ERROR_NO_NETWORK },
    { "conflict", 409, MESH_ERROR_CONFLICT },
    { "full", 409, MESH_ERROR_FULL },
    { "wrong-server", 421, MESH_ERROR_WRONG_SERVER },
};

static void test_fatal(ClientFixture *f, gconstpointer data)
{
    const FatalCase *c = data;
    g_autofree char *body =
        g_strdup_printf("{\"error\":{\"code\":\"%s\",\"message\":\"because\"}}", c->code);

    clientfixture_answer(f, "register", c->status, body);
    start_register(f, 0);
    CLIENTFIXTURE_WAIT(f->fatal >= 0);
    g_assert_cmpint(f->fatal, ==, c->want);
    g_assert_cmpstr(f->fatal_text, ==, "because");
    g_assert_cmpint(control_client_get_state(f->client, NULL), ==, CONTROL_OFF);
    f->fatal = -1; /* the same on the stream */
    clientfixture_answer(f, "map", c->status, body);
    control_client_start(f->client, NULL);
    CLIENTFIXTURE_WAIT(f->fatal >= 0);
    g_assert_cmpint(f->fatal, ==, c->want);
    g_assert_cmpuint(fake_count(f->server, "map"), ==, 1);
}

static void test_bad_answer(ClientFixture *f, gconstpointer data)
{
    (void)data;
    clientfixture_answer(f, "register", 200, "{\"state\":\"active\"}");
    start_register(f, 0);
    CLIENTFIXTURE_WAIT(f->fatal >= 0);
    g_assert_cmpint(f->fatal, ==, MESH_ERROR_BAD_ANSWER);
    g_assert_cmpstr(f->fatal_text, ==, "the server's answer to register: m: missing");
}

static void test_wrong_key(ClientFixture *f, gconstpointer data)
{
    (void)data;
    start_register(f, 0);
    CLIENTFIXTURE_WAIT(f->fatal >= 0);
    g_assert_cmpint(f->fatal, ==, MESH_ERROR_SERVER_KEY);
    g_assert_cmpuint(fake_count(f->server, "register"), ==, 0); /* nothing was sent */
}

static void test_clock(ClientFixture *f, gconstpointer data)
{
    int64_t          ahead = mesh_clock_wall_s() + 5000;
    g_autofree char *body = g_strdup_printf(
        "{\"error\":{\"code\":\"clock\",\"message\":\"m\",\"time\":%" G_GINT64_FORMAT "}}", ahead);

    (void)data;
    clientfixture_answer(f, "register", 401, body);
    answer_active(f);
    start_register(f, 1);
    CLIENTFIXTURE_WAIT(f->registered == 1);
    g_assert_cmpint(fake_get(f->server, "register", 1).params.created, >=, ahead);
    g_assert_cmpint(fake_get(f->server, "register", 1).params.created, <=,
                    ahead + CLIENTFIXTURE_LIMIT_S);
}

static void test_replayed(ClientFixture *f, gconstpointer data)
{
    int64_t          after = mesh_clock_wall_s() + 100;
    g_autofree char *body = g_strdup_printf(
        "{\"error\":{\"code\":\"replayed\",\"message\":\"m\",\"after\":%" G_GINT64_FORMAT "}}",
        after);
    FakeRequest first, second;

    (void)data;
    clientfixture_answer(f, "register", 401, body);
    answer_active(f);
    start_register(f, 1);
    CLIENTFIXTURE_WAIT(f->registered == 1);
    first = fake_get(f->server, "register", 0);
    second = fake_get(f->server, "register", 1);
    g_assert_true(memcmp(first.params.nonce.start, second.params.nonce.start, 8) != 0);
    g_assert_cmpint(second.params.created, ==, after + 1);
    clientfixture_answer(f, "register", 401, body);
    clientfixture_answer(f, "register", 401, body);
    start_register(f, 1);
    CLIENTFIXTURE_WAIT(f->fatal >= 0);
    g_assert_cmpint(f->fatal, ==, MESH_ERROR_REPLAYED);
}

/* ---- report ---- */

static void test_report(ClientFixture *f, gconstpointer data)
{
    g_autoptr(MeshSigned) e = fixture_e(1, 5, "192.0.2.1:5", MESH_RECORD_LOCAL);
    g_autoptr(MeshSigned) k = fixture_k(1, 2);
    g_autoptr(MeshSigned) e2 = fixture_e(1, 21, "192.0.2.1:6", MESH_RECORD_LOCAL);
    const char *const health[] = { "left out x: y", NULL };
    int64_t           begun_ms;

    (void)data;
    clientfixture_answer_map(f, "", true);
    clientfixture_answer(f, "report", 503, "{\"error\":{\"code\":\"busy\",\"message\":\"m\"}}");
    clientfixture_answer(f, "report", 200, "{\"time\":1,\"e_seq\":20}");
    clientfixture_answer(f, "report", 200, "{\"time\":1,\"e_seq\":21,\"observed\":\"192.0.2.99\"}");
    control_client_report(f->client, e, k, health); /* waits for the stream */
    begun_ms = mesh_clock_boot_ms();                /* a pause after the first report is no gap */
    control_client_start(f->client, NULL);
    CLIENTFIXTURE_WAIT(fake_count(f->server, "report") == 1);
    CLIENTFIXTURE_WAIT(f->seq == 21); /* the server had a higher one */
    g_assert_cmpuint(fake_count(f->server, "report"), ==, 2);
    g_assert_nonnull(strstr(fake_get(f->server, "report", 1).body, "\"k\":"));
    g_assert_nonnull(strstr(fake_get(f->server, "report", 1).body, "left out x: y"));
    control_client_report(f->client, e2, NULL, NULL);
    control_client_report(f->client, e2, NULL, NULL); /* gathered */
    CLIENTFIXTURE_WAIT(f->observed.bytes[3] == 99);
    clientfixture_answer(f, "report", 200, "{\"time\":1,\"e_seq\":22,\"observed\":\"192.0.2.98\"}");
    control_client_report(f->client, e2, NULL, NULL);
    CLIENTFIXTURE_WAIT(f->observed.bytes[3] == 98);
    g_assert_cmpint(mesh_clock_boot_ms() - begun_ms, >=, 1000); /* of two at once one is spare */
    g_assert_cmpuint(fake_count(f->server, "report"), ==, 4);
    g_assert_null(strstr(fake_get(f->server, "report", 2).body, "\"k\":")); /* told already */
}

/* What the server cannot take is given up, as a K older than its own; the stream and E are not. */
static void test_report_refused(ClientFixture *f, gconstpointer data)
{
    g_autoptr(MeshSigned) e = fixture_e(1, 5, "192.0.2.1:5", MESH_RECORD_LOCAL);
    g_autoptr(MeshSigned) k = fixture_k(1, 2);

    (void)data;
    clientfixture_answer_map(f, "", true);
    clientfixture_answer(f, "report", 409,
                         "{\"error\":{\"code\":\"conflict\",\"message\":\"k: seq\"}}");
    clientfixture_answer(f, "report", 400,
                         "{\"error\":{\"code\":\"bad-request\",\"message\":\"e.exp\"}}");
    clientfixture_answer(f, "report", 200, "{\"time\":1,\"e_seq\":6,\"observed\":\"192.0.2.99\"}");
    control_client_report(f->client, e, k, NULL);
    control_client_start(f->client, NULL);
    CLIENTFIXTURE_WAIT(fake_count(f->server, "report") == 2 || f->fatal != -1);
    g_assert_null(strstr(fake_get(f->server, "report", 1).body, "\"k\":"));
    control_client_report(f->client, e, NULL, NULL);
    CLIENTFIXTURE_WAIT(f->observed.bytes[3] == 99);
    g_assert_cmpint(control_client_get_state(f->client, NULL), ==, CONTROL_CONNECTED);
}

/* A server that was started anew between two polls is told again. */
static void test_report_between_polls(ClientFixture *f, gconstpointer data)
{
    g_autoptr(MeshSigned) e = fixture_e(1, 5, "192.0.2.1:5", MESH_RECORD_LOCAL);

    (void)data;
    f->client->stream.poll_until_ms = mesh_clock_boot_ms() + 3600 * 1000;
    clientfixture_answer_map(f, "", false);
    clientfixture_answer(f, "report", 200, "{\"time\":1,\"e_seq\":5}");
    clientfixture_answer(f, "report", 200, "{\"time\":1,\"e_seq\":5}");
    control_client_report(f->client, e, NULL, NULL);
    control_client_start(f->client, NULL);
    CLIENTFIXTURE_WAIT(fake_count(f->server, "report") == 1 && f->client->reports.call == NULL);
    clientfixture_answer_map(f, "", false);
    CLIENTFIXTURE_WAIT(fake_count(f->server, "map") >= 2 && f->maps >= 2);
    g_assert_cmpuint(fake_count(f->server, "report"), ==, 1); /* not with every poll */
    f->client->reports.sent_ms -= 600 * 1000;
    clientfixture_answer_map(f, "", true);
    CLIENTFIXTURE_WAIT(fake_count(f->server, "report") == 2);
}

/* ---- leave ---- */

typedef struct {
    const char *name;
    unsigned    status;
    const char *body;
    int         want;
} LeaveCase;

static const LeaveCase leaves[] = {
    { "fine", 200, "{}", -1 },
    { "removed", 403, "{\"error\":{\"code\":\"removed\"}}", -1 },
    { "not-member", 403, "{\"error\":{\"code\":\"not-member\"}}", -1 },
    { "no-network", 404, "{\"error\":{\"code\":\"no-network\"}}", -1 },
    { "internal", 500, "{\"error\":{\"code\":\"internal\"}}", MESH_ERROR_INTERNAL },
    { "lost", 0, "", MESH_ERROR_UNREACHABLE },
};

static void test_leave(ClientFixture *f, gconstpointer data)
{
    const LeaveCase *c = data;

    clientfixture_answer(f, "leave", c->status, c->body);
    control_client_leave(f->client, CLIENTFIXTURE_LIMIT_S * 1000, on_left, f);
    CLIENTFIXTURE_WAIT(f->left == 1);
    g_assert_cmpint(f->left_error, ==, c->want);
    g_assert_cmpstr(fake_get(f->server, "leave", 0).body, ==, "{}");
}

/* ---- the caller lets go in the middle of a callback ---- */

static void test_free_in_callback(ClientFixture *f, gconstpointer data)
{
    f->free_in_callback = true;
    if (g_strcmp0(data, "registered") == 0) {
        answer_active(f);
        start_register(f, 1);
    } else if (g_strcmp0(data, "fatal") == 0) {
        clientfixture_answer(f, "map", 403, "{\"error\":{\"code\":\"removed\"}}");
        control_client_start(f->client, NULL);
    } else {
        clientfixture_answer_map(f, "{\"t\":\"resync\"}\n", true);
        control_client_start(f->client, NULL);
    }
    CLIENTFIXTURE_WAIT(f->client == NULL);
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

static void add(void)
{
    static const char *const frees[] = { "registered", "fatal", "stream" };

    clientfixture_add("/client/register", NULL, test_register);
    clientfixture_add("/client/register-retries", NULL, test_register_retries);
    clientfixture_add("/client/register-gives-up", NULL, test_register_gives_up);
    clientfixture_add("/client/bad-answer", NULL, test_bad_answer);
    clientfixture_add("/client/wrong-key", "wrong-key", test_wrong_key);
    clientfixture_add("/client/clock", NULL, test_clock);
    clientfixture_add("/client/replayed", NULL, test_replayed);
    clientfixture_add("/client/report", NULL, test_report);
    clientfixture_add("/client/report-refused", NULL, test_report_refused);
    clientfixture_add("/client/report-between-polls", NULL, test_report_between_polls);
    for (size_t i = 0; i < G_N_ELEMENTS(frees); i++)
        clientfixture_add_row("free-in", frees[i], frees[i], test_free_in_callback);
    for (size_t i = 0; i < G_N_ELEMENTS(fatals); i++)
        clientfixture_add_row("fatal", fatals[i].code, &fatals[i], test_fatal);
    for (size_t i = 0; i < G_N_ELEMENTS(leaves); i++)
        clientfixture_add_row("leave", leaves[i].name, &leaves[i], test_leave);
}

int main(int argc, char **argv)
{
    return clientfixture_run(&argc, &argv, add);
}
