/* gui/peer.h: GuiPeer, one other node of a network, as the daemon told of it. Thread: main loop
 * only.
 *
 * Properties, all read-only, with notify; the names are those of ListPeers in
 * data/dbus/org.meshvpn.Mesh1.Network.xml:
 *   "name" "node" (public key) "path" "relay" "reason" "reason-code" "owner": strings, never NULL
 *   "addresses" "tags": GStrv      "address": the first of the addresses, or ""
 *   "online": bool                 "last-seen" "last-handshake": int64, unix s, 0 not known
 *   "rtt-us" "rx-bytes" "tx-bytes": uint64; they move only while somebody watches (gui/network.h)
 *   "gone": true for ever once the network has no such peer any more; the object stays as it was
 * Signal "changed": once for each update, after all of its notifies: for those who show many. */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

#define GUI_TYPE_PEER (gui_peer_get_type())
G_DECLARE_FINAL_TYPE(GuiPeer, gui_peer, GUI, PEER, GObject)

/* What moves while a peer is watched; units as in the properties. */
typedef struct {
    guint64 rx_bytes, tx_bytes, rtt_us;
    gint64  last_handshake;
} GuiPeerStatistics;

GuiPeer *gui_peer_new(const char *node);

/** gui_peer_update: takes over what a dict of ListPeers or PeersChanged says; keys that are not in
 * it, or are of another type, leave what is known.
 * Returns: true if its place in a list may be another now: name, addresses or online changed. */
bool gui_peer_update(GuiPeer *self, GVariant *dict);

void gui_peer_update_statistics(GuiPeer *self, const GuiPeerStatistics *now);
void gui_peer_set_gone(GuiPeer *self);

/* Borrowed, valid until the next update. @property: a string property by its name. */
const char              *gui_peer_get_text(GuiPeer *self, const char *property);
const char *const       *gui_peer_get_addresses(GuiPeer *self);
bool                     gui_peer_is_online(GuiPeer *self);
const GuiPeerStatistics *gui_peer_get_statistics(GuiPeer *self);

/* Online first, then by name as the user's language sorts. For qsort-like functions. */
int gui_peer_compare(GuiPeer *a, GuiPeer *b);

/* Whether name, owner or an address holds @folded, which is g_utf8_casefold()ed. "" fits all. */
bool gui_peer_matches(GuiPeer *self, const char *folded);
