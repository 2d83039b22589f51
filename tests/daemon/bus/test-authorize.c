/* Tests of daemon/bus/authorize.c and options.c on a private bus: no handler runs before its caller
 * was authorised. Polkit is played by this program; "root" is a uid that the test chooses. */
#include "common/glib/error.h"
#include "daemon/bus/answer.h"
#include "daemon/bus/authorize.h"
#include "daemon/bus/options.h"
#include "mesh-dbus.h"
#include "tests/daemon/bus/connection.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define NETWORK_PATH "/org/meshvpn/Mesh1/network/0001020304050607"
#define NETWORK_NAME "org.meshvpn.Mesh1.Network"

static const char polkit_xml[] =
    "<node><interface name='org.freedesktop.PolicyKit1.Authority'>"
    "<method name='CheckAuthorization'><arg type='(sa{sv})' direction='in'/>"
    "<arg type='s' direction='in'/><arg type='a{ss}' direction='in'/>"
    "<arg type='u' direction='in'/><arg type='s' direction='in'/>"
    "<arg type='(bba{ss})' direction='out'/></method></interface></node>";

typedef enum { NO_POLKIT, YES, NO, CHALLENGE, BROKEN, SILENT } Answer;

typedef struct {
    GTestDBus       *bus;
    GDBusConnection *server, *client, *polkit;
    MeshDBusNetwork *skeleton;
    BusAuthorize    *authorize;
    guint            name, object;
    Answer           answer;
    unsigned         n_handled, n_asked;
    GPtrArray       *silent; /* calls that polkit does not answer */
    char            *action, *subject;
    guint32          flags;
} Fixture;

static gboolean handle_up(MeshDBusNetwork *skeleton, GDBusMethodInvocation *invocation,
                          GVariant *options, gpointer user_data)
{
    Fixture *f = user_data;

    (void)options;
    f->n_handled++;
    mesh_dbus_network_complete_up(skeleton, invocation);
    return true;
}

static gboolean handle_list(MeshDBusNetwork *skeleton, GDBusMethodInvocation *invocation,
                            const char *after, guint limit, gpointer user_data)
{
    Fixture *f = user_data;

    (void)limit;
    f->n_handled++;
    if (after[0] != '\0') {
        g_autoptr(GError) error =
            g_error_new(MESH_ERROR, MESH_ERROR_NO_SUCH_PEER, "no peer %s", after);

        bus_answer_error(invocation, error);
        return true;
    }
    mesh_dbus_network_complete_list_peers(skeleton, invocation, 0, 0,
                                          g_variant_new_array(G_VARIANT_TYPE("a{sv}"), NULL, 0));
    return true;
}

static void on_polkit_call(GDBusConnection *connection, const char *sender, const char *path,
                           const char *interface, const char *method, GVariant *arguments,
                           GDBusMethodInvocation *invocation, gpointer user_data)
{
    Fixture *f = user_data;
    g_autoptr(GVariant) subject = NULL;

    (void)connection, (void)sender, (void)path, (void)interface, (void)method;
    f->n_asked++;
    g_assert_cmpuint(f->n_handled, ==, 0); /* nothing has happened before the answer */
    g_free(f->action);
    g_free(f->subject);
    g_variant_get(arguments, "((&s@a{sv})s@a{ss}us)", NULL, &subject, &f->action, NULL, &f->flags,
                  NULL);
    g_assert_true(g_variant_lookup(subject, "name", "s", &f->subject));
    if (f->answer == SILENT)
        g_ptr_array_add(f->silent, invocation);
    else if (f->answer == BROKEN)
        g_dbus_method_invocation_return_dbus_error(invocation,
                                                   "org.freedesktop.PolicyKit1.Error.Failed",
                                                   "Only trusted callers");
    else
        g_dbus_method_invocation_return_value(
            invocation, g_variant_new("((bb@a{ss}))", f->answer == YES, f->answer == CHALLENGE,
                                      g_variant_new_array(G_VARIANT_TYPE("{ss}"), NULL, 0)));
}

static const GDBusInterfaceVTable polkit_vtable = { .method_call = on_polkit_call };

static void start_polkit(Fixture *f)
{
    g_autoptr(GDBusNodeInfo) node = g_dbus_node_info_new_for_xml(polkit_xml, NULL);
    g_autoptr(GVariant) reply = NULL;
    g_autoptr(GError) error = NULL;

    f->polkit = connection_make(f->bus);
    f->object =
        g_dbus_connection_register_object(f->polkit, "/org/freedesktop/PolicyKit1/Authority",
                                          node->interfaces[0], &polkit_vtable, f, NULL, &error);
    g_assert_no_error(error);
    reply = g_dbus_connection_call_sync(f->polkit, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                        "org.freedesktop.DBus", "RequestName",
                                        g_variant_new("(su)", "org.freedesktop.PolicyKit1", 4u),
                                        NULL, G_DBUS_CALL_FLAGS_NONE, 5000, NULL, &error);
    g_assert_no_error(error);
}

typedef struct {
    const char *name;
    Answer      answer;
    bool        root, interactive;
    const char *method; /* "Up" takes connect, "ListPeers" status, "Leave" has no handler here */
    bool        want;   /* the handler runs */
    unsigned    want_asked;
    const char *words; /* in the error */
} AuthorizeCase;

static const AuthorizeCase cases[] = {
    { "root-unasked", NO, .root = true, .method = "Up", .want = true },
    { "yes", YES, .method = "Up", .want = true, .want_asked = 1 },
    { "interactive", YES, .interactive = true, .method = "Up", .want = true, .want_asked = 1 },
    { "no", NO, .method = "Up", .want_asked = 1, .words = "polkit said no" },
    { "challenge", CHALLENGE, .method = "Up", .want_asked = 1, .words = "password" },
    { "broken-polkit", BROKEN, .method = "Up", .want_asked = 1, .words = "did not answer" },
    { "broken-polkit-status", BROKEN, .method = "ListPeers", .want_asked = 1,
      .words = "did not answer" },
    { "no-polkit", NO_POLKIT, .method = "Up", .words = "only root may" },
    { "no-polkit-root", NO_POLKIT, .root = true, .method = "Up", .want = true },
    { "no-polkit-status", NO_POLKIT, .method = "ListPeers", .want = true },
};

static const AuthorizeCase silent_case = { .answer = SILENT };
static const AuthorizeCase root_case = { .root = true };

static void set_up(Fixture *f, gconstpointer data)
{
    const AuthorizeCase *c = data;
    g_autoptr(GError) error = NULL;

    f->answer = c->answer;
    f->bus = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_test_dbus_up(f->bus);
    f->server = connection_make(f->bus);
    f->client = connection_make(f->bus);
    if (c->answer != NO_POLKIT)
        start_polkit(f);
    f->skeleton = mesh_dbus_network_skeleton_new();
    g_signal_connect(f->skeleton, "handle-up", G_CALLBACK(handle_up), f);
    g_signal_connect(f->skeleton, "handle-list-peers", G_CALLBACK(handle_list), f);
    f->authorize = bus_authorize_new(f->server, c->root ? getuid() : getuid() + 1);
    bus_authorize_guard(f->authorize, G_DBUS_INTERFACE_SKELETON(f->skeleton));
    g_dbus_interface_skeleton_export(G_DBUS_INTERFACE_SKELETON(f->skeleton), f->server,
                                     NETWORK_PATH, &error);
    g_assert_no_error(error);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    (void)data;
    g_dbus_interface_skeleton_unexport(G_DBUS_INTERFACE_SKELETON(f->skeleton));
    bus_authorize_free(f->authorize);
    g_object_unref(f->skeleton);
    g_object_unref(f->server);
    g_object_unref(f->client);
    g_clear_object(&f->polkit);
    g_test_dbus_stop(f->bus);
    g_object_unref(f->bus);
    g_free(f->action);
    g_free(f->subject);
}

typedef struct {
    bool      done;
    GVariant *reply;
    GError   *error;
} Reply;

static void on_reply(GObject *source, GAsyncResult *result, gpointer user_data)
{
    Reply *reply = user_data;

    reply->reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &reply->error);
    reply->done = true;
}

static void test_call(Fixture *f, gconstpointer data)
{
    const AuthorizeCase *c = data;
    GVariant            *arguments =
        g_variant_new_parsed(strcmp(c->method, "Up") == 0 ? "(@a{sv} {},)" : "('', uint32 0)");
    Reply reply = { 0 };

    g_dbus_connection_call(f->client, g_dbus_connection_get_unique_name(f->server), NETWORK_PATH,
                           NETWORK_NAME, c->method, arguments, NULL,
                           c->interactive ? G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION
                                          : G_DBUS_CALL_FLAGS_NONE,
                           10000, NULL, on_reply, &reply);
    while (!reply.done)
        g_main_context_iteration(NULL, true);
    g_assert_cmpuint(f->n_handled, ==, c->want ? 1 : 0);
    g_assert_cmpuint(f->n_asked, ==, c->want_asked);
    if (c->want_asked > 0) {
        g_assert_cmpstr(f->subject, ==, g_dbus_connection_get_unique_name(f->client));
        g_assert_cmpstr(f->action, ==,
                        strcmp(c->method, "Up") == 0 ? "org.meshvpn.Mesh1.connect"
                                                     : "org.meshvpn.Mesh1.status");
        g_assert_cmpuint(f->flags, ==, c->interactive ? 1 : 0);
    }
    if (c->want) {
        g_assert_no_error(reply.error);
    } else {
        g_assert_error(reply.error, MESH_ERROR, MESH_ERROR_NOT_AUTHORIZED);
        if (strstr(reply.error->message, c->words) == NULL)
            g_error("\"%s\" does not say \"%s\"", reply.error->message, c->words);
    }
    g_clear_pointer(&reply.reply, g_variant_unref);
    g_clear_error(&reply.error);
}

static void on_counted(GObject *source, GAsyncResult *result, gpointer user_data)
{
    unsigned *n_busy = user_data;
    g_autoptr(GError) error = NULL;

    g_assert_null(g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error));
    *n_busy += g_error_matches(error, MESH_ERROR, MESH_ERROR_LIMIT) ? 1 : 0;
}

static void call_up(Fixture *f, GDBusCallFlags flags, GAsyncReadyCallback done, void *user_data)
{
    g_dbus_connection_call(f->client, g_dbus_connection_get_unique_name(f->server), NETWORK_PATH,
                           NETWORK_NAME, "Up", g_variant_new_parsed("(@a{sv} {},)"), NULL, flags,
                           60000, NULL, done, user_data);
}

static void end_silent(Fixture *f, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        g_dbus_method_invocation_return_dbus_error(f->silent->pdata[i], "org.example.Failed", "");
    g_ptr_array_remove_range(f->silent, 0, n);
}

enum { N_CALLS = 100, N_SERVED = 16 };

/* A user whose calls all wait for a password leaves room for the others, and for calls of its own
 * that nobody has to type one for. */
static void test_passwords(Fixture *f, gconstpointer data)
{
    unsigned n_busy = 0;

    (void)data;
    f->silent = g_ptr_array_new();
    for (int i = 0; i < N_CALLS; i++)
        call_up(f, G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION, on_counted, &n_busy);
    while (n_busy + f->silent->len < N_CALLS)
        g_main_context_iteration(NULL, true);
    g_assert_cmpuint(f->silent->len, ==, N_SERVED);
    f->answer = NO;
    test_call(f, &(AuthorizeCase){
                     .method = "Up", .want_asked = N_SERVED + 1, .words = "polkit said no" });
    end_silent(f, N_SERVED); /* makes room for new ones */
    test_call(f, &(AuthorizeCase){ .method = "Up",
                                   .interactive = true,
                                   .want_asked = N_SERVED + 2,
                                   .words = "polkit said no" });
    g_ptr_array_unref(f->silent);
}

static void on_ended(GObject *source, GAsyncResult *result, gpointer user_data)
{
    unsigned *n_ended = user_data;
    g_autoptr(GError) error = NULL;

    g_assert_null(g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_NOT_AUTHORIZED);
    (*n_ended)++;
}

/* Calls that wait for no password take turns, and all of them are asked for; those that still wait
 * when we stop are answered. */
static void test_turns(Fixture *f, gconstpointer data)
{
    unsigned n_ended = 0;

    (void)data;
    f->silent = g_ptr_array_new();
    for (int i = 0; i < N_CALLS; i++)
        call_up(f, G_DBUS_CALL_FLAGS_NONE, on_ended, &n_ended);
    while (f->silent->len < N_SERVED)
        g_main_context_iteration(NULL, true);
    while (f->n_asked < N_CALLS / 2) {
        g_assert_cmpuint(f->silent->len, <=, N_SERVED);
        end_silent(f, f->silent->len);
        g_main_context_iteration(NULL, true);
    }
    bus_authorize_free(g_steal_pointer(&f->authorize));
    while (n_ended < N_CALLS)
        g_main_context_iteration(NULL, true);
    end_silent(f, f->silent->len);
    g_ptr_array_unref(f->silent);
}

/* Codes that share a name on the bus all have it there. */
static void test_error_name(Fixture *f, gconstpointer data)
{
    Reply            reply = { 0 };
    g_autofree char *name = NULL;

    (void)data;
    g_dbus_connection_call(f->client, g_dbus_connection_get_unique_name(f->server), NETWORK_PATH,
                           NETWORK_NAME, "ListPeers", g_variant_new("(su)", "x", 0u), NULL,
                           G_DBUS_CALL_FLAGS_NONE, 10000, NULL, on_reply, &reply);
    while (!reply.done)
        g_main_context_iteration(NULL, true);
    name = g_dbus_error_get_remote_error(reply.error);
    g_assert_cmpstr(name, ==, "org.meshvpn.Mesh1.Error.NotFound");
    g_assert_error(reply.error, MESH_ERROR, MESH_ERROR_NOT_FOUND);
    g_clear_error(&reply.error);
}

/* Every method of the interfaces has an action of ours: the table is made of the XML. */
static void test_table(void)
{
    const GDBusInterfaceInfo *infos[] = { mesh_dbus_daemon_interface_info(),
                                          mesh_dbus_network_interface_info() };
    static const char *const  known[] = { "join",   "leave",  "connect",   "disconnect", "inspect",
                                          "status", "repair", "configure", "set-server", NULL };
    g_autoptr(GVariant) nothing = g_variant_ref_sink(g_variant_new_tuple(NULL, 0));
    const char *verbs[BUS_AUTHORIZE_VERBS];

    for (size_t i = 0; i < G_N_ELEMENTS(infos); i++) {
        for (GDBusMethodInfo **method = infos[i]->methods; *method != NULL; method++) {
            g_assert_cmpuint(bus_authorize_list_verbs(infos[i]->name, (*method)->name, nothing,
                                                      verbs),
                             ==, 1);
            g_assert_true(g_strv_contains(known, verbs[0]));
        }
    }
}

typedef struct {
    const char *name, *interface, *method, *arguments;
    const char *want; /* "" none */
} VerbCase;

static const VerbCase verb_cases[] = {
    { "join", "Daemon", "Join", "('x', @a{sv} {})", "join" },
    { "down", "Network", "Down", "(@a{sv} {},)", "disconnect" },
    { "other-interface", "Network", "Join", "('x', @a{sv} {})", "" },
    { "no-such-method", "Network", "Frob", "()", "" },
    { "no-option", "Network", "Set", "(@a{sv} {},)", "configure" },
    { "option-of-its-own", "Network", "Set", "({'dns': <true>},)", "set-dns" },
    { "other-option", "Network", "Set", "({'port': <uint16 1>},)", "configure" },
    { "both", "Network", "Set", "({'port': <uint16 1>, 'dns': <true>},)", "configure set-dns" },
    { "unknown-option", "Network", "Set", "({'dns': <true>, 'colour': <1>},)",
      "set-dns configure" },
    { "manager", "Network", "Up", "({'manager': <'NetworkManager'>},)", "configure" },
    { "manager-among-others", "Network", "Up", "({'temporary': <true>, 'manager': <''>},)",
      "connect configure" },
    { "twice", "Network", "Set", "({'dns': <true>, 'dns': <false>},)", "set-dns" },
};

static void test_verbs(gconstpointer data)
{
    const VerbCase  *c = data;
    g_autofree char *interface = g_strconcat("org.meshvpn.Mesh1.", c->interface, NULL);
    g_autoptr(GVariant) arguments = g_variant_ref_sink(g_variant_new_parsed(c->arguments));
    const char      *verbs[BUS_AUTHORIZE_VERBS + 1] = { NULL };
    unsigned         n = bus_authorize_list_verbs(interface, c->method, arguments, verbs);
    g_autofree char *found = NULL;

    verbs[n] = NULL;
    found = g_strjoinv(" ", (char **)verbs);
    g_assert_cmpstr(found, ==, c->want);
}

typedef struct {
    const char *name, *options, *words; /* words NULL: taken */
} OptionCase;

static const OptionCase options[] = {
    { "none", "@a{sv} {}", NULL },
    { "all", "{'name': <'a'>, 'port': <uint16 7>, 'ip4': <false>, 'endpoints': <['x']>}", NULL },
    { "unknown", "{'name': <'a'>, 'colour': <'a'>}", "unknown option \"colour\"" },
    { "wrong-type", "{'port': <uint32 7>}", "option \"port\" has type u instead of q" },
};

static void test_options(gconstpointer data)
{
    const OptionCase *c = data;
    g_autoptr(GVariant) dict = g_variant_ref_sink(g_variant_new_parsed(c->options));
    g_autoptr(GError) error = NULL;
    const char             *name = NULL;
    guint16                 port = 0;
    gboolean                ip4 = true;
    g_autofree const char **endpoints = NULL;
    const BusOption         table[] = { { "name", "s", &name, NULL },
                                        { "port", "q", &port, NULL },
                                        { "ip4", "b", &ip4, NULL },
                                        { "endpoints", "as", &endpoints, NULL } };

    if (c->words == NULL) {
        g_assert_true(bus_options_read(dict, table, G_N_ELEMENTS(table), &error));
        g_assert_no_error(error);
        if (strcmp(c->name, "all") == 0) {
            g_assert_cmpstr(name, ==, "a");
            g_assert_cmpuint(port, ==, 7);
            g_assert_false(ip4);
            g_assert_cmpstr(endpoints[0], ==, "x");
        }
        return;
    }
    g_assert_false(bus_options_read(dict, table, G_N_ELEMENTS(table), &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT);
    g_assert_nonnull(strstr(error->message, c->words));
    g_assert_null(name); /* nothing is stored before all is looked at */
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    (void)mesh_error_quark();
    g_test_add_func("/authorize/table", test_table);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/authorize/call/", cases[i].name, NULL);

        g_test_add(path, Fixture, &cases[i], set_up, test_call, tear_down);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(verb_cases); i++) {
        g_autofree char *path = g_strconcat("/authorize/verbs/", verb_cases[i].name, NULL);

        g_test_add_data_func(path, &verb_cases[i], test_verbs);
    }
    g_test_add("/authorize/passwords", Fixture, &silent_case, set_up, test_passwords, tear_down);
    g_test_add("/authorize/turns", Fixture, &silent_case, set_up, test_turns, tear_down);
    g_test_add("/authorize/error-name", Fixture, &root_case, set_up, test_error_name, tear_down);
    for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
        g_autofree char *path = g_strconcat("/authorize/options/", options[i].name, NULL);

        g_test_add_data_func(path, &options[i], test_options);
    }
    return g_test_run();
}
