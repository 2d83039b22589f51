/* Relays beside the server: who is told of which, when, and what may not be one. */
#include "common/proto/relaymap.h"
#include "tests/server/core/rig.h"

#include <string.h>

static CoreManage request(CoreVerb verb)
{
    return (
        CoreManage){ .verb = verb, .approve = -1, .expires = -1, .max_nodes = -1, .disabled = -1 };
}

/* A relay at 192.0.2.@number with keys of its own. */
static CoreManage make_add(const char *name, uint8_t number)
{
    CoreManage      add = request(CORE_RELAY_ADD);
    MeshRelayEntry *entry = &add.patch.entry;

    add.patch.has = CORE_RELAY_NAME | CORE_RELAY_HOST | CORE_RELAY_RK | CORE_RELAY_SK;
    g_strlcpy(entry->name, name, sizeof entry->name);
    g_snprintf(entry->host, sizeof entry->host, "192.0.2.%u", number);
    memset(entry->rk.bytes, number, sizeof entry->rk.bytes);
    memset(entry->sk.bytes, number + 1, sizeof entry->sk.bytes);
    return add;
}

static CoreAnswer *set_state(Rig *rig, const char *name, MeshRelayState state)
{
    CoreManage set = request(CORE_RELAY_SET);

    set.relay = name;
    set.patch.has = CORE_RELAY_STATE;
    set.patch.entry.state = state;
    return rig_manage(rig, &set);
}

static CoreAnswer *remove_relay(Rig *rig, const char *name)
{
    CoreManage request_ = request(CORE_RELAY_REMOVE);

    request_.relay = name;
    return rig_manage(rig, &request_);
}

/* What the node is told: R, verified. */
static void ask(Rig *rig, RigNode *node, MeshRelayMap *out_map)
{
    CoreCaller      caller = rig_caller(node);
    CoreReturn      to = rig_make_return(rig);
    MeshRelayAnswer told = { 0 };
    CoreAnswer     *answer;
    const char     *text;
    gsize           len;

    core_ask(rig->core, CORE_ASK_RELAYS, &caller, to);
    answer = rig_wait(rig, to.ticket);
    g_assert_cmpuint(answer->status, ==, 200);
    text = g_bytes_get_data(answer->body, &len);
    g_assert_true(mesh_relaymap_decode_answer(text, len, &told, NULL));
    g_assert_true(
        mesh_relaymap_open(told.r, &node->net, &core_get_identity(rig->core)->key, out_map, NULL));
    mesh_relaymap_clear_answer(&told);
    core_answer_free(answer);
}

/* The stream's next "relays" line: its version. */
static uint64_t wait_told(Rig *rig, uint64_t stream)
{
    MeshMapline *line = rig_next_line(rig, stream, MESH_MAPLINE_RELAYS);
    uint64_t     ver = line->relays;

    mesh_mapline_free(line);
    return ver;
}

typedef struct {
    RigNode  a, b;
    uint64_t at_home, at_work;
} Two;

static Two join_two(Rig *rig)
{
    MeshNetworkId    home, work;
    g_autofree char *home_id = rig_network(rig, "home", "10.9.0.0/16", &home);
    g_autofree char *work_id = rig_network(rig, "work", "10.8.0.0/16", &work);
    MeshJoinlink     home_key = rig_key(rig, "home", true), work_key = rig_key(rig, "work", true);
    Two              two = { .a = rig_node(&home, "a"), .b = rig_node(&work, "b") };

    rig_assert(rig_register(rig, &two.a, &home_key), 200, NULL);
    rig_assert(rig_register(rig, &two.b, &work_key), 200, NULL);
    two.at_home = rig_open(rig, &two.a, 0, 0);
    two.at_work = rig_open(rig, &two.b, 0, 0);
    mesh_mapline_free(rig_next_line(rig, two.at_home, MESH_MAPLINE_HELLO));
    mesh_mapline_free(rig_next_line(rig, two.at_work, MESH_MAPLINE_HELLO));
    return two;
}

/* Each network has its own and those of all; every change is told to whom it concerns. */
static void test_told(Rig *rig, gconstpointer unused)
{
    Two          two = join_two(rig);
    CoreManage   all = make_add("near", 1), home = make_add("far", 2);
    MeshRelayMap map;
    uint64_t     ver;

    (void)unused;
    rig_assert(rig_manage(rig, &all), 200, NULL);
    ver = wait_told(rig, two.at_home);
    g_assert_cmpuint(wait_told(rig, two.at_work), ==, ver);
    home.network = "home";
    rig_assert(rig_manage(rig, &home), 200, NULL);
    g_assert_cmpuint(wait_told(rig, two.at_home), ==, ver + 1);
    ask(rig, &two.a, &map);
    g_assert_cmpuint(map.ver, ==, ver + 1);
    g_assert_cmpuint(map.n_relays, ==, 2);
    g_assert_cmpstr(map.relays[0].name, ==, "near");
    g_assert_cmpuint(map.relays[0].id, ==, 2);
    g_assert_cmpuint(map.relays[0].udp, ==, 3478);
    g_assert_cmpuint(map.relays[0].tls, ==, 443);
    g_assert_cmpstr(map.relays[0].host, ==, ""); /* an address is no name */
    g_assert_cmpuint(map.relays[0].n_addrs, ==, 1);
    g_assert_cmpstr(map.relays[1].name, ==, "far");
    ask(rig, &two.b, &map);
    g_assert_cmpuint(map.n_relays, ==, 1);

    rig_assert(set_state(rig, "near", MESH_RELAYMAP_DRAIN), 200, NULL);
    g_assert_cmpuint(wait_told(rig, two.at_work), ==, ver + 2);
    ask(rig, &two.b, &map);
    g_assert_cmpint(map.relays[0].state, ==, MESH_RELAYMAP_DRAIN);
    rig_assert(remove_relay(rig, "near"), 200, NULL);
    g_assert_cmpuint(wait_told(rig, two.at_work), ==, ver + 3);
    ask(rig, &two.b, &map);
    g_assert_cmpuint(map.n_relays, ==, 0);
}

/* A restart forgets nothing; with its network a relay goes. */
static void test_kept(Rig *rig, gconstpointer unused)
{
    Two          two = join_two(rig);
    CoreManage   all = make_add("near", 1), home = make_add("far", 2);
    CoreManage   list = request(CORE_RELAY_LIST), drop = request(CORE_NETWORK_DELETE);
    MeshRelayMap before, map;
    CoreAnswer  *answer;

    (void)unused;
    home.network = "home";
    rig_assert(rig_manage(rig, &all), 200, NULL);
    rig_assert(rig_manage(rig, &home), 200, NULL);
    rig_assert(set_state(rig, "far", MESH_RELAYMAP_AVOID), 200, NULL);
    ask(rig, &two.a, &before);
    rig_restart(rig);
    ask(rig, &two.a, &map);
    g_assert_cmpmem(&map, sizeof map, &before, sizeof before);
    drop.network = "home";
    rig_assert(rig_manage(rig, &drop), 200, NULL);
    for (int round = 0; round < 2; round++) {
        answer = rig_manage(rig, &list);
        g_assert_cmpuint(answer->result->len, ==, 1);
        g_assert_cmpstr(((CoreRelayInfo *)g_ptr_array_index(answer->result, 0))->entry.name, ==,
                        "near");
        core_answer_free(answer);
        rig_restart(rig);
    }
}

static void test_refused(Rig *rig, gconstpointer unused)
{
    Two        two = join_two(rig);
    CoreManage near_ = make_add("near", 1), same = make_add("near", 2), key = make_add("other", 1);
    CoreManage own = make_add("server", 3), nowhere = make_add("nowhere", 4);
    CoreManage deaf = make_add("deaf", 5), strange = make_add("strange", 6);

    (void)unused;
    (void)two;
    rig_assert(rig_manage(rig, &near_), 200, NULL);
    rig_assert(rig_manage(rig, &same), 409, "conflict");
    rig_assert(rig_manage(rig, &key), 409, "conflict");
    rig_assert(rig_manage(rig, &own), 409, "conflict");
    nowhere.patch.entry.host[0] = '\0';
    rig_assert(rig_manage(rig, &nowhere), 400, "bad-request");
    deaf.patch.has |= CORE_RELAY_UDP | CORE_RELAY_TLS;
    rig_assert(rig_manage(rig, &deaf), 400, "bad-request");
    strange.network = "nowhere";
    rig_assert(rig_manage(rig, &strange), 404, "not-found");
    rig_assert(set_state(rig, "far", MESH_RELAYMAP_OK), 404, "not-found");
    rig_assert(remove_relay(rig, "far"), 404, "not-found");
    g_strlcpy(strange.patch.entry.host, "224.0.0.1", sizeof strange.patch.entry.host);
    strange.network = NULL;
    rig_assert(rig_manage(rig, &strange), 400, "bad-request");
}

/* R holds 16, one of them the server: a network that is full stays as it is. */
static void test_full(Rig *rig, gconstpointer unused)
{
    Two          two = join_two(rig);
    CoreManage   add, home = make_add("home-alone", 100);
    MeshRelayMap map;

    (void)unused;
    home.network = "home";
    rig_assert(rig_manage(rig, &home), 200, NULL);
    for (uint8_t i = 1; i <= 14; i++) {
        g_autofree char *name = g_strdup_printf("r%u", i);

        add = make_add(name, i);
        rig_assert(rig_manage(rig, &add), 200, NULL);
    }
    add = make_add("r15", 15);
    rig_assert(rig_manage(rig, &add), 409, "full");
    add.network = "home";
    rig_assert(rig_manage(rig, &add), 409, "full");
    add.network = "work";
    rig_assert(rig_manage(rig, &add), 200, NULL);
    ask(rig, &two.a, &map);
    g_assert_cmpuint(map.n_relays, ==, 15);
    rig_assert(remove_relay(rig, "r3"), 200, NULL);
    add = make_add("again", 3);
    add.network = "home";
    rig_assert(rig_manage(rig, &add), 200, NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/relays/told", Rig, NULL, rig_start, test_told, rig_stop);
    g_test_add("/relays/kept", Rig, NULL, rig_start, test_kept, rig_stop);
    g_test_add("/relays/refused", Rig, NULL, rig_start, test_refused, rig_stop);
    g_test_add("/relays/full", Rig, NULL, rig_start, test_full, rig_stop);
    return g_test_run();
}
