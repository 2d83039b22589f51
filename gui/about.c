#include "gui/about.h"

#include "gui/application.h"

#include <glib/gi18n.h>
#include <string.h>

static void add_networks(GString *text, GListModel *networks)
{
    for (unsigned i = 0; i < g_list_model_get_n_items(networks); i++) {
        g_autoptr(GuiNetwork) network = g_list_model_get_item(networks, i);
        unsigned online, total;

        g_object_get(network, "peers-online", &online, "peers-total", &total, NULL);
        g_string_append_printf(text, "network %u: %s, server %s, dns %s, %u of %u peers online\n",
                               i + 1, gui_network_get_text(network, "state"),
                               gui_network_get_text(network, "server-state"),
                               gui_network_get_text(network, "dns-state"), online, total);
    }
}

char *gui_about_dup_details(GuiClient *client)
{
    const char *const unknown = "unknown";
    const char *session = g_getenv("XDG_SESSION_TYPE"), *desktop = g_getenv("XDG_CURRENT_DESKTOP");
    const char *version = gui_client_get_text(client, "version");
    g_auto(GStrv) features = NULL;
    g_autofree char *list = NULL, *os = g_get_os_info(G_OS_INFO_KEY_PRETTY_NAME);
    unsigned         api = 0;
    GString         *text = g_string_new(NULL);

    g_object_get(client, "features", &features, "api-version", &api, NULL);
    list = features == NULL ? g_strdup("") : g_strjoinv(" ", features);
    g_string_append_printf(text, "mesh-gui %s\nmeshd %s, API %u\nfeatures: %s\n", MESH_VERSION,
                           *version == '\0' ? "not there" : version, api, list);
    g_string_append_printf(text, "GTK %u.%u.%u, libadwaita %u.%u.%u, GLib %u.%u.%u\n",
                           gtk_get_major_version(), gtk_get_minor_version(),
                           gtk_get_micro_version(), adw_get_major_version(),
                           adw_get_minor_version(), adw_get_micro_version(), glib_major_version,
                           glib_minor_version, glib_micro_version);
    g_string_append_printf(text, "system: %s; session: %s; desktop: %s\n",
                           os == NULL ? unknown : os, session == NULL ? unknown : session,
                           desktop == NULL ? unknown : desktop);
    add_networks(text, gui_client_get_networks(client));
    return g_string_free(text, FALSE);
}

void gui_about_show(GtkWindow *parent, GuiClient *client)
{
    g_autofree char *details = gui_about_dup_details(client);
    GtkWidget       *window =
        g_object_new(ADW_TYPE_ABOUT_WINDOW, "transient-for", parent, "modal", TRUE,
                     "application-name", _("Mesh"), "application-icon", GUI_APPLICATION_ID,
                     "version", MESH_VERSION, "developer-name", _("The Mesh project"),
                     "license-type", GTK_LICENSE_GPL_3_0, "comments",
                     _("Your devices in networks of your own, wherever they are."), "debug-info",
                     details, "debug-info-filename", "mesh-details.txt",
                     /* Translators: your names and addresses, a line each */
                     "translator-credits", _("translator-credits"), NULL);

    gtk_window_present(GTK_WINDOW(window));
}
