/* server/core/netmap.h: what a node may see, as lines of the map stream (docs/PROTOCOL.md §5).
 *
 * Every active member sees every other one. What is the same for all is encoded once and shared:
 * runs of peers in snapshots, deltas, endpoints, presence. Control thread only. */
#pragma once

#include "common/proto/mapline.h"
#include "server/core/model.h"

/* An empty list of CoreLine that owns its bytes. */
GArray *core_netmap_new_lines(void);

/* Appends; takes a reference of its own on @bytes. */
void core_netmap_add(GArray *lines, CoreLineKind kind, uint32_t index, GBytes *bytes);

/* The same; takes @bytes. */
void core_netmap_take(GArray *lines, CoreLineKind kind, uint32_t index, GBytes *bytes);

/* hello; then a snapshot or deltas, as the cursor asks; then endpoints and presence. */
void core_netmap_add_opening(GArray *lines, const CoreNode *viewer, const CoreCaller *caller,
                             const CoreMapArgs *args);

/* The heartbeat granted for a wish. */
unsigned core_netmap_grant_hb(unsigned wish_s);

/* For who encodes lines of his own: a line's text; a node as a peer (borrows); the tip that deltas
 * share, of the version now (borrowed until the next call). */
GBytes     *core_netmap_encode(const MeshMapline *line);
MeshPeer    core_netmap_make_peer(const CoreNode *node);
MeshSigned *core_netmap_get_tip(CoreNetwork *network);

GBytes *core_netmap_get_ep(CoreNode *node); /* borrowed */
/* Adds "on" lines; with @seen, which is last_seen of each, "off" lines. */
void    core_netmap_add_presence(GArray *lines, const GArray *indexes, const GArray *seen);
GBytes *core_netmap_encode_restart(unsigned retry_in_s, unsigned spread_s);
/* replaced, resync or revoked. @expired: revoked says so, else removed. */
GBytes *core_netmap_encode_end(MeshMaplineType type, bool expired);
