/* Tests of daemon/net against the kernel, in a network namespace of its own: sets are applied,
 * changed and undone exactly, and what is not ours stays. Exits 77 where namespaces or TUN are not
 * allowed. */
#include "common/glib/error.h"
#include "common/glib/log.h"
#include "daemon/net/net.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

typedef struct {
    char    *dir, *ledger;
    Net     *net;
    int      tun; /* of mesh0; -1: closed */
    unsigned n_changed;
} Fixture;

static int open_tun(const char *name)
{
    struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
    int          fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

    g_strlcpy(request.ifr_name, name, sizeof request.ifr_name);
    if (fd >= 0 && ioctl(fd, TUNSETIFF, &request) < 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static char *run(const char *command)
{
    g_autoptr(GError) error = NULL;
    char            *out = NULL;
    g_autofree char *err = NULL;
    int              status = 0;

    g_spawn_command_line_sync(command, &out, &err, &status, &error);
    g_assert_no_error(error);
    if (status != 0)
        g_error("%s: %s", command, err);
    return g_strstrip(out);
}

static void on_changed(void *user_data)
{
    Fixture *f = user_data;

    f->n_changed++;
}

static void start(Fixture *f)
{
    g_autoptr(GError) error = NULL;

    f->net = net_start(f->ledger, on_changed, f, &error);
    g_assert_no_error(error);
}

static void set_up(Fixture *f, gconstpointer data)
{
    (void)data;
    f->dir = g_dir_make_tmp("mesh-net-XXXXXX", NULL);
    f->ledger = g_build_filename(f->dir, "interfaces", NULL);
    f->tun = open_tun("mesh0");
    g_assert_cmpint(f->tun, >=, 0);
    start(f);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    (void)data;
    net_stop(f->net);
    if (f->tun >= 0)
        close(f->tun);
    g_unlink(f->ledger);
    g_rmdir(f->dir);
    g_free(f->ledger);
    g_free(f->dir);
}

static NetSet make_set(const char *addr4, const char *route4, const char *addr6, const char *route6)
{
    NetSet set = { .ifname = "mesh0" };

    if (addr6 != NULL) {
        g_assert_cmpint(mesh_ip_parse_addr(addr6, &set.addrs[set.n_addrs++]), ==, 0);
        g_assert_cmpint(mesh_ip_parse_prefix(route6, &set.routes[set.n_routes++]), ==, 0);
    }
    if (addr4 != NULL) {
        g_assert_cmpint(mesh_ip_parse_addr(addr4, &set.addrs[set.n_addrs++]), ==, 0);
        g_assert_cmpint(mesh_ip_parse_prefix(route4, &set.routes[set.n_routes++]), ==, 0);
    }
    return set;
}

static void apply(Fixture *f, const NetSet *set)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(net_apply(f->net, set, &error));
    g_assert_no_error(error);
}

static void assert_addrs(const char *want)
{
    g_autofree char *found =
        run("sh -c \"ip -br addr show dev mesh0 | awk '{\\$1=\\$2=\\\"\\\"; print}' | xargs\"");

    g_assert_cmpstr(found, ==, want);
}

static void assert_routes(int family, const char *want)
{
    g_autofree char *command = g_strdup_printf(
        "sh -c \"ip -%d route show dev mesh0 proto 77 | awk '{print \\$1}' | xargs\"", family);
    g_autofree char *found = run(command);

    g_assert_cmpstr(found, ==, want);
}

static void test_apply(Fixture *f, gconstpointer data)
{
    NetSet both = make_set("10.71.0.12", "10.71.0.0/16", "fd7a:1:2::c", "fd7a:1:2::/48");
    NetSet only6 = make_set(NULL, NULL, "fd7a:1:2::c", "fd7a:1:2::/48");
    NetSet moved = make_set("10.72.0.9", "10.72.0.0/16", "fd7a:1:2::c", "fd7a:1:2::/48");

    (void)data;
    apply(f, &both);
    assert_addrs("10.71.0.12/32 fd7a:1:2::c/128");
    assert_routes(4, "10.71.0.0/16");
    assert_routes(6, "fd7a:1:2::/48");
    apply(f, &both); /* idempotent */
    assert_addrs("10.71.0.12/32 fd7a:1:2::c/128");
    apply(f, &moved);
    assert_addrs("10.72.0.9/32 fd7a:1:2::c/128");
    assert_routes(4, "10.72.0.0/16");
    apply(f, &only6);
    assert_addrs("fd7a:1:2::c/128");
    assert_routes(4, "");
    net_undo(f->net, "mesh0");
    assert_addrs("");
    assert_routes(6, "");
    net_undo(f->net, "nothing0"); /* a missing one is fine */
}

static void test_foreign_stays(Fixture *f, gconstpointer data)
{
    NetSet           set = make_set("10.71.0.12", "10.71.0.0/16", NULL, NULL);
    g_autofree char *added = NULL, *routes = NULL;

    (void)data;
    apply(f, &set);
    added = run("ip route add 198.51.100.0/24 dev mesh0 proto static");
    apply(f, &set);
    routes = run("ip route show 198.51.100.0/24");
    g_assert_nonnull(strstr(routes, "198.51.100.0/24")); /* set by a person, on our interface */
}

static void test_failure_leaves_nothing(Fixture *f, gconstpointer data)
{
    NetSet set = make_set("10.71.0.12", "10.71.0.0/16", "fd7a:1:2::c", "fd7a:1:2::/48");
    g_autoptr(GError) error = NULL;
    g_autofree char *taken = run("ip route add 10.71.0.0/16 dev lo");
    g_autofree char *freed = NULL;

    (void)data;
    g_assert_false(net_apply(f->net, &set, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_HOST);
    g_assert_nonnull(strstr(error->message, "10.71.0.0/16"));
    assert_addrs("");
    assert_routes(6, "");
    freed = run("ip route del 10.71.0.0/16 dev lo");
}

static void set_ip6_off(const char *value)
{
    const char *path = "/proc/sys/net/ipv6/conf/mesh0/disable_ipv6";
    int         fd = open(path, O_WRONLY | O_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, value, 1), ==, 1);
    close(fd);
}

/* A host with IPv6 switched off has the IPv4 of its networks, and IPv6 as soon as it is back. */
static void test_without_ip6(Fixture *f, gconstpointer data)
{
    NetSet both = make_set("10.71.0.12", "10.71.0.0/16", "fd7a:1:2::c", "fd7a:1:2::/48");
    NetSet six = make_set(NULL, NULL, "fd7a:1:2::c", "fd7a:1:2::/48");
    g_autoptr(GError) error = NULL;

    (void)data;
    set_ip6_off("1");
    apply(f, &both);
    g_assert_true(net_lacks_ip6(f->net));
    assert_addrs("10.71.0.12/32");
    assert_routes(4, "10.71.0.0/16");
    g_assert_false(net_apply(f->net, &six, &error)); /* nothing would be left */
    g_assert_error(error, MESH_ERROR, MESH_ERROR_HOST);
    g_assert_nonnull(strstr(error->message, "switched off"));
    set_ip6_off("0");
    apply(f, &both);
    g_assert_false(net_lacks_ip6(f->net));
    assert_addrs("10.71.0.12/32 fd7a:1:2::c/128");
}

static void test_no_interface(Fixture *f, gconstpointer data)
{
    NetSet set = make_set("10.71.0.12", "10.71.0.0/16", NULL, NULL);
    g_autoptr(GError) error = NULL;

    (void)data;
    g_strlcpy(set.ifname, "nothing0", sizeof set.ifname);
    g_assert_false(net_apply(f->net, &set, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_HOST);
    g_assert_nonnull(strstr(error->message, "nothing0"));
}

static void claim_and_apply(Fixture *f, const char *ifname)
{
    NetSet set = make_set("10.71.0.12", "10.71.0.0/16", NULL, NULL);

    g_strlcpy(set.ifname, ifname, sizeof set.ifname);
    g_assert_true(net_claim(f->net, ifname, NULL));
    apply(f, &set);
}

/* A killed daemon: its TUN, that somebody keeps open, is in the ledger. A stranger's is not. */
static void test_stale(Fixture *f, gconstpointer data)
{
    g_autofree char *made = run("ip tuntap add mesh7 mode tun");
    g_autofree char *other = run("ip tuntap add other0 mode tun");
    g_autofree char *cleaned = NULL;

    (void)data;
    claim_and_apply(f, "mesh7");
    net_stop(f->net);
    start(f);
    g_assert_false(net_exists(f->net, "mesh7"));
    g_assert_true(net_exists(f->net, "other0"));
    cleaned = run("ip link del other0");
    net_stop(f->net); /* the ledger was emptied too: nothing to clean, nothing to fail */
    start(f);
}

/* What has our name but not our index was made by another program after we were killed. */
static void test_stale_namesake(Fixture *f, gconstpointer data)
{
    g_autofree char *made = run("ip tuntap add mesh7 mode tun");
    g_autofree char *gone = NULL, *other = NULL, *cleaned = NULL;

    (void)data;
    claim_and_apply(f, "mesh7");
    g_assert_true(net_claim(f->net, "mesh8", NULL)); /* killed before it was made */
    gone = run("ip link del mesh7");
    other = run("sh -c 'ip tuntap add mesh7 mode tun; ip tuntap add mesh8 mode tun'");
    net_stop(f->net);
    start(f);
    g_assert_true(net_exists(f->net, "mesh7"));
    g_assert_true(net_exists(f->net, "mesh8"));
    cleaned = run("sh -c 'ip link del mesh7; ip link del mesh8'");
}

static void test_strays(Fixture *f, gconstpointer data)
{
    const char *const own[] = { "mesh0", NULL };
    g_autofree char  *made = run("ip tuntap add mesh7 mode tun");
    g_auto(GStrv) removed = NULL;
    g_auto(GStrv) again = NULL;

    (void)data;
    g_assert_true(net_claim(f->net, "mesh0", NULL));
    claim_and_apply(f, "mesh7");
    removed = net_remove_strays(f->net, own);
    g_assert_cmpuint(g_strv_length(removed), ==, 1);
    g_assert_cmpstr(removed[0], ==, "mesh7");
    g_assert_false(net_exists(f->net, "mesh7"));
    g_assert_true(net_exists(f->net, "mesh0"));
    again = net_remove_strays(f->net, own);
    g_assert_cmpuint(g_strv_length(again), ==, 0);
}

/* Lines that nobody of us wrote name nothing that is touched. */
static void test_foreign_ledger(Fixture *f, gconstpointer data)
{
    g_autofree char *other = run("ip tuntap add other0 mode tun");
    g_autofree char *cleaned = NULL;

    (void)data;
    net_stop(f->net);
    g_assert_true(g_file_set_contents(f->ledger, "other0\nother0 -1\nother0 x\n../other0 3\n\n \n",
                                      -1, NULL));
    start(f);
    g_assert_true(net_exists(f->net, "other0"));
    cleaned = run("ip link del other0");
}

static void test_clash(Fixture *f, gconstpointer data)
{
    NetSet            set = make_set("10.71.0.12", "10.71.0.0/16", NULL, NULL);
    const char *const own[] = { "mesh0", NULL };
    g_autoptr(GArray) routes = NULL;
    MeshPrefix wish;

    (void)data;
    apply(f, &set);
    routes = net_list_routes(f->net, NULL);
    g_assert_cmpint(mesh_ip_parse_prefix("10.71.128.0/17", &wish), ==, 0);
    g_assert_null(net_routes_find_clash(routes, &wish, own));
    g_assert_nonnull(net_routes_find_clash(routes, &wish, NULL));
    g_assert_cmpstr(net_routes_find_clash(routes, &wish, NULL)->ifname, ==, "mesh0");
}

static void test_monitor(Fixture *f, gconstpointer data)
{
    NetSet set = make_set("10.71.0.12", "10.71.0.0/16", NULL, NULL);
    g_autoptr(GArray) addrs = NULL;
    bool found = false;

    (void)data;
    apply(f, &set);
    while (f->n_changed == 0)
        g_main_context_iteration(NULL, true);
    addrs = net_list_addrs(f->net, NULL);
    for (unsigned i = 0; i < addrs->len; i++)
        found = found || strcmp(g_array_index(addrs, NetAddr, i).ifname, "mesh0") == 0;
    g_assert_true(found);
}

/* Addresses and routes of another program, even such as ours would be, are neither set nor taken.
 */
static void test_link_only(Fixture *f, gconstpointer data)
{
    NetSet set = make_set("10.71.0.12", "10.71.0.0/16", "fd7a:1:2::c", "fd7a:1:2::/48");

    (void)data;
    set.link_only = true;
    apply(f, &set);
    assert_addrs("");
    g_free(run("ip addr add 10.71.0.12/32 dev mesh0"));
    g_free(run("ip addr add 10.9.9.9/32 dev mesh0"));
    g_free(run("ip route add 10.71.0.0/16 dev mesh0 proto 77"));
    apply(f, &set);
    assert_addrs("10.71.0.12/32 10.9.9.9/32");
    assert_routes(4, "10.71.0.0/16");
    g_assert_false(net_lacks_ip6(f->net));
    g_free(run("ip link set mesh0 down"));
    apply(f, &set);
    g_free(run("ip route add 10.72.0.0/16 dev mesh0")); /* it is up */
    g_free(run("sysctl -qw net.ipv6.conf.mesh0.disable_ipv6=1"));
    apply(f, &set);
    g_assert_true(net_lacks_ip6(f->net));
}

static const struct {
    const char *name;
    void (*run)(Fixture *f, gconstpointer data);
} tests[] = {
    { "/net/apply", test_apply },
    { "/net/foreign-stays", test_foreign_stays },
    { "/net/failure-leaves-nothing", test_failure_leaves_nothing },
    { "/net/no-interface", test_no_interface },
    { "/net/without-ip6", test_without_ip6 },
    { "/net/link-only", test_link_only },
    { "/net/stale", test_stale },
    { "/net/stale-namesake", test_stale_namesake },
    { "/net/strays", test_strays },
    { "/net/foreign-ledger", test_foreign_ledger },
    { "/net/clash", test_clash },
    { "/net/monitor", test_monitor },
};

int main(int argc, char **argv)
{
    int probe;

    g_test_init(&argc, &argv, NULL);
    mesh_log_init("test", MESH_LOG_WARNING);
    if (unshare(CLONE_NEWNET) < 0 || (probe = open_tun("probe0")) < 0) {
        printf("1..0 # SKIP no namespaces or no TUN here: %s\n", g_strerror(errno));
        return 77;
    }
    close(probe);
    g_free(run("ip link set lo up"));
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].name, Fixture, NULL, set_up, tests[i].run, tear_down);
    return g_test_run();
}
