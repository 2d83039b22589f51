/* server/core/delta.h: what has changed since a version, as "delta" lines (docs/PROTOCOL.md §5).
 * Control thread only. */
#pragma once

#include "server/core/model.h"

/* Appends all that changed after @ver, in as few lines as fit. @viewer: who gets it, if he is among
 * what changed: his own M instead of himself as a peer; NULL: it holds for all who are not.
 * @encoded: CoreNode → owned text: keeps what it encodes for the deltas that follow, as long as no
 * node changes; NULL: nothing is kept. False: one version alone does not fit a line; what was
 * appended is to be dropped. */
bool core_delta_add(GArray *lines, CoreNetwork *network, const CoreNode *viewer, uint64_t ver,
                    GHashTable *encoded);
