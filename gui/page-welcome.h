/* gui/page-welcome.h: GuiPageWelcome, the first run: from nothing to connected in three steps. Seen
 * while no network is joined. Thread: main loop only. */
#pragma once

#include "gui/client.h"

#include <adwaita.h>

#define GUI_TYPE_PAGE_WELCOME (gui_page_welcome_get_type())
G_DECLARE_FINAL_TYPE(GuiPageWelcome, gui_page_welcome, GUI, PAGE_WELCOME, AdwBin)

/* Whether the daemon's state is one that the page has a step for. */
bool gui_page_welcome_knows(GuiClientState state);

/* Shows how far @client is. */
void gui_page_welcome_show(GuiPageWelcome *self, GuiClient *client);
