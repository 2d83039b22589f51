#include "gui/notifications.h"

#include "gui/settings.h"

#include <glib/gi18n.h>
#include <gtk/gtk.h>
#include <string.h>

enum {
    GONE_MS = 15000,    /* a daemon that is upgraded is back before */
    START_US = 2000000, /* what comes so soon after the daemon was there already */
};

struct GuiNotifications {
    GApplication *application; /* borrowed */
    GuiClient    *client;      /* owned */
    GHashTable   *known;       /* path of a network → owned Known */
    guint         gone;        /* source: the daemon has been away since; 0: it is there, or told */
    bool          told_gone;
    gint64        ready_us; /* since when the daemon answers; 0: it does not */
};

/* A network, as it was last. */
typedef struct {
    GuiNotifications *owner;   /* borrowed */
    GuiNetwork       *network; /* owned */
    char             *state;   /* owned */
    gulong            handler;
    bool              told_lost;
} Known;

static bool is_lost(const char *state)
{
    static const char *const lost[] = { "error", "removed", "expired", NULL };

    return g_strv_contains(lost, state);
}

/* Whether the user looks at one of our windows now. */
static bool is_looked_at(GuiNotifications *self)
{
    GtkWindow *window = gtk_application_get_active_window(GTK_APPLICATION(self->application));

    return window != NULL && gtk_window_is_active(window);
}

static void tell(GuiNotifications *self, const char *id, const char *title, const char *body)
{
    g_autoptr(GNotification) note = g_notification_new(title);

    if (*body != '\0')
        g_notification_set_body(note, body);
    g_notification_set_default_action(note, "app.show");
    g_application_send_notification(self->application, id, note);
}

/* Takes the title. */
static void tell_of(Known *known, GuiSetting setting, char *title, const char *body)
{
    g_autofree char *text = title;
    g_autofree char *id = g_strdup_printf("network-%s", gui_network_get_text(known->network, "id"));

    if (!gui_settings_get(setting))
        return;
    tell(known->owner, id, text, body);
}

static void judge(Known *known, const char *before, const char *now)
{
    const char *name = gui_network_get_text(known->network, "name");

    if (is_lost(now) && !is_lost(before) && strcmp(before, "down") != 0 && *before != '\0') {
        known->told_lost = true;
        tell_of(known, GUI_SETTING_NOTIFY_LOST,
                /* Translators: %s is the name of a network */
                g_strdup_printf(_("%s: connection lost"), name),
                gui_network_get_text(known->network, "error"));
        return;
    }
    if (strcmp(now, "pending") == 0 && !is_looked_at(known->owner)) {
        tell_of(known, GUI_SETTING_NOTIFY_APPROVAL, g_strdup(_("Approval needed")),
                _("Whoever runs the network has to let this device in."));
        return;
    }
    if (strcmp(now, "up") != 0)
        return;
    if (known->told_lost || !is_looked_at(known->owner))
        tell_of(known, GUI_SETTING_NOTIFY_CONNECTED, g_strdup_printf(_("%s: connected"), name), "");
    known->told_lost = false;
}

static void on_state(Known *known)
{
    g_autofree char *before = known->state;

    known->state = g_strdup(gui_network_get_text(known->network, "state"));
    /* Nothing was known before the daemon told, and what it does first is its start. */
    if (*before != '\0' && strcmp(before, known->state) != 0 &&
        gui_client_get_state(known->owner->client) == GUI_CLIENT_READY)
        judge(known, before, known->state);
}

static void free_known(gpointer data)
{
    Known *known = data;

    g_signal_handler_disconnect(known->network, known->handler);
    g_object_unref(known->network);
    g_free(known->state);
    g_free(known);
}

static void learn(GuiNotifications *self, GuiNetwork *network)
{
    Known *known = g_new0(Known, 1);

    known->owner = self;
    known->network = g_object_ref(network);
    known->state = g_strdup(gui_network_get_text(network, "state"));
    known->handler =
        g_signal_connect_swapped(network, "notify::state", G_CALLBACK(on_state), known);
    g_hash_table_insert(self->known, g_strdup(gui_network_get_path(network)), known);
    if (self->ready_us != 0 && g_get_monotonic_time() - self->ready_us > START_US)
        judge(known, "", known->state);
}

static gboolean is_left(gpointer path, gpointer known, gpointer self)
{
    (void)known;
    return gui_client_find(((GuiNotifications *)self)->client, path) == NULL;
}

static void on_networks(GuiNotifications *self)
{
    GListModel *networks = gui_client_get_networks(self->client);

    g_hash_table_foreach_remove(self->known, is_left, self);
    for (unsigned i = 0; i < g_list_model_get_n_items(networks); i++) {
        g_autoptr(GuiNetwork) network = g_list_model_get_item(networks, i);

        if (!g_hash_table_contains(self->known, gui_network_get_path(network)))
            learn(self, network);
    }
}

static bool any_up(GuiNotifications *self)
{
    GHashTableIter iter;
    gpointer       known;

    g_hash_table_iter_init(&iter, self->known);
    while (g_hash_table_iter_next(&iter, NULL, &known)) {
        if (strcmp(((Known *)known)->state, "up") == 0)
            return true;
    }
    return false;
}

static gboolean on_still_gone(gpointer user_data)
{
    GuiNotifications *self = user_data;

    self->gone = 0;
    self->told_gone = true;
    if (gui_settings_get(GUI_SETTING_NOTIFY_LOST))
        tell(self, "daemon", _("Connection lost"), _("The Mesh service has stopped."));
    return G_SOURCE_REMOVE;
}

static void on_daemon(GuiNotifications *self)
{
    GuiClientState state = gui_client_get_state(self->client);

    self->ready_us = state == GUI_CLIENT_READY ? g_get_monotonic_time() : 0;
    if (state == GUI_CLIENT_READY) {
        g_clear_handle_id(&self->gone, g_source_remove);
        if (self->told_gone)
            g_application_withdraw_notification(self->application, "daemon");
        self->told_gone = false;
        return;
    }
    if (self->gone == 0 && !self->told_gone && any_up(self))
        self->gone = g_timeout_add(GONE_MS, on_still_gone, self);
}

GuiNotifications *gui_notifications_new(GApplication *application, GuiClient *client)
{
    GuiNotifications *self = g_new0(GuiNotifications, 1);

    self->application = application;
    self->client = g_object_ref(client);
    self->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_known);
    g_signal_connect_swapped(gui_client_get_networks(client), "items-changed",
                             G_CALLBACK(on_networks), self);
    g_signal_connect_swapped(client, "notify::state", G_CALLBACK(on_daemon), self);
    on_networks(self);
    return self;
}

void gui_notifications_free(GuiNotifications *self)
{
    if (self == NULL)
        return;
    g_clear_handle_id(&self->gone, g_source_remove);
    g_signal_handlers_disconnect_by_data(gui_client_get_networks(self->client), self);
    g_signal_handlers_disconnect_by_data(self->client, self);
    g_hash_table_unref(self->known);
    g_object_unref(self->client);
    g_free(self);
}
