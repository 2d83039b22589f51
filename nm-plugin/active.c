#include "nm-plugin/active.h"

#include <NetworkManager.h>

#define OBJECTS_PATH "/org/freedesktop" /* of its object manager */

enum { LIST_TIMEOUT_MS = 10000 };

struct PluginActive {
    GDBusConnection *bus;    /* ref */
    GCancellable    *cancel; /* of the call */
    char            *uuid;
    guint            signal; /* 0: not found yet */
    bool             switched_off;
};

static void on_state_changed(GDBusConnection *bus, const char *sender, const char *path,
                             const char *interface, const char *signal, GVariant *arguments,
                             gpointer user_data)
{
    PluginActive *self = user_data;
    guint32       state, reason;

    (void)bus, (void)sender, (void)path, (void)interface, (void)signal;
    if (!g_variant_is_of_type(arguments, G_VARIANT_TYPE("(uu)")))
        return;
    g_variant_get(arguments, "(uu)", &state, &reason);
    /* Not of "deactivated": that has this reason after every orderly end (1.42). */
    if (state == NM_ACTIVE_CONNECTION_STATE_DEACTIVATING)
        self->switched_off = reason == NM_ACTIVE_CONNECTION_STATE_REASON_USER_DISCONNECTED;
}

static void follow(PluginActive *self, const char *path)
{
    self->signal =
        g_dbus_connection_signal_subscribe(self->bus, NM_DBUS_SERVICE,
                                           NM_DBUS_INTERFACE_ACTIVE_CONNECTION, "StateChanged",
                                           path, NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_state_changed,
                                           self, NULL);
}

/* One that ends while it is activated anew has the same UUID. */
static bool is_ours(PluginActive *self, GVariant *interfaces)
{
    g_autoptr(GVariant) properties =
        g_variant_lookup_value(interfaces, NM_DBUS_INTERFACE_ACTIVE_CONNECTION,
                               G_VARIANT_TYPE_VARDICT);
    const char *uuid = NULL;
    guint32     state = NM_ACTIVE_CONNECTION_STATE_UNKNOWN;

    return properties != NULL && g_variant_lookup(properties, "Uuid", "&s", &uuid) &&
           g_variant_lookup(properties, "State", "u", &state) && g_strcmp0(uuid, self->uuid) == 0 &&
           state == NM_ACTIVE_CONNECTION_STATE_ACTIVATING;
}

static void on_listed(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    PluginActive *self = user_data;
    g_autoptr(GVariantIter) iter = NULL;
    const char *path;
    GVariant   *interfaces;

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return; /* @self may be gone */
    if (reply == NULL) {
        g_warning("NetworkManager does not say what it activates: %s", error->message);
        return;
    }
    g_variant_get(reply, "(a{oa{sa{sv}}})", &iter);
    while (self->signal == 0 && g_variant_iter_next(iter, "{&o@a{sa{sv}}}", &path, &interfaces)) {
        if (is_ours(self, interfaces))
            follow(self, path);
        g_variant_unref(interfaces);
    }
}

PluginActive *plugin_active_new(GDBusConnection *bus, const char *uuid)
{
    PluginActive *self = g_new0(PluginActive, 1);

    self->bus = g_object_ref(bus);
    self->cancel = g_cancellable_new();
    self->uuid = g_strdup(uuid);
    g_dbus_connection_call(bus, NM_DBUS_SERVICE, OBJECTS_PATH, "org.freedesktop.DBus.ObjectManager",
                           "GetManagedObjects", NULL, G_VARIANT_TYPE("(a{oa{sa{sv}}})"),
                           G_DBUS_CALL_FLAGS_NO_AUTO_START, LIST_TIMEOUT_MS, self->cancel,
                           on_listed, self);
    return self;
}

void plugin_active_free(PluginActive *self)
{
    if (self == NULL)
        return;
    g_cancellable_cancel(self->cancel);
    if (self->signal != 0)
        g_dbus_connection_signal_unsubscribe(self->bus, self->signal);
    g_object_unref(self->cancel);
    g_object_unref(self->bus);
    g_free(self->uuid);
    g_free(self);
}

bool plugin_active_is_switched_off(const PluginActive *self)
{
    return self != NULL && self->switched_off;
}
