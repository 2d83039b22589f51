/* server/relay/session.h: the nodes at a relay, by session number and by who they are.
 *
 * A RelayTable has one lock: whoever reads sessions holds it shared, for a batch of packets;
 * whoever adds, changes or removes them holds it alone. Of a session the sender's half belongs to
 * the thread that receives from it; the receiver's half has a lock of its own, taken after the
 * table's. */
#pragma once

#include "common/codec/relaykey.h"
#include "common/std/ip.h"
#include "server/loop/loop.h"
#include "server/relay/allowance.h"
#include "server/relay/queue.h"
#include "server/relay/relay.h"

#include <pthread.h>
#include <stdatomic.h>

enum { RELAY_MAX_HELD = 8 };

typedef struct RelaySession RelaySession;
struct RelaySession {
    uint32_t      number; /* 24 bits */
    RelayNode     node;
    RelaySession *next_alike; /* same hash of who */
    MeshRelayKeys keys;
    MeshKey       ephemeral; /* of its BIND */
    MeshKey       spent[2];  /* of those before it: who repeats them is not the node */
    MeshEndpoint  remote;    /* changes under the table's lock alone */
    MeshAddr      local;     /* our address that it speaks to; family 0: the kernel chooses */
    int64_t       exp_ms;    /* boot time */

    /* Of who receives from it. */
    atomic_int_least64_t heard_ms;
    RelayAllowance       up;     /* bytes */
    RelayAllowance       urgent; /* bytes that may go before others */
    RelayAllowance       moves;  /* frames MOVE */

    /* Under lock. */
    pthread_mutex_t lock;
    RelayAllowance  down;    /* bytes */
    RelayAllowance  notices; /* frames GONE and CONGESTED */
    RelayQueue     *queue;   /* NULL: never needed */
    bool            listed;  /* in the relay's list of who waits; of a stream: its bell rang */
    int64_t         full_ns; /* since when its queue is too long for its senders; 0: it is not */
    unsigned        n_held;  /* streams that send to it and are not read meanwhile */
    uint32_t        held[RELAY_MAX_HELD];

    /* Over TLS; written under the table's lock alone. */
    struct RelayStream *stream; /* NULL: over UDP; of the connection's shard */
    Loop               *loop;
    LoopConnId          conn;
};

typedef struct RelayTable RelayTable;

/* At most @max sessions. Returns: 0; -ENOMEM. */
MESH_CHECKED int relay_table_new(unsigned max, RelayTable **out_table);
void             relay_table_free(RelayTable *self);

void relay_table_read(RelayTable *self);
void relay_table_write(RelayTable *self);
void relay_table_unlock(RelayTable *self);

/* The rest: with the lock. */
RelaySession *relay_table_find(RelayTable *self, uint32_t number); /* NULL: none */

/* The session of node @index in the network of @of. */
RelaySession *relay_table_find_node(RelayTable *self, const RelayNode *of, uint32_t index);

/* Adds a session for @grant, without one for that node. Returns: NULL: full, or no memory. */
RelaySession *relay_table_add(RelayTable *self, const RelayGrant *grant, int64_t now_ms,
                              int64_t exp_ms);
void          relay_table_remove(RelayTable *self, RelaySession *session); /* frees it */

/* Calls @visit on each; it may remove the one it is given. */
void relay_table_each(RelayTable *self, void (*visit)(RelaySession *session, void *data),
                      void       *data);

unsigned relay_table_count(const RelayTable *self);
