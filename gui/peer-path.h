/* gui/peer-path.h: GuiPeerPath, how a peer is reached now, why not better and what would help, and
 * how it was reached before. Thread: main loop only.
 *
 * It asks the daemon when it comes on the screen and when the path changes. No password is asked
 * for unasked: where details need one, a button says so. */
#pragma once

#include "gui/client.h"

#include <adwaita.h>

#define GUI_TYPE_PEER_PATH (gui_peer_path_get_type())
G_DECLARE_FINAL_TYPE(GuiPeerPath, gui_peer_path, GUI, PEER_PATH, AdwBin)

/* All three are kept. Signal "details" (variant a{sv}): what InspectPeers says of the peer. */
GtkWidget *gui_peer_path_new(GuiClient *client, GuiNetwork *network, GuiPeer *peer);

/* Owned. The greatest text below @name that no name of a peer can be equal to: after it
 * InspectPeers goes on with @name. */
char *gui_peer_path_dup_before(const char *name);
