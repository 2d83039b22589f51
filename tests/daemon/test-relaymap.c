/* Tests of daemon/relaymap.c: relays that are known by name, against a DNS of the test's own. */
#include "common/proto/token.h"
#include "common/std/endpoint.h"
#include "daemon/relaymap.h"
#include "tests/common/proto/fixture.h"

#include <gio/gio.h>
#include <string.h>

/* ---- DNS ---- */

static struct {
    const char *answer; /* addresses, with spaces between; NULL: it fails */
    unsigned    asked;
} dns;

typedef struct {
    GResolver parent;
} FakeDns;
typedef struct {
    GResolverClass parent;
} FakeDnsClass;

GType fake_dns_get_type(void);
G_DEFINE_TYPE(FakeDns, fake_dns, G_TYPE_RESOLVER)

static void free_list(gpointer list)
{
    g_resolver_free_addresses(list);
}

static void look_up(GResolver *self, const gchar *name, GCancellable *cancel,
                    GAsyncReadyCallback done, gpointer user_data)
{
    g_autoptr(GTask) task = g_task_new(self, cancel, done, user_data);
    g_auto(GStrv) parts = g_strsplit(dns.answer != NULL ? dns.answer : "", " ", 0);
    GList *list = NULL;

    g_assert_cmpstr(name, ==, "relay.example");
    dns.asked++;
    for (guint i = 0; parts[i] != NULL; i++)
        list = g_list_append(list, g_inet_address_new_from_string(parts[i]));
    if (dns.answer != NULL)
        g_task_return_pointer(task, list, free_list);
    else
        g_task_return_new_error(task, G_RESOLVER_ERROR, G_RESOLVER_ERROR_NOT_FOUND, "no such name");
}

static GList *finish(GResolver *self, GAsyncResult *result, GError **error)
{
    (void)self;
    return g_task_propagate_pointer(G_TASK(result), error);
}

static void fake_dns_class_init(FakeDnsClass *class)
{
    G_RESOLVER_CLASS(class)->lookup_by_name_async = look_up;
    G_RESOLVER_CLASS(class)->lookup_by_name_finish = finish;
}

static void fake_dns_init(FakeDns *self)
{
    (void)self;
}

/* ---- the path ---- */

static struct {
    unsigned  told;
    PathRelay relay;
} path;

void path_set_relays(Path *self, const PathRelayMap *map)
{
    (void)self;
    g_assert_cmpuint(map->n_relays, ==, 1);
    path.told++;
    path.relay = map->relays[0];
}

/* ---- */

static void take(MeshdRelaymap *relays, uint64_t ver)
{
    MeshNetwork     network = fixture_network();
    FixturePair     server = fixture_server();
    MeshRelayMap    map = { .ver = ver, .n_relays = 1 };
    MeshToken       token = { .node = fixture_node(1).key, .index = 1, .exp = FIXTURE_NOW };
    MeshRelayAnswer answer = { .r = NULL };
    g_autoptr(GError) error = NULL;

    map.relays[0] = (MeshRelayEntry){ .id = 1, .name = "near", .udp = 3478 };
    token.bps = token.burst = 1000000;
    map.relays[0].rk = fixture_wg(1);
    map.relays[0].sk = server.key;
    g_strlcpy(map.relays[0].host, "relay.example", sizeof map.relays[0].host);
    answer.r = mesh_relaymap_sign(&map, &network.id, &server.secret, &error);
    g_assert_no_error(error);
    answer.t = mesh_token_sign(&token, &network.id, &server.secret, &error);
    g_assert_no_error(error);
    meshd_relaymap_take(relays, &answer);
    mesh_relaymap_clear_answer(&answer);
}

static void settle(void)
{
    while (g_main_context_iteration(NULL, false)) {
    }
}

static void assert_at(const char *text)
{
    MeshEndpoint want = { .port = 0 };

    if (text != NULL)
        g_assert_cmpint(mesh_endpoint_parse(text, &want), ==, 0);
    g_assert_true(text == NULL ? path.relay.at4.addr.family == 0
                               : mesh_endpoint_equal(&path.relay.at4, &want));
}

/* A new token, or a list that changed elsewhere, comes every half an hour: the address in use stays
 * as long as the name has it, whatever order it is told in, and while DNS does not answer. */
static void test_stays(void)
{
    MeshNetwork    network = fixture_network();
    MeshdProfile   profile = { .server = { .network = network.id, .server = network.server } };
    MeshdRelaymap *relays = meshd_relaymap_new(&profile);

    dns.answer = "192.0.2.1 192.0.2.2";
    meshd_relaymap_use(relays, (Path *)&path);
    take(relays, 1);
    assert_at(NULL);
    settle();
    assert_at("192.0.2.1:3478");
    dns.answer = "192.0.2.2 192.0.2.1";
    take(relays, 1);
    assert_at("192.0.2.1:3478"); /* before DNS answers */
    settle();
    assert_at("192.0.2.1:3478");
    dns.answer = NULL;
    take(relays, 2);
    settle();
    assert_at("192.0.2.1:3478");
    dns.answer = "192.0.2.2";
    take(relays, 2);
    settle();
    assert_at("192.0.2.2:3478");
    g_assert_cmpuint(dns.asked, ==, 4);
    meshd_relaymap_free(relays);
}

int main(int argc, char **argv)
{
    g_autoptr(GResolver) resolver = NULL;

    g_test_init(&argc, &argv, NULL);
    fixture_start();
    resolver = g_object_new(fake_dns_get_type(), NULL);
    g_resolver_set_default(resolver);
    g_test_add_func("/relaymap/address-stays", test_stays);
    return g_test_run();
}
