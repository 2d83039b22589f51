/* Tests of daemon/lock: what was seen never goes back, over restarts too; policies; time. */
#include "common/glib/error.h"
#include "tests/daemon/lock/fixture.h"

#include <string.h>

static void set_serial_9(MeshMember *m)
{
    m->serial = 9;
}

static void set_name(MeshMember *m)
{
    g_strlcpy(m->name, "renamed", sizeof(m->name));
}

/* ---- rollback: a good map first, then an older thing; with and without a restart between ---- */

static void roll_map(GateFixture *f)
{
    f->parts.ver = 4;
    f->parts.cached = true;
}

static void roll_tip(GateFixture *f)
{
    MeshNonce next = f->parts.nonce;

    next.number++; /* as the next request has it */
    f->parts.tip = fixture_tip(1, 4, 1, &next);
}

static void roll_tip_policy(GateFixture *f)
{
    MeshNonce next = f->parts.nonce;

    next.number++;
    f->parts.tip = fixture_tip(1, 5, 0, &next);
}

static void roll_serial(GateFixture *f)
{
    g_autoptr(MeshMember) old = fixture_member(1);

    gate_swap(&f->parts.peers[0].m, fixture_sign_member(old));
}

static void roll_m_bytes(GateFixture *f)
{
    g_autoptr(MeshMember) member = fixture_member(1);

    set_serial_9(member);
    set_name(member);
    gate_swap(&f->parts.peers[0].m, fixture_sign_member(member));
}

static void roll_k(GateFixture *f)
{
    gate_swap(&f->parts.peers[0].k, fixture_k(1, 6));
}

static void roll_k_bytes(GateFixture *f)
{
    MeshKey wg = fixture_wg(9);

    gate_swap(&f->parts.peers[0].k, gate_sign_k(1, 1, &wg, 7));
}

typedef struct {
    const char *name;
    void (*edit)(GateFixture *f);
    const char *left_out; /* NULL: the whole map is refused as ROLLBACK */
    bool        restart;
} RollCase;

static const RollCase rolls[] = {
    { "map", roll_map, NULL, false },
    { "map-restart", roll_map, NULL, true },
    { "tip", roll_tip, NULL, false },
    { "tip-restart", roll_tip, NULL, true },
    { "tip-policy", roll_tip_policy, NULL, false },
    { "tip-policy-restart", roll_tip_policy, NULL, true },
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

static void test_rollback(GateFixture *f, gconstpointer data)
{
    const RollCase *c = data;
    g_autoptr(LockVerified) first = NULL, second = NULL;
    g_autoptr(GError) error = NULL;
    const LockLeftOut *left_out;
    size_t             n;

    gate_edit_member(f, 1, set_serial_9);
    gate_swap(&f->parts.peers[0].k, fixture_k(1, 7));
    first = gate_verify_fine(f);
    if (c->restart)
        gate_restart(f);
    c->edit(f);
    f->parts.nonce.number++;
    second = gate_verify(f, &error);
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
static void test_new_epoch(GateFixture *f, gconstpointer data)
{
    g_autoptr(LockVerified) first = gate_verify_fine(f), second = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
    f->parts.epoch = 2;
    f->parts.ver = 1;
    f->parts.nonce.number++;
    second = gate_verify_fine(f);
    g_assert_cmpuint(lock_verified_get_head(second)->epoch, ==, 2);
    f->parts.epoch = 1;
    f->parts.ver = 900;
    f->parts.nonce.number++;
    g_assert_null(gate_verify(f, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_ROLLBACK);
}

/* The cursor is not signed: whoever lies about it must not lock us out of later versions. */
static void test_unsigned_cursor(GateFixture *f, gconstpointer data)
{
    g_autoptr(LockVerified) first = NULL, second = NULL;

    (void)data;
    f->parts.tip = fixture_tip(1, 5, 1, &f->parts.nonce);
    f->parts.ver = 900;
    first = gate_verify_fine(f);
    gate_swap(&f->parts.tip, NULL);
    f->parts.nonce.number++;
    f->parts.ver = 6;
    second = gate_verify_fine(f);
    g_assert_cmpuint(lock_verified_get_head(second)->ver, ==, 6);
}

/* A tombstone outlives its map and a restart, and only a higher serial comes back. */
static void test_tombstone(GateFixture *f, gconstpointer data)
{
    g_autoptr(LockVerified) first = NULL, second = NULL, third = NULL;
    size_t n;

    (void)data;
    f->parts.n_gone = 1;
    f->parts.gone = (MeshGone){ 77, fixture_node(1).key, 8 };
    first = gate_verify_fine(f);
    gate_restart(f);
    f->parts.n_gone = 0;
    f->parts.nonce.number++;
    second = gate_verify_fine(f);
    lock_verified_get_left_out(second, &n);
    g_assert_cmpuint(n, ==, 1);
    gate_edit_member(f, 1, set_serial_9);
    f->parts.nonce.number++;
    third = gate_verify_fine(f);
    lock_verified_get_left_out(third, &n);
    g_assert_cmpuint(n, ==, 0);
}

/* ---- policy ---- */

static void sign_policy(GateFixture *f, const char *body)
{
    MeshNetwork network = fixture_network();
    FixturePair server = fixture_server();
    g_autoptr(GError) error = NULL;

    gate_swap(&f->parts.p,
              mesh_signed_make(MESH_SIGNED_P, &network.id, body, &server.secret, &error));
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

static void test_policy(GateFixture *f, gconstpointer data)
{
    const PolicyCase *c = data;
    g_autoptr(LockVerified) first = gate_verify_fine(f), second = NULL, third = NULL;

    sign_policy(f, c->body);
    second = gate_verify_fine(f);
    g_assert_cmpstr(lock_verified_get_head(second)->policy_error, ==, c->policy_error);
    g_assert_cmpuint(lock_verified_get_head(second)->policy->ver, ==, c->ver);
    gate_restart(f); /* the last good one is kept on disk */
    f->parts.pver = c->ver;
    f->parts.nonce.number++;
    third = gate_verify_fine(f);
    g_assert_cmpuint(lock_verified_get_head(third)->policy->ver, ==, c->ver);
}

static void test_policy_rows(GateFixture *f, gconstpointer data)
{
    g_autoptr(LockVerified) verified = NULL;
    const LockVerifiedHead *head;

    (void)data;
    sign_policy(f,
                POLICY("1", "{\"action\":\"accept\",\"src\":[\"node-1\"],\"dst\":[\"node-50\"]}"));
    verified = gate_verify_fine(f);
    head = lock_verified_get_head(verified);
    g_assert_cmpuint(head->n_rows, ==, 3); /* both families, and the rest refused */
    g_assert_true(head->rows[0].accept && !head->rows[2].accept);
    g_assert_true(mesh_ip_contains(&head->rows[0].destination, &head->self->ip4));
}

/* ---- time ---- */

static void test_time(GateFixture *f, gconstpointer data)
{
    g_autoptr(LockVerified) first = NULL, second = NULL;

    (void)data;
    gate_set_clock(0); /* our clock stands at 1970: the tip corrects it */
    first = gate_verify_fine(f);
    g_assert_cmpint(lock_gate_now(f->gate), ==, FIXTURE_NOW);
    gate_pass(10);
    g_assert_cmpint(lock_gate_now(f->gate), ==, FIXTURE_NOW + 10);
    gate_restart(f); /* the offset is gone, the server's time is kept */
    g_assert_cmpint(lock_gate_now(f->gate), ==, FIXTURE_NOW + 10);
    gate_pass(86400 - 10);
    g_assert_cmpint(lock_gate_now(f->gate), ==, FIXTURE_NOW + 86400);
    f->parts.cached = true;
    g_autoptr(GError) error = NULL;
    second = gate_verify(f, &error); /* all memberships end at +86400 */
    g_assert_null(second);
    g_assert_error(error, MESH_ERROR, MESH_ERROR_EXPIRED);
}

static void test_clock_ahead(GateFixture *f, gconstpointer data)
{
    g_autoptr(LockVerified) verified = NULL;

    (void)data;
    gate_set_clock(FIXTURE_NOW + 10 * 86400); /* would end all memberships, but the server knows */
    verified = gate_verify_fine(f);
    g_assert_cmpuint(lock_verified_count(verified), ==, N_PEERS);
    g_assert_cmpint(lock_gate_now(f->gate), ==, FIXTURE_NOW);
}

/* Before the first tip nobody has told us the time: a wrong clock does not stop a registration. The
 * map that follows brings a tip, and the same membership is judged by its time. */
static void test_join_with_wrong_clock(GateFixture *f, gconstpointer data)
{
    static const int64_t clocks[] = { 0, FIXTURE_NOW + 3650 * INT64_C(86400) };
    g_autoptr(GError) error = NULL;

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(clocks); i++) {
        g_autoptr(MeshMember) own = NULL;

        gate_set_clock(clocks[i]);
        own = lock_gate_open_member(f->gate, f->parts.m, &error);
        g_assert_no_error(error);
        g_assert_nonnull(own);
    }
    gate_set_clock(0);
    g_autoptr(LockVerified) verified = gate_verify_fine(f);
    gate_pass(86400); /* the tip's time is known now: all memberships end at +86400 */
    g_assert_null(lock_gate_open_member(f->gate, f->parts.m, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_EXPIRED);
}

/* A server whose clock was years ahead for a moment must not end every membership for ever: beyond
 * a day its time does not outlive the connection, unless our own clock is none. */
static void test_server_clock_ahead(GateFixture *f, gconstpointer data)
{
    g_autoptr(LockVerified) first = NULL, second = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
    gate_set_clock(FIXTURE_NOW - 2 * INT64_C(86400)); /* the tip is two days ahead of us */
    first = gate_verify_fine(f);
    g_assert_cmpint(lock_gate_now(f->gate), ==, FIXTURE_NOW);
    gate_restart(f);
    g_assert_cmpint(lock_gate_now(f->gate), ==, FIXTURE_NOW - 2 * INT64_C(86400));
    gate_set_clock(FIXTURE_NOW - 3600); /* within a day: kept */
    f->parts.nonce.number++;
    second = gate_verify_fine(f);
    gate_pass(60);
    g_assert_cmpint(lock_gate_server_now(f->gate), ==, FIXTURE_NOW + 60);
    f->parts.ver++; /* the server's clock is put back by a minute: what we tell it follows */
    f->parts.nonce.number++;
    lock_verified_unref(gate_verify_fine(f));
    g_assert_cmpint(lock_gate_server_now(f->gate), ==, FIXTURE_NOW);
    g_assert_cmpint(lock_gate_now(f->gate), ==, FIXTURE_NOW + 60);
    f->parts.ver++;
    f->parts.nonce.number++;
    lock_verified_unref(gate_verify_fine(f)); /* something that is worth a save */
    gate_restart(f);
    g_assert_cmpint(lock_gate_now(f->gate), ==, FIXTURE_NOW + 60);
}

/* Floors that are loaded under a gate that judged already: who passed is judged anew by them. */
static void test_loaded_later(GateFixture *f, gconstpointer data)
{
    MeshNetwork      network = fixture_network();
    FixturePair      self = fixture_node(SELF);
    MeshKey          wg = fixture_wg(SELF);
    size_t           len, n;
    g_autofree char *text = NULL;
    g_autoptr(LockVerified) high = NULL, low = NULL, after = NULL;

    (void)data;
    gate_edit_member(f, 1, set_serial_9);
    high = gate_verify_fine(f);
    text = lock_gate_encode_floors(f->gate, &len);
    lock_gate_free(f->gate);
    f->gate = lock_gate_new(&network.id, &network.server, &self.key);
    lock_gate_set_wg(f->gate, &wg);
    roll_serial(f);
    low = gate_verify_fine(f);
    (void)lock_verified_get_left_out(low, &n);
    g_assert_cmpuint(n, ==, 0);
    g_assert_true(lock_gate_load_floors(f->gate, text, len, NULL));
    f->parts.nonce.number++;
    after = gate_verify_fine(f);
    (void)lock_verified_get_left_out(after, &n);
    g_assert_cmpuint(n, ==, 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    gate_begin();
    for (size_t i = 0; i < G_N_ELEMENTS(rolls); i++)
        gate_add("rollback", rolls[i].name, &rolls[i], test_rollback);
    for (size_t i = 0; i < G_N_ELEMENTS(policies); i++)
        gate_add("policy", policies[i].name, &policies[i], test_policy);
    gate_add("", "floors-loaded-later", NULL, test_loaded_later);
    gate_add("", "new-epoch", NULL, test_new_epoch);
    gate_add("", "unsigned-cursor", NULL, test_unsigned_cursor);
    gate_add("", "tombstone", NULL, test_tombstone);
    gate_add("", "policy-rows", NULL, test_policy_rows);
    gate_add("", "time", NULL, test_time);
    gate_add("", "clock-ahead", NULL, test_clock_ahead);
    gate_add("", "join-with-wrong-clock", NULL, test_join_with_wrong_clock);
    gate_add("", "server-clock-ahead", NULL, test_server_clock_ahead);
    return g_test_run();
}
