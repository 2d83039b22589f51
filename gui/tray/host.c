/* gui/tray/host.c: the watcher's name, and whether it has a host. */
#include "gui/tray/host.h"

#define WATCHER      "org.kde.StatusNotifierWatcher"
#define WATCHER_PATH "/StatusNotifierWatcher"

struct TrayHost {
    GDBusConnection      *session; /* owned */
    GCancellable         *cancel;
    const TrayHostEvents *events;
    gpointer              user_data;
    unsigned              name_watch;
    unsigned              registered; /* subscription */
    unsigned              patience;   /* timer */
};

static void find(TrayHost *self)
{
    if (self->name_watch == 0)
        return;
    g_clear_handle_id(&self->name_watch, g_bus_unwatch_name);
    g_clear_handle_id(&self->patience, g_source_remove);
    g_dbus_connection_signal_unsubscribe(self->session, self->registered);
    self->registered = 0;
    self->events->found(self->user_data);
}

static void on_property(GObject *source, GAsyncResult *result, gpointer user_data)
{
    TrayHost *self = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = NULL;
    g_autoptr(GVariant) value = NULL;

    reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return; /* self is gone */
    if (reply != NULL)
        g_variant_get(reply, "(v)", &value);
    /* One that does not say is taken at its word: it watches, so it shows. */
    if (value == NULL || !g_variant_is_of_type(value, G_VARIANT_TYPE_BOOLEAN) ||
        g_variant_get_boolean(value))
        find(self);
}

static void on_appeared(GDBusConnection *session, const char *name, const char *owner,
                        gpointer user_data)
{
    TrayHost *self = user_data;

    g_dbus_connection_call(session, owner, WATCHER_PATH, "org.freedesktop.DBus.Properties", "Get",
                           g_variant_new("(ss)", name, "IsStatusNotifierHostRegistered"),
                           G_VARIANT_TYPE("(v)"), G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, self->cancel,
                           on_property, self);
}

static void on_registered(GDBusConnection *session, const char *sender, const char *path,
                          const char *interface, const char *signal, GVariant *arguments,
                          gpointer user_data)
{
    (void)session, (void)sender, (void)path, (void)interface, (void)signal, (void)arguments;
    find(user_data);
}

static gboolean on_patience(gpointer user_data)
{
    TrayHost *self = user_data;

    self->patience = 0;
    self->events->missing(self->user_data);
    return G_SOURCE_REMOVE;
}

TrayHost *tray_host_new(GDBusConnection *session, unsigned patience_s, const TrayHostEvents *events,
                        gpointer user_data)
{
    TrayHost *self = g_new0(TrayHost, 1);

    self->session = g_object_ref(session);
    self->cancel = g_cancellable_new();
    self->events = events;
    self->user_data = user_data;
    self->patience = g_timeout_add_seconds(patience_s, on_patience, self);
    self->registered =
        g_dbus_connection_signal_subscribe(session, WATCHER, WATCHER,
                                           "StatusNotifierHostRegistered", WATCHER_PATH, NULL,
                                           G_DBUS_SIGNAL_FLAGS_NONE, on_registered, self, NULL);
    self->name_watch =
        g_bus_watch_name_on_connection(session, WATCHER, G_BUS_NAME_WATCHER_FLAGS_NONE, on_appeared,
                                       NULL, self, NULL);
    return self;
}

void tray_host_free(TrayHost *self)
{
    if (self == NULL)
        return;
    g_cancellable_cancel(self->cancel);
    g_clear_handle_id(&self->name_watch, g_bus_unwatch_name);
    g_clear_handle_id(&self->patience, g_source_remove);
    if (self->registered != 0)
        g_dbus_connection_signal_unsubscribe(self->session, self->registered);
    g_object_unref(self->cancel);
    g_object_unref(self->session);
    g_free(self);
}
