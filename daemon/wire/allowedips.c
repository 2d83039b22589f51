/* daemon/wire/allowedips.c: longest-prefix trie; see allowedips.h.
 *
 * A binary trie with compressed paths, one a family, nodes in one array by number (0: none). A node
 * holds the bits common to all below it; one without a peer only forks. A look-up walks down as
 * long as the node's bits are the address's, and remembers the last peer it saw:
 *
 *            10.0.0.0/8 → A              10.1.2.3: A, fork, B; C does not match: → B
 *             └ 10.1.0.0/15 (fork)
 *                ├ 10.0.0.0/24 → D
 *                └ 10.1.0.0/16 → B
 *                   └ 10.1.128.0/17 → C  */
#include "daemon/wire/allowedips.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

/* An address, left-aligned; IPv4 is the upper half of hi. */
typedef struct {
    uint64_t hi, lo;
} Bits;

typedef struct {
    Bits      bits;
    uint32_t  child[2]; /* by the bit after ours */
    uint32_t  n_bits;
    WirePeer *peer; /* borrowed; NULL: only a fork */
} Node;

typedef struct {
    Node    *nodes;    /* owned; [0] is unused */
    uint32_t n, room;  /* in use (from 1), allocated */
    uint32_t root;     /* 0: empty */
    unsigned max_bits; /* 32 or 128 */
} Trie;

struct WireAllowedIps {
    Trie v4, v6;
};

int wire_allowedips_new(WireAllowedIps **out_self)
{
    WireAllowedIps *self = calloc(1, sizeof *self);

    if (self == NULL)
        return -ENOMEM;
    self->v4.max_bits = 32;
    self->v6.max_bits = 128;
    *out_self = self;
    return 0;
}

void wire_allowedips_free(WireAllowedIps *self)
{
    if (self == NULL)
        return;
    free(self->v4.nodes);
    free(self->v6.nodes);
    free(self);
}

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

/* Room for @more nodes, so that an insertion cannot fail half-way. */
static int reserve(Trie *trie, uint32_t more)
{
    uint32_t room = trie->room == 0 ? 16 : trie->room;
    Node    *nodes;

    if (trie->n == 0)
        trie->n = 1;
    while (room < trie->n + more)
        room *= 2;
    if (room == trie->room)
        return 0;
    nodes = realloc(trie->nodes, room * sizeof *nodes);
    if (nodes == NULL)
        return -ENOMEM;
    trie->nodes = nodes;
    trie->room = room;
    return 0;
}

static uint32_t add_node(Trie *trie, Bits bits, unsigned n_bits, WirePeer *peer)
{
    trie->nodes[trie->n] = (Node){ .bits = bits, .n_bits = n_bits, .peer = peer };
    return trie->n++;
}

/* Hangs a new node above @below, at @link; they differ after @common bits. */
static void fork_at(Trie *trie, uint32_t *link, Bits bits, unsigned n_bits, WirePeer *peer)
{
    uint32_t below = *link;
    Bits     other = trie->nodes[below].bits;
    unsigned common = count_common(bits, other);
    uint32_t leaf, fork;

    if (common >= n_bits) { /* ours contains what is there */
        leaf = add_node(trie, bits, n_bits, peer);
        trie->nodes[leaf].child[bit_at(other, n_bits)] = below;
        *link = leaf;
        return;
    }
    leaf = add_node(trie, bits, n_bits, peer);
    fork = add_node(trie, keep_first(bits, common), common, NULL);
    trie->nodes[fork].child[bit_at(other, common)] = below;
    trie->nodes[fork].child[bit_at(bits, common)] = leaf;
    *link = fork;
}

static int insert(Trie *trie, Bits bits, unsigned n_bits, WirePeer *peer)
{
    uint32_t *link = &trie->root;
    int       rc = reserve(trie, 2);

    if (rc < 0)
        return rc;
    while (*link != 0) {
        Node *node = &trie->nodes[*link];

        if (node->n_bits > n_bits || count_common(node->bits, bits) < node->n_bits)
            break;
        if (node->n_bits == n_bits) {
            node->peer = peer;
            return 0;
        }
        link = &node->child[bit_at(bits, node->n_bits)];
    }
    if (*link == 0)
        *link = add_node(trie, bits, n_bits, peer);
    else
        fork_at(trie, link, bits, n_bits, peer);
    return 0;
}

int wire_allowedips_put(WireAllowedIps *self, const MeshPrefix *prefix, WirePeer *peer)
{
    bool  v4 = prefix->addr.family == AF_INET;
    Trie *trie = v4 ? &self->v4 : &self->v6;
    Bits  bits = v4 ? make_bits4(prefix->addr.bytes) : make_bits6(prefix->addr.bytes);

    if (!v4 && prefix->addr.family != AF_INET6)
        return -EINVAL;
    if (prefix->bits > trie->max_bits)
        return -EINVAL;
    return insert(trie, keep_first(bits, prefix->bits), prefix->bits, peer);
}

static WirePeer *look_up(const Trie *trie, Bits bits)
{
    uint32_t  at = trie->root;
    WirePeer *found = NULL;

    while (at != 0) {
        const Node *node = &trie->nodes[at];

        if (count_common(node->bits, bits) < node->n_bits)
            break;
        if (node->peer != NULL)
            found = node->peer;
        if (node->n_bits == trie->max_bits)
            break;
        at = node->child[bit_at(bits, node->n_bits)];
    }
    return found;
}

static void settle(Trie *trie)
{
    Node *nodes = trie->n > 0 ? realloc(trie->nodes, trie->n * sizeof *nodes) : NULL;

    if (nodes == NULL)
        return; /* as large as it was */
    trie->nodes = nodes;
    trie->room = trie->n;
}

void wire_allowedips_settle(WireAllowedIps *self)
{
    settle(&self->v4);
    settle(&self->v6);
}

WirePeer *wire_allowedips_get4(const WireAllowedIps *self, const uint8_t addr[4])
{
    return look_up(&self->v4, make_bits4(addr));
}

WirePeer *wire_allowedips_get6(const WireAllowedIps *self, const uint8_t addr[16])
{
    return look_up(&self->v6, make_bits6(addr));
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
