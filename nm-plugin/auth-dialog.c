/* nm-plugin/auth-dialog.c: nm-mesh-auth-dialog, which desktops start when a mesh connection asks
 * for a secret. There is none: what this computer needs in a network it has had since it joined. So
 * it says so, and where the membership ended it says that, and that a new link is needed.
 *
 * It is told the connection on standard input, and answers on standard output: with
 * --external-ui-mode a key file that the desktop shows, else the secrets, of which there are none.
 * It waits for meshd, and for nobody else. */
#include "nm-plugin/network.h"
#include "nm-plugin/settings.h"

#include <NetworkManager.h>
#include <glib/gi18n.h>
#include <locale.h>
#include <stdio.h>

enum { LOOK_S = 5 };

typedef struct {
    char      *uuid, *name, *service; /* owned */
    gboolean   reprompt, interact, external;
    char     **hints;
    GMainLoop *loop;
    char      *network; /* of the connection, "" for none */
    char      *message; /* for the user; NULL: nothing is wrong */
} Dialog;

/* ---- what is wrong ---- */

static char *describe(const PluginNetwork *network)
{
    if (g_str_equal(network->state, "expired"))
        return g_strdup_printf(_("The membership of this computer in “%s” ended. Ask for a new "
                                 "link, and join again with it."),
                               network->name);
    if (g_str_equal(network->state, "removed"))
        return g_strdup_printf(_("This computer was removed from “%s”."), network->name);
    if (g_str_equal(network->state, "pending"))
        return g_strdup_printf(_("“%s” has not approved this computer yet."), network->name);
    return NULL;
}

static void on_listed(GObject *source, GAsyncResult *result, gpointer user_data)
{
    Dialog *self = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) networks = plugin_network_list_finish(result, &error);
    const PluginNetwork *network = NULL;

    (void)source;
    if (networks != NULL)
        network = plugin_network_find(networks, self->network, &error);
    if (network != NULL)
        self->message = describe(network);
    else
        self->message = g_strdup(error->message);
    g_main_loop_quit(self->loop);
}

static gboolean on_late(gpointer user_data)
{
    g_cancellable_cancel(user_data);
    return G_SOURCE_REMOVE;
}

static void look(Dialog *self)
{
    g_autoptr(GCancellable) cancel = g_cancellable_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(GDBusConnection) bus = g_bus_get_sync(G_BUS_TYPE_SYSTEM, NULL, &error);
    guint timer;

    if (bus == NULL) {
        self->message = g_strdup(error->message);
        return;
    }
    timer = g_timeout_add_seconds_full(G_PRIORITY_DEFAULT, LOOK_S, on_late, g_object_ref(cancel),
                                       g_object_unref);
    plugin_network_list_async(bus, true, cancel, on_listed, self);
    g_main_loop_run(self->loop);
    if (!g_cancellable_is_cancelled(cancel))
        g_source_remove(timer);
}

/* ---- what is answered ---- */

/* The format of NetworkManager's desktops: a title, a text, and fields: we have none. */
static void answer_external(const Dialog *self)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autofree char *text = NULL;

    g_key_file_set_integer(file, "VPN Plugin UI", "Version", 2);
    g_key_file_set_string(file, "VPN Plugin UI", "Title", self->name);
    g_key_file_set_string(file, "VPN Plugin UI", "Description",
                          self->message != NULL ? self->message
                                                : _("A mesh connection needs no password."));
    text = g_key_file_to_data(file, NULL, NULL);
    fputs(text, stdout);
}

/* Two empty lines: no secret follows. Then whoever started us says that it has read that. */
static void answer(const Dialog *self)
{
    char line[16];

    if (self->message != NULL)
        g_printerr("%s: %s\n", self->name, self->message);
    fputs("\n\n", stdout);
    fflush(stdout);
    (void)!fgets(line, sizeof line, stdin); /* QUIT */
}

/* ---- main ---- */

static bool read_options(Dialog *self, int *argc, char ***argv, GError **error)
{
    GOptionEntry entries[] = {
        { "uuid", 'u', 0, G_OPTION_ARG_STRING, &self->uuid, N_("Connection's UUID"), "UUID" },
        { "name", 'n', 0, G_OPTION_ARG_STRING, &self->name, N_("Connection's name"), "NAME" },
        { "service", 's', 0, G_OPTION_ARG_STRING, &self->service, N_("VPN type"), "TYPE" },
        { "reprompt", 'r', 0, G_OPTION_ARG_NONE, &self->reprompt, N_("Ask again"), NULL },
        { "allow-interaction", 'i', 0, G_OPTION_ARG_NONE, &self->interact, N_("May ask"), NULL },
        { "external-ui-mode", 0, 0, G_OPTION_ARG_NONE, &self->external,
          N_("Say what to show instead of showing it"), NULL },
        { "hint", 't', 0, G_OPTION_ARG_STRING_ARRAY, &self->hints, N_("What is asked for"), "H" },
        { 0 },
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);

    g_option_context_add_main_entries(context, entries, GETTEXT_PACKAGE);
    if (!g_option_context_parse(context, argc, argv, error))
        return false;
    if (self->uuid == NULL || self->name == NULL || g_strcmp0(self->service, PLUGIN_SERVICE) != 0) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                    "--uuid, --name, --service " PLUGIN_SERVICE " are needed");
        return false;
    }
    return true;
}

/* The connection, as NetworkManager's desktops tell it; secrets, should there be any, are dropped.
 */
static bool read_connection(Dialog *self)
{
    GHashTable *data = NULL, *secrets = NULL;
    const char *network;

    if (!nm_vpn_service_plugin_read_vpn_details(fileno(stdin), &data, &secrets))
        return false;
    network = g_hash_table_lookup(data, PLUGIN_NETWORK);
    self->network = g_strdup(network != NULL ? network : "");
    g_hash_table_unref(data);
    g_hash_table_unref(secrets);
    return true;
}

static void clear_dialog(Dialog *self)
{
    g_free(self->uuid);
    g_free(self->name);
    g_free(self->service);
    g_strfreev(self->hints);
    g_free(self->network);
    g_free(self->message);
    g_clear_pointer(&self->loop, g_main_loop_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Dialog, clear_dialog)

int main(int argc, char **argv)
{
    g_auto(Dialog) self = { 0 };
    g_autoptr(GError) error = NULL;

    setlocale(LC_ALL, "");
    bindtextdomain(GETTEXT_PACKAGE, MESH_LOCALEDIR);
    textdomain(GETTEXT_PACKAGE);
    if (!read_options(&self, &argc, &argv, &error)) {
        g_printerr("nm-mesh-auth-dialog: %s\n", error->message);
        return 1;
    }
    if (!read_connection(&self)) {
        g_printerr("nm-mesh-auth-dialog: no connection on standard input\n");
        return 1;
    }
    self.loop = g_main_loop_new(NULL, FALSE);
    look(&self);
    (self.external ? answer_external : answer)(&self);
    return 0;
}
