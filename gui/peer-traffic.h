/* gui/peer-traffic.h: GuiPeerTraffic, what goes to and comes from a peer as a live chart, while it
 * is on the screen. Thread: main loop only. */
#pragma once

#include "gui/network.h"

#include <adwaita.h>

#define GUI_TYPE_PEER_TRAFFIC (gui_peer_traffic_get_type())
G_DECLARE_FINAL_TYPE(GuiPeerTraffic, gui_peer_traffic, GUI, PEER_TRAFFIC, AdwBin)

GtkWidget *gui_peer_traffic_new(GuiNetwork *network, GuiPeer *peer); /* both kept */
