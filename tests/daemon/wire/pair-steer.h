/* tests/daemon/wire/pair-steer.h: what changes a pair while it runs: configuration, routes, time.
 */
#pragma once
#include "pair.h"

/* Its config again; wakes the handshake thread. */
void pair_apply(PairSide *side);
/* A new plane with the same key and configuration, which is not applied yet. */
void pair_restart(PairSide *side);
void pair_route(PairSide *side, const PairSide *peer, const MeshEndpoint *to);

/* The clock of all planes: call before the first start; then moved forward at will. */
void pair_use_clock(void);
void pair_advance(Pair *self, int64_t ms);
