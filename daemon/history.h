/* daemon/history.h: how the peers of one network were reached, and since when. Bounded: of so many
 * peers, so many steps each. Owner: the engine. Thread: main loop. */
#pragma once

#include "daemon/path/path.h"

#include <glib.h>
#include <stdint.h>

#define MESHD_HISTORY_STEPS 64u  /* of one peer */
#define MESHD_HISTORY_PEERS 256u /* who changed longest ago is forgotten */

typedef struct MeshdHistory MeshdHistory;

/** MeshdHistoryStep: from @time_us on. */
typedef struct {
    int64_t      time_us; /* since 1970, wall clock */
    PathKind     kind;
    char        *relay;    /* GRefString; NULL: none */
    MeshEndpoint endpoint; /* family 0: none, or by a relay */
} MeshdHistoryStep;

MeshdHistory *meshd_history_new(void);
void          meshd_history_free(MeshdHistory *self); /* NULL is fine */

/** meshd_history_note: the path of @wg is @now. Nothing is kept if that is no news, nor of a peer
 * that was never tried. */
void meshd_history_note(MeshdHistory *self, const MeshKey *wg, const PathInfo *now);

/** meshd_history_end: the network went down, and no peer is reached any more. */
void meshd_history_end(MeshdHistory *self);

/** meshd_history_get: oldest first, borrowed until the next call here. NULL: nothing is known. */
const MeshdHistoryStep *meshd_history_get(MeshdHistory *self, const MeshKey *wg, size_t *out_n);
