/* server/core/netmap.h: what a node may see, as lines of the map stream (docs/PROTOCOL.md §5).
 *
 * Every active member sees every other one. What is the same for all is encoded once and shared:
 * runs of peers in snapshots, deltas, endpoints, presence. Control thread only. */
#pragma once

#include "server/core/model.h"

/* An empty list of CoreLine that owns its bytes. */
GArray *core_netmap_new_lines(void);

/* Appends; takes a reference of its own on @bytes. */
void core_netmap_add(GArray *lines, CoreLineKind kind, uint32_t index, GBytes *bytes);

/* hello; then a snapshot or deltas, as the cursor asks; then endpoints and presence. */
void core_netmap_add_opening(GArray *lines, const CoreNode *viewer, const CoreCaller *caller,
                             const CoreMapArgs *args);

/* The heartbeat granted for a wish. */
unsigned core_netmap_grant_hb(unsigned wish_s);

/* The delta of @change, which is applied already, for those it does not touch; and for @viewer,
 * whom it touches: his own M instead of himself as a peer. Owned. */
GBytes *core_netmap_encode_delta(CoreNetwork *network, const CoreChange *change,
                                 const CoreNode *viewer);

GBytes *core_netmap_encode_ep(const CoreNode *node);
GBytes *core_netmap_encode_presence(bool on, const uint32_t *indexes, size_t n);
GBytes *core_netmap_encode_restart(unsigned retry_in_s, unsigned spread_s);
GBytes *core_netmap_encode_replaced(void);
GBytes *core_netmap_encode_revoked(bool expired);
