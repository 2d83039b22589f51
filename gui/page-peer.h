/* gui/page-peer.h: GuiPagePeer, all about one peer: addresses and keys to copy, how it is reached
 * and why not better, ping and traffic as they happen. Thread: main loop only.
 *
 * It shows what the daemon offers and no more, and asks for it only while the page is on the
 * screen. What the user may not see stands behind a button, so that no password is asked for
 * unasked. */
#pragma once

#include "gui/client.h"

#include <adwaita.h>

#define GUI_TYPE_PAGE_PEER (gui_page_peer_get_type())
G_DECLARE_FINAL_TYPE(GuiPagePeer, gui_page_peer, GUI, PAGE_PEER, AdwBin)

/* All three are kept while the page lives. */
GtkWidget *gui_page_peer_new(GuiClient *client, GuiNetwork *network, GuiPeer *peer);
