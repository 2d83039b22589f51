/* server/relay/inside.h: the relay's state, and what its sources do for each other. Inside of
 * server/relay only.
 *
 * mover: the thread that receives datagrams. Functions without a word about threads are its own. */
#pragma once

#include "common/codec/relayframe.h"
#include "common/std/buckets.h"
#include "common/std/ring.h"
#include "common/std/thread.h"
#include "server/relay/out.h"
#include "server/relay/relay.h"
#include "server/relay/session.h"
#include "server/relay/stream.h"
#include "server/relay/udp.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    RELAY_MAIN,
    RELAY_ALT, /* STUN alone */
    RELAY_N_SOCKETS,

    RELAY_STRANGER_RATE = 20, /* frames a second of one source without a session */
    RELAY_STRANGER_BURST = 40,
    RELAY_SILENCE_MS = 300000,
    RELAY_BINDINGS = 1024, /* BINDs that wait for the signing thread */
    RELAY_REVOKED = 4096,
};

typedef enum {
    RELAY_COUNT_PACKETS,
    RELAY_COUNT_BYTES,
    RELAY_COUNT_BOUND,
    RELAY_COUNT_REFUSED,
    RELAY_COUNT_STUN,
    RELAY_COUNT_FORGED,
    RELAY_COUNT_UNKNOWN,
    RELAY_COUNT_RATE,
    RELAY_COUNT_QUEUE,
    RELAY_COUNT_SOCKET,
    RELAY_N_COUNTS,
} RelayCount;

/* A BIND on its way to the signing thread and back. One allocation. */
typedef struct {
    MeshEndpoint    from;
    MeshAddr        local;
    MeshRelayStatus status;
    RelayGrant      grant; /* status OK */
    MeshRelayKeys   keys;
    MeshKey         ephemeral;
    uint8_t         nonce[MESH_RELAYKEY_NONCE_BYTES];
    size_t          len;
    uint8_t         datagram[];
} RelayBinding;

typedef struct {
    uint16_t server;
    MeshKey  node;
    int64_t  exp_s; /* tokens that end until then were made before */
} RelayRevoked;

struct Relay {
    RelayConfig config; /* without the secret */
    MeshKey    *secret; /* of rk; mesh_key_alloc() */
    MeshKey     rk;
    RelayTable *table;
    int         fds[RELAY_N_SOCKETS]; /* -1: none */
    bool        is_v6[RELAY_N_SOCKETS];
    int         epoll, wake;
    MeshThread *mover, *signer;
    MeshRing   *asked, *answered; /* of RelayBinding *; NULL in asked: end */

    /* The mover's. */
    RelayReceiver *receiver;
    RelayOut       outs[RELAY_N_SOCKETS];
    MeshRelayJar   jar;
    MeshBuckets   *strangers;
    int64_t        now_ms, sweep_at_ms;

    pthread_mutex_t waiting_lock; /* last of all locks */
    uint32_t       *waiting;      /* numbers of sessions whose queue is to be served */
    unsigned        n_waiting, max_waiting;

    RelayRevoked revoked[RELAY_REVOKED]; /* under the table's lock */
    unsigned     n_revoked, next_revoked;

    atomic_bool          blocked;  /* the kernel takes nothing: all waits in queues */
    atomic_uint          drain_ms; /* not 0: tell everybody */
    atomic_bool          stopping;
    atomic_uint_fast64_t counts[RELAY_N_COUNTS];
};

static inline void relay_count(Relay *self, RelayCount what, uint64_t n)
{
    (void)atomic_fetch_add_explicit(&self->counts[what], n, memory_order_relaxed);
}

/* --- frames.c, strangers.c: what came, with the table's lock shared ----------------------------
 */

void relay_frames_take(Relay *self, const RelayDatagrams *datagrams);

/* @socket: where it came to. */
void relay_strangers_take(Relay *self, const RelayDatagrams *from, MeshSpan datagram, int socket);
void relay_strangers_reset(Relay *self, const RelayDatagrams *from, const uint8_t *frame);

/* --- stream.c ----------------------------------------------------------------------------------
 */

/* For RelayOut.ring: something waits for a stream's session. Any thread, with the table's lock. */
void relay_stream_ring(RelayOut *out, uint32_t session);

/* Removes a session, with the table's lock alone; a stream's connection ends. */
void relay_stream_end_session(Relay *self, RelaySession *session);

/* --- bind.c ------------------------------------------------------------------------------------
 */

bool relay_bind_is_revoked(const Relay *self, const RelayGrant *grant); /* with the table's lock */
void relay_bind_run_signer(void *user_data);                            /* the signing thread */
void relay_bind_ask(Relay *self, const RelayDatagrams *from, MeshSpan datagram);
void relay_bind_take_answers(Relay *self); /* without the table's lock */
