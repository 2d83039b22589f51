/* Tests of daemon/{networks,engine,membership,parts}.c: joining, failing, leaving, starting again;
 * on fakes of server, data plane and host network. */
#include "common/glib/error.h"
#include "common/std/hash.h"
#include "daemon/view.h"
#include "tests/common/proto/objects.h"
#include "tests/daemon/fakes.h"
#include "tests/daemon/joined.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>

/* ---- tests ---- */

static void test_join(Joined *f, gconstpointer data)
{
    (void)data;
    joined_join(f);
    g_assert_cmpuint(fakes.n_registers, ==, 1);
    g_assert_true(fakes.has_join && fakes.request_ip4);
    g_assert_null(joined_find(f)); /* nobody sees it before the server said yes */
    joined_answer(true, 100);
    g_assert_true(fakes.streaming);
    g_assert_false(fakes.running || f->done);
    fakes_tell_state(CONTROL_CONNECTED);
    joined_send_map(true, 100);
    g_assert_true(f->done);
    g_assert_no_error(f->error);
    g_assert_cmpuint(f->n_added, ==, 1);
    joined_assert_state(f, "up");
    g_assert_true(fakes.running && fakes.has_key && fakes.applied);
    g_assert_cmpuint(fakes.n_peers, ==, 2);
    g_assert_cmpuint(fakes.set.n_addrs, ==, 2);
    g_assert_cmpuint(fakes.set.n_routes, ==, 2);
    g_assert_cmpstr(fakes.set.ifname, ==, "mesh0");
    g_assert_cmpuint(fakes.n_reports, >, 0);
}

static void test_join_twice(Joined *f, gconstpointer data)
{
    (void)data;
    joined_join_whole(f);
    joined_join(f);
    g_assert_true(f->done);
    g_assert_error(f->error, MESH_ERROR, MESH_ERROR_ALREADY_JOINED);
    joined_assert_state(f, "up");
}

static void test_other_server(Joined *f, gconstpointer data)
{
    MeshJoinlink link;

    (void)data;
    joined_join_whole(f);
    g_assert_true(mesh_joinlink_parse(f->link, &link, NULL));
    link.server.bytes[0] ^= 1;
    mesh_joinlink_free_text(f->link);
    f->link = mesh_joinlink_format(&link);
    joined_join(f);
    g_assert_error(f->error, MESH_ERROR, MESH_ERROR_WRONG_SERVER);
    g_assert_cmpuint(fakes.n_registers, ==, 1); /* nothing was sent */
}

static void test_refused(Joined *f, gconstpointer data)
{
    (void)data;
    joined_join(f);
    g_assert_true(joined_has_documents(f)); /* the keys, before the server knows them */
    fakes_tell_fatal(MESH_ERROR_KEY_USED);
    g_assert_true(f->done);
    g_assert_error(f->error, MESH_ERROR, MESH_ERROR_KEY_USED);
    g_assert_false(joined_has_documents(f));
    g_assert_null(joined_find(f));
    g_assert_cmpuint(f->n_added, ==, 0);
    g_assert_false(fakes.running);
}

static void test_answer_lost(Joined *f, gconstpointer data)
{
    MeshKey node;

    (void)data;
    joined_join(f);
    node = fakes.node;
    fakes_tell_fatal(MESH_ERROR_UNREACHABLE);
    g_assert_error(f->error, MESH_ERROR, MESH_ERROR_UNREACHABLE);
    g_assert_null(joined_find(f));
    joined_restart(f);
    g_assert_null(joined_find(f));
    joined_join(f);
    g_assert_true(mesh_key_equal(&node, &fakes.node)); /* the server may know it already */
    joined_answer(true, 100);
    joined_send_map(true, 100);
    joined_assert_state(f, "up");
}

static void assert_refused(Joined *f, bool up)
{
    g_autoptr(GError) error = NULL;

    f->done = false;
    if (up) {
        meshd_networks_up(f->networks, joined_find(f), MESHD_UP_KEPT, joined_on_done, f);
        g_assert_error(f->error, MESH_ERROR, MESH_ERROR_STATE);
    } else {
        g_assert_false(meshd_networks_down(f->networks, joined_find(f), false, &error));
        g_assert_error(error, MESH_ERROR, MESH_ERROR_STATE);
    }
}

/* A member whose documents are damaged is not turned into a stranger by the next link. */
static void test_damaged(Joined *f, gconstpointer data)
{
    static const char *const names[] = { "profile", "profile.prev" };

    (void)data;
    joined_join_whole(f);
    meshd_networks_free(f->networks);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(f->dir, "networks", JOINED_ID, names[i], NULL);

        g_assert_true(g_file_set_contents(path, "junk", -1, NULL));
    }
    joined_start(f);
    joined_assert_state(f, "error"); /* it is shown, and how it can go on */
    joined_join(f);
    g_assert_true(f->done);
    g_assert_error(f->error, MESH_ERROR, MESH_ERROR_STATE);
    g_assert_nonnull(strstr(f->error->message, JOINED_ID));
    assert_refused(f, false);
    assert_refused(f, true);
    g_assert_cmpuint(fakes.n_registers, ==, 1); /* nothing was sent */
    g_assert_true(joined_has_documents(f));
    f->done = false;
    meshd_networks_leave(f->networks, joined_find(f), false, joined_on_done, f);
    g_assert_error(f->error, MESH_ERROR, MESH_ERROR_STATE);
    g_assert_true(joined_has_documents(f));
    f->done = false;
    meshd_networks_leave(f->networks, joined_find(f), true, joined_on_done, f);
    g_assert_no_error(f->error);
    g_assert_null(joined_find(f));
    g_assert_false(joined_has_documents(f));
}

/* The file is put back while meshd runs: the network is the old one, with its keys. */
static void test_damaged_restored(Joined *f, gconstpointer data)
{
    g_autofree char *path = g_build_filename(f->dir, "networks", JOINED_ID, "profile", NULL);
    g_autofree char *prev = g_strconcat(path, ".prev", NULL);
    g_autofree char *backup = NULL;
    gsize            len = 0;
    MeshKey          node;

    (void)data;
    joined_join_whole(f);
    node = meshd_engine_get_profile(joined_find(f))->node;
    meshd_networks_free(f->networks);
    g_assert_true(g_file_get_contents(path, &backup, &len, NULL));
    g_assert_cmpint(g_unlink(path), ==, 0);
    g_assert_cmpint(g_unlink(prev), ==, 0);
    joined_start(f);
    joined_assert_state(f, "error"); /* other documents are left: it was a network once */
    g_assert_true(g_file_set_contents(path, backup, (gssize)len, NULL));
    g_assert_cmpint(g_chmod(path, 0600), ==, 0);
    f->done = false;
    meshd_networks_up(f->networks, joined_find(f), MESHD_UP_KEPT, joined_on_done, f);
    g_assert_true(mesh_key_equal(&node, &meshd_engine_get_profile(joined_find(f))->node));
    g_assert_true(fakes.streaming);
    g_assert_cmpuint(f->n_removed, ==, 1);
    joined_send_map(true, 100);
    joined_assert_state(f, "up");
}

static void test_bad_options(Joined *f, gconstpointer data)
{
    const char *const      endpoints[] = { "example.org", NULL };
    const MeshdJoinOptions rows[] = { { .ifname = "a/b" },
                                      { .ifname = "eth0" },
                                      { .ifname = "a-very-long-interface" },
                                      { .endpoints = endpoints } };

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        f->done = false;
        meshd_networks_join(f->networks, f->link, &rows[i], joined_on_done, f);
        g_assert_error(f->error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT);
        g_assert_false(joined_has_documents(f));
    }
    f->done = false;
    meshd_networks_join(f->networks, "mesh://nonsense", &rows[0], joined_on_done, f);
    g_assert_error(f->error, MESH_ERROR, MESH_ERROR_BAD_LINK);
    g_assert_cmpuint(fakes.n_registers, ==, 0);
}

static void test_clash(Joined *f, gconstpointer data)
{
    g_autoptr(MeshdView) view = NULL;

    (void)data;
    fakes.route = "10.0.0.0/8";
    joined_join(f);
    g_assert_true(fakes.request_ip4);
    joined_answer(true, 100);
    g_assert_cmpuint(fakes.n_registers, ==, 2); /* once more, without IPv4 */
    g_assert_false(fakes.request_ip4 || fakes.running);
    joined_answer(false, 101);
    joined_send_map(false, 101);
    g_assert_no_error(f->error);
    joined_assert_state(f, "up");
    g_assert_cmpuint(fakes.set.n_addrs, ==, 1);
    g_assert_cmpuint(fakes.set.addrs[0].family, ==, AF_INET6);
    g_assert_cmpuint(fakes.set.n_routes, ==, 1);
    view = meshd_view_make(joined_find(f));
    g_assert_nonnull(strstr(view->warnings[0], "10.0.0.0/8"));
    g_assert_nonnull(strstr(view->warnings[0], "IPv6 only"));
}

static void test_pending(Joined *f, gconstpointer data)
{
    (void)data;
    joined_join(f);
    fakes_tell_state(CONTROL_PENDING);
    g_assert_true(f->done);
    g_assert_no_error(f->error);
    joined_assert_state(f, "pending");
    joined_restart(f);
    joined_assert_state(f, "pending");
    g_assert_cmpuint(fakes.n_registers, ==, 2);
    g_assert_false(fakes.has_join); /* the secret is gone: it was used */
    joined_answer(true, 100);
    joined_send_map(true, 100);
    joined_assert_state(f, "up");
}

static void test_host_refuses(Joined *f, gconstpointer data)
{
    (void)data;
    fakes.net_fails = true;
    joined_join(f);
    joined_answer(true, 100);
    joined_send_map(true, 100);
    g_assert_true(f->done);
    g_assert_no_error(f->error); /* a member it is */
    joined_assert_state(f, "error");
    g_assert_false(fakes.running || fakes.applied); /* the data plane was undone */
    fakes.net_fails = false;
    joined_send_map(true, 100);
    joined_assert_state(f, "up");
}

static void test_starts_from_cache(Joined *f, gconstpointer data)
{
    (void)data;
    joined_join_whole(f);
    joined_restart(f);
    joined_assert_state(f, "up"); /* and the server has said nothing yet */
    g_assert_true(fakes.running && fakes.applied);
    g_assert_cmpuint(fakes.n_peers, ==, 2);
}

static void test_down_is_kept(Joined *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    joined_join_whole(f);
    g_assert_true(meshd_networks_down(f->networks, joined_find(f), false, &error));
    joined_assert_state(f, "down");
    g_assert_false(fakes.running || fakes.applied);
    joined_restart(f);
    joined_assert_state(f, "down");
    f->done = false;
    meshd_networks_up(f->networks, joined_find(f), MESHD_UP_KEPT, joined_on_done, f);
    g_assert_true(f->done);
    g_assert_no_error(f->error);
    joined_assert_state(f, "up");
    g_assert_true(meshd_networks_down(f->networks, joined_find(f), true, &error)); /* temporary */
    joined_restart(f);
    joined_assert_state(f, "up");
}

static void test_removed(Joined *f, gconstpointer data)
{
    (void)data;
    joined_join_whole(f);
    fakes_tell_fatal(MESH_ERROR_REMOVED);
    joined_assert_state(f, "removed");
    g_assert_false(fakes.running || fakes.applied);
    joined_restart(f);
    joined_assert_state(f, "removed");
    f->done = false;
    meshd_networks_up(f->networks, joined_find(f), MESHD_UP_KEPT, joined_on_done, f);
    g_assert_error(f->error, MESH_ERROR, MESH_ERROR_REMOVED);
    f->done = false;
    meshd_networks_leave(f->networks, joined_find(f), false, joined_on_done, f);
    g_assert_no_error(f->error);
    g_assert_cmpuint(fakes.n_leaves, ==, 0); /* it knows */
    g_assert_null(joined_find(f));
    g_assert_false(joined_has_documents(f));
}

static void test_expired(Joined *f, gconstpointer data)
{
    MeshKey node;

    (void)data;
    joined_join_whole(f);
    node = fakes.node;
    fakes_tell_fatal(MESH_ERROR_EXPIRED);
    joined_assert_state(f, "expired");
    joined_join(f); /* with a new link of the same network */
    g_assert_true(mesh_key_equal(&node, &fakes.node));
    fakes_tell_fatal(MESH_ERROR_KEY_EXPIRED);
    g_assert_error(f->error, MESH_ERROR, MESH_ERROR_KEY_EXPIRED);
    joined_assert_state(f, "expired");
    joined_join(f);
    joined_answer(true, 200);
    joined_send_map(true, 200);
    g_assert_no_error(f->error);
    joined_assert_state(f, "up");
}

/* An expired member that joins again is no stranger on disk, whatever else is asked meanwhile. */
static void test_expired_joining(Joined *f, gconstpointer data)
{
    MeshdSetOptions set = { .port = 5000, .set_port = true };
    g_autoptr(GError) error = NULL;
    MeshKey node;

    (void)data;
    joined_join_whole(f);
    node = fakes.node;
    fakes_tell_fatal(MESH_ERROR_EXPIRED);
    joined_join(f);
    g_assert_false(meshd_networks_set(f->networks, joined_find(f), &set, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_BUSY);
    g_assert_false(f->done);
    meshd_networks_up(f->networks, joined_find(f), MESHD_UP_KEPT, joined_on_done, f);
    g_assert_true(f->done);
    g_assert_error(f->error, MESH_ERROR, MESH_ERROR_BUSY);
    f->done = false; /* the joined_join goes on; its end is told when the daemon stops */
    joined_restart(f);
    joined_assert_state(f, "expired");
    joined_join(f);
    g_assert_true(mesh_key_equal(&node, &fakes.node));
    f->done = false;
}

/* Away for longer than the membership lasts: nothing runs, but the server is asked, and has a new
 * one. */
static void test_out_of_date(Joined *f, gconstpointer data)
{
    (void)data;
    joined_join_whole(f);
    joined_late_s = 2 * 86400;
    joined_restart(f);
    joined_assert_state(f, "error");
    g_assert_true(fakes.streaming);
    g_assert_false(fakes.running || fakes.applied);
    joined_send_map(true, 101);
    joined_assert_state(f, "up");
    joined_late_s = 0;
}

static void test_leave(Joined *f, gconstpointer data)
{
    (void)data;
    joined_join_whole(f);
    fakes.leave_fails = true;
    f->done = false;
    meshd_networks_leave(f->networks, joined_find(f), false, joined_on_done, f);
    g_assert_error(f->error, MESH_ERROR, MESH_ERROR_UNREACHABLE);
    joined_assert_state(f, "up");
    f->done = false;
    meshd_networks_leave(f->networks, joined_find(f), true, joined_on_done, f);
    g_assert_no_error(f->error);
    g_assert_null(joined_find(f));
    g_assert_cmpuint(f->n_removed, ==, 1);
    g_assert_false(joined_has_documents(f) || fakes.running || fakes.applied);
}

static void test_leave_revokes(Joined *f, gconstpointer data)
{
    (void)data;
    joined_join_whole(f);
    fakes.leave_revokes = true;
    f->done = false;
    meshd_networks_leave(f->networks, joined_find(f), false, joined_on_done, f);
    g_assert_true(f->done);
    g_assert_no_error(f->error);
    g_assert_null(joined_find(f));
    g_assert_false(joined_has_documents(f) || fakes.running || fakes.applied);
}

/* Down, and the end of our membership, do not leave a leave without its joined_answer. */
static void test_leave_interrupted(Joined *f, gconstpointer data)
{
    (void)data;
    joined_join_whole(f);
    fakes.leave_hangs = true;
    f->done = false;
    meshd_networks_leave(f->networks, joined_find(f), true, joined_on_done, f);
    g_assert_false(f->done);
    g_assert_true(meshd_networks_down(f->networks, joined_find(f), true, NULL));
    g_assert_true(f->done);
    g_assert_error(f->error, MESH_ERROR, MESH_ERROR_CANCELLED);
    joined_assert_state(f, "down");
    fakes.leave_hangs = false;
    f->done = false;
    meshd_networks_leave(f->networks, joined_find(f), false, joined_on_done,
                         f); /* can be asked for again */
    g_assert_no_error(f->error);
    g_assert_null(joined_find(f));
}

static void test_leave_while_expiring(Joined *f, gconstpointer data)
{
    (void)data;
    joined_join_whole(f);
    fakes.leave_hangs = true;
    f->done = false;
    meshd_networks_leave(f->networks, joined_find(f), false, joined_on_done, f);
    fakes_tell_fatal(MESH_ERROR_EXPIRED);
    g_assert_true(f->done);
    g_assert_error(f->error, MESH_ERROR, MESH_ERROR_CANCELLED);
    joined_assert_state(f, "expired");
}

static bool shows(Joined *f, const char *words)
{
    g_autoptr(MeshdView) view = meshd_view_make(joined_find(f));

    for (char **text = view->warnings; *text != NULL; text++)
        if (strstr(*text, words) != NULL)
            return true;
    return strstr(view->error, words) != NULL;
}

/* What cannot be put in force is not kept either. */
static void test_set_refused(Joined *f, gconstpointer data)
{
    const char *const endpoints[] = { "198.51.100.7:5", NULL };
    MeshdSetOptions   options = { .endpoints = endpoints, .set_port = true, .port = 5000 };
    g_autoptr(GError) error = NULL;
    const MeshdProfile *profile;

    (void)data;
    joined_join_whole(f);
    fakes.net_fails = true;
    g_assert_false(meshd_networks_set(f->networks, joined_find(f), &options, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_HOST);
    fakes.net_fails = false;
    for (unsigned i = 0; i < 2; i++) {
        profile = meshd_engine_get_profile(joined_find(f));
        g_assert_cmpuint(profile->n_statics, ==, 0);
        g_assert_false(profile->port_fixed);
        joined_restart(f); /* nor is it on disk */
    }
    g_assert_true(meshd_networks_set(f->networks, joined_find(f), &options, NULL));
    joined_restart(f);
    profile = meshd_engine_get_profile(joined_find(f));
    g_assert_cmpuint(profile->n_statics, ==, 1);
    g_assert_true(profile->port_fixed);
}

/* Once there were floors, a map without them is not used: it might be any older one. */
static void test_floors_gone(Joined *f, gconstpointer data)
{
    g_autofree char *dir = g_build_filename(f->dir, "networks", JOINED_ID, NULL);
    g_autofree char *command = g_strdup_printf("sh -c 'rm %s/floors*'", dir);

    (void)data;
    joined_join_whole(f);
    meshd_networks_free(f->networks);
    g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL));
    joined_start(f);
    joined_assert_state(f, "error");
    g_assert_true(shows(f, "floors"));
    g_assert_false(fakes.running || fakes.streaming);
}

/* The server keeps us and says that a copy of us runs: shown, and nothing changes. */
static void test_cloned(Joined *f, gconstpointer data)
{
    (void)data;
    joined_join_whole(f);
    g_assert_false(shows(f, "copy of this node's keys"));
    fakes_tell_cloned();
    fakes_tell_cloned();
    g_assert_true(shows(f, "this one keeps the node. On the copy: \"mesh leave --local home\""));
    joined_assert_state(f, "up");
    g_assert_true(fakes.running && fakes.streaming);
}

/* It keeps the other: we fall silent, so that peers do not send to both in turns, until it takes us
 * back. */
static void test_displaced(Joined *f, gconstpointer data)
{
    (void)data;
    joined_join_whole(f);
    fakes_tell_offline(MESH_ERROR_CLONED);
    joined_assert_state(f, "error");
    g_assert_true(shows(f, "keeps the node; this one is out of the network"));
    g_assert_true(shows(f, "mesh leave --local home"));
    g_assert_false(fakes.running || fakes.applied);
    g_assert_nonnull(fakes.client); /* which asks again */
    fakes_tell_state(CONTROL_CONNECTED);
    joined_send_map(true, 100);
    joined_assert_state(f, "up");
    g_assert_true(fakes.running);
    fakes_tell_offline(MESH_ERROR_CLONED);
    f->done = false;
    meshd_networks_leave(f->networks, joined_find(f), MESHD_LEAVE_LOCAL, joined_on_done, f);
    g_assert_no_error(f->error);
    g_assert_cmpuint(fakes.n_leaves, ==, 0); /* the other stays a member */
    g_assert_null(joined_find(f));
    g_assert_false(joined_has_documents(f));
}

/* A server that forgot us is asked whether it knows us by another word; then a link helps, and the
 * keys stay. */
static void test_forgotten(Joined *f, gconstpointer data)
{
    MeshKey node;

    (void)data;
    joined_join_whole(f);
    node = fakes.node;
    fakes_tell_fatal(MESH_ERROR_NOT_MEMBER);
    g_assert_cmpuint(fakes.n_registers, ==, 2);
    g_assert_false(fakes.has_join);
    g_assert_true(fakes.running); /* not yet believed */
    fakes_tell_fatal(MESH_ERROR_NOT_MEMBER);
    joined_assert_state(f, "error");
    g_assert_true(shows(f, "join again with a new link"));
    g_assert_false(fakes.running);
    joined_join(f);
    g_assert_true(fakes.has_join && mesh_key_equal(&node, &fakes.node));
    joined_answer(true, 101);
    joined_send_map(true, 101);
    g_assert_true(f->done);
    g_assert_no_error(f->error);
    joined_assert_state(f, "up");
}

/* It may wait for approval there now. */
static void test_forgotten_pending(Joined *f, gconstpointer data)
{
    (void)data;
    joined_join_whole(f);
    fakes_tell_fatal(MESH_ERROR_NOT_MEMBER);
    fakes_tell_state(CONTROL_PENDING);
    joined_assert_state(f, "pending");
    g_assert_false(fakes.running);
    joined_answer(true, 101);
    joined_send_map(true, 101);
    joined_assert_state(f, "up");
}

/* Somebody takes our addresses away: they come back, without a word from the server. */
static void test_mends(Joined *f, gconstpointer data)
{
    (void)data;
    joined_join_whole(f);
    fakes.applied = false;
    fakes_tell_net_changed();
    while (!fakes.applied)
        g_main_context_iteration(NULL, true);
    g_assert_cmpuint(fakes.set.n_addrs, ==, 2);
    fakes_tell_net_changed(); /* and nothing is mended of what is down by then */
    g_assert_true(meshd_networks_down(f->networks, joined_find(f), true, NULL));
    g_assert_false(fakes.applied);
}

static const JoinedTest tests[] = {
    { "/networks/join", test_join },
    { "/networks/join-twice", test_join_twice },
    { "/networks/other-server", test_other_server },
    { "/networks/refused", test_refused },
    { "/networks/answer-lost", test_answer_lost },
    { "/networks/damaged", test_damaged },
    { "/networks/damaged-restored", test_damaged_restored },
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
    { "/networks/set-refused", test_set_refused },
    { "/networks/floors-gone", test_floors_gone },
    { "/networks/cloned", test_cloned },
    { "/networks/displaced", test_displaced },
    { "/networks/forgotten", test_forgotten },
    { "/networks/forgotten-pending", test_forgotten_pending },
    { "/networks/mends", test_mends },
};

int main(int argc, char **argv)
{
    return joined_run(argc, argv, tests, G_N_ELEMENTS(tests));
}
