/* gui/peer-ping.h: GuiPeerPing, echoes to a peer as a live chart: one a second, from when the user
 * starts it until he stops it or the page is not on the screen any more. Thread: main loop only. */
#pragma once

#include "gui/network.h"

#include <adwaita.h>

#define GUI_TYPE_PEER_PING (gui_peer_ping_get_type())
G_DECLARE_FINAL_TYPE(GuiPeerPing, gui_peer_ping, GUI, PEER_PING, AdwBin)

GtkWidget *gui_peer_ping_new(GuiNetwork *network, GuiPeer *peer); /* both kept */
