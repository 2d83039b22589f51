#include "gui/notifications.h"

#include "gui/news.h"

#include <gtk/gtk.h>

#define TRAY_ID   "org.meshvpn.Mesh.Tray"
#define TRAY_PATH "/org/meshvpn/Mesh/Tray"

struct GuiNotifications {
    GApplication *application; /* borrowed */
    GuiClient    *client;      /* owned */
    GPtrArray    *followed;    /* owned GuiNetwork whose state we hear */
    GuiNews      *news;        /* owned */
};

/* Whether the user looks at one of our windows now. */
static bool is_looked_at(gpointer user_data)
{
    GuiNotifications *self = user_data;
    GtkWindow *window = gtk_application_get_active_window(GTK_APPLICATION(self->application));

    return window != NULL && gtk_window_is_active(window);
}

static void tell(const GuiNewsNote *news, gpointer user_data)
{
    GuiNotifications *self = user_data;
    g_autoptr(GNotification) note = g_notification_new(news->title);

    if (*news->body != '\0')
        g_notification_set_body(note, news->body);
    g_notification_set_default_action(note, "app.show");
    g_application_send_notification(self->application, news->id, note);
}

static void withdraw(const char *id, gpointer user_data)
{
    GuiNotifications *self = user_data;

    g_application_withdraw_notification(self->application, id);
}

/* The tray hears the same of the daemon, maybe later, and tells it if we are gone by then: it is
 * told what we have dealt with. Nobody is started for this. */
static void judged(const char *about, const char *state, gpointer user_data)
{
    GuiNotifications *self = user_data;
    GDBusConnection  *session = g_application_get_dbus_connection(self->application);
    GVariantBuilder   parameters, platform_data;

    if (session == NULL)
        return;
    g_variant_builder_init(&parameters, G_VARIANT_TYPE("av"));
    g_variant_builder_add(&parameters, "v", g_variant_new("(ss)", about, state));
    g_variant_builder_init(&platform_data, G_VARIANT_TYPE_VARDICT);
    g_dbus_connection_call(session, TRAY_ID, TRAY_PATH, "org.gtk.Actions", "Activate",
                           g_variant_new("(sava{sv})", "judged", &parameters, &platform_data), NULL,
                           G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, NULL, NULL, NULL);
}

static const GuiNewsEvents events = { tell, withdraw, judged, is_looked_at };

static void update(GuiNotifications *self)
{
    g_autoptr(GArray) networks = g_array_new(false, true, sizeof(GuiNewsNetwork));

    for (unsigned i = 0; i < self->followed->len; i++) {
        GuiNetwork    *network = self->followed->pdata[i];
        GuiNewsNetwork view = { .path = gui_network_get_path(network),
                                .id = gui_network_get_text(network, "id"),
                                .name = gui_network_get_text(network, "name"),
                                .state = gui_network_get_text(network, "state"),
                                .error = gui_network_get_text(network, "error") };

        g_array_append_val(networks, view);
    }
    gui_news_update(self->news, gui_client_get_state(self->client) == GUI_CLIENT_READY,
                    (const GuiNewsNetwork *)(const void *)networks->data, networks->len);
}

static void unfollow(GuiNotifications *self)
{
    for (unsigned i = 0; i < self->followed->len; i++)
        g_signal_handlers_disconnect_by_data(self->followed->pdata[i], self);
    g_ptr_array_set_size(self->followed, 0);
}

static void on_networks(GuiNotifications *self)
{
    GListModel *networks = gui_client_get_networks(self->client);

    unfollow(self);
    for (unsigned i = 0; i < g_list_model_get_n_items(networks); i++) {
        GuiNetwork *network = g_list_model_get_item(networks, i);

        g_ptr_array_add(self->followed, network);
        g_signal_connect_swapped(network, "notify::state", G_CALLBACK(update), self);
    }
    update(self);
}

GuiNotifications *gui_notifications_new(GApplication *application, GuiClient *client)
{
    GuiNotifications *self = g_new0(GuiNotifications, 1);

    self->application = application;
    self->client = g_object_ref(client);
    self->followed = g_ptr_array_new_with_free_func(g_object_unref);
    self->news = gui_news_new(&events, self);
    g_signal_connect_swapped(gui_client_get_networks(client), "items-changed",
                             G_CALLBACK(on_networks), self);
    g_signal_connect_swapped(client, "notify::state", G_CALLBACK(update), self);
    on_networks(self);
    return self;
}

void gui_notifications_free(GuiNotifications *self)
{
    if (self == NULL)
        return;
    g_signal_handlers_disconnect_by_data(gui_client_get_networks(self->client), self);
    g_signal_handlers_disconnect_by_data(self->client, self);
    unfollow(self);
    g_ptr_array_unref(self->followed);
    gui_news_free(self->news);
    g_object_unref(self->client);
    g_free(self);
}
