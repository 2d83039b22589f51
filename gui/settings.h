/* gui/settings.h: what a user has set for the window itself, kept in ~/.config/mesh/desktop.ini.
 * Thread: main loop only.
 *
 * A key file and not GSettings: a program whose compiled schema is missing is ended by GLib, and a
 * schema is compiled by a package's trigger, which the staged install and the tarball do not have.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

typedef enum {
    GUI_SETTING_NOTIFY_CONNECTED,
    GUI_SETTING_NOTIFY_LOST,
    GUI_SETTING_NOTIFY_APPROVAL,
    GUI_SETTING_NOTIFY_FILES,
    GUI_SETTINGS, /* how many there are */
} GuiSetting;

/* Reads the file each time, so that who writes it by hand need not restart anything. Default: true.
 */
bool gui_settings_get(GuiSetting setting);

/* Writes it whole; leaves alone what others keep in the file. */
bool gui_settings_set(GuiSetting setting, bool value, GError **error);

/* A window's size when it is not maximized, in logical pixels; 0: not known. */
typedef struct {
    int  width, height;
    bool maximized;
} GuiSettingsSize;

/* As the last window was; what is missing, or no size of a window, is 0. */
GuiSettingsSize gui_settings_get_size(void);
bool            gui_settings_set_size(const GuiSettingsSize *size, GError **error);
