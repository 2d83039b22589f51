/* tests/daemon/control/clientfixture.c: see clientfixture.h. */
#include "tests/daemon/control/clientfixture.h"

#include "common/glib/error.h"
#include "daemon/control/inside.h"

#include <signal.h>
#include <string.h>

enum { WRONG_SEED = 9, SERVER_SEED = 7 };

static void maybe_free(ClientFixture *f)
{
    if (f->free_in_callback)
        g_clear_pointer(&f->client, control_client_free);
}

static void on_state(ControlClient *client, ControlState state, const GError *why, void *user_data)
{
    ClientFixture *f = user_data;

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
    ClientFixture *f = user_data;

    (void)client;
    g_assert_true(answer->active);
    f->registered++;
    maybe_free(f);
}

static void on_map(ControlClient *client, const MeshNetmap *map, MeshNetmapChange change,
                   void *user_data)
{
    ClientFixture *f = user_data;

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
    ((ClientFixture *)user_data)->observed = *address;
}

static void on_seq(ControlClient *client, uint64_t min_seq, void *user_data)
{
    (void)client;
    ((ClientFixture *)user_data)->seq = min_seq;
}

static void on_fatal(ControlClient *client, const GError *why, void *user_data)
{
    ClientFixture *f = user_data;

    (void)client;
    g_assert_true(why->domain == MESH_ERROR);
    f->fatal = why->code;
    g_free(f->fatal_text);
    f->fatal_text = g_strdup(why->message);
    maybe_free(f);
}

static void on_cloned(ControlClient *client, void *user_data)
{
    ClientFixture *f = user_data;

    (void)client;
    f->cloned++;
    maybe_free(f);
}

static void set_up(ClientFixture *f, gconstpointer data)
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

static void tear_down(ClientFixture *f, gconstpointer data)
{
    (void)data;
    control_client_free(f->client);
    fake_stop(f->server);
    g_string_free(f->states, TRUE);
    g_free(f->fatal_text);
    g_free(f->why);
}

void clientfixture_add(const char *path, gconstpointer data, ClientFixtureTest test)
{
    g_test_add(path, ClientFixture, data, set_up, test, tear_down);
}

void clientfixture_add_row(const char *table, const char *name, gconstpointer data,
                           ClientFixtureTest test)
{
    g_autofree char *path = g_strdup_printf("/client/%s/%s", table, name);

    clientfixture_add(path, data, test);
}

int clientfixture_run(int *argc, char ***argv, void (*add)(void))
{
    signal(SIGPIPE, SIG_IGN); /* the scripted server writes to connections that are gone */
    g_test_init(argc, argv, NULL);
    fixture_start();
    add();
    return g_test_run();
}

gboolean clientfixture_fail(gpointer what)
{
    g_error("nothing happened for %d s: %s", CLIENTFIXTURE_LIMIT_S, (const char *)what);
    return G_SOURCE_REMOVE;
}

void clientfixture_answer(ClientFixture *f, const char *verb, unsigned status, const char *body)
{
    FakeAnswer a = { .verb = verb, .status = status, .body = body };

    fake_answer(f->server, &a);
}

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

void clientfixture_answer_map(ClientFixture *f, const char *more, bool hold)
{
    g_autofree char *snapshot = make_snapshot(5);
    g_autofree char *body = g_strconcat(snapshot, more, NULL);
    FakeAnswer       a = { .verb = "map", .status = 200, .body = body, .hold = hold };

    fake_answer(f->server, &a);
}
