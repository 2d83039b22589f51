/* Tests of daemon/{networks,engine,membership,parts}.c: joining, failing, leaving, starting again;
 * on fakes of server, data plane and host network. */
#include "common/glib/error.h"
#include "common/glib/log.h"
#include "common/std/clock.h"
#include "common/std/hash.h"
#include "daemon/networks.h"
#include "daemon/view.h"
#include "tests/common/proto/objects.h"
#include "tests/daemon/fakes.h"

#include <string.h>
#include <sys/socket.h>

#define ID "00112233445566ff"

/* How far the wall clock is ahead of the real one. */
static int64_t late_s, began_s;

static int64_t get_boot(void *user_data)
{
    (void)user_data;
    return g_get_monotonic_time() * 1000;
}

static int64_t get_wall(void *user_data)
{
    (void)user_data;
    return g_get_real_time() * 1000 + late_s * INT64_C(1000000000);
}

static const MeshClockSource clock_source = { .boot_ns = get_boot, .wall_ns = get_wall };

typedef struct {
    char          *dir, *link;
    MeshdNetworks *networks;
    bool           done; /* of the last call that waits */
    GError        *error;
    unsigned       n_added, n_removed;
} Fixture;

static void on_added(MeshdEngine *engine, void *user_data)
{
    Fixture *f = user_data;

    (void)engine;
    f->n_added++;
}

static void on_removed(const char *id, void *user_data)
{
    Fixture *f = user_data;

    g_assert_cmpstr(id, ==, ID);
    f->n_removed++;
}

static const MeshdNetworksEvents events = { .added = on_added, .removed = on_removed };

static void on_done(MeshdEngine *engine, const GError *error, void *user_data)
{
    Fixture *f = user_data;

    (void)engine;
    g_assert_false(f->done);
    f->done = true;
    g_clear_error(&f->error);
    f->error = error != NULL ? g_error_copy(error) : NULL;
}

static void start(Fixture *f)
{
    g_autoptr(GError) error = NULL;

    f->networks = meshd_networks_new(f->dir, f->dir, &error);
    g_assert_no_error(error);
    meshd_networks_start(f->networks, &events, f);
}

static void restart(Fixture *f)
{
    meshd_networks_free(f->networks);
    g_assert_false(fakes.running);
    g_assert_null(fakes.client);
    start(f);
}

static void set_up(Fixture *f, gconstpointer data)
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
    start(f);
}

static void tear_down(Fixture *f, gconstpointer data)
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

static MeshdEngine *find(Fixture *f)
{
    return meshd_networks_find(f->networks, ID);
}

static void assert_state(Fixture *f, const char *want)
{
    g_autoptr(MeshdView) view = NULL;

    g_assert_nonnull(find(f));
    view = meshd_view_make(find(f));
    if (strcmp(view->state, want) != 0)
        g_error("state %s instead of %s: %s", view->state, want, view->error);
}

static bool has_documents(Fixture *f)
{
    g_autofree char *path = g_build_filename(f->dir, "networks", ID, NULL);

    return g_file_test(path, G_FILE_TEST_EXISTS);
}

/* ---- the server's part ---- */

static MeshMember *make_member(bool ip4, uint64_t serial)
{
    MeshMember *member = fixture_member(50);

    member->node = fakes.node;
    member->serial = serial;
    member->nbf = began_s + late_s; /* two objects of one serial are the same */
    member->exp = member->nbf + 86400;
    if (!ip4)
        member->ip4 = (MeshAddr){ 0 };
    return member;
}

static MeshSigned *sign_peer(unsigned n)
{
    g_autoptr(MeshMember) member = fixture_member(n);

    member->nbf = began_s + late_s; /* two objects of one serial are the same */
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
static void send_map(bool ip4, uint64_t serial)
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

static void answer(bool ip4, uint64_t serial)
{
    g_autoptr(MeshMember) member = make_member(ip4, serial);
    g_autoptr(MeshSigned) m = fixture_sign_member(member);
    MeshNetwork network = fixture_network();

    fakes_answer(m, &network);
}

static void join(Fixture *f)
{
    MeshdJoinOptions options = { .name = "laptop" };

    f->done = false;
    meshd_networks_join(f->networks, f->link, &options, on_done, f);
}

static void join_whole(Fixture *f)
{
    join(f);
    answer(true, 100);
    fakes_tell_state(CONTROL_CONNECTED);
    send_map(true, 100);
    g_assert_true(f->done);
    g_assert_no_error(f->error);
}

/* ---- tests ---- */

static void test_join(Fixture *f, gconstpointer data)
{
    (void)data;
    join(f);
    g_assert_cmpuint(fakes.n_registers, ==, 1);
    g_assert_true(fakes.has_join && fakes.request_ip4);
    g_assert_null(find(f)); /* nobody sees it before the server said yes */
    answer(true, 100);
    g_assert_true(fakes.streaming);
    g_assert_false(fakes.running || f->done);
    fakes_tell_state(CONTROL_CONNECTED);
    send_map(true, 100);
    g_assert_true(f->done);
    g_assert_no_error(f->error);
    g_assert_cmpuint(f->n_added, ==, 1);
    assert_state(f, "up");
    g_assert_true(fakes.running && fakes.has_key && fakes.applied);
    g_assert_cmpuint(fakes.n_peers, ==, 2);
    g_assert_cmpuint(fakes.set.n_addrs, ==, 2);
    g_assert_cmpuint(fakes.set.n_routes, ==, 2);
    g_assert_cmpstr(fakes.set.ifname, ==, "mesh0");
    g_assert_cmpuint(fakes.n_reports, >, 0);
}

static void test_join_twice(Fixture *f, gconstpointer data)
{
    (void)data;
    join_whole(f);
    join(f);
    g_assert_true(f->done);
    g_assert_error(f->error, MESH_ERROR, MESH_ERROR_ALREADY_JOINED);
    assert_state(f, "up");
}

static void test_other_server(Fixture *f, gconstpointer data)
{
    MeshJoinlink link;

    (void)data;
    join_whole(f);
    g_assert_true(mesh_joinlink_parse(f->link, &link, NULL));
    link.server.bytes[0] ^= 1;
    mesh_joinlink_free_text(f->link);
    f->link = mesh_joinlink_format(&link);
    join(f);
    g_assert_error(f->error, MESH_ERROR, MESH_ERROR_WRONG_SERVER);
    g_assert_cmpuint(fakes.n_registers, ==, 1); /* nothing was sent */
}

static void test_refused(Fixture *f, gconstpointer data)
{
    (void)data;
    join(f);
    g_assert_true(has_documents(f)); /* the keys, before the server knows them */
    fakes_tell_fatal(MESH_ERROR_KEY_USED);
    g_assert_true(f->done);
    g_assert_error(f->error, MESH_ERROR, MESH_ERROR_KEY_USED);
    g_assert_false(has_documents(f));
    g_assert_null(find(f));
    g_assert_cmpuint(f->n_added, ==, 0);
    g_assert_false(fakes.running);
}

static void test_answer_lost(Fixture *f, gconstpointer data)
{
    MeshKey node;

    (void)data;
    join(f);
    node = fakes.node;
    fakes_tell_fatal(MESH_ERROR_UNREACHABLE);
    g_assert_error(f->error, MESH_ERROR, MESH_ERROR_UNREACHABLE);
    g_assert_null(find(f));
    restart(f);
    g_assert_null(find(f));
    join(f);
    g_assert_true(mesh_key_equal(&node, &fakes.node)); /* the server may know it already */
    answer(true, 100);
    send_map(true, 100);
    assert_state(f, "up");
}

/* A member whose documents are damaged is not turned into a stranger by the next link. */
static void test_damaged(Fixture *f, gconstpointer data)
{
    static const char *const names[] = { "profile", "profile.prev" };

    (void)data;
    join_whole(f);
    meshd_networks_free(f->networks);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(f->dir, "networks", ID, names[i], NULL);

        g_assert_true(g_file_set_contents(path, "junk", -1, NULL));
    }
    start(f);
    g_assert_null(find(f));
    join(f);
    g_assert_true(f->done);
    g_assert_error(f->error, MESH_ERROR, MESH_ERROR_STATE);
    g_assert_nonnull(strstr(f->error->message, ID));
    g_assert_cmpuint(fakes.n_registers, ==, 1); /* nothing was sent */
    g_assert_true(has_documents(f));
}

static void test_bad_options(Fixture *f, gconstpointer data)
{
    const char *const      endpoints[] = { "example.org", NULL };
    const MeshdJoinOptions rows[] = { { .ifname = "a/b" },
                                      { .ifname = "eth0" },
                                      { .ifname = "a-very-long-interface" },
                                      { .endpoints = endpoints } };

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        f->done = false;
        meshd_networks_join(f->networks, f->link, &rows[i], on_done, f);
        g_assert_error(f->error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT);
        g_assert_false(has_documents(f));
    }
    f->done = false;
    meshd_networks_join(f->networks, "mesh://nonsense", &rows[0], on_done, f);
    g_assert_error(f->error, MESH_ERROR, MESH_ERROR_BAD_LINK);
    g_assert_cmpuint(fakes.n_registers, ==, 0);
}

static void test_clash(Fixture *f, gconstpointer data)
{
    g_autoptr(MeshdView) view = NULL;

    (void)data;
    fakes.route = "10.0.0.0/8";
    join(f);
    g_assert_true(fakes.request_ip4);
    answer(true, 100);
    g_assert_cmpuint(fakes.n_registers, ==, 2); /* once more, without IPv4 */
    g_assert_false(fakes.request_ip4 || fakes.running);
    answer(false, 101);
    send_map(false, 101);
    g_assert_no_error(f->error);
    assert_state(f, "up");
    g_assert_cmpuint(fakes.set.n_addrs, ==, 1);
    g_assert_cmpuint(fakes.set.addrs[0].family, ==, AF_INET6);
    g_assert_cmpuint(fakes.set.n_routes, ==, 1);
    view = meshd_view_make(find(f));
    g_assert_nonnull(strstr(view->warnings[0], "10.0.0.0/8"));
    g_assert_nonnull(strstr(view->warnings[0], "IPv6 only"));
}

static void test_pending(Fixture *f, gconstpointer data)
{
    (void)data;
    join(f);
    fakes_tell_state(CONTROL_PENDING);
    g_assert_true(f->done);
    g_assert_no_error(f->error);
    assert_state(f, "pending");
    restart(f);
    assert_state(f, "pending");
    g_assert_cmpuint(fakes.n_registers, ==, 2);
    g_assert_false(fakes.has_join); /* the secret is gone: it was used */
    answer(true, 100);
    send_map(true, 100);
    assert_state(f, "up");
}

static void test_host_refuses(Fixture *f, gconstpointer data)
{
    (void)data;
    fakes.net_fails = true;
    join(f);
    answer(true, 100);
    send_map(true, 100);
    g_assert_true(f->done);
    g_assert_no_error(f->error); /* a member it is */
    assert_state(f, "error");
    g_assert_false(fakes.running || fakes.applied); /* the data plane was undone */
    fakes.net_fails = false;
    send_map(true, 100);
    assert_state(f, "up");
}

static void test_starts_from_cache(Fixture *f, gconstpointer data)
{
    (void)data;
    join_whole(f);
    restart(f);
    assert_state(f, "up"); /* and the server has said nothing yet */
    g_assert_true(fakes.running && fakes.applied);
    g_assert_cmpuint(fakes.n_peers, ==, 2);
}

static void test_down_is_kept(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    join_whole(f);
    g_assert_true(meshd_networks_down(f->networks, find(f), false, &error));
    assert_state(f, "down");
    g_assert_false(fakes.running || fakes.applied);
    restart(f);
    assert_state(f, "down");
    f->done = false;
    meshd_networks_up(f->networks, find(f), false, on_done, f);
    g_assert_true(f->done);
    g_assert_no_error(f->error);
    assert_state(f, "up");
    g_assert_true(meshd_networks_down(f->networks, find(f), true, &error)); /* temporary */
    restart(f);
    assert_state(f, "up");
}

static void test_removed(Fixture *f, gconstpointer data)
{
    (void)data;
    join_whole(f);
    fakes_tell_fatal(MESH_ERROR_REMOVED);
    assert_state(f, "removed");
    g_assert_false(fakes.running || fakes.applied);
    restart(f);
    assert_state(f, "removed");
    f->done = false;
    meshd_networks_up(f->networks, find(f), false, on_done, f);
    g_assert_error(f->error, MESH_ERROR, MESH_ERROR_REMOVED);
    f->done = false;
    meshd_networks_leave(f->networks, find(f), false, on_done, f);
    g_assert_no_error(f->error);
    g_assert_cmpuint(fakes.n_leaves, ==, 0); /* it knows */
    g_assert_null(find(f));
    g_assert_false(has_documents(f));
}

static void test_expired(Fixture *f, gconstpointer data)
{
    MeshKey node;

    (void)data;
    join_whole(f);
    node = fakes.node;
    fakes_tell_fatal(MESH_ERROR_EXPIRED);
    assert_state(f, "expired");
    join(f); /* with a new link of the same network */
    g_assert_true(mesh_key_equal(&node, &fakes.node));
    fakes_tell_fatal(MESH_ERROR_KEY_EXPIRED);
    g_assert_error(f->error, MESH_ERROR, MESH_ERROR_KEY_EXPIRED);
    assert_state(f, "expired");
    join(f);
    answer(true, 200);
    send_map(true, 200);
    g_assert_no_error(f->error);
    assert_state(f, "up");
}

/* An expired member that joins again is no stranger on disk, whatever else is asked meanwhile. */
static void test_expired_joining(Fixture *f, gconstpointer data)
{
    MeshdSetOptions set = { .port = 5000, .set_port = true };
    g_autoptr(GError) error = NULL;
    MeshKey node;

    (void)data;
    join_whole(f);
    node = fakes.node;
    fakes_tell_fatal(MESH_ERROR_EXPIRED);
    join(f);
    g_assert_false(meshd_networks_set(f->networks, find(f), &set, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_BUSY);
    g_assert_false(f->done);
    meshd_networks_up(f->networks, find(f), false, on_done, f);
    g_assert_true(f->done);
    g_assert_error(f->error, MESH_ERROR, MESH_ERROR_BUSY);
    f->done = false; /* the join goes on; its end is told when the daemon stops */
    restart(f);
    assert_state(f, "expired");
    join(f);
    g_assert_true(mesh_key_equal(&node, &fakes.node));
    f->done = false;
}

/* Away for longer than the membership lasts: nothing runs, but the server is asked, and has a new
 * one. */
static void test_out_of_date(Fixture *f, gconstpointer data)
{
    (void)data;
    join_whole(f);
    late_s = 2 * 86400;
    restart(f);
    assert_state(f, "error");
    g_assert_true(fakes.streaming);
    g_assert_false(fakes.running || fakes.applied);
    send_map(true, 101);
    assert_state(f, "up");
    late_s = 0;
}

static void test_leave(Fixture *f, gconstpointer data)
{
    (void)data;
    join_whole(f);
    fakes.leave_fails = true;
    f->done = false;
    meshd_networks_leave(f->networks, find(f), false, on_done, f);
    g_assert_error(f->error, MESH_ERROR, MESH_ERROR_UNREACHABLE);
    assert_state(f, "up");
    f->done = false;
    meshd_networks_leave(f->networks, find(f), true, on_done, f);
    g_assert_no_error(f->error);
    g_assert_null(find(f));
    g_assert_cmpuint(f->n_removed, ==, 1);
    g_assert_false(has_documents(f) || fakes.running || fakes.applied);
}

static void test_leave_revokes(Fixture *f, gconstpointer data)
{
    (void)data;
    join_whole(f);
    fakes.leave_revokes = true;
    f->done = false;
    meshd_networks_leave(f->networks, find(f), false, on_done, f);
    g_assert_true(f->done);
    g_assert_no_error(f->error);
    g_assert_null(find(f));
    g_assert_false(has_documents(f) || fakes.running || fakes.applied);
}

/* Down, and the end of our membership, do not leave a leave without its answer. */
static void test_leave_interrupted(Fixture *f, gconstpointer data)
{
    (void)data;
    join_whole(f);
    fakes.leave_hangs = true;
    f->done = false;
    meshd_networks_leave(f->networks, find(f), true, on_done, f);
    g_assert_false(f->done);
    g_assert_true(meshd_networks_down(f->networks, find(f), true, NULL));
    g_assert_true(f->done);
    g_assert_error(f->error, MESH_ERROR, MESH_ERROR_CANCELLED);
    assert_state(f, "down");
    fakes.leave_hangs = false;
    f->done = false;
    meshd_networks_leave(f->networks, find(f), false, on_done, f); /* can be asked for again */
    g_assert_no_error(f->error);
    g_assert_null(find(f));
}

static void test_leave_while_expiring(Fixture *f, gconstpointer data)
{
    (void)data;
    join_whole(f);
    fakes.leave_hangs = true;
    f->done = false;
    meshd_networks_leave(f->networks, find(f), false, on_done, f);
    fakes_tell_fatal(MESH_ERROR_EXPIRED);
    g_assert_true(f->done);
    g_assert_error(f->error, MESH_ERROR, MESH_ERROR_CANCELLED);
    assert_state(f, "expired");
}

/* Somebody takes our addresses away: they come back, without a word from the server. */
static void test_mends(Fixture *f, gconstpointer data)
{
    (void)data;
    join_whole(f);
    fakes.applied = false;
    fakes_tell_net_changed();
    while (!fakes.applied)
        g_main_context_iteration(NULL, true);
    g_assert_cmpuint(fakes.set.n_addrs, ==, 2);
    fakes_tell_net_changed(); /* and nothing is mended of what is down by then */
    g_assert_true(meshd_networks_down(f->networks, find(f), true, NULL));
    g_assert_false(fakes.applied);
}

static const struct {
    const char *name;
    void (*run)(Fixture *f, gconstpointer data);
} tests[] = {
    { "/networks/join", test_join },
    { "/networks/join-twice", test_join_twice },
    { "/networks/other-server", test_other_server },
    { "/networks/refused", test_refused },
    { "/networks/answer-lost", test_answer_lost },
    { "/networks/damaged", test_damaged },
    { "/networks/bad-options", test_bad_options },
    { "/networks/clash", test_clash },
    { "/networks/pending", test_pending },
    { "/networks/host-refuses", test_host_refuses },
    { "/networks/starts-from-cache", test_starts_from_cache },
    { "/networks/down-is-kept", test_down_is_kept },
    { "/networks/removed", test_removed },
    { "/networks/expired", test_expired },
    { "/networks/expired-joining", test_expired_joining },
    { "/networks/out-of-date", test_out_of_date },
    { "/networks/leave", test_leave },
    { "/networks/leave-revokes", test_leave_revokes },
    { "/networks/leave-interrupted", test_leave_interrupted },
    { "/networks/leave-while-expiring", test_leave_while_expiring },
    { "/networks/mends", test_mends },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mesh_log_init("test", MESH_LOG_ERROR);
    fixture_start();
    mesh_clock_set_source(&clock_source);
    began_s = mesh_clock_wall_s() - 10;
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].name, Fixture, NULL, set_up, tests[i].run, tear_down);
    return g_test_run();
}
