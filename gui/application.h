/* gui/application.h: GuiApplication, the window's program as the session knows it:
 * org.meshvpn.Mesh.
 *
 * One instance in a session; activating it again, by the tray, by a link or from the menu of
 * programs, shows the same window. Actions ("app.NAME"): quit, and those of the parts. */
#pragma once

#include "gui/client.h"

#include <adwaita.h>

#define GUI_APPLICATION_ID "org.meshvpn.Mesh"

#define GUI_TYPE_APPLICATION (gui_application_get_type())
G_DECLARE_FINAL_TYPE(GuiApplication, gui_application, GUI, APPLICATION, AdwApplication)

GuiApplication *gui_application_new(void);

/* The one client of the program; borrowed. Made at startup, NULL before. */
GuiClient *gui_application_get_client(GuiApplication *self);

/* Whether it ended in order to be started anew, e.g. since the daemon is newer. */
bool gui_application_wants_restart(GuiApplication *self);
