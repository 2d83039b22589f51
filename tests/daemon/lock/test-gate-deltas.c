/* Tests of what a gate remembers from map to map: after any sequence of changes, good, bad and at
 * odds with each other, it comes to what a gate comes to that judges every peer anew each time; and
 * what did not change is the very same object. */
#include "common/glib/error.h"
#include "common/std/endpoint.h"
#include "daemon/lock/compare.h"
#include "daemon/lock/gatelog.h"
#include "tests/daemon/lock/fixture.h"

#include <stdlib.h>
#include <string.h>

enum { N_NODES = 24, N_ROUNDS = 400 };

/* A node as the server might tell it. */
typedef struct {
    bool     there;
    unsigned addr, wg; /* its own number, or another's */
    uint64_t serial, seq, e_seq;
    MeshPeer peer;
} Node;

typedef struct {
    LockGate *gate;
    MeshKey   own;
} Side;

typedef struct {
    Node        nodes[N_NODES + 1]; /* from 1 */
    MeshNetmap *map;
    uint64_t    ver;
    Side        deltas, whole;
    bool        other; /* which of two prefixes that nobody is in the second gate has */
} World;

static void apply(MeshNetmap *map, const MeshMapline *line)
{
    MeshNetmapChange change;
    g_autoptr(GError) error = NULL;

    mesh_netmap_apply(map, line, &change, &error);
    g_assert_no_error(error);
}

static MeshAddr make_addr4(unsigned n)
{
    char text[64];

    g_snprintf(text, sizeof text, "10.71.0.%u", 10 + n);
    return fixture_addr(text);
}

static MeshAddr make_addr6(unsigned n)
{
    char text[64];

    g_snprintf(text, sizeof text, "fd00:1:2::%x", 10 + n);
    return fixture_addr(text);
}

static void sign_node(Node *node, unsigned n)
{
    MeshKey wg = fixture_wg(node->wg);
    g_autoptr(MeshMember) member = fixture_member(n);

    member->serial = node->serial;
    member->ip4 = make_addr4(node->addr);
    member->ip6 = make_addr6(node->addr);
    if (node->serial % 5 == 4)
        member->exp = FIXTURE_NOW + 500 + (int64_t)node->serial;
    g_snprintf(member->name, sizeof member->name, "node-%u-%u", n, (unsigned)node->serial % 3);
    gate_swap(&node->peer.m, fixture_sign_member(member));
    gate_swap(&node->peer.k, gate_sign_k(n, n, &wg, node->seq));
}

static unsigned draw(unsigned below)
{
    return (unsigned)g_test_rand_int_range(0, (gint32)below);
}

/* Something happens to the node; some of it a server must not do. */
static void change_node(Node *node, unsigned n)
{
    static const MeshRecordKind kinds[] = { MESH_RECORD_STATIC, MESH_RECORD_LOCAL };
    char                        endpoint[64];

    switch (draw(10)) {
    case 0:
        node->addr = draw(3) == 0 ? 1 + draw(N_NODES) : n;
        node->serial++;
        break;
    case 1:
        node->wg = draw(3) == 0 ? 1 + draw(N_NODES) : n;
        node->seq++;
        break;
    case 2:
        node->wg = draw(2) == 0 ? SELF : n;
        node->seq++;
        break;
    case 3:
        node->serial += draw(4) == 0 ? (uint64_t)-1 : 1; /* back, now and then */
        break;
    case 4:
    case 5:
        g_snprintf(endpoint, sizeof endpoint, "192.0.2.%u:%u", n, 1000 + draw(1000));
        gate_swap(&node->peer.e, fixture_e(n, ++node->e_seq, endpoint, kinds[draw(2)]));
        break;
    case 6:
        node->peer.online = !node->peer.online;
        break;
    case 7:
        node->peer.last_seen = node->peer.online ? 0 : 1 + draw(100);
        break;
    default:
        node->serial++;
        break;
    }
    sign_node(node, n);
}

static void send_delta(World *w, unsigned n_changes)
{
    MeshPeer    put[8];
    MeshGone    gone[8];
    MeshMapline line = { .type = MESH_MAPLINE_DELTA, .from = w->ver, .to = w->ver + 1 };
    bool        met[N_NODES + 1] = { false };

    for (unsigned i = 0; i < n_changes; i++) {
        unsigned n = 1 + draw(N_NODES);
        Node    *node = &w->nodes[n];

        if (met[n])
            continue;
        met[n] = true;
        if (node->there && draw(6) == 0) {
            gone[line.n_gone++] = (MeshGone){ n, fixture_node(n).key, node->serial };
            node->there = false;
            continue;
        }
        if (!node->there && draw(3) > 0)
            node->serial++; /* else it was removed with this one */
        node->there = true;
        change_node(node, n);
        put[line.n_peers++] = node->peer;
    }
    line.peers = put;
    line.gone = gone;
    w->ver++;
    apply(w->map, &line);
}

static void check_same_peer(const LockPeer *a, const LockPeer *b)
{
    g_assert_cmpuint(a->index, ==, b->index);
    g_assert_cmpstr(a->member->name, ==, b->member->name);
    g_assert_cmpuint(a->member->serial, ==, b->member->serial);
    g_assert_true(mesh_ip_equal_addr(&a->member->ip4, &b->member->ip4));
    g_assert_true(mesh_key_equal(&a->wg, &b->wg));
    g_assert_cmpint(a->online, ==, b->online);
    g_assert_cmpuint(a->last_seen, ==, b->last_seen);
    g_assert_cmpuint(a->k_seq, ==, b->k_seq);
    g_assert_cmpuint(a->e_seq, ==, b->e_seq);
    g_assert_cmpuint(a->n_endpoints, ==, b->n_endpoints);
    for (size_t i = 0; i < a->n_endpoints; i++)
        g_assert_true(mesh_endpoint_equal(&a->endpoints[i].endpoint, &b->endpoints[i].endpoint));
}

static void check_left_out(const LockVerified *a, const LockVerified *b)
{
    size_t             n, n_b;
    const LockLeftOut *row = lock_verified_get_left_out(a, &n);
    const LockLeftOut *row_b = lock_verified_get_left_out(b, &n_b);

    g_assert_cmpuint(n, ==, n_b);
    for (size_t i = 0; i < n; i++) {
        g_assert_cmpuint(row[i].index, ==, row_b[i].index);
        g_assert_cmpstr(row[i].reason, ==, row_b[i].reason);
    }
}

/* Every peer is found by all that it has, and nobody who is not there. */
static void check_lookups(const LockVerified *map)
{
    for (unsigned n = 1; n <= N_NODES; n++) {
        MeshKey         key = fixture_node(n).key;
        const LockPeer *found = lock_verified_find_node(map, &key);
        const LockPeer *meant = NULL;

        for (size_t i = 0; i < lock_verified_count(map); i++)
            if (mesh_key_equal(&lock_verified_get_peer(map, i)->member->node, &key))
                meant = lock_verified_get_peer(map, i);
        g_assert_true(found == meant);
    }
    for (size_t i = 0; i < lock_verified_count(map); i++) {
        const LockPeer *peer = lock_verified_get_peer(map, i);
        MeshAddr        at;

        g_assert_true(lock_verified_find_index(map, peer->index) == peer);
        g_assert_true(lock_verified_find_wg(map, &peer->wg) == peer);
        g_assert_true(lock_verified_find_name(map, peer->member->name) == peer);
        g_assert_true(lock_verified_find_addr(map, &peer->member->ip4) == peer);
        g_assert_true(lock_verified_find_addr(map, &peer->member->ip6) == peer);
        g_assert_true(lock_verified_find_addr_from(map, &peer->member->ip4, &at) == peer);
        g_assert_true(mesh_ip_equal_addr(&at, &peer->member->ip4));
    }
}

static LockVerified *verify(Side *side, const MeshNetmap *map)
{
    g_autoptr(GError) error = NULL;
    LockVerified *verified = lock_gate_verify(side->gate, map, &error);

    g_assert_no_error(error);
    lock_gate_set_running(side->gate, verified);
    return verified;
}

/* Other prefixes make a gate judge all peers anew; nobody is inside of these. */
static void verify_both(World *w, GPtrArray *maps)
{
    static const char *const texts[] = { "203.0.113.0/25", "203.0.113.128/25" };
    MeshPrefix               nobody;
    g_autoptr(LockVerified) whole = NULL;
    LockVerified *ours;

    w->other = !w->other;
    g_assert_cmpint(mesh_ip_parse_prefix(texts[w->other], &nobody), ==, 0);
    lock_gate_set_foreign(w->whole.gate, &nobody, 1);
    ours = verify(&w->deltas, w->map);
    whole = verify(&w->whole, w->map);
    g_assert_cmpuint(lock_verified_count(ours), ==, lock_verified_count(whole));
    for (size_t i = 0; i < lock_verified_count(ours); i++)
        check_same_peer(lock_verified_get_peer(ours, i), lock_verified_get_peer(whole, i));
    check_left_out(ours, whole);
    check_lookups(ours);
    g_assert_cmpint(lock_verified_get_head(ours)->next_change, ==,
                    lock_verified_get_head(whole)->next_change);
    g_assert_cmpuint(lock_verified_get_head(ours)->n_waiting, ==, 0);
    g_ptr_array_add(maps, ours);
}

static void start(World *w)
{
    MeshNetwork network = fixture_network();
    FixturePair self = fixture_node(SELF);
    MeshKey     wg = fixture_wg(SELF);
    MeshNonce   nonce = { { 1 }, 2 };
    g_autoptr(MeshMember) own = fixture_member(SELF);
    g_autoptr(MeshSigned) m = fixture_sign_member(own);
    g_autoptr(MeshSigned) p = fixture_policy(1);
    g_autoptr(MeshSigned) tip = fixture_tip(1, 1, 1, &nonce);
    Side       *sides[] = { &w->deltas, &w->whole };
    MeshMapline lines[] = {
        { .type = MESH_MAPLINE_HELLO, .network = network, .has_network = true, .tip = tip },
        { .type = MESH_MAPLINE_SNAP, .epoch = 1, .ver = 1, .m = m, .p = p },
        { .type = MESH_MAPLINE_SNAP_END, .ver = 1 },
    };

    gate_set_clock(FIXTURE_NOW);
    for (size_t i = 0; i < G_N_ELEMENTS(sides); i++) {
        sides[i]->gate = lock_gate_new(&network.id, &network.server, &self.key);
        lock_gate_set_wg(sides[i]->gate, &wg);
    }
    w->map = mesh_netmap_new();
    w->ver = 1;
    mesh_netmap_begin(w->map, &nonce);
    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++)
        apply(w->map, &lines[i]);
    for (unsigned n = 1; n <= N_NODES; n++) {
        w->nodes[n] = (Node){ .addr = n, .wg = n, .serial = 2, .seq = 1 };
        w->nodes[n].peer = fixture_peer(n);
    }
}

static void stop(World *w)
{
    lock_gate_free(w->deltas.gate);
    lock_gate_free(w->whole.gate);
    mesh_netmap_free(w->map);
    for (unsigned n = 1; n <= N_NODES; n++)
        mesh_mapline_clear_peer(&w->nodes[n].peer);
}

static void test_random(void)
{
    World w = { .ver = 0 };
    g_autoptr(GPtrArray) maps = g_ptr_array_new_with_free_func((GDestroyNotify)lock_verified_unref);
    size_t most = 0, left_out, most_left_out = 0;

    start(&w);
    for (unsigned i = 0; i < N_ROUNDS; i++) {
        LockVerified *last;

        if (draw(12) == 0)
            gate_pass(100 * (1 + draw(3)));
        else
            send_delta(&w, 1 + draw(8));
        verify_both(&w, maps);
        last = maps->pdata[maps->len - 1];
        most = MAX(most, lock_verified_count(last));
        (void)lock_verified_get_left_out(last, &left_out);
        most_left_out = MAX(most_left_out, left_out);
    }
    g_assert_cmpuint(most, >, N_NODES / 3); /* else little was tested */
    g_assert_cmpuint(most_left_out, >, 2);
    for (guint i = 0; i < maps->len; i++) /* the older ones are as they were */
        check_lookups(maps->pdata[i]);
    stop(&w);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The floors as text, their nodes in order. Owned. */
static char *describe_floors(LockGate *gate)
{
    size_t           len;
    g_autofree char *text = lock_gate_encode_floors(gate, &len);
    char           **rows = g_strsplit(text, "{\"node\"", -1);
    guint            n = g_strv_length(rows);
    char            *all;

    for (guint i = 1; i < n; i++)
        g_strchomp(g_strdelimit(rows[i], "]},", ' '));
    qsort(rows + 1, n - 1, sizeof *rows, compare_texts);
    all = g_strjoinv("", rows);
    g_strfreev(rows);
    return all;
}

/* Floors stored once, and what was raised after each map behind them, are the floors there are. */
static void test_raised(void)
{
    World       w = { .ver = 0 };
    MeshNetwork network = fixture_network();
    FixturePair self = fixture_node(SELF);
    g_autoptr(GPtrArray) maps = g_ptr_array_new_with_free_func((GDestroyNotify)lock_verified_unref);
    g_autoptr(GPtrArray) raised = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    g_autofree char *first = NULL, *ours = NULL, *theirs = NULL;
    g_autoptr(LockGate) loaded = lock_gate_new(&network.id, &network.server, &self.key);
    g_autoptr(GError) error = NULL;
    size_t first_len;

    start(&w);
    verify_both(&w, maps);
    first = lock_gate_encode_floors(w.deltas.gate, &first_len);
    for (unsigned i = 0; i < 100; i++) {
        size_t len;
        char  *text;

        send_delta(&w, 1 + draw(8));
        verify_both(&w, maps);
        if (!lock_gate_floors_changed(w.deltas.gate))
            continue;
        text = lock_gate_encode_raised(w.deltas.gate, &len);
        g_ptr_array_add(raised, g_bytes_new_take(text, len));
        g_assert_false(lock_gate_floors_changed(w.deltas.gate));
        g_assert_cmpuint(len, <, 3000); /* of 24 nodes */
    }
    g_assert_true(lock_gate_load_raised(loaded, first, first_len, raised, &error));
    g_assert_no_error(error);
    ours = describe_floors(w.deltas.gate);
    theirs = describe_floors(loaded);
    g_assert_cmpstr(ours, ==, theirs);
    stop(&w);
}

static void put_all(World *w)
{
    MeshMapline line = { .type = MESH_MAPLINE_DELTA, .from = w->ver, .to = w->ver + 1 };
    MeshPeer    put[N_NODES];

    for (unsigned n = 1; n <= N_NODES; n++) {
        sign_node(&w->nodes[n], n);
        put[line.n_peers++] = w->nodes[n].peer;
    }
    line.peers = put;
    w->ver++;
    apply(w->map, &line);
}

static void test_shared(void)
{
    World w = { .ver = 0 };
    g_autoptr(GPtrArray) maps = g_ptr_array_new_with_free_func((GDestroyNotify)lock_verified_unref);
    g_autoptr(GPtrArray) gone = g_ptr_array_new();
    g_autoptr(GPtrArray) added = g_ptr_array_new();
    MeshMapline line = { .type = MESH_MAPLINE_DELTA };

    start(&w);
    put_all(&w);
    verify_both(&w, maps);
    w.nodes[7].serial++;
    sign_node(&w.nodes[7], 7);
    line.from = w.ver;
    line.to = ++w.ver;
    line.n_peers = 1;
    line.peers = &w.nodes[7].peer;
    apply(w.map, &line);
    verify_both(&w, maps);
    lock_verified_compare(maps->pdata[0], maps->pdata[1], gone, added);
    g_assert_cmpuint(gone->len, ==, 1);
    g_assert_cmpuint(added->len, ==, 1);
    g_assert_cmpuint(((const LockPeer *)gone->pdata[0])->index, ==, 7);
    g_assert_cmpuint(((const LockPeer *)added->pdata[0])->member->serial, ==, 3);
    stop(&w);
}

int main(int argc, char **argv)
{
    gate_begin();
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/gate/deltas/random", test_random);
    g_test_add_func("/gate/deltas/shared", test_shared);
    g_test_add_func("/gate/deltas/raised", test_raised);
    return g_test_run();
}
