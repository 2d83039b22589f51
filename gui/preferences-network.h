/* gui/preferences-network.h: GuiPreferencesNetwork, what may be set for one network.
 * Thread: main loop only.
 *
 * Rows show what the daemon says, also when somebody else changes it: a switch moves when the
 * daemon has done it. Rows that the daemon does not offer are not there. */
#pragma once

#include "gui/client.h"

#include <adwaita.h>

#define GUI_TYPE_PREFERENCES_NETWORK (gui_preferences_network_get_type())
G_DECLARE_FINAL_TYPE(GuiPreferencesNetwork, gui_preferences_network, GUI, PREFERENCES_NETWORK,
                     AdwPreferencesGroup)

/* Both are kept. Its root is an AdwPreferencesWindow, which shows what failed. */
GtkWidget *gui_preferences_network_new(GuiClient *client, GuiNetwork *network);
