/* gui/about.h: the window that says what this is, with details for a report of a problem. */
#pragma once

#include "gui/client.h"

#include <adwaita.h>

/* Shows it. @parent: what it stands before. */
void gui_about_show(GtkWindow *parent, GuiClient *client);

/* Owned. Versions and states for a report; no name, address or key is in it. */
char *gui_about_dup_details(GuiClient *client);
