/* daemon/wire/allowedips.c: longest-prefix trie; see allowedips.h.
 *
 * A binary trie with compressed paths, one a family. A node holds the bits common to all below it;
 * one without an owner only forks; what a node has not, it has no memory for. A look-up walks down
 * as long as the node's bits are the address's, and remembers the last owner it saw:
 *
 *            10.0.0.0/8 → A              10.1.2.3: A, fork, B; C does not match: → B
 *             └ 10.1.0.0/15 (fork)
 *                ├ 10.0.0.0/24 → D
 *                └ 10.1.0.0/16 → B
 *                   └ 10.1.128.0/17 → C
 *
 * A fork always has two children: what a table looks like follows from what is in it. */
#include "daemon/wire/allowedips.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

/* An address, left-aligned; IPv4 is the upper half of hi. */
typedef struct {
    uint64_t hi, lo;
} Bits;

typedef enum { OWNED = 1, FORKED = 2 } Kind; /* bits: has an owner, has children */

typedef struct {
    _Atomic uint32_t references;
    uint8_t          n_bits;
    uint8_t          kind;
    Bits             bits;
    void            *links[]; /* references: its owner if OWNED; its two children (by the bit
                               * behind ours; NULL: none) if FORKED */
} Node;

struct WireAllowedIps {
    Node *v4, *v6; /* references; NULL: empty */
};

/* A prefix, and which trie it is for. */
typedef struct {
    Bits    bits;
    uint8_t n_bits;
    bool    v4;
} Key;

/* ---- nodes ---- */

static Node *ref_node(Node *self)
{
    if (self != NULL)
        atomic_fetch_add_explicit(&self->references, 1, memory_order_relaxed);
    return self;
}

static size_t size_of(Kind kind)
{
    size_t n = (kind & OWNED ? 1u : 0u) + (kind & FORKED ? 2u : 0u);

    return sizeof(Node) + n * sizeof(void *);
}

static WireOwner *get_owner(const Node *self)
{
    return self->kind & OWNED ? self->links[0] : NULL;
}

/* Where a child of a node that is FORKED hangs. */
static Node **child_at(Node *self, unsigned side)
{
    return (Node **)&self->links[(self->kind & OWNED) + side];
}

static Node *get_child(const Node *self, unsigned side)
{
    return self->kind & FORKED ? self->links[(self->kind & OWNED) + side] : NULL;
}

/* As deep as the trie. */
static void unref_node(Node *self)
{
    if (self == NULL || atomic_fetch_sub_explicit(&self->references, 1, memory_order_acq_rel) != 1)
        return;
    if (self->kind & OWNED)
        wire_owner_unref(get_owner(self));
    unref_node(get_child(self, 0));
    unref_node(get_child(self, 1));
    free(self);
}

/* @owner: NULL: none. With @forked there is room for children. */
static Node *make_node(Bits bits, unsigned n_bits, WireOwner *owner, bool forked)
{
    Kind  kind = (owner != NULL ? OWNED : 0) | (forked ? FORKED : 0);
    Node *node = calloc(1, size_of(kind));

    if (node == NULL)
        return NULL;
    atomic_init(&node->references, 1);
    node->bits = bits;
    node->n_bits = (uint8_t)n_bits;
    node->kind = (uint8_t)kind;
    if (owner != NULL)
        node->links[0] = wire_owner_ref(owner);
    return node;
}

/* Puts a node that is this table's alone, as all above it are, in the place of the one at @link:
 * the same, but with @owner and, if @forked, with room for children. Returns: 0; -ENOMEM. */
static int remake(Node **link, WireOwner *owner, bool forked)
{
    Node *node = *link, *mine = make_node(node->bits, node->n_bits, owner, forked);

    if (mine == NULL)
        return -ENOMEM;
    for (unsigned side = 0; forked && side < 2; side++)
        *child_at(mine, side) = ref_node(get_child(node, side));
    unref_node(node);
    *link = mine;
    return 0;
}

/* Makes the node at @link this table's alone, as all above it are; with memory for children if
 * @parent. Returns: 0; -ENOMEM. */
static int own(Node **link, bool parent)
{
    Node *node = *link;
    bool  forked = (node->kind & FORKED) != 0;

    if (atomic_load_explicit(&node->references, memory_order_acquire) == 1 && (forked || !parent))
        return 0;
    return remake(link, get_owner(node), forked || parent);
}

/* ---- tables ---- */

int wire_allowedips_new(WireAllowedIps **out_self)
{
    WireAllowedIps *self = calloc(1, sizeof *self);

    if (self == NULL)
        return -ENOMEM;
    *out_self = self;
    return 0;
}

void wire_allowedips_free(WireAllowedIps *self)
{
    if (self == NULL)
        return;
    unref_node(self->v4);
    unref_node(self->v6);
    free(self);
}

WireAllowedIps *wire_allowedips_dup(const WireAllowedIps *self)
{
    WireAllowedIps *copy = calloc(1, sizeof *copy);

    if (copy != NULL) {
        copy->v4 = ref_node(self->v4);
        copy->v6 = ref_node(self->v6);
    }
    return copy;
}

/* ---- prefixes ---- */

static uint64_t load_be(const uint8_t *bytes, unsigned n)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < n; i++)
        value = value << 8 | bytes[i];
    return value << 8 * (8 - n);
}

static Bits make_bits4(const uint8_t *addr)
{
    return (Bits){ .hi = load_be(addr, 4) };
}

static Bits make_bits6(const uint8_t *addr)
{
    return (Bits){ .hi = load_be(addr, 8), .lo = load_be(addr + 8, 8) };
}

/* How many leading bits two addresses share, 0-128. */
static unsigned count_common(Bits a, Bits b)
{
    if (a.hi != b.hi)
        return (unsigned)__builtin_clzll(a.hi ^ b.hi);
    if (a.lo != b.lo)
        return 64 + (unsigned)__builtin_clzll(a.lo ^ b.lo);
    return 128;
}

static unsigned bit_at(Bits bits, unsigned place)
{
    uint64_t half = place < 64 ? bits.hi : bits.lo;

    return (unsigned)(half >> (63 - place % 64)) & 1;
}

static Bits keep_first(Bits bits, unsigned n)
{
    if (n < 64) {
        bits.hi = n == 0 ? 0 : bits.hi & UINT64_MAX << (64 - n);
        bits.lo = 0;
    } else if (n < 128) {
        bits.lo = n == 64 ? 0 : bits.lo & UINT64_MAX << (128 - n);
    }
    return bits;
}

static bool make_key(const MeshPrefix *prefix, Key *out_key)
{
    bool v4 = prefix->addr.family == AF_INET;
    Bits bits;

    if ((!v4 && prefix->addr.family != AF_INET6) || prefix->bits > (v4 ? 32 : 128))
        return false;
    bits = v4 ? make_bits4(prefix->addr.bytes) : make_bits6(prefix->addr.bytes);
    *out_key = (Key){ .bits = keep_first(bits, prefix->bits), .n_bits = prefix->bits, .v4 = v4 };
    return true;
}

static bool contains(const Node *node, const Key *key)
{
    return node->n_bits <= key->n_bits && count_common(node->bits, key->bits) >= node->n_bits;
}

/* Which child of a node that contains @key, and is not @key itself, leads to it. */
static unsigned side_of(const Node *node, const Key *key)
{
    return bit_at(key->bits, node->n_bits);
}

/* Hangs a new node above the one at @link, which does not contain @key; they differ after some
 * bits, or @key contains it. */
static int fork_at(Node **link, const Key *key, WireOwner *owner)
{
    Node    *below = *link, *leaf, *fork;
    unsigned common = count_common(key->bits, below->bits);

    leaf = make_node(key->bits, key->n_bits, owner, common >= key->n_bits);
    if (leaf == NULL)
        return -ENOMEM;
    if (common >= key->n_bits) { /* ours contains what is there */
        *child_at(leaf, bit_at(below->bits, key->n_bits)) = below;
        *link = leaf;
        return 0;
    }
    fork = make_node(keep_first(key->bits, common), common, NULL, true);
    if (fork == NULL) {
        unref_node(leaf);
        return -ENOMEM;
    }
    *child_at(fork, bit_at(below->bits, common)) = below;
    *child_at(fork, bit_at(key->bits, common)) = leaf;
    *link = fork;
    return 0;
}

static int insert(Node **link, const Key *key, WireOwner *owner)
{
    while (*link != NULL && contains(*link, key)) {
        if ((*link)->n_bits == key->n_bits)
            return remake(link, owner, ((*link)->kind & FORKED) != 0);
        if (own(link, true) < 0)
            return -ENOMEM;
        link = child_at(*link, side_of(*link, key));
    }
    if (*link != NULL)
        return fork_at(link, key, owner);
    *link = make_node(key->bits, key->n_bits, owner, false);
    return *link != NULL ? 0 : -ENOMEM;
}

int wire_allowedips_put(WireAllowedIps *self, const MeshPrefix *prefix, WireOwner *owner)
{
    Key key;

    if (!make_key(prefix, &key))
        return -EINVAL;
    return insert(key.v4 ? &self->v4 : &self->v6, &key, owner);
}

static Node *find(const WireAllowedIps *self, const Key *key)
{
    Node *node = key->v4 ? self->v4 : self->v6;

    while (node != NULL && contains(node, key)) {
        if (node->n_bits == key->n_bits)
            return node;
        node = get_child(node, side_of(node, key));
    }
    return NULL;
}

WireOwner *wire_allowedips_find(const WireAllowedIps *self, const MeshPrefix *prefix)
{
    Key   key;
    Node *node = make_key(prefix, &key) ? find(self, &key) : NULL;

    return node != NULL ? get_owner(node) : NULL;
}

/* The fork at @link, whose child at @side is not needed any more, is not either. */
static void drop_fork(Node **link, unsigned side)
{
    Node *fork = *link;

    *link = ref_node(get_child(fork, !side));
    unref_node(fork);
}

int wire_allowedips_remove(WireAllowedIps *self, const MeshPrefix *prefix)
{
    Key      key;
    unsigned side = 0;
    Node   **link, **parent = NULL, *node;

    if (wire_allowedips_find(self, prefix) == NULL || !make_key(prefix, &key))
        return 0;
    for (link = key.v4 ? &self->v4 : &self->v6; (*link)->n_bits != key.n_bits;
         link = child_at(*link, side)) {
        if (own(link, false) < 0)
            return -ENOMEM;
        parent = link;
        side = side_of(*link, &key);
    }
    node = *link;
    if (get_child(node, 0) != NULL && get_child(node, 1) != NULL)
        return remake(link, NULL, true);
    if (get_child(node, 0) == NULL && get_child(node, 1) == NULL && parent != NULL &&
        get_owner(*parent) == NULL) {
        drop_fork(parent, side);
        return 0;
    }
    *link = ref_node(get_child(node, get_child(node, 0) == NULL));
    unref_node(node);
    return 0;
}

/* ---- looking up ---- */

static WirePeer *look_up(const Node *node, Bits bits, unsigned max_bits)
{
    WireOwner *found = NULL;

    while (node != NULL) {
        if (count_common(node->bits, bits) < node->n_bits)
            break;
        if (node->kind & OWNED)
            found = node->links[0];
        if (node->n_bits == max_bits)
            break;
        node = get_child(node, bit_at(bits, node->n_bits));
    }
    return found != NULL ? wire_owner_get_peer(found) : NULL;
}

WirePeer *wire_allowedips_get4(const WireAllowedIps *self, const uint8_t addr[4])
{
    return look_up(self->v4, make_bits4(addr), 32);
}

WirePeer *wire_allowedips_get6(const WireAllowedIps *self, const uint8_t addr[16])
{
    return look_up(self->v6, make_bits6(addr), 128);
}

/* @place4, @place6: where the address lies in the headers (RFC 791 §3.1, RFC 8200 §3). */
static WirePeer *get_packet(const WireAllowedIps *self, MeshSpan packet, size_t place4,
                            size_t place6)
{
    const uint8_t *bytes = packet.data;

    if (packet.len >= 20 && bytes[0] >> 4 == 4)
        return wire_allowedips_get4(self, bytes + place4);
    if (packet.len >= 40 && bytes[0] >> 4 == 6)
        return wire_allowedips_get6(self, bytes + place6);
    return NULL;
}

WirePeer *wire_allowedips_get_destination(const WireAllowedIps *self, const uint8_t *packet,
                                          size_t len)
{
    return get_packet(self, MESH_SPAN(packet, len), 16, 24);
}

WirePeer *wire_allowedips_get_source(const WireAllowedIps *self, const uint8_t *packet, size_t len)
{
    return get_packet(self, MESH_SPAN(packet, len), 12, 8);
}
