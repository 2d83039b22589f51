/* daemon/wire/slots.c: rotation of a peer's keypairs; see slots.h.
 * Source: WireGuard paper §6.1-6.3 and the whitepaper's "secure initial data flow": a responder
 * does not send under a key before it saw that the initiator has it. */
#include "daemon/wire/slots.h"

#include <stddef.h>

typedef _Atomic(WireKeypair *) Slot;

void wire_slots_init(WireSlots *self, WireIndexTable *table)
{
    self->table = table;
    atomic_init(&self->current, NULL);
    atomic_init(&self->previous, NULL);
    atomic_init(&self->next, NULL);
    atomic_init(&self->busy, false);
}

void wire_slots_done(WireSlots *self)
{
    wire_slots_clear(self);
}

/* Under the lock: puts @keypair into @slot and lets go of what was there. */
static void replace(WireSlots *self, Slot *slot, WireKeypair *keypair)
{
    WireKeypair *old = atomic_load_explicit(slot, memory_order_relaxed);

    wire_rcu_publish(slot, keypair);
    if (old == NULL)
        return;
    wire_index_release(self->table, old->local_index);
    wire_keypair_retire(old);
}

/* Under the lock: makes @keypair current at once, so that senders never find the slot empty; what
 * it was becomes previous. */
static void promote(WireSlots *self, WireKeypair *keypair)
{
    WireKeypair *old = atomic_load_explicit(&self->current, memory_order_relaxed);

    wire_rcu_publish(&self->current, keypair);
    replace(self, &self->previous, old);
}

void wire_slots_add(WireSlots *self, WireKeypair *keypair)
{
    wire_spin_lock(&self->busy);
    wire_index_publish(self->table, keypair);
    /* Unlike in the kernel's WireGuard no other slot is emptied: when both sides renew at once, the
     * peer may still send under any of the three until the last message is there. */
    if (keypair->initiator)
        promote(self, keypair);
    else
        replace(self, &self->next, keypair);
    wire_spin_unlock(&self->busy);
}

bool wire_slots_received(WireSlots *self, WireKeypair *keypair)
{
    bool confirmed;

    if (wire_rcu_load(&self->next) != keypair)
        return false;
    wire_spin_lock(&self->busy);
    confirmed = atomic_load_explicit(&self->next, memory_order_relaxed) == keypair;
    if (confirmed) {
        promote(self, keypair);
        wire_rcu_publish(&self->next, NULL);
    }
    wire_spin_unlock(&self->busy);
    return confirmed;
}

void wire_slots_clear(WireSlots *self)
{
    wire_spin_lock(&self->busy);
    replace(self, &self->next, NULL);
    replace(self, &self->current, NULL);
    replace(self, &self->previous, NULL);
    wire_spin_unlock(&self->busy);
}
