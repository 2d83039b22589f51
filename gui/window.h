/* gui/window.h: GuiWindow, the main window. Thread: main loop only.
 *
 * Networks in a sidebar, the selected one's pages beside it; on a narrow screen one at a time.
 * Actions ("win.NAME"): search, back, and "show-peer" (s): opens the page of a peer of the selected
 * network by its name. */
#pragma once

#include "gui/application.h"

#define GUI_TYPE_WINDOW (gui_window_get_type())
G_DECLARE_FINAL_TYPE(GuiWindow, gui_window, GUI, WINDOW, AdwApplicationWindow)

GuiWindow *gui_window_new(GuiApplication *application);

GuiClient  *gui_window_get_client(GuiWindow *self);  /* borrowed */
GuiNetwork *gui_window_get_network(GuiWindow *self); /* the selected one; borrowed; NULL: none */

/* Selects it and shows its peers. */
void gui_window_select(GuiWindow *self, GuiNetwork *network);

/** gui_window_push: shows a page over the peers, under a header bar with a way back.
 * @page: takes the floating reference; destroyed when the user goes back, or when the network that
 *        was selected is gone or another one is selected
 * @title: e.g. the peer's name; "" for none */
void gui_window_push(GuiWindow *self, GtkWidget *page, const char *title);
void gui_window_back(GuiWindow *self);

/* A line at the foot of the window for some seconds, e.g. an error in the daemon's own words. */
void gui_window_toast(GuiWindow *self, const char *text);

/* As gui_window_toast(), but nothing for NULL, and nothing if a person cancelled it. */
void gui_window_toast_error(GuiWindow *self, const GError *error);
