#include "nm-plugin/session.h"

#include "nm-plugin/device.h"

#include <glib/gi18n-lib.h>
#include <stdbool.h>
#include <string.h>

#define MANAGER "NetworkManager" /* of the option and of the property */

enum { UP_TIMEOUT_MS = 45000, CALL_TIMEOUT_MS = 20000 };

struct PluginSession {
    GDBusConnection    *bus;
    GCancellable       *cancel; /* of every call */
    PluginSessionEvents events;
    void               *user_data;
    char               *wanted;
    char               *path; /* of its object; NULL: not found yet */
    bool                up;   /* meshd said so once */
    bool  settled;        /* NetworkManager does not have the interface as a device of its own */
    bool  released;       /* it had it */
    char *ifname;         /* with settled */
    bool  reading, again; /* properties; once more after that */
    guint name_watch;
    guint signals[2];
};

/* ---- ends ---- */

static void end(PluginSession *self, PluginSessionEnd how, const char *why)
{
    g_autofree char *text = g_strdup(why); /* it may be of what the event frees */

    g_cancellable_cancel(self->cancel);
    self->events.ended(how, text, self->user_data);
}

static void end_with(PluginSession *self, GError *error)
{
    g_dbus_error_strip_remote_error(error);
    end(self, PLUGIN_SESSION_NO_NETWORK, error->message);
}

static void end_with_state(PluginSession *self, const PluginNetwork *network)
{
    static const char *const ended[] = { "pending", "removed", "expired", NULL };
    g_autofree char         *why = NULL;
    bool                     member = !g_strv_contains(ended, network->state);

    if (strcmp(network->state, "pending") == 0)
        why = g_strdup(_("the network's administrator has not approved this computer yet"));
    else if (network->error[0] != '\0')
        why = g_strdup(network->error);
    else
        why = g_strdup_printf(_("the network is %s"), network->state);
    end(self, member ? PLUGIN_SESSION_NO_NETWORK : PLUGIN_SESSION_NO_MEMBER, why);
}

/* ---- what it is ---- */

static void read_network(PluginSession *self);

static void on_released(GObject *source, GAsyncResult *result, gpointer user_data)
{
    PluginSession *self = user_data;
    g_autoptr(GError) error = NULL;
    bool had_it = plugin_device_release_finish(result, &error);

    (void)source;
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return; /* @self may be gone */
    if (error != NULL)
        g_warning("%s", error->message); /* and it may still do */
    self->released = had_it;
    self->settled = true;
    self->reading = false;
    read_network(self);
}

static void judge(PluginSession *self, const PluginNetwork *network)
{
    if (strcmp(network->state, "up") != 0)
        end_with_state(self, network);
    else if (strcmp(network->management, MANAGER) != 0)
        end(self, PLUGIN_SESSION_NO_NETWORK, _("meshd took the network back"));
    else if (!self->settled) {
        self->reading = true; /* what changes meanwhile is read after it */
        self->ifname = g_strdup(network->ifname);
        plugin_device_release_async(self->bus, self->ifname, self->cancel, on_released, self);
    } else
        self->events.changed(network, self->user_data);
}

static void on_read(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    PluginSession *self = user_data;
    g_autoptr(GVariant) properties = NULL;
    g_autoptr(PluginNetwork) network = NULL;

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return; /* @self may be gone */
    if (error != NULL) {
        end_with(self, error);
        return;
    }
    self->reading = false;
    if (self->again) { /* what came is old already */
        read_network(self);
        return;
    }
    properties = g_variant_get_child_value(reply, 0);
    network = plugin_network_new(self->path, properties);
    judge(self, network);
}

/* All of them, at once and new: what a signal brings may be older than an answer. */
static void read_network(PluginSession *self)
{
    self->again = self->reading;
    if (self->reading)
        return;
    self->reading = true;
    g_dbus_connection_call(self->bus, PLUGIN_MESHD_NAME, self->path,
                           "org.freedesktop.DBus.Properties", "GetAll",
                           g_variant_new("(s)", PLUGIN_MESHD_INTERFACE), G_VARIANT_TYPE("(a{sv})"),
                           G_DBUS_CALL_FLAGS_NO_AUTO_START, CALL_TIMEOUT_MS, self->cancel, on_read,
                           self);
}

static void on_properties(GDBusConnection *bus, const char *sender, const char *path,
                          const char *interface, const char *signal, GVariant *arguments,
                          gpointer user_data)
{
    PluginSession *self = user_data;

    (void)bus, (void)sender, (void)path, (void)interface, (void)signal, (void)arguments;
    if (self->up && !g_cancellable_is_cancelled(self->cancel))
        read_network(self);
}

static void on_removed(GDBusConnection *bus, const char *sender, const char *path,
                       const char *interface, const char *signal, GVariant *arguments,
                       gpointer user_data)
{
    PluginSession *self = user_data;
    const char    *object = NULL;

    (void)bus, (void)sender, (void)path, (void)interface, (void)signal;
    if (!g_variant_is_of_type(arguments, G_VARIANT_TYPE("(oas)")))
        return;
    g_variant_get(arguments, "(&oas)", &object, NULL);
    if (g_strcmp0(object, self->path) == 0 && !g_cancellable_is_cancelled(self->cancel))
        end(self, PLUGIN_SESSION_NO_MEMBER, _("this computer left the network"));
}

static void on_meshd_gone(GDBusConnection *bus, const char *name, gpointer user_data)
{
    PluginSession *self = user_data;

    (void)bus, (void)name;
    if (!g_cancellable_is_cancelled(self->cancel))
        end(self, PLUGIN_SESSION_NO_NETWORK, _("meshd ended"));
}

/* ---- begin ---- */

/* @name NULL: none. */
static GVariant *make_options(const char *name, GVariant *value)
{
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    if (name != NULL)
        g_variant_dict_insert_value(&dict, name, value);
    return g_variant_new("(@a{sv})", g_variant_dict_end(&dict));
}

static void on_up(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    PluginSession *self = user_data;

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return; /* @self may be gone */
    if (error != NULL) {
        end_with(self, error);
        return;
    }
    self->up = true;
    read_network(self);
}

static void follow(PluginSession *self)
{
    self->name_watch =
        g_bus_watch_name_on_connection(self->bus, PLUGIN_MESHD_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                       NULL, on_meshd_gone, self, NULL);
    self->signals[0] =
        g_dbus_connection_signal_subscribe(self->bus, PLUGIN_MESHD_NAME,
                                           "org.freedesktop.DBus.Properties", "PropertiesChanged",
                                           self->path, PLUGIN_MESHD_INTERFACE,
                                           G_DBUS_SIGNAL_FLAGS_NONE, on_properties, self, NULL);
    self->signals[1] =
        g_dbus_connection_signal_subscribe(self->bus, PLUGIN_MESHD_NAME,
                                           "org.freedesktop.DBus.ObjectManager",
                                           "InterfacesRemoved", PLUGIN_MESHD_PATH, NULL,
                                           G_DBUS_SIGNAL_FLAGS_NONE, on_removed, self, NULL);
}

static void on_listed(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) networks = plugin_network_list_finish(result, &error);
    const PluginNetwork *network = NULL;
    PluginSession       *self = user_data;

    (void)source;
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return; /* @self may be gone */
    if (networks != NULL)
        network = plugin_network_find(networks, self->wanted, &error);
    if (network == NULL) {
        end_with(self, error);
        return;
    }
    self->path = g_strdup(network->path);
    follow(self);
    g_dbus_connection_call(self->bus, PLUGIN_MESHD_NAME, self->path, PLUGIN_MESHD_INTERFACE, "Up",
                           make_options("manager", g_variant_new_string(MANAGER)), NULL,
                           G_DBUS_CALL_FLAGS_NONE, UP_TIMEOUT_MS, self->cancel, on_up, self);
}

PluginSession *plugin_session_start(GDBusConnection *bus, const char *network,
                                    const PluginSessionEvents *events, void *user_data)
{
    PluginSession *self = g_new0(PluginSession, 1);

    self->bus = g_object_ref(bus);
    self->cancel = g_cancellable_new();
    self->events = *events;
    self->user_data = user_data;
    self->wanted = g_strdup(network);
    plugin_network_list_async(bus, true, self->cancel, on_listed, self);
    return self;
}

/* What is left to do of sessions that are gone: this process may not end before. */
static unsigned n_leaving;

typedef struct {
    GDBusConnection *bus; /* ref */
    char            *path;
} Leave;

static void end_leave(Leave *leave)
{
    g_object_unref(leave->bus);
    g_free(leave->path);
    g_free(leave);
    n_leaving--;
}

static void call_down(Leave *leave, GVariant *options, GAsyncReadyCallback done)
{
    g_dbus_connection_call(leave->bus, PLUGIN_MESHD_NAME, leave->path, PLUGIN_MESHD_INTERFACE,
                           "Down", options, NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START, CALL_TIMEOUT_MS,
                           NULL, done, leave);
}

/* No answer is waited for: should it be lost, our leaving the bus says the same. */
static void give_back(Leave *leave)
{
    call_down(leave, make_options("manager", g_variant_new_string(MANAGER)), NULL);
    end_leave(leave);
}

static void on_restored(GObject *source, GAsyncResult *result, gpointer user_data)
{
    (void)source, (void)result;
    give_back(user_data);
}

/* NULL: it is down. Answers are waited for: meshd does nothing for callers that left the bus. */
static GError *read_down(GObject *source, GAsyncResult *result)
{
    GError *error = NULL;
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);

    if (reply != NULL)
        return NULL;
    g_dbus_error_strip_remote_error(error);
    return error;
}

static void on_down_for_now(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GError) error = read_down(source, result);

    if (error != NULL)
        g_warning("%s", error->message);
    end_leave(user_data);
}

/* What cannot be kept (a full disk) is off until meshd starts again. */
static void on_down(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GError) error = read_down(source, result);

    if (error == NULL) {
        end_leave(user_data);
        return;
    }
    g_warning("%s", error->message);
    call_down(user_data, make_options("temporary", g_variant_new_boolean(true)), on_down_for_now);
}

static void leave(PluginSession *self, PluginSessionStop how)
{
    Leave *rest = g_new0(Leave, 1);

    n_leaving++;
    rest->bus = g_object_ref(self->bus);
    rest->path = g_strdup(self->path);
    if (how == PLUGIN_SESSION_SWITCH_OFF) /* the interface goes, so nobody needs it back */
        call_down(rest, make_options(NULL, NULL), on_down);
    else if (self->released)
        plugin_device_restore_async(self->bus, self->ifname, on_restored, rest);
    else
        give_back(rest);
}

bool plugin_session_is_leaving(void)
{
    return n_leaving > 0;
}

void plugin_session_stop(PluginSession *self, PluginSessionStop how)
{
    if (self == NULL)
        return;
    g_cancellable_cancel(self->cancel);
    if (self->path != NULL)
        leave(self, how);
    if (self->name_watch != 0)
        g_bus_unwatch_name(self->name_watch);
    for (size_t i = 0; i < G_N_ELEMENTS(self->signals); i++)
        if (self->signals[i] != 0)
            g_dbus_connection_signal_unsubscribe(self->bus, self->signals[i]);
    g_object_unref(self->cancel);
    g_object_unref(self->bus);
    g_free(self->wanted);
    g_free(self->path);
    g_free(self->ifname);
    g_free(self);
}
