/* gui/tray/desktop.c: calls of the session bus. */
#include "gui/tray/desktop.h"

#include <glib/gi18n.h>

#define APP_ID   "org.meshvpn.Mesh"
#define APP_PATH "/org/meshvpn/Mesh"

bool tray_desktop_is_flatpak(void)
{
    return g_file_test("/.flatpak-info", G_FILE_TEST_EXISTS);
}

static void on_opened(GObject *source, GAsyncResult *result, gpointer user_data)
{
    GDBusConnection *session = G_DBUS_CONNECTION(source);
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = g_dbus_connection_call_finish(session, result, &error);

    (void)user_data;
    if (reply != NULL)
        return;
    g_dbus_error_strip_remote_error(error);
    g_printerr("mesh-tray: %s: %s\n", _("Mesh cannot be opened"), error->message);
    tray_desktop_notify(session, "window", _("Mesh cannot be opened"), error->message);
}

void tray_desktop_open_window(GDBusConnection *session)
{
    GVariant *platform_data = g_variant_new_array(G_VARIANT_TYPE("{sv}"), NULL, 0);

    g_dbus_connection_call(session, APP_ID, APP_PATH, "org.freedesktop.Application", "Activate",
                           g_variant_new_tuple(&platform_data, 1), NULL, G_DBUS_CALL_FLAGS_NONE, -1,
                           NULL, on_opened, NULL);
}

static void on_notified(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = NULL;

    (void)user_data;
    reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    if (reply == NULL)
        g_debug("no notification: %s", error->message); /* a desktop without them */
}

static void notify_by_portal(GDBusConnection *session, const char *id, const char *title,
                             const char *body)
{
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&dict, "{sv}", "title", g_variant_new_string(title));
    g_variant_builder_add(&dict, "{sv}", "body", g_variant_new_string(body));
    g_dbus_connection_call(session, "org.freedesktop.portal.Desktop",
                           "/org/freedesktop/portal/desktop", "org.freedesktop.portal.Notification",
                           "AddNotification", g_variant_new("(sa{sv})", id, &dict), NULL,
                           G_DBUS_CALL_FLAGS_NONE, -1, NULL, on_notified, NULL);
}

void tray_desktop_notify(GDBusConnection *session, const char *id, const char *title,
                         const char *body)
{
    g_autofree char *markup = NULL;
    GVariantBuilder  hints;

    if (tray_desktop_is_flatpak()) {
        notify_by_portal(session, id, title, body);
        return;
    }
    markup = g_markup_escape_text(body, -1); /* servers may show markup */
    g_variant_builder_init(&hints, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&hints, "{sv}", "desktop-entry", g_variant_new_string(APP_ID));
    g_dbus_connection_call(session, "org.freedesktop.Notifications",
                           "/org/freedesktop/Notifications", "org.freedesktop.Notifications",
                           "Notify",
                           g_variant_new("(susssasa{sv}i)", "Mesh", 0, APP_ID, title, markup, NULL,
                                         &hints, -1),
                           NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, on_notified, NULL);
}
