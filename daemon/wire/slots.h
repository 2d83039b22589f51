/* daemon/wire/slots.h: a peer's keypairs: previous, current, next; and how they rotate.
 *
 * Readers (shards): one acquire load, under QSBR. Writers (handshake thread; a shard's in-thread
 * when the first packet of a responder's session arrives): a flag per peer, taken once a session
 * and never per packet. A keypair that leaves a slot leaves the index table and is retired. */
#pragma once

#include "daemon/wire/index.h"
#include "daemon/wire/keypair.h"

#include <stdatomic.h>
#include <stdbool.h>

/** WireSlots: embedded in WirePeer. Keypairs in it are owned by it. */
typedef struct {
    _Atomic(WireKeypair *) current;  /* what we send with */
    _Atomic(WireKeypair *) previous; /* still accepted */
    _Atomic(WireKeypair *) next;     /* responder: current after the first packet under it */
    WireIndexTable        *table;    /* borrowed; where keypairs that leave are taken out */
    _Atomic bool           busy;     /* somebody is at the three: seldom, for a few stores */
} WireSlots;

void wire_slots_init(WireSlots *self, WireIndexTable *table);
void wire_slots_done(WireSlots *self); /* retires all three */

/** wire_slots_add: takes a new keypair and publishes its index (reserved before by the handshake).
 * Initiator: becomes current, the former current becomes previous. Responder: becomes next, in
 * place of one that was never confirmed. */
void wire_slots_add(WireSlots *self, WireKeypair *keypair);

/** wire_slots_received: tells that an authentic packet came under @keypair.
 * Returns: true when that confirmed the next keypair, which is current now: staged packets may go,
 * the handshake is complete. Cheap when @keypair is not the next one. */
bool wire_slots_received(WireSlots *self, WireKeypair *keypair);

/** wire_slots_clear: retires all; sending and receiving end at once. */
void wire_slots_clear(WireSlots *self);

/** wire_slots_current: what to send with; NULL: none. Valid until the next quiescent point. */
static inline WireKeypair *wire_slots_current(WireSlots *self)
{
    return wire_rcu_load(&self->current);
}
