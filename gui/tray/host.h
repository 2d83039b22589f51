/* gui/tray/host.h: waits for a panel that shows tray icons (a StatusNotifierWatcher that has a
 * host).
 *
 * Main thread; on the session bus alone, without GTK: where no panel ever comes, little memory is
 * spent. */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

typedef struct TrayHost TrayHost;

typedef struct {
    void (*found)(gpointer user_data);   /* once */
    void (*missing)(gpointer user_data); /* once, when none came in time; it goes on waiting */
} TrayHostEvents;

/* @patience_s: how long after the start of the session none is nothing to speak of; @events: static
 */
TrayHost *tray_host_new(GDBusConnection *session, unsigned patience_s, const TrayHostEvents *events,
                        gpointer user_data);
void      tray_host_free(TrayHost *self); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TrayHost, tray_host_free)
