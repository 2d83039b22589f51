/* An administrator's verbs: what they refuse, what they return. */
#include "tests/server/core/rig.h"

#include "server/core/keys.h"

#include <string.h>

typedef struct {
    const char *name;
    CoreManage  request;
    unsigned    status;
    const char *code;
} VerbCase;

/* Against one network "home" (10.9.0.0/16) with the active node "a". */
static const VerbCase cases[] = {
    { "create", { .verb = CORE_NETWORK_CREATE, .name = "office" }, 200, NULL },
    { "create-without-ip4",
      { .verb = CORE_NETWORK_CREATE, .name = "office", .ip4 = "none" },
      200,
      NULL },
    { "create-taken", { .verb = CORE_NETWORK_CREATE, .name = "home" }, 409, "conflict" },
    { "create-nameless", { .verb = CORE_NETWORK_CREATE }, 400, "bad-request" },
    { "create-bad-name", { .verb = CORE_NETWORK_CREATE, .name = "My Net" }, 400, "bad-request" },
    { "create-host-bits",
      { .verb = CORE_NETWORK_CREATE, .name = "x", .ip4 = "10.1.2.3/16" },
      400,
      "bad-request" },
    { "create-public-space",
      { .verb = CORE_NETWORK_CREATE, .name = "x", .ip4 = "8.8.0.0/16" },
      400,
      "bad-request" },
    { "create-too-small",
      { .verb = CORE_NETWORK_CREATE, .name = "x", .ip4 = "10.1.2.0/31" },
      400,
      "bad-request" },
    { "create-wider-than-space",
      { .verb = CORE_NETWORK_CREATE, .name = "x", .ip4 = "172.0.0.0/8" },
      400,
      "bad-request" },
    { "set-unknown", { .verb = CORE_NETWORK_SET, .network = "office" }, 404, "not-found" },
    { "set-nothing", { .verb = CORE_NETWORK_SET, .network = "home", .approve = -1 }, 200, NULL },
    { "delete", { .verb = CORE_NETWORK_DELETE, .network = "home" }, 200, NULL },
    { "key-forever",
      { .verb = CORE_KEY_CREATE, .network = "home", .expires_in_s = 0, .note = "n" },
      200,
      NULL },
    { "key-negative",
      { .verb = CORE_KEY_CREATE, .network = "home", .expires_in_s = -1 },
      400,
      "bad-request" },
    { "key-too-long",
      { .verb = CORE_KEY_CREATE, .network = "home", .expires_in_s = INT64_MAX },
      400,
      "bad-request" },
    { "revoke-unknown",
      { .verb = CORE_KEY_REVOKE, .network = "home", .key = "AAAAAAAA" },
      404,
      "not-found" },
    { "revoke-nameless", { .verb = CORE_KEY_REVOKE, .network = "home" }, 400, "bad-request" },
    { "node-unknown",
      { .verb = CORE_NODE_REMOVE, .network = "home", .node = "b" },
      404,
      "not-found" },
    { "approve-active",
      { .verb = CORE_NODE_APPROVE, .network = "home", .node = "a" },
      409,
      "conflict" },
    { "rename-bad",
      { .verb = CORE_NODE_SET, .network = "home", .node = "a", .name = "-", .expires = -1 },
      400,
      "bad-request" },
    { "rename-itself",
      { .verb = CORE_NODE_SET, .network = "home", .node = "a", .name = "a", .expires = -1 },
      200,
      NULL },
    { "expire-in-past",
      { .verb = CORE_NODE_SET, .network = "home", .node = "a", .expires = 1 },
      200,
      NULL },
    { "status", { .verb = CORE_STATUS }, 200, NULL },
};

static void test_verb(Rig *rig, gconstpointer data)
{
    const VerbCase  *c = data;
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", "10.9.0.0/16", &net);
    MeshJoinlink     link = rig_key(rig, "home", false);
    RigNode          a = rig_node(&net, "a");

    rig_assert(rig_register(rig, &a, &link), 200, NULL);
    rig_assert(rig_manage(rig, &c->request), c->status, c->code);
}

static CoreNodeInfo *only_node(CoreAnswer *answer)
{
    g_assert_cmpuint(answer->status, ==, 200);
    g_assert_cmpuint(answer->result->len, ==, 1);
    return g_ptr_array_index(answer->result, 0);
}

static void test_node_values(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", "10.9.9.0/24", &net);
    MeshJoinlink     link = rig_key(rig, "home", false);
    RigNode          a = rig_node(&net, "a");
    CoreManage       list = { .verb = CORE_NODE_LIST, .network = id };
    CoreAnswer      *answer;
    CoreNodeInfo    *info;

    (void)unused;
    rig_assert(rig_register(rig, &a, &link), 200, NULL);
    rig_assert(rig_report(rig, &a, "[2001:db8::1]:51820"), 200, NULL);
    core_answer_free(rig_wait(rig, rig_open(rig, &a, 0, 0)));
    answer = rig_manage(rig, &list);
    info = only_node(answer);
    g_assert_cmpstr(info->name, ==, "a");
    g_assert_cmpstr(info->ip4, ==, "10.9.9.1");
    g_assert_cmpint(info->state, ==, CORE_NODE_ACTIVE);
    g_assert_true(info->online);
    g_assert_cmpstr(info->endpoints[0], ==, "[2001:db8::1]:51820");
    g_assert_null(info->endpoints[1]);
    g_assert_cmpstr(info->os, ==, "linux");
    g_assert_cmpint(info->last_seen, >, 0);
    core_answer_free(answer);
    rig_restart(rig); /* in memory only: gone; last_seen was saved */
    answer = rig_manage(rig, &list);
    info = only_node(answer);
    g_assert_false(info->online);
    g_assert_null(info->endpoints);
    g_assert_cmpint(info->last_seen, >, 0);
    core_answer_free(answer);
}

static void test_key_link(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    MeshJoinlink     link = rig_key(rig, "home", false);
    CoreManage       list = { .verb = CORE_KEY_LIST, .network = "home" };
    CoreAnswer      *answer = rig_manage(rig, &list);
    CoreKeyInfo     *key = g_ptr_array_index(answer->result, 0);

    (void)unused;
    g_assert_cmpstr(link.host, ==, "vpn.example.org");
    g_assert_cmpuint(link.port, ==, 443);
    g_assert_true(mesh_network_equal_id(&link.network, &net));
    g_assert_true(mesh_key_equal(&link.server, &core_get_identity(rig->core)->key));
    g_assert_true(link.has_secret);
    g_assert_null(key->link); /* shown once */
    g_assert_cmpint(key->id[0], !=, '-');
    core_answer_free(answer);
}

/* Versions grow by exactly one with each change of the network or its nodes; keys do not count. */
static void test_versions(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    MeshJoinlink     link = rig_key(rig, "home", true);
    RigNode          a = rig_node(&net, "a");
    CoreManage       list = { .verb = CORE_NETWORK_LIST };
    CoreManage       steps[] = {
              { .verb = CORE_NETWORK_SET, .network = id, .name = "house", .approve = -1 },
              { .verb = CORE_NETWORK_SET, .network = id, .approve = 1 },
              { .verb = CORE_NODE_SET, .network = id, .node = "a", .name = "b", .expires = -1 },
              { .verb = CORE_NODE_EXPIRE, .network = id, .node = "b" },
              { .verb = CORE_NODE_REMOVE, .network = id, .node = "b" },
    };
    uint64_t want = 1;

    (void)unused;
    rig_assert(rig_register(rig, &a, &link), 200, NULL);
    want++;
    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
        CoreAnswer *answer;

        rig_assert(rig_manage(rig, &steps[i]), 200, NULL);
        answer = rig_manage(rig, &list);
        g_assert_cmpuint(((CoreNetworkInfo *)g_ptr_array_index(answer->result, 0))->ver, ==,
                         ++want);
        core_answer_free(answer);
    }
}

/* The cap on keys: unusable ones make room, usable ones do not. */
static void test_many_keys(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    CoreManage       create = { .verb = CORE_KEY_CREATE, .network = "home", .expires_in_s = 60 };
    CoreManage       revoke = { .verb = CORE_KEY_REVOKE, .network = "home" };
    CoreAnswer      *answer;
    g_autofree char *first = NULL;

    (void)unused;
    for (unsigned i = 0; i < CORE_KEYS_MAX; i++) {
        answer = rig_manage(rig, &create);
        g_assert_cmpuint(answer->status, ==, 200);
        if (i == 0)
            first = g_strdup(((CoreKeyInfo *)g_ptr_array_index(answer->result, 0))->key);
        core_answer_free(answer);
    }
    rig_assert(rig_manage(rig, &create), 409, "full");
    revoke.key = first;
    rig_assert(rig_manage(rig, &revoke), 200, NULL);
    rig_assert(rig_manage(rig, &create), 200, NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/admin/", cases[i].name, NULL);

        g_test_add(path, Rig, &cases[i], rig_start, test_verb, rig_stop);
    }
    g_test_add("/admin/node-values", Rig, NULL, rig_start, test_node_values, rig_stop);
    g_test_add("/admin/key-link", Rig, NULL, rig_start, test_key_link, rig_stop);
    g_test_add("/admin/versions", Rig, NULL, rig_start, test_versions, rig_stop);
    g_test_add("/admin/many-keys", Rig, NULL, rig_start, test_many_keys, rig_stop);
    return g_test_run();
}
