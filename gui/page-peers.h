/* gui/page-peers.h: GuiPagePeers, the peers of one network: a list that is searched by typing.
 * Thread: main loop only.
 *
 * Property "searching" (bool, read and write): the search entry is open. While the page can be seen
 * it holds the network's peers and watches their traffic.
 * A click on a peer activates win.show-peer with its name. */
#pragma once

#include "gui/network.h"

#include <adwaita.h>

#define GUI_TYPE_PAGE_PEERS (gui_page_peers_get_type())
G_DECLARE_FINAL_TYPE(GuiPagePeers, gui_page_peers, GUI, PAGE_PEERS, AdwBin)

void gui_page_peers_set_network(GuiPagePeers *self, GuiNetwork *network); /* NULL: none */

/* Where letters are typed that nobody else takes: they begin a search. */
void gui_page_peers_set_key_source(GuiPagePeers *self, GtkWidget *widget);
