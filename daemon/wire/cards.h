/* daemon/wire/cards.h: all peers of a configuration by key: a trie of cards whose parts are shared
 * by configurations and snapshots.
 *
 * A change copies the nodes from the root to its place, unless they belong to this set alone; all
 * else stays where it is and is recognised by its address. What two sets have in common is skipped
 * when they are compared, so that costs by what differs. Found by a keyed hash: nobody chooses his
 * key so that others become slow.
 *
 * Thread: changes, the control thread; looking up, any thread that reads the snapshot. */
#pragma once

#include "common/std/attr.h"
#include "common/std/key.h"
#include "daemon/wire/card.h"

#include <stdint.h>

/** WireCards: a set; zeroed: empty. */
typedef struct {
    uintptr_t root;
} WireCards;

WireCards wire_cards_ref(const WireCards *self); /* the same set again; cannot fail */
void      wire_cards_unref(WireCards *self);     /* then empty */

/** wire_cards_find: borrowed; NULL: none. */
WireCard *wire_cards_find(const WireCards *self, const MeshKey *public_key);

/** wire_cards_own: the card of a key that is in it, made this set's alone, with room for @more
 * addresses. Returns: 0; -ENOMEM. */
MESH_CHECKED int wire_cards_own(WireCards *self, const MeshKey *public_key, uint32_t more,
                                WireCard **out_card);

/** wire_cards_add: takes the caller's reference. Its key is not in it yet. Returns: 0; -ENOMEM. */
MESH_CHECKED int wire_cards_add(WireCards *self, WireCard *card);

/** wire_cards_remove: a key that is in it. Returns: 0; -ENOMEM. */
MESH_CHECKED int wire_cards_remove(WireCards *self, const MeshKey *public_key);

/** wire_cards_list: every card, in no given order. */
void wire_cards_list(const WireCards *self, void (*each)(WireCard *card, void *data), void *data);

/** wire_cards_compare: calls @each for every key whose card is not the same object in both; NULL:
 * the key is not there. */
void wire_cards_compare(const WireCards *was, const WireCards                       *is,
                        void (*each)(WireCard *was, WireCard *is, void *data), void *data);
