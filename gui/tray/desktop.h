/* gui/tray/desktop.h: TrayDesktop, what the tray asks of the session: the window, and
 * notifications.
 *
 * Main thread; nothing here waits for an answer. */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

typedef struct TrayDesktop TrayDesktop;

/* @session: kept; NULL: there is no session bus, and nothing happens. */
TrayDesktop *tray_desktop_new(GDBusConnection *session);
void         tray_desktop_free(TrayDesktop *self); /* NULL is fine */
/* Starts the window by its bus name, or brings it to the front. */
void tray_desktop_open_window(TrayDesktop *self);
/* A click on it opens the window. @id: it takes the place of what is shown with this one. */
void tray_desktop_notify(TrayDesktop *self, const char *id, const char *title, const char *body);
void tray_desktop_withdraw(TrayDesktop *self, const char *id); /* none with this one: fine */

/* Whether this program runs in a Flatpak. */
bool tray_desktop_is_flatpak(void);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(TrayDesktop, tray_desktop_free)
