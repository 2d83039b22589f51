/* gui/tray/autostart.h: whether the tray starts at login: a file in ~/.config/autostart, or, in a
 * Flatpak, what the Background portal is asked.
 *
 * For a run of its own (`mesh-tray --autostart=on`), which waits for the portal's answer. */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

bool tray_autostart_is_on(void);
/* Returns: false with @error: the file cannot be written, or the portal refused. */
bool tray_autostart_set(bool on, GError **error);
