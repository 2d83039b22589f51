/* server/core/clones.h: two hosts with one node key (docs/PROTOCOL.md §5, cloned state). Control
 * thread only. */
#pragma once

#include "server/core/control.h"

enum {
    CORE_CLONES_STARTS = 8,      /* start ids remembered of a node */
    CORE_CLONES_ALIVE_S = 120,   /* silence after which the one that keeps a node has gone */
    CORE_CLONES_RETRY_S = 60,    /* told to the one that is refused */
    CORE_CLONES_TELL_S = 30,     /* between two "cloned" lines */
    CORE_CLONES_RECENT_S = 300,  /* so long a new stream is told of the newest proof */
    CORE_CLONES_SHOWN_S = 86400, /* and so long administrators are */
};

/* Takes the nonce of a verified request of @node. False and @error: MESH_ERROR_REPLAYED;
 * MESH_ERROR_CLONED: another host keeps this node. */
bool core_clones_accept(Core *core, CoreNode *node, const MeshReqsignParams *params,
                        GError **error);

/* Appends the line "cloned" for a stream that opens, if there is a recent proof. */
void core_clones_add_line(CoreNode *node, GArray *lines);

/* The time of the newest proof; 0: none within a day. Unix seconds. */
int64_t core_clones_get_proof(const CoreNode *node);
