/* gui/page-status.h: GuiPageStatus, which says in words why there is nothing to see, and offers
 * what mends it: the daemon is missing, does not run, does not answer; no network is joined yet.
 * Thread: main loop only. */
#pragma once

#include "gui/client.h"

#include <adwaita.h>

#define GUI_TYPE_PAGE_STATUS (gui_page_status_get_type())
G_DECLARE_FINAL_TYPE(GuiPageStatus, gui_page_status, GUI, PAGE_STATUS, AdwBin)

/* Follows @client from now on; once. */
void gui_page_status_set_client(GuiPageStatus *self, GuiClient *client);

/* Whether the page has something to say, so that it should be seen instead of the networks. */
bool gui_page_status_is_needed(GuiClient *client);
