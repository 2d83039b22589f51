#include "gui/preferences-network.h"

#include "gui/named.h"
#include "gui/row-switch.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <stdlib.h>

/* A switch: the property that it shows, the option of Set, the feature that it needs. */
static const struct {
    const char *property, *option, *feature, *title, *subtitle;
} table[] = {
    { "dns", "dns", "dns", N_("Names"), N_("Programs of this computer find devices by name") },
    { "port-map", "portmap", "portmap", N_("Port forwarding"),
      N_("Asks the router to let other devices in") },
    { "hard-nat", "hard-nat", "hard-nat", N_("Difficult routers"),
      N_("Searches for ways through routers that use another port for each destination") },
    { "lan", "lan", "lan", N_("Local announcements"),
      N_("Devices on the same local network find each other without the server") },
};

struct _GuiPreferencesNetwork {
    AdwPreferencesGroup parent_instance;
    GuiNetwork         *network;                   /* owned */
    GtkWidget          *rows[G_N_ELEMENTS(table)]; /* NULL: not offered */
    gulong              handlers[G_N_ELEMENTS(table)];
    GtkWidget          *relay_port; /* NULL: not offered */
};

G_DEFINE_FINAL_TYPE(GuiPreferencesNetwork, gui_preferences_network, ADW_TYPE_PREFERENCES_GROUP)

static void show(GuiPreferencesNetwork *self)
{
    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        gboolean active;

        if (self->rows[i] == NULL)
            continue;
        g_object_get(self->network, table[i].property, &active, NULL);
        gui_row_switch_show(self->rows[i], active, self->handlers[i]);
    }
}

static void show_relay_port(GuiPreferencesNetwork *self)
{
    g_autofree char *text = NULL;
    unsigned         port = 0;

    if (self->relay_port == NULL)
        return;
    g_object_get(self->network, "peer-relay-port", &port, NULL);
    text = g_strdup_printf("%u", port);
    if (g_str_equal(text, gtk_editable_get_text(GTK_EDITABLE(self->relay_port))))
        return;
    /* A text that is set while the row has the focus would be taken for the user's. */
    adw_entry_row_set_show_apply_button(ADW_ENTRY_ROW(self->relay_port), FALSE);
    gtk_editable_set_text(GTK_EDITABLE(self->relay_port), text);
    adw_entry_row_set_show_apply_button(ADW_ENTRY_ROW(self->relay_port), TRUE);
}

static void toast(GuiPreferencesNetwork *self, const char *text)
{
    GtkRoot *root = gtk_widget_get_root(GTK_WIDGET(self));

    if (ADW_IS_PREFERENCES_WINDOW(root))
        gui_named_toast(GTK_WIDGET(root), text);
}

static void on_set(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GuiPreferencesNetwork) self = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = gui_network_call_finish(GUI_NETWORK(source), result, &error);

    if (reply == NULL) {
        toast(self, error->message);
        show(self);
        show_relay_port(self);
    }
}

static void set_option(GuiPreferencesNetwork *self, const char *option, GVariant *value)
{
    GVariantBuilder options;
    GuiCall         call = { .method = "Set" };

    g_variant_builder_init(&options, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&options, "{sv}", option, value);
    call.arguments = g_variant_new("(a{sv})", &options);
    gui_network_call_async(self->network, &call, NULL, on_set, g_object_ref(self));
}

/* The switch shows the wish at once; its state, and if it fails the switch, follow the daemon. */
static gboolean on_state_set(GtkSwitch *button, gboolean active, GuiPreferencesNetwork *self)
{
    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        if (self->rows[i] != NULL && gui_row_switch_get_switch(self->rows[i]) == button)
            set_option(self, table[i].option, g_variant_new_boolean(active));
    }
    return TRUE;
}

static void on_relay_port(GuiPreferencesNetwork *self)
{
    const char *text = gtk_editable_get_text(GTK_EDITABLE(self->relay_port));
    char       *end;
    long        port;

    errno = 0;
    port = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || port < 0 || port > UINT16_MAX) {
        toast(self, _("A port is a number from 1 to 65535; 0 means none."));
        show_relay_port(self);
        return;
    }
    set_option(self, "peer-relay", g_variant_new_uint16((uint16_t)port));
}

static void add_relay_port(GuiPreferencesNetwork *self)
{
    GtkWidget *row = adw_entry_row_new();

    adw_preferences_row_set_title(ADW_PREFERENCES_ROW(row),
                                  _("UDP port of a relay for the other devices; 0: none"));
    adw_entry_row_set_show_apply_button(ADW_ENTRY_ROW(row), TRUE);
    adw_entry_row_set_input_purpose(ADW_ENTRY_ROW(row), GTK_INPUT_PURPOSE_DIGITS);
    gui_named_entry(ADW_ENTRY_ROW(row));
    g_signal_connect_swapped(row, "apply", G_CALLBACK(on_relay_port), self);
    adw_preferences_group_add(ADW_PREFERENCES_GROUP(self), row);
    self->relay_port = row;
}

static void gui_preferences_network_dispose(GObject *object)
{
    g_clear_object(&GUI_PREFERENCES_NETWORK(object)->network);
    G_OBJECT_CLASS(gui_preferences_network_parent_class)->dispose(object);
}

static void gui_preferences_network_class_init(GuiPreferencesNetworkClass *klass)
{
    G_OBJECT_CLASS(klass)->dispose = gui_preferences_network_dispose;
}

static void gui_preferences_network_init(GuiPreferencesNetwork *self)
{
    (void)self;
}

static void add_switch(GuiPreferencesNetwork *self, size_t i)
{
    g_autofree char *detail = g_strdup_printf("notify::%s", table[i].property);
    GtkWidget       *row = gui_row_switch_new(_(table[i].title), _(table[i].subtitle));

    self->rows[i] = row;
    self->handlers[i] = g_signal_connect(gui_row_switch_get_switch(row), "state-set",
                                         G_CALLBACK(on_state_set), self);
    g_signal_connect_object(self->network, detail, G_CALLBACK(show), self, G_CONNECT_SWAPPED);
    adw_preferences_group_add(ADW_PREFERENCES_GROUP(self), row);
}

GtkWidget *gui_preferences_network_new(GuiClient *client, GuiNetwork *network)
{
    GuiPreferencesNetwork *self = g_object_new(GUI_TYPE_PREFERENCES_NETWORK, NULL);
    g_autofree char       *title = g_markup_escape_text(gui_network_get_text(network, "name"), -1);

    self->network = g_object_ref(network);
    adw_preferences_group_set_title(ADW_PREFERENCES_GROUP(self), title);
    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        if (gui_client_offers(client, table[i].feature))
            add_switch(self, i);
    }
    if (gui_client_offers(client, "peer-relay"))
        add_relay_port(self);
    g_signal_connect_object(network, "notify::peer-relay-port", G_CALLBACK(show_relay_port), self,
                            G_CONNECT_SWAPPED);
    show(self);
    show_relay_port(self);
    return GTK_WIDGET(self);
}
