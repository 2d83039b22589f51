/* Tests of daemon/control/relays.c: when a client asks for relays, over real TLS. */
#include "common/std/clock.h"
#include "daemon/control/inside.h"
#include "daemon/control/relays.h"
#include "tests/daemon/control/fake.h"

#include <signal.h>

enum { SERVER_SEED = 7 };

static void answer_none(FakeServer *server)
{
    fake_answer(server, &(FakeAnswer){ .verb = "relays", .status = 404, .body = "" });
}

static void finish(const ControlRelays *relays)
{
    while (relays->call != NULL)
        g_main_context_iteration(NULL, TRUE);
}

/* A host that slept has a token that ended, and a timer that stood still. */
static void test_after_sleep(void)
{
    static const ControlEvents events = { .state = NULL };
    FixturePair                tls = fixture_pair(SERVER_SEED), node = fixture_node(1);
    MeshNetwork                network = fixture_network();
    FakeServer                *server = fake_start(&tls);
    MeshJoinlink   link = { .host = "127.0.0.1", .network = network.id, .server = network.server };
    ControlOptions options = { .server = &link, .secret = &node.secret, .node = node.key };
    ControlClient *client;
    ControlRelays *relays;

    link.port = (uint16_t)fake_get_port(server);
    client = control_client_new(&options, &events, NULL);
    relays = &client->relays;
    answer_none(server);
    answer_none(server);
    control_relays_told(client, 0);
    g_assert_null(relays->call); /* a server that has none */
    control_relays_told(client, 3);
    g_assert_nonnull(relays->call);
    finish(relays);
    control_relays_told(client, 3);
    g_assert_null(relays->call);
    relays->asked_ms -= 26 * 60 * 1000;
    control_relays_told(client, 3);
    g_assert_nonnull(relays->call);
    finish(relays);
    g_assert_cmpuint(fake_count(server, "relays"), ==, 2);
    control_client_free(client);
    fake_stop(server);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_IGN);
    fixture_start();
    g_test_add_func("/control-relays/after-sleep", test_after_sleep);
    return g_test_run();
}
