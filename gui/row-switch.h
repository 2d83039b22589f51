/* gui/row-switch.h: a row of preferences with a switch. Thread: main loop only. */
#pragma once

#include <adwaita.h>
#include <stdbool.h>

/* @subtitle: may be "". The row's switch is named as the row. */
GtkWidget *gui_row_switch_new(const char *title, const char *subtitle);
GtkSwitch *gui_row_switch_get_switch(GtkWidget *row);

/** gui_row_switch_show: shows a value without asking for it.
 * @handler: of the owner's "notify::active" or "state-set", which is not called for it */
void gui_row_switch_show(GtkWidget *row, bool active, gulong handler);
