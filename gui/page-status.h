/* gui/page-status.h: GuiPageStatus, which says in words what is wrong where there is nothing else
 * to see, and offers what mends it as a button. Thread: main loop only. */
#pragma once

#include "gui/problem.h"

#include <adwaita.h>

#define GUI_TYPE_PAGE_STATUS (gui_page_status_get_type())
G_DECLARE_FINAL_TYPE(GuiPageStatus, gui_page_status, GUI, PAGE_STATUS, AdwBin)

/** gui_page_status_show: shows @problem until the next call.
 * @network: whose it is; NULL: of the client
 * @detail: in the daemon's words; "" for none */
void gui_page_status_show(GuiPageStatus *self, GuiNetwork *network, const GuiProblem *problem,
                          const char *detail);
