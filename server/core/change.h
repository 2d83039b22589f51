/* server/core/change.h: one durable change of one network, from the transaction to memory.
 *
 * The rules fill it in on the storage thread, inside the transaction; after the commit it goes to
 * the control thread, which applies it to what it keeps in memory and tells the streams. A change
 * raises the network's version by exactly one, however many rows it touches. */
#pragma once

#include "server/core/rows.h"
#include "server/core/signer.h"

enum {
    CORE_LOG_ENTRIES = 10000,    /* versions a cursor may lie behind */
    CORE_LOG_LIFE_S = 24 * 3600, /* the same in time */
};

typedef struct CoreChange {
    StoreTx          *tx; /* storage thread, inside the transaction only */
    const CoreSigner *signer;
    int64_t           now; /* unix seconds, one for the whole change */
    MeshNetworkId     net;
    CoreNetworkRow    network;        /* as it is after the change; owned */
    bool              open;           /* network is there */
    bool              bumped;         /* the version was raised: network.ver is the new one */
    bool              added, removed; /* the network itself */
    bool              network_changed, policy_changed;
    GPtrArray        *put;       /* of owned CoreNodeRow: the whole new state of nodes */
    GArray           *gone;      /* of CoreTombRow: removed for ever */
    GArray           *forgotten; /* of MeshKey: tombstones that are no more */
    CoreNodeRow      *subject;   /* who a registration is about, as it is now; owned */
    CoreUserRow       user;      /* id 0: no user changed; else as it is after the change */
    bool              user_gone; /* removed */
    GPtrArray   *more;  /* of owned CoreChange: of networks, in the same transaction; NULL: none */
    CoreRelayRow relay; /* entry.id 0: no relay changed; else as it is after the change */
    bool         relay_gone; /* removed */
    uint64_t     relays_ver; /* with relay: the new version of the map */
    GPtrArray   *facts;      /* of owned CoreNodeRow: what no peer sees (os, version) changed */
} CoreChange;

void core_change_init(CoreChange *self, StoreTx *tx, const CoreSigner *signer,
                      const MeshNetworkId *net);
void core_change_done(CoreChange *self);

/* Reads the network. MESH_ERROR_NO_NETWORK. */
bool core_change_open(CoreChange *self, GError **error);

/* Raises the version, once. */
bool core_change_bump(CoreChange *self, GError **error);

/* Saves @row under the change's version, logs it and keeps it; takes @row, also on failure. */
bool core_change_put(CoreChange *self, CoreNodeRow *row, bool insert, GError **error);

/* Saves @row without a new version; takes it. */
bool core_change_put_facts(CoreChange *self, CoreNodeRow *row, GError **error);

/* Turns the node into a tombstone. @parted: it left by itself. */
bool core_change_remove(CoreChange *self, const CoreNodeRow *row, bool parted, GError **error);

/* Writes @kind ("network", "policy") into the log. */
bool core_change_log(CoreChange *self, const char *kind, const MeshSigned *object, GError **error);

/* The next serial of an M, the next index of a node. */
bool core_change_next(CoreChange *self, StoreQuery counter, uint64_t *out_number, GError **error);
