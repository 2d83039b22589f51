/* daemon/wire/card.h: a peer as configurations name it. Configurations and snapshots that agree on
 * a peer share one card, so that what did not change is known by its address.
 *
 * A card is written only while one configuration alone holds it, else copied first. The owner is
 * what allowed IPs point to: it stays when the card changes. References are counted by any thread;
 * all else is the control thread's, and readers' once a snapshot was published. */
#pragma once

#include "common/std/attr.h"
#include "common/std/ip.h"
#include "common/std/key.h"
#include "daemon/wire/config.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct WirePeer WirePeer; /* peer.h */

/** WireOwner: who a peer is; constant but for the last two. */
typedef struct {
    _Atomic uint32_t    references;
    MeshKey             public_key;
    uint32_t            order; /* of addition to the configuration */
    _Atomic(WirePeer *) peer;  /* borrowed; set before a snapshot with this owner is published */
    int64_t taken_ns;          /* see WirePeerSpec: of the key, so of all copies. Control thread */
} WireOwner;

/** WireCard: what is wished of a peer. */
typedef struct {
    _Atomic uint32_t references;
    uint16_t         keepalive_s;
    uint8_t          suite;         /* WireSuite */
    uint8_t          answers;       /* never 0 */
    WireOwner       *owner;         /* a reference */
    MeshKey         *preshared_key; /* owned; NULL: none */
    uint32_t         n_ips, room;
    MeshPrefix       ips[]; /* in a fixed order */
} WireCard;

WireOwner *wire_owner_new(const MeshKey *public_key, uint32_t order); /* NULL: out of memory */
WireOwner *wire_owner_ref(WireOwner *self);
void       wire_owner_unref(WireOwner *self);

/* The peer that lives under it; a reader, under QSBR. */
static inline WirePeer *wire_owner_get_peer(WireOwner *self)
{
    return atomic_load_explicit(&self->peer, memory_order_acquire);
}

/** wire_card_new: with @owner (a reference is taken), without addresses. NULL: out of memory. */
WireCard *wire_card_new(WireOwner *owner, const WirePeerSpec *spec);
void      wire_card_unref(WireCard *self); /* the last one wipes */

/** wire_card_own: makes *inout_card the caller's alone, with room for @more addresses; takes the
 * caller's reference of the old one on success. Returns: 0; -ENOMEM. */
MESH_CHECKED int wire_card_own(WireCard **inout_card, uint32_t more);

/** wire_card_set: all of @spec but its key and taken_ns, on a card of one's own.
 * Returns: 0; -ENOMEM. */
MESH_CHECKED int wire_card_set(WireCard *self, const WirePeerSpec *spec);

/** wire_card_get_spec: secret. */
void wire_card_get_spec(const WireCard *self, WirePeerSpec *out_spec);

/** wire_card_get_preshared: zero: none. */
const MeshKey *wire_card_get_preshared(const WireCard *self);

/* Addresses, of a card of one's own: there is room for what is added. Both do nothing twice. */
void wire_card_add_ip(WireCard *self, const MeshPrefix *prefix);
void wire_card_remove_ip(WireCard *self, const MeshPrefix *prefix);
