/* daemon/wire/allowedips.c: longest-prefix trie; see allowedips.h.
 *
 * A binary trie with compressed paths, one a family. A node holds the bits common to all below it;
 * one without an owner only forks, one without children is smaller. A look-up walks down as long as
 * the node's bits are the address's, and remembers the last owner it saw:
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

typedef struct Node {
    _Atomic uint32_t references;
    uint8_t          n_bits;
    bool             is_leaf; /* without memory for children */
    Bits             bits;
    WireOwner       *owner;   /* a reference; NULL: only a fork */
    struct Node     *child[]; /* two, by the bit after ours; references; NULL: none */
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

/* As deep as the trie. */
static void unref_node(Node *self)
{
    if (self == NULL || atomic_fetch_sub_explicit(&self->references, 1, memory_order_acq_rel) != 1)
        return;
    if (self->owner != NULL)
        wire_owner_unref(self->owner);
    if (!self->is_leaf) {
        unref_node(self->child[0]);
        unref_node(self->child[1]);
    }
    free(self);
}

static Node *make_node(Bits bits, unsigned n_bits, WireOwner *owner, bool is_leaf)
{
    Node *node = malloc(sizeof(Node) + (is_leaf ? 0 : 2 * sizeof(Node *)));

    if (node == NULL)
        return NULL;
    atomic_init(&node->references, 1);
    node->bits = bits;
    node->n_bits = (uint8_t)n_bits;
    node->is_leaf = is_leaf;
    node->owner = owner != NULL ? wire_owner_ref(owner) : NULL;
    if (!is_leaf)
        node->child[0] = node->child[1] = NULL;
    return node;
}

static Node *get_child(const Node *node, unsigned side)
{
    return node->is_leaf ? NULL : node->child[side];
}

/* Makes the node at @link this table's alone, as all above it are; with memory for children if
 * @parent. Returns: 0; -ENOMEM. */
static int own(Node **link, bool parent)
{
    Node *node = *link, *mine;

    if (atomic_load_explicit(&node->references, memory_order_acquire) == 1 &&
        !(parent && node->is_leaf))
        return 0;
    mine = make_node(node->bits, node->n_bits, node->owner, node->is_leaf && !parent);
    if (mine == NULL)
        return -ENOMEM;
    if (!node->is_leaf) {
        mine->child[0] = ref_node(node->child[0]);
        mine->child[1] = ref_node(node->child[1]);
    }
    unref_node(node);
    *link = mine;
    return 0;
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

    leaf = make_node(key->bits, key->n_bits, owner, common < key->n_bits);
    if (leaf == NULL)
        return -ENOMEM;
    if (common >= key->n_bits) { /* ours contains what is there */
        leaf->child[bit_at(below->bits, key->n_bits)] = below;
        *link = leaf;
        return 0;
    }
    fork = make_node(keep_first(key->bits, common), common, NULL, false);
    if (fork == NULL) {
        unref_node(leaf);
        return -ENOMEM;
    }
    fork->child[bit_at(below->bits, common)] = below;
    fork->child[bit_at(key->bits, common)] = leaf;
    *link = fork;
    return 0;
}

static void set_owner(Node *node, WireOwner *owner)
{
    WireOwner *was = node->owner;

    node->owner = owner != NULL ? wire_owner_ref(owner) : NULL;
    if (was != NULL)
        wire_owner_unref(was);
}

static int insert(Node **link, const Key *key, WireOwner *owner)
{
    while (*link != NULL && contains(*link, key)) {
        bool here = (*link)->n_bits == key->n_bits;

        if (own(link, !here) < 0)
            return -ENOMEM;
        if (here) {
            set_owner(*link, owner);
            return 0;
        }
        link = &(*link)->child[side_of(*link, key)];
    }
    if (*link != NULL)
        return fork_at(link, key, owner);
    *link = make_node(key->bits, key->n_bits, owner, true);
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

    return node != NULL ? node->owner : NULL;
}

/* A node of this table alone that has no owner and fewer than two children is not needed. */
static void drop_needless(Node **link)
{
    Node    *node = *link;
    unsigned side = node->is_leaf || node->child[0] == NULL;

    if (node->owner != NULL || (!node->is_leaf && node->child[0] != NULL && node->child[1] != NULL))
        return;
    *link = get_child(node, side);
    if (*link != NULL)
        node->child[side] = NULL; /* its reference went up */
    unref_node(node);
}

int wire_allowedips_remove(WireAllowedIps *self, const MeshPrefix *prefix)
{
    Key    key;
    Node **link, **parent = NULL;

    if (wire_allowedips_find(self, prefix) == NULL || !make_key(prefix, &key))
        return 0;
    for (link = key.v4 ? &self->v4 : &self->v6;; link = &(*link)->child[side_of(*link, &key)]) {
        if (own(link, false) < 0)
            return -ENOMEM;
        if ((*link)->n_bits == key.n_bits)
            break;
        parent = link;
    }
    set_owner(*link, NULL);
    drop_needless(link);
    if (parent != NULL)
        drop_needless(parent); /* a fork may have lost a child */
    return 0;
}

/* ---- looking up ---- */

static WirePeer *look_up(const Node *node, Bits bits, unsigned max_bits)
{
    WireOwner *found = NULL;

    while (node != NULL) {
        if (count_common(node->bits, bits) < node->n_bits)
            break;
        if (node->owner != NULL)
            found = node->owner;
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
