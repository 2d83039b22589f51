/* daemon/wire/cards.c: a hash array mapped trie, 32 ways a node; see cards.h.
 *
 * A slot is nothing, a card (its lowest bit is set) or a node. A node has a slot for each set bit
 * of its map. Levels take five bits of the hash each. No node but the root has a single card for
 * its only slot, so that a set's form follows from what is in it. */
#include "daemon/wire/cards.h"

#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define IS_CARD ((uintptr_t)1)

enum { BITS = 5, LEVELS_A_WORD = 12, LEVELS = 2 * LEVELS_A_WORD };

typedef uintptr_t Slot;

typedef struct {
    _Atomic uint32_t references;
    uint32_t         map;
    Slot             slots[]; /* references */
} Node;

typedef struct {
    uint64_t words[2];
} Hash;

static pthread_once_t seeded = PTHREAD_ONCE_INIT;
static uint8_t        seed[crypto_shorthash_siphashx24_KEYBYTES];

static void draw_seed(void)
{
    mesh_key_random(seed, sizeof seed);
}

static Hash hash_of(const MeshKey *key)
{
    Hash hash;

    pthread_once(&seeded, draw_seed);
    crypto_shorthash_siphashx24((unsigned char *)hash.words, key->bytes, MESH_KEY_BYTES, seed);
    return hash;
}

static uint32_t bit_of(const Hash *hash, unsigned level)
{
    return UINT32_C(1) << (hash->words[level / LEVELS_A_WORD] >> BITS * (level % LEVELS_A_WORD) &
                           31);
}

static WireCard *card_of(Slot slot)
{
    return (WireCard *)(slot & ~IS_CARD);
}

static Node *node_of(Slot slot)
{
    return (Node *)slot;
}

static bool is_card(Slot slot)
{
    return (slot & IS_CARD) != 0;
}

static bool is_node(Slot slot)
{
    return slot != 0 && !is_card(slot);
}

static unsigned count(uint32_t map)
{
    return (unsigned)__builtin_popcount(map);
}

/* Where the slot of @bit is, or would be. */
static unsigned place_of(const Node *node, uint32_t bit)
{
    return count(node->map & (bit - 1));
}

static Slot ref_slot(Slot slot)
{
    if (is_card(slot))
        atomic_fetch_add_explicit(&card_of(slot)->references, 1, memory_order_relaxed);
    else if (slot != 0)
        atomic_fetch_add_explicit(&node_of(slot)->references, 1, memory_order_relaxed);
    return slot;
}

/* As deep as the trie. */
static void unref_slot(Slot slot)
{
    Node *node = node_of(slot);

    if (is_card(slot)) {
        wire_card_unref(card_of(slot));
        return;
    }
    if (slot == 0 || atomic_fetch_sub_explicit(&node->references, 1, memory_order_acq_rel) != 1)
        return;
    for (unsigned i = 0; i < count(node->map); i++)
        unref_slot(node->slots[i]);
    free(node);
}

WireCards wire_cards_ref(const WireCards *self)
{
    return (WireCards){ .root = ref_slot(self->root) };
}

void wire_cards_unref(WireCards *self)
{
    unref_slot(self->root);
    self->root = 0;
}

static bool has_key(const WireCard *card, const MeshKey *key)
{
    return memcmp(card->owner->public_key.bytes, key->bytes, MESH_KEY_BYTES) == 0;
}

static WireCard *find_from(Slot slot, const MeshKey *key, unsigned level)
{
    Hash hash = hash_of(key);

    for (; is_node(slot); level++) {
        Node    *node = node_of(slot);
        uint32_t bit = bit_of(&hash, level);

        if ((node->map & bit) == 0)
            return NULL;
        slot = node->slots[place_of(node, bit)];
    }
    return slot != 0 && has_key(card_of(slot), key) ? card_of(slot) : NULL;
}

WireCard *wire_cards_find(const WireCards *self, const MeshKey *public_key)
{
    return find_from(self->root, public_key, 0);
}

static Node *make_node(unsigned n_slots)
{
    Node *node = malloc(sizeof(Node) + n_slots * sizeof(Slot));

    if (node != NULL) {
        atomic_init(&node->references, 1);
        node->map = 0;
    }
    return node;
}

static void insert(Node *node, uint32_t bit, Slot slot)
{
    unsigned place = place_of(node, bit), n = count(node->map);

    memmove(&node->slots[place + 1], &node->slots[place], (n - place) * sizeof(Slot));
    node->slots[place] = slot;
    node->map |= bit;
}

/* Makes the node at @link this set's alone, as all above it are, with room for one more slot if
 * @grow. Returns: 0; -ENOMEM. */
static int own(Slot *link, bool grow)
{
    Node    *node = node_of(*link), *mine;
    unsigned n = count(node->map);

    if (atomic_load_explicit(&node->references, memory_order_acquire) == 1) {
        mine = grow ? realloc(node, sizeof(Node) + (n + 1) * sizeof(Slot)) : node;
        if (mine == NULL)
            return -ENOMEM;
        *link = (Slot)mine;
        return 0;
    }
    mine = make_node(n + grow);
    if (mine == NULL)
        return -ENOMEM;
    mine->map = node->map;
    for (unsigned i = 0; i < n; i++)
        mine->slots[i] = ref_slot(node->slots[i]);
    unref_slot(*link);
    *link = (Slot)mine;
    return 0;
}

int wire_cards_own(WireCards *self, const MeshKey *public_key, uint32_t more, WireCard **out_card)
{
    Hash      hash = hash_of(public_key);
    Slot     *link = &self->root;
    WireCard *card;
    int       rc;

    for (unsigned level = 0; is_node(*link); level++) {
        if (own(link, false) < 0)
            return -ENOMEM;
        link = &node_of(*link)->slots[place_of(node_of(*link), bit_of(&hash, level))];
    }
    card = card_of(*link);
    rc = wire_card_own(&card, more);
    if (rc < 0)
        return rc;
    *link = (Slot)card | IS_CARD;
    *out_card = card;
    return 0;
}

/* Nodes of one slot each, but the last, whose cards are others'. */
static void free_chain(Slot slot)
{
    while (is_node(slot)) {
        Slot below = node_of(slot)->slots[0];

        free(node_of(slot));
        slot = below;
    }
}

/* A node at @level, and those it needs below, for two cards that met there. */
static int make_fork(Slot a, Slot b, unsigned level, Slot *out_slot)
{
    Hash     at = hash_of(&card_of(a)->owner->public_key);
    Hash     bt = hash_of(&card_of(b)->owner->public_key);
    unsigned deepest = level;
    Node    *node;
    Slot     below = 0;

    while (deepest < LEVELS && bit_of(&at, deepest) == bit_of(&bt, deepest))
        deepest++;
    if (deepest == LEVELS)
        return -ENOMEM; /* two keys of one 120-bit hash: there are none */
    for (unsigned at_level = deepest + 1; at_level-- > level;) {
        node = make_node(2);
        if (node == NULL) {
            free_chain(below);
            return -ENOMEM;
        }
        if (at_level == deepest) {
            insert(node, bit_of(&at, at_level), a);
            insert(node, bit_of(&bt, at_level), b);
        } else {
            insert(node, bit_of(&at, at_level), below);
        }
        below = (Slot)node;
    }
    *out_slot = below;
    return 0;
}

int wire_cards_add(WireCards *self, WireCard *card)
{
    Hash     hash = hash_of(&card->owner->public_key);
    Slot    *link = &self->root;
    Slot     mine = (Slot)card | IS_CARD;
    unsigned level = 0;

    for (; is_node(*link); level++) {
        uint32_t bit = bit_of(&hash, level);
        bool     there = (node_of(*link)->map & bit) != 0;

        if (own(link, !there) < 0)
            return -ENOMEM;
        if (!there) {
            insert(node_of(*link), bit, mine);
            return 0;
        }
        link = &node_of(*link)->slots[place_of(node_of(*link), bit)];
    }
    if (*link != 0)
        return make_fork(*link, mine, level, link);
    *link = mine;
    return 0;
}

/* Out of the node at @link, whose slot at @place is empty now. */
static void close_hole(Slot *link, unsigned place, uint32_t bit)
{
    Node    *node = node_of(*link), *smaller;
    unsigned n = count(node->map) - 1;

    memmove(&node->slots[place], &node->slots[place + 1], (n - place) * sizeof(Slot));
    node->map &= ~bit;
    smaller = realloc(node, sizeof(Node) + n * sizeof(Slot));
    if (smaller != NULL)
        *link = (Slot)smaller;
}

static int remove_below(Slot *link, const Hash *hash, unsigned level)
{
    uint32_t bit = bit_of(hash, level);
    unsigned place;
    Node    *node;
    int      rc;

    if (is_card(*link)) {
        unref_slot(*link);
        *link = 0;
        return 0;
    }
    if (own(link, false) < 0)
        return -ENOMEM;
    place = place_of(node_of(*link), bit);
    rc = remove_below(&node_of(*link)->slots[place], hash, level + 1);
    if (rc < 0)
        return rc;
    if (node_of(*link)->slots[place] == 0)
        close_hole(link, place, bit);
    node = node_of(*link);
    if (count(node->map) == 1 && is_card(node->slots[0])) {
        *link = node->slots[0];
        free(node);
    }
    return 0;
}

int wire_cards_remove(WireCards *self, const MeshKey *public_key)
{
    Hash hash = hash_of(public_key);

    return remove_below(&self->root, &hash, 0);
}

static void list(Slot slot, void (*each)(WireCard *card, void *data), void *data)
{
    if (is_card(slot))
        each(card_of(slot), data);
    for (unsigned i = 0; is_node(slot) && i < count(node_of(slot)->map); i++)
        list(node_of(slot)->slots[i], each, data);
}

void wire_cards_list(const WireCards *self, void (*each)(WireCard *card, void *data), void *data)
{
    list(self->root, each, data);
}

/* ---- two sets ---- */

typedef struct {
    void (*each)(WireCard *was, WireCard *is, void *data);
    void    *data;
    Slot     other; /* what stands at this place in the other set */
    unsigned level;
} Compare;

static void compare_new(WireCard *card, void *data)
{
    const Compare *self = data;
    WireCard      *was = find_from(self->other, &card->owner->public_key, self->level);

    if (was != card)
        self->each(was, card, self->data);
}

static void compare_old(WireCard *card, void *data)
{
    const Compare *self = data;

    if (find_from(self->other, &card->owner->public_key, self->level) == NULL)
        self->each(card, NULL, self->data);
}

static Slot slot_at(const Node *node, uint32_t bit)
{
    return (node->map & bit) != 0 ? node->slots[place_of(node, bit)] : 0;
}

static void compare(Slot was, Slot is, const Compare *how)
{
    Compare below = *how;

    if (was == is)
        return;
    if (!is_node(was) || !is_node(is)) {
        below.other = was;
        list(is, compare_new, &below);
        below.other = is;
        list(was, compare_old, &below);
        return;
    }
    below.level++;
    for (uint32_t map = node_of(was)->map | node_of(is)->map; map != 0; map &= map - 1) {
        uint32_t bit = map & -map;

        compare(slot_at(node_of(was), bit), slot_at(node_of(is), bit), &below);
    }
}

void wire_cards_compare(const WireCards *was, const WireCards                       *is,
                        void (*each)(WireCard *was, WireCard *is, void *data), void *data)
{
    Compare how = { .each = each, .data = data };

    compare(was->root, is->root, &how);
}
