/* daemon/bus/peers.h: peers as D-Bus values, and what of them changed since it was told. Inside
 * daemon/bus only. */
#pragma once

#include "daemon/view.h"

#include <gio/gio.h>
#include <stdbool.h>

typedef enum {
    BUS_PEERS_SIGNAL,  /* without counters */
    BUS_PEERS_LIST,    /* with counters */
    BUS_PEERS_INSPECT, /* with endpoints too */
} BusPeersDetail;

/** bus_peers_make_page: peers after the name @after, at most @limit (0 or over 1000: 1000).
 * Returns: aa{sv}, floating. */
GVariant *bus_peers_make_page(GPtrArray *peers, const char *after, unsigned limit,
                              BusPeersDetail detail);

typedef struct BusPeers BusPeers; /* what was told by signals */

BusPeers *bus_peers_new(void);
void      bus_peers_free(BusPeers *self); /* NULL is fine */

/* One signal: @changed aa{sv} (floating), @removed node keys. */
typedef void (*BusPeersEmit)(GVariant *changed, const char *const *removed, void *user_data);

/** bus_peers_compare: calls @emit for what differs from the last call, at most 256 peers each.
 * Returns: false: that is so much that who cares had better list them again; nothing was told. */
bool bus_peers_compare(BusPeers *self, GPtrArray *peers, BusPeersEmit emit, void *user_data);

/** bus_peers_compare_some: the same where all others are as they were told: @peers may differ (one
 * may be there twice), and those of @gone (MeshKey *, of nodes) are no more. */
bool bus_peers_compare_some(BusPeers *self, GPtrArray *peers, GPtrArray *gone, BusPeersEmit emit,
                            void *user_data);
