/* gui/preferences-proxy.h: GuiPreferencesProxy, by which proxy the daemon reaches its servers.
 * Thread: main loop only. A proxy's password is given here and never shown again. */
#pragma once

#include "gui/client.h"

#include <adwaita.h>

#define GUI_TYPE_PREFERENCES_PROXY (gui_preferences_proxy_get_type())
G_DECLARE_FINAL_TYPE(GuiPreferencesProxy, gui_preferences_proxy, GUI, PREFERENCES_PROXY,
                     AdwPreferencesGroup)

/* Kept. Its root is an AdwPreferencesWindow, which shows what failed. */
GtkWidget *gui_preferences_proxy_new(GuiClient *client);
