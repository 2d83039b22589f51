/* daemon/wire/index.h: the 32-bit indices by which packets name their session or handshake.
 *
 * An index is a slot number and random salt, so an old index does not hit a new session; its low
 * bits say which shard shall get the packets (steer.h). O(1), dense, grown in chunks that never
 * move. Readers: any registered thread, no lock. Writers: reserve
 * and release under a mutex of the table (once a handshake). */
#pragma once

#include "common/std/attr.h"

#include <stdint.h>

typedef struct WirePeer       WirePeer;
typedef struct WireKeypair    WireKeypair;
typedef struct WireIndexTable WireIndexTable;

#define WIRE_INDEX_MAX        262144u /* 2^16 peers: three keypairs and one handshake each */
#define WIRE_INDEX_SHARD_BITS 3u
#define WIRE_MAX_SHARDS       (1u << WIRE_INDEX_SHARD_BITS)

MESH_CHECKED int wire_index_new(WireIndexTable **out_table); /* 0; -ENOMEM */
void             wire_index_free(WireIndexTable *self);      /* no readers any more; NULL is fine */

/** wire_index_set_shards: among how many wire_index_reserve() divides; before the first of them. */
void wire_index_set_shards(WireIndexTable *self, unsigned n_shards);

/** wire_index_reserve: a fresh index for a handshake of @peer, for packets that @shard shall get;
 * not yet a session.
 * Returns: 0; -ENOSPC: WIRE_INDEX_MAX are in use; -ENOMEM. */
MESH_CHECKED int wire_index_reserve(WireIndexTable *self, WirePeer *peer, unsigned shard,
                                    uint32_t *out_index);

/** wire_index_get_peer: whose handshake or session @index is; NULL: nobody's. For messages of type
 * 2 and 3. Any thread; only the handshake thread, which frees peers, may look into it. */
WirePeer *wire_index_get_peer(WireIndexTable *self, uint32_t index);

/** wire_index_publish: from now on packets with the keypair's local index find it. */
void wire_index_publish(WireIndexTable *self, WireKeypair *keypair);

/** wire_index_get: the keypair of @index; NULL: none. Reader; valid until its quiescent point. */
WireKeypair *wire_index_get(const WireIndexTable *self, uint32_t index);

/** wire_index_release: @index names nothing any more. Unknown or released already: nothing. */
void wire_index_release(WireIndexTable *self, uint32_t index);
