/* The statement over all memberships of a snapshot: it is there where it spares a node something,
 * is of the very bodies that the snapshot has, and never of what the server's key did not sign. */
#include "common/proto/memberset.h"
#include "common/proto/netmap.h"
#include "tests/server/core/rig.h"

#include <sqlite3.h>
#include <string.h>

enum { MANY = 70, FEW = 20 };

/* What @node's first map is. Owned. */
static MeshNetmap *take_map(Rig *rig, RigNode *node)
{
    MeshNetmap *map = mesh_netmap_new();
    uint64_t    ticket = rig_open(rig, node, 0, 0);
    CoreAnswer *answer;

    mesh_netmap_begin(map, &node->nonce);
    answer = rig_wait(rig, ticket);
    g_assert_cmpuint(answer->status, ==, 200);
    for (guint i = 0; i < answer->lines->len; i++) {
        g_autoptr(MeshMapline) line = rig_line(answer, i);
        g_autoptr(GError) error = NULL;
        MeshNetmapChange change;

        mesh_netmap_apply(map, line, &change, &error);
        g_assert_no_error(error);
    }
    core_close_map(rig->core, answer->stream);
    core_answer_free(answer);
    return map;
}

/* Fails unless the map comes with a statement over its own memberships. */
static void assert_vouched(Rig *rig, const MeshNetmap *map, const MeshNetworkId *net)
{
    const MeshNetmapHead *head = mesh_netmap_get_head(map);
    MeshMemberLeaf        leaves[MANY], root;
    MeshMemberSet         set;
    g_autoptr(GError) error = NULL;

    g_assert_nonnull(head->set);
    mesh_memberset_open(head->set, net, &core_get_identity(rig->core)->key, &set, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(set.epoch, ==, head->epoch);
    g_assert_cmpuint(set.ver, ==, head->ver);
    g_assert_cmpuint(set.count, ==, mesh_netmap_count(map));
    g_assert_cmpuint(set.count, <=, MANY);
    for (size_t i = 0; i < set.count; i++)
        mesh_memberset_hash(mesh_netmap_get_peer(map, i)->m, &leaves[i]);
    mesh_memberset_join(leaves, set.count, &root);
    g_assert_cmpmem(&root, sizeof root, &set.root, sizeof set.root);
}

static void fill(Rig *rig, const MeshNetworkId *net, const MeshJoinlink *link, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        RigNode node = rig_node(net, "n");

        rig_assert(rig_register(rig, &node, link), 200, NULL);
    }
}

static void test_vouched(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    MeshJoinlink     link = rig_key(rig, "home", true);
    RigNode          a = rig_node(&net, "a");
    CoreManage       rename = { .verb = CORE_NODE_SET, .network = "home", .node = "n-3" };

    (void)unused;
    rig_assert(rig_register(rig, &a, &link), 200, NULL);
    fill(rig, &net, &link, FEW);
    {
        g_autoptr(MeshNetmap) map = take_map(rig, &a);

        g_assert_null(mesh_netmap_get_head(map)->set);
    }
    fill(rig, &net, &link, MANY - FEW);
    {
        g_autoptr(MeshNetmap) map = take_map(rig, &a);

        assert_vouched(rig, map, &net);
    }
    rename.name = "other";
    rename.expires = -1;
    rig_assert(rig_manage(rig, &rename), 200, NULL);
    {
        g_autoptr(MeshNetmap) map = take_map(rig, &a);

        assert_vouched(rig, map, &net);
    }
    rig_restart(rig);
    {
        g_autoptr(MeshNetmap) map = take_map(rig, &a);

        assert_vouched(rig, map, &net);
    }
}

/* Gives one node another membership under the signature that it had. */
static void forge(Rig *rig)
{
    static const char sql[] =
        "UPDATE node SET m_body=replace(m_body,'\"tags\":[]','\"tags\":[\"x\"]') WHERE name='n-5'";
    g_autofree char *path = g_build_filename(rig->dir, "mesh.db", NULL);
    sqlite3         *db = NULL;

    g_assert_cmpint(sqlite3_open(path, &db), ==, SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    g_assert_cmpint(sqlite3_exec(db, sql, NULL, NULL, NULL), ==, SQLITE_OK);
    g_assert_cmpint(sqlite3_changes(db), ==, 1);
    sqlite3_close(db);
}

static void test_forged(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    MeshJoinlink     link = rig_key(rig, "home", true);
    RigNode          a = rig_node(&net, "a");

    (void)unused;
    rig_assert(rig_register(rig, &a, &link), 200, NULL);
    fill(rig, &net, &link, MANY);
    forge(rig);
    rig_restart(rig);
    for (int i = 0; i < 3; i++) { /* however often it is asked */
        g_autoptr(MeshNetmap) map = take_map(rig, &a);

        g_assert_cmpuint(mesh_netmap_count(map), ==, MANY);
        g_assert_null(mesh_netmap_get_head(map)->set);
    }
}

#define ADD(name, func) g_test_add("/vouch/" name, Rig, NULL, rig_start, func, rig_stop)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("many-few-changed-restarted", test_vouched);
    ADD("never-of-what-was-forged", test_forged);
    return g_test_run();
}
