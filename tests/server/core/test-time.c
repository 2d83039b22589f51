/* What time does: memberships are renewed and end, addresses return, presence fades. The clock is
 * the test's; the control thread looks at it whenever it is called. */
#include "common/proto/member.h"
#include "common/proto/register.h"
#include "common/std/clock.h"
#include "server/core/pace.h"
#include "tests/server/core/rig.h"

#include <sqlite3.h>

#define DAY_S INT64_C(86400)

static _Atomic int64_t ahead_s; /* how far the test's clock is ahead of the real one */

static int64_t boot_ns(void *unused)
{
    struct timespec now;

    (void)unused;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (now.tv_sec + ahead_s) * INT64_C(1000000000) + now.tv_nsec;
}

static int64_t wall_ns(void *unused)
{
    struct timespec now;

    (void)unused;
    clock_gettime(CLOCK_REALTIME, &now);
    return (now.tv_sec + ahead_s) * INT64_C(1000000000) + now.tv_nsec;
}

/* Moves the clock, and wakes the control thread by a call. */
static void move(Rig *rig, int64_t seconds)
{
    CoreManage status = { .verb = CORE_STATUS };

    ahead_s += seconds;
    core_answer_free(rig_manage(rig, &status));
}

/* The only node of "home". Owned, with the answer it is in. */
static CoreAnswer *get_node(Rig *rig, CoreNodeInfo **out_info)
{
    CoreManage  list = { .verb = CORE_NODE_LIST, .network = "home" };
    CoreAnswer *answer = rig_manage(rig, &list);

    g_assert_cmpuint(answer->result->len, ==, 1);
    *out_info = g_ptr_array_index(answer->result, 0);
    return answer;
}

static uint64_t version(Rig *rig)
{
    CoreManage  list = { .verb = CORE_NETWORK_LIST };
    CoreAnswer *answer = rig_manage(rig, &list);
    uint64_t    ver = ((CoreNetworkInfo *)g_ptr_array_index(answer->result, 0))->ver;

    core_answer_free(answer);
    return ver;
}

static CoreNodeState state_of_node(Rig *rig)
{
    CoreNodeInfo *info;
    CoreAnswer   *answer = get_node(rig, &info);
    CoreNodeState state = info->state;

    core_answer_free(answer);
    return state;
}

static MeshMember *member_in(Rig *rig, const RigNode *node, MeshSigned *object)
{
    g_autoptr(GError) error = NULL;
    MeshMember *member =
        mesh_member_open(object, &node->net, &core_get_identity(rig->core)->key, &error);

    g_assert_no_error(error);
    return member;
}

static void test_renewal(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    MeshJoinlink     link = rig_key(rig, "home", true);
    RigNode          a = rig_node(&net, "a");
    int64_t          before = mesh_clock_wall_s();
    uint64_t         ticket, ver;

    (void)unused;
    rig_assert(rig_register(rig, &a, &link), 200, NULL);
    ticket = rig_open(rig, &a, 0, 0);
    g_autoptr(MeshMapline) snap = rig_next_line(rig, ticket, MESH_MAPLINE_SNAP);
    g_autoptr(MeshMember) first = member_in(rig, &a, snap->m);
    ver = version(rig);
    move(rig, 14 * DAY_S);
    g_assert_cmpint(state_of_node(rig), ==, CORE_NODE_ACTIVE);
    g_assert_cmpuint(version(rig), ==, ver); /* not yet */
    move(rig, 2 * DAY_S);
    g_autoptr(MeshMapline) delta = rig_next_line(rig, ticket, MESH_MAPLINE_DELTA);
    g_autoptr(MeshMember) second = member_in(rig, &a, delta->m);
    g_assert_cmpuint(second->serial, >, first->serial);
    g_assert_cmpint(second->nbf, >=, before + 16 * DAY_S);
    g_assert_cmpint(second->exp - second->nbf, ==, 30 * DAY_S);
    g_assert_cmpstr(second->name, ==, "a");
    g_assert_true(mesh_ip_equal_addr(&second->ip6, &first->ip6));
}

static void test_membership_ends(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    MeshJoinlink     link = rig_key(rig, "home", true);
    RigNode          a = rig_node(&net, "a");
    int64_t          end = mesh_clock_wall_s() + 3 * DAY_S;
    CoreManage set = { .verb = CORE_NODE_SET, .network = "home", .node = "a", .expires = end };
    uint64_t   ticket, ver;

    (void)unused;
    rig_assert(rig_register(rig, &a, &link), 200, NULL);
    ticket = rig_open(rig, &a, 0, 0);
    core_answer_free(rig_wait(rig, ticket));
    rig_assert(rig_manage(rig, &set), 200, NULL);
    g_autoptr(MeshMapline) delta = rig_next_line(rig, ticket, MESH_MAPLINE_DELTA);
    g_autoptr(MeshMember) member = member_in(rig, &a, delta->m);
    g_assert_cmpint(member->exp, ==, end); /* no certificate outlives the membership */
    ver = version(rig);
    move(rig, 3 * DAY_S - 60);
    g_assert_cmpint(state_of_node(rig), ==, CORE_NODE_ACTIVE);
    g_assert_cmpuint(version(rig), ==, ver); /* nor is it renewed in vain */
    move(rig, 120);
    g_autoptr(MeshMapline) revoked = rig_next_line(rig, ticket, MESH_MAPLINE_REVOKED);
    g_assert_true(revoked->expired);
    g_assert_cmpint(state_of_node(rig), ==, CORE_NODE_EXPIRED);
}

static void test_while_away(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    MeshJoinlink     link = rig_key(rig, "home", true);
    RigNode          a = rig_node(&net, "a");
    uint64_t         ticket;

    (void)unused;
    rig_assert(rig_register(rig, &a, &link), 200, NULL);
    ahead_s += 40 * DAY_S;
    rig_restart(rig); /* its M has ended meanwhile: a new one is made at once */
    for (bool fresh = false; !fresh;) {
        ticket = rig_open(rig, &a, 0, 0);
        g_autoptr(MeshMapline) snap = rig_next_line(rig, ticket, MESH_MAPLINE_SNAP);
        g_autoptr(MeshMember) member = member_in(rig, &a, snap->m);

        fresh = mesh_member_check_time(member, mesh_clock_wall_s(), NULL);
    }
}

/* The server's clock was ahead when it signed, and is right now: what begins only in weeks is made
 * anew, not waited for. */
static void test_clock_was_ahead(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    MeshJoinlink     link = rig_key(rig, "home", true);
    RigNode          a = rig_node(&net, "a");
    bool             fresh = false;

    (void)unused;
    ahead_s += 40 * DAY_S;
    link = rig_key(rig, "home", true);
    rig_assert(rig_register(rig, &a, &link), 200, NULL);
    ahead_s -= 40 * DAY_S;
    rig_restart(rig);
    for (int64_t until = mesh_clock_boot_ms() + 10000; !fresh && mesh_clock_boot_ms() < until;) {
        uint64_t ticket = rig_open(rig, &a, 0, 0);
        g_autoptr(MeshMapline) snap = rig_next_line(rig, ticket, MESH_MAPLINE_SNAP);
        g_autoptr(MeshMember) member = member_in(rig, &a, snap->m);

        fresh = mesh_member_check_time(member, mesh_clock_wall_s(), NULL);
    }
    g_assert_true(fresh);
}

/* The same, and the node starts anew: it must not wait until time has come to where it was. */
static void test_node_starts_anew(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    MeshJoinlink     link = rig_key(rig, "home", true);
    RigNode          a = rig_node(&net, "a");

    (void)unused;
    ahead_s += 1200;
    rig_assert(rig_register(rig, &a, &link), 200, NULL);
    rig_assert(rig_report(rig, &a, "192.0.2.1:5000"), 200, NULL);
    ahead_s -= 1200;
    a.nonce = mesh_reqsign_make_nonce();
    rig_assert(rig_register(rig, &a, NULL), 200, NULL);
    a.nonce.number--; /* the window counts again */
    rig_assert(rig_register(rig, &a, NULL), 401, "replayed");
}

static void test_approve_too_late(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    CoreManage       ask = { .verb = CORE_NETWORK_SET, .network = "home", .approve = 1 };
    CoreManage       approve = { .verb = CORE_NODE_APPROVE, .network = "home", .node = "a" };
    CoreManage       set = { .verb = CORE_NODE_SET, .network = "home", .node = "a" };
    MeshJoinlink     link = rig_key(rig, "home", true);
    RigNode          a = rig_node(&net, "a");

    (void)unused;
    rig_assert(rig_manage(rig, &ask), 200, NULL);
    rig_assert(rig_register(rig, &a, &link), 202, NULL);
    set.expires = mesh_clock_wall_s() + 600;
    rig_assert(rig_manage(rig, &set), 200, NULL);
    move(rig, 700);
    rig_assert(rig_manage(rig, &approve), 409, "conflict"); /* and says what to do */
    set.expires = 0;
    rig_assert(rig_manage(rig, &set), 200, NULL);
    rig_assert(rig_manage(rig, &approve), 200, NULL);
}

static void test_address_returns(Rig *rig, gconstpointer unused)
{
    static const char *const want[] = { "10.9.9.3", "10.9.9.1", "10.9.9.4" };
    static const int64_t     hours[] = { 0, 25, 0 };
    MeshNetworkId            net;
    g_autofree char         *id = rig_network(rig, "home", "10.9.9.0/24", &net);
    CoreManage   create = { .verb = CORE_KEY_CREATE, .network = "home", .reusable = true };
    CoreAnswer  *answer = rig_manage(rig, &create);
    MeshJoinlink link;
    RigNode      a = rig_node(&net, "a"), b = rig_node(&net, "b");

    (void)unused;
    g_assert_true(mesh_joinlink_parse(((CoreKeyInfo *)g_ptr_array_index(answer->result, 0))->link,
                                      &link, NULL));
    core_answer_free(answer);
    rig_assert(rig_register(rig, &a, &link), 200, NULL); /* .1 */
    rig_assert(rig_register(rig, &b, &link), 200, NULL); /* .2 */
    rig_assert(rig_leave(rig, &a), 200, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(want); i++) {
        RigNode            node = rig_node(&net, "n");
        MeshRegisterAnswer parsed = { 0 };
        char               text[MESH_IP_ADDR_TEXT_SIZE];
        gsize              len;

        move(rig, hours[i] * 3600);
        answer = rig_register(rig, &node, &link);
        g_assert_cmpuint(answer->status, ==, 200);
        const char *body = g_bytes_get_data(answer->body, &len);
        g_assert_true(mesh_register_decode_answer(body, len, &parsed, NULL));
        g_autoptr(MeshMember) member = member_in(rig, &node, parsed.m);
        g_assert_cmpstr(mesh_ip_format_addr(&member->ip4, text), ==, want[i]);
        mesh_register_clear_answer(&parsed);
        core_answer_free(answer);
    }
}

static void test_grace(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    MeshJoinlink     link = rig_key(rig, "home", true);
    RigNode          a = rig_node(&net, "a");
    CoreAnswer      *answer;
    CoreNodeInfo    *info;

    (void)unused;
    rig_assert(rig_register(rig, &a, &link), 200, NULL);
    answer = rig_wait(rig, rig_open(rig, &a, 0, 0));
    core_close_map(rig->core, answer->stream);
    core_answer_free(answer);
    move(rig, 0); /* closed, before the clock moves */
    move(rig, 8);
    answer = get_node(rig, &info);
    g_assert_true(info->online);
    core_answer_free(answer);
    move(rig, 3);
    answer = get_node(rig, &info);
    g_assert_false(info->online);
    core_answer_free(answer);
}

/* The "off" line of who follows, that of who comes back with a cursor, and the peer of a snapshot
 * say the same time: when the node was there last, not when its grace was over. */
static void test_last_seen(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    MeshJoinlink     link = rig_key(rig, "home", true);
    RigNode          a = rig_node(&net, "a"), b = rig_node(&net, "b");
    uint64_t         stream, ver;
    CoreAnswer      *answer;
    int64_t          before, after;

    (void)unused;
    rig_assert(rig_register(rig, &a, &link), 200, NULL);
    rig_assert(rig_register(rig, &b, &link), 200, NULL);
    stream = rig_open(rig, &b, 0, 0);
    g_autoptr(MeshMapline) end = rig_next_line(rig, stream, MESH_MAPLINE_SNAP_END);
    ver = end->ver;
    answer = rig_wait(rig, rig_open(rig, &a, 0, 0));
    before = mesh_clock_wall_s();
    core_close_map(rig->core, answer->stream);
    core_answer_free(answer);
    move(rig, 0); /* closed, before the clock moves */
    after = mesh_clock_wall_s();
    move(rig, 11);
    g_autoptr(MeshMapline) off = rig_next_line(rig, stream, MESH_MAPLINE_OFF);
    g_assert_cmpuint(off->n_indexes, ==, 1);
    g_assert_nonnull(off->seen);
    g_assert_cmpint(off->seen[0], >=, before);
    g_assert_cmpint(off->seen[0], <=, after);
    g_autoptr(MeshMapline) again = rig_next_line(rig, rig_open(rig, &b, 1, ver), MESH_MAPLINE_OFF);
    g_assert_cmpuint(again->n_indexes, ==, 1);
    g_assert_cmpuint(again->indexes[0], ==, off->indexes[0]);
    g_assert_cmpuint(again->seen[0], ==, off->seen[0]);
    g_autoptr(MeshMapline) peers = rig_next_line(rig, rig_open(rig, &b, 0, 0), MESH_MAPLINE_PEERS);
    g_assert_false(peers->peers[0].online);
    g_assert_cmpuint(peers->peers[0].last_seen, ==, off->seen[0]);
    g_assert_null(peers->peers[0].owner);
}

static void test_key_expires(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    MeshJoinlink     link = rig_key(rig, "home", true); /* for an hour */
    RigNode          a = rig_node(&net, "a"), b = rig_node(&net, "b");

    (void)unused;
    move(rig, 3590);
    rig_assert(rig_register(rig, &a, &link), 200, NULL);
    move(rig, 20);
    rig_assert(rig_register(rig, &b, &link), 403, "key-expired");
    rig_assert(rig_register(rig, &a, &link), 200, NULL); /* a member needs none */
}

static void test_held_registration_ends(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    CoreManage       set = { .verb = CORE_NETWORK_SET, .network = "home", .approve = 1 };
    MeshJoinlink     link = rig_key(rig, "home", true);
    RigNode          a = rig_node(&net, "a");
    uint64_t         held;

    (void)unused;
    rig_assert(rig_manage(rig, &set), 200, NULL);
    held = rig_send_register(rig, &a, &link, 55);
    g_assert_false(rig_is_answered(rig, held, 50));
    move(rig, 56);
    rig_assert(rig_wait(rig, held), 202, NULL);
}

/* One node asks and asks: it is told when to come back, and then may. */
static void test_register_paced(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", "10.9.0.0/16", &net);
    MeshJoinlink     link = rig_key(rig, "home", true);
    RigNode          a = rig_node(&net, "a"), b = rig_node(&net, "b");
    CoreAnswer      *answer;
    unsigned         retry_in_s;

    (void)unused;
    rig_assert(rig_register(rig, &a, &link), 200, NULL);
    for (unsigned i = 0; i < CORE_PACE_NODE_BURST; i++)
        rig_assert(rig_register(rig, &a, NULL), 200, NULL);
    answer = rig_register(rig, &a, NULL);
    retry_in_s = answer->retry_in_s;
    rig_assert(answer, 429, "busy");
    g_assert_cmpuint(retry_in_s, >, 0);
    rig_assert(rig_register(rig, &b, &link), 200, NULL); /* others are not kept out */
    move(rig, retry_in_s);
    rig_assert(rig_register(rig, &a, NULL), 200, NULL);
}

/* The network's database, behind the server's back: many changes went by. */
static void grow_version(Rig *rig)
{
    g_autofree char *path = g_build_filename(rig->dir, "mesh.db", NULL);
    sqlite3         *db = NULL;

    g_assert_cmpint(sqlite3_open(path, &db), ==, SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    g_assert_cmpint(sqlite3_exec(db, "UPDATE network SET ver=ver+20000", NULL, NULL, NULL), ==,
                    SQLITE_OK);
    sqlite3_close(db);
    rig_restart(rig);
}

/* Of a key that never ends. */
static MeshJoinlink key_for_ever(Rig *rig)
{
    CoreManage   create = { .verb = CORE_KEY_CREATE, .network = "home", .reusable = true };
    CoreAnswer  *answer = rig_manage(rig, &create);
    MeshJoinlink link = { 0 };

    g_assert_true(mesh_joinlink_parse(((CoreKeyInfo *)g_ptr_array_index(answer->result, 0))->link,
                                      &link, NULL));
    core_answer_free(answer);
    return link;
}

/* A node that left is forgotten once nothing of it can be valid; one that was removed never is. */
static void test_parted_is_forgotten(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", "10.9.0.0/16", &net);
    MeshJoinlink     link = key_for_ever(rig);
    RigNode          left = rig_node(&net, "left"), removed = rig_node(&net, "removed");
    CoreManage       remove = { .verb = CORE_NODE_REMOVE, .network = "home", .node = "removed" };

    (void)unused;
    rig_assert(rig_register(rig, &left, &link), 200, NULL);
    rig_assert(rig_register(rig, &removed, &link), 200, NULL);
    rig_assert(rig_leave(rig, &left), 200, NULL);
    rig_assert(rig_manage(rig, &remove), 200, NULL);
    rig_assert(rig_register(rig, &left, &link), 403, "removed");
    grow_version(rig);
    move(rig, 29 * DAY_S);
    rig_assert(rig_register(rig, &left, &link), 403, "removed");
    move(rig, 2 * DAY_S);
    for (bool forgotten = false; !forgotten;) { /* the test's own time limit ends a hang */
        CoreAnswer *answer = rig_register(rig, &left, &link);

        forgotten = answer->status == 200;
        core_answer_free(answer);
        g_thread_yield();
    }
    rig_assert(rig_register(rig, &removed, &link), 403, "removed");
}

#define ADD(name, func) g_test_add("/time/" name, Rig, NULL, rig_start, func, rig_stop)

int main(int argc, char **argv)
{
    MeshClockSource source = { .boot_ns = boot_ns, .wall_ns = wall_ns };

    g_test_init(&argc, &argv, NULL);
    mesh_clock_set_source(&source);
    ADD("renewal-at-half-life", test_renewal);
    ADD("membership-ends", test_membership_ends);
    ADD("renewal-after-absence", test_while_away);
    ADD("renewal-after-clock-was-ahead", test_clock_was_ahead);
    ADD("node-restarts-after-clock-was-ahead", test_node_starts_anew);
    ADD("approve-after-its-end", test_approve_too_late);
    ADD("address-returns-after-a-day", test_address_returns);
    ADD("offline-after-10-s", test_grace);
    ADD("last-seen", test_last_seen);
    ADD("key-expires", test_key_expires);
    ADD("held-registration-ends", test_held_registration_ends);
    ADD("registrations-are-paced", test_register_paced);
    ADD("who-left-is-forgotten", test_parted_is_forgotten);
    return g_test_run();
}
