/* Tests of daemon/wire/keypair.c, slots.c and index.c: limits, rotation, and readers at work while
 * sessions come and go. */
#include "common/std/key.h"
#include "common/std/thread.h"
#include "daemon/wire/slots.h"

#include <errno.h>
#include <glib.h>
#include <stdatomic.h>
#include <string.h>

#define T0 INT64_C(1000000)

static const uint8_t key_a[32] = { 1 }, key_b[32] = { 2 };

static WirePeer *some_peer(void)
{
    static char peer;

    return (WirePeer *)&peer;
}

static WireIndexTable *make_table(void)
{
    WireIndexTable *table = NULL;

    g_assert_cmpint(wire_index_new(&table), ==, 0);
    return table;
}

static WireKeypair *make_keypair(WireIndexTable *table, bool initiator)
{
    WireKeypair    *keypair = NULL;
    WireKeypairInit init = {
        .peer = some_peer(),
        .send_key = initiator ? key_a : key_b,
        .receive_key = initiator ? key_b : key_a,
        .remote_index = 77,
        .initiator = initiator,
        .now_ms = T0,
        .n_lanes = 2,
    };

    g_assert_cmpint(wire_index_reserve(table, some_peer(), 0, &init.local_index), ==, 0);
    g_assert_cmpint(wire_keypair_new(wire_aead_best(WIRE_SUITE_WG1), &init, &keypair), ==, 0);
    return keypair;
}

/* ---- limits ---- */

static void test_counters(void)
{
    WireIndexTable *table = make_table();
    WireKeypair    *keypair = make_keypair(table, true);
    uint64_t        first = 99;

    g_assert_cmpint(wire_keypair_take(keypair, 10, T0, &first), ==, 0);
    g_assert_cmpuint(first, ==, 0);
    g_assert_cmpint(wire_keypair_take(keypair, 1, T0, &first), ==, 0);
    g_assert_cmpuint(first, ==, 10);
    g_assert_cmpint(wire_keypair_take(keypair, 1, T0 + 179999, &first), ==, 0);
    g_assert_cmpint(wire_keypair_take(keypair, 1, T0 + 180000, &first), ==, -EKEYEXPIRED);

    atomic_store(&keypair->send_counter, WIRE_REJECT_AFTER_MESSAGES - 10);
    g_assert_cmpint(wire_keypair_take(keypair, 10, T0, &first), ==, -EKEYEXPIRED);
    g_assert_cmpint(wire_keypair_take(keypair, 9, T0, &first), ==, 0);
    for (int i = 0; i < 100000; i++) /* pushing never gets it round to zero */
        g_assert_cmpint(wire_keypair_take(keypair, 1, T0, &first), ==, -EKEYEXPIRED);
    g_assert_cmpuint(atomic_load(&keypair->send_counter), ==, WIRE_REJECT_AFTER_MESSAGES - 1);
    wire_keypair_retire(keypair);
    wire_rcu_barrier();
    wire_index_free(table);
}

typedef struct {
    const char *name;
    bool        initiator;
    int64_t     age_ms;
    uint64_t    counter;
    bool        want_sending, want_receiving, want_accepted;
} RekeyCase;

static const RekeyCase rekey_cases[] = {
    { "young", true, 119999, 0, false, false, true },
    { "initiator-after-120-s", true, 120000, 0, true, false, true },
    { "responder-after-120-s", false, 120000, 0, false, false, true },
    { "initiator-before-165-s", true, 164999, 0, true, false, true },
    { "initiator-after-165-s", true, 165000, 0, true, true, true },
    { "responder-after-165-s", false, 165000, 0, false, false, true },
    { "before-the-end", true, 179999, 0, true, true, true },
    { "the-end", true, 180000, 0, true, true, false },
    { "one-message-before-the-limit", false, 0, (UINT64_C(1) << 60) - 1, false, false, true },
    { "messages-used-up", false, 0, UINT64_C(1) << 60, true, false, true },
};

static void test_rekey(gconstpointer data)
{
    const RekeyCase *c = data;
    WireIndexTable  *table = make_table();
    WireKeypair     *keypair = make_keypair(table, c->initiator);

    atomic_store(&keypair->send_counter, c->counter);
    g_assert_true(wire_keypair_wants_rekey_sending(keypair, T0 + c->age_ms) == c->want_sending);
    g_assert_true(wire_keypair_wants_rekey_receiving(keypair, T0 + c->age_ms) == c->want_receiving);
    g_assert_true(wire_keypair_may_receive(keypair, T0 + c->age_ms) == c->want_accepted);
    wire_keypair_retire(keypair);
    wire_rcu_barrier();
    wire_index_free(table);
}

static void test_both_ends(void)
{
    WireIndexTable *table = make_table();
    WireKeypair    *here = make_keypair(table, true), *there = make_keypair(table, false);
    uint8_t         packet[64 + 16];
    WireSeg         seg = { .in = packet, .out = packet, .len = 64 };

    for (unsigned lane = 0; lane < 2; lane++) {
        memset(packet, 0x33, 64);
        wire_keypair_seal(here, lane, 3 + lane, &seg, 1);
        g_assert_cmpuint(wire_keypair_open(there, 1 - lane, &seg, 1), ==, 1);
        g_assert_cmpuint(packet[63], ==, 0x33);
        wire_keypair_seal(here, lane, 3 + lane, &seg, 1);
        g_assert_cmpuint(wire_keypair_open(here, lane, &seg, 1), ==, 0); /* not its own */
    }
    wire_keypair_retire(here);
    wire_keypair_retire(there);
    wire_rcu_barrier();
    wire_index_free(table);
}

/* ---- rotation ---- */

typedef struct {
    WireIndexTable *table;
    WireSlots       slots;
} Rig;

static void set_up(Rig *rig)
{
    rig->table = make_table();
    wire_slots_init(&rig->slots, rig->table);
}

static void tear_down(Rig *rig)
{
    wire_slots_done(&rig->slots);
    wire_rcu_barrier();
    wire_index_free(rig->table);
}

static WireKeypair *add(Rig *rig, bool initiator)
{
    WireKeypair *keypair = make_keypair(rig->table, initiator);

    wire_slots_add(&rig->slots, keypair);
    return keypair;
}

static void assert_slots(Rig *rig, const WireKeypair *current, const WireKeypair *previous,
                         const WireKeypair *next)
{
    g_assert_true(wire_slots_current(&rig->slots) == current);
    g_assert_true(atomic_load(&rig->slots.previous) == previous);
    g_assert_true(atomic_load(&rig->slots.next) == next);
}

static void test_initiator(void)
{
    WireKeypair *a, *b, *c;
    uint32_t     index_a;
    Rig          rig;

    set_up(&rig);
    a = add(&rig, true);
    index_a = a->local_index;
    assert_slots(&rig, a, NULL, NULL);
    b = add(&rig, true);
    assert_slots(&rig, b, a, NULL);
    g_assert_true(wire_index_get(rig.table, index_a) == a); /* late packets are still welcome */
    c = add(&rig, true);
    assert_slots(&rig, c, b, NULL);
    g_assert_null(wire_index_get(rig.table, index_a));
    g_assert_false(wire_slots_received(&rig.slots, c));
    tear_down(&rig);
}

/* A responder sends under new keys only after the initiator used them. */
static void test_responder(void)
{
    WireKeypair *a, *b, *c;
    Rig          rig;

    set_up(&rig);
    a = add(&rig, false);
    assert_slots(&rig, NULL, NULL, a);
    g_assert_true(wire_index_get(rig.table, a->local_index) == a);
    g_assert_true(wire_slots_received(&rig.slots, a));
    assert_slots(&rig, a, NULL, NULL);
    g_assert_false(wire_slots_received(&rig.slots, a));
    b = add(&rig, false);
    assert_slots(&rig, a, NULL, b);
    c = add(&rig, false); /* the first answer got lost */
    assert_slots(&rig, a, NULL, c);
    (void)b;
    g_assert_true(wire_slots_received(&rig.slots, c));
    assert_slots(&rig, c, a, NULL);
    tear_down(&rig);
}

/* Both sides initiated at once: packets under the old key, theirs and ours are all on the way. */
static void test_crossing(void)
{
    WireKeypair *old, *answered, *won;
    uint32_t     index_old;
    Rig          rig;

    set_up(&rig);
    old = add(&rig, true);
    index_old = old->local_index;
    answered = add(&rig, false);
    won = add(&rig, true);
    assert_slots(&rig, won, old, answered);
    g_assert_true(wire_index_get(rig.table, index_old) == old);
    g_assert_true(wire_index_get(rig.table, answered->local_index) == answered);
    g_assert_true(wire_slots_received(&rig.slots, answered));
    assert_slots(&rig, answered, won, NULL);
    g_assert_null(wire_index_get(rig.table, index_old));
    tear_down(&rig);
}

static void test_clear(void)
{
    WireKeypair *a, *b, *c;
    Rig          rig;

    set_up(&rig);
    a = add(&rig, true);
    b = add(&rig, true);
    c = add(&rig, false);
    assert_slots(&rig, b, a, c);
    wire_slots_clear(&rig.slots);
    assert_slots(&rig, NULL, NULL, NULL);
    g_assert_null(wire_slots_current(&rig.slots));
    tear_down(&rig);
}

/* ---- index table ---- */

static void test_index(void)
{
    WireIndexTable *table = make_table();
    uint32_t        first, again;

    g_assert_cmpint(wire_index_reserve(table, some_peer(), 0, &first), ==, 0);
    g_assert_true(wire_index_get_peer(table, first) == some_peer());
    g_assert_null(wire_index_get(table, first)); /* a handshake is no session */
    g_assert_null(wire_index_get_peer(table, first ^ 1u << 31));
    g_assert_null(wire_index_get_peer(table, first ^ 1u << 17)); /* a chunk that does not exist */
    wire_index_release(table, first ^ 1u << 31);
    g_assert_nonnull(wire_index_get_peer(table, first));
    wire_index_release(table, first);
    wire_index_release(table, first);
    g_assert_null(wire_index_get_peer(table, first));
    for (int i = 0; i < 5000; i++) { /* the slot comes round again, with other salt */
        g_assert_cmpint(wire_index_reserve(table, some_peer(), 0, &again), ==, 0);
        wire_index_release(table, again);
    }
    wire_index_free(table);
    wire_index_free(NULL);
}

static void test_index_full(void)
{
    WireIndexTable *table = make_table();
    uint32_t       *indices = g_new(uint32_t, WIRE_INDEX_MAX), other;
    GHashTable     *seen = g_hash_table_new(g_direct_hash, g_direct_equal);

    for (size_t i = 0; i < WIRE_INDEX_MAX; i++) {
        g_assert_cmpint(wire_index_reserve(table, some_peer(), 0, &indices[i]), ==, 0);
        g_hash_table_add(seen, GUINT_TO_POINTER(indices[i]));
    }
    g_assert_cmpuint(g_hash_table_size(seen), ==, WIRE_INDEX_MAX);
    g_assert_cmpint(wire_index_reserve(table, some_peer(), 0, &other), ==, -ENOSPC);
    wire_index_release(table, indices[12345]);
    g_assert_cmpint(wire_index_reserve(table, some_peer(), 0, &other), ==, 0);
    g_assert_cmpuint((other >> WIRE_INDEX_SHARD_BITS) % WIRE_INDEX_MAX, ==,
                     (indices[12345] >> WIRE_INDEX_SHARD_BITS) % WIRE_INDEX_MAX);
    g_hash_table_unref(seen);
    g_free(indices);
    wire_index_free(table);
}

/* Whatever the number of shards, the low bits of an index say whose its packets are. */
static void test_index_shards(void)
{
    for (unsigned n_shards = 1; n_shards <= WIRE_MAX_SHARDS; n_shards++) {
        WireIndexTable *table = make_table();
        unsigned        numbers = 0;

        wire_index_set_shards(table, n_shards);
        for (unsigned i = 0; i < 2000; i++) {
            unsigned shard = i % n_shards;
            uint32_t index;

            g_assert_cmpint(wire_index_reserve(table, some_peer(), shard, &index), ==, 0);
            g_assert_cmpuint(index % WIRE_MAX_SHARDS % n_shards, ==, shard);
            g_assert_true(wire_index_get_peer(table, index) == some_peer());
            numbers |= 1u << index % WIRE_MAX_SHARDS;
        }
        g_assert_cmphex(numbers, ==, 0xff); /* and all of them are used */
        wire_index_free(table);
    }
}

/* ---- threads ---- */

typedef struct {
    Rig              rig;
    _Atomic uint32_t index; /* the newest session's */
    _Atomic bool     end;
    _Atomic unsigned n_sent, n_opened; /* by the two readers */
} Traffic;

/* A shard's out-thread: seals under whatever is current. */
static void send_packets(void *data)
{
    Traffic *traffic = data;
    uint8_t  packet[32 + 16] = { 0 };
    WireSeg  seg = { .in = packet, .out = packet, .len = 32 };

    wire_rcu_register();
    while (!atomic_load(&traffic->end)) {
        WireKeypair *keypair = wire_slots_current(&traffic->rig.slots);
        uint64_t     first;

        if (keypair != NULL && wire_keypair_take(keypair, 1, T0, &first) == 0) {
            wire_keypair_seal(keypair, 0, first, &seg, 1);
            atomic_fetch_add(&traffic->n_sent, 1);
        }
        wire_rcu_quiescent();
    }
    wire_rcu_unregister();
}

/* A shard's in-thread: finds the session by index, opens (garbage), confirms it, notes a counter.
 */
static void receive_packets(void *data)
{
    Traffic *traffic = data;
    uint8_t  packet[32 + 16] = { 0 };
    WireSeg  seg = { .in = packet, .out = packet, .len = 32 };
    uint64_t counter = 0;

    wire_rcu_register();
    while (!atomic_load(&traffic->end)) {
        WireKeypair *keypair = wire_index_get(traffic->rig.table, atomic_load(&traffic->index));

        if (keypair != NULL) {
            g_assert_cmpuint(wire_keypair_open(keypair, 0, &seg, 1), ==, 0);
            (void)!wire_replay_accept(&keypair->window, counter++);
            (void)wire_slots_received(&traffic->rig.slots, keypair);
            atomic_fetch_add(&traffic->n_opened, 1);
        }
        wire_rcu_quiescent();
        wire_rcu_offline();
        wire_rcu_online();
    }
    wire_rcu_unregister();
}

static void test_threads(void)
{
    Traffic     traffic = { .index = 0 };
    MeshThread *sender, *receiver;

    set_up(&traffic.rig);
    g_assert_cmpint(mesh_thread_start("sender", send_packets, &traffic, &sender), ==, 0);
    g_assert_cmpint(mesh_thread_start("receiver", receive_packets, &traffic, &receiver), ==, 0);
    for (int i = 0;
         i < 2000 || atomic_load(&traffic.n_sent) < 1000 || atomic_load(&traffic.n_opened) < 1000;
         i++) {
        WireKeypair *keypair = make_keypair(traffic.rig.table, i % 3 == 0);
        uint32_t     index = keypair->local_index; /* once added, it may be gone at any time */

        wire_slots_add(&traffic.rig.slots, keypair);
        atomic_store(&traffic.index, index);
        if (i % 100 == 99)
            wire_slots_clear(&traffic.rig.slots);
    }
    atomic_store(&traffic.end, true);
    mesh_thread_join(sender);
    mesh_thread_join(receiver);
    tear_down(&traffic.rig);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(mesh_key_init(), ==, 0);
    g_assert_cmpint(wire_aead_init(), ==, 0);
    g_test_add_func("/keypair/counters", test_counters);
    for (size_t i = 0; i < G_N_ELEMENTS(rekey_cases); i++) {
        g_autofree char *path = g_strdup_printf("/keypair/rekey/%s", rekey_cases[i].name);

        g_test_add_data_func(path, &rekey_cases[i], test_rekey);
    }
    g_test_add_func("/keypair/both-ends", test_both_ends);
    g_test_add_func("/slots/initiator", test_initiator);
    g_test_add_func("/slots/responder", test_responder);
    g_test_add_func("/slots/crossing", test_crossing);
    g_test_add_func("/slots/clear", test_clear);
    g_test_add_func("/index/one", test_index);
    g_test_add_func("/index/shards", test_index_shards);
    g_test_add_func("/index/full", test_index_full);
    g_test_add_func("/slots/threads", test_threads);
    return g_test_run();
}
