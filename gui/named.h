/* gui/named.h: names for screen readers where libadwaita 1.2 gives none. Thread: main loop only. */
#pragma once

#include <adwaita.h>

/* An entry row's text is called as the row's title, and its buttons by their tooltips. */
void gui_named_entry(AdwEntryRow *row);

/* The first search entry below a widget gets this name. */
void gui_named_search(GtkWidget *widget, const char *name);

/* A message dialog's buttons, once all are there, are called as they read: without the line under a
 * letter. */
void gui_named_dialog(GtkWidget *dialog);

/* Makes a toast of a plain text, which is shown at once; @overlay: an AdwToastOverlay or an
 * AdwPreferencesWindow. The button that closes it gets a name. */
void gui_named_toast(GtkWidget *overlay, const char *text);
