#include "gui/call.h"

#include "common/glib/error.h"

#include <glib/gi18n.h>

enum { TIMEOUT_MS = 150000 }; /* a join, and an administrator who types a password */

static void on_reply(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GTask) task = user_data;
    GError   *error = NULL;
    GVariant *reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);

    if (reply != NULL) {
        g_task_return_pointer(task, reply, (GDestroyNotify)g_variant_unref);
        return;
    }
    if (g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
        g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER) ||
        g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY)) {
        g_clear_error(&error);
        g_set_error_literal(&error, MESH_ERROR, MESH_ERROR_NO_DAEMON,
                            _("The Mesh service stopped before it answered"));
    }
    g_dbus_error_strip_remote_error(error);
    g_task_return_error(task, error);
}

void gui_call_async(const GuiCallTarget *target, const GuiCall *call, GTask *task)
{
    (void)mesh_error_quark(); /* from here on D-Bus errors of ours become ours again */
    if (target->bus == NULL) {
        if (call->arguments != NULL)
            g_variant_unref(g_variant_ref_sink(call->arguments));
        g_task_return_new_error(task, MESH_ERROR, MESH_ERROR_NO_DAEMON, "%s",
                                _("The Mesh service is not running"));
        g_object_unref(task);
        return;
    }
    g_dbus_connection_call(target->bus, GUI_CALL_NAME, target->path, target->interface,
                           call->method, call->arguments, NULL,
                           G_DBUS_CALL_FLAGS_NO_AUTO_START |
                               (call->quiet ? 0
                                            : G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION),
                           TIMEOUT_MS, g_task_get_cancellable(task), on_reply, task);
}
