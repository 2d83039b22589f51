/* nm-plugin/editor.c: the page of a mesh connection in nm-connection-editor (GTK 3) and in GNOME
 * Settings (GTK 4): which of the joined networks to connect, and a button that opens Mesh to join
 * one. Networks are asked of meshd without waiting; without meshd a name can be typed.
 *
 * Both modules and the editor plugin may be in one process, so each type has a name of its own. */
#include "nm-plugin/editor.h"

#include "nm-plugin/network.h"
#include "nm-plugin/settings.h"

#include <NetworkManager.h>
#include <glib/gi18n-lib.h>
#include <string.h>

#define WINDOW_NAME "org.meshvpn.Mesh" /* the window, on the session bus */
#define WINDOW_PATH "/org/meshvpn/Mesh"

enum { SPACING = 12, MARGIN = 18, OPEN_TIMEOUT_MS = 10000 };

typedef struct {
    GObject          parent;
    GtkWidget       *page;   /* ref */
    GtkWidget       *combo;  /* ref; of page: the joined networks, and an entry */
    GtkWidget       *note;   /* ref; of page: what is wrong, or what to do */
    GCancellable    *cancel; /* of every call; what answers later finds editor or page gone */
    GDBusConnection *bus;    /* ref; NULL: not there yet */
    guint            signal;
} MeshVpnEditor;

typedef struct {
    GObjectClass parent;
} MeshVpnEditorClass;

static void editor_interface_init(NMVpnEditorInterface *iface);
static void editor_finalize(GObject *object);

static GObjectClass *parent_class;

/* ---- what is shown ---- */

/* NULL: GTK 3 has destroyed the page. */
static GtkWidget *get_entry(MeshVpnEditor *self)
{
#if GTK_MAJOR_VERSION >= 4
    return gtk_combo_box_get_child(GTK_COMBO_BOX(self->combo));
#else
    return gtk_bin_get_child(GTK_BIN(self->combo));
#endif
}

static const char *get_text(MeshVpnEditor *self)
{
    GtkWidget *entry = get_entry(self);

    return entry != NULL ? editor_get_text(entry) : "";
}

static void say(MeshVpnEditor *self, const char *text)
{
    gtk_label_set_text(GTK_LABEL(self->note), text);
}

static void on_changed(GtkWidget *widget, gpointer user_data)
{
    (void)widget;
    g_signal_emit_by_name(user_data, "changed");
}

/* ---- the joined networks ---- */

static bool is_only(GPtrArray *networks, const PluginNetwork *one)
{
    for (guint i = 0; i < networks->len; i++) {
        const PluginNetwork *other = networks->pdata[i];

        if (other != one && strcmp(other->name, one->name) == 0)
            return false;
    }
    return true;
}

static void show_networks(MeshVpnEditor *self, GPtrArray *networks)
{
    GtkComboBoxText *combo = GTK_COMBO_BOX_TEXT(self->combo);

    gtk_combo_box_text_remove_all(combo);
    for (guint i = 0; i < networks->len; i++) {
        const PluginNetwork *network = networks->pdata[i];

        gtk_combo_box_text_append_text(combo,
                                       is_only(networks, network) ? network->name : network->id);
    }
    if (networks->len == 0)
        say(self, _("This computer has not joined a network yet."));
    else
        say(self, "");
    if (networks->len == 1 && get_text(self)[0] == '\0')
        gtk_combo_box_set_active(GTK_COMBO_BOX(combo), 0);
}

static void on_listed(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) networks = plugin_network_list_finish(result, &error);

    (void)source;
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return; /* the editor may be gone */
    if (networks != NULL)
        show_networks(user_data, networks);
    else
        say(user_data, _("The Mesh service (meshd) does not answer: type the network's name."));
}

/* One was joined, perhaps by our button, or left. */
static void on_objects(GDBusConnection *bus, const char *sender, const char *path,
                       const char *interface, const char *signal, GVariant *arguments,
                       gpointer user_data)
{
    MeshVpnEditor *self = user_data;

    (void)sender, (void)path, (void)interface, (void)signal, (void)arguments;
    plugin_network_list_async(bus, false, self->cancel, on_listed, self);
}

/* Owned; NULL: none, which was said, or the editor may be gone. */
static GDBusConnection *take_bus(MeshVpnEditor *self, GAsyncResult *result)
{
    g_autoptr(GError) error = NULL;
    GDBusConnection *bus = g_bus_get_finish(result, &error);

    if (bus == NULL && !g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        say(self, error->message);
    return bus;
}

static void on_bus(GObject *source, GAsyncResult *result, gpointer user_data)
{
    MeshVpnEditor   *self = user_data;
    GDBusConnection *bus = take_bus(self, result);

    (void)source;
    if (bus == NULL)
        return;
    self->bus = bus;
    self->signal =
        g_dbus_connection_signal_subscribe(bus, PLUGIN_MESHD_NAME,
                                           "org.freedesktop.DBus.ObjectManager", NULL,
                                           PLUGIN_MESHD_PATH, NULL, G_DBUS_SIGNAL_FLAGS_NONE,
                                           on_objects, self, NULL);
    plugin_network_list_async(bus, true, self->cancel, on_listed, self);
}

/* ---- the window ---- */

static void on_opened(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return; /* the editor may be gone */
    if (reply == NULL)
        say(user_data, _("Mesh cannot be opened: install the package mesh-gui, or use “mesh "
                         "join” in a terminal."));
}

static void on_session_bus(GObject *source, GAsyncResult *result, gpointer user_data)
{
    MeshVpnEditor *self = user_data;
    g_autoptr(GDBusConnection) bus = take_bus(self, result);

    (void)source;
    if (bus == NULL)
        return;
    g_dbus_connection_call(bus, WINDOW_NAME, WINDOW_PATH, "org.freedesktop.Application", "Activate",
                           g_variant_new("(a{sv})", NULL), NULL, G_DBUS_CALL_FLAGS_NONE,
                           OPEN_TIMEOUT_MS, self->cancel, on_opened, self);
}

static void on_join_clicked(GtkButton *button, gpointer user_data)
{
    MeshVpnEditor *self = user_data;

    (void)button;
    g_bus_get(G_BUS_TYPE_SESSION, self->cancel, on_session_bus, self);
}

/* ---- the page ---- */

static void set_margins(GtkWidget *widget)
{
    gtk_widget_set_margin_start(widget, MARGIN);
    gtk_widget_set_margin_end(widget, MARGIN);
    gtk_widget_set_margin_top(widget, MARGIN);
    gtk_widget_set_margin_bottom(widget, MARGIN);
}

/* The entry has its name by the label; the list around it and its arrow need one too. */
static void name_combo(MeshVpnEditor *self, GtkWidget *label)
{
#if GTK_MAJOR_VERSION >= 4
    GtkWidget *arrow;

    gtk_accessible_update_property(GTK_ACCESSIBLE(self->combo), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                   _("Joined networks"), -1);
    arrow = gtk_widget_get_next_sibling(get_entry(self));
    if (arrow != NULL)
        gtk_accessible_update_property(GTK_ACCESSIBLE(arrow), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                       _("Show joined networks"), -1);
#else
    atk_object_set_name(gtk_widget_get_accessible(get_entry(self)), _("Network"));
    atk_object_set_name(gtk_widget_get_accessible(self->combo), _("Joined networks"));
#endif
    gtk_label_set_mnemonic_widget(GTK_LABEL(label), get_entry(self));
}

static void build(MeshVpnEditor *self)
{
    GtkWidget *row = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, SPACING);
    GtkWidget *label = gtk_label_new_with_mnemonic(_("_Network"));
    GtkWidget *button = gtk_button_new_with_label(_("Join a Network…"));

    self->page = g_object_ref_sink(gtk_box_new(GTK_ORIENTATION_VERTICAL, SPACING));
    self->combo = g_object_ref_sink(gtk_combo_box_text_new_with_entry());
    self->note = g_object_ref_sink(gtk_label_new(""));
    gtk_widget_set_hexpand(self->combo, TRUE);
    gtk_label_set_xalign(GTK_LABEL(self->note), 0);
#if GTK_MAJOR_VERSION >= 4
    gtk_label_set_wrap(GTK_LABEL(self->note), TRUE);
#else
    gtk_label_set_line_wrap(GTK_LABEL(self->note), TRUE);
#endif
    gtk_widget_set_halign(button, GTK_ALIGN_START);
    gtk_widget_set_tooltip_text(button,
                                _("Opens Mesh, where a link joins this computer to a network"));
    name_combo(self, label);
    set_margins(self->page);
    editor_append(row, label);
    editor_append(row, self->combo);
    editor_append(self->page, row);
    editor_append(self->page, self->note);
    editor_append(self->page, button);
    editor_show(self->page);
    g_signal_connect_object(get_entry(self), "changed", G_CALLBACK(on_changed), self, 0);
    g_signal_connect_object(button, "clicked", G_CALLBACK(on_join_clicked), self, 0);
    /* Which of the two goes first, page or editor, is the program's to say. */
    g_signal_connect_object(self->page, "destroy", G_CALLBACK(g_cancellable_cancel), self->cancel,
                            G_CONNECT_SWAPPED);
}

/* ---- the interface ---- */

static GObject *editor_get_widget(NMVpnEditor *editor)
{
    return G_OBJECT(((MeshVpnEditor *)editor)->page);
}

static gboolean editor_update_connection(NMVpnEditor *editor, NMConnection *connection,
                                         GError **error)
{
    const char *network = get_text((MeshVpnEditor *)editor);

    if (!plugin_settings_check_network(network, error))
        return FALSE;
    plugin_settings_set_network(connection, network);
    return TRUE;
}

static void editor_interface_init(NMVpnEditorInterface *iface)
{
    iface->get_widget = editor_get_widget;
    iface->update_connection = editor_update_connection;
}

static void editor_class_init(gpointer klass, gpointer data)
{
    (void)data;
    parent_class = g_type_class_peek_parent(klass);
    G_OBJECT_CLASS(klass)->finalize = editor_finalize;
}

static void editor_finalize(GObject *object)
{
    MeshVpnEditor *self = (MeshVpnEditor *)object;

    g_cancellable_cancel(self->cancel);
    g_object_unref(self->cancel);
    if (self->signal != 0)
        g_dbus_connection_signal_unsubscribe(self->bus, self->signal);
    g_clear_object(&self->bus);
    g_object_unref(self->combo);
    g_object_unref(self->note);
    g_object_unref(self->page);
    parent_class->finalize(object);
}

static void interface_init(gpointer iface, gpointer data)
{
    (void)data;
    editor_interface_init(iface);
}

/* By hand: the name depends on the GTK that this is compiled for. */
static GType get_type(void)
{
    static GType         type;
    const GInterfaceInfo info = { .interface_init = interface_init };

    if (type != 0)
        return type;
    type =
        g_type_register_static_simple(G_TYPE_OBJECT, EDITOR_TYPE_NAME, sizeof(MeshVpnEditorClass),
                                      editor_class_init, sizeof(MeshVpnEditor), NULL, 0);
    g_type_add_interface_static(type, NM_TYPE_VPN_EDITOR, &info);
    return type;
}

G_MODULE_EXPORT NMVpnEditor *nm_vpn_editor_factory_mesh(NMVpnEditorPlugin *plugin,
                                                        NMConnection *connection, GError **error);

NMVpnEditor *nm_vpn_editor_factory_mesh(NMVpnEditorPlugin *plugin, NMConnection *connection,
                                        GError **error)
{
    MeshVpnEditor *self = g_object_new(get_type(), NULL);

    (void)plugin, (void)error;
    self->cancel = g_cancellable_new();
    build(self);
    editor_set_text(get_entry(self), plugin_settings_get_network(connection));
    g_bus_get(G_BUS_TYPE_SYSTEM, self->cancel, on_bus, self);
    return NM_VPN_EDITOR(self);
}
