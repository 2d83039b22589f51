/* tests/fuzz/fuzz-gate.c: the gate of a node before a server and peers that lie: they hold their
 * keys, so everything is signed, and say whatever the input tells them to.
 *
 * Input: maps one after the other; each a head and peers of a few bytes, see take_map(). What holds
 * for every map that is let in: each peer has its own node key, WireGuard key and addresses, inside
 * the policy's prefixes and not ours; its membership and record were signed by their owners and are
 * in force; endpoints are such as one may send to; and nothing ever goes back: epoch, version,
 * policy, serials, sequence numbers, removals. */
#include "common/proto/tip.h"
#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "daemon/lock/gate.h"
#include "tests/fuzz/fuzz-glib.h"
#include "tests/fuzz/fuzz.h"

#include <sys/socket.h>

#define NOW       INT64_C(1790000000)
#define N_NODES   5 /* 0 is ourselves */
#define MAX_PEERS 4
#define MAX_MAPS  8

typedef struct {
    MeshSignSecret secret;
    MeshKey        key;
} Pair;

typedef struct {
    uint64_t serial, k_seq; /* highest seen in maps that were let in */
} Floor;

static MeshNetwork network;
static Pair        server, nodes[N_NODES];

static struct {
    uint64_t epoch, ver, pver;
    Floor    floors[N_NODES];
} seen;

static int64_t stand_still(void *data)
{
    (void)data;
    return NOW * 1000000000;
}

static void make_pair(Pair *pair, uint8_t number)
{
    uint8_t seed[MESH_SIGN_SEED_BYTES] = { number };

    mesh_sign_make_pair(seed, &pair->secret, &pair->key);
}

static void start(void)
{
    static const MeshClockSource clock = { .boot_ns = stand_still, .wall_ns = stand_still };
    static bool                  ready;

    if (ready)
        return;
    ready = true;
    if (mesh_key_init() < 0)
        abort();
    mesh_clock_set_source(&clock);
    make_pair(&server, 100);
    for (uint8_t i = 0; i < N_NODES; i++)
        make_pair(&nodes[i], i);
    network = (MeshNetwork){ .id = { { 1, 2, 3 } }, .name = "home", .server = server.key };
    if (mesh_ip_parse_prefix("10.64.0.0/16", &network.ip4) < 0 ||
        mesh_ip_parse_prefix("fd00:1:2::/48", &network.ip6) < 0)
        abort();
}

/* ---- what the liars sign ---- */

static MeshAddr make_addr(const char *text, uint8_t last)
{
    MeshAddr addr = { 0 };

    if (mesh_ip_parse_addr(text, &addr) < 0)
        abort();
    addr.bytes[addr.family == AF_INET ? 3 : 15] = last;
    return addr;
}

static MeshKey make_wg(uint8_t number)
{
    MeshKey key = { { 9, number } };

    return key;
}

/* 6 bytes: the last byte of both addresses, serial, flags, when it is in force. */
static MeshSigned *take_member(unsigned node, FuzzInput *in)
{
    g_autoptr(MeshMember) member = mesh_member_new();
    uint8_t last = fuzz_take_u8(in) % 8, flags;

    member->serial = fuzz_take_u8(in) % 8 + 1u;
    flags = fuzz_take_u8(in);
    member->node = nodes[node].key;
    g_snprintf(member->name, sizeof member->name, "n%u", flags & 1 ? node : 1);
    member->ip4 = make_addr(flags & 2 ? "10.65.0.0" : "10.64.0.0", last);
    member->ip6 = make_addr(flags & 4 ? "fd00:1:3::" : "fd00:1:2::", flags & 8 ? last : node + 100);
    if (flags & 16)
        member->ip4 = (MeshAddr){ 0 };
    member->nbf = NOW - 1000 + (int64_t)fuzz_take_u8(in) * 10;
    member->exp = member->nbf + 1 + (int64_t)fuzz_take_u8(in) * 10;
    return mesh_member_sign(member, &network.id, flags & 32 ? &nodes[node].secret : &server.secret,
                            NULL);
}

/* 3 bytes: WireGuard key, sequence number, flags. */
static MeshSigned *take_k(unsigned node, FuzzInput *in)
{
    MeshKey     wg = make_wg(fuzz_take_u8(in) % 6);
    uint64_t    seq = fuzz_take_u8(in) % 8 + 1u;
    uint8_t     flags = fuzz_take_u8(in);
    unsigned    signer = flags & 1 ? (node + 1) % N_NODES : node;
    MeshRecordK record = mesh_record_make_k(&nodes[flags & 2 ? signer : node].key, &wg, seq);

    return mesh_record_sign_k(&record, &network.id, &nodes[signer].secret, NULL);
}

/* 4 bytes: sequence number, end, address, kind. */
static MeshSigned *take_e(unsigned node, FuzzInput *in)
{
    static const uint32_t addrs[] = { 0xc0000201, 0x7f000001, 0xa9fe0001, 0xe0000001,
                                      0x0a400001, 0xffffffff, 0,          0xc0a80001 };
    MeshRecordE           record = { .node = nodes[node].key, .n_endpoints = 2 };

    record.seq = fuzz_take_u8(in) % 8;
    record.exp = NOW - 100 + fuzz_take_u8(in);
    record.endpoints[0].endpoint = mesh_endpoint_make4(addrs[fuzz_take_u8(in) % 8], 51820);
    record.endpoints[0].kind = (MeshRecordKind)(fuzz_take_u8(in) % 3);
    record.endpoints[1] = record.endpoints[0];
    record.endpoints[1].endpoint.port++;
    return mesh_record_sign_e(&record, &network.id, &nodes[node].secret, NULL);
}

static MeshSigned *make_policy(uint64_t ver, uint8_t flags)
{
    MeshNetwork odd = network;
    MeshAcl    *acl;
    char       *body;
    MeshSigned *p;

    if (flags & 1)
        odd.ip4 = (MeshPrefix){ 0 };
    acl = mesh_acl_new_open(ver, &odd);
    body = mesh_acl_encode(acl, &network.id);
    p = mesh_signed_make(MESH_SIGNED_P, &network.id, body,
                         flags & 2 ? &nodes[1].secret : &server.secret, NULL);
    g_free(body);
    mesh_acl_free(acl);
    return p;
}

/* ---- maps ---- */

static void apply(MeshNetmap *map, MeshMapline *line)
{
    MeshNetmapChange change;

    (void)mesh_netmap_apply(map, line, &change, NULL);
}

static void apply_peers(MeshNetmap *map, size_t count, FuzzInput *in)
{
    MeshPeer    peers[MAX_PEERS] = { 0 };
    MeshMapline line = { .type = MESH_MAPLINE_PEERS, .n_peers = count, .peers = peers };

    for (size_t i = 0; i < count; i++) {
        uint8_t pick = fuzz_take_u8(in);

        peers[i].index = (uint32_t)i + 1;
        peers[i].online = true;
        peers[i].m = take_member(pick % N_NODES, in);
        peers[i].k = take_k(pick % N_NODES, in);
        if (pick & 0x80)
            peers[i].e = take_e(pick % N_NODES, in);
    }
    apply(map, &line);
    for (size_t i = 0; i < count; i++)
        mesh_mapline_clear_peer(&peers[i]);
}

/* A head (flags, epoch, version, policy's version and flags, tip), our M, then the peers. */
static MeshNetmap *take_map(FuzzInput *in)
{
    MeshNetmap *map = mesh_netmap_new();
    uint8_t     flags = fuzz_take_u8(in);
    MeshNonce   nonce = { .number = 5 };
    MeshTip     tip = { .epoch = fuzz_take_u8(in) % 3 + 1u, .ver = fuzz_take_u8(in) % 8 + 1u };
    uint64_t    pver = fuzz_take_u8(in) % 4 + 1u;
    size_t      count = flags % (MAX_PEERS + 1u);
    MeshMapline hello = { .type = MESH_MAPLINE_HELLO, .network = network, .has_network = true };
    MeshMapline snap = { .type = MESH_MAPLINE_SNAP, .epoch = tip.epoch, .ver = tip.ver };
    MeshMapline end = { .type = MESH_MAPLINE_SNAP_END, .ver = tip.ver };

    tip.pver = pver;
    tip.time = NOW - 50 + fuzz_take_u8(in);
    tip.has_nonce = true;
    tip.nonce = nonce;
    if (flags & 0x80) /* the answer to another request */
        tip.nonce.number++;
    mesh_netmap_begin(map, &nonce);
    hello.tip = mesh_tip_sign(&tip, &network.id, &server.secret, NULL);
    if (!(flags & 0x40)) /* else it is from disk */
        apply(map, &hello);
    snap.count = (unsigned)count;
    snap.p = make_policy(pver, fuzz_take_u8(in));
    snap.m = take_member(0, in);
    if (snap.m != NULL && snap.p != NULL) {
        apply(map, &snap);
        apply_peers(map, count, in);
        apply(map, &end);
    }
    mesh_signed_unref(hello.tip);
    mesh_signed_unref(snap.p);
    mesh_signed_unref(snap.m);
    return map;
}

/* ---- what must hold ---- */

static unsigned node_of(const MeshKey *key)
{
    for (unsigned i = 0; i < N_NODES; i++)
        if (mesh_key_equal(&nodes[i].key, key))
            return i;
    abort();
}

static void check_endpoints(const LockPeer *peer)
{
    assert(peer->n_endpoints <= LOCK_MAX_ENDPOINTS);
    for (size_t i = 0; i < peer->n_endpoints; i++) {
        MeshIpClass class = mesh_ip_class(&peer->endpoints[i].endpoint.addr);

        assert(class != MESH_IP_NONE && class != MESH_IP_LOOPBACK && class != MESH_IP_MULTICAST);
        assert(class != MESH_IP_LINK_LOCAL && peer->endpoints[i].endpoint.port != 0);
        assert(!mesh_ip_contains(&network.ip4, &peer->endpoints[i].endpoint.addr));
    }
}

static void check_peer(const LockVerifiedHead *head, const LockPeer *peer)
{
    const MeshMember *m = peer->member;
    MeshKey           ours = make_wg(0);
    Floor            *floor = &seen.floors[node_of(&m->node)];

    assert(node_of(&m->node) != 0 && !mesh_key_equal(&peer->wg, &ours));
    assert(m->nbf - MESH_MEMBER_SKEW_S <= NOW + 300 && m->exp > NOW - 100);
    assert(mesh_ip_contains(&head->policy->net6, &m->ip6));
    assert(m->ip4.family == 0 || mesh_ip_contains(&head->policy->net4, &m->ip4));
    assert(!mesh_ip_equal_addr(&m->ip6, &head->self->ip6));
    assert(m->ip4.family == 0 || !mesh_ip_equal_addr(&m->ip4, &head->self->ip4));
    assert(m->serial >= floor->serial && peer->k_seq >= floor->k_seq);
    floor->serial = m->serial;
    floor->k_seq = peer->k_seq;
    check_endpoints(peer);
}

static void check_apart(const LockPeer *a, const LockPeer *b)
{
    assert(a->index != b->index && !mesh_key_equal(&a->member->node, &b->member->node));
    assert(!mesh_key_equal(&a->wg, &b->wg));
    assert(!mesh_ip_equal_addr(&a->member->ip6, &b->member->ip6));
    assert(a->member->ip4.family == 0 || !mesh_ip_equal_addr(&a->member->ip4, &b->member->ip4));
}

static void check_verified(const LockVerified *verified, size_t offered)
{
    const LockVerifiedHead *head = lock_verified_get_head(verified);
    size_t                  count = lock_verified_count(verified), left_out;

    (void)lock_verified_get_left_out(verified, &left_out);
    assert(count + left_out == offered);
    assert(head->epoch > seen.epoch || (head->epoch == seen.epoch && head->ver >= seen.ver));
    assert(head->policy->ver >= seen.pver && node_of(&head->self->node) == 0);
    assert(head->n_rows >= 1 && !head->rows[head->n_rows - 1].accept);
    assert(head->self->serial >= seen.floors[0].serial);
    seen.epoch = head->epoch;
    seen.ver = head->ver;
    seen.pver = head->policy->ver;
    seen.floors[0].serial = head->self->serial;
    for (size_t i = 0; i < count; i++) {
        const LockPeer *peer = lock_verified_get_peer(verified, i);

        check_peer(head, peer);
        assert(lock_verified_find_node(verified, &peer->member->node) == peer);
        assert(lock_verified_find_wg(verified, &peer->wg) == peer);
        assert(lock_verified_find_addr(verified, &peer->member->ip6) == peer);
        for (size_t j = 0; j < i; j++)
            check_apart(peer, lock_verified_get_peer(verified, j));
    }
}

/* What the floors forbid they forbid after a restart, too. */
static LockGate *restart(LockGate *gate)
{
    size_t           len;
    g_autofree char *text = lock_gate_encode_floors(gate, &len);
    LockGate        *again = lock_gate_new(&network.id, &server.key, &nodes[0].key);
    MeshKey          wg = make_wg(0);

    assert(lock_gate_load_floors(again, text, len, NULL));
    lock_gate_set_wg(again, &wg);
    lock_gate_free(gate);
    return again;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    FuzzInput in = fuzz_make_input(data, len);
    LockGate *gate;
    MeshKey   wg = make_wg(0);

    start();
    memset(&seen, 0, sizeof seen);
    gate = lock_gate_new(&network.id, &server.key, &nodes[0].key);
    lock_gate_set_wg(gate, &wg);
    lock_gate_set_foreign(gate, &network.ip4, 1); /* another network that overlaps */
    for (unsigned maps = 0; in.left > 0 && maps < MAX_MAPS; maps++) {
        bool again = (fuzz_take_u8(&in) & 1) != 0;
        g_autoptr(MeshNetmap) map = take_map(&in);
        g_autoptr(GError) error = NULL;
        g_autoptr(LockVerified) verified = lock_gate_verify(gate, map, &error);

        if (fuzz_outcome(verified != NULL, &error)) {
            check_verified(verified, mesh_netmap_count(map));
            lock_gate_set_running(gate, verified);
        }
        if (again) {
            gate = restart(gate);
            lock_gate_set_foreign(gate, &network.ip4, 1);
        }
    }
    lock_gate_free(gate);
    return 0;
}
