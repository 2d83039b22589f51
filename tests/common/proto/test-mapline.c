/* Tests of common/proto/mapline.c and maplineread.c: each line both ways, what is refused. */
#include "common/glib/error.h"
#include "common/std/base64.h"
#include "tests/common/proto/objects.h"

#include <string.h>

static MeshMapline *round_trip(const MeshMapline *line)
{
    size_t           len;
    g_autofree char *text = mesh_mapline_encode(line, &len);
    g_autoptr(GError) error = NULL;
    MeshMapline *again;

    g_assert_cmpuint(len, ==, strlen(text));
    g_assert_cmpint(text[len - 1], ==, '\n');
    g_assert_null(memchr(text, '\n', len - 1));
    again = mesh_mapline_decode(text, len - 1, &error);
    g_assert_no_error(error);
    g_assert_cmpint(again->type, ==, line->type);
    return again;
}

static void test_hello(void)
{
    MeshNonce nonce = { { 1 }, 2 };
    g_autoptr(MeshSigned) tip = fixture_tip(1, 2, 3, &nonce);
    MeshMapline line = { .type = MESH_MAPLINE_HELLO,
                         .time = FIXTURE_NOW,
                         .hb_s = 60,
                         .tip = tip,
                         .network = fixture_network(),
                         .observed = fixture_addr("203.0.113.7"),
                         .relays = 5 };
    g_autoptr(MeshMapline) again = round_trip(&line);

    g_assert_cmpint(again->time, ==, FIXTURE_NOW);
    g_assert_cmpuint(again->hb_s, ==, 60);
    g_assert_true(mesh_signed_equal(again->tip, tip));
    g_assert_true(again->has_network && mesh_network_equal(&again->network, &line.network));
    g_assert_true(mesh_ip_equal_addr(&again->observed, &line.observed));
    g_assert_cmpuint(again->relays, ==, 5);
}

static void test_relays(void)
{
    MeshMapline line = { .type = MESH_MAPLINE_RELAYS, .relays = 9 };
    g_autoptr(MeshMapline) again = round_trip(&line);

    g_assert_cmpuint(again->relays, ==, 9);
}

static void test_snapshot(void)
{
    g_autoptr(MeshMember) member = fixture_member(9);
    g_autoptr(MeshSigned) m = fixture_sign_member(member), p = fixture_policy(1);
    MeshPeer    peers[2] = { fixture_peer(1), fixture_peer(2) };
    MeshMapline snap = {
        .type = MESH_MAPLINE_SNAP, .epoch = 1, .ver = 8, .m = m, .p = p, .count = 2
    };
    MeshMapline list = { .type = MESH_MAPLINE_PEERS, .n_peers = 2, .peers = peers };
    MeshMapline end = { .type = MESH_MAPLINE_SNAP_END, .ver = 8 };
    g_autoptr(MeshMapline) snap2 = round_trip(&snap), end2 = round_trip(&end), list2 = NULL;

    peers[1].e = fixture_e(2, 1, "192.0.2.1:5", MESH_RECORD_LOCAL);
    peers[1].online = false;
    list2 = round_trip(&list);
    g_assert_cmpuint(snap2->epoch, ==, 1);
    g_assert_cmpuint(snap2->ver, ==, 8);
    g_assert_cmpuint(snap2->count, ==, 2);
    g_assert_true(mesh_signed_equal(snap2->m, m) && mesh_signed_equal(snap2->p, p));
    g_assert_cmpuint(end2->ver, ==, 8);
    g_assert_cmpuint(list2->n_peers, ==, 2);
    for (int i = 0; i < 2; i++) {
        g_assert_cmpuint(list2->peers[i].index, ==, peers[i].index);
        g_assert_cmpint(list2->peers[i].online, ==, peers[i].online);
        g_assert_true(mesh_signed_equal(list2->peers[i].m, peers[i].m));
        g_assert_true(mesh_signed_equal(list2->peers[i].k, peers[i].k));
        g_assert_true(mesh_signed_equal(list2->peers[i].e, peers[i].e));
        mesh_mapline_clear_peer(&peers[i]);
    }
}

static void test_delta(void)
{
    MeshPeer put = fixture_peer(1);
    MeshGone gone = { 5, fixture_node(5).key, 77 };
    g_autoptr(MeshSigned) p = fixture_policy(2), tip = fixture_tip(1, 9, 2, NULL);
    MeshMapline line = { .type = MESH_MAPLINE_DELTA,
                         .from = 7,
                         .to = 9,
                         .n_peers = 1,
                         .peers = &put,
                         .n_gone = 1,
                         .gone = &gone,
                         .p = p,
                         .tip = tip };
    g_autoptr(MeshMapline) again = round_trip(&line), with = NULL;

    g_assert_cmpuint(again->from, ==, 7);
    g_assert_cmpuint(again->to, ==, 9);
    g_assert_cmpuint(again->n_peers, ==, 1);
    g_assert_cmpuint(again->n_gone, ==, 1);
    g_assert_cmpuint(again->gone[0].index, ==, 5);
    g_assert_cmpuint(again->gone[0].serial, ==, 77);
    g_assert_true(mesh_key_equal(&again->gone[0].node, &gone.node));
    g_assert_true(mesh_signed_equal(again->p, p) && mesh_signed_equal(again->tip, tip));
    g_assert_null(again->m);
    g_assert_false(again->has_network);
    line.has_network = true;
    line.network = fixture_network();
    with = round_trip(&line);
    g_assert_true(with->has_network);
    mesh_mapline_clear_peer(&put);
}

static void test_small_lines(void)
{
    uint32_t indexes[] = { 1, 4294967295u };
    g_autoptr(MeshSigned) e = fixture_e(2, 1, "192.0.2.1:5", MESH_RECORD_STATIC);
    MeshMapline ep = { .type = MESH_MAPLINE_EP, .index = 4, .e = e };
    MeshMapline on = {
        .type = MESH_MAPLINE_ON, .n_indexes = 2, .indexes = indexes, .all = true, .end = true
    };
    MeshMapline off = { .type = MESH_MAPLINE_OFF };
    MeshMapline restart = { .type = MESH_MAPLINE_RESTART, .retry_in_s = 2, .spread_s = 9 };
    MeshMapline revoked = { .type = MESH_MAPLINE_REVOKED, .expired = true };
    MeshMapline replaced = { .type = MESH_MAPLINE_REPLACED };
    MeshMapline resync = { .type = MESH_MAPLINE_RESYNC };
    MeshMapline cloned = { .type = MESH_MAPLINE_CLONED };
    g_autoptr(MeshMapline) ep2 = round_trip(&ep), on2 = round_trip(&on), off2 = round_trip(&off);
    g_autoptr(MeshMapline) restart2 = round_trip(&restart), revoked2 = round_trip(&revoked);
    g_autoptr(MeshMapline) replaced2 = round_trip(&replaced), resync2 = round_trip(&resync);
    g_autoptr(MeshMapline) cloned2 = round_trip(&cloned);

    g_assert_cmpuint(ep2->index, ==, 4);
    g_assert_true(mesh_signed_equal(ep2->e, e));
    g_assert_cmpuint(on2->n_indexes, ==, 2);
    g_assert_cmpuint(on2->indexes[1], ==, 4294967295u);
    g_assert_true(on2->all && on2->end);
    g_assert_cmpuint(off2->n_indexes, ==, 0);
    g_assert_cmpuint(restart2->retry_in_s, ==, 2);
    g_assert_cmpuint(restart2->spread_s, ==, 9);
    g_assert_true(revoked2->expired);
    g_assert_cmpint(cloned2->type, ==, MESH_MAPLINE_CLONED);
}

typedef struct {
    const char *name, *text, *want;
} BadCase;

static const BadCase bad[] = {
    { "not-json", "hello", "JSON, line 1 column 1: a value was expected" },
    { "array", "[]", "JSON: an object was expected" },
    { "no-type", "{}", "t: missing" },
    { "type-number", "{\"t\":1}", "t: a text was expected" },
    { "hello-empty", "{\"t\":\"hello\"}", "hello.time: missing" },
    { "hello-hb", "{\"t\":\"hello\",\"time\":1,\"hb\":901}",
      "hello.hb: 901 is not within 0 … 900" },
    { "snap-epoch-0", "{\"t\":\"snap\",\"epoch\":0}",
      "snap.epoch: 0 is not within 1 … 9007199254740991" },
    { "peers-not-array", "{\"t\":\"peers\",\"peers\":{}}", "peers.peers: an array was expected" },
    { "peer-not-object", "{\"t\":\"peers\",\"peers\":[1]}", "peers[0]: an object was expected" },
    { "peer-no-index", "{\"t\":\"peers\",\"peers\":[{}]}", "peers[0].i: missing" },
    { "peer-index-large", "{\"t\":\"peers\",\"peers\":[{\"i\":4294967296}]}",
      "peers[0].i: 4294967296 is not within 0 … 4294967295" },
    { "peer-bad-m",
      "{\"t\":\"peers\",\"peers\":[{\"i\":1,\"m\":{\"b\":\"{}\",\"s\":\"x\"},\"k\":{},\"on\":true}]"
      "}",
      "peers[0].m.s: not base64url of 64 bytes" },
    { "delta-backwards", "{\"t\":\"delta\",\"from\":5,\"to\":5}", "delta.to: not above from" },
    { "delta-gone", "{\"t\":\"delta\",\"from\":5,\"to\":6,\"gone\":[{\"i\":1,\"node\":\"x\"}]}",
      "delta.gone[0].node: not a key (base64url, 43 characters)" },
    { "on-texts", "{\"t\":\"on\",\"i\":[1,\"2\"]}", "on.i[1]: not an index" },
    { "off-negative", "{\"t\":\"off\",\"i\":[-1]}", "off.i[0]: not an index" },
    { "restart", "{\"t\":\"restart\",\"retry_in_s\":5}", "restart.spread_s: missing" },
    { "revoked", "{\"t\":\"revoked\",\"why\":\"bored\"}",
      "revoked.why: neither removed nor expired" },
    { "twice", "{\"t\":\"on\",\"t\":\"off\",\"i\":[]}",
      "JSON, line 1 column 14: the same key twice in an object" },
};

static void test_bad(gconstpointer data)
{
    const BadCase *c = data;
    g_autoptr(GError) error = NULL;

    g_assert_null(mesh_mapline_decode(c->text, strlen(c->text), &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON);
    g_assert_cmpstr(error->message, ==, c->want);
}

static void test_unknown_and_long(void)
{
    static const char text[] = "{\"t\":\"weather\",\"x\":1}";
    g_autoptr(GError) error = NULL;
    g_autoptr(MeshMapline) line = mesh_mapline_decode(text, strlen(text), &error);
    g_autofree char *spaces = g_strnfill(MESH_MAPLINE_MAX_BYTES + 1, ' ');

    g_assert_no_error(error);
    g_assert_cmpint(line->type, ==, MESH_MAPLINE_UNKNOWN);
    g_assert_null(mesh_mapline_decode(spaces, MESH_MAPLINE_MAX_BYTES + 1, &error));
    g_assert_cmpstr(error->message, ==, "JSON: 65537 bytes, at most 65536 allowed");
}

/* Every cut of a line is refused, none crashes. */
static void test_cut(void)
{
    MeshPeer    put = fixture_peer(1);
    MeshMapline line = {
        .type = MESH_MAPLINE_DELTA, .from = 7, .to = 9, .n_peers = 1, .peers = &put
    };
    size_t           len;
    g_autofree char *text = mesh_mapline_encode(&line, &len);

    for (size_t i = 0; i < len - 1; i++)
        g_assert_null(mesh_mapline_decode(text, i, NULL));
    mesh_mapline_clear_peer(&put);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    fixture_start();
    g_test_add_func("/mapline/hello", test_hello);
    g_test_add_func("/mapline/relays", test_relays);
    g_test_add_func("/mapline/snapshot", test_snapshot);
    g_test_add_func("/mapline/delta", test_delta);
    g_test_add_func("/mapline/small-lines", test_small_lines);
    g_test_add_func("/mapline/unknown-and-long", test_unknown_and_long);
    g_test_add_func("/mapline/cut", test_cut);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *path = g_strdup_printf("/mapline/bad/%s", bad[i].name);
        g_test_add_data_func(path, &bad[i], test_bad);
    }
    return g_test_run();
}
