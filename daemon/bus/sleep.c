#include "daemon/bus/sleep.h"

#include "common/glib/log.h"
#include "common/std/clock.h"

#define LOGIN_NAME      "org.freedesktop.login1"
#define LOGIN_PATH      "/org/freedesktop/login1"
#define LOGIN_INTERFACE "org.freedesktop.login1.Manager"

struct BusSleep {
    GDBusConnection *connection;
    MeshdNetworks   *networks;
    guint            signal;
    int64_t          since_ms; /* of the boot clock, which runs on in sleep; 0: awake */
};

static void on_prepare(GDBusConnection *connection, const char *sender, const char *path,
                       const char *interface, const char *signal, GVariant *parameters,
                       gpointer user_data)
{
    BusSleep *self = user_data;
    gboolean  begins = false;
    int64_t   now = mesh_clock_boot_ms();

    (void)connection, (void)sender, (void)path, (void)interface, (void)signal;
    if (!g_variant_is_of_type(parameters, G_VARIANT_TYPE("(b)")))
        return;
    g_variant_get(parameters, "(b)", &begins);
    if (begins) {
        self->since_ms = now;
        return;
    }
    mesh_log_info("the computer woke up after %lld s",
                  (long long)(self->since_ms == 0 ? 0 : (now - self->since_ms) / 1000));
    self->since_ms = 0;
    meshd_networks_wake(self->networks);
}

/* GDBus takes the signal from the owner of logind's name alone. */
BusSleep *bus_sleep_start(GDBusConnection *connection, MeshdNetworks *networks)
{
    BusSleep *self = g_new0(BusSleep, 1);

    self->connection = g_object_ref(connection);
    self->networks = networks;
    self->signal =
        g_dbus_connection_signal_subscribe(connection, LOGIN_NAME, LOGIN_INTERFACE,
                                           "PrepareForSleep", LOGIN_PATH, NULL,
                                           G_DBUS_SIGNAL_FLAGS_NONE, on_prepare, self, NULL);
    return self;
}

void bus_sleep_stop(BusSleep *self)
{
    if (self == NULL)
        return;
    g_dbus_connection_signal_unsubscribe(self->connection, self->signal);
    g_object_unref(self->connection);
    g_free(self);
}
