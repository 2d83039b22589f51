/* What a node sees: snapshots, deltas, endpoints, presence, the end of a stream. */
#include "common/proto/acl.h"
#include "common/proto/member.h"
#include "common/proto/netmap.h"
#include "common/proto/tip.h"
#include "tests/server/core/rig.h"

#include <string.h>

/* A client: its map, as it follows from the lines. */
typedef struct {
    RigNode    *node;
    MeshNetmap *map;
    uint64_t    ticket, stream;
} Client;

static void apply(Client *client, const CoreAnswer *answer)
{
    g_autoptr(GError) error = NULL;
    MeshNetmapChange change;

    for (guint i = 0; answer->lines != NULL && i < answer->lines->len; i++) {
        g_autoptr(MeshMapline) line = rig_line(answer, i);

        g_assert_true(mesh_netmap_apply(client->map, line, &change, &error));
        g_assert_no_error(error);
        g_assert_cmpint(change, !=, MESH_NETMAP_GAP);
    }
}

/* Opens a stream where the client's map stands. */
static void connect_client(Rig *rig, Client *client)
{
    const MeshNetmapHead *head;
    CoreAnswer           *answer;

    if (client->map == NULL)
        client->map = mesh_netmap_new();
    head = mesh_netmap_get_head(client->map);
    client->ticket = rig_open(rig, client->node, head->epoch, head->ver);
    mesh_netmap_begin(client->map, &client->node->nonce);
    answer = rig_wait(rig, client->ticket);
    g_assert_cmpuint(answer->status, ==, 200);
    client->stream = answer->stream;
    apply(client, answer);
    core_answer_free(answer);
}

static void disconnect_client(Rig *rig, Client *client)
{
    core_close_map(rig->core, client->stream);
}

/* Reads lines until the client's map has version @ver. */
static void follow(Rig *rig, Client *client, uint64_t ver)
{
    while (mesh_netmap_get_head(client->map)->ver < ver) {
        CoreAnswer *answer = rig_wait(rig, client->ticket);

        apply(client, answer);
        core_answer_free(answer);
    }
    g_assert_cmpuint(mesh_netmap_get_head(client->map)->ver, ==, ver);
}

static uint64_t version(Rig *rig)
{
    CoreManage  list = { .verb = CORE_NETWORK_LIST };
    CoreAnswer *answer = rig_manage(rig, &list);
    uint64_t    ver = ((CoreNetworkInfo *)g_ptr_array_index(answer->result, 0))->ver;

    core_answer_free(answer);
    return ver;
}

static void assert_same_map(Client *a, Client *b)
{
    const MeshNetmapHead *x = mesh_netmap_get_head(a->map), *y = mesh_netmap_get_head(b->map);

    g_assert_cmpuint(x->ver, ==, y->ver);
    g_assert_true(mesh_signed_equal(x->p, y->p));
    g_assert_true(mesh_network_equal(&x->network, &y->network));
    g_assert_cmpuint(mesh_netmap_count(a->map), ==, mesh_netmap_count(b->map));
    for (size_t i = 0; i < mesh_netmap_count(a->map); i++) {
        const MeshPeer *p = mesh_netmap_get_peer(a->map, i), *q = mesh_netmap_get_peer(b->map, i);

        g_assert_cmpuint(p->index, ==, q->index);
        g_assert_true(mesh_signed_equal(p->m, q->m));
        g_assert_true(mesh_signed_equal(p->k, q->k));
    }
}

static void test_snapshot(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", "10.9.0.0/16", &net);
    MeshJoinlink     link = rig_key(rig, "home", true);
    RigNode          a = rig_node(&net, "a"), b = rig_node(&net, "b");
    Client           client = { .node = &a };
    const MeshKey   *server = &core_get_identity(rig->core)->key;
    g_autoptr(GError) error = NULL;
    g_autoptr(MeshAcl) acl = NULL;
    MeshTip tip;

    (void)unused;
    rig_assert(rig_register(rig, &a, &link), 200, NULL);
    rig_assert(rig_register(rig, &b, &link), 200, NULL);
    rig_assert(rig_report(rig, &b, "192.0.2.1:5000"), 200, NULL);
    connect_client(rig, &client);
    const MeshNetmapHead *head = mesh_netmap_get_head(client.map);
    g_assert_cmpuint(mesh_netmap_count(client.map), ==, 1); /* not oneself */
    const MeshPeer *peer = mesh_netmap_get_peer(client.map, 0);
    g_autoptr(MeshMember) member = mesh_member_open(peer->m, &net, server, &error);
    g_assert_no_error(error);
    g_assert_true(mesh_key_equal(&member->node, &b.key));
    g_assert_nonnull(peer->e);
    g_assert_true(mesh_tip_open(head->tip, &net, server, &tip, &error));
    g_assert_cmpuint(tip.ver, ==, head->ver);
    g_assert_true(tip.has_nonce);
    g_assert_cmpuint(tip.nonce.number, ==, a.nonce.number);
    acl = mesh_acl_open(head->p, &net, server, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(acl->n_rules, ==, 1);
    g_assert_cmpstr(acl->suffix, ==, "home.mesh");
    g_assert_cmpuint(tip.pver, ==, acl->ver);
    mesh_netmap_free(client.map);
}

static void test_up_to_date(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    MeshJoinlink     link = rig_key(rig, "home", true);
    RigNode          a = rig_node(&net, "a");
    Client           client = { .node = &a };
    CoreAnswer      *answer;

    (void)unused;
    rig_assert(rig_register(rig, &a, &link), 200, NULL);
    connect_client(rig, &client);
    answer = rig_wait(rig, rig_open(rig, &a, 1, version(rig)));
    g_assert_cmpuint(answer->lines->len, ==, 2); /* hello, on */
    g_autoptr(MeshMapline) on = rig_line(answer, 1);
    g_assert_true(on->all && on->end);
    g_assert_cmpuint(on->n_indexes, ==, 0);
    core_answer_free(answer);
    /* ahead of us, or of another epoch: from the start */
    answer = rig_wait(rig, rig_open(rig, &a, 1, version(rig) + 1));
    g_assert_cmpint(g_array_index(answer->lines, CoreLine, 1).kind, ==, CORE_LINE_SNAPSHOT);
    core_answer_free(answer);
    answer = rig_wait(rig, rig_open(rig, &a, 2, version(rig)));
    g_assert_cmpint(g_array_index(answer->lines, CoreLine, 1).kind, ==, CORE_LINE_SNAPSHOT);
    core_answer_free(answer);
    mesh_netmap_free(client.map);
}

static void test_replaced(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    MeshJoinlink     link = rig_key(rig, "home", true);
    RigNode          a = rig_node(&net, "a");
    uint64_t         first, second;

    (void)unused;
    rig_assert(rig_register(rig, &a, &link), 200, NULL);
    first = rig_open(rig, &a, 0, 0);
    core_answer_free(rig_wait(rig, first));
    second = rig_open(rig, &a, 0, 0);
    mesh_mapline_free(rig_next_line(rig, first, MESH_MAPLINE_REPLACED));
    core_answer_free(rig_wait(rig, second));
    g_assert_false(rig_is_answered(rig, first, 0));
}

static void test_presence_and_endpoints(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    MeshJoinlink     link = rig_key(rig, "home", true);
    RigNode          a = rig_node(&net, "a"), b = rig_node(&net, "b");
    Client           watcher = { .node = &a }, other = { .node = &b };

    (void)unused;
    rig_assert(rig_register(rig, &a, &link), 200, NULL);
    rig_assert(rig_register(rig, &b, &link), 200, NULL);
    connect_client(rig, &watcher);
    connect_client(rig, &other);
    for (bool seen = false; !seen;) {
        g_autoptr(MeshMapline) on = rig_next_line(rig, watcher.ticket, MESH_MAPLINE_ON);

        g_assert_false(on->all);
        for (size_t i = 0; i < on->n_indexes; i++)
            seen |= on->indexes[i] == mesh_netmap_get_peer(watcher.map, 0)->index;
    }
    rig_assert(rig_report(rig, &b, "192.0.2.1:5000"), 200, NULL);
    g_autoptr(MeshMapline) ep = rig_next_line(rig, watcher.ticket, MESH_MAPLINE_EP);
    MeshRecordE e;
    g_assert_true(mesh_record_open_e(ep->e, &net, &b.key, &e, NULL));
    g_assert_cmpuint(e.seq, ==, 1);
    b.e_seq = 1; /* a repeat: accepted, not told again; what follows is */
    rig_assert(rig_report(rig, &b, "192.0.2.1:5000"), 200, NULL);
    rig_assert(rig_report(rig, &b, "192.0.2.2:5000"), 200, NULL);
    g_autoptr(MeshMapline) next = rig_next_line(rig, watcher.ticket, MESH_MAPLINE_EP);
    g_assert_true(mesh_record_open_e(next->e, &net, &b.key, &e, NULL));
    g_assert_cmpuint(e.seq, ==, 2);
    mesh_netmap_free(watcher.map);
    mesh_netmap_free(other.map);
}

static void test_revoked(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    MeshJoinlink     link = rig_key(rig, "home", true);
    RigNode          a = rig_node(&net, "a"), b = rig_node(&net, "b");
    Client           watcher = { .node = &a }, other = { .node = &b };
    CoreManage       expire = { .verb = CORE_NODE_EXPIRE, .network = "home", .node = "b" };
    CoreManage       drop = { .verb = CORE_NODE_REMOVE, .network = "home", .node = "a" };
    size_t           n;

    (void)unused;
    rig_assert(rig_register(rig, &a, &link), 200, NULL);
    rig_assert(rig_register(rig, &b, &link), 200, NULL);
    connect_client(rig, &watcher);
    connect_client(rig, &other);
    rig_assert(rig_manage(rig, &expire), 200, NULL);
    g_autoptr(MeshMapline) end = rig_next_line(rig, other.ticket, MESH_MAPLINE_REVOKED);
    g_assert_true(end->expired);
    follow(rig, &watcher, version(rig));
    g_assert_cmpuint(mesh_netmap_count(watcher.map), ==, 0);
    g_assert_cmpuint(mesh_netmap_get_gone(watcher.map, &n)[0].serial, ==, 2);
    rig_assert(rig_manage(rig, &drop), 200, NULL);
    g_autoptr(MeshMapline) removed = rig_next_line(rig, watcher.ticket, MESH_MAPLINE_REVOKED);
    g_assert_false(removed->expired);
    mesh_netmap_free(watcher.map);
    mesh_netmap_free(other.map);
}

static void test_own_change(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    MeshJoinlink     link = rig_key(rig, "home", true);
    RigNode          a = rig_node(&net, "a");
    Client           client = { .node = &a };
    CoreManage       set = {
              .verb = CORE_NODE_SET, .network = "home", .node = "a", .name = "alpha", .expires = -1
    };
    CoreManage rename = {
        .verb = CORE_NETWORK_SET, .network = "home", .name = "house", .approve = -1
    };
    g_autoptr(GError) error = NULL;

    (void)unused;
    rig_assert(rig_register(rig, &a, &link), 200, NULL);
    connect_client(rig, &client);
    rig_assert(rig_manage(rig, &set), 200, NULL);
    follow(rig, &client, version(rig));
    const MeshNetmapHead *head = mesh_netmap_get_head(client.map);
    g_autoptr(MeshMember) member =
        mesh_member_open(head->m, &net, &core_get_identity(rig->core)->key, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(member->name, ==, "alpha");
    g_assert_cmpuint(mesh_netmap_count(client.map), ==, 0);
    rig_assert(rig_manage(rig, &rename), 200, NULL); /* a new policy: it holds the suffix */
    follow(rig, &client, version(rig));
    head = mesh_netmap_get_head(client.map);
    g_assert_cmpstr(head->network.name, ==, "house");
    g_autoptr(MeshAcl) acl =
        mesh_acl_open(head->p, &net, &core_get_identity(rig->core)->key, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(acl->ver, ==, 2);
    g_assert_cmpstr(acl->suffix, ==, "house.mesh");
    mesh_netmap_free(client.map);
}

/* One random change of node @i of @nodes; some do nothing. */
static void change_something(Rig *rig, RigNode *nodes, const MeshJoinlink *link, unsigned i)
{
    g_autofree char *name = g_strdup_printf("n%u", i);
    g_autofree char *other = g_strdup_printf("r%u-%u", i, g_random_int_range(0, 1000));
    CoreManage       set = { .verb = CORE_NODE_SET, .network = "home", .expires = -1 };

    switch (g_random_int_range(0, 6)) {
    case 0:
        core_answer_free(rig_register(rig, &nodes[i], link));
        break;
    case 1:
        core_answer_free(rig_leave(rig, &nodes[i]));
        nodes[i] = rig_node(&nodes[i].net, "again");
        break;
    case 2:
        set.node = name;
        set.name = other;
        core_answer_free(rig_manage(rig, &set));
        break;
    case 3:
        nodes[i].no_ip4 = !nodes[i].no_ip4;
        core_answer_free(rig_register(rig, &nodes[i], link));
        break;
    case 4:
        nodes[i].k_seq++;
        core_answer_free(rig_report(rig, &nodes[i], "192.0.2.3:999"));
        break;
    default:
        set.verb = CORE_NODE_EXPIRE;
        set.node = name;
        core_answer_free(rig_manage(rig, &set));
    }
}

/* Whatever happens: who follows the stream, who comes back with a cursor, and who starts anew see
 * the same map. */
static void test_equivalence(Rig *rig, gconstpointer unused)
{
    enum { NODES = 24, ROUNDS = 12, CHANGES = 20 };
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", "10.9.0.0/16", &net);
    MeshJoinlink     link = rig_key(rig, "home", true);
    RigNode          nodes[NODES], live_node = rig_node(&net, "live"), late_node, fresh_node;
    Client           live = { .node = &live_node }, late = { .node = &late_node };

    (void)unused;
    late_node = rig_node(&net, "late");
    fresh_node = rig_node(&net, "fresh");
    for (unsigned i = 0; i < NODES; i++)
        nodes[i] = rig_node(&net, "x");
    rig_assert(rig_register(rig, &live_node, &link), 200, NULL);
    rig_assert(rig_register(rig, &late_node, &link), 200, NULL);
    rig_assert(rig_register(rig, &fresh_node, &link), 200, NULL);
    connect_client(rig, &live);
    for (unsigned round = 0; round < ROUNDS; round++) {
        Client fresh = { .node = &fresh_node };

        connect_client(rig, &late);
        disconnect_client(rig, &late);
        for (unsigned i = 0; i < CHANGES; i++)
            change_something(rig, nodes, &link, (unsigned)g_random_int_range(0, NODES));
        if (round == ROUNDS / 2) {
            rig_restart(rig);
            connect_client(rig, &live);
        }
        follow(rig, &live, version(rig));
        connect_client(rig, &late);
        connect_client(rig, &fresh);
        /* each lacks himself, so compare as seen by one: the others' own entries differ */
        g_assert_cmpuint(mesh_netmap_count(late.map), ==, mesh_netmap_count(fresh.map));
        Client again = { .node = &late_node };
        connect_client(rig, &again); /* the same node, from the start */
        assert_same_map(&late, &again);
        Client live_again = { .node = &live_node };
        connect_client(rig, &live_again);
        assert_same_map(&live, &live_again);
        live.ticket = live_again.ticket;
        live.stream = live_again.stream;
        mesh_netmap_free(live_again.map);
        mesh_netmap_free(again.map);
        mesh_netmap_free(fresh.map);
    }
    mesh_netmap_free(live.map);
    mesh_netmap_free(late.map);
}

/* Far behind: several deltas, each within a line, in one unbroken row. */
static void test_long_delta(Rig *rig, gconstpointer unused)
{
    enum { NODES = 150 };
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    MeshJoinlink     link = rig_key(rig, "home", true);
    RigNode          a = rig_node(&net, "a");
    Client           client = { .node = &a }, again = { .node = &a };
    CoreAnswer      *answer;
    uint64_t         at;
    unsigned         deltas = 0;
    MeshTip          tip;

    (void)unused;
    rig_assert(rig_register(rig, &a, &link), 200, NULL);
    at = version(rig);
    connect_client(rig, &client);
    disconnect_client(rig, &client);
    for (unsigned i = 0; i < NODES; i++) {
        RigNode node = rig_node(&net, "n");

        rig_assert(rig_register(rig, &node, &link), 200, NULL);
    }
    client.ticket = rig_open(rig, &a, 1, at);
    mesh_netmap_begin(client.map, &a.nonce);
    answer = rig_wait(rig, client.ticket);
    for (guint i = 0; i < answer->lines->len; i++) {
        g_autoptr(MeshMapline) line = rig_line(answer, i);

        if (line->type != MESH_MAPLINE_DELTA)
            continue;
        g_assert_cmpuint(line->from, ==, at);
        at = line->to;
        deltas++;
        /* hello's tip told the newest version: an older one behind it would be a rollback */
        g_assert_true(
            mesh_tip_open(line->tip, &net, &core_get_identity(rig->core)->key, &tip, NULL));
        g_assert_cmpuint(tip.ver, ==, version(rig));
    }
    g_assert_cmpuint(deltas, >=, 2);
    g_assert_cmpuint(at, ==, version(rig));
    apply(&client, answer);
    core_answer_free(answer);
    connect_client(rig, &again);
    assert_same_map(&client, &again);
    mesh_netmap_free(client.map);
    mesh_netmap_free(again.map);
}

static void test_drain(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    MeshJoinlink     link = rig_key(rig, "home", true);
    RigNode          a = rig_node(&net, "a");
    Client           client = { .node = &a };

    (void)unused;
    rig_assert(rig_register(rig, &a, &link), 200, NULL);
    connect_client(rig, &client);
    rig_assert(rig_drain(rig, 2, 7), 200, NULL);
    g_autoptr(MeshMapline) end = rig_next_line(rig, client.ticket, MESH_MAPLINE_RESTART);
    g_assert_cmpuint(end->retry_in_s, ==, 2);
    g_assert_cmpuint(end->spread_s, ==, 7);
    rig_assert(rig_register(rig, &a, NULL), 503, "busy");
    mesh_netmap_free(client.map);
}

static void test_reports(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    MeshJoinlink     link = rig_key(rig, "home", true);
    RigNode          a = rig_node(&net, "a"), b = rig_node(&net, "b");
    unsigned         refused = 0;

    (void)unused;
    rig_assert(rig_report(rig, &a, "192.0.2.1:5000"), 403, "not-member");
    rig_assert(rig_register(rig, &a, &link), 200, NULL);
    rig_assert(rig_register(rig, &b, &link), 200, NULL);
    for (unsigned i = 0; i < 40; i++) { /* 40 in far less than 8 s */
        CoreAnswer *answer = rig_report(rig, &a, "192.0.2.1:5000");

        refused += answer->status == 429;
        core_answer_free(answer);
    }
    g_assert_cmpuint(refused, >, 0);
    b.wg = a.wg; /* a K that takes another's WireGuard key */
    b.k_seq++;
    rig_assert(rig_report(rig, &b, "192.0.2.1:5000"), 409, "conflict");
}

#define ADD(name, func) g_test_add("/map/" name, Rig, NULL, rig_start, func, rig_stop)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("snapshot", test_snapshot);
    ADD("cursor-up-to-date-ahead-other-epoch", test_up_to_date);
    ADD("newer-stream-replaces", test_replaced);
    ADD("presence-and-endpoints", test_presence_and_endpoints);
    ADD("revoked", test_revoked);
    ADD("own-change-and-policy", test_own_change);
    ADD("deltas-equal-snapshots", test_equivalence);
    ADD("long-delta-is-split", test_long_delta);
    ADD("drain", test_drain);
    ADD("reports", test_reports);
    return g_test_run();
}
