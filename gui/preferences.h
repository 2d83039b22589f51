/* gui/preferences.h: GuiPreferences, the window of preferences: notifications, start at login, the
 * proxy, and each network's own. Thread: main loop only. What the daemon does not offer is not
 * there. */
#pragma once

#include "gui/client.h"

#include <adwaita.h>

#define GUI_TYPE_PREFERENCES (gui_preferences_get_type())
G_DECLARE_FINAL_TYPE(GuiPreferences, gui_preferences, GUI, PREFERENCES, AdwPreferencesWindow)

GuiPreferences *gui_preferences_new(GtkWindow *parent, GuiClient *client); /* keeps the client */
