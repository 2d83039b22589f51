/* The window's models against a stand-in of the daemon on a bus of their own. */
#include "common/glib/error.h"
#include "gui/client.h"
#include "gui/problem.h"
#include "mesh-dbus.h"

#include <glib/gstdio.h>
#include <string.h>

#define NETWORK_PATH "/org/meshvpn/Mesh1/network/0011223344556677"

enum { PAGE = 1000, LIMIT_S = 60 };

/* The daemon that stands in: what it was asked, and what it answers. */
typedef struct {
    GDBusConnection          *bus;
    GDBusObjectManagerServer *manager;
    MeshDBusDaemon           *daemon;
    MeshDBusNetwork          *network;
    GPtrArray                *peers; /* owned GVariant a{sv}, by name */
    guint64                   serial;
    unsigned                  name, lists, watches, unwatches, interval_ms;
    char                     *watched; /* peer of the last Watch */
    bool                      refuse;  /* Up and Down */
    bool                      hold;    /* Up */
    unsigned                  ups, downs;
    GDBusMethodInvocation    *held; /* the Up that has no answer yet */
    bool                      jump; /* a serial is left out behind the next page */
} Stage;

static void wait_until(bool (*holds)(gpointer data), gpointer data)
{
    const gint64 until = g_get_monotonic_time() + LIMIT_S * G_USEC_PER_SEC;

    while (!holds(data)) {
        g_assert_cmpint(g_get_monotonic_time(), <, until);
        g_main_context_iteration(NULL, false);
        g_thread_yield();
    }
}

/* ---- the stand-in ---- */

static GVariant *make_peer(unsigned number, bool online)
{
    g_autofree char *name = g_strdup_printf("peer-%04u", number);
    g_autofree char *node = g_strdup_printf("key-%04u", number);
    const char      *addresses[] = { "10.0.0.1", NULL };
    GVariantDict     dict;

    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "name", "s", name);
    g_variant_dict_insert(&dict, "node", "s", node);
    g_variant_dict_insert(&dict, "online", "b", online);
    g_variant_dict_insert(&dict, "path", "s", online ? "direct" : "none");
    g_variant_dict_insert(&dict, "rtt-us", "t", (guint64)1200);
    g_variant_dict_insert_value(&dict, "addresses", g_variant_new_strv(addresses, -1));
    return g_variant_ref_sink(g_variant_dict_end(&dict));
}

static void tell(Stage *stage, GVariant *changed, const char *removed)
{
    const char *gone[] = { removed, NULL };
    GVariant   *all[] = { changed };
    const gsize n = changed != NULL ? 1 : 0;

    mesh_dbus_network_emit_peers_changed(stage->network, ++stage->serial,
                                         g_variant_new_array(G_VARIANT_TYPE_VARDICT, all, n), gone);
}

static gboolean on_list(MeshDBusNetwork *network, GDBusMethodInvocation *invocation,
                        const char *after, guint limit, Stage *stage)
{
    GVariantBuilder builder;
    unsigned        n = 0;

    g_assert_cmpuint(limit, <=, PAGE);
    stage->lists++;
    g_variant_builder_init(&builder, G_VARIANT_TYPE("aa{sv}"));
    for (unsigned i = 0; i < stage->peers->len && n < limit; i++) {
        const char *name = NULL;

        g_assert_true(g_variant_lookup(stage->peers->pdata[i], "name", "&s", &name));
        if (strcmp(name, after) <= 0)
            continue;
        g_variant_builder_add_value(&builder, stage->peers->pdata[i]);
        n++;
    }
    mesh_dbus_network_complete_list_peers(network, invocation, stage->serial, stage->peers->len,
                                          g_variant_builder_end(&builder));
    stage->serial += stage->jump ? 1 : 0;
    stage->jump = false;
    return true;
}

static gboolean on_up(MeshDBusNetwork *network, GDBusMethodInvocation *invocation,
                      GVariant *options, Stage *stage)
{
    (void)options;
    if (stage->refuse) {
        g_dbus_method_invocation_return_dbus_error(invocation,
                                                   "org.meshvpn.Mesh1.Error.NotAuthorized",
                                                   "not you");
        return true;
    }
    stage->ups++;
    if (stage->hold) {
        stage->held = invocation;
        return true;
    }
    mesh_dbus_network_set_state(network, "up");
    mesh_dbus_network_complete_up(network, invocation);
    return true;
}

static gboolean on_down(MeshDBusNetwork *network, GDBusMethodInvocation *invocation,
                        GVariant *options, Stage *stage)
{
    (void)options;
    stage->downs++;
    mesh_dbus_network_set_state(network, "down");
    mesh_dbus_network_complete_down(network, invocation);
    return true;
}

static gboolean on_watch(MeshDBusNetwork *network, GDBusMethodInvocation *invocation,
                         const char *peer, GVariant *options, Stage *stage)
{
    stage->watches++;
    g_free(stage->watched);
    stage->watched = g_strdup(peer);
    g_assert_true(g_variant_lookup(options, "interval-ms", "u", &stage->interval_ms));
    mesh_dbus_network_complete_watch(network, invocation);
    return true;
}

static gboolean on_unwatch(MeshDBusNetwork *network, GDBusMethodInvocation *invocation,
                           Stage *stage)
{
    stage->unwatches++;
    mesh_dbus_network_complete_unwatch(network, invocation);
    return true;
}

static void export_network(Stage *stage)
{
    g_autoptr(MeshDBusObjectSkeleton) object = mesh_dbus_object_skeleton_new(NETWORK_PATH);

    mesh_dbus_object_skeleton_set_network(object, stage->network);
    g_dbus_object_manager_server_export(stage->manager, G_DBUS_OBJECT_SKELETON(object));
}

static void open_stage(Stage *stage, const char *address, unsigned n_peers)
{
    static const char *const features[] = { "networks", "statistics", NULL };
    g_autoptr(GError) error = NULL;

    *stage = (Stage){ .serial = 7 };
    stage->bus =
        g_dbus_connection_new_for_address_sync(address,
                                               G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                   G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                               NULL, NULL, &error);
    g_assert_no_error(error);
    stage->peers = g_ptr_array_new_with_free_func((GDestroyNotify)g_variant_unref);
    for (unsigned i = 0; i < n_peers; i++)
        g_ptr_array_add(stage->peers, make_peer(i, true));
    stage->network = mesh_dbus_network_skeleton_new();
    mesh_dbus_network_set_name(stage->network, "home");
    mesh_dbus_network_set_state(stage->network, "up");
    mesh_dbus_network_set_server_state(stage->network, "connected");
    g_signal_connect(stage->network, "handle-list-peers", G_CALLBACK(on_list), stage);
    g_signal_connect(stage->network, "handle-up", G_CALLBACK(on_up), stage);
    g_signal_connect(stage->network, "handle-down", G_CALLBACK(on_down), stage);
    g_signal_connect(stage->network, "handle-watch", G_CALLBACK(on_watch), stage);
    g_signal_connect(stage->network, "handle-unwatch", G_CALLBACK(on_unwatch), stage);
    stage->daemon = mesh_dbus_daemon_skeleton_new();
    mesh_dbus_daemon_set_version(stage->daemon, "9.9");
    mesh_dbus_daemon_set_api_version(stage->daemon, GUI_CLIENT_API_VERSION);
    mesh_dbus_daemon_set_features(stage->daemon, features);
    g_assert_true(g_dbus_interface_skeleton_export(G_DBUS_INTERFACE_SKELETON(stage->daemon),
                                                   stage->bus, GUI_CALL_PATH, &error));
    stage->manager = g_dbus_object_manager_server_new(GUI_CALL_PATH);
    export_network(stage);
    g_dbus_object_manager_server_set_connection(stage->manager, stage->bus);
    stage->name =
        g_bus_own_name_on_connection(stage->bus, GUI_CALL_NAME, 0, NULL, NULL, NULL, NULL);
}

static void close_stage(Stage *stage)
{
    g_bus_unown_name(stage->name);
    g_dbus_interface_skeleton_unexport(G_DBUS_INTERFACE_SKELETON(stage->daemon));
    g_dbus_object_manager_server_set_connection(stage->manager, NULL);
    g_dbus_connection_flush_sync(stage->bus, NULL, NULL);
    g_dbus_connection_close_sync(stage->bus, NULL, NULL);
    g_clear_object(&stage->manager);
    g_clear_object(&stage->daemon);
    g_clear_object(&stage->network);
    g_clear_object(&stage->bus);
    g_ptr_array_unref(stage->peers);
    g_free(stage->watched);
}

/* ---- what is waited for ---- */

typedef struct {
    GuiClient     *client;
    GuiNetwork    *network;
    Stage         *stage;
    GuiClientState state;
    const char    *text; /* a peer, a state */
    unsigned       number;
    GVariant      *reply;
    GError        *error;
    bool           done;
} Wish;

static bool in_state(gpointer data)
{
    return gui_client_get_state(((Wish *)data)->client) == ((Wish *)data)->state;
}

static bool has_networks(gpointer data)
{
    return g_list_model_get_n_items(gui_client_get_networks(((Wish *)data)->client)) ==
           ((Wish *)data)->number;
}

static bool is_listed(gpointer data)
{
    GuiPeers *peers = gui_network_get_peers(((Wish *)data)->network);
    gboolean  loading;

    g_object_get(peers, "loading", &loading, NULL);
    return !loading && g_list_model_get_n_items(G_LIST_MODEL(peers)) == ((Wish *)data)->number;
}

static bool is_offline(gpointer data)
{
    GuiPeer *peer =
        gui_peers_find(gui_network_get_peers(((Wish *)data)->network), ((Wish *)data)->text);

    return peer != NULL && !gui_peer_is_online(peer);
}

static bool was_watched(gpointer data)
{
    return ((Wish *)data)->stage->watches == ((Wish *)data)->number;
}

static bool was_unwatched(gpointer data)
{
    return ((Wish *)data)->stage->unwatches == ((Wish *)data)->number;
}

static bool has_state(gpointer data)
{
    return strcmp(gui_network_get_text(((Wish *)data)->network, "state"), ((Wish *)data)->text) ==
           0;
}

static bool is_done(gpointer data)
{
    return ((Wish *)data)->done;
}

static void on_called(GObject *source, GAsyncResult *result, gpointer user_data)
{
    Wish *wish = user_data;

    wish->reply = gui_network_call_finish(GUI_NETWORK(source), result, &wish->error);
    wish->done = true;
}

/* ---- tests ---- */

typedef struct {
    GTestDBus *bus;
    GuiClient *client;
    Stage      stage;
    Wish       wish;
} Fixture;

/* @data: how many peers there are */
static void set_up(Fixture *f, gconstpointer data)
{
    f->bus = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_test_dbus_up(f->bus);
    g_setenv("DBUS_SYSTEM_BUS_ADDRESS", g_test_dbus_get_bus_address(f->bus), true);
    open_stage(&f->stage, g_test_dbus_get_bus_address(f->bus), GPOINTER_TO_UINT(data));
    f->client = gui_client_new();
    f->wish = (Wish){ .client = f->client, .stage = &f->stage, .state = GUI_CLIENT_READY };
    wait_until(in_state, &f->wish);
    f->wish.network = gui_client_find(f->client, NETWORK_PATH);
    g_assert_nonnull(f->wish.network);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    (void)data;
    g_clear_object(&f->client);
    close_stage(&f->stage);
    while (g_main_context_iteration(NULL, false))
        ;
    g_test_dbus_stop(f->bus);
    g_clear_object(&f->bus);
}

static void test_daemon_comes_and_goes(Fixture *f, gconstpointer data)
{
    (void)data;
    g_assert_cmpstr(gui_client_get_text(f->client, "version"), ==, "9.9");
    g_assert_true(gui_client_offers(f->client, "statistics"));
    g_assert_false(gui_client_offers(f->client, "exit"));
    g_assert_null(gui_problem_of_client(f->client));
    g_assert_null(gui_problem_of_version(f->client));
    g_assert_null(gui_problem_of_network(f->wish.network));
    close_stage(&f->stage);
    f->wish.state = GUI_CLIENT_NOT_RUNNING; /* it ran: so it is installed */
    wait_until(in_state, &f->wish);
    f->wish.number = 1;
    g_assert_true(has_networks(&f->wish));
    gui_network_set_up_async(f->wish.network, true, NULL, on_called, &f->wish);
    wait_until(is_done, &f->wish);
    g_assert_error(f->wish.error, MESH_ERROR, MESH_ERROR_NO_DAEMON);
    g_clear_error(&f->wish.error);
    open_stage(&f->stage, g_test_dbus_get_bus_address(f->bus), 0);
    mesh_dbus_network_set_state(f->stage.network, "down");
    f->wish.state = GUI_CLIENT_READY;
    wait_until(in_state, &f->wish);
    g_assert_true(gui_client_find(f->client, NETWORK_PATH) ==
                  f->wish.network); /* the same object */
    f->wish.text = "down";
    wait_until(has_state, &f->wish);
}

static bool has_version(gpointer data)
{
    unsigned version;

    g_object_get(((Wish *)data)->client, "api-version", &version, NULL);
    return version == ((Wish *)data)->number;
}

static void test_versions(Fixture *f, gconstpointer data)
{
    (void)data;
    mesh_dbus_daemon_set_api_version(f->stage.daemon, GUI_CLIENT_API_VERSION + 1);
    f->wish.number = GUI_CLIENT_API_VERSION + 1;
    wait_until(has_version, &f->wish);
    g_assert_cmpstr(gui_problem_of_version(f->client)->code, ==, "service-newer");
    mesh_dbus_daemon_set_api_version(f->stage.daemon, GUI_CLIENT_API_VERSION - 1);
    f->wish.number = GUI_CLIENT_API_VERSION - 1;
    wait_until(has_version, &f->wish);
    g_assert_cmpstr(gui_problem_of_version(f->client)->code, ==, "service-older");
}

static void test_networks(Fixture *f, gconstpointer data)
{
    gboolean up;

    (void)data;
    g_object_get(f->wish.network, "up", &up, NULL);
    g_assert_true(up);
    mesh_dbus_network_set_state(f->stage.network, "removed");
    f->wish.text = "removed";
    wait_until(has_state, &f->wish);
    g_object_get(f->wish.network, "up", &up, NULL);
    g_assert_false(up);
    g_assert_cmpstr(gui_problem_of_network(f->wish.network)->code, ==, "removed");
    g_dbus_object_manager_server_unexport(f->stage.manager, NETWORK_PATH);
    f->wish.number = 0;
    wait_until(has_networks, &f->wish);
    export_network(&f->stage);
    f->wish.number = 1;
    wait_until(has_networks, &f->wish);
}

static void test_up_is_refused(Fixture *f, gconstpointer data)
{
    gboolean busy;

    (void)data;
    f->stage.refuse = true;
    gui_network_set_up_async(f->wish.network, true, NULL, on_called, &f->wish);
    g_object_get(f->wish.network, "busy", &busy, NULL);
    g_assert_true(busy);
    wait_until(is_done, &f->wish);
    g_assert_error(f->wish.error, MESH_ERROR, MESH_ERROR_NOT_AUTHORIZED);
    g_assert_cmpstr(f->wish.error->message, ==, "not you");
    g_clear_error(&f->wish.error);
    g_object_get(f->wish.network, "busy", &busy, NULL);
    g_assert_false(busy);
}

static bool is_held(gpointer data)
{
    return ((Stage *)data)->held != NULL;
}

/* Of wishes while a call is under way the last one counts, and is one call. */
static void test_up_and_down_at_once(Fixture *f, gconstpointer data)
{
    const bool wishes[] = { true, false, true, false };
    Wish       made[G_N_ELEMENTS(wishes)] = { 0 };
    gboolean   busy;

    (void)data;
    f->stage.hold = true;
    for (size_t i = 0; i < G_N_ELEMENTS(wishes); i++)
        gui_network_set_up_async(f->wish.network, wishes[i], NULL, on_called, &made[i]);
    wait_until(is_held, &f->stage);
    g_assert_cmpuint(f->stage.ups + f->stage.downs, ==, 1);
    mesh_dbus_network_complete_up(f->stage.network, f->stage.held);
    for (size_t i = 0; i < G_N_ELEMENTS(wishes); i++)
        wait_until(is_done, &made[i]);
    for (size_t i = 0; i < G_N_ELEMENTS(wishes); i++)
        g_clear_pointer(&made[i].reply, g_variant_unref);
    g_assert_cmpuint(f->stage.ups, ==, 1);
    g_assert_cmpuint(f->stage.downs, ==, 1);
    g_assert_no_error(made[0].error);
    g_assert_error(made[1].error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_assert_error(made[2].error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_assert_no_error(made[3].error);
    g_clear_error(&made[1].error);
    g_clear_error(&made[2].error);
    g_object_get(f->wish.network, "busy", &busy, NULL);
    g_assert_false(busy);
}

/* A network whose Up fails is tried again by the daemon: "off", waiting behind it, is no less a
 * wish because the switch was off before. */
static void test_down_behind_a_failure(Fixture *f, gconstpointer data)
{
    Wish up = { 0 }, down = { 0 };

    (void)data;
    mesh_dbus_network_set_state(f->stage.network, "down");
    f->wish.text = "down";
    wait_until(has_state, &f->wish);
    f->stage.hold = true;
    gui_network_set_up_async(f->wish.network, true, NULL, on_called, &up);
    gui_network_set_up_async(f->wish.network, false, NULL, on_called, &down);
    wait_until(is_held, &f->stage);
    g_dbus_method_invocation_return_dbus_error(f->stage.held,
                                               "org.meshvpn.Mesh1.Error.ServerUnreachable",
                                               "no server");
    wait_until(is_done, &up);
    wait_until(is_done, &down);
    g_assert_error(up.error, MESH_ERROR, MESH_ERROR_UNREACHABLE);
    g_assert_no_error(down.error);
    g_assert_cmpuint(f->stage.downs, ==, 1);
    g_clear_error(&up.error);
    g_clear_pointer(&down.reply, g_variant_unref);
}

static void test_peers(Fixture *f, gconstpointer data)
{
    GuiPeers *peers = gui_network_get_peers(f->wish.network);
    g_autoptr(GuiPeer) gone = NULL;
    g_autoptr(GVariant) changed = make_peer(1, false);
    gboolean is_gone;

    f->wish.number = GPOINTER_TO_UINT(data);
    gui_peers_hold(peers);
    wait_until(is_listed, &f->wish);
    g_assert_cmpuint(f->stage.lists, ==, (f->wish.number + PAGE - 1) / PAGE);
    gone = g_object_ref(gui_peers_find(peers, "peer-0000"));
    g_assert_true(gui_peers_find_node(peers, "key-0000") == gone);
    tell(&f->stage, changed, "key-0000");
    f->wish.text = "peer-0001";
    f->wish.number--;
    wait_until(is_offline, &f->wish);
    g_assert_true(is_listed(&f->wish));
    g_object_get(gone, "gone", &is_gone, NULL);
    g_assert_true(is_gone);
    g_assert_null(gui_peers_find(peers, "peer-0000"));
    gui_peers_release(peers);
}

/* What one is told stays true while all of it is told once more; who is not in that is gone. */
static void test_gap(Fixture *f, gconstpointer data)
{
    GuiPeers *peers = gui_network_get_peers(f->wish.network);
    g_autoptr(GVariant) changed = make_peer(1, false);

    f->wish.number = GPOINTER_TO_UINT(data);
    f->stage.jump = true; /* as if a signal was lost between two pages */
    gui_peers_hold(peers);
    wait_until(is_listed, &f->wish);
    g_assert_cmpuint(f->stage.lists, >, (f->wish.number + PAGE - 1) / PAGE);
    f->stage.serial += 5; /* and as if some were lost after it */
    g_ptr_array_remove_index(f->stage.peers, 0);
    g_variant_unref(f->stage.peers->pdata[0]);
    f->stage.peers->pdata[0] = g_variant_ref(changed);
    tell(&f->stage, NULL, NULL);
    f->wish.number--;
    f->wish.text = "peer-0001";
    wait_until(is_listed, &f->wish);
    g_assert_true(is_offline(&f->wish));
    gui_peers_release(peers);
}

static void on_statistics(GuiNetwork *network, guint64 time_us, guint64 rx, guint64 tx, Wish *wish)
{
    (void)network;
    g_assert_cmpuint(time_us, ==, 1000);
    g_assert_cmpuint(rx + tx, ==, 30);
    wish->done = true;
}

static void test_watch(Fixture *f, gconstpointer data)
{
    GuiPeers *peers = gui_network_get_peers(f->wish.network);
    unsigned  one, all;

    f->wish.number = GPOINTER_TO_UINT(data);
    gui_peers_hold(peers);
    wait_until(is_listed, &f->wish);
    one = gui_network_watch(f->wish.network, "peer-0002", 1000);
    f->wish.number = 1;
    wait_until(was_watched, &f->wish);
    g_assert_cmpstr(f->stage.watched, ==, "peer-0002");
    all = gui_network_watch(f->wish.network, "", 5000);
    f->wish.number = 2;
    wait_until(was_watched, &f->wish);
    g_assert_cmpstr(f->stage.watched, ==, "");
    g_assert_cmpuint(f->stage.interval_ms, ==, 1000); /* the shorter of both */
    g_signal_connect(f->wish.network, "statistics", G_CALLBACK(on_statistics), &f->wish);
    mesh_dbus_network_emit_statistics(f->stage.network, 1000, 10, 20,
                                      g_variant_new_parsed("[('key-0002', %t, %t, %t, %x)]", //
                                                           (guint64)5, (guint64)6, (guint64)700,
                                                           (gint64)8));
    wait_until(is_done, &f->wish);
    g_assert_cmpuint(gui_peer_get_statistics(gui_peers_find(peers, "peer-0002"))->rtt_us, ==, 700);
    gui_network_unwatch(f->wish.network, all);
    gui_network_unwatch(f->wish.network, one);
    f->wish.number = 1;
    wait_until(was_unwatched, &f->wish);
    gui_peers_release(peers);
}

/* Every property of the interface has one here, under the same name. */
static void test_properties(void)
{
    g_autoptr(GuiNetwork) network = gui_network_new("/none");
    GDBusPropertyInfo **info = mesh_dbus_network_interface_info()->properties;

    for (; *info != NULL; info++) {
        g_autoptr(GString) name = g_string_new(NULL);

        for (const char *at = (*info)->name; *at != '\0'; at++) {
            if (g_ascii_isupper(*at) && at != (*info)->name)
                g_string_append_c(name, '-');
            g_string_append_c(name, g_ascii_tolower(*at));
        }
        g_assert_nonnull(g_object_class_find_property(G_OBJECT_GET_CLASS(network), name->str));
    }
}

static void test_unknown_problem(void)
{
    g_autoptr(GuiNetwork) network = gui_network_new("/none");
    g_autoptr(GVariant) properties = g_variant_ref_sink(
        g_variant_new_parsed("{'State': <'up'>, 'Problem': <'sunspots'>, 'Error': <'too hot'>}"));
    g_autofree char *detail = NULL;

    gui_network_update(network, properties);
    g_assert_cmpstr(gui_problem_of_network(network)->code, ==, "failed");
    detail = gui_problem_dup_detail(network);
    g_assert_cmpstr(detail, ==, "too hot");
    g_assert_false(gui_problem_blocks(network));
}

static const struct {
    const char *name, *text, *command;
} systems[] = {
    { "debian", "NAME=\"x\"\nID=debian\n", "sudo apt install meshd" },
    { "like-ubuntu", "ID=mint\nID_LIKE=\"ubuntu debian\"\n", "sudo apt install meshd" },
    { "fedora", "ID='fedora'\n", "sudo dnf install mesh-vpn" },
    { "unknown", "ID=plan9\n", "sudo ./install.sh" },
    { "no-id", "VERSION_ID=debian\n", "sudo ./install.sh" },
    { "empty", "", "sudo ./install.sh" },
};

static void test_install(gconstpointer data)
{
    const char *const *row = data;
    g_autofree char   *path = NULL;
    g_autofree char   *command = NULL;
    int                fd = g_file_open_tmp("mesh-os-release-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    g_close(fd, NULL);
    g_assert_true(g_file_set_contents(path, row[1], -1, NULL));
    command = gui_problem_dup_install(path);
    g_assert_cmpstr(command, ==, row[2]);
    g_unlink(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/gui/client/daemon-comes-and-goes", Fixture, GUINT_TO_POINTER(0), set_up,
               test_daemon_comes_and_goes, tear_down);
    g_test_add("/gui/client/versions", Fixture, GUINT_TO_POINTER(0), set_up, test_versions,
               tear_down);
    g_test_add("/gui/client/networks", Fixture, GUINT_TO_POINTER(0), set_up, test_networks,
               tear_down);
    g_test_add("/gui/network/up-is-refused", Fixture, GUINT_TO_POINTER(0), set_up,
               test_up_is_refused, tear_down);
    g_test_add("/client/up-and-down-at-once", Fixture, GUINT_TO_POINTER(0), set_up,
               test_up_and_down_at_once, tear_down);
    g_test_add("/client/down-behind-a-failure", Fixture, GUINT_TO_POINTER(0), set_up,
               test_down_behind_a_failure, tear_down);
    g_test_add("/gui/peers/pages-and-changes", Fixture, GUINT_TO_POINTER(2500), set_up, test_peers,
               tear_down);
    g_test_add("/gui/peers/gap", Fixture, GUINT_TO_POINTER(2500), set_up, test_gap, tear_down);
    g_test_add("/gui/network/watch", Fixture, GUINT_TO_POINTER(5), set_up, test_watch, tear_down);
    g_test_add_func("/gui/network/properties", test_properties);
    g_test_add_func("/gui/problem/unknown", test_unknown_problem);
    for (size_t i = 0; i < G_N_ELEMENTS(systems); i++) {
        g_autofree char *name = g_strdup_printf("/gui/problem/install/%s", systems[i].name);

        g_test_add_data_func(name, &systems[i], test_install);
    }
    return g_test_run();
}
