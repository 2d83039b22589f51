/* Tests of daemon/bus/peers.h: what listeners are told of peers that changed: each, at most 256 a
 * signal; of too many at once nothing but that. */
#include "daemon/bus/peers.h"

#include <string.h>

/* What was emitted. */
typedef struct {
    unsigned signals;
    size_t   changed, removed;
} Heard;

static void on_emit(GVariant *changed, const char *const *removed, void *user_data)
{
    Heard *heard = user_data;
    g_autoptr(GVariant) list = g_variant_ref_sink(changed);
    size_t n_removed = g_strv_length((char **)removed);

    g_assert_cmpuint(g_variant_n_children(list), <=, 256);
    g_assert_cmpuint(n_removed, <=, 256);
    heard->signals++;
    heard->changed += g_variant_n_children(list);
    heard->removed += n_removed;
}

static void free_peer(gpointer data)
{
    MeshdPeerView *peer = data;

    mesh_member_unref(peer->member);
    g_free(peer->path.reason);
    g_clear_pointer(&peer->owner, g_ref_string_release);
    g_free(peer);
}

/* @n peers, the first of them number @first. */
static GPtrArray *make_peers(unsigned first, unsigned n, uint64_t serial)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(free_peer);

    for (unsigned i = first; i < first + n; i++) {
        MeshdPeerView *peer = g_new0(MeshdPeerView, 1);

        peer->member = mesh_member_new();
        g_snprintf(peer->member->name, sizeof peer->member->name, "node-%u", i);
        memcpy(peer->member->node.bytes, &i, sizeof i);
        peer->member->serial = serial;
        peer->path.reason = g_strdup("");
        peer->path.code = "";
        g_ptr_array_add(list, peer);
    }
    return list;
}

typedef struct {
    const char *name;
    unsigned    first, n; /* of the second list; the first one is 0 … 1999 */
    uint64_t    serial;   /* of all in it; in the first one it was 1 */
    bool        told;
    Heard       heard;
} Row;

static const Row rows[] = {
    { "nothing", 0, 2000, 1, true, { 0, 0, 0 } },
    { "one-new", 0, 2001, 1, true, { 1, 1, 0 } },
    { "one-gone", 1, 1999, 1, true, { 1, 0, 1 } },
    { "as-many-as-are-told", 500, 2012, 1, true, { 2, 512, 500 } },
    { "one-more", 500, 2025, 1, false, { 0, 0, 0 } },
    { "all-changed", 0, 2000, 2, false, { 0, 0, 0 } },
    { "all-gone", 0, 0, 1, false, { 0, 0, 0 } },
};

static void test_row(gconstpointer data)
{
    const Row *row = data;
    BusPeers  *told = bus_peers_new();
    Heard      heard = { 0 };
    g_autoptr(GPtrArray) before = make_peers(0, 2000, 1);
    g_autoptr(GPtrArray) after = make_peers(row->first, row->n, row->serial);

    g_assert_false(bus_peers_compare(told, before, on_emit, &heard)); /* too many at once */
    g_assert_cmpuint(heard.signals, ==, 0);
    g_assert_true(bus_peers_compare(told, after, on_emit, &heard) == row->told);
    g_assert_cmpuint(heard.signals, ==, row->heard.signals);
    g_assert_cmpuint(heard.changed, ==, row->heard.changed);
    g_assert_cmpuint(heard.removed, ==, row->heard.removed);
    memset(&heard, 0, sizeof heard);
    g_assert_true(bus_peers_compare(told, after, on_emit, &heard)); /* it was taken note of */
    g_assert_cmpuint(heard.signals, ==, 0);
    bus_peers_free(told);
}

/* Some that may have changed and some that are gone are told as if all had been compared. */
static void test_some(void)
{
    BusPeers *told = bus_peers_new();
    Heard     heard = { 0 };
    g_autoptr(GPtrArray) all = make_peers(0, 50, 1);
    g_autoptr(GPtrArray) some = make_peers(10, 3, 1);
    g_autoptr(GPtrArray) left = make_peers(0, 49, 1);
    g_autoptr(GPtrArray) gone = g_ptr_array_new();
    MeshKey last = { { 0 } }, never = { { 200 } };

    g_assert_true(bus_peers_compare(told, all, on_emit, &heard));
    memset(&heard, 0, sizeof heard);
    ((MeshdPeerView *)some->pdata[1])->online = true;
    g_ptr_array_add(some, some->pdata[1]); /* twice */
    last.bytes[0] = 49;
    g_ptr_array_add(gone, &last);
    g_ptr_array_add(gone, &never);
    g_assert_true(bus_peers_compare_some(told, some, gone, on_emit, &heard));
    g_ptr_array_steal_index(some, 3);
    g_assert_cmpuint(heard.signals, ==, 1);
    g_assert_cmpuint(heard.changed, ==, 1);
    g_assert_cmpuint(heard.removed, ==, 1);
    memset(&heard, 0, sizeof heard);
    ((MeshdPeerView *)left->pdata[11])->online = true;
    g_assert_true(bus_peers_compare(told, left, on_emit, &heard)); /* that is what was told */
    g_assert_cmpuint(heard.signals, ==, 0);
    bus_peers_free(told);
}

/* What the server says beside what it signs is news of its own. */
static void test_about(void)
{
    BusPeers *told = bus_peers_new();
    Heard     heard = { 0 };
    g_autoptr(GPtrArray) peers = make_peers(0, 3, 1);
    MeshdPeerView *one = peers->pdata[1];
    g_autoptr(GVariant) page = NULL;
    g_autoptr(GVariant) row = NULL;
    const char *owner = NULL;
    gint64      last_seen = 0;

    g_assert_true(bus_peers_compare(told, peers, on_emit, &heard));
    g_assert_cmpuint(heard.changed, ==, 3);
    one->owner = g_ref_string_new_intern("ann");
    g_assert_true(bus_peers_compare(told, peers, on_emit, &heard));
    g_assert_cmpuint(heard.changed, ==, 4);
    one->last_seen = UINT32_MAX;
    g_assert_true(bus_peers_compare(told, peers, on_emit, &heard));
    g_assert_cmpuint(heard.changed, ==, 5);
    g_assert_true(bus_peers_compare(told, peers, on_emit, &heard));
    g_assert_cmpuint(heard.changed, ==, 5);
    page = g_variant_ref_sink(bus_peers_make_page(peers, "", 0, BUS_PEERS_LIST));
    row = g_variant_get_child_value(page, 1);
    g_assert_true(g_variant_lookup(row, "owner", "&s", &owner));
    g_assert_true(g_variant_lookup(row, "last-seen", "x", &last_seen));
    g_assert_cmpstr(owner, ==, "ann");
    g_assert_cmpint(last_seen, ==, UINT32_MAX);
    bus_peers_free(told);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strdup_printf("/bus/peers/%s", rows[i].name);

        g_test_add_data_func(path, &rows[i], test_row);
    }
    g_test_add_func("/bus/peers/owner-and-last-seen", test_about);
    g_test_add_func("/bus/peers/some", test_some);
    return g_test_run();
}
