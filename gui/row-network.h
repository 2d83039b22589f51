/* gui/row-network.h: GuiRowNetwork, a network in the sidebar: name, state and a switch. Thread:
 * main loop only. The switch shows what the daemon says: a click only asks it. */
#pragma once

#include "gui/network.h"

#include <adwaita.h>

#define GUI_TYPE_ROW_NETWORK (gui_row_network_get_type())
G_DECLARE_FINAL_TYPE(GuiRowNetwork, gui_row_network, GUI, ROW_NETWORK, GtkListBoxRow)

GtkWidget  *gui_row_network_new(GuiNetwork *network);
GuiNetwork *gui_row_network_get_network(GuiRowNetwork *self); /* borrowed */
