/* daemon/wire/keypair.h: session keys: their limits, counters, and the three slots of a peer.
 *
 * A keypair is made by the handshake thread and read by shards under QSBR; it is immutable but for
 * its send counter (atomic), its replay window (see wire_keypair_lock_window()) and its contexts
 * (one thread each, see lanes). */
#pragma once

#include "common/std/attr.h"
#include "common/std/key.h"
#include "daemon/wire/aead.h"
#include "daemon/wire/rcu.h"
#include "daemon/wire/replay.h"
#include "daemon/wire/spin.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* WireGuard paper §6.1. */
#define WIRE_REKEY_AFTER_MESSAGES  (UINT64_C(1) << 60)
#define WIRE_REJECT_AFTER_MESSAGES (UINT64_MAX - (UINT64_C(1) << 13))
#define WIRE_REKEY_AFTER_MS        120000
#define WIRE_REJECT_AFTER_MS       180000
#define WIRE_REKEY_TIMEOUT_MS      5000
#define WIRE_KEEPALIVE_MS          10000

#define WIRE_KEYPAIR_MAX_LANES 17u /* sixteen shards and the handshake thread */

typedef struct WirePeer    WirePeer; /* peer.h */
typedef struct WireKeypair WireKeypair;

/** WireKeypairInit: what a finished handshake gives. Keys are copied; the caller wipes its own. */
typedef struct {
    WirePeer      *peer;         /* borrowed; outlives the keypair */
    const uint8_t *send_key;     /* 32 bytes */
    const uint8_t *receive_key;  /* 32 bytes */
    uint32_t       local_index;  /* what the peer writes into packets to us */
    uint32_t       remote_index; /* what we write into packets to it */
    bool           initiator;
    int64_t        now_ms;  /* boot clock: birth of the keys */
    unsigned       n_lanes; /* threads that may use it, 1-17: shard i is lane i */
} WireKeypairInit;

struct WireKeypair {
    const WireAead  *engine;
    WirePeer        *peer;
    uint32_t         local_index, remote_index;
    int64_t          born_ms;
    bool             initiator;
    uint8_t          type;   /* byte 0 of its packets */
    WireSuiteLimits  limits; /* of the suite, which is the engine's */
    unsigned         n_lanes;
    _Atomic uint64_t send_counter; /* next unused */
    _Atomic bool     busy;         /* somebody is at the window */
    WireReplay       window;       /* after the tag was right; between lock and unlock */
    struct rcu_head  rcu;
    void            *contexts[]; /* [2 * lane]: seal, [2 * lane + 1]: open; owned */
};

/** wire_keypair_new: Returns: 0; -ENOMEM. Thread: handshake. After wire_aead_init(). */
MESH_CHECKED int wire_keypair_new(const WireAead *engine, const WireKeypairInit *init,
                                  WireKeypair **out_keypair);

/** wire_keypair_retire: frees and wipes after a grace period; NULL is fine. Its index must have
 * left the table before. Any thread. */
void wire_keypair_retire(WireKeypair *keypair);

/** wire_keypair_take: takes @n consecutive send counters with one fetch_add.
 * Returns: 0; -EKEYEXPIRED: too old at @now_ms or its counters are used up: send nothing. */
MESH_CHECKED int wire_keypair_take(WireKeypair *keypair, unsigned n, int64_t now_ms,
                                   uint64_t *out_first);

/** May data under it still be accepted (age < 180 s)? */
bool wire_keypair_may_receive(const WireKeypair *keypair, int64_t now_ms);

/** Takes an authentic packet's counter: 0; or what wire_replay_accept() says. */
MESH_CHECKED static inline int wire_keypair_accept(WireKeypair *keypair, uint64_t counter)
{
    if (counter >= keypair->limits.reject_after)
        return -ERANGE;
    return wire_replay_accept(&keypair->window, counter);
}

/** Should a new handshake start because we send (counter, or initiator and ≥ 120 s)? */
bool wire_keypair_wants_rekey_sending(const WireKeypair *keypair, int64_t now_ms);

/** … or because we received: initiator and ≥ 165 s. Once a key: wire_timers keeps the "once". */
bool wire_keypair_wants_rekey_receiving(const WireKeypair *keypair, int64_t now_ms);

/** wire_keypair_lock_window: once a run. Packets of one session come to one shard, so it is nearly
 * always free; seldom another gets some, by an adopted socket, a relay over TLS or while the peer
 * roams, and then the later of both waits for the few microseconds of a run. */
static inline void wire_keypair_lock_window(WireKeypair *keypair)
{
    wire_spin_lock(&keypair->busy);
}

static inline void wire_keypair_unlock_window(WireKeypair *keypair)
{
    wire_spin_unlock(&keypair->busy);
}

/* Seal and open a run on @lane (the calling thread's). Counters come from wire_keypair_take(). */
static inline void wire_keypair_seal(WireKeypair *keypair, unsigned lane, uint64_t first_counter,
                                     WireSeg *segs, size_t n_segs)
{
    unsigned mine = lane < keypair->n_lanes ? lane : 0; /* shared */

    keypair->engine->seal_batch(keypair->contexts[2 * mine], first_counter, segs, n_segs);
}

static inline size_t wire_keypair_open(WireKeypair *keypair, unsigned lane, WireSeg *segs,
                                       size_t n_segs)
{
    unsigned mine = lane < keypair->n_lanes ? lane : 0;

    return keypair->engine->open_batch(keypair->contexts[2 * mine + 1], segs, n_segs);
}
