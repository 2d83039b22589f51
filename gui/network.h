/* gui/network.h: GuiNetwork, one joined network of the daemon. Thread: main loop only.
 *
 * Every property of org.meshvpn.Mesh1.Network is a read-only GObject property with notify: "State"
 * is "state", "ServerState" "server-state", "DnsState" "dns-state" and so on; strings are "" and
 * lists empty where the daemon does not tell. Beside them:
 *   "up" (bool): the user wants it up (what a switch shows): every state but down, removed, expired
 *   "busy" (bool): an Up or Down is under way
 *   "peers" (GuiPeers)
 * Signal "statistics" (uint64 time_us, uint64 rx_bytes, uint64 tx_bytes): a tick of what is
 * watched; the peers in it have been updated before. time_us: monotonic within one daemon.
 *
 * Objects live as long as the daemon has the network. They outlive the daemon's restart: while it
 * is away calls fail, and what was known stays. */
#pragma once

#include "gui/call.h"
#include "gui/peers.h"

#define GUI_TYPE_NETWORK (gui_network_get_type())
G_DECLARE_FINAL_TYPE(GuiNetwork, gui_network, GUI, NETWORK, GObject)

/* For GuiClient. @path: of the object. */
GuiNetwork *gui_network_new(const char *path);

/* For GuiClient: the daemon came (@owner: its unique name), or went (both NULL). */
void gui_network_attach(GuiNetwork *self, GDBusConnection *bus, const char *owner);

/* For GuiClient: takes over changed properties, a{sv}. */
void gui_network_update(GuiNetwork *self, GVariant *properties);

const char *gui_network_get_path(GuiNetwork *self);
GuiPeers   *gui_network_get_peers(GuiNetwork *self); /* borrowed */

/* A string property by its name, e.g. "server-state". Borrowed, valid until it changes. */
const char *gui_network_get_text(GuiNetwork *self, const char *property);

/** gui_network_call_async: calls any method of the network, e.g. Ping, Why, PathHistory, Leave,
 * Set.
 * @call: see gui/call.h; copied, its arguments are taken over
 *
 * _finish returns the reply (owned) or NULL with the daemon's own text in the error. */
void      gui_network_call_async(GuiNetwork *self, const GuiCall *call, GCancellable *cancel,
                                 GAsyncReadyCallback done, gpointer user_data);
GVariant *gui_network_call_finish(GuiNetwork *self, GAsyncResult *result, GError **error);

/* Brings it up or down; "busy" is true until it is done. While one such call is under way the last
 * wish waits for its end and is carried out then; G_IO_ERROR_CANCELLED: another took its place
 * before. Ends with gui_network_call_finish(). */
void gui_network_set_up_async(GuiNetwork *self, bool up, GCancellable *cancel,
                              GAsyncReadyCallback done, gpointer user_data);

/** gui_network_watch: from now on traffic and latency move, until gui_network_unwatch().
 * @peer: name of one peer, or "" for all; several may watch at once
 * @interval_ms: how often; the shortest wish of all watchers counts
 *
 * Returns: a number for gui_network_unwatch(), never 0. It outlives the daemon's restart. Nothing
 * happens where the daemon does not offer it. */
unsigned gui_network_watch(GuiNetwork *self, const char *peer, unsigned interval_ms);
void     gui_network_unwatch(GuiNetwork *self, unsigned watch); /* 0 is fine */
