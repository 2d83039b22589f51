/* gui/tray/desktop.c: calls of the session bus. */
#include "gui/tray/desktop.h"

#include <glib/gi18n.h>
#include <string.h>

#define APP_ID      "org.meshvpn.Mesh"
#define APP_PATH    "/org/meshvpn/Mesh"
#define SERVER      "org.freedesktop.Notifications"
#define SERVER_PATH "/org/freedesktop/Notifications"
#define PORTAL      "org.freedesktop.portal.Desktop"
#define PORTAL_PATH "/org/freedesktop/portal/desktop"
#define PORTAL_TYPE "org.freedesktop.portal.Notification"

struct TrayDesktop {
    GDBusConnection *session; /* owned; NULL: none */
    GCancellable    *cancel;
    GHashTable      *shown;     /* owned id → the server's number; bounded by who closes them */
    char            *token;     /* owned; lets the window come to the front; NULL: none */
    unsigned         token_for; /* the server's number */
    unsigned         subscription; /* 0: nothing was shown yet */
};

/* A notification on its way. */
typedef struct {
    TrayDesktop *desktop;
    char        *id; /* owned */
} Sent;

bool tray_desktop_is_flatpak(void)
{
    return g_file_test("/.flatpak-info", G_FILE_TEST_EXISTS);
}

/* ---- the window ---- */

static void on_opened(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = NULL;

    reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    if (reply != NULL || g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return;
    g_dbus_error_strip_remote_error(error);
    g_printerr("mesh-tray: %s: %s\n", _("Mesh cannot be opened"), error->message);
    tray_desktop_notify(user_data, "window", _("Mesh cannot be opened"), error->message);
}

/* @token: NULL: none */
static void open_window(TrayDesktop *self, const char *token)
{
    GVariantBuilder platform_data;

    if (self->session == NULL)
        return;
    g_variant_builder_init(&platform_data, G_VARIANT_TYPE_VARDICT);
    if (token != NULL) {
        g_variant_builder_add(&platform_data, "{sv}", "activation-token",
                              g_variant_new_string(token));
        g_variant_builder_add(&platform_data, "{sv}", "desktop-startup-id",
                              g_variant_new_string(token));
    }
    g_dbus_connection_call(self->session, APP_ID, APP_PATH, "org.freedesktop.Application",
                           "Activate", g_variant_new("(a{sv})", &platform_data), NULL,
                           G_DBUS_CALL_FLAGS_NONE, -1, self->cancel, on_opened, self);
}

void tray_desktop_open_window(TrayDesktop *self)
{
    open_window(self, NULL);
}

/* ---- notifications by the portal: it has our ids, and opens the window itself ---- */

static void on_done(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = NULL;

    (void)user_data;
    reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    if (reply == NULL)
        g_debug("no notification: %s", error->message); /* a desktop without them */
}

static void call_portal(TrayDesktop *self, const char *method, GVariant *arguments)
{
    g_dbus_connection_call(self->session, PORTAL, PORTAL_PATH, PORTAL_TYPE, method, arguments, NULL,
                           G_DBUS_CALL_FLAGS_NONE, -1, NULL, on_done, NULL);
}

static void notify_by_portal(TrayDesktop *self, const char *id, const char *title, const char *body)
{
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&dict, "{sv}", "title", g_variant_new_string(title));
    g_variant_builder_add(&dict, "{sv}", "body", g_variant_new_string(body));
    g_variant_builder_add(&dict, "{sv}", "default-action", g_variant_new_string("app.show"));
    call_portal(self, "AddNotification", g_variant_new("(sa{sv})", id, &dict));
}

/* ---- notifications by the desktop's server ---- */

/* The id of what the server shows with this number; NULL: it is not ours. */
static const char *find_shown(TrayDesktop *self, unsigned number)
{
    GHashTableIter iter;
    gpointer       id, value;

    g_hash_table_iter_init(&iter, self->shown);
    while (g_hash_table_iter_next(&iter, &id, &value)) {
        if (GPOINTER_TO_UINT(value) == number)
            return id;
    }
    return NULL;
}

/* NotificationClosed (uu), ActivationToken (us), then ActionInvoked (us): of anybody's. */
static void on_signal(GDBusConnection *session, const char *sender, const char *path,
                      const char *interface, const char *name, GVariant *arguments,
                      gpointer user_data)
{
    TrayDesktop *self = user_data;
    unsigned     number;
    const char  *id;

    (void)session, (void)sender, (void)path, (void)interface;
    if (!g_variant_is_of_type(arguments, G_VARIANT_TYPE("(us)")) &&
        !g_variant_is_of_type(arguments, G_VARIANT_TYPE("(uu)")))
        return;
    g_variant_get_child(arguments, 0, "u", &number);
    id = find_shown(self, number);
    if (id == NULL)
        return;
    if (strcmp(name, "NotificationClosed") == 0) {
        g_hash_table_remove(self->shown, id);
    } else if (strcmp(name, "ActivationToken") == 0) {
        g_free(self->token);
        g_variant_get_child(arguments, 1, "s", &self->token);
        self->token_for = number;
    } else if (strcmp(name, "ActionInvoked") == 0) {
        open_window(self, self->token_for == number ? self->token : NULL);
        g_clear_pointer(&self->token, g_free);
    }
}

static void on_shown(GObject *source, GAsyncResult *result, gpointer user_data)
{
    Sent *sent = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = NULL;
    unsigned number;

    reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    if (reply != NULL) {
        g_variant_get(reply, "(u)", &number);
        g_hash_table_replace(sent->desktop->shown, g_strdup(sent->id), GUINT_TO_POINTER(number));
    } else if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
        g_debug("no notification: %s", error->message); /* a desktop without them */
    }
    g_free(sent->id);
    g_free(sent);
}

static void notify_by_server(TrayDesktop *self, const char *id, const char *title, const char *body)
{
    static const char *const actions[] = { "default", "", NULL };
    g_autofree char         *markup = g_markup_escape_text(body, -1); /* servers may show markup */
    unsigned                 before = GPOINTER_TO_UINT(g_hash_table_lookup(self->shown, id));
    Sent                    *sent = g_new0(Sent, 1);
    GVariantBuilder          hints;

    sent->desktop = self;
    sent->id = g_strdup(id);
    if (self->subscription == 0)
        self->subscription =
            g_dbus_connection_signal_subscribe(self->session, SERVER, SERVER, NULL, SERVER_PATH,
                                               NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_signal, self,
                                               NULL);
    g_variant_builder_init(&hints, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&hints, "{sv}", "desktop-entry", g_variant_new_string(APP_ID));
    g_dbus_connection_call(self->session, SERVER, SERVER_PATH, SERVER, "Notify",
                           g_variant_new("(susss^asa{sv}i)", "Mesh", before, APP_ID, title, markup,
                                         actions, &hints, -1),
                           G_VARIANT_TYPE("(u)"), G_DBUS_CALL_FLAGS_NONE, -1, self->cancel,
                           on_shown, sent);
}

void tray_desktop_notify(TrayDesktop *self, const char *id, const char *title, const char *body)
{
    if (self->session == NULL)
        return;
    if (tray_desktop_is_flatpak())
        notify_by_portal(self, id, title, body);
    else
        notify_by_server(self, id, title, body);
}

void tray_desktop_withdraw(TrayDesktop *self, const char *id)
{
    unsigned number = GPOINTER_TO_UINT(g_hash_table_lookup(self->shown, id));

    if (self->session == NULL)
        return;
    if (tray_desktop_is_flatpak())
        call_portal(self, "RemoveNotification", g_variant_new("(s)", id));
    else if (g_hash_table_remove(self->shown, id))
        g_dbus_connection_call(self->session, SERVER, SERVER_PATH, SERVER, "CloseNotification",
                               g_variant_new("(u)", number), NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL,
                               on_done, NULL);
}

TrayDesktop *tray_desktop_new(GDBusConnection *session)
{
    TrayDesktop *self = g_new0(TrayDesktop, 1);

    self->session = session != NULL ? g_object_ref(session) : NULL;
    self->cancel = g_cancellable_new();
    self->shown = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return self;
}

void tray_desktop_free(TrayDesktop *self)
{
    if (self == NULL)
        return;
    g_cancellable_cancel(self->cancel);
    g_object_unref(self->cancel);
    if (self->subscription != 0)
        g_dbus_connection_signal_unsubscribe(self->session, self->subscription);
    g_clear_object(&self->session);
    g_hash_table_unref(self->shown);
    g_free(self->token);
    g_free(self);
}
