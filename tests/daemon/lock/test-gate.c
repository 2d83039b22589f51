/* Tests of daemon/lock: every rule of docs/PROTOCOL.md §4 has a row in which it is broken, and the
 * row says who is left out and why, or that the whole map is refused. Rollback is in
 * test-gate-floors.c. */
#include "common/glib/error.h"
#include "common/std/endpoint.h"
#include "tests/daemon/lock/fixture.h"

#include <string.h>

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

static void set_no_ip4(MeshMember *m)
{
    m->ip4 = (MeshAddr){ 0 };
}

static void break_m_signature(GateFixture *f)
{
    MeshNetwork network = fixture_network();
    FixturePair rogue = fixture_pair(99);
    g_autoptr(MeshMember) member = fixture_member(1);

    gate_swap(&f->parts.peers[0].m, mesh_member_sign(member, &network.id, &rogue.secret, NULL));
}

static void break_m_network(GateFixture *f)
{
    FixturePair   server = fixture_server();
    MeshNetworkId other = { { 5 } };
    g_autoptr(MeshMember) member = fixture_member(1);

    gate_swap(&f->parts.peers[0].m, mesh_member_sign(member, &other, &server.secret, NULL));
}

static void break_m_is_k(GateFixture *f)
{
    gate_swap(&f->parts.peers[0].m, fixture_k(1, 1));
}

static void break_m_expired(GateFixture *f)
{
    gate_edit_member(f, 1, set_expired);
}

static void break_m_early(GateFixture *f)
{
    gate_edit_member(f, 1, set_early);
}

static void break_m_just_early(GateFixture *f)
{
    gate_edit_member(f, 1, set_just_early);
}

static void break_outside4(GateFixture *f)
{
    gate_edit_member(f, 1, set_outside4);
}

static void break_outside6(GateFixture *f)
{
    gate_edit_member(f, 1, set_outside6);
}

static void break_our_ip4(GateFixture *f)
{
    gate_edit_member(f, 1, set_our_ip4);
}

static void break_our_ip6(GateFixture *f)
{
    gate_edit_member(f, 1, set_our_ip6);
}

static void break_same_ip4(GateFixture *f)
{
    gate_edit_member(f, 3, set_ip4_of_2);
}

static void break_same_ip6(GateFixture *f)
{
    gate_edit_member(f, 3, set_ip6_of_1);
}

static void break_same_ip4_lower(GateFixture *f)
{
    gate_edit_member(f, 3, set_low_ip4_of_2);
}

static void break_no_ip4(GateFixture *f)
{
    gate_edit_member(f, 1, set_no_ip4);
}

static void break_k_signature(GateFixture *f)
{
    MeshKey wg = fixture_wg(1);

    gate_swap(&f->parts.peers[0].k, gate_sign_k(2, 1, &wg, 1));
}

static void break_k_of_other(GateFixture *f)
{
    gate_swap(&f->parts.peers[0].k, fixture_k(2, 1));
}

static void break_k_names_other(GateFixture *f)
{
    MeshKey wg = fixture_wg(1);

    gate_swap(&f->parts.peers[0].k, gate_sign_k(1, 2, &wg, 1));
}

static void break_our_wg(GateFixture *f)
{
    MeshKey wg = fixture_wg(SELF);

    gate_swap(&f->parts.peers[0].k, gate_sign_k(1, 1, &wg, 1));
}

static void break_same_wg(GateFixture *f)
{
    MeshKey wg = fixture_wg(1);

    gate_swap(&f->parts.peers[1].k, gate_sign_k(2, 2, &wg, 1));
}

static void break_ourselves(GateFixture *f)
{
    mesh_mapline_clear_peer(&f->parts.peers[0]);
    f->parts.peers[0] = fixture_peer(SELF);
}

static void break_twice(GateFixture *f)
{
    mesh_mapline_clear_peer(&f->parts.peers[2]);
    f->parts.peers[2] = fixture_peer(1);
    f->parts.peers[2].index = 3;
}

static void break_gone(GateFixture *f)
{
    f->parts.n_gone = 1;
    f->parts.gone = (MeshGone){ 77, fixture_node(1).key, 1 };
}

static void break_nothing(GateFixture *f)
{
    (void)f;
}

typedef struct {
    const char *name;
    void (*edit)(GateFixture *f);
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

static void test_peer(GateFixture *f, gconstpointer data)
{
    const PeerCase *c = data;
    g_autoptr(LockVerified) verified = NULL;
    const LockLeftOut *left_out;
    g_autofree char   *text = NULL;
    size_t             n;

    c->edit(f);
    verified = gate_verify_fine(f);
    left_out = lock_verified_get_left_out(verified, &n);
    if (n > 0)
        text = g_strdup_printf("%s: %s", left_out[0].name, left_out[0].reason);
    g_assert_cmpstr(text, ==, c->left_out);
    g_assert_cmpuint(n, ==, c->left_out != NULL);
    g_assert_cmpuint(lock_verified_count(verified), ==, N_PEERS - n); /* it harms nobody else */
}

/* ---- the whole map refused ---- */

static void break_no_policy(GateFixture *f)
{
    gate_swap(&f->parts.p, fixture_k(1, 1));
}

static void break_policy_signature(GateFixture *f)
{
    MeshNetwork network = fixture_network();
    FixturePair rogue = fixture_pair(99);
    g_autoptr(MeshAcl) acl = mesh_acl_new_open(1, &network);
    g_autofree char *body = mesh_acl_encode(acl, &network.id);

    gate_swap(&f->parts.p, mesh_signed_make(MESH_SIGNED_P, &network.id, body, &rogue.secret, NULL));
}

static void break_policy_older(GateFixture *f)
{
    f->parts.tip = fixture_tip(1, 5, 2, &f->parts.nonce);
}

static void break_own_m(GateFixture *f)
{
    g_autoptr(MeshMember) other = fixture_member(4);

    gate_swap(&f->parts.m, fixture_sign_member(other));
}

static void break_own_expired(GateFixture *f)
{
    gate_edit_member(f, SELF, set_expired);
}

static void break_own_outside(GateFixture *f)
{
    gate_edit_member(f, SELF, set_outside6);
}

static void break_tip_signature(GateFixture *f)
{
    MeshNetwork network = fixture_network();
    FixturePair rogue = fixture_pair(99);
    MeshTip     tip = { 1, 5, 1, FIXTURE_NOW, true, f->parts.nonce };

    f->parts.tip = mesh_tip_sign(&tip, &network.id, &rogue.secret, NULL);
}

static void break_tip_nonce(GateFixture *f)
{
    MeshNonce other = f->parts.nonce;

    other.number++;
    f->parts.tip = fixture_tip(1, 5, 1, &other);
}

static void break_tip_start(GateFixture *f)
{
    MeshNonce other = f->parts.nonce;

    other.start[0]++;
    f->parts.tip = fixture_tip(1, 5, 1, &other);
}

static void break_tip_no_nonce(GateFixture *f)
{
    f->parts.nonce = (MeshNonce){ .number = 0 }; /* what a missing one might be taken for */
    f->parts.tip = fixture_tip(1, 5, 1, NULL);
}

static void break_network_id(GateFixture *f)
{
    f->parts.network.id.bytes[0] ^= 1;
}

static void break_network_key(GateFixture *f)
{
    f->parts.network.server = fixture_node(1).key;
}

typedef struct {
    const char *name;
    void (*edit)(GateFixture *f);
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

static void test_map(GateFixture *f, gconstpointer data)
{
    const MapCase *c = data;
    g_autoptr(GError) error = NULL;

    c->edit(f);
    g_assert_null(gate_verify(f, &error));
    g_assert_error(error, MESH_ERROR, c->code);
    g_assert_cmpstr(error->message, ==, c->message);
}

static void test_empty_map(GateFixture *f, gconstpointer data)
{
    g_autoptr(MeshNetmap) map = mesh_netmap_new();
    g_autoptr(GError) error = NULL;

    (void)data;
    g_assert_null(lock_gate_verify(f->gate, map, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_BAD_ANSWER);
}

/* ---- of two, the one that runs stays ---- */

static void test_running_stays(GateFixture *f, gconstpointer data)
{
    g_autoptr(LockVerified) first = gate_verify_fine(f), second = NULL;

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
    gate_swap(&f->parts.peers[2].m, fixture_sign_member(thief));
    second = gate_verify_fine(f);
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

static void test_endpoint(GateFixture *f, gconstpointer data)
{
    const EndpointCase *c = data;
    MeshPrefix          foreign = fixture_prefix("10.99.0.0/16");
    g_autoptr(LockVerified) verified = NULL;

    lock_gate_set_foreign(f->gate, &foreign, 1);
    f->parts.peers[0].e = fixture_e(1, 5, c->endpoint, MESH_RECORD_STATIC);
    verified = gate_verify_fine(f);
    g_assert_cmpuint(lock_verified_count(verified), ==, N_PEERS);
    g_assert_cmpuint(lock_verified_get_peer(verified, 0)->n_endpoints, ==, c->used);
}

static void test_endpoint_order(GateFixture *f, gconstpointer data)
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
    verified = gate_verify_fine(f);
    peer = lock_verified_get_peer(verified, 0);
    g_assert_cmpuint(peer->n_endpoints, ==, LOCK_MAX_ENDPOINTS);
    g_assert_cmpint(peer->endpoints[0].kind, ==, MESH_RECORD_STATIC);
    g_assert_cmpint(peer->endpoints[2].kind, ==, MESH_RECORD_STATIC);
    g_assert_cmpint(peer->endpoints[3].kind, ==, MESH_RECORD_LOCAL);
    g_assert_cmpint(peer->endpoints[7].kind, ==, MESH_RECORD_OBSERVED);
    g_assert_cmpint(lock_verified_get_head(verified)->next_change, ==, FIXTURE_NOW + 9);
}

/* A bad or old E takes nothing away: the last good one stays until it ends. */
static void test_e_never_back(GateFixture *f, gconstpointer data)
{
    MeshPeer *peer = &f->parts.peers[0];
    const struct {
        MeshSigned *e;
        uint64_t    want_seq;
        uint16_t    want_port;
    } steps[] = {
        { fixture_e(1, 5, "203.0.113.5:5", MESH_RECORD_STATIC), 5, 5 },
        { fixture_e(1, 4, "203.0.113.4:4", MESH_RECORD_STATIC), 5, 5 }, /* older */
        { fixture_e(1, 5, "203.0.113.6:6", MESH_RECORD_STATIC), 5, 5 }, /* the same seq */
        { fixture_e(2, 9, "203.0.113.9:9", MESH_RECORD_STATIC), 5, 5 }, /* by another node */
        { fixture_e(1, 6, "203.0.113.7:7", MESH_RECORD_STATIC), 6, 7 },
    };

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
        g_autoptr(LockVerified) verified = NULL;
        const LockPeer *got;

        gate_swap(&peer->e, steps[i].e);
        f->parts.nonce.number++;
        verified = gate_verify_fine(f);
        g_assert_cmpuint(lock_verified_count(verified), ==, N_PEERS);
        got = lock_verified_get_peer(verified, 0);
        g_assert_cmpuint(got->e_seq, ==, steps[i].want_seq);
        g_assert_cmpuint(got->endpoints[0].endpoint.port, ==, steps[i].want_port);
    }
    gate_pass(3601); /* it ended */
    g_autoptr(LockVerified) verified = gate_verify_fine(f);
    g_assert_cmpuint(lock_verified_get_peer(verified, 0)->n_endpoints, ==, 0);
}

/* ---- what comes out ---- */

static void test_lookups(GateFixture *f, gconstpointer data)
{
    g_autoptr(LockVerified) verified = gate_verify_fine(f);
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

static void test_stale(GateFixture *f, gconstpointer data)
{
    g_autoptr(LockVerified) fresh = NULL, cached = NULL, behind = NULL;

    (void)data;
    f->parts.cached = true;
    cached = gate_verify_fine(f);
    g_assert_true(lock_verified_get_head(cached)->stale);
    f->parts.cached = false;
    fresh = gate_verify_fine(f);
    g_assert_false(lock_verified_get_head(fresh)->stale);
    f->parts.nonce.number++;
    f->parts.tip = fixture_tip(1, 6, 1, &f->parts.nonce);
    behind = gate_verify_fine(f);
    g_assert_true(lock_verified_get_head(behind)->stale);
}

static void test_open_member(GateFixture *f, gconstpointer data)
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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    gate_begin();
    for (size_t i = 0; i < G_N_ELEMENTS(peer_cases); i++)
        gate_add("peer", peer_cases[i].name, &peer_cases[i], test_peer);
    for (size_t i = 0; i < G_N_ELEMENTS(map_cases); i++)
        gate_add("map", map_cases[i].name, &map_cases[i], test_map);
    for (size_t i = 0; i < G_N_ELEMENTS(endpoints); i++)
        gate_add("endpoint", endpoints[i].name, &endpoints[i], test_endpoint);
    gate_add("", "empty-map", NULL, test_empty_map);
    gate_add("", "running-stays", NULL, test_running_stays);
    gate_add("", "endpoint-order", NULL, test_endpoint_order);
    gate_add("", "e-never-back", NULL, test_e_never_back);
    gate_add("", "lookups", NULL, test_lookups);
    gate_add("", "stale", NULL, test_stale);
    gate_add("", "open-member", NULL, test_open_member);
    return g_test_run();
}
