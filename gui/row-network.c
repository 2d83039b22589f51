#include "gui/row-network.h"

#include "gui/window.h"
#include "gui/words.h"

#include <glib/gi18n.h>

struct _GuiRowNetwork {
    GtkListBoxRow parent;
    GuiNetwork   *network;
    GtkLabel     *name, *state;
    GtkSpinner   *spinner;
    GtkSwitch    *toggle;
    bool          showing; /* the switch moves because of the daemon, not of a hand */
};

G_DEFINE_FINAL_TYPE(GuiRowNetwork, gui_row_network, GTK_TYPE_LIST_BOX_ROW)

/* The daemon's word: unless a call is under way, the slider stands where the state is. */
static void show_switch(GuiRowNetwork *self)
{
    gboolean    up, busy;
    const char *state = gui_network_get_text(self->network, "state");

    g_object_get(self->network, "up", &up, "busy", &busy, NULL);
    self->showing = true;
    gtk_switch_set_state(self->toggle, up);
    if (!busy)
        gtk_switch_set_active(self->toggle, up);
    self->showing = false;
    gtk_widget_set_sensitive(GTK_WIDGET(self->toggle),
                             strcmp(state, "removed") != 0 && strcmp(state, "expired") != 0);
    gtk_widget_set_visible(GTK_WIDGET(self->spinner), busy);
    gtk_spinner_set_spinning(self->spinner, busy);
}

static void show_all(GuiRowNetwork *self)
{
    const char      *name = gui_network_get_text(self->network, "name");
    g_autofree char *state = gui_words_dup_state(self->network);
    /* Translators: %s is the name of a network; what a screen reader calls its switch */
    g_autofree char *label = g_strdup_printf(_("Connect to %s"), name);
    g_autofree char *row = g_strdup_printf("%s, %s", name, state);

    gtk_label_set_text(self->name, name);
    gtk_label_set_text(self->state, state);
    gtk_accessible_update_property(GTK_ACCESSIBLE(self->toggle), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                   label, -1);
    gtk_accessible_update_property(GTK_ACCESSIBLE(self), GTK_ACCESSIBLE_PROPERTY_LABEL, row, -1);
    gtk_widget_set_tooltip_text(GTK_WIDGET(self->toggle), label);
    show_switch(self);
}

static void on_done(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GuiRowNetwork) self = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = NULL;
    GtkRoot *root = gtk_widget_get_root(GTK_WIDGET(self));

    reply = gui_network_call_finish(GUI_NETWORK(source), result, &error);
    if (reply == NULL && GUI_IS_WINDOW(root))
        gui_window_toast_error(GUI_WINDOW(root), error);
    if (self->network != NULL) /* else the window was closed meanwhile */
        show_switch(self);
    g_application_release(g_application_get_default());
}

static gboolean on_state_set(GtkSwitch *toggle, gboolean wish, GuiRowNetwork *self)
{
    gboolean up, busy;

    (void)toggle;
    if (self->showing)
        return GDK_EVENT_STOP;
    g_object_get(self->network, "up", &up, "busy", &busy, NULL);
    if (!busy && up == wish) {
        show_switch(self);
        return GDK_EVENT_STOP;
    }
    /* The window may be closed meanwhile; the wish counts, and meshd does nothing for who left. */
    g_application_hold(g_application_get_default());
    gui_network_set_up_async(self->network, wish, NULL, on_done, g_object_ref(self));
    return GDK_EVENT_STOP; /* the slider has moved; the state follows the daemon */
}

static void gui_row_network_dispose(GObject *object)
{
    GuiRowNetwork *self = GUI_ROW_NETWORK(object);

    if (self->network != NULL)
        g_signal_handlers_disconnect_by_func(self->network, show_all, self);
    g_clear_object(&self->network);
    G_OBJECT_CLASS(gui_row_network_parent_class)->dispose(object);
}

GuiNetwork *gui_row_network_get_network(GuiRowNetwork *self)
{
    return self->network;
}

static void gui_row_network_class_init(GuiRowNetworkClass *class)
{
    GtkWidgetClass *widget = GTK_WIDGET_CLASS(class);

    G_OBJECT_CLASS(class)->dispose = gui_row_network_dispose;
    gtk_widget_class_set_template_from_resource(widget, "/org/meshvpn/Mesh/ui/row-network.ui");
    gtk_widget_class_bind_template_child(widget, GuiRowNetwork, name);
    gtk_widget_class_bind_template_child(widget, GuiRowNetwork, state);
    gtk_widget_class_bind_template_child(widget, GuiRowNetwork, spinner);
    gtk_widget_class_bind_template_child(widget, GuiRowNetwork, toggle);
    gtk_widget_class_bind_template_callback(widget, on_state_set);
}

static void gui_row_network_init(GuiRowNetwork *self)
{
    gtk_widget_init_template(GTK_WIDGET(self));
}

GtkWidget *gui_row_network_new(GuiNetwork *network)
{
    static const char *const shown[] = { "notify::name",         "notify::state",
                                         "notify::server-state", "notify::peers-online",
                                         "notify::peers-total",  "notify::busy" };
    GuiRowNetwork           *self = g_object_new(GUI_TYPE_ROW_NETWORK, NULL);

    self->network = g_object_ref(network);
    for (unsigned i = 0; i < G_N_ELEMENTS(shown); i++)
        g_signal_connect_swapped(network, shown[i], G_CALLBACK(show_all), self);
    show_all(self);
    return GTK_WIDGET(self);
}
