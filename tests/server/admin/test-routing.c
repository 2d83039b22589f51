/* Which request is which verb of the core. */
#include "common/glib/error.h"
#include "server/admin/routing.h"

typedef struct {
    const char *name, *method, *path;
    CoreVerb    verb;
    const char *network, *key, *node, *user;
    int         want_code; /* of MESH_ERROR; -1: it is found */
} RoutingCase;

static const RoutingCase cases[] = {
    { "status", "GET", "/admin/v1/status", CORE_STATUS, .want_code = -1 },
    { "network-list", "GET", "/admin/v1/networks", CORE_NETWORK_LIST, .want_code = -1 },
    { "network-set", "PATCH", "/admin/v1/networks/a", CORE_NETWORK_SET, "a", .want_code = -1 },
    { "key-create", "POST", "/admin/v1/networks/a/keys", CORE_KEY_CREATE, "a", .want_code = -1 },
    { "key-revoke", "DELETE", "/admin/v1/networks/a/keys/k", CORE_KEY_REVOKE, "a", "k",
      .want_code = -1 },
    { "node-approve", "POST", "/admin/v1/networks/a/nodes/n/approve", CORE_NODE_APPROVE, "a", NULL,
      "n", .want_code = -1 },
    { "node-remove", "DELETE", "/admin/v1/networks/a/nodes/n", CORE_NODE_REMOVE, "a", NULL, "n",
      .want_code = -1 },
    { "other-method", "PUT", "/admin/v1/networks", .want_code = MESH_ERROR_METHOD },
    { "user-add", "POST", "/admin/v1/users", CORE_USER_ADD, .want_code = -1 },
    { "user-set", "PATCH", "/admin/v1/users/u", CORE_USER_SET, .user = "u", .want_code = -1 },
    { "key-set", "PATCH", "/admin/v1/networks/a/keys/k", CORE_KEY_SET, "a", "k", .want_code = -1 },
    { "unknown", "GET", "/admin/v1/people", .want_code = MESH_ERROR_NOT_FOUND },
    { "empty-name", "PATCH", "/admin/v1/networks/", .want_code = MESH_ERROR_NOT_FOUND },
    { "trailing-slash", "GET", "/admin/v1/networks/a/keys/", .want_code = MESH_ERROR_NOT_FOUND },
    { "too-deep", "GET", "/admin/v1/networks/a/nodes/n/a/b/c/d/e",
      .want_code = MESH_ERROR_NOT_FOUND },
    { "outside", "GET", "/v1/server", .want_code = MESH_ERROR_NOT_FOUND },
    { "root", "GET", "/", .want_code = MESH_ERROR_NOT_FOUND },
};

static void test_find(gconstpointer data)
{
    const RoutingCase *c = data;
    g_autoptr(GError) error = NULL;
    AdminNames        names;
    const AdminRoute *route = admin_routing_find(c->method, c->path, &names, &error);

    if (c->want_code >= 0) {
        g_assert_null(route);
        g_assert_error(error, MESH_ERROR, c->want_code);
        return;
    }
    g_assert_no_error(error);
    g_assert_cmpint(route->verb, ==, c->verb);
    g_assert_cmpstr(names.network, ==, c->network);
    g_assert_cmpstr(names.key, ==, c->key);
    g_assert_cmpstr(names.node, ==, c->node);
    g_assert_cmpstr(names.user, ==, c->user);
    admin_routing_clear(&names);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/routing/", cases[i].name, NULL);

        g_test_add_data_func(path, &cases[i], test_find);
    }
    return g_test_run();
}
