/* tests/fuzz/fuzz-allowedips.c: the trie of allowed IPs against a list that is searched from end to
 * end; and finding the address in a packet, against a reader that checks nothing twice.
 *
 * Input: steps: put a prefix (0, 1), look an address up (2, 3), a packet (4), take a
 * prefix away (5). Few different bytes
 * make up the addresses, so that prefixes nest. */
#include "daemon/wire/allowedips.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <sys/socket.h>

#define MAX_PREFIXES 256

typedef struct {
    struct {
        MeshPrefix prefix;
        WirePeer  *peer;
    } rows[MAX_PREFIXES];
    size_t n;
} Model;

static WireOwner owners[8]; /* each is the peer that it leads to */

/* The first @bits of both are the same. */
static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    for (unsigned i = 0; i < bits; i++)
        if ((a[i / 8] ^ b[i / 8]) >> (7 - i % 8) & 1)
            return false;
    return true;
}

static WirePeer *find(const Model *model, const MeshAddr *addr)
{
    WirePeer *peer = NULL;
    int       longest = -1;

    for (size_t i = 0; i < model->n; i++) {
        const MeshPrefix *prefix = &model->rows[i].prefix;

        if (prefix->addr.family == addr->family && prefix->bits > longest &&
            same_bits(prefix->addr.bytes, addr->bytes, prefix->bits)) {
            longest = prefix->bits;
            peer = model->rows[i].peer;
        }
    }
    return peer;
}

static void remember(Model *model, const MeshPrefix *prefix, WirePeer *peer)
{
    size_t at = 0;

    while (at < model->n && !mesh_ip_equal_prefix(&model->rows[at].prefix, prefix))
        at++;
    model->rows[at].prefix = *prefix;
    model->rows[at].peer = peer;
    if (at == model->n)
        model->n++;
}

static MeshAddr take_addr(FuzzInput *in, int family)
{
    static const uint8_t bytes[] = { 0, 1, 0x80, 0xff, 10, 0xfd };
    uint8_t              addr[16];

    for (size_t i = 0; i < sizeof addr; i++)
        addr[i] = family == AF_INET && i >= 4 ? 0 : bytes[fuzz_take_u8(in) % sizeof bytes];
    return mesh_ip_make_addr(family, addr);
}

static void put(WireAllowedIps *trie, Model *model, FuzzInput *in, int family)
{
    MeshPrefix prefix = { .addr = take_addr(in, family) };
    WireOwner *owner = &owners[fuzz_take_u8(in) % 8];
    unsigned   bits = fuzz_take_u8(in) % (family == AF_INET ? 34u : 130u);
    bool       too_long = bits > (family == AF_INET ? 32u : 128u);

    prefix.bits = (uint8_t)bits;
    if (too_long) {
        assert(wire_allowedips_put(trie, &prefix, owner) < 0);
        return;
    }
    prefix = mesh_ip_mask_prefix(&prefix);
    assert(wire_allowedips_put(trie, &prefix, owner) == 0);
    remember(model, &prefix, (WirePeer *)owner);
}

/* One that is there. */
static void take_away(WireAllowedIps *trie, Model *model, FuzzInput *in)
{
    size_t at = fuzz_take_u8(in);

    if (at >= model->n)
        return;
    assert(wire_allowedips_remove(trie, &model->rows[at].prefix) == 0);
    model->rows[at] = model->rows[--model->n];
}

static WirePeer *look_up(const WireAllowedIps *trie, const MeshAddr *addr)
{
    return addr->family == AF_INET ? wire_allowedips_get4(trie, addr->bytes)
                                   : wire_allowedips_get6(trie, addr->bytes);
}

/* A whole IP header at @packet? Its addresses, then. */
static bool read_header(const uint8_t *packet, size_t len, MeshAddr *source, MeshAddr *destination)
{
    if (len >= 20 && packet[0] >> 4 == 4) {
        *source = mesh_ip_make_addr(AF_INET, packet + 12);
        *destination = mesh_ip_make_addr(AF_INET, packet + 16);
        return true;
    }
    if (len >= 40 && packet[0] >> 4 == 6) {
        *source = mesh_ip_make_addr(AF_INET6, packet + 8);
        *destination = mesh_ip_make_addr(AF_INET6, packet + 24);
        return true;
    }
    return false;
}

static void check_packet(const WireAllowedIps *trie, const Model *model, FuzzInput *in)
{
    size_t   len = fuzz_take_u8(in) % 64u, have = len < in->left ? len : in->left;
    uint8_t *packet =
        malloc(have > 0 ? have : 1); /* of its length, so that one byte more is seen */
    MeshAddr  source, destination;
    WirePeer *from, *to;

    fuzz_take_bytes(in, packet, have);
    from = wire_allowedips_get_source(trie, packet, have);
    to = wire_allowedips_get_destination(trie, packet, have);
    if (read_header(packet, have, &source, &destination))
        assert(from == find(model, &source) && to == find(model, &destination));
    else
        assert(from == NULL && to == NULL);
    free(packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    FuzzInput       in = fuzz_make_input(data, len);
    static Model    model;
    WireAllowedIps *trie;

    model.n = 0;
    for (size_t i = 0; i < 8; i++) {
        atomic_store(&owners[i].references, 1);
        atomic_store(&owners[i].peer, (WirePeer *)&owners[i]);
    }
    if (wire_allowedips_new(&trie) < 0)
        return 0;
    while (in.left > 0 && model.n < MAX_PREFIXES) {
        uint8_t  step = fuzz_take_u8(&in) % 6;
        int      family = step % 2 == 0 ? AF_INET : AF_INET6;
        MeshAddr addr;

        if (step < 2) {
            put(trie, &model, &in, family);
            continue;
        }
        if (step == 5) {
            take_away(trie, &model, &in);
            continue;
        }
        if (step == 4) {
            check_packet(trie, &model, &in);
            continue;
        }
        addr = take_addr(&in, family);
        assert(look_up(trie, &addr) == find(&model, &addr));
    }
    wire_allowedips_free(trie);
    return 0;
}
