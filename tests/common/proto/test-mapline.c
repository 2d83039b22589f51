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

/* The JSON of a peer with @more behind its "on", read by itself and within a line; where both are
 * refused, @want is said. Returns the peer, or one without objects. */
static MeshPeer read_about(bool online, const char *more, const char *want)
{
    MeshPeer         peer = fixture_peer(1), out = { 0 };
    g_autofree char *whole = NULL, *text = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(MeshMapline) line = NULL;

    peer.online = online;
    whole = mesh_mapline_encode_peer(&peer);
    whole[strlen(whole) - 1] = '\0';
    text = g_strconcat("{\"t\":\"peers\",\"peers\":[", whole, more, "}]}", NULL);
    line = mesh_mapline_decode(text, strlen(text), &error);
    mesh_mapline_clear_peer(&peer);
    if (want != NULL) {
        g_assert_null(line);
        g_assert_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON);
        g_assert_cmpstr(error->message, ==, want);
        return out;
    }
    g_assert_no_error(error);
    out = line->peers[0];
    line->n_peers = 0;
    return out;
}

static void assert_about(bool online, const char *more, const char *owner, uint32_t last_seen)
{
    MeshPeer peer = read_about(online, more, NULL);

    g_assert_cmpstr(peer.owner, ==, owner);
    g_assert_cmpuint(peer.last_seen, ==, last_seen);
    mesh_mapline_clear_peer(&peer);
}

/* Who a peer belongs to and when it was seen, in the encoder's form and in others. */
static void test_about(void)
{
    static const char bad_name[] =
        "peers[0].owner: not a name of at most 128 bytes without control characters";
    g_autofree char *full = g_strnfill(MESH_MAPLINE_OWNER_MAX, 'x');
    g_autofree char *longest = g_strdup_printf(",\"owner\":\"%s\"", full);
    g_autofree char *longer = g_strdup_printf(",\"owner\":\"%sx\"", full);
    MeshPeer         ann = read_about(false, ",\"owner\":\"ann\",\"seen\":1790000000", NULL);
    MeshPeer         other = read_about(true, ", \"owner\": \"ann\"", NULL);
    g_autofree char *again = mesh_mapline_encode_peer(&ann);

    g_assert_cmpstr(ann.owner, ==, "ann");
    g_assert_true(ann.owner == other.owner); /* one text for all peers of a user */
    g_assert_true(g_str_has_suffix(again, ",\"on\":false,\"owner\":\"ann\",\"seen\":1790000000}"));
    mesh_mapline_clear_peer(&ann);
    mesh_mapline_clear_peer(&other);
    assert_about(false, "", NULL, 0);
    assert_about(false, ",\"seen\":4294967295", NULL, UINT32_MAX);
    assert_about(true, ",\"seen\":5", NULL, 0); /* it is here: whatever is said */
    assert_about(false, ",\"owner\":\"\",\"seen\":0", NULL, 0);
    assert_about(false, ",\"seen\":7,\"owner\":\"J\\u00fcrg\"", "J\303\274rg", 7);
    assert_about(true, longest, full, 0);
    read_about(true, longer, bad_name);
    read_about(true, ",\"owner\":\"a\\nb\"", bad_name);
    read_about(true, ",\"owner\":\"\\u001b[2J\"", bad_name);
    read_about(true, ",\"owner\":\"\\u0085\"", bad_name);
    read_about(true, ",\"owner\":\"\\u202egnp\"", bad_name); /* turns what follows */
    read_about(true, ",\"owner\":7", "peers[0].owner: a text was expected");
    read_about(false, ",\"seen\":4294967296",
               "peers[0].seen: 4294967296 is not within 0 … 4294967295");
    read_about(false, ",\"seen\":-1", "peers[0].seen: -1 is not within 0 … 4294967295");
    read_about(false, ",\"seen\":\"now\"", "peers[0].seen: a whole number was expected");
}

static void test_small_lines(void)
{
    uint32_t times[] = { 1790000000, 0 };
    uint32_t indexes[] = { 1, 4294967295u };
    g_autoptr(MeshSigned) e = fixture_e(2, 1, "192.0.2.1:5", MESH_RECORD_STATIC);
    MeshMapline ep = { .type = MESH_MAPLINE_EP, .index = 4, .e = e };
    MeshMapline on = {
        .type = MESH_MAPLINE_ON, .n_indexes = 2, .indexes = indexes, .all = true, .end = true
    };
    MeshMapline off = { .type = MESH_MAPLINE_OFF };
    MeshMapline gone = {
        .type = MESH_MAPLINE_OFF, .n_indexes = 2, .indexes = indexes, .seen = times
    };
    g_autoptr(MeshMapline) gone2 = round_trip(&gone);
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
    g_assert_null(off2->seen);
    g_assert_cmpmem(gone2->seen, sizeof times, times, sizeof times);
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
    { "on-texts", "{\"t\":\"on\",\"i\":[1,\"2\"]}", "on.i[1]: not a number of 32 bits" },
    { "off-negative", "{\"t\":\"off\",\"i\":[-1]}", "off.i[0]: not a number of 32 bits" },
    { "off-seen-fewer", "{\"t\":\"off\",\"i\":[1,2],\"seen\":[5]}",
      "off.seen: not as many as in i" },
    { "off-seen-large", "{\"t\":\"off\",\"i\":[1],\"seen\":[4294967296]}",
      "off.seen[0]: not a number of 32 bits" },
    { "off-seen-text", "{\"t\":\"off\",\"i\":[1],\"seen\":\"1\"}",
      "off.seen: an array was expected" },
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
    g_test_add_func("/mapline/owner-and-seen", test_about);
    g_test_add_func("/mapline/small-lines", test_small_lines);
    g_test_add_func("/mapline/unknown-and-long", test_unknown_and_long);
    g_test_add_func("/mapline/cut", test_cut);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *path = g_strdup_printf("/mapline/bad/%s", bad[i].name);
        g_test_add_data_func(path, &bad[i], test_bad);
    }
    return g_test_run();
}
