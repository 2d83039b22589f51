/* Tests of daemon/dns/hostdns.c, hostdns-resolved.c, hostdns-nm.c: which way is taken, and what is
 * told to a systemd-resolved of our own on a bus of our own. */
#include "common/glib/log.h"
#include "daemon/dns/hostdns.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define RESOLVE1 "org.freedesktop.resolve1"
#define PLAIN    "nameserver 192.0.2.1\n"
#define STUB     "nameserver 127.0.0.53\n"

static const char interface_xml[] =
    "<node><interface name='org.freedesktop.resolve1.Manager'>"
    "<method name='SetLinkDNS'><arg type='i' direction='in'/><arg type='a(iay)' direction='in'/>"
    "</method><method name='SetLinkDomains'><arg type='i' direction='in'/>"
    "<arg type='a(sb)' direction='in'/></method><method name='SetLinkDefaultRoute'>"
    "<arg type='i' direction='in'/><arg type='b' direction='in'/></method>"
    "<method name='SetLinkDNSSEC'><arg type='i' direction='in'/><arg type='s' direction='in'/>"
    "</method><method name='FlushCaches'/>" /* an older one: it knows no SetLinkDNSOverTLS */
    "<method name='RevertLink'><arg type='i' direction='in'/></method></interface></node>";

static const char nm_xml[] =
    "<node><interface name='org.freedesktop.NetworkManager.DnsManager'>"
    "<property name='Mode' type='s' access='read'/>"
    "<property name='RcManager' type='s' access='read'/></interface></node>";

typedef struct {
    GTestDBus       *bus;
    GDBusConnection *ours, *theirs;
    GDBusNodeInfo   *info;
    guint            object, name;
    GString         *calls;         /* "METHOD ARGUMENTS\n" for each */
    unsigned         unknown_links; /* so many first calls are refused */
    bool             refuses;
    char            *dir, *resolv, *record, *nsswitch;
    DnsHostdns      *hostdns;
    unsigned         n_changes;
} Fixture;

static void on_call(GDBusConnection *connection, const char *sender, const char *path,
                    const char *interface, const char *method, GVariant *arguments,
                    GDBusMethodInvocation *invocation, gpointer user_data)
{
    Fixture         *f = user_data;
    g_autofree char *text = g_variant_print(arguments, false);

    (void)connection, (void)sender, (void)path, (void)interface;
    g_string_append_printf(f->calls, "%s %s\n", method, text);
    if (f->unknown_links > 0) {
        f->unknown_links--;
        g_dbus_method_invocation_return_dbus_error(invocation,
                                                   "org.freedesktop.resolve1.NoSuchLink",
                                                   "Link 7 not known");
    } else if (f->refuses && strcmp(method, "SetLinkDomains") == 0) {
        g_dbus_method_invocation_return_dbus_error(invocation,
                                                   "org.freedesktop.DBus.Error.AccessDenied", "no");
    } else {
        g_dbus_method_invocation_return_value(invocation, NULL);
    }
}

static GVariant *on_get(GDBusConnection *connection, const char *sender, const char *path,
                        const char *interface, const char *property, GError **error,
                        gpointer user_data)
{
    (void)connection, (void)sender, (void)path, (void)interface, (void)error, (void)user_data;
    return g_variant_new_string(strcmp(property, "Mode") == 0 ? "default" : "symlink");
}

static const GDBusInterfaceVTable vtable = { .method_call = on_call, .get_property = on_get };

static GDBusConnection *connect_bus(Fixture *f)
{
    g_autoptr(GError) error = NULL;
    GDBusConnection *connection =
        g_dbus_connection_new_for_address_sync(g_test_dbus_get_bus_address(f->bus),
                                               G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                   G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                               NULL, NULL, &error);

    g_assert_no_error(error);
    return connection;
}

/* systemd-resolved (or NetworkManager) comes. */
static void serve(Fixture *f, const char *xml, const char *path, const char *name)
{
    g_autoptr(GError) error = NULL;

    f->info = g_dbus_node_info_new_for_xml(xml, &error);
    g_assert_no_error(error);
    f->object = g_dbus_connection_register_object(f->theirs, path, f->info->interfaces[0], &vtable,
                                                  f, NULL, &error);
    g_assert_no_error(error);
    f->name = g_bus_own_name_on_connection(f->theirs, name, G_BUS_NAME_OWNER_FLAGS_NONE, NULL, NULL,
                                           NULL, NULL);
}

static void vanish(Fixture *f)
{
    if (f->name == 0)
        return;
    g_bus_unown_name(f->name);
    g_dbus_connection_unregister_object(f->theirs, f->object);
    g_clear_pointer(&f->info, g_dbus_node_info_unref);
    f->name = 0;
}

static void on_changed(void *user_data)
{
    Fixture *f = user_data;

    f->n_changes++;
}

static void start(Fixture *f, GDBusConnection *connection, const char *resolv)
{
    DnsHostdnsOptions options = { .connection = connection,
                                  .record_path = f->record,
                                  .resolv_path = f->resolv,
                                  .nsswitch_path = f->nsswitch };

    g_assert_true(g_file_set_contents(f->resolv, resolv, -1, NULL));
    f->hostdns = dns_hostdns_start(&options, on_changed, f);
}

static void set_up(Fixture *f, gconstpointer data)
{
    (void)data;
    f->dir = g_dir_make_tmp("mesh-hostdns-XXXXXX", NULL);
    f->resolv = g_build_filename(f->dir, "resolv.conf", NULL);
    f->record = g_build_filename(f->dir, "record", NULL);
    f->nsswitch = g_build_filename(f->dir, "nsswitch.conf", NULL);
    f->calls = g_string_new(NULL);
    f->bus = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_test_dbus_up(f->bus);
    f->ours = connect_bus(f);
    f->theirs = connect_bus(f);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    (void)data;
    dns_hostdns_stop(f->hostdns);
    vanish(f);
    g_dbus_connection_close_sync(f->ours, NULL, NULL);
    g_dbus_connection_close_sync(f->theirs, NULL, NULL);
    g_object_unref(f->ours);
    g_object_unref(f->theirs);
    g_test_dbus_stop(f->bus);
    g_object_unref(f->bus);
    (void)unlink(f->resolv);
    (void)unlink(f->nsswitch);
    g_assert_cmpint(rmdir(f->dir), ==, 0);
    g_free(f->dir);
    g_free(f->resolv);
    g_free(f->record);
    g_free(f->nsswitch);
    g_string_free(f->calls, true);
}

static void apply(Fixture *f, const char *ifname, int ifindex, const char *suffix)
{
    DnsHostdnsLink link = { .ifname = ifname, .ifindex = ifindex, .suffix = suffix };

    link.n_prefixes = link.n_servers = 1;
    g_assert_cmpint(mesh_ip_parse_prefix("10.71.0.0/16", &link.prefixes[0]), ==, 0);
    g_assert_cmpint(mesh_ip_parse_addr("10.71.0.5", &link.servers[0]), ==, 0);
    link.servers[0].bytes[3] = (uint8_t)ifindex;
    dns_hostdns_apply(f->hostdns, &link);
}

static void wait_for(Fixture *f, const char *ifname, DnsHostdnsState state)
{
    const char *reason;

    while (dns_hostdns_get(f->hostdns, ifname, &reason) != state)
        g_main_context_iteration(NULL, true);
}

static void wait_for_call(Fixture *f, const char *call)
{
    while (strstr(f->calls->str, call) == NULL)
        g_main_context_iteration(NULL, true);
}

static void assert_resolv(Fixture *f, const char *holds, bool expected)
{
    g_autofree char *text = NULL;

    g_assert_true(g_file_get_contents(f->resolv, &text, NULL, NULL));
    g_assert_cmpint(strstr(text, holds) != NULL, ==, expected);
}

/* ---- without systemd-resolved ---- */

static void test_file(Fixture *f, gconstpointer data)
{
    const char *reason;

    (void)data;
    start(f, NULL, PLAIN);
    apply(f, "mesh0", 7, "home.mesh");
    g_assert_cmpint(dns_hostdns_get(f->hostdns, "mesh0", &reason), ==, DNS_HOSTDNS_FILE);
    g_assert_cmpstr(reason, ==, "");
    assert_resolv(f, "nameserver 10.71.0.7\n", true);
    apply(f, "mesh1", 8, "away.mesh");
    assert_resolv(f, "nameserver 10.71.0.8\n", true);
    apply(f, "mesh2", 9, "third.mesh");
    g_assert_cmpint(dns_hostdns_get(f->hostdns, "mesh2", &reason), ==, DNS_HOSTDNS_FAILED);
    g_assert_nonnull(strstr(reason, "two networks"));
    dns_hostdns_undo(f->hostdns, "mesh0");
    g_assert_cmpint(dns_hostdns_get(f->hostdns, "mesh2", &reason), ==, DNS_HOSTDNS_FILE);
    g_assert_cmpint(dns_hostdns_get(f->hostdns, "mesh0", &reason), ==, DNS_HOSTDNS_OFF);
    assert_resolv(f, "nameserver 10.71.0.7\n", false);
    dns_hostdns_undo(f->hostdns, "mesh1");
    dns_hostdns_undo(f->hostdns, "mesh2");
    dns_hostdns_undo(f->hostdns, "mesh2");
    assert_resolv(f, "meshd", false);
}

/* A network cannot speak for another's names, not for a part of them either. */
static void test_conflict(Fixture *f, gconstpointer data)
{
    static const char *const suffixes[] = { "home.mesh", "Home.Mesh", "sub.home.mesh", "mesh" };
    const char              *reason;

    (void)data;
    start(f, NULL, PLAIN);
    apply(f, "mesh0", 7, "home.mesh");
    for (size_t i = 0; i < G_N_ELEMENTS(suffixes); i++) {
        apply(f, "mesh1", 8, suffixes[i]);
        g_assert_cmpint(dns_hostdns_get(f->hostdns, "mesh1", &reason), ==, DNS_HOSTDNS_FAILED);
        g_assert_nonnull(strstr(reason, "mesh0"));
        assert_resolv(f, "nameserver 10.71.0.8\n", false);
    }
    apply(f, "mesh1", 8, "home.mesh");
    dns_hostdns_undo(f->hostdns, "mesh0");
    g_assert_cmpint(dns_hostdns_get(f->hostdns, "mesh1", &reason), ==, DNS_HOSTDNS_FILE);
}

static void test_stop_undoes(Fixture *f, gconstpointer data)
{
    g_autofree char *text = NULL;

    (void)data;
    start(f, NULL, PLAIN);
    apply(f, "mesh0", 7, "home.mesh");
    dns_hostdns_stop(g_steal_pointer(&f->hostdns));
    g_assert_true(g_file_get_contents(f->resolv, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, PLAIN);
}

/* Two programs that want to be first would never end: we are the one that gives in. */
static void test_fight(Fixture *f, gconstpointer data)
{
    const char *reason;

    (void)data;
    start(f, NULL, PLAIN);
    apply(f, "mesh0", 7, "home.mesh");
    for (int i = 0; i < 100 && dns_hostdns_get(f->hostdns, "mesh0", &reason) == DNS_HOSTDNS_FILE;
         i++) {
        unsigned seen = f->n_changes;

        g_assert_true(g_file_set_contents(f->resolv, "nameserver 198.51.100.1\n", -1, NULL));
        for (;;) {
            g_autofree char *text = NULL;

            g_main_context_iteration(NULL, true);
            g_assert_true(g_file_get_contents(f->resolv, &text, NULL, NULL));
            if (strstr(text, "meshd") != NULL || f->n_changes != seen)
                break;
        }
    }
    g_assert_cmpint(dns_hostdns_get(f->hostdns, "mesh0", &reason), ==, DNS_HOSTDNS_FAILED);
    g_assert_nonnull(strstr(reason, "another program"));
    assert_resolv(f, "meshd", false);
}

static void test_network_manager(Fixture *f, gconstpointer data)
{
    const char *reason = "";

    (void)data;
    serve(f, nm_xml, "/org/freedesktop/NetworkManager/DnsManager",
          "org.freedesktop.NetworkManager");
    start(f, f->ours, PLAIN);
    apply(f, "mesh0", 7, "home.mesh");
    wait_for(f, "mesh0", DNS_HOSTDNS_FILE);
    while (dns_hostdns_get(f->hostdns, "mesh0", &reason) == DNS_HOSTDNS_FILE && reason[0] == '\0')
        g_main_context_iteration(NULL, true);
    g_assert_nonnull(strstr(reason, "NetworkManager"));
}

/* ---- with systemd-resolved ---- */

static void test_resolved(Fixture *f, gconstpointer data)
{
    static const char expected[] =
        "SetLinkDNS (7, [(2, [0x0a, 0x47, 0x00, 0x07])])\n"
        "SetLinkDomains (7, [('home.mesh', true), ('71.10.in-addr.arpa', true)])\n"
        "SetLinkDefaultRoute (7, false)\n"
        "SetLinkDNSSEC (7, 'no')\n"
        "FlushCaches ()\n";

    (void)data;
    serve(f, interface_xml, "/org/freedesktop/resolve1", RESOLVE1);
    start(f, f->ours, STUB);
    apply(f, "mesh0", 7, "home.mesh");
    wait_for(f, "mesh0", DNS_HOSTDNS_RESOLVED);
    g_assert_cmpstr(f->calls->str, ==, expected);
    apply(f, "mesh0", 7, "home.mesh"); /* nothing new */
    assert_resolv(f, "meshd", false);
    dns_hostdns_undo(f->hostdns, "mesh0");
    wait_for_call(f, "RevertLink (7,)\n");
    g_assert_cmpuint(f->calls->len, ==, strlen(expected) + strlen("RevertLink (7,)\n"));
}

/* The link is new: systemd-resolved hears of it a moment later. */
static void test_link_not_known_yet(Fixture *f, gconstpointer data)
{
    (void)data;
    f->unknown_links = 2;
    serve(f, interface_xml, "/org/freedesktop/resolve1", RESOLVE1);
    start(f, f->ours, STUB);
    apply(f, "mesh0", 7, "home.mesh");
    wait_for(f, "mesh0", DNS_HOSTDNS_RESOLVED);
    g_assert_cmpuint(f->unknown_links, ==, 0);
}

static void test_refused(Fixture *f, gconstpointer data)
{
    const char *reason;

    (void)data;
    f->refuses = true;
    serve(f, interface_xml, "/org/freedesktop/resolve1", RESOLVE1);
    start(f, f->ours, STUB);
    apply(f, "mesh0", 7, "home.mesh");
    wait_for(f, "mesh0", DNS_HOSTDNS_FAILED);
    (void)dns_hostdns_get(f->hostdns, "mesh0", &reason);
    g_assert_nonnull(strstr(reason, "SetLinkDomains"));
    wait_for_call(f, "RevertLink (7,)\n"); /* no half of it stays */
}

static void test_comes_and_goes(Fixture *f, gconstpointer data)
{
    const char *reason;

    (void)data;
    start(f, f->ours, STUB);
    apply(f, "mesh0", 7, "home.mesh");
    while (dns_hostdns_get(f->hostdns, "mesh0", &reason) != DNS_HOSTDNS_WAITING ||
           reason[0] == '\0')
        g_main_context_iteration(NULL, true);
    assert_resolv(f, "meshd", false); /* that file is not ours to use */
    serve(f, interface_xml, "/org/freedesktop/resolve1", RESOLVE1);
    wait_for(f, "mesh0", DNS_HOSTDNS_RESOLVED);
    vanish(f);
    wait_for(f, "mesh0", DNS_HOSTDNS_WAITING);
    serve(f, interface_xml, "/org/freedesktop/resolve1", RESOLVE1);
    wait_for(f, "mesh0", DNS_HOSTDNS_RESOLVED);
}

/* It runs, but programs do not ask it, until somebody changes that. */
static void test_not_in_use(Fixture *f, gconstpointer data)
{
    (void)data;
    serve(f, interface_xml, "/org/freedesktop/resolve1", RESOLVE1);
    start(f, f->ours, PLAIN);
    apply(f, "mesh0", 7, "home.mesh");
    wait_for(f, "mesh0", DNS_HOSTDNS_FILE);
    g_assert_true(g_file_set_contents(f->resolv, STUB, -1, NULL));
    wait_for(f, "mesh0", DNS_HOSTDNS_RESOLVED);
    assert_resolv(f, STUB, true);
    assert_resolv(f, "meshd", false);
}

static void test_nss_resolve(Fixture *f, gconstpointer data)
{
    (void)data;
    g_assert_true(g_file_set_contents(f->nsswitch, "hosts: files resolve dns\n", -1, NULL));
    serve(f, interface_xml, "/org/freedesktop/resolve1", RESOLVE1);
    start(f, f->ours, PLAIN);
    apply(f, "mesh0", 7, "home.mesh");
    wait_for(f, "mesh0", DNS_HOSTDNS_RESOLVED);
    assert_resolv(f, "meshd", false);
}

#define ADD(name_, function_) \
    g_test_add("/dns/hostdns/" name_, Fixture, NULL, set_up, function_, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mesh_log_init("test-dns-hostdns", MESH_LOG_ERROR);
    ADD("file", test_file);
    ADD("conflict", test_conflict);
    ADD("stop-undoes", test_stop_undoes);
    ADD("fight", test_fight);
    ADD("network-manager", test_network_manager);
    ADD("resolved", test_resolved);
    ADD("link-not-known-yet", test_link_not_known_yet);
    ADD("refused", test_refused);
    ADD("comes-and-goes", test_comes_and_goes);
    ADD("not-in-use", test_not_in_use);
    ADD("nss-resolve", test_nss_resolve);
    return g_test_run();
}
