/* gui/autostart.h: whether the tray starts at login, by the tray's own words: mesh-tray
 * --autostart. Thread: main loop only. */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

/** gui_autostart_run_async: asks mesh-tray, beside this program or in PATH.
 * @wish: "status", "on" or "off"
 *
 * _finish: *out_on is what it is now. Errors: G_IO_ERROR_NOT_FOUND, there is no mesh-tray; its own
 * words. */
void gui_autostart_run_async(const char *wish, GAsyncReadyCallback done, gpointer user_data);
bool gui_autostart_finish(GAsyncResult *result, bool *out_on, GError **error);
