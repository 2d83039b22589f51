/* Tests of daemon/lock: what proves a record beside its own signature (docs/PROTOCOL.md §4): the
 * server's statement over all M, and the hash of K in an E. What neither proves is judged by its
 * signature, alone; and no proof lets a record fall below a floor. */
#include "common/proto/memberset.h"
#include "tests/daemon/lock/fixture.h"

#include <string.h>

/* @object's body under a signature of nobody. */
static void spoil(MeshSigned **object)
{
    const uint8_t nothing[MESH_SIGN_BYTES] = { 0 };
    size_t        len;
    const char   *body = mesh_signed_get_body(*object, &len);

    gate_swap(object, mesh_signed_new(body, len, nothing, NULL));
}

static void check_out(GateFixture *f, unsigned index, const char *why)
{
    g_autoptr(LockVerified) verified = gate_verify_fine(f);
    size_t             n;
    const LockLeftOut *out = lock_verified_get_left_out(verified, &n);

    g_assert_cmpuint(n, ==, index != 0 ? 1 : 0);
    g_assert_cmpuint(lock_verified_count(verified), ==, N_PEERS - n);
    if (index == 0)
        return;
    g_assert_cmpuint(out[0].index, ==, index);
    g_assert_cmpstr(out[0].reason, ==, why);
}

/* ---- the set ---- */

static MeshMemberSet make_set(const GateFixture *f)
{
    MeshMemberSet  set = { .epoch = f->parts.epoch, .ver = f->parts.ver, .count = N_PEERS };
    MeshMemberLeaf leaves[N_PEERS];

    for (unsigned i = 0; i < N_PEERS; i++)
        mesh_memberset_hash(f->parts.peers[i].m, &leaves[i]);
    mesh_memberset_join(leaves, N_PEERS, &set.root);
    return set;
}

static void sign_set(GateFixture *f, const MeshMemberSet *set, const FixturePair *by)
{
    MeshNetwork network = fixture_network();

    gate_swap(&f->parts.set, mesh_memberset_sign(set, &network.id, &by->secret, NULL));
}

static void use_set(GateFixture *f)
{
    FixturePair   server = fixture_server();
    MeshMemberSet set = make_set(f);

    sign_set(f, &set, &server);
}

static void test_set_proves(GateFixture *f, gconstpointer data)
{
    (void)data;
    use_set(f);
    for (unsigned i = 0; i < N_PEERS; i++)
        spoil(&f->parts.peers[i].m); /* nobody looks at these */
    check_out(f, 0, NULL);
}

static const char WRONG_M[] = "M: the signature is wrong";

/* A set that says something else proves nothing: the forged M alone is left out. */
static void test_set_of_another(GateFixture *f, gconstpointer data)
{
    FixturePair   server = fixture_server(), rogue = fixture_pair(99);
    const char   *what = data;
    MeshMemberSet set = make_set(f);

    if (strcmp(what, "epoch") == 0)
        set.epoch++;
    if (strcmp(what, "ver") == 0)
        set.ver--;
    if (strcmp(what, "count") == 0)
        set.count--;
    if (strcmp(what, "root") == 0)
        set.root.bytes[31] ^= 1;
    sign_set(f, &set, strcmp(what, "signer") == 0 ? &rogue : &server);
    if (strcmp(what, "signature") == 0)
        spoil(&f->parts.set);
    spoil(&f->parts.peers[1].m);
    check_out(f, 2, WRONG_M);
}

static void rename_it(MeshMember *m)
{
    g_strlcpy(m->name, "other", sizeof m->name);
}

/* One body changed since, or two that changed places. */
static void test_set_of_other_bodies(GateFixture *f, gconstpointer data)
{
    MeshSigned *first = f->parts.peers[0].m;

    (void)data;
    use_set(f);
    gate_edit_member(f, 3, rename_it);
    spoil(&f->parts.peers[2].m);
    check_out(f, 3, WRONG_M);
    f->parts.peers[0].m = f->parts.peers[1].m;
    f->parts.peers[1].m = first;
    spoil(&f->parts.peers[0].m);
    {
        g_autoptr(LockVerified) verified = gate_verify_fine(f);

        g_assert_null(lock_verified_find_name(verified, "node-2"));
    }
}

/* A delta replaces what the set was of. */
static void test_set_and_delta(GateFixture *f, gconstpointer data)
{
    FixturePair   server = fixture_server();
    MeshMemberSet set = make_set(f);

    (void)data;
    f->parts.n_gone = 1;
    f->parts.gone = (MeshGone){ .index = 77, .node = fixture_node(77).key, .serial = 1 };
    sign_set(f, &set, &server);
    spoil(&f->parts.peers[1].m);
    check_out(f, 2, WRONG_M);
}

static void set_low(MeshMember *m)
{
    m->serial = 1;
}

static void set_ended(MeshMember *m)
{
    m->exp = FIXTURE_NOW;
}

static void leave_it(MeshMember *m)
{
    (void)m;
}

/* It is as good as a signature, and no better. */
static void test_set_and_rules(GateFixture *f, gconstpointer data)
{
    (void)data;
    check_out(f, 0, NULL);
    gate_edit_member(f, 3, set_low);
    use_set(f);
    check_out(f, 3, "membership: serial 1 is older than 3");
    gate_edit_member(f, 3, leave_it);
    gate_edit_member(f, 2, set_ended);
    use_set(f);
    {
        g_autoptr(LockVerified) verified = gate_verify_fine(f);

        g_assert_null(lock_verified_find_name(verified, "node-2"));
    }
}

/* A K in the place of an M: its hash stands in the set, but it is none. */
static void test_set_with_k(GateFixture *f, gconstpointer data)
{
    (void)data;
    gate_swap(&f->parts.peers[1].m, fixture_k(2, 1));
    use_set(f);
    check_out(f, 2, "M.t: it is a \"K\"");
}

/* ---- the hash of K ---- */

/* An E of node @signer that names @k. */
static MeshSigned *make_e(unsigned signer, const MeshSigned *k, uint64_t seq)
{
    MeshNetwork network = fixture_network();
    FixturePair node = fixture_node(signer);
    MeshRecordE record = { .node = node.key, .seq = seq, .exp = FIXTURE_NOW + 9 };

    record.has_k_hash = true;
    mesh_record_hash(k, record.k_hash);
    return mesh_record_sign_e(&record, &network.id, &node.secret, NULL);
}

static void test_e_proves_k(GateFixture *f, gconstpointer data)
{
    MeshPeer *peer = &f->parts.peers[1];

    (void)data;
    peer->e = make_e(2, peer->k, 1);
    spoil(&peer->k);
    check_out(f, 0, NULL);
}

static const char WRONG_K[] = "K: the signature is wrong";

static void test_e_of_another_k(GateFixture *f, gconstpointer data)
{
    MeshPeer *peer = &f->parts.peers[1];
    g_autoptr(MeshSigned) other = fixture_k(2, 2);

    (void)data;
    peer->e = make_e(2, other, 1);
    check_out(f, 0, NULL); /* K's own signature is good */
    spoil(&peer->k);
    check_out(f, 2, WRONG_K);
}

static void test_forged_e(GateFixture *f, gconstpointer data)
{
    MeshPeer *peer = &f->parts.peers[1];

    (void)data;
    peer->e = make_e(2, peer->k, 1);
    spoil(&peer->e);
    spoil(&peer->k);
    check_out(f, 2, WRONG_K);
}

/* Somebody else's E, be he a member. */
static void test_e_of_another_node(GateFixture *f, gconstpointer data)
{
    MeshPeer *peer = &f->parts.peers[1];

    (void)data;
    peer->e = make_e(3, peer->k, 1);
    spoil(&peer->k);
    check_out(f, 2, WRONG_K);
}

/* A K that names another node is not made good by who names its hash. */
static void test_e_and_foreign_k(GateFixture *f, gconstpointer data)
{
    MeshPeer *peer = &f->parts.peers[1];

    (void)data;
    gate_swap(&peer->k, fixture_k(1, 1));
    peer->e = make_e(2, peer->k, 1);
    check_out(f, 2, "K.node: it names another node");
}

/* An old pair of K and E: the floor of K's seq stands. */
static void test_e_and_floor(GateFixture *f, gconstpointer data)
{
    MeshPeer *peer = &f->parts.peers[1];

    (void)data;
    gate_swap(&peer->k, fixture_k(2, 5));
    check_out(f, 0, NULL);
    gate_restart(f);
    gate_swap(&peer->k, fixture_k(2, 4));
    peer->e = make_e(2, peer->k, 1);
    spoil(&peer->k);
    f->parts.nonce.number++;
    check_out(f, 2, "record: seq 4 is older than 5");
}

/* ---- the offer of AES ---- */

static MeshSigned *sign_offer(unsigned n, uint64_t seq)
{
    MeshNetwork network = fixture_network();
    FixturePair node = fixture_node(n);
    MeshKey     wg = fixture_wg(n);
    MeshRecordK record = mesh_record_make_k(&node.key, &wg, seq);

    mesh_record_add_suite(&record, MESH_RECORD_SUITE_AES);
    return mesh_record_sign_k(&record, &network.id, &node.secret, NULL);
}

static bool offers(GateFixture *f, unsigned index)
{
    g_autoptr(LockVerified) verified = gate_verify_fine(f);
    const LockPeer *peer = lock_verified_find_index(verified, index);

    g_assert_nonnull(peer);
    return peer->offers_aes;
}

/* K says it, unless the newest E is of a program that does not know that K. */
static void test_offer(GateFixture *f, gconstpointer data)
{
    MeshPeer *peer = &f->parts.peers[1];
    g_autoptr(MeshSigned) older = fixture_k(2, 1);
    g_autoptr(LockVerified) before = gate_verify_fine(f);
    g_autoptr(LockVerified) after = NULL;

    (void)data;
    g_assert_false(offers(f, 2));
    gate_swap(&peer->k, sign_offer(2, 2));
    f->parts.ver++;
    after = gate_verify_fine(f);
    g_assert_true(offers(f, 2) && !offers(f, 1));
    g_assert_false(lock_verified_is_alike(before, after)); /* the data plane is told */
    peer->e = make_e(2, peer->k, 1);
    g_assert_true(offers(f, 2));
    gate_swap(&peer->e, make_e(2, older, 2));
    g_assert_false(offers(f, 2));
    gate_swap(&peer->e, make_e(2, peer->k, 3));
    g_assert_true(offers(f, 2));
    gate_swap(&peer->k, fixture_k(2, 3));
    g_assert_false(offers(f, 2));
}

/* @body of K with @from replaced by @to under the signature that it had. */
static MeshSigned *edit_k(const MeshSigned *k, const char *from, const char *to)
{
    size_t           len;
    const char      *body = mesh_signed_get_body(k, &len);
    g_autofree char *text = g_strndup(body, len);
    g_auto(GStrv) parts = g_strsplit(text, from, 2);
    g_autofree char *edited = g_strjoinv(to, parts);

    g_assert_cmpuint(g_strv_length(parts), ==, 2);
    return mesh_signed_new(edited, strlen(edited), mesh_signed_get_signature(k)->bytes, NULL);
}

/* Whoever carries the record, he can neither take the word out nor put it in. */
static void test_edited_offer(GateFixture *f, gconstpointer data)
{
    MeshPeer *peer = &f->parts.peers[1];
    g_autoptr(MeshSigned) offer = sign_offer(2, 1);

    (void)data;
    gate_swap(&peer->k, edit_k(peer->k, "\"wg1\"", "\"wg1\",\"aesgcm1\""));
    check_out(f, 2, WRONG_K);
    gate_swap(&peer->k, edit_k(offer, ",\"aesgcm1\"", ""));
    check_out(f, 2, WRONG_K);
    gate_swap(&peer->k, mesh_signed_ref(offer));
    check_out(f, 0, NULL);
}

int main(int argc, char **argv)
{
    static const char *const wrong[] = { "epoch", "ver", "count", "root", "signer", "signature" };

    g_test_init(&argc, &argv, NULL);
    gate_begin();
    gate_add("set", "proves-all", NULL, test_set_proves);
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++)
        gate_add("set-with-wrong", wrong[i], wrong[i], test_set_of_another);
    gate_add("set", "of-other-bodies", NULL, test_set_of_other_bodies);
    gate_add("set", "ends-with-a-delta", NULL, test_set_and_delta);
    gate_add("set", "breaks-no-rule", NULL, test_set_and_rules);
    gate_add("set", "with-a-k", NULL, test_set_with_k);
    gate_add("k-hash", "proves-k", NULL, test_e_proves_k);
    gate_add("k-hash", "of-another-k", NULL, test_e_of_another_k);
    gate_add("k-hash", "in-a-forged-e", NULL, test_forged_e);
    gate_add("k-hash", "by-another-node", NULL, test_e_of_another_node);
    gate_add("k-hash", "of-a-foreign-k", NULL, test_e_and_foreign_k);
    gate_add("k-hash", "breaks-no-floor", NULL, test_e_and_floor);
    gate_add("offer", "follows-k-and-e", NULL, test_offer);
    gate_add("offer", "edited", NULL, test_edited_offer);
    return g_test_run();
}
