/* server/core/rows.h: rows of the database as values. Storage thread reads and writes them; once a
 * change is committed they belong to the control thread. */
#pragma once

#include "common/proto/network.h"
#include "common/proto/register.h"
#include "common/proto/signed.h"
#include "common/std/key.h"
#include "server/core/values.h"
#include "server/store/store.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    MeshNetwork net; /* server: left to the caller */
    bool        approve;
    uint64_t    ver, epoch, pver;
    uint32_t    next_ip4; /* host order: below all is taken or held back */
    MeshSigned *policy;   /* owned */
    int64_t     created;
    unsigned    max_nodes; /* pending and active ones; 0: CORE_NODES_MAX */
} CoreNetworkRow;

typedef struct {
    MeshKey       node;
    uint32_t      index;
    char          name[MESH_NETWORK_NAME_SIZE];
    MeshKey       wg;
    uint32_t      ip4; /* host order; 0: none */
    uint8_t       ip6[16];
    CoreNodeState state;
    uint64_t      serial; /* of m; 0: never had one */
    uint64_t      k_seq;
    MeshSigned   *k; /* owned */
    MeshSigned   *m; /* owned; NULL: never approved */
    int64_t       m_nbf, m_exp;
    bool          m_ours;  /* signed by this process; false: read from the database */
    int64_t       expires; /* of the membership; 0: never */
    bool          want_ip4;
    uint64_t      ver; /* of the last change */
    int64_t       created, last_seen;
    char          os[MESH_REGISTER_FACT_SIZE], version[MESH_REGISTER_FACT_SIZE];
    int64_t       owner;     /* user; 0: nobody */
    bool          suspended; /* expired only until its user may have nodes again */
} CoreNodeRow;

/* A person, known to all networks of the server. */
typedef struct {
    int64_t  id; /* above 0 */
    char     name[MESH_NETWORK_NAME_SIZE];
    char     note[CORE_NOTE_MAX + 1];
    bool     disabled;
    unsigned max_nodes; /* in all networks; 0: any number */
    int64_t  expires, created;
} CoreUserRow;

/* A relay beside this server, which is none of its processes. */
typedef struct {
    bool           all; /* of all networks, else of net alone */
    MeshNetworkId  net;
    MeshRelayEntry entry; /* id 0: no relay */
    int64_t        created;
} CoreRelayRow;

/* A removed node key: never admitted again; one that left by itself is forgotten in the end. */
typedef struct {
    MeshKey  node;
    uint32_t index;
    uint64_t serial;
    uint32_t ip4; /* held back; 0: none, or returned */
    int64_t  removed;
    uint64_t ver;
    bool     parted; /* left by itself */
} CoreTombRow;

/* When housekeeping has to look at the node: its end, or half of the life of an M that can be
 * prolonged. Unix seconds. */
int64_t core_rows_due(const CoreNodeRow *row);

void         core_rows_clear_network(CoreNetworkRow *row);
void         core_rows_free_node(CoreNodeRow *row); /* NULL is fine */
CoreNodeRow *core_rows_copy_node(const CoreNodeRow *row);

/* NULL without @error: there is no such row. */
bool         core_rows_get_network(StoreTx *tx, const MeshNetworkId *id, CoreNetworkRow *out,
                                   GError **error);
CoreNodeRow *core_rows_get_node(StoreTx *tx, const MeshNetworkId *net, const MeshKey *node,
                                GError **error);
bool core_rows_get_tomb(StoreTx *tx, const MeshNetworkId *net, const MeshKey *node, GError **error);

/* One row each, for STORE_…_ALL: the network id is in column 0. */
void core_rows_read_network(const StoreRow *row, CoreNetworkRow *out);
void core_rows_read_node(const StoreRow *row, MeshNetworkId *out_net, CoreNodeRow *out);
void core_rows_read_tomb(const StoreRow *row, MeshNetworkId *out_net, CoreTombRow *out);

bool core_rows_save_node(StoreTx *tx, const MeshNetworkId *net, const CoreNodeRow *row, bool insert,
                         GError **error);

/* A statement whose answer is one number; @fallback when there is no row. */
bool core_rows_number(StoreTx *tx, StoreQuery query, const StoreCall *call, int64_t *inout_number,
                      GError **error);
