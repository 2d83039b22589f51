/* gui/tray/desktop.h: what the tray asks of the session: the window, and a notification.
 *
 * Main thread; nothing here waits for an answer. */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

/* Whether this program runs in a Flatpak. */
bool tray_desktop_is_flatpak(void);
/* Starts the window by its bus name, or brings it to the front. */
void tray_desktop_open_window(GDBusConnection *session);
/* @id: of one kind of notification, for the portal */
void tray_desktop_notify(GDBusConnection *session, const char *id, const char *title,
                         const char *body);
