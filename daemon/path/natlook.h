/* daemon/path/natlook.h: does the NAT before us give another port for another destination? Compares
 * where the relay sees the data plane's socket with what STUN on its second port sees. One server,
 * so "by address" looks like "independent". Main loop. Inside of daemon/path. */
#pragma once

#include "common/codec/probe.h"
#include "daemon/path/relays.h"
#include "daemon/path/stunask.h"

#include <stdbool.h>

typedef struct {
    PathStunAsk  ask;
    MeshEndpoint seen; /* by the relay, when it was asked; family 0: nothing is asked */
} PathNatlook;

/** path_natlook_ask: again, now that a session at home was bound or moved. */
void path_natlook_ask(PathNatlook *self, WirePlane *plane, PathRelays *relays);

/** path_natlook_take: Returns: false: not the answer. */
bool path_natlook_take(PathNatlook *self, const WireEvent *event, MeshProbeNat *out_nat);
