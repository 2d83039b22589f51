/* gui/peers.h: GuiPeers, all peers of one network: a GListModel of GuiPeer. Thread: main loop only.
 *
 * In no order: sort and filter on top of it. It is empty until it is first held; while somebody
 * holds it, it lists the peers in pages and then follows PeersChanged; a gap in the serials makes
 * it list again. Work comes in slices of a few milliseconds, so that frames are drawn in between.
 * Property "loading" (bool): a listing is under way. "failure" (string): why the last one ended
 * early, "" if it did not.
 * Signal "resorted": a peer's place in the order, or whether a filter takes it, may have changed:
 * once for each slice. */
#pragma once

#include "gui/call.h"
#include "gui/peer.h"

#define GUI_TYPE_PEERS (gui_peers_get_type())
G_DECLARE_FINAL_TYPE(GuiPeers, gui_peers, GUI, PEERS, GObject)

/* For GuiNetwork. @path: of the network's object. */
GuiPeers *gui_peers_new(const char *path);

/* From the first hold to the last release it follows the daemon. What it knows stays. */
void gui_peers_hold(GuiPeers *self);
void gui_peers_release(GuiPeers *self);

/* For GuiNetwork: the daemon came, with new serials (@owner: its unique name), or went (NULL). */
void gui_peers_restart(GuiPeers *self, GDBusConnection *bus, const char *owner);

/* Borrowed; NULL: none. By name, which is what ways of people say; or by node key. */
GuiPeer *gui_peers_find(GuiPeers *self, const char *name);
GuiPeer *gui_peers_find_node(GuiPeers *self, const char *node);
