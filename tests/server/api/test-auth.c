#include "server/api/auth.h"

#include <string.h>

static CoreCaller make_caller(uint8_t network, uint8_t node)
{
    CoreCaller caller = { 0 };

    memset(&caller.network, network, sizeof(caller.network));
    memset(&caller.params.node, node, sizeof(caller.params.node));
    return caller;
}

static void test_fifth_goes_for_the_first(void)
{
    ApiAuth    *auth = api_auth_new();
    CoreCaller  caller = make_caller(1, 1);
    ApiAuthSeat seats[7] = { 0 };

    for (LoopConnId id = 1; id <= 4; id++)
        g_assert_cmpuint(api_auth_sit(auth, &seats[id], &caller, id), ==, 0);
    g_assert_cmpuint(api_auth_sit(auth, &seats[2], &caller, 2), ==, 0); /* sits already */
    g_assert_cmpuint(api_auth_sit(auth, &seats[5], &caller, 5), ==, 1);
    api_auth_leave(auth, &seats[1]); /* the evicted one says good-bye later: nobody's loss */
    api_auth_leave(auth, &seats[3]);
    g_assert_cmpuint(api_auth_sit(auth, &seats[6], &caller, 6), ==, 0);
    for (LoopConnId id = 1; id <= 6; id++)
        api_auth_leave(auth, &seats[id]);
    api_auth_free(auth);
}

static void test_nodes_apart(void)
{
    ApiAuth    *auth = api_auth_new();
    ApiAuthSeat seats[12] = { 0 };

    for (LoopConnId id = 0; id < 12; id++) { /* the same key in another network is another node */
        CoreCaller caller = make_caller(id % 3 == 0, id % 3 == 1);

        g_assert_cmpuint(api_auth_sit(auth, &seats[id], &caller, id + 1), ==, 0);
    }
    for (LoopConnId id = 0; id < 12; id++)
        api_auth_leave(auth, &seats[id]);
    api_auth_free(auth);
}

static void test_moves(void)
{
    ApiAuth    *auth = api_auth_new();
    CoreCaller  one = make_caller(1, 1), other = make_caller(1, 2);
    ApiAuthSeat seat = { 0 }, seats[4] = { 0 };

    g_assert_cmpuint(api_auth_sit(auth, &seat, &one, 9), ==, 0);
    g_assert_cmpuint(api_auth_sit(auth, &seat, &other, 9), ==, 0); /* leaves the first seat */
    for (LoopConnId id = 1; id <= 4; id++)
        g_assert_cmpuint(api_auth_sit(auth, &seats[id - 1], &one, id), ==, 0);
    api_auth_leave(auth, &seat);
    for (LoopConnId id = 1; id <= 4; id++)
        api_auth_leave(auth, &seats[id - 1]);
    api_auth_free(auth);
}

/* More nodes than the table has room for at first; each keeps its own count. */
static void test_many(void)
{
    enum { NODES = 250, EACH = API_AUTH_MAX_CONNECTIONS + 1 };
    ApiAuth     *auth = api_auth_new();
    ApiAuthSeat *seats = g_new0(ApiAuthSeat, (size_t)NODES * EACH);

    for (LoopConnId i = 0; i < (LoopConnId)NODES * EACH; i++) {
        CoreCaller caller = make_caller(1, (uint8_t)(i % NODES));
        bool       too_many = i / NODES == API_AUTH_MAX_CONNECTIONS;

        g_assert_cmpuint(api_auth_sit(auth, &seats[i], &caller, i + 1), ==,
                         too_many ? i % NODES + 1 : 0);
    }
    for (size_t i = 0; i < (size_t)NODES * EACH; i++)
        api_auth_leave(auth, &seats[i]);
    g_free(seats);
    api_auth_free(auth);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/api/auth/a-fifth-connection-ends-the-oldest", test_fifth_goes_for_the_first);
    g_test_add_func("/api/auth/other-nodes-are-apart", test_nodes_apart);
    g_test_add_func("/api/auth/many-nodes", test_many);
    g_test_add_func("/api/auth/a-connection-changes-its-node", test_moves);
    return g_test_run();
}
