/* daemon/wire/state.h: what the threads of one plane share. Internal to daemon/wire.
 *
 * Constant after start unless it says otherwise; what changes is atomic, or belongs to the module
 * that its type names. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/std/ring.h"
#include "daemon/wire/aead.h"
#include "daemon/wire/counters.h"
#include "daemon/wire/events.h"
#include "daemon/wire/filter.h"
#include "daemon/wire/framering.h"
#include "daemon/wire/index.h"
#include "daemon/wire/links.h"
#include "daemon/wire/mailbox.h"
#include "daemon/wire/noise.h"
#include "daemon/wire/peer.h"
#include "daemon/wire/pings.h"
#include "daemon/wire/screen.h"
#include "daemon/wire/snapshot.h"
#include "daemon/wire/sockets.h"
#include "daemon/wire/tun.h"

#define WIRE_MAX_MESSAGES 1024u                    /* handshake messages queued */
#define WIRE_MAX_PROVEN   256u                     /* and those of who has shown a cookie */
#define WIRE_LOADED       (WIRE_MAX_MESSAGES / 8u) /* from here on we are under load */

#define WIRE_BUSY_PERCENT 85u /* of its time: a thread is full */

typedef struct WireShard      WireShard;
typedef struct WireHandshaker WireHandshaker;

/* A handshake message on its way from the in thread to the handshake thread. */
typedef struct {
    WireHop  hop;
    WireMac  mac; /* as the in thread saw it */
    uint32_t len;
    uint8_t  bytes[WIRE_INITIATION_BYTES]; /* the longest */
} WireQueuedMessage;

struct WirePlane {
    WireTun                  *tun;
    WireSockets               sockets;
    WireLinks                 links;
    WireIndexTable           *index;
    WireFlows                *flows;
    _Atomic(const WireAead *) engines[WIRE_N_SUITES]; /* for new keypairs; control thread sets.
                                                       * NULL: the suite is not spoken */
    bool                    gso;      /* the kernel knows it, and it is wished for */
    WireSuite               only;     /* WirePlaneOptions.suite */
    _Atomic(WireSnapshot *) snapshot; /* wire_rcu_load(); control thread publishes; never NULL */

    WireEvents       events;
    WirePings        pings;
    WireMailbox      to_handshake, to_out[WIRE_MAX_SHARDS];
    WireMailbox      to_in[WIRE_MAX_SHARDS]; /* rung only */
    WireScreen      *screen; /* first in thread judges, handshake thread says by what */
    WireFrameRing   *handed[WIRE_MAX_SHARDS]; /* handed.h: in thread of that shard → the first */
    _Atomic bool     look[WIRE_MAX_SHARDS];   /* for that out thread: at what it staged */
    MeshRing        *messages;   /* WireQueuedMessage: first in thread → handshake thread */
    MeshRing        *proven;     /* the same; read first: with a cookie, or an answer to ours */
    _Atomic uint32_t n_messages; /* in both */
    _Atomic bool     stopping;

    /* wire_time_set(): each stands for itself. */
    _Atomic int64_t true_offset_ns; /* from boot clock to true time; 0: not known */
    _Atomic int64_t send_from_ns, send_until_ns;
    _Atomic int64_t sent_ns; /* greatest timestamp sent; handshake thread */

    WireIdentity *identity_news; /* owned, guarded; exchanged atomically: control → handshake */
    WireCounters  counters[WIRE_MAX_THREADS];

    unsigned        n_shards;
    unsigned        next_shard; /* of a peer to come; control thread */
    WireShard      *shards[WIRE_MAX_SHARDS];
    WireHandshaker *handshaker;

    _Atomic unsigned busy_percent; /* when a shard's in thread asks for help; a test's may be 0 */
    _Atomic unsigned n_helped;     /* how often one did */
};

static inline void wire_peer_ask(WirePlane *plane, WirePeer *peer, uint32_t bits)
{
    wire_peer_post(peer, &peer->to_handshake, &plane->to_handshake, bits);
}

static inline void wire_peer_tell(WirePlane *plane, WirePeer *peer, uint32_t bits)
{
    wire_peer_post(peer, &peer->to_out, &plane->to_out[peer->shard], bits);
}
