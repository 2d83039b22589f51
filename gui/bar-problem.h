/* gui/bar-problem.h: GuiBarProblem, a bar over what still works that says what does not, with what
 * mends it as a button. Thread: main loop only. */
#pragma once

#include "gui/problem.h"

#include <adwaita.h>

#define GUI_TYPE_BAR_PROBLEM (gui_bar_problem_get_type())
G_DECLARE_FINAL_TYPE(GuiBarProblem, gui_bar_problem, GUI, BAR_PROBLEM, AdwBin)

/* As gui_page_status_show(); @problem NULL: the bar goes away. */
void gui_bar_problem_show(GuiBarProblem *self, GuiNetwork *network, const GuiProblem *problem,
                          const char *detail);
