/* server/core/relays.h: the relays that this server's networks have, and its nodes' tokens for
 * them (docs/PATHS.md §2). Control thread, but for what start-up does. */
#pragma once

#include "common/proto/relaymap.h"
#include "server/core/core.h"
#include "server/store/store.h"

/* The list as it is; in Core. */
typedef struct {
    CoreRelays   config;
    MeshRelayMap map; /* ver 0: there never was a relay */
} CoreRelayList;

/* Start-up, inside a transaction: compares what this server is as a relay with what its nodes were
 * told, and gives the list a new version when that is something else. */
bool core_relays_load(StoreTx *tx, CoreRelayList *list, GError **error);
