/* daemon/wire/sealer.h: the second half of the road out: packets of a peer with a session are
 * split, padded, sealed into an arena, sent all together, and credited to their peer.
 *
 * What is sealed waits in runs, each of one peer, until wire_sealer_flush() or until the arena is
 * full. Owner: who has the road out (shard.c). */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/std/attr.h"
#include "daemon/wire/keypair.h"
#include "daemon/wire/links.h"
#include "daemon/wire/offload.h"
#include "daemon/wire/packet.h"
#include "daemon/wire/peer.h"

typedef struct WireSealer WireSealer;

/* With what and to where a run goes. Good for the round in which it was found. */
typedef struct {
    WirePeer       *peer;
    WireKeypair    *keypair;
    WireHop         hop;
    const WireLink *link;   /* of hop; NULL: direct, or */
    WireStream     *stream; /* the same over TLS */
    bool            copied;
    WireHop         copy; /* where it goes too */
    bool            singly;
    uint32_t        mtu; /* inner bytes that the way is known to carry at most */
} WireSession;

MESH_CHECKED int wire_sealer_new(WirePlane *plane, unsigned shard,
                                 WireSealer **out_self); /* 0; -ENOMEM */
void             wire_sealer_free(WireSealer *self);     /* NULL is fine; what waits is lost */

void wire_sealer_begin(WireSealer *self, int64_t now_ms); /* a round, at this time */

/** wire_sealer_find: Returns: false: there is no session, or no way, to send to @peer with. */
bool wire_sealer_find(const WireSealer *self, WirePeer *peer, WireSession *out_session);

/** wire_sealer_put_split: all segments, or none; @split was just started. What is longer than the
 * way carries goes in pieces, if it may be taken apart (fragment.h), else as it is. Returns: false:
 * the session's time or counters are over. */
bool wire_sealer_put_split(WireSealer *self, const WireSession *session, WireSplit *split);

/** wire_sealer_put: one packet, with room around it as packet.h says; of no length: a keepalive.
 * It may be written to; pieces and what is returned as above. */
bool wire_sealer_put(WireSealer *self, const WireSession *session, const WirePacket *packet);

/** wire_sealer_take_full: as wire_udp_sender_take_full(). */
int wire_sealer_take_full(WireSealer *self);

/** wire_sealer_flush: sends all sealed runs, and their copies; tells timers, counters and ways of
 * their peers what became of them. */
void wire_sealer_flush(WireSealer *self);

/** wire_sealer_flush_most: the same, but what would go as a message that is not full may wait, if
 * there is a full one of the same run: for when more is about to come, at the latest in a round
 * that follows at once, and ends with a flush. */
void wire_sealer_flush_most(WireSealer *self);
