/* tests/daemon/bus/connection.h: one more caller on a private bus. */
#pragma once
#include <gio/gio.h>

static inline GDBusConnection *connection_make(GTestDBus *bus)
{
    GDBusConnectionFlags flags = G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                 G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION;
    g_autoptr(GError) error = NULL;
    GDBusConnection *connection =
        g_dbus_connection_new_for_address_sync(g_test_dbus_get_bus_address(bus), flags, NULL, NULL,
                                               &error);

    g_assert_no_error(error);
    return connection;
}
