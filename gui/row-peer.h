/* gui/row-peer.h: GuiRowPeer, a peer in the list: name, addresses, how it is reached (why not
 * directly: in the tooltip), latency, traffic. Thread: main loop only. Bound to one peer after
 * another as the list scrolls. */
#pragma once

#include "gui/peer.h"

#include <gtk/gtk.h>

#define GUI_TYPE_ROW_PEER (gui_row_peer_get_type())
G_DECLARE_FINAL_TYPE(GuiRowPeer, gui_row_peer, GUI, ROW_PEER, GtkBox)

GtkWidget *gui_row_peer_new(void);
void       gui_row_peer_set_peer(GuiRowPeer *self, GuiPeer *peer); /* NULL: none */
