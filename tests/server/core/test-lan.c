/* tests/server/core/test-lan.c: the secret of a network's members for announcements on their links:
 * who is told it, and that it stays. */
#include "common/proto/register.h"
#include "common/std/base64.h"
#include "tests/server/core/rig.h"

#include <sqlite3.h>
#include <string.h>

/* What a 200 to register says; frees @answer. */
static MeshKey read_answer(CoreAnswer *answer)
{
    MeshRegisterAnswer parsed = { 0 };
    g_autoptr(GError) error = NULL;
    gsize       len;
    const char *text = g_bytes_get_data(answer->body, &len);
    MeshKey     lan;

    g_assert_cmpuint(answer->status, ==, 200);
    g_assert_true(mesh_register_decode_answer(text, len, &parsed, &error));
    g_assert_no_error(error);
    lan = parsed.network.lan;
    mesh_register_clear_answer(&parsed);
    core_answer_free(answer);
    return lan;
}

static MeshKey read_hello(Rig *rig, RigNode *node)
{
    CoreAnswer *answer = rig_wait(rig, rig_open(rig, node, 0, 0));
    g_autoptr(MeshMapline) line = rig_line(answer, 0);

    g_assert_cmpint(line->type, ==, MESH_MAPLINE_HELLO);
    core_answer_free(answer);
    return line->network.lan;
}

static void assert_not_in(CoreAnswer *answer, const MeshKey *lan)
{
    char        text[MESH_BASE64URL_SIZE(MESH_KEY_BYTES)];
    gsize       len;
    const char *body = g_bytes_get_data(answer->body, &len);

    g_assert_cmpint(mesh_base64url_encode(MESH_SPAN(lan->bytes, sizeof lan->bytes), text,
                                          sizeof text),
                    ==, 0);
    g_assert_null(g_strstr_len(body, (gssize)len, text));
    g_assert_null(g_strstr_len(body, (gssize)len, "\"lan\""));
    core_answer_free(answer);
}

static void test_members(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net, other;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    g_autofree char *id2 = rig_network(rig, "work", NULL, &other);
    MeshJoinlink     link = rig_key(rig, "home", true), link2 = rig_key(rig, "work", true);
    CoreManage       set = { .verb = CORE_NETWORK_SET, .network = "home", .approve = 1 };
    RigNode          a = rig_node(&net, "a"), b = rig_node(&net, "b"), c = rig_node(&other, "c");
    MeshKey          lan, lan2;
    CoreAnswer      *answer;

    (void)unused;
    lan = read_answer(rig_register(rig, &a, &link));
    lan2 = read_answer(rig_register(rig, &c, &link2));
    g_assert_false(mesh_key_is_zero(&lan));
    g_assert_false(mesh_key_equal(&lan, &lan2));
    lan2 = read_hello(rig, &a);
    g_assert_true(mesh_key_equal(&lan, &lan2));
    rig_assert(rig_manage(rig, &set), 200, NULL);
    answer = rig_register(rig, &b, &link); /* waits for approval: no member yet */
    g_assert_cmpuint(answer->status, ==, 202);
    assert_not_in(answer, &lan);
    rig_assert(rig_wait(rig, rig_open(rig, &b, 0, 0)), 403, "not-member");
}

/* A database from before there was one. */
static void forget_lan(Rig *rig)
{
    g_autofree char *path = g_build_filename(rig->dir, "mesh.db", NULL);
    sqlite3         *db = NULL;

    g_assert_cmpint(sqlite3_open(path, &db), ==, SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    g_assert_cmpint(sqlite3_exec(db, "UPDATE network SET lan=''", NULL, NULL, NULL), ==, SQLITE_OK);
    sqlite3_close(db);
}

static void test_stays(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    MeshJoinlink     link = rig_key(rig, "home", true);
    RigNode          a = rig_node(&net, "a"), b = rig_node(&net, "b");
    CoreManage       drop = { .verb = CORE_NODE_REMOVE, .network = "home", .node = "b" };
    MeshKey          lan, again;

    (void)unused;
    lan = read_answer(rig_register(rig, &a, &link));
    rig_assert(rig_register(rig, &b, &link), 200, NULL);
    rig_assert(rig_manage(rig, &drop), 200, NULL); /* docs/PATHS.md §7 says why it stays */
    rig_restart(rig);
    again = read_hello(rig, &a);
    g_assert_true(mesh_key_equal(&lan, &again));
    forget_lan(rig);
    rig_restart(rig);
    again = read_hello(rig, &a);
    g_assert_false(mesh_key_is_zero(&again));
    g_assert_false(mesh_key_equal(&lan, &again));
    rig_restart(rig);
    lan = read_hello(rig, &a);
    g_assert_true(mesh_key_equal(&lan, &again));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/core/lan/members-alone", Rig, NULL, rig_start, test_members, rig_stop);
    g_test_add("/core/lan/stays", Rig, NULL, rig_start, test_stays, rig_stop);
    return g_test_run();
}
