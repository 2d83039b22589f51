/* daemon/wire/peer.h: a peer as it lives through snapshots: its sessions, way, timers, counters.
 *
 * Made by the control thread, known to packet threads through the snapshot and through keypairs, to
 * the handshake thread also through notes. Each field names the thread that may write it; the rest
 * is atomic. It is freed when the last reference goes: the base reference a grace period after the
 * handshake thread ended its sessions, that of a queued note when the note was read. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/wire/cookie.h"
#include "daemon/wire/counters.h"
#include "daemon/wire/deadlines.h"
#include "daemon/wire/mailbox.h"
#include "daemon/wire/noise.h"
#include "daemon/wire/plane.h"
#include "daemon/wire/route.h"
#include "daemon/wire/slots.h"
#include "daemon/wire/timers.h"

#define WIRE_PEER_IDLE_MS 30000 /* without data: then the next is told */

/* What a note to the handshake thread asks for. */
enum {
    WIRE_ASK_SESSION = 1u << 0, /* data waits for one, or the one there is is old */
    WIRE_ASK_LOOK = 1u << 1,    /* a timer is due earlier than it knows */
    WIRE_ASK_CONFIRM = 1u << 2, /* the first packet of a session we answered has come */
    WIRE_ASK_ROUTE = 1u << 3,   /* a new WireRoute lies in @news */
    WIRE_ASK_KEYS = 1u << 4,    /* new, or its preshared key changed: make the secrets again */
    WIRE_ASK_END = 1u << 5,     /* left the configuration */
    WIRE_ASK_SUITE = 1u << 6,   /* handshakes with it are begun in another suite now */
};

/* What a note to the out thread asks for. */
enum {
    WIRE_TELL_FLUSH = 1u << 0,     /* a session is there: send what is staged */
    WIRE_TELL_KEEPALIVE = 1u << 1, /* send an empty packet, if nothing staged went */
    WIRE_TELL_DROP = 1u << 2,      /* forget what is staged */
};

/* What only a peer takes that somebody talked to, or that has ways to be tried. Made when needed:
 * of ten thousand peers most have none. Handshake thread; who else reads, reads what is atomic. */
typedef struct {
    WireRemote    remote;  /* made while @can_talk */
    WireHandshake pending; /* our initiation under way */
    WireCookieJar jar;
    WireFreshness freshness;
    int64_t       sent_ns; /* last timestamp sent; none is sent twice, nor backwards */
    WireWay       asked;   /* way of the pinned route taken last */

    WireCount       rx_bytes, tx_bytes; /* of handshakes, outer */
    WireCount       n_attempts;
    _Atomic int64_t handshake_ns;  /* wall clock of the last */
    _Atomic uint8_t session_suite; /* of the last */

    uint8_t       n_candidates;
    MeshEndpoint *candidates; /* owned; as many as there are */
} WirePeerTalk;

struct WirePeer {
    MeshKey          public_key; /* constant, as the next */
    uint8_t          shard;      /* gets its notes, and what names its sessions */
    _Atomic bool     has_candidates;
    _Atomic uint16_t keepalive_s; /* control thread */
    _Atomic uint32_t references;
    WireNote         to_handshake, to_out;
    WireSlots        slots;
    WireTimers       timers;
    WireRouteCell    route;
    WireRouteCell    copy;         /* of a pinned peer: where some packets go too */
    _Atomic bool     pinned;       /* control thread */
    _Atomic bool     singly;       /* the same: see WireRoute */
    _Atomic uint16_t n_copies;     /* left; control thread sets, out thread counts down */
    _Atomic uint16_t mtu;          /* inner bytes its way carries; 0: no limit. Control thread */
    _Atomic bool     tells_bursts; /* WIRE_EVENT_BURSTS is due. Control and out threads */
    _Atomic int64_t  data_ms;      /* last data of a pinned peer, sent or received */
    _Atomic int64_t  elsewhere_ms; /* last told that it was heard on another way */
    WireRoute       *news;         /* owned; exchanged atomically by control and handshake thread */

    WireCount       rx_data_bytes;    /* outer; in threads, shared */
    WireCount       tx_data_bytes;    /* out threads, shared */
    _Atomic int64_t taken_ns;         /* greatest timestamp of its initiations; handshake thread */
    _Atomic int64_t session_until_ms; /* boot clock: may send until then; 0: no session. The same */

    /* Out threads. */
    _Atomic int64_t  asked_ms;  /* for a session, last; not to ask with every batch */
    _Atomic uint32_t staged_in; /* bits: shards where something waits */
    _Atomic uint32_t n_drops;   /* WIRE_TELL_DROP obeyed; its own shard's out thread counts */

    /* Handshake thread only, but for the first. */
    _Atomic(WirePeerTalk *) talk;       /* owned; NULL: not needed yet, see talk.h */
    uint8_t                 early_bits; /* WIRE_ASK_…, asked for before it was known */
    bool                    is_judged;  /* can_talk was found out, with the keys there are now */
    bool can_talk; /* then @talk is there: the peer's key is sound and not our own */
    bool known;    /* WIRE_ASK_KEYS was obeyed: it may be armed */
    bool held;     /* an initiation was due, but nothing could go: see wire_exchange_initiate() */
    bool ended;    /* WIRE_ASK_END was obeyed: nothing starts any more */
    union {        /* one after the other */
        WirePeer       *next_new; /* control thread, while a configuration is applied */
        WireDeadline    deadline; /* while it is known */
        struct rcu_head rcu;
    };
};

/* NULL: out of memory. One reference, the caller's. */
WirePeer *wire_peer_new(const WirePeerSpec *spec, WireIndexTable *index, unsigned shard);

static inline void wire_peer_ref(WirePeer *self)
{
    atomic_fetch_add_explicit(&self->references, 1, memory_order_relaxed);
}

static inline WirePeer *wire_peer_of_out_note(WireNote *note)
{
    return (WirePeer *)(void *)((char *)note - offsetof(WirePeer, to_out));
}

static inline WirePeer *wire_peer_of_handshake_note(WireNote *note)
{
    return (WirePeer *)(void *)((char *)note - offsetof(WirePeer, to_handshake));
}

void wire_peer_unref(WirePeer *self); /* the last one wipes and frees */

/** wire_peer_retire: drops a reference after a grace period. */
void wire_peer_retire(WirePeer *self);

/** wire_peer_post: leaves a note for the handshake thread, the out thread. Any thread that
 * holds a reference or reads under QSBR. */
static inline void wire_peer_post(WirePeer *self, WireNote *note, WireMailbox *box, uint32_t bits)
{
    if (!wire_mailbox_mark(note, bits))
        return;
    wire_peer_ref(self);
    wire_mailbox_push(box, note);
}

/** wire_peer_give_route: hands a route to the handshake thread (copied), replacing one it has not
 * taken yet. Control thread. Returns: 0; -ENOMEM. */
MESH_CHECKED int wire_peer_give_route(WirePeer *self, const WireRoute *route);

/** wire_peer_take_route: Handshake thread. Returns: the news, owned, free(); NULL: none. */
WireRoute *wire_peer_take_route(WirePeer *self);

/* Data of a pinned peer, in either direction; once a run. Returns: true: the first after
 * WIRE_PEER_IDLE_MS without. Packet threads. */
static inline bool wire_peer_mark_data(WirePeer *self, int64_t now_ms)
{
    int64_t last_ms = atomic_load_explicit(&self->data_ms, memory_order_relaxed);

    if (last_ms != now_ms)
        atomic_store_explicit(&self->data_ms, now_ms, memory_order_relaxed);
    return last_ms == 0 || now_ms - last_ms >= WIRE_PEER_IDLE_MS;
}

/** wire_peer_get_info: Control thread. */
void wire_peer_get_info(WirePeer *self, int64_t now_ms, WirePeerInfo *out_info);
