/* Tests of daemon/control: a client against a server that answers by a script, over real TLS. */
#include "common/glib/error.h"
#include "common/std/clock.h"
#include "daemon/control/inside.h"
#include "tests/daemon/control/fake.h"

#include <signal.h>
#include <string.h>

enum { LIMIT_S = 20, WRONG_SEED = 9, SERVER_SEED = 7 };

typedef struct {
    FakeServer    *server;
    FixturePair    node;
    ControlClient *client;
    bool           free_in_callback;
    GString       *states; /* what was told: "connecting,connected," */
    unsigned       maps, registered, left, cloned;
    int            fatal, left_error; /* error codes; -1: none */
    char          *fatal_text, *why;  /* why: of the last OFFLINE */
    uint64_t       seq, map_ver;
    size_t         map_peers;
    MeshAddr       observed;
} Fixture;

static void maybe_free(Fixture *f)
{
    if (f->free_in_callback)
        g_clear_pointer(&f->client, control_client_free);
}

static void on_state(ControlClient *client, ControlState state, const GError *why, void *user_data)
{
    Fixture *f = user_data;

    (void)client;
    g_string_append_printf(f->states, "%s,", control_client_state_name(state));
    g_assert_cmpint(why != NULL, ==, state == CONTROL_OFFLINE || (state == CONTROL_OFF && why));
    if (why != NULL) {
        g_free(f->why);
        f->why = g_strdup(why->message);
    }
    if (state == CONTROL_CONNECTED)
        maybe_free(f);
}

static void on_registered(ControlClient *client, const MeshRegisterAnswer *answer, void *user_data)
{
    Fixture *f = user_data;

    (void)client;
    g_assert_true(answer->active);
    f->registered++;
    maybe_free(f);
}

static void on_map(ControlClient *client, const MeshNetmap *map, MeshNetmapChange change,
                   void *user_data)
{
    Fixture *f = user_data;

    (void)client;
    (void)change;
    f->maps++;
    f->map_ver = mesh_netmap_get_head(map)->ver;
    f->map_peers = mesh_netmap_count(map);
    maybe_free(f);
}

static void on_observed(ControlClient *client, const MeshAddr *address, void *user_data)
{
    (void)client;
    ((Fixture *)user_data)->observed = *address;
}

static void on_seq(ControlClient *client, uint64_t min_seq, void *user_data)
{
    (void)client;
    ((Fixture *)user_data)->seq = min_seq;
}

static void on_fatal(ControlClient *client, const GError *why, void *user_data)
{
    Fixture *f = user_data;

    (void)client;
    g_assert_true(why->domain == MESH_ERROR);
    f->fatal = why->code;
    g_free(f->fatal_text);
    f->fatal_text = g_strdup(why->message);
    maybe_free(f);
}

static void on_cloned(ControlClient *client, void *user_data)
{
    Fixture *f = user_data;

    (void)client;
    f->cloned++;
    maybe_free(f);
}

static void on_left(ControlClient *client, const GError *error, void *user_data)
{
    Fixture *f = user_data;

    (void)client;
    f->left++;
    f->left_error = error != NULL ? error->code : -1;
}

static void set_up(Fixture *f, gconstpointer data)
{
    static const ControlEvents events = { on_state, on_registered, on_map, on_observed,
                                          on_seq,   on_fatal,      NULL,   on_cloned };
    MeshNetwork                network = fixture_network();
    FixturePair                tls = fixture_pair(SERVER_SEED), wrong = fixture_pair(WRONG_SEED);
    MeshJoinlink   link = { .host = "127.0.0.1", .network = network.id, .server = network.server };
    ControlOptions options = { .server = &link };

    memset(f, 0, sizeof(*f));
    f->server = fake_start(g_strcmp0(data, "wrong-key") == 0 ? &wrong : &tls);
    f->node = fixture_node(1);
    f->states = g_string_new(NULL);
    f->fatal = f->left_error = -1;
    link.port = (uint16_t)fake_get_port(f->server);
    options.secret = &f->node.secret;
    options.node = f->node.key;
    f->client = control_client_new(&options, &events, f);
    f->client->stream.backoff.first_min_ms = 10; /* the schedule has its own test */
    f->client->stream.backoff.first_max_ms = 50;
}

static void tear_down(Fixture *f, gconstpointer data)
{
    (void)data;
    control_client_free(f->client);
    fake_stop(f->server);
    g_string_free(f->states, TRUE);
    g_free(f->fatal_text);
    g_free(f->why);
}

static gboolean on_limit(gpointer user_data)
{
    g_error("nothing happened for %d s: %s", LIMIT_S, (const char *)user_data);
    return G_SOURCE_REMOVE;
}

#define wait_for(condition)                                                            \
    do {                                                                               \
        guint limit = g_timeout_add_seconds(LIMIT_S, on_limit, (gpointer) #condition); \
        while (!(condition))                                                           \
            g_main_context_iteration(NULL, TRUE);                                      \
        g_source_remove(limit);                                                        \
    } while (0)

/* ---- register ---- */

static void start_register(Fixture *f, unsigned tries)
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

static void answer(Fixture *f, const char *verb, unsigned status, const char *body)
{
    FakeAnswer a = { .verb = verb, .status = status, .body = body };

    fake_answer(f->server, &a);
}

static void answer_active(Fixture *f)
{
    g_autofree char *active = make_active();

    answer(f, "register", 200, active);
}

static void test_register(Fixture *f, gconstpointer data)
{
    (void)data;
    answer(f, "register", 202, "{\"state\":\"pending\",\"retry_in_s\":1}");
    answer_active(f);
    start_register(f, 1);
    wait_for(f->registered == 1);
    g_assert_cmpstr(f->states->str, ==, "pending,off,");
    g_assert_cmpstr(fake_get(f->server, "register", 0).query, ==, "");
    g_assert_cmpstr(fake_get(f->server, "register", 1).query, ==, "wait=55");
    g_assert_nonnull(strstr(fake_get(f->server, "register", 0).body, "\"name\":\"me\""));
}

/* Unreachable, busy and failing servers are tried again; the body stays the same. */
static void test_register_retries(Fixture *f, gconstpointer data)
{
    (void)data;
    answer(f, "register", 500, "");
    answer(f, "register", 503,
           "{\"error\":{\"code\":\"busy\",\"message\":\"m\",\"retry_in_s\":1}}");
    answer(f, "register", 0, "");
    answer_active(f);
    start_register(f, 0);
    wait_for(f->registered == 1);
    g_assert_cmpuint(fake_count(f->server, "register"), ==, 4);
    g_assert_cmpstr(fake_get(f->server, "register", 0).body, ==,
                    fake_get(f->server, "register", 3).body);
    g_assert_true(g_str_has_prefix(f->states->str, "offline,"));
}

static void test_register_gives_up(Fixture *f, gconstpointer data)
{
    (void)data;
    start_register(f, 2); /* the script is empty: 500 */
    wait_for(f->fatal >= 0);
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

static void test_fatal(Fixture *f, gconstpointer data)
{
    const FatalCase *c = data;
    g_autofree char *body =
        g_strdup_printf("{\"error\":{\"code\":\"%s\",\"message\":\"because\"}}", c->code);

    answer(f, "register", c->status, body);
    start_register(f, 0);
    wait_for(f->fatal >= 0);
    g_assert_cmpint(f->fatal, ==, c->want);
    g_assert_cmpstr(f->fatal_text, ==, "because");
    g_assert_cmpint(control_client_get_state(f->client, NULL), ==, CONTROL_OFF);
    f->fatal = -1; /* the same on the stream */
    answer(f, "map", c->status, body);
    control_client_start(f->client, NULL);
    wait_for(f->fatal >= 0);
    g_assert_cmpint(f->fatal, ==, c->want);
    g_assert_cmpuint(fake_count(f->server, "map"), ==, 1);
}

static void test_bad_answer(Fixture *f, gconstpointer data)
{
    (void)data;
    answer(f, "register", 200, "{\"state\":\"active\"}");
    start_register(f, 0);
    wait_for(f->fatal >= 0);
    g_assert_cmpint(f->fatal, ==, MESH_ERROR_BAD_ANSWER);
    g_assert_cmpstr(f->fatal_text, ==, "the server's answer to register: m: missing");
}

static void test_wrong_key(Fixture *f, gconstpointer data)
{
    (void)data;
    start_register(f, 0);
    wait_for(f->fatal >= 0);
    g_assert_cmpint(f->fatal, ==, MESH_ERROR_SERVER_KEY);
    g_assert_cmpuint(fake_count(f->server, "register"), ==, 0); /* nothing was sent */
}

static void test_clock(Fixture *f, gconstpointer data)
{
    int64_t          ahead = mesh_clock_wall_s() + 5000;
    g_autofree char *body = g_strdup_printf(
        "{\"error\":{\"code\":\"clock\",\"message\":\"m\",\"time\":%" G_GINT64_FORMAT "}}", ahead);

    (void)data;
    answer(f, "register", 401, body);
    answer_active(f);
    start_register(f, 1);
    wait_for(f->registered == 1);
    g_assert_cmpint(fake_get(f->server, "register", 1).params.created, >=, ahead);
    g_assert_cmpint(fake_get(f->server, "register", 1).params.created, <=, ahead + LIMIT_S);
}

static void test_replayed(Fixture *f, gconstpointer data)
{
    int64_t          after = mesh_clock_wall_s() + 100;
    g_autofree char *body = g_strdup_printf(
        "{\"error\":{\"code\":\"replayed\",\"message\":\"m\",\"after\":%" G_GINT64_FORMAT "}}",
        after);
    FakeRequest first, second;

    (void)data;
    answer(f, "register", 401, body);
    answer_active(f);
    start_register(f, 1);
    wait_for(f->registered == 1);
    first = fake_get(f->server, "register", 0);
    second = fake_get(f->server, "register", 1);
    g_assert_true(memcmp(first.params.nonce.start, second.params.nonce.start, 8) != 0);
    g_assert_cmpint(second.params.created, ==, after + 1);
    answer(f, "register", 401, body);
    answer(f, "register", 401, body);
    start_register(f, 1);
    wait_for(f->fatal >= 0);
    g_assert_cmpint(f->fatal, ==, MESH_ERROR_REPLAYED);
}

/* ---- stream ---- */

static char *make_snapshot(uint64_t ver)
{
    g_autoptr(MeshMember) own = fixture_member(1);
    g_autoptr(MeshSigned) m = fixture_sign_member(own), p = fixture_policy(1);
    MeshPeer    peer = fixture_peer(2);
    MeshMapline snap = {
        .type = MESH_MAPLINE_SNAP, .epoch = 1, .ver = ver, .m = m, .p = p, .count = 1
    };
    MeshMapline      peers = { .type = MESH_MAPLINE_PEERS, .n_peers = 1, .peers = &peer };
    MeshMapline      end = { .type = MESH_MAPLINE_SNAP_END, .ver = ver };
    g_autofree char *a = mesh_mapline_encode(&snap, NULL), *b = mesh_mapline_encode(&peers, NULL);
    g_autofree char *c = mesh_mapline_encode(&end, NULL);

    mesh_mapline_clear_peer(&peer);
    return g_strconcat("@hello\n", a, b, c, NULL);
}

static void answer_map(Fixture *f, const char *more, bool hold)
{
    g_autofree char *snapshot = make_snapshot(5);
    g_autofree char *body = g_strconcat(snapshot, more, NULL);
    FakeAnswer       a = { .verb = "map", .status = 200, .body = body, .hold = hold };

    fake_answer(f->server, &a);
}

static void test_stream(Fixture *f, gconstpointer data)
{
    MeshAddr want = fixture_addr("192.0.2.77");

    (void)data;
    answer_map(f, "\n\n", true);
    control_client_start(f->client, NULL);
    wait_for(f->maps > 0 && f->map_peers == 1 && f->map_ver == 5);
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

static void test_end(Fixture *f, gconstpointer data)
{
    const EndCase *c = data;

    answer_map(f, c->more, c->more[0] != '\0');
    answer_map(f, "", true);
    control_client_start(f->client, NULL);
    wait_for(fake_count(f->server, "map") == 2);
    g_assert_cmpstr(fake_get(f->server, "map", 1).query, ==, c->cursor);
    g_assert_cmpstr(f->why, ==, c->why);
    g_assert_cmpint(f->fatal, ==, -1);
    wait_for(control_client_get_state(f->client, NULL) == CONTROL_CONNECTED);
}

static void test_no_hello_first(Fixture *f, gconstpointer data)
{
    FakeAnswer a = { "map", 200, "{\"t\":\"snap-end\",\"ver\":1}\n", true };

    (void)data;
    fake_answer(f->server, &a);
    control_client_start(f->client, NULL);
    wait_for(f->why != NULL);
    g_assert_cmpstr(f->why, ==, "map: the first line is \"snap-end\", not hello");
}

/* Headers but no hello for 10 s: something holds streams back, so single polls are asked for, one
 * after the other, and their gaps are no news. */
static void test_held_back(Fixture *f, gconstpointer data)
{
    FakeAnswer silent = { "map", 200, "", true };

    (void)data;
    fake_answer(f->server, &silent);
    answer_map(f, "", false);
    answer_map(f, "", false);
    answer_map(f, "", true);
    control_client_start(f->client, NULL);
    wait_for(fake_count(f->server, "map") == 4);
    g_assert_cmpstr(fake_get(f->server, "map", 1).query, ==, "cursor=0.0&hb=60&wait=55");
    g_assert_cmpstr(fake_get(f->server, "map", 3).query, ==, "cursor=1.5&hb=60&wait=55");
    g_assert_cmpstr(f->states->str, ==, "connecting,connected,");
}

static void test_long_line(Fixture *f, gconstpointer data)
{
    g_autofree char *body = g_strnfill(MESH_MAPLINE_MAX_BYTES + 2, 'x');
    FakeAnswer       a = { "map", 200, body, true };

    (void)data;
    fake_answer(f->server, &a);
    control_client_start(f->client, NULL);
    wait_for(f->why != NULL);
    g_assert_cmpstr(f->why, ==, "map: a line is over 64 KiB");
}

static void test_revoked(Fixture *f, gconstpointer data)
{
    (void)data;
    answer_map(f, "{\"t\":\"revoked\",\"why\":\"removed\"}\n", true);
    control_client_start(f->client, NULL);
    wait_for(f->fatal >= 0);
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

static void test_passing(Fixture *f, gconstpointer data)
{
    const PassingCase *c = data;
    g_autofree char   *body = g_strdup_printf(
          "{\"error\":{\"code\":\"%s\",\"message\":\"because\",\"time\":5,\"after\":5}}", c->code);

    for (unsigned i = 0; i < 4; i++) /* two attempts, each tried twice where that helps */
        answer(f, "map", c->status, body);
    answer_map(f, "", true);
    control_client_start(f->client, NULL);
    wait_for(f->why != NULL);
    g_assert_cmpstr(f->why, ==, "because");
    wait_for(f->maps > 0);
    g_assert_cmpint(f->fatal, ==, -1);
    g_assert_cmpint(control_client_get_state(f->client, NULL), ==, CONTROL_CONNECTED);
}

/* The line tells and ends nothing: the delta after it is taken. */
static void test_cloned_line(Fixture *f, gconstpointer data)
{
    (void)data;
    answer_map(f, "{\"t\":\"cloned\"}\n{\"t\":\"delta\",\"from\":5,\"to\":6}\n", true);
    control_client_start(f->client, NULL);
    wait_for(f->cloned == 1 && f->map_ver == 6);
    g_assert_cmpint(control_client_get_state(f->client, NULL), ==, CONTROL_CONNECTED);
    g_assert_cmpuint(fake_count(f->server, "map"), ==, 1);
}

static void test_cached_map(Fixture *f, gconstpointer data)
{
    static const char text[] = "{\"format\":2,\"epoch\":3,\"ver\":44,\"count\":0}\n";
    g_autoptr(GError) error = NULL;
    g_autoptr(MeshNetmap) map = mesh_netmap_decode(text, strlen(text), &error);

    (void)data;
    g_assert_no_error(error);
    answer_map(f, "", true);
    control_client_start(f->client, map);
    wait_for(f->map_peers == 1);
    g_assert_cmpstr(fake_get(f->server, "map", 0).query, ==, "cursor=3.44&hb=60&hbmax=300");
}

/* ---- report ---- */

static void test_report(Fixture *f, gconstpointer data)
{
    g_autoptr(MeshSigned) e = fixture_e(1, 5, "192.0.2.1:5", MESH_RECORD_LOCAL);
    g_autoptr(MeshSigned) k = fixture_k(1, 2);
    g_autoptr(MeshSigned) e2 = fixture_e(1, 21, "192.0.2.1:6", MESH_RECORD_LOCAL);
    const char *const health[] = { "left out x: y", NULL };
    int64_t           begun_ms;

    (void)data;
    answer_map(f, "", true);
    answer(f, "report", 503, "{\"error\":{\"code\":\"busy\",\"message\":\"m\"}}");
    answer(f, "report", 200, "{\"time\":1,\"e_seq\":20}");
    answer(f, "report", 200, "{\"time\":1,\"e_seq\":21,\"observed\":\"192.0.2.99\"}");
    control_client_report(f->client, e, k, health); /* waits for the stream */
    control_client_start(f->client, NULL);
    wait_for(fake_count(f->server, "report") == 1);
    begun_ms = mesh_clock_boot_ms(); /* the second comes later */
    wait_for(f->seq == 21);          /* the server had a higher one */
    g_assert_cmpuint(fake_count(f->server, "report"), ==, 2);
    g_assert_nonnull(strstr(fake_get(f->server, "report", 1).body, "\"k\":"));
    g_assert_nonnull(strstr(fake_get(f->server, "report", 1).body, "left out x: y"));
    control_client_report(f->client, e2, NULL, NULL);
    control_client_report(f->client, e2, NULL, NULL); /* gathered */
    wait_for(f->observed.bytes[3] == 99);
    answer(f, "report", 200, "{\"time\":1,\"e_seq\":22,\"observed\":\"192.0.2.98\"}");
    control_client_report(f->client, e2, NULL, NULL);
    wait_for(f->observed.bytes[3] == 98);
    g_assert_cmpint(mesh_clock_boot_ms() - begun_ms, >=, 1000); /* of two at once one is spare */
    g_assert_cmpuint(fake_count(f->server, "report"), ==, 4);
    g_assert_null(strstr(fake_get(f->server, "report", 2).body, "\"k\":")); /* told already */
}

/* What the server cannot take is given up, as a K older than its own; the stream and E are not. */
static void test_report_refused(Fixture *f, gconstpointer data)
{
    g_autoptr(MeshSigned) e = fixture_e(1, 5, "192.0.2.1:5", MESH_RECORD_LOCAL);
    g_autoptr(MeshSigned) k = fixture_k(1, 2);

    (void)data;
    answer_map(f, "", true);
    answer(f, "report", 409, "{\"error\":{\"code\":\"conflict\",\"message\":\"k: seq\"}}");
    answer(f, "report", 400, "{\"error\":{\"code\":\"bad-request\",\"message\":\"e.exp\"}}");
    answer(f, "report", 200, "{\"time\":1,\"e_seq\":6,\"observed\":\"192.0.2.99\"}");
    control_client_report(f->client, e, k, NULL);
    control_client_start(f->client, NULL);
    wait_for(fake_count(f->server, "report") == 2 || f->fatal != -1);
    g_assert_null(strstr(fake_get(f->server, "report", 1).body, "\"k\":"));
    control_client_report(f->client, e, NULL, NULL);
    wait_for(f->observed.bytes[3] == 99);
    g_assert_cmpint(control_client_get_state(f->client, NULL), ==, CONTROL_CONNECTED);
}

/* A server that was started anew between two polls is told again. */
static void test_report_between_polls(Fixture *f, gconstpointer data)
{
    g_autoptr(MeshSigned) e = fixture_e(1, 5, "192.0.2.1:5", MESH_RECORD_LOCAL);

    (void)data;
    f->client->stream.poll_until_ms = mesh_clock_boot_ms() + 3600 * 1000;
    answer_map(f, "", false);
    answer(f, "report", 200, "{\"time\":1,\"e_seq\":5}");
    answer(f, "report", 200, "{\"time\":1,\"e_seq\":5}");
    control_client_report(f->client, e, NULL, NULL);
    control_client_start(f->client, NULL);
    wait_for(fake_count(f->server, "report") == 1 && f->client->reports.call == NULL);
    answer_map(f, "", false);
    wait_for(fake_count(f->server, "map") >= 2 && f->maps >= 2);
    g_assert_cmpuint(fake_count(f->server, "report"), ==, 1); /* not with every poll */
    f->client->reports.sent_ms -= 600 * 1000;
    answer_map(f, "", true);
    wait_for(fake_count(f->server, "report") == 2);
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

static void test_leave(Fixture *f, gconstpointer data)
{
    const LeaveCase *c = data;

    answer(f, "leave", c->status, c->body);
    control_client_leave(f->client, LIMIT_S * 1000, on_left, f);
    wait_for(f->left == 1);
    g_assert_cmpint(f->left_error, ==, c->want);
    g_assert_cmpstr(fake_get(f->server, "leave", 0).body, ==, "{}");
}

/* ---- the caller lets go in the middle of a callback ---- */

static void test_free_in_callback(Fixture *f, gconstpointer data)
{
    f->free_in_callback = true;
    if (g_strcmp0(data, "registered") == 0) {
        answer_active(f);
        start_register(f, 1);
    } else if (g_strcmp0(data, "fatal") == 0) {
        answer(f, "map", 403, "{\"error\":{\"code\":\"removed\"}}");
        control_client_start(f->client, NULL);
    } else {
        answer_map(f, "{\"t\":\"resync\"}\n", true);
        control_client_start(f->client, NULL);
    }
    wait_for(f->client == NULL);
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

typedef void (*Test)(Fixture *f, gconstpointer data);

static void add(const char *path, gconstpointer data, Test test)
{
    g_test_add(path, Fixture, data, set_up, test, tear_down);
}

static void add_row(const char *table, const char *name, gconstpointer data, Test test)
{
    g_autofree char *path = g_strdup_printf("/client/%s/%s", table, name);

    add(path, data, test);
}

static void add_tables(void)
{
    static const char *const frees[] = { "registered", "fatal", "stream" };

    for (size_t i = 0; i < G_N_ELEMENTS(frees); i++)
        add_row("free-in", frees[i], frees[i], test_free_in_callback);
    for (size_t i = 0; i < G_N_ELEMENTS(fatals); i++)
        add_row("fatal", fatals[i].code, &fatals[i], test_fatal);
    for (size_t i = 0; i < G_N_ELEMENTS(ends); i++)
        add_row("end", ends[i].name, &ends[i], test_end);
    for (size_t i = 0; i < G_N_ELEMENTS(passing); i++)
        add_row("passing", passing[i].code, &passing[i], test_passing);
    for (size_t i = 0; i < G_N_ELEMENTS(leaves); i++)
        add_row("leave", leaves[i].name, &leaves[i], test_leave);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* the scripted server writes to connections that are gone */
    g_test_init(&argc, &argv, NULL);
    fixture_start();
    add("/client/register", NULL, test_register);
    add("/client/register-retries", NULL, test_register_retries);
    add("/client/register-gives-up", NULL, test_register_gives_up);
    add("/client/bad-answer", NULL, test_bad_answer);
    add("/client/wrong-key", "wrong-key", test_wrong_key);
    add("/client/clock", NULL, test_clock);
    add("/client/replayed", NULL, test_replayed);
    add("/client/stream", NULL, test_stream);
    add("/client/no-hello-first", NULL, test_no_hello_first);
    add("/client/held-back", NULL, test_held_back);
    add("/client/long-line", NULL, test_long_line);
    add("/client/revoked", NULL, test_revoked);
    add("/client/cloned-line", NULL, test_cloned_line);
    add("/client/cached-map", NULL, test_cached_map);
    add("/client/report", NULL, test_report);
    add("/client/report-refused", NULL, test_report_refused);
    add("/client/report-between-polls", NULL, test_report_between_polls);
    add_tables();
    return g_test_run();
}
