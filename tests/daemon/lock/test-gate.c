/* Tests of daemon/lock: every rule of docs/PROTOCOL.md §4 has a row in which it is broken.
 *
 * The base is a network of node 50 (ourselves) and its peers 1 to 3, map 1.5, policy 1. A row
 * breaks one thing and says who is left out and why, or that the whole map is refused. */
#include "common/glib/error.h"
#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "daemon/lock/gate.h"
#include "tests/common/proto/objects.h"

#include <string.h>

enum { SELF = 50, N_PEERS = 3 };

static int64_t wall_ns, boot_ns;

static int64_t get_wall(void *user_data)
{
    (void)user_data;
    return wall_ns;
}

static int64_t get_boot(void *user_data)
{
    (void)user_data;
    return boot_ns;
}

static void set_clock(int64_t wall_s)
{
    wall_ns = wall_s * INT64_C(1000000000);
}

static void pass(int64_t s)
{
    wall_ns += s * INT64_C(1000000000);
    boot_ns += s * INT64_C(1000000000);
}

/* What the map of a test is made of; changed before it is built. */
typedef struct {
    uint64_t    epoch, ver, pver;
    MeshSigned *m, *p;
    MeshPeer    peers[N_PEERS];
    size_t      n_gone;
    MeshGone    gone;
    MeshSigned *tip; /* NULL: made to fit */
    MeshNonce   nonce;
    bool        cached; /* no tip at all: from disk */
    MeshNetwork network;
} Parts;

typedef struct {
    LockGate *gate;
    Parts     parts;
} Fixture;

static void swap(MeshSigned **slot, MeshSigned *object)
{
    mesh_signed_unref(*slot);
    *slot = object;
}

static void make_parts(Parts *parts)
{
    g_autoptr(MeshMember) own = fixture_member(SELF);

    memset(parts, 0, sizeof(*parts));
    parts->epoch = 1;
    parts->ver = 5;
    parts->pver = 1;
    parts->m = fixture_sign_member(own);
    parts->p = fixture_policy(1);
    parts->nonce = (MeshNonce){ { 1, 2, 3 }, 4 };
    parts->network = fixture_network();
    for (unsigned i = 0; i < N_PEERS; i++)
        parts->peers[i] = fixture_peer(i + 1);
}

static void clear_parts(Parts *parts)
{
    mesh_signed_unref(parts->m);
    mesh_signed_unref(parts->p);
    mesh_signed_unref(parts->tip);
    for (unsigned i = 0; i < N_PEERS; i++)
        mesh_mapline_clear_peer(&parts->peers[i]);
}

static void set_up(Fixture *f, gconstpointer data)
{
    MeshNetwork network = fixture_network();
    FixturePair self = fixture_node(SELF);
    MeshKey     wg = fixture_wg(SELF);

    (void)data;
    set_clock(FIXTURE_NOW);
    boot_ns = INT64_C(1000000000000);
    f->gate = lock_gate_new(&network.id, &network.server, &self.key);
    lock_gate_set_wg(f->gate, &wg);
    make_parts(&f->parts);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    (void)data;
    lock_gate_free(f->gate);
    clear_parts(&f->parts);
}

static void apply(MeshNetmap *map, const MeshMapline *line)
{
    MeshNetmapChange change;
    g_autoptr(GError) error = NULL;

    mesh_netmap_apply(map, line, &change, &error);
    g_assert_no_error(error);
}

static MeshNetmap *build(const Parts *parts)
{
    MeshNetmap *map = mesh_netmap_new();
    g_autoptr(MeshSigned) fitting =
        fixture_tip(parts->epoch, parts->ver, parts->pver, &parts->nonce);
    MeshMapline hello = { .type = MESH_MAPLINE_HELLO,
                          .network = parts->network,
                          .has_network = true,
                          .tip = parts->tip != NULL ? parts->tip : fitting };
    MeshMapline snap = { .type = MESH_MAPLINE_SNAP,
                         .epoch = parts->epoch,
                         .m = parts->m,
                         .p = parts->p,
                         .count = N_PEERS,
                         .ver = parts->n_gone > 0 ? parts->ver - 1 : parts->ver };
    MeshMapline peers = { .type = MESH_MAPLINE_PEERS,
                          .n_peers = N_PEERS,
                          .peers = (MeshPeer *)parts->peers };
    MeshMapline end = { .type = MESH_MAPLINE_SNAP_END, .ver = snap.ver };
    MeshMapline delta = { .type = MESH_MAPLINE_DELTA,
                          .from = parts->ver - 1,
                          .to = parts->ver,
                          .n_gone = parts->n_gone,
                          .gone = (MeshGone *)&parts->gone };

    mesh_netmap_begin(map, &parts->nonce);
    if (!parts->cached)
        apply(map, &hello);
    apply(map, &snap);
    apply(map, &peers);
    apply(map, &end);
    if (parts->n_gone > 0)
        apply(map, &delta);
    return map;
}

static LockVerified *verify(Fixture *f, GError **error)
{
    g_autoptr(MeshNetmap) map = build(&f->parts);

    return lock_gate_verify(f->gate, map, error);
}

static LockVerified *verify_fine(Fixture *f)
{
    g_autoptr(GError) error = NULL;
    LockVerified *verified = verify(f, &error);

    g_assert_no_error(error);
    g_assert_nonnull(verified);
    return verified;
}

/* ---- ways to break things ---- */

/* Signs a changed M of @n; the change is by @edit. */
static void edit_member(Fixture *f, unsigned n, void (*edit)(MeshMember *member))
{
    g_autoptr(MeshMember) member = fixture_member(n);

    edit(member);
    if (n == SELF)
        swap(&f->parts.m, fixture_sign_member(member));
    else
        swap(&f->parts.peers[n - 1].m, fixture_sign_member(member));
}

static MeshSigned *sign_k(unsigned signer, unsigned named, const MeshKey *wg, uint64_t seq)
{
    MeshNetwork network = fixture_network();
    FixturePair by = fixture_node(signer), node = fixture_node(named);
    MeshRecordK record = mesh_record_make_k(&node.key, wg, seq);
    g_autoptr(GError) error = NULL;
    MeshSigned *k = mesh_record_sign_k(&record, &network.id, &by.secret, &error);

    g_assert_no_error(error);
    return k;
}

static void set_expired(MeshMember *m)
{
    m->exp = FIXTURE_NOW;
}
static void set_early(MeshMember *m)
{
    m->nbf = FIXTURE_NOW + 301;
}
static void set_just_early(MeshMember *m)
{
    m->nbf = FIXTURE_NOW + 300;
}
static void set_outside4(MeshMember *m)
{
    m->ip4 = fixture_addr("10.72.0.1");
}
static void set_outside6(MeshMember *m)
{
    m->ip6 = fixture_addr("fd00:1:3::1");
}
static void set_our_ip4(MeshMember *m)
{
    m->ip4 = fixture_addr("10.71.0.60");
}
static void set_our_ip6(MeshMember *m)
{
    m->ip6 = fixture_addr("fd00:1:2::3c");
}
static void set_ip4_of_2(MeshMember *m)
{
    m->ip4 = fixture_addr("10.71.0.12");
}
static void set_ip6_of_1(MeshMember *m)
{
    m->ip6 = fixture_addr("fd00:1:2::b");
}
static void set_low_ip4_of_2(MeshMember *m)
{
    set_ip4_of_2(m);
    m->serial = 1;
}
static void set_serial_9(MeshMember *m)
{
    m->serial = 9;
}
static void set_no_ip4(MeshMember *m)
{
    m->ip4 = (MeshAddr){ 0 };
}
static void set_name(MeshMember *m)
{
    g_strlcpy(m->name, "renamed", sizeof(m->name));
}

static void break_m_signature(Fixture *f)
{
    MeshNetwork network = fixture_network();
    FixturePair rogue = fixture_pair(99);
    g_autoptr(MeshMember) member = fixture_member(1);

    swap(&f->parts.peers[0].m, mesh_member_sign(member, &network.id, &rogue.secret, NULL));
}
static void break_m_network(Fixture *f)
{
    FixturePair   server = fixture_server();
    MeshNetworkId other = { { 5 } };
    g_autoptr(MeshMember) member = fixture_member(1);

    swap(&f->parts.peers[0].m, mesh_member_sign(member, &other, &server.secret, NULL));
}
static void break_m_is_k(Fixture *f)
{
    swap(&f->parts.peers[0].m, fixture_k(1, 1));
}
static void break_m_expired(Fixture *f)
{
    edit_member(f, 1, set_expired);
}
static void break_m_early(Fixture *f)
{
    edit_member(f, 1, set_early);
}
static void break_m_just_early(Fixture *f)
{
    edit_member(f, 1, set_just_early);
}
static void break_outside4(Fixture *f)
{
    edit_member(f, 1, set_outside4);
}
static void break_outside6(Fixture *f)
{
    edit_member(f, 1, set_outside6);
}
static void break_our_ip4(Fixture *f)
{
    edit_member(f, 1, set_our_ip4);
}
static void break_our_ip6(Fixture *f)
{
    edit_member(f, 1, set_our_ip6);
}
static void break_same_ip4(Fixture *f)
{
    edit_member(f, 3, set_ip4_of_2);
}
static void break_same_ip6(Fixture *f)
{
    edit_member(f, 3, set_ip6_of_1);
}
static void break_same_ip4_lower(Fixture *f)
{
    edit_member(f, 3, set_low_ip4_of_2);
}
static void break_no_ip4(Fixture *f)
{
    edit_member(f, 1, set_no_ip4);
}
static void break_k_signature(Fixture *f)
{
    MeshKey wg = fixture_wg(1);

    swap(&f->parts.peers[0].k, sign_k(2, 1, &wg, 1));
}
static void break_k_of_other(Fixture *f)
{
    swap(&f->parts.peers[0].k, fixture_k(2, 1));
}
static void break_k_names_other(Fixture *f)
{
    MeshKey wg = fixture_wg(1);

    swap(&f->parts.peers[0].k, sign_k(1, 2, &wg, 1));
}
static void break_our_wg(Fixture *f)
{
    MeshKey wg = fixture_wg(SELF);

    swap(&f->parts.peers[0].k, sign_k(1, 1, &wg, 1));
}
static void break_same_wg(Fixture *f)
{
    MeshKey wg = fixture_wg(1);

    swap(&f->parts.peers[1].k, sign_k(2, 2, &wg, 1));
}
static void break_ourselves(Fixture *f)
{
    mesh_mapline_clear_peer(&f->parts.peers[0]);
    f->parts.peers[0] = fixture_peer(SELF);
}
static void break_twice(Fixture *f)
{
    mesh_mapline_clear_peer(&f->parts.peers[2]);
    f->parts.peers[2] = fixture_peer(1);
    f->parts.peers[2].index = 3;
}
static void break_gone(Fixture *f)
{
    f->parts.n_gone = 1;
    f->parts.gone = (MeshGone){ 77, fixture_node(1).key, 1 };
}
static void break_nothing(Fixture *f)
{
    (void)f;
}

typedef struct {
    const char *name;
    void (*edit)(Fixture *f);
    const char *left_out; /* "name: reason"; NULL: nobody */
} PeerCase;

static const PeerCase peer_cases[] = {
    { "fine", break_nothing, NULL },
    { "without-ip4", break_no_ip4, NULL },
    { "begins-in-300s", break_m_just_early, NULL },
    { "m-by-another-key", break_m_signature, "#1: M: the signature is wrong" },
    { "m-of-another-network", break_m_network, "#1: M: the signature is wrong" },
    { "m-is-a-k", break_m_is_k, "#1: M: the signature is wrong" },
    { "m-expired", break_m_expired, "node-1: the membership of node-1 ended 0 s ago" },
    { "m-early", break_m_early, "node-1: the membership of node-1 begins only in 301 s" },
    { "ip4-outside", break_outside4,
      "node-1: its address 10.72.0.1 is outside the network's prefixes" },
    { "ip6-outside", break_outside6,
      "node-1: its address fd00:1:3::1 is outside the network's prefixes" },
    { "our-ip4", break_our_ip4, "node-1: its address 10.71.0.60 is that of this node" },
    { "our-ip6", break_our_ip6, "node-1: its address fd00:1:2::3c is that of this node" },
    { "ip4-of-a-peer", break_same_ip4, "node-3: its address 10.71.0.12 is that of node-2" },
    { "ip6-of-a-peer", break_same_ip6, "node-3: its address fd00:1:2::b is that of node-1" },
    { "lower-serial-wins", break_same_ip4_lower,
      "node-2: its address 10.71.0.12 is that of node-3" },
    { "k-by-another-node", break_k_signature, "node-1: K: the signature is wrong" },
    { "k-of-another-node", break_k_of_other, "node-1: K: the signature is wrong" },
    { "k-names-another-node", break_k_names_other, "node-1: K.node: it names another node" },
    { "our-wg-key", break_our_wg, "node-1: its WireGuard key is that of this node" },
    { "wg-key-of-a-peer", break_same_wg, "node-2: its WireGuard key is that of node-1" },
    { "ourselves", break_ourselves, "node-50: its node key is that of this node" },
    { "one-node-twice", break_twice, "node-1: its node key is that of node-1" },
    { "tombstone", break_gone, "node-1: it was removed from the network" },
};

static void test_peer(Fixture *f, gconstpointer data)
{
    const PeerCase *c = data;
    g_autoptr(LockVerified) verified = NULL;
    const LockLeftOut *left_out;
    g_autofree char   *text = NULL;
    size_t             n;

    c->edit(f);
    verified = verify_fine(f);
    left_out = lock_verified_get_left_out(verified, &n);
    if (n > 0)
        text = g_strdup_printf("%s: %s", left_out[0].name, left_out[0].reason);
    g_assert_cmpstr(text, ==, c->left_out);
    g_assert_cmpuint(n, ==, c->left_out != NULL);
    g_assert_cmpuint(lock_verified_count(verified), ==, N_PEERS - n); /* it harms nobody else */
}

/* ---- the whole map refused ---- */

static void break_no_policy(Fixture *f)
{
    swap(&f->parts.p, fixture_k(1, 1));
}
static void break_policy_signature(Fixture *f)
{
    MeshNetwork network = fixture_network();
    FixturePair rogue = fixture_pair(99);
    g_autoptr(MeshAcl) acl = mesh_acl_new_open(1, &network);
    g_autofree char *body = mesh_acl_encode(acl, &network.id);

    swap(&f->parts.p, mesh_signed_make(MESH_SIGNED_P, &network.id, body, &rogue.secret, NULL));
}
static void break_policy_older(Fixture *f)
{
    f->parts.tip = fixture_tip(1, 5, 2, &f->parts.nonce);
}
static void break_own_m(Fixture *f)
{
    g_autoptr(MeshMember) other = fixture_member(4);

    swap(&f->parts.m, fixture_sign_member(other));
}
static void break_own_expired(Fixture *f)
{
    edit_member(f, SELF, set_expired);
}
static void break_own_outside(Fixture *f)
{
    edit_member(f, SELF, set_outside6);
}
static void break_tip_signature(Fixture *f)
{
    MeshNetwork network = fixture_network();
    FixturePair rogue = fixture_pair(99);
    MeshTip     tip = { 1, 5, 1, FIXTURE_NOW, true, f->parts.nonce };

    f->parts.tip = mesh_tip_sign(&tip, &network.id, &rogue.secret, NULL);
}
static void break_tip_nonce(Fixture *f)
{
    MeshNonce other = f->parts.nonce;

    other.number++;
    f->parts.tip = fixture_tip(1, 5, 1, &other);
}
static void break_tip_start(Fixture *f)
{
    MeshNonce other = f->parts.nonce;

    other.start[0]++;
    f->parts.tip = fixture_tip(1, 5, 1, &other);
}
static void break_tip_no_nonce(Fixture *f)
{
    f->parts.tip = fixture_tip(1, 5, 1, NULL);
}
static void break_network_id(Fixture *f)
{
    f->parts.network.id.bytes[0] ^= 1;
}
static void break_network_key(Fixture *f)
{
    f->parts.network.server = fixture_node(1).key;
}

typedef struct {
    const char *name;
    void (*edit)(Fixture *f);
    int         code;
    const char *message;
} MapCase;

static const MapCase map_cases[] = {
    { "p-is-no-p", break_no_policy, MESH_ERROR_UNVERIFIED, "P: the signature is wrong" },
    { "p-by-another-key", break_policy_signature, MESH_ERROR_UNVERIFIED,
      "P: the signature is wrong" },
    { "p-older-than-tip", break_policy_older, MESH_ERROR_ROLLBACK,
      "policy: older than the tip of this version says" },
    { "own-m-of-another", break_own_m, MESH_ERROR_UNVERIFIED,
      "own membership: it is of another node" },
    { "own-m-expired", break_own_expired, MESH_ERROR_EXPIRED,
      "the membership of node-50 ended 0 s ago" },
    { "own-m-outside", break_own_outside, MESH_ERROR_UNVERIFIED,
      "its address fd00:1:3::1 is outside the network's prefixes" },
    { "tip-by-another-key", break_tip_signature, MESH_ERROR_UNVERIFIED,
      "tip: the signature is wrong" },
    { "tip-of-another-request", break_tip_nonce, MESH_ERROR_UNVERIFIED,
      "tip: it does not answer this request, but an older one" },
    { "tip-of-another-start", break_tip_start, MESH_ERROR_UNVERIFIED,
      "tip: it does not answer this request, but an older one" },
    { "tip-without-nonce", break_tip_no_nonce, MESH_ERROR_UNVERIFIED,
      "tip: it does not answer this request, but an older one" },
    { "network-of-another-id", break_network_id, MESH_ERROR_BAD_ANSWER,
      "map: it is of another network" },
    { "network-of-another-server", break_network_key, MESH_ERROR_BAD_ANSWER,
      "map: it names another server key than the join link" },
};

static void test_map(Fixture *f, gconstpointer data)
{
    const MapCase *c = data;
    g_autoptr(GError) error = NULL;

    c->edit(f);
    g_assert_null(verify(f, &error));
    g_assert_error(error, MESH_ERROR, c->code);
    g_assert_cmpstr(error->message, ==, c->message);
}

static void test_empty_map(Fixture *f, gconstpointer data)
{
    g_autoptr(MeshNetmap) map = mesh_netmap_new();
    g_autoptr(GError) error = NULL;

    (void)data;
    g_assert_null(lock_gate_verify(f->gate, map, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_BAD_ANSWER);
}

/* ---- rollback: a good map first, then an older thing; with and without a restart between ---- */

static void roll_map(Fixture *f)
{
    f->parts.ver = 4;
    f->parts.cached = true;
}
static void roll_tip(Fixture *f)
{
    MeshNonce next = f->parts.nonce;

    next.number++; /* as the next request has it */
    f->parts.tip = fixture_tip(1, 4, 1, &next);
}
static void roll_serial(Fixture *f)
{
    g_autoptr(MeshMember) old = fixture_member(1);

    swap(&f->parts.peers[0].m, fixture_sign_member(old));
}
static void roll_m_bytes(Fixture *f)
{
    g_autoptr(MeshMember) member = fixture_member(1);

    set_serial_9(member);
    set_name(member);
    swap(&f->parts.peers[0].m, fixture_sign_member(member));
}
static void roll_k(Fixture *f)
{
    swap(&f->parts.peers[0].k, fixture_k(1, 6));
}
static void roll_k_bytes(Fixture *f)
{
    MeshKey wg = fixture_wg(9);

    swap(&f->parts.peers[0].k, sign_k(1, 1, &wg, 7));
}

typedef struct {
    const char *name;
    void (*edit)(Fixture *f);
    const char *left_out; /* NULL: the whole map is refused as ROLLBACK */
    bool        restart;
} RollCase;

static const RollCase rolls[] = {
    { "map", roll_map, NULL, false },
    { "map-restart", roll_map, NULL, true },
    { "tip", roll_tip, NULL, false },
    { "tip-restart", roll_tip, NULL, true },
    { "serial", roll_serial, "node-1: membership: serial 1 is older than 9", false },
    { "serial-restart", roll_serial, "node-1: membership: serial 1 is older than 9", true },
    { "same-serial-other-bytes", roll_m_bytes,
      "renamed: membership: serial 9 came with other content before", false },
    { "same-serial-other-bytes-restart", roll_m_bytes,
      "renamed: membership: serial 9 came with other content before", true },
    { "k-seq", roll_k, "node-1: record: seq 6 is older than 7", false },
    { "k-seq-restart", roll_k, "node-1: record: seq 6 is older than 7", true },
    { "same-seq-other-bytes", roll_k_bytes, "node-1: record: seq 7 came with other content before",
      false },
    { "same-seq-other-bytes-restart", roll_k_bytes,
      "node-1: record: seq 7 came with other content before", true },
};

/* The floors through their text into a new gate. */
static void restart(Fixture *f)
{
    MeshNetwork      network = fixture_network();
    FixturePair      self = fixture_node(SELF);
    MeshKey          wg = fixture_wg(SELF);
    size_t           len;
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(lock_gate_floors_changed(f->gate));
    text = lock_gate_encode_floors(f->gate, &len);
    g_assert_false(lock_gate_floors_changed(f->gate));
    lock_gate_free(f->gate);
    f->gate = lock_gate_new(&network.id, &network.server, &self.key);
    lock_gate_set_wg(f->gate, &wg);
    lock_gate_load_floors(f->gate, text, len, &error);
    g_assert_no_error(error);
    for (size_t i = 0; i < len; i += 11) /* cut anywhere: refused */
        g_assert_false(lock_gate_load_floors(f->gate, text, i, NULL));
}

static void test_rollback(Fixture *f, gconstpointer data)
{
    const RollCase *c = data;
    g_autoptr(LockVerified) first = NULL, second = NULL;
    g_autoptr(GError) error = NULL;
    const LockLeftOut *left_out;
    size_t             n;

    edit_member(f, 1, set_serial_9);
    swap(&f->parts.peers[0].k, fixture_k(1, 7));
    first = verify_fine(f);
    if (c->restart)
        restart(f);
    c->edit(f);
    f->parts.nonce.number++;
    second = verify(f, &error);
    if (c->left_out == NULL) {
        g_assert_error(error, MESH_ERROR, MESH_ERROR_ROLLBACK);
        return;
    }
    g_assert_no_error(error);
    left_out = lock_verified_get_left_out(second, &n);
    g_assert_cmpuint(n, ==, 1);
    g_autofree char *text = g_strdup_printf("%s: %s", left_out[0].name, left_out[0].reason);
    g_assert_cmpstr(text, ==, c->left_out);
}

/* A new epoch (a server restored from its backup) may begin its versions anew. */
static void test_new_epoch(Fixture *f, gconstpointer data)
{
    g_autoptr(LockVerified) first = verify_fine(f), second = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
    f->parts.epoch = 2;
    f->parts.ver = 1;
    f->parts.nonce.number++;
    second = verify_fine(f);
    g_assert_cmpuint(lock_verified_get_head(second)->epoch, ==, 2);
    f->parts.epoch = 1;
    f->parts.ver = 900;
    f->parts.nonce.number++;
    g_assert_null(verify(f, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_ROLLBACK);
}

/* A tombstone outlives its map and a restart, and only a higher serial comes back. */
static void test_tombstone(Fixture *f, gconstpointer data)
{
    g_autoptr(LockVerified) first = NULL, second = NULL, third = NULL;
    size_t n;

    (void)data;
    f->parts.n_gone = 1;
    f->parts.gone = (MeshGone){ 77, fixture_node(1).key, 8 };
    first = verify_fine(f);
    restart(f);
    f->parts.n_gone = 0;
    f->parts.nonce.number++;
    second = verify_fine(f);
    lock_verified_get_left_out(second, &n);
    g_assert_cmpuint(n, ==, 1);
    edit_member(f, 1, set_serial_9);
    f->parts.nonce.number++;
    third = verify_fine(f);
    lock_verified_get_left_out(third, &n);
    g_assert_cmpuint(n, ==, 0);
}

/* ---- policy ---- */

static void sign_policy(Fixture *f, const char *body)
{
    MeshNetwork network = fixture_network();
    FixturePair server = fixture_server();
    g_autoptr(GError) error = NULL;

    swap(&f->parts.p, mesh_signed_make(MESH_SIGNED_P, &network.id, body, &server.secret, &error));
    g_assert_no_error(error);
}

#define POLICY(ver, rules)                                                                         \
    "{\"t\":\"P\",\"net\":\"00112233445566ff\",\"ver\":" ver ",\"format\":1,\"rules\":[" rules     \
    "],\"net4\":\"10.71.0.0/16\",\"net6\":\"fd00:1:2::/48\",\"suffix\":\"home.mesh\",\"minproto\"" \
    ":1}"

typedef struct {
    const char *name, *body, *policy_error;
    uint64_t    ver;
} PolicyCase;

static const PolicyCase policies[] = {
    { "newer", POLICY("2", ""), NULL, 2 },
    { "newer-unknown-key", POLICY("2", "{\"action\":\"accept\",\"src\":[],\"dst\":[],\"x\":1}"),
      "P.rules[0]: unknown key \"x\"", 1 },
    { "newer-unknown-action", POLICY("2", "{\"action\":\"drop\",\"src\":[],\"dst\":[]}"),
      "P.rules[0]: action: only \"accept\" is known", 1 },
    { "same-version-other-bytes", POLICY("1", ""),
      "policy: version 1 came with other content before", 1 },
};

static void test_policy(Fixture *f, gconstpointer data)
{
    const PolicyCase *c = data;
    g_autoptr(LockVerified) first = verify_fine(f), second = NULL, third = NULL;

    sign_policy(f, c->body);
    second = verify_fine(f);
    g_assert_cmpstr(lock_verified_get_head(second)->policy_error, ==, c->policy_error);
    g_assert_cmpuint(lock_verified_get_head(second)->policy->ver, ==, c->ver);
    restart(f); /* the last good one is kept on disk */
    f->parts.pver = c->ver;
    f->parts.nonce.number++;
    third = verify_fine(f);
    g_assert_cmpuint(lock_verified_get_head(third)->policy->ver, ==, c->ver);
}

static void test_policy_rows(Fixture *f, gconstpointer data)
{
    g_autoptr(LockVerified) verified = NULL;
    const LockVerifiedHead *head;

    (void)data;
    sign_policy(f,
                POLICY("1", "{\"action\":\"accept\",\"src\":[\"node-1\"],\"dst\":[\"node-50\"]}"));
    verified = verify_fine(f);
    head = lock_verified_get_head(verified);
    g_assert_cmpuint(head->n_rows, ==, 3); /* both families, and the rest refused */
    g_assert_true(head->rows[0].accept && !head->rows[2].accept);
    g_assert_true(mesh_ip_contains(&head->rows[0].destination, &head->self->ip4));
}

/* ---- of two, the one that runs stays ---- */

static void test_running_stays(Fixture *f, gconstpointer data)
{
    g_autoptr(LockVerified) first = verify_fine(f), second = NULL;

    (void)data;
    g_assert_nonnull(lock_verified_find_name(first, "node-2"));
    lock_gate_set_running(f->gate, first);
    /* node-3 comes with a lower serial than node-2 would need to win, had it not been running */
    f->parts.nonce.number++;
    mesh_mapline_clear_peer(&f->parts.peers[2]);
    f->parts.peers[2] = fixture_peer(4);
    f->parts.peers[2].index = 3;
    g_autoptr(MeshMember) thief = fixture_member(4);
    set_low_ip4_of_2(thief);
    swap(&f->parts.peers[2].m, fixture_sign_member(thief));
    second = verify_fine(f);
    g_assert_nonnull(lock_verified_find_name(second, "node-2"));
    g_assert_null(lock_verified_find_name(second, "node-4"));
}

/* ---- E ---- */

typedef struct {
    const char *name, *endpoint;
    bool        used;
} EndpointCase;

static const EndpointCase endpoints[] = {
    { "public", "203.0.113.5:51820", true },
    { "private", "192.168.1.5:51820", true },
    { "ip6", "[2001:db8::5]:51820", true },
    { "own-network-4", "10.71.9.9:51820", false },
    { "own-network-6", "[fd00:1:2::9]:51820", false },
    { "other-network", "10.99.0.1:51820", false },
    { "loopback", "127.0.0.1:51820", false },
    { "loopback-6", "[::1]:51820", false },
    { "link-local", "169.254.1.1:51820", false },
    { "link-local-6", "[fe80::1]:51820", false },
    { "unspecified", "0.0.0.0:51820", false },
    { "unspecified-6", "[::]:51820", false },
    { "multicast", "224.0.0.1:51820", false },
    { "multicast-6", "[ff02::1]:51820", false },
    { "broadcast", "255.255.255.255:51820", false },
};

static void test_endpoint(Fixture *f, gconstpointer data)
{
    const EndpointCase *c = data;
    MeshPrefix          foreign = fixture_prefix("10.99.0.0/16");
    g_autoptr(LockVerified) verified = NULL;

    lock_gate_set_foreign(f->gate, &foreign, 1);
    f->parts.peers[0].e = fixture_e(1, 5, c->endpoint, MESH_RECORD_STATIC);
    verified = verify_fine(f);
    g_assert_cmpuint(lock_verified_count(verified), ==, N_PEERS);
    g_assert_cmpuint(lock_verified_get_peer(verified, 0)->n_endpoints, ==, c->used);
}

static void test_endpoint_order(Fixture *f, gconstpointer data)
{
    MeshNetwork network = fixture_network();
    FixturePair node = fixture_node(1);
    MeshRecordE record = { .node = node.key, .seq = 1, .exp = FIXTURE_NOW + 9 };
    g_autoptr(LockVerified) verified = NULL;
    const LockPeer *peer;

    (void)data;
    record.n_endpoints = 12;
    for (unsigned i = 0; i < 12; i++) {
        record.endpoints[i].endpoint = mesh_endpoint_make4(0xc0a80001 + i, 1);
        record.endpoints[i].kind = i < 5   ? MESH_RECORD_OBSERVED
                                   : i < 9 ? MESH_RECORD_LOCAL
                                           : MESH_RECORD_STATIC;
    }
    f->parts.peers[0].e = mesh_record_sign_e(&record, &network.id, &node.secret, NULL);
    verified = verify_fine(f);
    peer = lock_verified_get_peer(verified, 0);
    g_assert_cmpuint(peer->n_endpoints, ==, LOCK_MAX_ENDPOINTS);
    g_assert_cmpint(peer->endpoints[0].kind, ==, MESH_RECORD_STATIC);
    g_assert_cmpint(peer->endpoints[2].kind, ==, MESH_RECORD_STATIC);
    g_assert_cmpint(peer->endpoints[3].kind, ==, MESH_RECORD_LOCAL);
    g_assert_cmpint(peer->endpoints[7].kind, ==, MESH_RECORD_OBSERVED);
    g_assert_cmpint(lock_verified_get_head(verified)->next_change, ==, FIXTURE_NOW + 9);
}

/* A bad or old E takes nothing away: the last good one stays until it ends. */
static void test_e_never_back(Fixture *f, gconstpointer data)
{
    MeshPeer *peer = &f->parts.peers[0];
    const struct {
        MeshSigned *e;
        uint64_t    want_seq;
    } steps[] = {
        { fixture_e(1, 5, "203.0.113.5:5", MESH_RECORD_STATIC), 5 },
        { fixture_e(1, 4, "203.0.113.4:4", MESH_RECORD_STATIC), 5 }, /* older */
        { fixture_e(1, 5, "203.0.113.6:6", MESH_RECORD_STATIC), 5 }, /* the same seq */
        { fixture_e(2, 9, "203.0.113.9:9", MESH_RECORD_STATIC), 5 }, /* by another node */
        { fixture_e(1, 6, "203.0.113.7:7", MESH_RECORD_STATIC), 6 },
    };

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
        g_autoptr(LockVerified) verified = NULL;

        swap(&peer->e, steps[i].e);
        f->parts.nonce.number++;
        verified = verify_fine(f);
        g_assert_cmpuint(lock_verified_count(verified), ==, N_PEERS);
        g_assert_cmpuint(lock_verified_get_peer(verified, 0)->e_seq, ==, steps[i].want_seq);
    }
    pass(3601); /* it ended */
    g_autoptr(LockVerified) verified = verify_fine(f);
    g_assert_cmpuint(lock_verified_get_peer(verified, 0)->n_endpoints, ==, 0);
}

/* ---- time ---- */

static void test_time(Fixture *f, gconstpointer data)
{
    g_autoptr(LockVerified) first = NULL, second = NULL;

    (void)data;
    set_clock(0); /* our clock stands at 1970: the tip corrects it */
    first = verify_fine(f);
    g_assert_cmpint(lock_gate_now(f->gate), ==, FIXTURE_NOW);
    pass(10);
    g_assert_cmpint(lock_gate_now(f->gate), ==, FIXTURE_NOW + 10);
    restart(f); /* the offset is gone, the server's time is kept */
    g_assert_cmpint(lock_gate_now(f->gate), ==, FIXTURE_NOW + 10);
    pass(86400 - 10);
    g_assert_cmpint(lock_gate_now(f->gate), ==, FIXTURE_NOW + 86400);
    f->parts.cached = true;
    g_autoptr(GError) error = NULL;
    second = verify(f, &error); /* all memberships end at +86400 */
    g_assert_null(second);
    g_assert_error(error, MESH_ERROR, MESH_ERROR_EXPIRED);
}

static void test_clock_ahead(Fixture *f, gconstpointer data)
{
    g_autoptr(LockVerified) verified = NULL;

    (void)data;
    set_clock(FIXTURE_NOW + 10 * 86400); /* would end all memberships, but the server knows */
    verified = verify_fine(f);
    g_assert_cmpuint(lock_verified_count(verified), ==, N_PEERS);
    g_assert_cmpint(lock_gate_now(f->gate), ==, FIXTURE_NOW);
}

/* ---- what comes out ---- */

static void test_lookups(Fixture *f, gconstpointer data)
{
    g_autoptr(LockVerified) verified = verify_fine(f);
    const LockPeer *two = lock_verified_get_peer(verified, 1);
    MeshKey         node = fixture_node(2).key, wg = fixture_wg(2), nobody = fixture_wg(9);
    MeshAddr        ip4 = fixture_addr("10.71.0.12"), ip6 = fixture_addr("fd00:1:2::c");
    MeshAddr        free_addr = fixture_addr("10.71.0.99");

    (void)data;
    g_assert_cmpuint(two->index, ==, 2);
    g_assert_true(two->online);
    g_assert_true(lock_verified_find_index(verified, 2) == two);
    g_assert_true(lock_verified_find_node(verified, &node) == two);
    g_assert_true(lock_verified_find_wg(verified, &wg) == two);
    g_assert_true(lock_verified_find_name(verified, "node-2") == two);
    g_assert_true(lock_verified_find_addr(verified, &ip4) == two);
    g_assert_true(lock_verified_find_addr(verified, &ip6) == two);
    g_assert_null(lock_verified_find_index(verified, 9));
    g_assert_null(lock_verified_find_wg(verified, &nobody));
    g_assert_null(lock_verified_find_name(verified, "node-50"));
    g_assert_null(lock_verified_find_addr(verified, &free_addr));
    g_assert_cmpstr(lock_verified_get_head(verified)->self->name, ==, "node-50");
    g_assert_cmpuint(lock_verified_get_head(verified)->ver, ==, 5);
    g_assert_cmpint(lock_verified_get_head(verified)->next_change, ==, FIXTURE_NOW + 86400);
}

static void test_stale(Fixture *f, gconstpointer data)
{
    g_autoptr(LockVerified) fresh = NULL, cached = NULL, behind = NULL;

    (void)data;
    f->parts.cached = true;
    cached = verify_fine(f);
    g_assert_true(lock_verified_get_head(cached)->stale);
    f->parts.cached = false;
    fresh = verify_fine(f);
    g_assert_false(lock_verified_get_head(fresh)->stale);
    f->parts.nonce.number++;
    f->parts.tip = fixture_tip(1, 6, 1, &f->parts.nonce);
    behind = verify_fine(f);
    g_assert_true(lock_verified_get_head(behind)->stale);
}

static void test_open_member(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MeshMember) own = lock_gate_open_member(f->gate, f->parts.m, &error);

    (void)data;
    g_assert_no_error(error);
    g_assert_cmpstr(own->name, ==, "node-50");
    g_assert_null(lock_gate_open_member(f->gate, f->parts.peers[0].m, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_UNVERIFIED);
    g_clear_error(&error);
    g_assert_null(lock_gate_open_member(f->gate, f->parts.p, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_UNVERIFIED);
}

typedef void (*Test)(Fixture *f, gconstpointer data);

static void add(const char *group, const char *name, gconstpointer data, Test test)
{
    g_autofree char *path =
        g_strdup_printf("/gate/%s%s%s", group, group[0] != '\0' ? "/" : "", name);

    g_test_add(path, Fixture, data, set_up, test, tear_down);
}

int main(int argc, char **argv)
{
    static const MeshClockSource source = { get_boot, get_wall, NULL };

    g_test_init(&argc, &argv, NULL);
    fixture_start();
    mesh_clock_set_source(&source);
    for (size_t i = 0; i < G_N_ELEMENTS(peer_cases); i++)
        add("peer", peer_cases[i].name, &peer_cases[i], test_peer);
    for (size_t i = 0; i < G_N_ELEMENTS(map_cases); i++)
        add("map", map_cases[i].name, &map_cases[i], test_map);
    for (size_t i = 0; i < G_N_ELEMENTS(rolls); i++)
        add("rollback", rolls[i].name, &rolls[i], test_rollback);
    for (size_t i = 0; i < G_N_ELEMENTS(policies); i++)
        add("policy", policies[i].name, &policies[i], test_policy);
    for (size_t i = 0; i < G_N_ELEMENTS(endpoints); i++)
        add("endpoint", endpoints[i].name, &endpoints[i], test_endpoint);
    add("", "empty-map", NULL, test_empty_map);
    add("", "new-epoch", NULL, test_new_epoch);
    add("", "tombstone", NULL, test_tombstone);
    add("", "policy-rows", NULL, test_policy_rows);
    add("", "running-stays", NULL, test_running_stays);
    add("", "endpoint-order", NULL, test_endpoint_order);
    add("", "e-never-back", NULL, test_e_never_back);
    add("", "time", NULL, test_time);
    add("", "clock-ahead", NULL, test_clock_ahead);
    add("", "lookups", NULL, test_lookups);
    add("", "stale", NULL, test_stale);
    add("", "open-member", NULL, test_open_member);
    return g_test_run();
}
