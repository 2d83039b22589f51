/* server/core/relays.h: the relays that this server's networks have, and its nodes' tokens for
 * them (docs/PATHS.md §2). Control thread, but for what start-up does and the rules. */
#pragma once

#include "common/proto/relaymap.h"
#include "server/core/change.h"
#include "server/core/core.h"
#include "server/store/store.h"

/* The list as it is; in Core. */
typedef struct {
    CoreRelays   config;
    MeshRelayMap map;  /* of this server alone; ver, that of all: 0: there never was a relay */
    GArray      *rows; /* of CoreRelayRow, by id: the others */
} CoreRelayList;

/* Start-up, inside a transaction: compares what this server is as a relay with what its nodes were
 * told, and gives the list a new version when that is something else. */
bool core_relays_load(StoreTx *tx, CoreRelayList *list, GError **error);

/* --- relayrules.c: storage thread, in the transaction ------------------------------------------
 */

/* Reads all rows. @out: of CoreRelayRow. */
bool core_relayrules_read(StoreTx *tx, GArray *out, GError **error);

/* @net NULL: for all networks. */
bool core_relayrules_add(CoreChange *change, const CoreRelayPatch *patch, const MeshNetworkId *net,
                         GError **error);
bool core_relayrules_set(CoreChange *change, uint16_t id, const CoreRelayPatch *patch,
                         GError **error);
bool core_relayrules_remove(CoreChange *change, uint16_t id, GError **error);
