/* gui/tray/peerlist.h: keeps a table of peers as meshd has it: lists once, then follows the signal.
 *
 * Main thread; asynchronous; asks again only after a gap in the serials. */
#pragma once

#include "gui/tray/peers.h"
#include "mesh-dbus.h"

typedef struct TrayPeerList TrayPeerList;

/* @changed: the table is another; @proxy: is kept */
TrayPeerList *tray_peerlist_new(MeshDBusNetwork *proxy, void (*changed)(gpointer user_data),
                                gpointer         user_data);
void          tray_peerlist_free(TrayPeerList *self);  /* NULL is fine */
TrayPeers    *tray_peerlist_peers(TrayPeerList *self); /* borrowed */
