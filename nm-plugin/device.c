#include "nm-plugin/device.h"

#include <NetworkManager.h>

#define PROPERTIES     "org.freedesktop.DBus.Properties"
#define UNKNOWN_DEVICE "org.freedesktop.NetworkManager.UnknownDevice"

enum { CALL_TIMEOUT_MS = 10000 };

/* Data of the task. */
typedef struct {
    char *device;
    bool  managed; /* as it shall be */
} Wish;

static void free_wish(gpointer data)
{
    Wish *wish = data;

    g_free(wish->device);
    g_free(wish);
}

static GTask *make_task(GDBusConnection *bus, bool managed, GCancellable *cancel,
                        GAsyncReadyCallback done, gpointer user_data)
{
    GTask *task = g_task_new(bus, cancel, done, user_data);
    Wish  *wish = g_new0(Wish, 1);

    wish->managed = managed;
    g_task_set_task_data(task, wish, free_wish);
    return task;
}

/* Both drop the reference that the call had. */
static void end(GTask *task, bool changed)
{
    g_task_return_boolean(task, changed);
    g_object_unref(task);
}

static void end_with(GTask *task, GError *error)
{
    g_dbus_error_strip_remote_error(error);
    g_task_return_error(task, error);
    g_object_unref(task);
}

static void on_set(GObject *source, GAsyncResult *result, gpointer user_data)
{
    GError *error = NULL;
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);

    if (reply == NULL)
        end_with(user_data, error);
    else
        end(user_data, true);
}

static void set_managed(GTask *task)
{
    const Wish *wish = g_task_get_task_data(task);

    g_dbus_connection_call(g_task_get_source_object(task), NM_DBUS_SERVICE, wish->device,
                           PROPERTIES, "Set",
                           g_variant_new("(ssv)", NM_DBUS_INTERFACE_DEVICE, "Managed",
                                         g_variant_new_boolean(wish->managed)),
                           NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START, CALL_TIMEOUT_MS,
                           g_task_get_cancellable(task), on_set, task);
}

static void on_state(GObject *source, GAsyncResult *result, gpointer user_data)
{
    GError *error = NULL;
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    g_autoptr(GVariant) value = NULL;

    if (reply == NULL) {
        end_with(user_data, error);
        return;
    }
    g_variant_get(reply, "(v)", &value);
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_UINT32) &&
        g_variant_get_uint32(value) > NM_DEVICE_STATE_UNMANAGED)
        set_managed(user_data);
    else
        end(user_data, false);
}

static bool is_unknown(const GError *error)
{
    g_autofree char *remote = g_dbus_error_get_remote_error(error);

    return g_strcmp0(remote, UNKNOWN_DEVICE) == 0;
}

static void on_device(GObject *source, GAsyncResult *result, gpointer user_data)
{
    GDBusConnection *bus = G_DBUS_CONNECTION(source);
    GTask           *task = user_data;
    Wish            *wish = g_task_get_task_data(task);
    GError          *error = NULL;
    g_autoptr(GVariant) reply = g_dbus_connection_call_finish(bus, result, &error);

    if (reply == NULL && is_unknown(error)) {
        g_error_free(error);
        end(task, false);
        return;
    }
    if (reply == NULL) {
        end_with(task, error);
        return;
    }
    g_variant_get(reply, "(o)", &wish->device);
    if (wish->managed) {
        set_managed(task);
        return;
    }
    g_dbus_connection_call(bus, NM_DBUS_SERVICE, wish->device, PROPERTIES, "Get",
                           g_variant_new("(ss)", NM_DBUS_INTERFACE_DEVICE, "State"),
                           G_VARIANT_TYPE("(v)"), G_DBUS_CALL_FLAGS_NO_AUTO_START, CALL_TIMEOUT_MS,
                           g_task_get_cancellable(task), on_state, task);
}

static void find_device(GTask *task, const char *ifname)
{
    g_dbus_connection_call(g_task_get_source_object(task), NM_DBUS_SERVICE, NM_DBUS_PATH,
                           NM_DBUS_INTERFACE, "GetDeviceByIpIface", g_variant_new("(s)", ifname),
                           G_VARIANT_TYPE("(o)"), G_DBUS_CALL_FLAGS_NO_AUTO_START, CALL_TIMEOUT_MS,
                           g_task_get_cancellable(task), on_device, task);
}

void plugin_device_release_async(GDBusConnection *bus, const char *ifname, GCancellable *cancel,
                                 GAsyncReadyCallback done, gpointer user_data)
{
    find_device(make_task(bus, false, cancel, done, user_data), ifname);
}

bool plugin_device_release_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

void plugin_device_restore_async(GDBusConnection *bus, const char *ifname, GAsyncReadyCallback done,
                                 gpointer user_data)
{
    find_device(make_task(bus, true, NULL, done, user_data), ifname);
}
