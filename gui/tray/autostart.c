/* gui/tray/autostart.c: the autostart file, and the portal where the file would not be seen. */
#include "gui/tray/autostart.h"

#include "gui/tray/desktop.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <string.h>

#define FILE_NAME "org.meshvpn.Mesh.Tray.desktop"
#define PORTAL    "org.freedesktop.portal.Desktop"
#define TOKEN     "mesh_tray_autostart"

enum { PORTAL_TIMEOUT_S = 300 }; /* it may ask the user */

typedef struct {
    GMainLoop *loop;
    bool       has_answer;
    bool       is_granted;
    GError    *error;
} Request;

static char *make_path(void)
{
    return g_build_filename(g_get_user_config_dir(), "autostart", FILE_NAME, NULL);
}

bool tray_autostart_is_on(void)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autofree char *path = make_path();

    /* Settings of a desktop switch an entry off by hiding it. */
    return g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, NULL) &&
           !g_key_file_get_boolean(file, G_KEY_FILE_DESKTOP_GROUP, "Hidden", NULL);
}

static bool write_file(GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autofree char *path = make_path();
    g_autofree char *folder = g_path_get_dirname(path);
    const char      *group = G_KEY_FILE_DESKTOP_GROUP;

    if (g_mkdir_with_parents(folder, 0700) < 0) {
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "%s: %s", folder,
                    g_strerror(errno));
        return false;
    }
    g_key_file_set_string(file, group, "Type", "Application");
    g_key_file_set_string(file, group, "Name", _("Mesh Tray"));
    g_key_file_set_string(file, group, "Comment", _("Mesh networks in the tray"));
    g_key_file_set_string(file, group, "Exec", MESH_TRAY_PROGRAM);
    g_key_file_set_string(file, group, "TryExec", MESH_TRAY_PROGRAM); /* nothing when it is gone */
    g_key_file_set_string(file, group, "Icon", "org.meshvpn.Mesh");
    g_key_file_set_boolean(file, group, "NoDisplay", true);
    return g_key_file_save_to_file(file, path, error);
}

static bool remove_file(GError **error)
{
    g_autofree char *path = make_path();

    if (g_unlink(path) == 0 || errno == ENOENT)
        return true;
    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "%s: %s", path, g_strerror(errno));
    return false;
}

static void on_response(GDBusConnection *session, const char *sender, const char *path,
                        const char *interface, const char *signal, GVariant *arguments,
                        gpointer user_data)
{
    Request *request = user_data;
    g_autoptr(GVariant) results = NULL;
    gboolean is_on = FALSE;
    guint    response = 0;

    (void)session, (void)sender, (void)path, (void)interface, (void)signal;
    g_variant_get(arguments, "(u@a{sv})", &response, &results);
    (void)g_variant_lookup(results, "autostart", "b", &is_on);
    request->has_answer = true;
    request->is_granted = response == 0 && is_on;
    g_main_loop_quit(request->loop);
}

static void on_requested(GObject *source, GAsyncResult *result, gpointer user_data)
{
    Request *request = user_data;
    g_autoptr(GVariant) reply = NULL;

    reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &request->error);
    if (reply == NULL)
        g_main_loop_quit(request->loop);
}

static gboolean on_timeout(gpointer user_data)
{
    g_main_loop_quit(((Request *)user_data)->loop);
    return G_SOURCE_CONTINUE; /* removed by who made it */
}

static void call_portal(GDBusConnection *session, bool on, Request *request)
{
    static const char *const command[] = { "mesh-tray", NULL };
    GVariantBuilder          dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&dict, "{sv}", "handle_token", g_variant_new_string(TOKEN));
    g_variant_builder_add(&dict, "{sv}", "reason",
                          g_variant_new_string(_("Show the state of Mesh in the tray")));
    g_variant_builder_add(&dict, "{sv}", "autostart", g_variant_new_boolean(on));
    g_variant_builder_add(&dict, "{sv}", "commandline", g_variant_new_strv(command, -1));
    g_dbus_connection_call(session, PORTAL, "/org/freedesktop/portal/desktop",
                           "org.freedesktop.portal.Background", "RequestBackground",
                           g_variant_new("(sa{sv})", "", &dict), G_VARIANT_TYPE("(o)"),
                           G_DBUS_CALL_FLAGS_NONE, PORTAL_TIMEOUT_S * 1000, NULL, on_requested,
                           request);
}

/* The path that the portal's answer comes from: made of our own name, so it is watched before
 * asking. */
static char *make_handle(GDBusConnection *session)
{
    g_autofree char *sender = g_strdup(g_dbus_connection_get_unique_name(session) + 1);

    g_strdelimit(sender, ".", '_');
    return g_strdup_printf("/org/freedesktop/portal/desktop/request/%s/%s", sender, TOKEN);
}

static bool ask_portal(bool on, GError **error)
{
    g_autoptr(GDBusConnection) session = g_bus_get_sync(G_BUS_TYPE_SESSION, NULL, error);
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, false);
    g_autofree char *handle = NULL;
    Request          request = { .loop = loop };
    unsigned         signal, timer;

    if (session == NULL)
        return false;
    handle = make_handle(session);
    signal = g_dbus_connection_signal_subscribe(session, PORTAL, "org.freedesktop.portal.Request",
                                                "Response", handle, NULL, G_DBUS_SIGNAL_FLAGS_NONE,
                                                on_response, &request, NULL);
    timer = g_timeout_add_seconds(PORTAL_TIMEOUT_S, on_timeout, &request);
    call_portal(session, on, &request);
    g_main_loop_run(loop);
    g_source_remove(timer);
    g_dbus_connection_signal_unsubscribe(session, signal);
    if (request.error != NULL) {
        g_dbus_error_strip_remote_error(request.error);
        g_propagate_error(error, request.error);
        return false;
    }
    if (!on || request.is_granted)
        return true;
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
                        request.has_answer ? _("the desktop did not allow it")
                                           : _("the desktop did not answer"));
    return false;
}

bool tray_autostart_set(bool on, GError **error)
{
    if (tray_desktop_is_flatpak() && !ask_portal(on, error))
        return false;
    /* In a Flatpak the file lies in the app's own folder and just remembers the answer. */
    return on ? write_file(error) : remove_file(error);
}
