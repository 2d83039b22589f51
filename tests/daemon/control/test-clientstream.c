/* Tests of daemon/control: the stream of maps, from a server that sends it by a script, over real
 * TLS: what is taken, held back and refused, and how it ends. */
#include "common/glib/error.h"
#include "common/std/clock.h"
#include "daemon/control/inside.h"
#include "tests/daemon/control/clientfixture.h"

#include <string.h>

static void test_stream(ClientFixture *f, gconstpointer data)
{
    MeshAddr want = fixture_addr("192.0.2.77");

    (void)data;
    clientfixture_answer_map(f, "\n\n", true);
    control_client_start(f->client, NULL);
    CLIENTFIXTURE_WAIT(f->maps > 0 && f->map_peers == 1 && f->map_ver == 5);
    g_assert_cmpstr(f->states->str, ==, "connecting,connected,");
    g_assert_cmpstr(fake_get(f->server, "map", 0).query, ==, "cursor=0.0&hb=60&hbmax=300");
    g_assert_true(mesh_ip_equal_addr(&f->observed, &want));
    control_client_stop(f->client);
    g_assert_true(control_client_get_state(f->client, &want) == CONTROL_OFF &&
                  mesh_ip_class(&want) == MESH_IP_LOOPBACK); /* of the fake server */
}

/* How a connection ends, and what the next one asks for. */
typedef struct {
    const char *name, *more;
    const char *cursor; /* of the next request */
    const char *why;    /* OFFLINE in between; NULL: none */
} EndCase;

static const EndCase ends[] = {
    { "restart", "{\"t\":\"restart\",\"retry_in_s\":0,\"spread_s\":0}\n",
      "cursor=1.5&hb=60&hbmax=300", "the server restarts" },
    { "resync", "{\"t\":\"resync\"}\n", "cursor=1.5&hb=60&hbmax=300", NULL },
    { "gap", "{\"t\":\"delta\",\"from\":8,\"to\":9}\n", "cursor=0.0&hb=60&hbmax=300", NULL },
    { "delta-then-resync", "{\"t\":\"delta\",\"from\":5,\"to\":6}\n{\"t\":\"resync\"}\n",
      "cursor=1.6&hb=60&hbmax=300", NULL },
    { "closed", "", "cursor=1.5&hb=60&hbmax=300", "the server closed the connection" },
    { "bad-json", "{\"t\":\n", "cursor=1.5&hb=60&hbmax=300",
      "map: JSON, line 1 column 6: it ends too early" },
    { "bad-line", "{\"t\":\"ep\"}\n", "cursor=1.5&hb=60&hbmax=300", "map: ep.i: missing" },
    { "peers-alone", "{\"t\":\"peers\",\"peers\":[]}\n", "cursor=1.5&hb=60&hbmax=300",
      "map: peers outside a snapshot" },
    { "unknown-line-is-fine", "{\"t\":\"weather\"}\n{\"t\":\"resync\"}\n",
      "cursor=1.5&hb=60&hbmax=300", NULL },
};

static void test_end(ClientFixture *f, gconstpointer data)
{
    const EndCase *c = data;

    clientfixture_answer_map(f, c->more, c->more[0] != '\0');
    clientfixture_answer_map(f, "", true);
    control_client_start(f->client, NULL);
    CLIENTFIXTURE_WAIT(fake_count(f->server, "map") == 2);
    g_assert_cmpstr(fake_get(f->server, "map", 1).query, ==, c->cursor);
    g_assert_cmpstr(f->why, ==, c->why);
    g_assert_cmpint(f->fatal, ==, -1);
    CLIENTFIXTURE_WAIT(control_client_get_state(f->client, NULL) == CONTROL_CONNECTED);
}

static void test_no_hello_first(ClientFixture *f, gconstpointer data)
{
    FakeAnswer a = { "map", 200, "{\"t\":\"snap-end\",\"ver\":1}\n", true };

    (void)data;
    fake_answer(f->server, &a);
    control_client_start(f->client, NULL);
    CLIENTFIXTURE_WAIT(f->why != NULL);
    g_assert_cmpstr(f->why, ==, "map: the first line is \"snap-end\", not hello");
}

/* Headers but no hello for 10 s: something holds streams back, so single polls are asked for, one
 * after the other, and their gaps are no news. */
static void test_held_back(ClientFixture *f, gconstpointer data)
{
    FakeAnswer silent = { "map", 200, "", true };

    (void)data;
    fake_answer(f->server, &silent);
    clientfixture_answer_map(f, "", false);
    clientfixture_answer_map(f, "", false);
    clientfixture_answer_map(f, "", true);
    control_client_start(f->client, NULL);
    CLIENTFIXTURE_WAIT(fake_count(f->server, "map") == 4);
    g_assert_cmpstr(fake_get(f->server, "map", 1).query, ==, "cursor=0.0&hb=60&wait=55");
    g_assert_cmpstr(fake_get(f->server, "map", 3).query, ==, "cursor=1.5&hb=60&wait=55");
    g_assert_cmpstr(f->states->str, ==, "connecting,connected,");
}

static void test_long_line(ClientFixture *f, gconstpointer data)
{
    g_autofree char *body = g_strnfill(MESH_MAPLINE_MAX_BYTES + 2, 'x');
    FakeAnswer       a = { "map", 200, body, true };

    (void)data;
    fake_answer(f->server, &a);
    control_client_start(f->client, NULL);
    CLIENTFIXTURE_WAIT(f->why != NULL);
    g_assert_cmpstr(f->why, ==, "map: a line is over 64 KiB");
}

static void test_revoked(ClientFixture *f, gconstpointer data)
{
    (void)data;
    clientfixture_answer_map(f, "{\"t\":\"revoked\",\"why\":\"removed\"}\n", true);
    control_client_start(f->client, NULL);
    CLIENTFIXTURE_WAIT(f->fatal >= 0);
    g_assert_cmpint(f->fatal, ==, MESH_ERROR_REMOVED);
    g_assert_cmpint(control_client_get_state(f->client, NULL), ==, CONTROL_OFF);
}

/* What may pass does not end the conversation: it is said, and asked again. */
typedef struct {
    const char *code;
    unsigned    status;
} PassingCase;

static const PassingCase passing[] = {
    { "clock", 401 },
    { "replayed", 401 },
    { "cloned", 409 },
};

static void test_passing(ClientFixture *f, gconstpointer data)
{
    const PassingCase *c = data;
    g_autofree char   *body = g_strdup_printf(
          "{\"error\":{\"code\":\"%s\",\"message\":\"because\",\"time\":5,\"after\":5}}", c->code);

    for (unsigned i = 0; i < 4; i++) /* two attempts, each tried twice where that helps */
        clientfixture_answer(f, "map", c->status, body);
    clientfixture_answer_map(f, "", true);
    control_client_start(f->client, NULL);
    CLIENTFIXTURE_WAIT(f->why != NULL);
    g_assert_cmpstr(f->why, ==, "because");
    CLIENTFIXTURE_WAIT(f->maps > 0);
    g_assert_cmpint(f->fatal, ==, -1);
    g_assert_cmpint(control_client_get_state(f->client, NULL), ==, CONTROL_CONNECTED);
}

/* The line tells and ends nothing: the delta after it is taken. */
static void test_cloned_line(ClientFixture *f, gconstpointer data)
{
    (void)data;
    clientfixture_answer_map(f, "{\"t\":\"cloned\"}\n{\"t\":\"delta\",\"from\":5,\"to\":6}\n",
                             true);
    control_client_start(f->client, NULL);
    CLIENTFIXTURE_WAIT(f->cloned == 1 && f->map_ver == 6);
    g_assert_cmpint(control_client_get_state(f->client, NULL), ==, CONTROL_CONNECTED);
    g_assert_cmpuint(fake_count(f->server, "map"), ==, 1);
}

static void test_cached_map(ClientFixture *f, gconstpointer data)
{
    static const char text[] = "{\"format\":2,\"epoch\":3,\"ver\":44,\"count\":0}\n";
    g_autoptr(GError) error = NULL;
    g_autoptr(MeshNetmap) map = mesh_netmap_decode(text, strlen(text), &error);

    (void)data;
    g_assert_no_error(error);
    clientfixture_answer_map(f, "", true);
    control_client_start(f->client, map);
    CLIENTFIXTURE_WAIT(f->map_peers == 1);
    g_assert_cmpstr(fake_get(f->server, "map", 0).query, ==, "cursor=3.44&hb=60&hbmax=300");
}

static void add(void)
{
    clientfixture_add("/client/stream", NULL, test_stream);
    clientfixture_add("/client/no-hello-first", NULL, test_no_hello_first);
    clientfixture_add("/client/held-back", NULL, test_held_back);
    clientfixture_add("/client/long-line", NULL, test_long_line);
    clientfixture_add("/client/revoked", NULL, test_revoked);
    clientfixture_add("/client/cloned-line", NULL, test_cloned_line);
    clientfixture_add("/client/cached-map", NULL, test_cached_map);
    for (size_t i = 0; i < G_N_ELEMENTS(ends); i++)
        clientfixture_add_row("end", ends[i].name, &ends[i], test_end);
    for (size_t i = 0; i < G_N_ELEMENTS(passing); i++)
        clientfixture_add_row("passing", passing[i].code, &passing[i], test_passing);
}

int main(int argc, char **argv)
{
    return clientfixture_run(&argc, &argv, add);
}
