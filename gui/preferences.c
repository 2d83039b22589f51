#include "gui/preferences.h"

#include "gui/autostart.h"
#include "gui/named.h"
#include "gui/preferences-network.h"
#include "gui/preferences-proxy.h"
#include "gui/row-switch.h"
#include "gui/settings.h"

#include <glib/gi18n.h>

static const struct {
    const char *title, *subtitle;
    const char *feature; /* NULL: none is needed */
} notifications[GUI_SETTINGS] = {
    [GUI_SETTING_NOTIFY_CONNECTED] = { N_("Connected"), N_("A network is there, or there again"),
                                       NULL },
    [GUI_SETTING_NOTIFY_LOST] = { N_("Connection lost"), N_("A network ended without your doing"),
                                  NULL },
    [GUI_SETTING_NOTIFY_APPROVAL] = { N_("Approval needed"),
                                      N_("Somebody has to let this device in"), NULL },
    [GUI_SETTING_NOTIFY_FILES] = { N_("File arrived"), "", "files" },
};

struct _GuiPreferences {
    AdwPreferencesWindow parent_instance;
    GuiClient           *client;   /* owned */
    AdwPreferencesPage  *networks; /* borrowed */
    GPtrArray           *groups;   /* of networks, in the order of the list; borrowed widgets */
    GtkWidget           *login;    /* borrowed */
    gulong               login_handler;
};

G_DEFINE_FINAL_TYPE(GuiPreferences, gui_preferences, ADW_TYPE_PREFERENCES_WINDOW)

static void toast(GuiPreferences *self, const char *text)
{
    gui_named_toast(GTK_WIDGET(self), text);
}

/* ---- notifications ---- */

static void on_notification(GtkSwitch *button, GParamSpec *spec, gpointer setting)
{
    g_autoptr(GError) error = NULL;
    GtkRoot *root = gtk_widget_get_root(GTK_WIDGET(button));

    (void)spec;
    if (!gui_settings_set(GPOINTER_TO_UINT(setting), gtk_switch_get_active(button), &error) &&
        GUI_IS_PREFERENCES(root))
        toast(GUI_PREFERENCES(root), error->message);
}

static void add_notifications(GuiPreferences *self, AdwPreferencesPage *page)
{
    AdwPreferencesGroup *group = ADW_PREFERENCES_GROUP(adw_preferences_group_new());

    adw_preferences_group_set_title(group, _("Notifications"));
    for (unsigned i = 0; i < GUI_SETTINGS; i++) {
        const char *subtitle = notifications[i].subtitle;
        GtkWidget  *row;

        if (notifications[i].feature != NULL &&
            !gui_client_offers(self->client, notifications[i].feature))
            continue;
        row = gui_row_switch_new(_(notifications[i].title), *subtitle == '\0' ? "" : _(subtitle));
        gtk_switch_set_active(gui_row_switch_get_switch(row), gui_settings_get(i));
        g_signal_connect(gui_row_switch_get_switch(row), "notify::active",
                         G_CALLBACK(on_notification), GUINT_TO_POINTER(i));
        adw_preferences_group_add(group, row);
    }
    adw_preferences_page_add(page, group);
}

/* ---- start at login ---- */

static void on_login_known(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GuiPreferences) self = user_data;
    g_autoptr(GError) error = NULL;
    bool on = false;

    (void)source;
    if (gui_autostart_finish(result, &on, &error)) {
        gui_row_switch_show(self->login, on, self->login_handler);
        gtk_widget_set_sensitive(self->login, TRUE);
    } else if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND)) {
        adw_action_row_set_subtitle(ADW_ACTION_ROW(self->login), _("The tray is not installed"));
    } else {
        toast(self, error->message);
    }
}

static gboolean on_login(GtkSwitch *button, gboolean active, GuiPreferences *self)
{
    (void)button;
    gtk_widget_set_sensitive(self->login, FALSE);
    gui_autostart_run_async(active ? "on" : "off", on_login_known, g_object_ref(self));
    return TRUE;
}

static void add_login(GuiPreferences *self, AdwPreferencesPage *page)
{
    GtkWidget *group = adw_preferences_group_new();

    adw_preferences_group_set_title(ADW_PREFERENCES_GROUP(group), _("Tray"));
    self->login = gui_row_switch_new(_("Start at login"),
                                     _("An icon that shows the state and connects with a click"));
    self->login_handler = g_signal_connect(gui_row_switch_get_switch(self->login), "state-set",
                                           G_CALLBACK(on_login), self);
    gtk_widget_set_sensitive(self->login, FALSE);
    adw_preferences_group_add(ADW_PREFERENCES_GROUP(group), self->login);
    adw_preferences_page_add(page, ADW_PREFERENCES_GROUP(group));
    gui_autostart_run_async("status", on_login_known, g_object_ref(self));
}

/* ---- networks ---- */

static void on_networks(GuiPreferences *self, guint position, guint removed, guint added,
                        GListModel *model)
{
    (void)position, (void)removed, (void)added;
    for (unsigned i = 0; i < self->groups->len; i++)
        adw_preferences_page_remove(self->networks, g_ptr_array_index(self->groups, i));
    g_ptr_array_set_size(self->groups, 0);
    for (unsigned i = 0; i < g_list_model_get_n_items(model); i++) {
        g_autoptr(GuiNetwork) network = g_list_model_get_item(model, i);
        GtkWidget *group = gui_preferences_network_new(self->client, network);

        adw_preferences_page_add(self->networks, ADW_PREFERENCES_GROUP(group));
        g_ptr_array_add(self->groups, group);
    }
    gtk_widget_set_visible(GTK_WIDGET(self->networks), self->groups->len > 0);
}

/* ---- the object ---- */

static AdwPreferencesPage *add_page(GuiPreferences *self, const char *title, const char *icon)
{
    AdwPreferencesPage *page = ADW_PREFERENCES_PAGE(adw_preferences_page_new());

    adw_preferences_page_set_title(page, title);
    adw_preferences_page_set_icon_name(page, icon);
    adw_preferences_window_add(ADW_PREFERENCES_WINDOW(self), page);
    return page;
}

static void gui_preferences_dispose(GObject *object)
{
    GuiPreferences *self = GUI_PREFERENCES(object);

    g_clear_object(&self->client);
    g_clear_pointer(&self->groups, g_ptr_array_unref);
    G_OBJECT_CLASS(gui_preferences_parent_class)->dispose(object);
}

static void gui_preferences_class_init(GuiPreferencesClass *klass)
{
    G_OBJECT_CLASS(klass)->dispose = gui_preferences_dispose;
}

static void gui_preferences_init(GuiPreferences *self)
{
    self->groups = g_ptr_array_new();
    gtk_window_set_title(GTK_WINDOW(self), _("Preferences"));
    adw_preferences_window_set_search_enabled(ADW_PREFERENCES_WINDOW(self), FALSE);
    gui_named_search(GTK_WIDGET(self), _("Search preferences"));
}

GuiPreferences *gui_preferences_new(GtkWindow *parent, GuiClient *client)
{
    GuiPreferences     *self = g_object_new(GUI_TYPE_PREFERENCES, "transient-for", parent, NULL);
    GListModel         *networks = gui_client_get_networks(client);
    AdwPreferencesPage *page;

    self->client = g_object_ref(client);
    page = add_page(self, _("General"), "preferences-system-symbolic");
    add_notifications(self, page);
    add_login(self, page);
    if (gui_client_offers(client, "proxy"))
        adw_preferences_page_add(page, ADW_PREFERENCES_GROUP(gui_preferences_proxy_new(client)));
    self->networks = add_page(self, _("Networks"), "network-vpn-symbolic");
    g_signal_connect_object(networks, "items-changed", G_CALLBACK(on_networks), self,
                            G_CONNECT_SWAPPED);
    on_networks(self, 0, 0, 0, networks);
    return self;
}
