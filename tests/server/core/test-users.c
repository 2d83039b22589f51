/* Users: what owns what, limits, suspension, across restarts. */
#include "tests/server/core/rig.h"

#include <string.h>

/* As an administrator's request begins: nothing named, nothing changed. */
static CoreManage request(CoreVerb verb)
{
    return (
        CoreManage){ .verb = verb, .approve = -1, .expires = -1, .max_nodes = -1, .disabled = -1 };
}

static void add_user(Rig *rig, const char *name, int64_t max_nodes)
{
    CoreManage add = request(CORE_USER_ADD);

    add.name = name;
    add.max_nodes = max_nodes;
    rig_assert(rig_manage(rig, &add), 200, NULL);
}

static MeshJoinlink user_key(Rig *rig, const char *network, const char *user)
{
    CoreManage   create = request(CORE_KEY_CREATE);
    MeshJoinlink link = { 0 };
    CoreAnswer  *answer;

    create.network = network;
    create.reusable = true;
    create.user = user;
    answer = rig_manage(rig, &create);
    g_assert_cmpuint(answer->status, ==, 200);
    g_assert_true(mesh_joinlink_parse(((CoreKeyInfo *)g_ptr_array_index(answer->result, 0))->link,
                                      &link, NULL));
    core_answer_free(answer);
    return link;
}

static CoreAnswer *set_disabled(Rig *rig, const char *user, int disabled)
{
    CoreManage set = request(CORE_USER_SET);

    set.user = user;
    set.disabled = disabled;
    return rig_manage(rig, &set);
}

/* Waits until the node is so: housekeeping does it. */
static void wait_state(Rig *rig, const char *network, const char *node, CoreNodeState state)
{
    CoreManage list = request(CORE_NODE_LIST);
    bool       is = false;

    list.network = network;
    while (!is) { /* the test's own time limit ends a hang */
        CoreAnswer *answer = rig_manage(rig, &list);

        for (guint i = 0; i < answer->result->len; i++) {
            const CoreNodeInfo *info = g_ptr_array_index(answer->result, i);

            is |= strcmp(info->name, node) == 0 && info->state == state &&
                  info->suspended == (state == CORE_NODE_EXPIRED);
        }
        core_answer_free(answer);
        g_thread_yield();
    }
}

/* The limit counts in all networks, and counts no node twice that registers again. */
static void test_limit(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    home, work;
    g_autofree char *home_id = rig_network(rig, "home", "10.9.0.0/16", &home);
    g_autofree char *work_id = rig_network(rig, "work", "10.8.0.0/16", &work);
    MeshJoinlink     at_home, at_work;
    RigNode          a = rig_node(&home, "a"), b = rig_node(&work, "b"), c = rig_node(&work, "c");
    CoreManage       expire = request(CORE_NODE_EXPIRE);

    (void)unused;
    add_user(rig, "ann", 2);
    at_home = user_key(rig, "home", "ann");
    at_work = user_key(rig, "work", "ann");
    rig_assert(rig_register(rig, &a, &at_home), 200, NULL);
    rig_assert(rig_register(rig, &b, &at_work), 200, NULL);
    rig_assert(rig_register(rig, &c, &at_work), 409, "full");
    rig_assert(rig_register(rig, &a, &at_home), 200, NULL);
    expire.network = "home";
    expire.node = "a";
    rig_assert(rig_manage(rig, &expire), 200, NULL);
    rig_assert(rig_register(rig, &c, &at_work), 200, NULL); /* the place is free */
    rig_assert(rig_register(rig, &a, &at_home), 409, "full");
}

/* Suspended in all networks, others untouched; the same after a restart; freed as before. */
static void test_suspend(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    home, work;
    g_autofree char *home_id = rig_network(rig, "home", "10.9.0.0/16", &home);
    g_autofree char *work_id = rig_network(rig, "work", "10.8.0.0/16", &work);
    RigNode          nodes[5];
    MeshJoinlink     his, free_key = rig_key(rig, "home", true);
    RigNode          other = rig_node(&home, "other");
    uint64_t         stream;

    (void)unused;
    add_user(rig, "ann", 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(nodes); i++) { /* more than one batch */
        static const char *const names[] = { "n0", "n1", "n2", "n3", "n4" };

        nodes[i] = rig_node(i == 0 ? &work : &home, names[i]);
        his = user_key(rig, i == 0 ? "work" : "home", "ann");
        rig_assert(rig_register(rig, &nodes[i], &his), 200, NULL);
    }
    rig_assert(rig_register(rig, &other, &free_key), 200, NULL);
    stream = rig_open(rig, &nodes[4], 0, 0);
    rig_assert(set_disabled(rig, "ann", 1), 200, NULL);
    mesh_mapline_free(rig_next_line(rig, stream, MESH_MAPLINE_REVOKED));
    wait_state(rig, "work", "n0", CORE_NODE_EXPIRED);
    for (unsigned i = 0; i < G_N_ELEMENTS(nodes); i++)
        wait_state(rig, i == 0 ? "work" : "home", nodes[i].name, CORE_NODE_EXPIRED);
    rig_assert(rig_register(rig, &nodes[1], NULL), 403, "expired");
    rig_assert(rig_register(rig, &nodes[1], &free_key), 403, "expired"); /* nobody's key */
    rig_assert(rig_register(rig, &nodes[1], &his), 403, "key-revoked");
    rig_assert(rig_register(rig, &other, NULL), 200, NULL);

    rig_restart(rig);
    wait_state(rig, "home", "n2", CORE_NODE_EXPIRED);
    rig_assert(set_disabled(rig, "ann", 0), 200, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(nodes); i++)
        wait_state(rig, i == 0 ? "work" : "home", nodes[i].name, CORE_NODE_ACTIVE);
    rig_assert(rig_register(rig, &nodes[1], NULL), 200, NULL);
}

/* What an administrator ended stays ended when its user is freed. */
static void test_expired_stays(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    home;
    g_autofree char *id = rig_network(rig, "home", "10.9.0.0/16", &home);
    RigNode          a = rig_node(&home, "a"), b = rig_node(&home, "b");
    CoreManage       expire = request(CORE_NODE_EXPIRE);
    MeshJoinlink     link;

    (void)unused;
    add_user(rig, "ann", 0);
    link = user_key(rig, "home", "ann");
    rig_assert(rig_register(rig, &a, &link), 200, NULL);
    rig_assert(rig_register(rig, &b, &link), 200, NULL);
    rig_assert(set_disabled(rig, "ann", 1), 200, NULL);
    wait_state(rig, "home", "a", CORE_NODE_EXPIRED);
    wait_state(rig, "home", "b", CORE_NODE_EXPIRED);
    expire.network = "home";
    expire.node = "a";
    rig_assert(rig_manage(rig, &expire), 200, NULL);
    rig_assert(set_disabled(rig, "ann", 0), 200, NULL);
    wait_state(rig, "home", "b", CORE_NODE_ACTIVE);
    rig_assert(rig_register(rig, &a, NULL), 403, "expired");
}

static void test_remove(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    home;
    g_autofree char *id = rig_network(rig, "home", "10.9.0.0/16", &home);
    RigNode          a = rig_node(&home, "a"), b = rig_node(&home, "b");
    CoreManage       remove = request(CORE_USER_REMOVE), give = request(CORE_NODE_SET);
    MeshJoinlink     link;

    (void)unused;
    add_user(rig, "ann", 0);
    add_user(rig, "bob", 0);
    link = user_key(rig, "home", "ann");
    rig_assert(rig_register(rig, &a, &link), 200, NULL);
    remove.user = "ann";
    rig_assert(rig_manage(rig, &remove), 409, "conflict");
    give.network = "home";
    give.node = "a";
    give.user = "bob";
    rig_assert(rig_manage(rig, &give), 200, NULL);
    rig_assert(rig_manage(rig, &remove), 200, NULL);
    rig_assert(rig_manage(rig, &remove), 404, "not-found");
    rig_assert(rig_register(rig, &b, &link), 403, "key-revoked");
    rig_assert(rig_register(rig, &a, NULL), 200, NULL);
}

static void rename_user(Rig *rig, const char *user, const char *name)
{
    CoreManage set = request(CORE_USER_SET);

    set.user = user;
    set.name = name;
    rig_assert(rig_manage(rig, &set), 200, NULL);
}

static void give(Rig *rig, const char *node, const char *user)
{
    CoreManage set = request(CORE_NODE_SET);

    set.network = "home";
    set.node = node;
    set.user = user;
    rig_assert(rig_manage(rig, &set), 200, NULL);
}

/* Reads deltas until @n nodes were told, all of them as @owner's. */
static void expect_owner(Rig *rig, uint64_t stream, unsigned n, const char *owner)
{
    for (unsigned told = 0; told < n;) {
        g_autoptr(MeshMapline) delta = rig_next_line(rig, stream, MESH_MAPLINE_DELTA);

        g_assert_cmpuint(delta->n_gone, ==, 0);
        for (size_t i = 0; i < delta->n_peers; i++, told++)
            g_assert_cmpstr(delta->peers[i].owner, ==, owner);
    }
}

/* A node's change of user and a user's change of name are told as deltas, in every network, and
 * nothing that was signed is signed again. */
static void test_owner_is_told(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    home, work;
    g_autofree char *home_id = rig_network(rig, "home", "10.9.0.0/16", &home);
    g_autofree char *work_id = rig_network(rig, "work", "10.8.0.0/16", &work);
    RigNode          watcher = rig_node(&home, "watcher"), afar = rig_node(&work, "afar");
    MeshJoinlink keys[2], free_keys[2] = { rig_key(rig, "home", true), rig_key(rig, "work", true) };
    uint64_t     at_home, at_work;
    g_autoptr(MeshSigned) m = NULL;

    (void)unused;
    add_user(rig, "ann", 0);
    keys[0] = user_key(rig, "home", "ann");
    keys[1] = user_key(rig, "work", "ann");
    rig_assert(rig_register(rig, &watcher, &free_keys[0]), 200, NULL);
    rig_assert(rig_register(rig, &afar, &free_keys[1]), 200, NULL);
    at_home = rig_open(rig, &watcher, 0, 0);
    at_work = rig_open(rig, &afar, 0, 0);
    for (unsigned i = 0; i < 6; i++) { /* more than fit one version */
        static const char *const names[] = { "n0", "n1", "n2", "n3", "n4", "n5" };
        RigNode                  node = rig_node(i == 0 ? &work : &home, names[i]);

        rig_assert(rig_register(rig, &node, &keys[i == 0]), 200, NULL);
        expect_owner(rig, i == 0 ? at_work : at_home, 1, "ann");
    }
    rename_user(rig, "ann", "anna");
    expect_owner(rig, at_home, 5, "anna");
    expect_owner(rig, at_work, 1, "anna");
    rename_user(rig, "anna", "anna"); /* nothing */
    give(rig, "n1", "");
    g_autoptr(MeshMapline) nobody = rig_next_line(rig, at_home, MESH_MAPLINE_DELTA);
    g_assert_cmpuint(nobody->n_peers, ==, 1);
    g_assert_null(nobody->peers[0].owner);
    m = mesh_signed_ref(nobody->peers[0].m);
    give(rig, "n1", ""); /* nothing */
    give(rig, "n1", "anna");
    g_autoptr(MeshMapline) back = rig_next_line(rig, at_home, MESH_MAPLINE_DELTA);
    g_assert_cmpstr(back->peers[0].owner, ==, "anna");
    g_assert_true(mesh_signed_equal(back->peers[0].m, m));
    g_assert_cmpuint(back->to, ==, nobody->to + 1);
    rig_restart(rig);
    g_autoptr(MeshMapline) peers =
        rig_next_line(rig, rig_open(rig, &watcher, 0, 0), MESH_MAPLINE_PEERS);
    g_assert_cmpstr(peers->peers[0].owner, ==, "anna");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/users/limit-in-all-networks", Rig, NULL, rig_start, test_limit, rig_stop);
    g_test_add("/users/suspend-and-free", Rig, NULL, rig_start, test_suspend, rig_stop);
    g_test_add("/users/expired-stays-expired", Rig, NULL, rig_start, test_expired_stays, rig_stop);
    g_test_add("/users/owner-is-told", Rig, NULL, rig_start, test_owner_is_told, rig_stop);
    g_test_add("/users/remove", Rig, NULL, rig_start, test_remove, rig_stop);
    return g_test_run();
}
