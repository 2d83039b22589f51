/* gui/fix.h: does what the button of a problem promises. Thread: main loop only.
 *
 * Everything is asked of the daemon and told in the window's toasts or in a dialog of its own. */
#pragma once

#include "gui/problem.h"

#include <gtk/gtk.h>

/** gui_fix_run: begins to mend @problem.
 * @from: a widget in the window, the button that was clicked; it is insensitive while work goes on
 * @network: whose problem it is; NULL for those of the client */
void gui_fix_run(GtkWidget *from, GuiNetwork *network, const GuiProblem *problem);

/* Asks, then leaves @network. */
void gui_fix_leave(GtkWidget *from, GuiNetwork *network);

/* Has the daemon mend what it can, and bring up what failed. */
void gui_fix_repair(GtkWidget *from, GuiNetwork *network);

/* Looks at what stands before this host, and tells it in a dialog. */
void gui_fix_check(GtkWidget *from, GuiNetwork *network);

/* Puts it into the clipboard and says so. */
void gui_fix_copy(GtkWidget *from, const char *text);
