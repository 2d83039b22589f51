/* Tests of daemon/manage.c with engine, parts and names: a network that NetworkManager configures;
 * on fakes of server, data plane and host network. */
#include "daemon/manage.h"

#include "common/glib/error.h"
#include "tests/common/proto/objects.h"
#include "tests/daemon/fakes.h"
#include "tests/daemon/joined.h"

#include <string.h>

static void up(Joined *f, MeshdUpHow how)
{
    f->done = false;
    meshd_networks_up(f->networks, joined_find(f), how, joined_on_done, f);
}

static void down(Joined *f)
{
    g_assert_true(meshd_networks_down(f->networks, joined_find(f), false, NULL));
}

/* The host has the interface, and what is on it is @ours or nobody's. */
static void assert_host(Joined *f, bool ours)
{
    g_autoptr(MeshdView) view = meshd_view_make(joined_find(f));

    g_assert_cmpstr(view->state, ==, "up");
    g_assert_cmpstr(view->management, ==, ours ? "meshd" : "NetworkManager");
    g_assert_true(fakes.running && fakes.link_ready);
    g_assert_true(fakes.applied == ours && fakes.set.link_only == !ours);
    g_assert_true(fakes.dns_answers && fakes.dns_points == ours);
}

/* Joined, and down by the user. */
static void join_down(Joined *f)
{
    joined_join_whole(f);
    down(f);
    joined_restart(f); /* its map is on disk by now */
    joined_assert_state(f, "down");
    fakes.n_planes = 0;
}

static void test_alone(Joined *f, gconstpointer data)
{
    (void)data;
    join_down(f);
    up(f, MESHD_UP_MANAGED);
    g_assert_true(f->done); /* by the map on disk */
    g_assert_no_error(f->error);
    assert_host(f, false);
    g_assert_true(fakes.dns_early);
    meshd_manage_end(joined_find(f));
    joined_assert_state(f, "down");
    g_assert_false(fakes.running);
    g_assert_false(meshd_manage_is_on(joined_find(f)));
    up(f, MESHD_UP_KEPT);
    assert_host(f, true);
    g_assert_false(fakes.dns_early);
}

static void test_over_and_back(Joined *f, gconstpointer data)
{
    (void)data;
    joined_join_whole(f);
    assert_host(f, true);
    for (unsigned i = 0; i < 3; i++) {
        up(f, MESHD_UP_MANAGED);
        g_assert_no_error(f->error);
        assert_host(f, false);
        meshd_manage_end(joined_find(f));
        assert_host(f, true);
    }
    g_assert_cmpuint(fakes.n_planes, ==, 0); /* one plane all the time: no session ended */
    g_assert_cmpuint(fakes.set.n_addrs, ==, 2);
}

/* Who says `mesh up` meanwhile wants it up whatever NetworkManager does. */
static void test_wished_meanwhile(Joined *f, gconstpointer data)
{
    (void)data;
    join_down(f);
    up(f, MESHD_UP_MANAGED);
    up(f, MESHD_UP_TEMPORARY);
    g_assert_no_error(f->error);
    assert_host(f, false); /* it stays where it is */
    meshd_manage_end(joined_find(f));
    assert_host(f, true);
}

static void test_down_ends_both(Joined *f, gconstpointer data)
{
    (void)data;
    joined_join_whole(f);
    up(f, MESHD_UP_MANAGED);
    down(f);
    g_assert_false(fakes.running);
    g_assert_false(meshd_manage_is_on(joined_find(f)));
    meshd_manage_end(joined_find(f)); /* comes late: nothing */
    joined_assert_state(f, "down");
    up(f, MESHD_UP_KEPT);
    assert_host(f, true);
    meshd_manage_end(joined_find(f));
    assert_host(f, true);
}

static void test_not_kept(Joined *f, gconstpointer data)
{
    (void)data;
    join_down(f);
    up(f, MESHD_UP_MANAGED);
    joined_restart(f);
    joined_assert_state(f, "down");
    up(f, MESHD_UP_KEPT);
    up(f, MESHD_UP_MANAGED);
    joined_restart(f);
    assert_host(f, true);
}

/* Maps and the host's changes touch nothing that is NetworkManager's. */
static void test_hands_off(Joined *f, gconstpointer data)
{
    (void)data;
    joined_join_whole(f);
    up(f, MESHD_UP_MANAGED);
    joined_send_map(true, 101);
    assert_host(f, false);
    fakes.link_ready = false;
    fakes_tell_net_changed();
    while (!fakes.link_ready) /* the link is ours to bring up */
        g_main_context_iteration(NULL, true);
    assert_host(f, false);
    g_assert_cmpuint(fakes.n_planes, ==, 0);
}

static void test_tells(Joined *f, gconstpointer data)
{
    g_autoptr(MeshdView) view = NULL;
    g_autoptr(MeshdView) later = NULL;
    MeshdSetOptions no_dns = { .set_dns = true, .dns = false };

    (void)data;
    joined_join_whole(f);
    fakes.server_address = fixture_addr("203.0.113.7");
    up(f, MESHD_UP_MANAGED);
    view = meshd_view_make(joined_find(f));
    g_assert_cmpuint(g_strv_length(view->routes), ==, 2);
    g_assert_true(
        g_strv_equal((const char *const *)view->routes, (const char *const *)view->prefixes));
    g_assert_true(
        g_strv_equal((const char *const *)view->dns_servers, (const char *const *)view->addresses));
    g_assert_cmpuint(g_strv_length(view->dns_domains), ==, 1);
    g_assert_cmpstr(view->dns_domains[0], ==, view->suffix);
    g_assert_cmpstr(view->dns_state, ==, "NetworkManager");
    g_assert_cmpstr(view->gateway, ==, "203.0.113.7");
    g_assert_cmpuint(view->mtu, ==, 1420);

    g_assert_true(meshd_networks_set(f->networks, joined_find(f), &no_dns, NULL));
    later = meshd_view_make(joined_find(f));
    g_assert_null(later->dns_servers[0]);
    g_assert_null(later->dns_domains[0]);
    g_assert_cmpstr(later->dns_state, ==, "off");
    g_assert_false(fakes.applied);
}

/* What cannot be taken back is made anew: no network is left without addresses. */
static void test_refused_back(Joined *f, gconstpointer data)
{
    (void)data;
    joined_join_whole(f);
    up(f, MESHD_UP_MANAGED);
    fakes.net_fails = true;
    meshd_manage_end(joined_find(f));
    joined_assert_state(f, "error");
    g_assert_false(fakes.running || fakes.applied);
    fakes.net_fails = false;
    meshd_networks_wake(f->networks); /* or half a minute later */
    while (!fakes.applied)
        g_main_context_iteration(NULL, true);
    assert_host(f, true);
}

static const JoinedTest tests[] = {
    { "/manage/alone", test_alone },
    { "/manage/over-and-back", test_over_and_back },
    { "/manage/wished-meanwhile", test_wished_meanwhile },
    { "/manage/down-ends-both", test_down_ends_both },
    { "/manage/not-kept", test_not_kept },
    { "/manage/hands-off", test_hands_off },
    { "/manage/tells", test_tells },
    { "/manage/refused-back", test_refused_back },
};

int main(int argc, char **argv)
{
    return joined_run(argc, argv, tests, G_N_ELEMENTS(tests));
}
