/* tests/nm/editor-host.c: loads the editor of a VPN type as GNOME Settings does, into a GTK 4
 * window: editor-host FILE.name NETWORK. "Apply" prints what the connection says after it. */
#include <NetworkManager.h>
#include <gtk/gtk.h>
#include <stdio.h>

typedef struct {
    NMVpnEditor  *editor;
    NMConnection *connection;
    GtkWidget    *apply;
} Host;

static void on_apply(GtkButton *button, gpointer user_data)
{
    Host *host = user_data;
    g_autoptr(GError) error = NULL;
    NMSettingVpn *vpn;

    (void)button;
    if (!nm_vpn_editor_update_connection(host->editor, host->connection, &error)) {
        printf("refused: %s\n", error->message);
    } else {
        vpn = nm_connection_get_setting_vpn(host->connection);
        printf("network: %s\n", nm_setting_vpn_get_data_item(vpn, "network"));
    }
    fflush(stdout);
}

static void on_changed(NMVpnEditor *editor, gpointer user_data)
{
    (void)editor, (void)user_data;
    printf("changed\n");
    fflush(stdout);
}

static NMConnection *make_connection(const char *network)
{
    NMConnection *connection = nm_simple_connection_new();
    NMSetting    *vpn = nm_setting_vpn_new();

    if (network[0] != '\0')
        nm_setting_vpn_add_data_item(NM_SETTING_VPN(vpn), "network", network);
    nm_connection_add_setting(connection, vpn);
    return connection;
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    NMVpnPluginInfo   *info;
    NMVpnEditorPlugin *plugin;
    GtkWidget         *window, *box;
    Host               host = { 0 };

    gtk_init();
    host.connection = make_connection(argc > 2 ? argv[2] : "");
    info = nm_vpn_plugin_info_new_from_file(argc > 1 ? argv[1] : "", &error);
    plugin = info != NULL ? nm_vpn_plugin_info_load_editor_plugin(info, &error) : NULL;
    if (plugin != NULL)
        host.editor = nm_vpn_editor_plugin_get_editor(plugin, host.connection, &error);
    if (host.editor == NULL)
        g_error("%s", error->message);
    window = gtk_window_new();
    gtk_window_set_title(GTK_WINDOW(window), "editor-host");
    box = gtk_box_new(GTK_ORIENTATION_VERTICAL, 6);
    host.apply = gtk_button_new_with_label("Apply");
    g_signal_connect(host.apply, "clicked", G_CALLBACK(on_apply), &host);
    g_signal_connect(host.editor, "changed", G_CALLBACK(on_changed), NULL);
    gtk_box_append(GTK_BOX(box), GTK_WIDGET(nm_vpn_editor_get_widget(host.editor)));
    gtk_box_append(GTK_BOX(box), host.apply);
    gtk_window_set_child(GTK_WINDOW(window), box);
    gtk_window_present(GTK_WINDOW(window));
    g_main_loop_run(g_main_loop_new(NULL, FALSE));
    return 0;
}
