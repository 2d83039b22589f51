/* gui/row-copy.h: a row with a text and a button that copies it. Thread: main loop only. */
#pragma once

#include <adwaita.h>

/** gui_row_copy_new: a row with a title, a text below it, and a button.
 * @copy_label: what the button does, for its tooltip and screen readers: "Copy IPv4 address"
 *
 * The text goes to the clipboard, and a toast of the window says so. */
GtkWidget *gui_row_copy_new(const char *title, const char *copy_label);
void       gui_row_copy_set_text(GtkWidget *row, const char *text);
