/* tests/daemon/lock/fixture.c: see fixture.h. */
#include "tests/daemon/lock/fixture.h"

#include "common/std/clock.h"

#include <string.h>

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

void gate_set_clock(int64_t wall_s)
{
    wall_ns = wall_s * INT64_C(1000000000);
}

void gate_pass(int64_t s)
{
    wall_ns += s * INT64_C(1000000000);
    boot_ns += s * INT64_C(1000000000);
}

void gate_swap(MeshSigned **slot, MeshSigned *object)
{
    mesh_signed_unref(*slot);
    *slot = object;
}

static void make_parts(GateParts *parts)
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

static void clear_parts(GateParts *parts)
{
    mesh_signed_unref(parts->m);
    mesh_signed_unref(parts->p);
    mesh_signed_unref(parts->tip);
    mesh_signed_unref(parts->set);
    for (unsigned i = 0; i < N_PEERS; i++)
        mesh_mapline_clear_peer(&parts->peers[i]);
}

static void set_up(GateFixture *f, gconstpointer data)
{
    MeshNetwork network = fixture_network();
    FixturePair self = fixture_node(SELF);
    MeshKey     wg = fixture_wg(SELF);

    (void)data;
    gate_set_clock(FIXTURE_NOW);
    boot_ns = INT64_C(1000000000000);
    f->gate = lock_gate_new(&network.id, &network.server, &self.key);
    lock_gate_set_wg(f->gate, &wg);
    make_parts(&f->parts);
}

static void tear_down(GateFixture *f, gconstpointer data)
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

static MeshNetmap *build(const GateParts *parts)
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
    MeshMapline end = { .type = MESH_MAPLINE_SNAP_END, .ver = snap.ver, .set = parts->set };
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

LockVerified *gate_verify(GateFixture *f, GError **error)
{
    g_autoptr(MeshNetmap) map = build(&f->parts);

    return lock_gate_verify(f->gate, map, error);
}

LockVerified *gate_verify_fine(GateFixture *f)
{
    g_autoptr(GError) error = NULL;
    LockVerified *verified = gate_verify(f, &error);

    g_assert_no_error(error);
    g_assert_nonnull(verified);
    return verified;
}

void gate_edit_member(GateFixture *f, unsigned n, void (*edit)(MeshMember *member))
{
    g_autoptr(MeshMember) member = fixture_member(n);

    edit(member);
    if (n == SELF)
        gate_swap(&f->parts.m, fixture_sign_member(member));
    else
        gate_swap(&f->parts.peers[n - 1].m, fixture_sign_member(member));
}

MeshSigned *gate_sign_k(unsigned signer, unsigned named, const MeshKey *wg, uint64_t seq)
{
    MeshNetwork network = fixture_network();
    FixturePair by = fixture_node(signer), node = fixture_node(named);
    MeshRecordK record = mesh_record_make_k(&node.key, wg, seq);
    g_autoptr(GError) error = NULL;
    MeshSigned *k = mesh_record_sign_k(&record, &network.id, &by.secret, &error);

    g_assert_no_error(error);
    return k;
}

void gate_restart(GateFixture *f)
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

void gate_add(const char *group, const char *name, gconstpointer data, GateTest test)
{
    g_autofree char *path =
        g_strdup_printf("/gate/%s%s%s", group, group[0] != '\0' ? "/" : "", name);

    g_test_add(path, GateFixture, data, set_up, test, tear_down);
}

void gate_begin(void)
{
    static const MeshClockSource source = { .boot_ns = get_boot, .wall_ns = get_wall };

    fixture_start();
    mesh_clock_set_source(&source);
}
