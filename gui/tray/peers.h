/* gui/tray/peers.h: the peers of one network, as few as a menu has rows of them. Main thread; no
 * I/O. */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct TrayPeers TrayPeers;

/* Borrowed from the table, until it changes. */
typedef struct {
    const char *name;
    const char *address; /* IPv4 if it has one */
    bool        is_online;
} TrayPeer;

TrayPeers *tray_peers_new(void);
void       tray_peers_free(TrayPeers *self); /* NULL is fine */
void       tray_peers_clear(TrayPeers *self);
/* @peer: a{sv} as ListPeers and PeersChanged have it; what is not understood, or too much, is left
 * out. */
void     tray_peers_put(TrayPeers *self, GVariant *peer);
void     tray_peers_remove(TrayPeers *self, const char *node);
unsigned tray_peers_count(TrayPeers *self);

/** tray_peers_pick: those to show: copied of late (the last first), online, by name.
 * @copied: addresses, the last copied first; NULL-terminated
 * @out: room for @limit
 * Cost: one pass over the table, at most @limit comparisons a peer.
 * Returns: how many. */
unsigned tray_peers_pick(TrayPeers *self, const char *const *copied, TrayPeer *out, unsigned limit);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(TrayPeers, tray_peers_free)
