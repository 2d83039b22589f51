/* tests/daemon/joined.c: see joined.h. */
#include "tests/daemon/joined.h"

#include "common/glib/error.h"
#include "common/glib/log.h"
#include "common/std/clock.h"
#include "daemon/view.h"
#include "tests/common/proto/objects.h"
#include "tests/daemon/fakes.h"

#include <string.h>
#include <sys/socket.h>

int64_t joined_late_s, joined_began_s;

static int64_t get_boot(void *user_data)
{
    (void)user_data;
    return g_get_monotonic_time() * 1000;
}

static int64_t get_wall(void *user_data)
{
    (void)user_data;
    return g_get_real_time() * 1000 + joined_late_s * INT64_C(1000000000);
}

static const MeshClockSource clock_source = { .boot_ns = get_boot, .wall_ns = get_wall };

static void on_added(MeshdEngine *engine, void *user_data)
{
    Joined *f = user_data;

    (void)engine;
    f->n_added++;
}

static void on_removed(const char *id, void *user_data)
{
    Joined *f = user_data;

    g_assert_cmpstr(id, ==, JOINED_ID);
    f->n_removed++;
}

static const MeshdNetworksEvents events = { .added = on_added, .removed = on_removed };

void joined_on_done(MeshdEngine *engine, const GError *error, void *user_data)
{
    Joined *f = user_data;

    (void)engine;
    g_assert_false(f->done);
    f->done = true;
    g_clear_error(&f->error);
    f->error = error != NULL ? g_error_copy(error) : NULL;
}

void joined_start(Joined *f)
{
    g_autoptr(GError) error = NULL;

    f->networks = meshd_networks_new(f->dir, f->dir, &error);
    g_assert_no_error(error);
    meshd_networks_start(f->networks, &events, f);
}

void joined_restart(Joined *f)
{
    meshd_networks_free(f->networks);
    g_assert_false(fakes.running);
    g_assert_null(fakes.client);
    joined_start(f);
}

void joined_set_up(Joined *f, gconstpointer data)
{
    MeshJoinlink link = { .host = "vpn.example.org", .port = 443, .has_secret = true };
    MeshNetwork  network = fixture_network();

    (void)data;
    memset(&fakes, 0, sizeof fakes);
    fakes.port = 4242;
    link.network = network.id;
    link.server = network.server;
    f->link = mesh_joinlink_format(&link);
    f->dir = g_dir_make_tmp("mesh-networks-XXXXXX", NULL);
    joined_start(f);
}

void joined_tear_down(Joined *f, gconstpointer data)
{
    g_autofree char *command = g_strdup_printf("rm -rf '%s'", f->dir);

    (void)data;
    meshd_networks_free(f->networks);
    g_assert_false(fakes.running || fakes.applied);
    g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL));
    g_clear_error(&f->error);
    mesh_joinlink_free_text(f->link);
    g_free(f->dir);
}

MeshdEngine *joined_find(Joined *f)
{
    return meshd_networks_find(f->networks, JOINED_ID);
}

void joined_assert_state(Joined *f, const char *want)
{
    g_autoptr(MeshdView) view = NULL;

    g_assert_nonnull(joined_find(f));
    view = meshd_view_make(joined_find(f));
    if (strcmp(view->state, want) != 0)
        g_error("state %s instead of %s: %s", view->state, want, view->error);
}

bool joined_has_documents(Joined *f)
{
    g_autofree char *path = g_build_filename(f->dir, "networks", JOINED_ID, NULL);

    return g_file_test(path, G_FILE_TEST_EXISTS);
}

/* ---- the server's part ---- */

static MeshMember *make_member(bool ip4, uint64_t serial)
{
    MeshMember *member = fixture_member(50);

    member->node = fakes.node;
    member->serial = serial;
    member->nbf = joined_began_s + joined_late_s; /* two objects of one serial are the same */
    member->exp = member->nbf + 86400;
    if (!ip4)
        member->ip4 = (MeshAddr){ 0 };
    return member;
}

static MeshSigned *sign_peer(unsigned n)
{
    g_autoptr(MeshMember) member = fixture_member(n);

    member->nbf = joined_began_s + joined_late_s; /* two objects of one serial are the same */
    member->exp = member->nbf + 86400;
    return fixture_sign_member(member);
}

static void take(MeshNetmap *map, const MeshMapline *line)
{
    MeshNetmapChange change;
    g_autoptr(GError) error = NULL;

    g_assert_true(mesh_netmap_apply(map, line, &change, &error));
    g_assert_no_error(error);
}

/* Ourselves and two peers, as a snapshot would bring them. */
void joined_send_map(bool ip4, uint64_t serial)
{
    g_autoptr(MeshMember) member = make_member(ip4, serial);
    MeshNetmap *map = mesh_netmap_new();
    MeshNonce   nonce = { 0 };
    MeshTip     tip = { .epoch = 1,
                        .ver = 5,
                        .pver = 1,
                        .has_nonce = true,
                        .nonce = nonce,
                        .time = mesh_clock_wall_s() };
    MeshNetwork network = fixture_network();
    FixturePair server = fixture_server();
    g_autoptr(MeshSigned) signed_tip = mesh_tip_sign(&tip, &network.id, &server.secret, NULL);
    g_autoptr(MeshSigned) m = fixture_sign_member(member);
    g_autoptr(MeshSigned) p = fixture_policy(1);
    MeshPeer    peers[] = { fixture_peer(1), fixture_peer(2) };
    MeshMapline hello = { .type = MESH_MAPLINE_HELLO,
                          .time = tip.time,
                          .hb_s = 60,
                          .has_network = true,
                          .network = network,
                          .tip = signed_tip };
    MeshMapline snap = {
        .type = MESH_MAPLINE_SNAP, .epoch = 1, .ver = 5, .count = 2, .m = m, .p = p
    };
    MeshMapline list = { .type = MESH_MAPLINE_PEERS, .n_peers = 2, .peers = peers };
    MeshMapline end = { .type = MESH_MAPLINE_SNAP_END, .ver = 5 };

    for (unsigned i = 0; i < 2; i++) {
        mesh_signed_unref(peers[i].m);
        peers[i].m = sign_peer(i + 1);
    }
    mesh_netmap_begin(map, &nonce);
    take(map, &hello);
    take(map, &snap);
    take(map, &list);
    take(map, &end);
    for (unsigned i = 0; i < 2; i++)
        mesh_mapline_clear_peer(&peers[i]);
    fakes_tell_map(map);
}

void joined_answer(bool ip4, uint64_t serial)
{
    g_autoptr(MeshMember) member = make_member(ip4, serial);
    g_autoptr(MeshSigned) m = fixture_sign_member(member);
    MeshNetwork network = fixture_network();

    fakes_answer(m, &network);
}

void joined_join(Joined *f)
{
    MeshdJoinOptions options = { .name = "laptop" };

    f->done = false;
    meshd_networks_join(f->networks, f->link, &options, joined_on_done, f);
}

void joined_join_whole(Joined *f)
{
    joined_join(f);
    joined_answer(true, 100);
    fakes_tell_state(CONTROL_CONNECTED);
    joined_send_map(true, 100);
    g_assert_true(f->done);
    g_assert_no_error(f->error);
}

int joined_run(int argc, char **argv, const JoinedTest *tests, size_t n_tests)
{
    g_test_init(&argc, &argv, NULL);
    mesh_log_init("test", MESH_LOG_ERROR);
    fixture_start();
    mesh_clock_set_source(&clock_source);
    joined_began_s = mesh_clock_wall_s() - 10;
    for (size_t i = 0; i < n_tests; i++)
        g_test_add(tests[i].name, Joined, NULL, joined_set_up, tests[i].run, joined_tear_down);
    return g_test_run();
}
