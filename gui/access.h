/* gui/access.h: what GTK 4.8 leaves to its users so that a screen reader tells what eyes see.
 * Thread: main loop only. */
#pragma once

#include <gtk/gtk.h>

/* Gives a button a label with a mnemonic. GTK alone would have the underline read, and the label
 * twice. */
void gui_access_label(GtkButton *button, const char *label);

/* Shows the page of @stack with this name, and hides the others: GTK alone would have them read. */
void gui_access_show_page(GtkStack *stack, const char *name);
