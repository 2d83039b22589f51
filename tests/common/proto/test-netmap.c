/* Tests of common/proto/netmap.c and netmapcache.c: snapshots, deltas, presence, the disk cache. */
#include "common/glib/error.h"
#include "common/proto/netmap.h"
#include "common/proto/netmaplearn.h"
#include "common/proto/netmapnews.h"
#include "tests/common/proto/objects.h"

#include <string.h>

static MeshNetmapChange apply(MeshNetmap *map, const MeshMapline *line)
{
    MeshNetmapChange change = MESH_NETMAP_GAP;
    g_autoptr(GError) error = NULL;

    mesh_netmap_apply(map, line, &change, &error);
    g_assert_no_error(error);
    return change;
}

static void refuse(MeshNetmap *map, const MeshMapline *line, const char *want)
{
    MeshNetmapChange change;
    g_autoptr(GError) error = NULL;

    g_assert_false(mesh_netmap_apply(map, line, &change, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_BAD_ANSWER);
    g_assert_cmpstr(error->message, ==, want);
}

/* A snapshot of nodes @from … @to at version @ver. */
static void apply_snapshot(MeshNetmap *map, uint64_t ver, unsigned from, unsigned to)
{
    g_autoptr(MeshMember) own = fixture_member(50);
    g_autoptr(MeshSigned) m = fixture_sign_member(own), p = fixture_policy(1);
    MeshMapline snap = {
        .type = MESH_MAPLINE_SNAP, .epoch = 1, .ver = ver, .m = m, .p = p, .count = to - from + 1
    };
    MeshMapline end = { .type = MESH_MAPLINE_SNAP_END, .ver = ver };

    g_assert_cmpint(apply(map, &snap), ==, MESH_NETMAP_NOTHING);
    for (unsigned i = to; i >= from; i--) { /* any order */
        MeshPeer    peer = fixture_peer(i);
        MeshMapline peers = { .type = MESH_MAPLINE_PEERS, .n_peers = 1, .peers = &peer };

        g_assert_cmpint(apply(map, &peers), ==, MESH_NETMAP_NOTHING);
        mesh_mapline_clear_peer(&peer);
    }
    g_assert_cmpint(apply(map, &end), ==, MESH_NETMAP_CHANGED);
}

static void test_snapshot(void)
{
    g_autoptr(MeshNetmap) map = mesh_netmap_new();

    g_assert_cmpuint(mesh_netmap_get_head(map)->epoch, ==, 0);
    apply_snapshot(map, 5, 1, 3);
    g_assert_cmpuint(mesh_netmap_count(map), ==, 3);
    g_assert_cmpuint(mesh_netmap_get_head(map)->epoch, ==, 1);
    g_assert_cmpuint(mesh_netmap_get_head(map)->ver, ==, 5);
    g_assert_nonnull(mesh_netmap_get_head(map)->m);
    for (unsigned i = 0; i < 3; i++)
        g_assert_cmpuint(mesh_netmap_get_peer(map, i)->index, ==, i + 1);
    g_assert_null(mesh_netmap_find_peer(map, 4));
    apply_snapshot(map, 6, 2, 2); /* replaces all */
    g_assert_cmpuint(mesh_netmap_count(map), ==, 1);
    g_assert_null(mesh_netmap_find_peer(map, 1));
    g_assert_nonnull(mesh_netmap_find_peer(map, 2));
}

static void test_snapshot_refused(void)
{
    g_autoptr(MeshNetmap) map = mesh_netmap_new();
    MeshPeer peers[2] = { fixture_peer(1), fixture_peer(1) };
    g_autoptr(MeshSigned) p = fixture_policy(1);
    MeshMapline snap = {
        .type = MESH_MAPLINE_SNAP, .epoch = 1, .ver = 5, .m = p, .p = p, .count = 2
    };
    MeshMapline list = { .type = MESH_MAPLINE_PEERS, .n_peers = 2, .peers = peers };
    MeshMapline end = { .type = MESH_MAPLINE_SNAP_END, .ver = 5 };
    MeshMapline delta = { .type = MESH_MAPLINE_DELTA, .from = 5, .to = 6 };
    MeshNonce   nonce = { { 0 }, 1 };

    refuse(map, &list, "map: peers outside a snapshot");
    refuse(map, &end, "map: the end of no snapshot");
    apply(map, &snap);
    refuse(map, &snap, "map: a snapshot within a snapshot");
    refuse(map, &delta, "map: a delta within a snapshot");
    refuse(map, &end, "map: a snapshot with another version or count at its end");
    apply(map, &list);
    refuse(map, &list, "map: more peers than the snapshot said");
    refuse(map, &end, "map: an index twice in a snapshot");
    g_assert_cmpuint(mesh_netmap_count(map), ==, 0);
    mesh_netmap_begin(map, &nonce); /* forgets what was staged */
    apply_snapshot(map, 7, 1, 2);
    g_assert_cmpuint(mesh_netmap_count(map), ==, 2);
    mesh_mapline_clear_peer(&peers[0]);
    mesh_mapline_clear_peer(&peers[1]);
}

typedef struct {
    const char      *name;
    uint64_t         from, to;
    MeshNetmapChange want;
    uint64_t         ver; /* after it; it was 5 */
} GapCase;

static const GapCase gaps[] = {
    { "next", 5, 6, MESH_NETMAP_CHANGED, 6 },     { "several", 5, 9, MESH_NETMAP_CHANGED, 9 },
    { "overlaps", 3, 7, MESH_NETMAP_CHANGED, 7 }, { "old", 3, 5, MESH_NETMAP_NOTHING, 5 },
    { "older", 1, 2, MESH_NETMAP_NOTHING, 5 },    { "gap", 6, 7, MESH_NETMAP_GAP, 5 },
};

static void test_gap(gconstpointer data)
{
    const GapCase *c = data;
    g_autoptr(MeshNetmap) map = mesh_netmap_new();
    MeshMapline delta = { .type = MESH_MAPLINE_DELTA, .from = c->from, .to = c->to };

    g_assert_cmpint(apply(map, &delta), ==, MESH_NETMAP_GAP); /* nothing to apply it to */
    apply_snapshot(map, 5, 1, 2);
    g_assert_cmpint(apply(map, &delta), ==, c->want);
    g_assert_cmpuint(mesh_netmap_get_head(map)->ver, ==, c->ver);
}

static void test_delta(void)
{
    g_autoptr(MeshNetmap) map = mesh_netmap_new();
    g_autoptr(MeshSigned) p = fixture_policy(2), tip = fixture_tip(1, 6, 2, NULL);
    MeshPeer    put[2] = { fixture_peer(2), fixture_peer(9) };
    MeshGone    gone = { 1, fixture_node(1).key, 30 };
    MeshMapline delta = { .type = MESH_MAPLINE_DELTA,
                          .from = 5,
                          .to = 6,
                          .n_peers = 2,
                          .peers = put,
                          .n_gone = 1,
                          .gone = &gone,
                          .p = p,
                          .tip = tip,
                          .has_network = true,
                          .network = fixture_network() };
    size_t      n_gone;

    put[0].online = false;
    apply_snapshot(map, 5, 1, 3);
    g_assert_cmpint(apply(map, &delta), ==, MESH_NETMAP_CHANGED);
    g_assert_cmpuint(mesh_netmap_count(map), ==, 3); /* 2, 3, 9 */
    g_assert_null(mesh_netmap_find_peer(map, 1));
    g_assert_false(mesh_netmap_find_peer(map, 2)->online);
    g_assert_cmpuint(mesh_netmap_get_peer(map, 2)->index, ==, 9);
    g_assert_true(mesh_signed_equal(mesh_netmap_get_head(map)->p, p));
    g_assert_true(mesh_signed_equal(mesh_netmap_get_head(map)->delta_tip, tip));
    g_assert_cmpstr(mesh_netmap_get_head(map)->network.name, ==, "home");
    g_assert_cmpuint(mesh_netmap_get_gone(map, &n_gone)[0].serial, ==, 30);
    g_assert_cmpuint(n_gone, ==, 1);
    mesh_mapline_clear_peer(&put[0]);
    mesh_mapline_clear_peer(&put[1]);
}

static void test_presence(void)
{
    g_autoptr(MeshNetmap) map = mesh_netmap_new();
    uint32_t one = 1, two = 2, unknown = 77;
    g_autoptr(MeshSigned) e = fixture_e(2, 1, "192.0.2.1:5", MESH_RECORD_STATIC);
    MeshMapline off = { .type = MESH_MAPLINE_OFF, .n_indexes = 1, .indexes = &one };
    MeshMapline on = { .type = MESH_MAPLINE_ON, .n_indexes = 1, .indexes = &one };
    MeshMapline odd = { .type = MESH_MAPLINE_ON, .n_indexes = 1, .indexes = &unknown };
    MeshMapline first = { .type = MESH_MAPLINE_ON, .n_indexes = 1, .indexes = &one, .all = true };
    MeshMapline last = {
        .type = MESH_MAPLINE_ON, .n_indexes = 1, .indexes = &two, .all = true, .end = true
    };
    MeshMapline ep = { .type = MESH_MAPLINE_EP, .index = 2, .e = e };

    apply_snapshot(map, 5, 1, 3);
    g_assert_cmpint(apply(map, &off), ==, MESH_NETMAP_PRESENCE);
    g_assert_false(mesh_netmap_find_peer(map, 1)->online);
    g_assert_cmpint(apply(map, &off), ==, MESH_NETMAP_NOTHING);
    g_assert_cmpint(apply(map, &on), ==, MESH_NETMAP_PRESENCE);
    g_assert_cmpint(apply(map, &odd), ==, MESH_NETMAP_NOTHING);
    /* the opening list: 1 and 2 are there, so 3 is not */
    g_assert_cmpint(apply(map, &first), ==, MESH_NETMAP_PRESENCE);
    g_assert_cmpint(apply(map, &last), ==, MESH_NETMAP_PRESENCE);
    g_assert_true(mesh_netmap_find_peer(map, 1)->online);
    g_assert_true(mesh_netmap_find_peer(map, 2)->online);
    g_assert_false(mesh_netmap_find_peer(map, 3)->online);
    g_assert_cmpint(apply(map, &ep), ==, MESH_NETMAP_PRESENCE);
    g_assert_true(mesh_signed_equal(mesh_netmap_find_peer(map, 2)->e, e));
    g_assert_cmpint(apply(map, &ep), ==, MESH_NETMAP_NOTHING);
}

static void test_last_seen(void)
{
    g_autoptr(MeshNetmap) map = mesh_netmap_new(), copy = NULL, again = NULL;
    uint32_t    both[] = { 1, 2 }, times[] = { 1790000000, 1790000005 }, one = 1, none = 0;
    MeshPeer    owned = fixture_peer(3);
    MeshMapline off = { .type = MESH_MAPLINE_OFF, .n_indexes = 2, .indexes = both };
    MeshMapline mute = { .type = MESH_MAPLINE_OFF, .n_indexes = 1, .indexes = &one };
    MeshMapline on = { .type = MESH_MAPLINE_ON, .n_indexes = 1, .indexes = &one };
    MeshMapline all = { .type = MESH_MAPLINE_ON, .all = true, .end = true };
    MeshMapline delta = {
        .type = MESH_MAPLINE_DELTA, .from = 5, .to = 6, .n_peers = 1, .peers = &owned
    };
    size_t           len;
    g_autofree char *text = NULL;

    off.seen = times;
    apply_snapshot(map, 5, 1, 3);
    g_assert_cmpint(apply(map, &off), ==, MESH_NETMAP_PRESENCE);
    g_assert_cmpuint(mesh_netmap_find_peer(map, 1)->last_seen, ==, 1790000000);
    g_assert_cmpuint(mesh_netmap_find_peer(map, 2)->last_seen, ==, 1790000005);
    g_assert_cmpint(apply(map, &off), ==, MESH_NETMAP_NOTHING);
    mute.seen = &none;
    g_assert_cmpint(apply(map, &mute), ==, MESH_NETMAP_NOTHING); /* nothing is better known */
    g_assert_cmpint(apply(map, &all), ==, MESH_NETMAP_PRESENCE); /* 3 is gone too, who knows when */
    g_assert_cmpuint(mesh_netmap_find_peer(map, 1)->last_seen, ==, 1790000000);
    g_assert_cmpuint(mesh_netmap_find_peer(map, 3)->last_seen, ==, 0);
    g_assert_cmpint(apply(map, &on), ==, MESH_NETMAP_PRESENCE);
    g_assert_cmpuint(mesh_netmap_find_peer(map, 1)->last_seen, ==, 0);
    mute.seen = NULL; /* by an older server */
    g_assert_cmpint(apply(map, &mute), ==, MESH_NETMAP_PRESENCE);
    g_assert_cmpuint(mesh_netmap_find_peer(map, 1)->last_seen, ==, 0);

    owned.owner = g_ref_string_new_intern("ann");
    g_assert_cmpint(apply(map, &delta), ==, MESH_NETMAP_CHANGED);
    mesh_mapline_clear_peer(&owned);
    copy = mesh_netmap_copy(map);
    g_assert_cmpstr(mesh_netmap_find_peer(copy, 3)->owner, ==, "ann");
    g_assert_null(mesh_netmap_find_peer(copy, 2)->owner);
    g_assert_cmpuint(mesh_netmap_find_peer(copy, 2)->last_seen, ==, 1790000005);
    text = mesh_netmap_encode(copy, &len); /* the owner is of the version, the rest is not */
    again = mesh_netmap_decode(text, len, NULL);
    g_assert_cmpstr(mesh_netmap_find_peer(again, 3)->owner, ==, "ann");
    g_assert_cmpuint(mesh_netmap_find_peer(again, 2)->last_seen, ==, 0);
}

static void test_hello(void)
{
    g_autoptr(MeshNetmap) map = mesh_netmap_new();
    MeshNonce nonce = { { 4 }, 9 };
    g_autoptr(MeshSigned) tip = fixture_tip(1, 5, 1, &nonce);
    MeshMapline hello = { .type = MESH_MAPLINE_HELLO, .tip = tip, .network = fixture_network() };

    mesh_netmap_begin(map, &nonce);
    g_assert_cmpint(apply(map, &hello), ==, MESH_NETMAP_NOTHING); /* no map yet to be judged anew */
    refuse(map, &hello, "map: a second hello");
    g_assert_cmpuint(mesh_netmap_get_head(map)->nonce.number, ==, 9);
    apply_snapshot(map, 5, 1, 1);
    nonce.number = 10;
    mesh_netmap_begin(map, &nonce);
    g_assert_null(mesh_netmap_get_head(map)->tip);
    g_assert_cmpint(apply(map, &hello), ==, MESH_NETMAP_CHANGED);
}

static void test_cache(void)
{
    g_autoptr(MeshNetmap) map = mesh_netmap_new(), again = NULL, copy = NULL;
    g_autofree char *text = NULL, *text2 = NULL;
    g_autoptr(GError) error = NULL;
    size_t len;

    apply_snapshot(map, 5, 1, 3);
    text = mesh_netmap_encode(map, &len);
    again = mesh_netmap_decode(text, len, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(mesh_netmap_count(again), ==, 3);
    g_assert_cmpuint(mesh_netmap_get_head(again)->ver, ==, 5);
    g_assert_false(mesh_netmap_find_peer(again, 1)->online); /* who knows */
    g_assert_true(
        mesh_signed_equal(mesh_netmap_find_peer(again, 3)->m, mesh_netmap_find_peer(map, 3)->m));
    copy = mesh_netmap_copy(again);
    text2 = mesh_netmap_encode(copy, NULL);
    g_assert_cmpstr(text, ==, text2);
    for (size_t i = 0; i < len; i += 7) /* cut anywhere: refused */
        g_assert_null(mesh_netmap_decode(text, i, NULL));
}

static char *encode(const MeshNetmap *map)
{
    size_t len;

    return mesh_netmap_encode(map, &len);
}

/* A random delta, endpoint, presence or record learned from a neighbour. */
static void change_somehow(MeshNetmap *map, uint64_t round)
{
    static const MeshRecordKind kind = MESH_RECORD_STATIC;
    unsigned                    n = 1 + (unsigned)g_test_rand_int_range(0, 40);
    uint64_t                    ver = mesh_netmap_get_head(map)->ver;
    MeshPeer                    peer = fixture_peer(n);
    MeshGone                    gone = { n, fixture_node(n).key, 9 };
    g_autoptr(MeshSigned) e = fixture_e(n, round, "192.0.2.1:5", kind);
    g_autoptr(MeshSigned) k = fixture_k(n, round);
    g_autoptr(MeshSigned) p = fixture_policy(round);
    MeshMapline put = { .type = MESH_MAPLINE_DELTA, .from = ver, .to = ver + 1 };

    switch (g_test_rand_int_range(0, 6)) {
    case 0:
        apply(map, &(MeshMapline){ .type = MESH_MAPLINE_EP, .index = n, .e = e });
        break;
    case 1:
        apply(map, &(MeshMapline){ .type = MESH_MAPLINE_ON, .n_indexes = 1, .indexes = &n });
        break;
    case 2:
        (void)mesh_netmap_learn(map, n, k, e);
        break;
    case 3:
        put.n_gone = 1;
        put.gone = &gone;
        apply(map, &put);
        break;
    default:
        mesh_signed_unref(peer.k);
        peer.k = mesh_signed_ref(k);
        put.n_peers = 1;
        put.peers = &peer;
        put.p = round % 7 == 0 ? p : NULL;
        apply(map, &put);
        break;
    }
    mesh_mapline_clear_peer(&peer);
}

/* What was saved, and the news behind it one after the other, is the map that there is now. */
static void test_news(void)
{
    g_autoptr(MeshNetmap) map = mesh_netmap_new();
    g_autoptr(MeshNetmap) saved = NULL;
    g_autofree char *whole = NULL;
    size_t           len;
    unsigned         n_news = 0;

    g_assert_null(mesh_netmap_encode_news(map, &len)); /* all of it is */
    apply_snapshot(map, 5, 1, 30);
    g_assert_null(mesh_netmap_encode_news(map, &len));
    whole = encode(map);
    saved = mesh_netmap_decode(whole, strlen(whole), NULL);
    mesh_netmap_forget_news(map);
    for (uint64_t round = 2; round < 300; round++) {
        g_autofree char *news = NULL, *ours = NULL, *theirs = NULL;
        g_autoptr(GError) error = NULL;

        for (int i = g_test_rand_int_range(1, 6); i > 0; i--)
            change_somehow(map, round);
        news = mesh_netmap_encode_news(map, &len);
        g_assert_nonnull(news);
        mesh_netmap_forget_news(map);
        mesh_netmap_take_news(saved, news, len, &error);
        g_assert_no_error(error);
        ours = encode(map);
        theirs = encode(saved);
        g_assert_cmpstr(ours, ==, theirs);
        n_news += strstr(news, "\n{") != NULL;
        for (size_t cut = 0; cut < len; cut += 97) { /* cut anywhere: refused */
            g_autoptr(MeshNetmap) copy = mesh_netmap_copy(saved);

            g_assert_false(mesh_netmap_take_news(copy, news, cut, NULL));
        }
    }
    g_assert_cmpuint(n_news, >, 100);
    apply_snapshot(map, 1000, 1, 3);
    g_assert_null(mesh_netmap_encode_news(map, &len));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    fixture_start();
    g_test_add_func("/netmap/snapshot", test_snapshot);
    g_test_add_func("/netmap/snapshot-refused", test_snapshot_refused);
    for (size_t i = 0; i < G_N_ELEMENTS(gaps); i++) {
        g_autofree char *path = g_strdup_printf("/netmap/delta/%s", gaps[i].name);
        g_test_add_data_func(path, &gaps[i], test_gap);
    }
    g_test_add_func("/netmap/delta/content", test_delta);
    g_test_add_func("/netmap/presence", test_presence);
    g_test_add_func("/netmap/last-seen", test_last_seen);
    g_test_add_func("/netmap/hello", test_hello);
    g_test_add_func("/netmap/cache", test_cache);
    g_test_add_func("/netmap/news", test_news);
    return g_test_run();
}
