/* gui/call.h: one D-Bus call of the window to meshd. Thread: main loop only.
 *
 * Never blocks: there is no synchronous call in the window. polkit may ask the user for a password
 * meanwhile. Errors are those of the daemon, its own text for people, in MESH_ERROR where it named
 * one of ours (common/glib/error.h), else of GIO. */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

#define GUI_CALL_NAME    "org.meshvpn.Mesh1"
#define GUI_CALL_PATH    "/org/meshvpn/Mesh1"
#define GUI_CALL_DAEMON  "org.meshvpn.Mesh1.Daemon"
#define GUI_CALL_NETWORK "org.meshvpn.Mesh1.Network"

/* What to call, e.g. { "Ping", g_variant_new("(s@a{sv})", name, options) }: the method of the
 * object's interface, and its arguments as a tuple (floating references are taken; NULL: none).
 * @quiet: nobody asked for it, so no password may be asked for: better NOT_AUTHORIZED. */
typedef struct {
    const char *method;
    GVariant   *arguments;
    bool        quiet;
} GuiCall;

/* Where an object lives; borrowed strings. */
typedef struct {
    GDBusConnection *bus; /* NULL: not connected, every call fails with NO_DAEMON */
    const char      *path;
    const char      *interface;
} GuiCallTarget;

/** gui_call_async: calls a method of meshd.
 * @task: owned; returns the reply (a GVariant tuple, owned by who propagates it) or the error
 *
 * The task's cancellable ends the wait, not the work of the daemon. */
void gui_call_async(const GuiCallTarget *target, const GuiCall *call, GTask *task);
