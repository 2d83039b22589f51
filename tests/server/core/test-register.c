/* Who is admitted, as what: join keys, repeats, approval, expiry, removal. */
#include "common/proto/member.h"
#include "common/proto/register.h"
#include "tests/server/core/rig.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* The membership in a 200 answer, verified with the server's key. Owned; frees @answer. */
static MeshMember *member_of(Rig *rig, const RigNode *node, CoreAnswer *answer)
{
    MeshRegisterAnswer parsed = { 0 };
    g_autoptr(GError) error = NULL;
    gsize       len;
    const char *text;
    MeshMember *member;

    g_assert_cmpuint(answer->status, ==, 200);
    text = g_bytes_get_data(answer->body, &len);
    g_assert_true(mesh_register_decode_answer(text, len, &parsed, &error));
    g_assert_no_error(error);
    member = mesh_member_open(parsed.m, &node->net, &core_get_identity(rig->core)->key, &error);
    g_assert_no_error(error);
    g_assert_true(mesh_key_equal(&member->node, &node->key));
    mesh_register_clear_answer(&parsed);
    core_answer_free(answer);
    return member;
}

static void assert_ip4(const MeshMember *member, const char *want)
{
    char text[MESH_IP_ADDR_TEXT_SIZE];

    g_assert_cmpstr(mesh_ip_format_addr(&member->ip4, text), ==, want);
}

static void test_join(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", "10.9.0.0/16", &net);
    MeshJoinlink     link = rig_key(rig, "home", false);
    RigNode          a = rig_node(&net, "My Laptop!"), b = rig_node(&net, "b");
    g_autoptr(MeshMember) member = member_of(rig, &a, rig_register(rig, &a, &link));
    MeshPrefix ula;

    (void)unused;
    g_assert_cmpstr(member->name, ==, "my-laptop");
    assert_ip4(member, "10.9.0.10"); /* the first 9 hosts of a /16 are left out */
    g_assert_cmpuint(member->serial, ==, 1);
    g_assert_cmpint(member->exp - member->nbf, ==, MESH_MEMBER_MAX_LIFE_S);
    g_assert_cmpint(mesh_ip_parse_prefix("fd00::/8", &ula), ==, 0);
    g_assert_true(mesh_ip_contains(&ula, &member->ip6));
    /* single use: another node is refused, the same one may repeat, with or without the key */
    rig_assert(rig_register(rig, &b, &link), 403, "key-used");
    g_autoptr(MeshMember) again = member_of(rig, &a, rig_register(rig, &a, &link));
    g_assert_cmpuint(again->serial, ==, 1);
    rig_assert(rig_register(rig, &a, NULL), 200, NULL);
    rig_assert(rig_register(rig, &b, NULL), 403, "not-member");
}

static void test_names(Rig *rig, gconstpointer unused)
{
    static const char *const want[] = { "node", "node-2", "node-3" };
    MeshNetworkId            net;
    g_autofree char         *id = rig_network(rig, "home", NULL, &net);
    MeshJoinlink             link = rig_key(rig, id, true);

    (void)unused;
    for (size_t i = 0; i < G_N_ELEMENTS(want); i++) {
        RigNode node = rig_node(&net, "");
        g_autoptr(MeshMember) member = member_of(rig, &node, rig_register(rig, &node, &link));

        g_assert_cmpstr(member->name, ==, want[i]);
    }
}

static void test_bad_keys(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net, other;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    g_autofree char *id2 = rig_network(rig, "office", NULL, &other);
    MeshJoinlink     link = rig_key(rig, "home", false), elsewhere = rig_key(rig, "office", false);
    RigNode          node = rig_node(&net, "a");
    CoreManage       list = { .verb = CORE_KEY_LIST, .network = "home" };
    CoreAnswer      *answer = rig_manage(rig, &list);
    CoreManage       revoke = { .verb = CORE_KEY_REVOKE, .network = "home" };

    (void)unused;
    rig_assert(rig_register(rig, &node, &elsewhere), 403, "key-unknown");
    revoke.key = ((CoreKeyInfo *)g_ptr_array_index(answer->result, 0))->id;
    rig_assert(rig_manage(rig, &revoke), 200, NULL);
    core_answer_free(answer);
    rig_assert(rig_register(rig, &node, &link), 403, "key-revoked");
    memset(&node.net, 7, sizeof node.net);
    rig_assert(rig_register(rig, &node, &link), 404, "no-network");
}

/* One key, a hundred nodes at once: exactly one gets in, the others learn why not. */
static void test_race(Rig *rig, gconstpointer unused)
{
    enum { N = 100 };
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    MeshJoinlink     link = rig_key(rig, "home", false);
    RigNode          nodes[N];
    uint64_t         tickets[N];
    unsigned         in = 0;

    (void)unused;
    for (unsigned i = 0; i < N; i++)
        nodes[i] = rig_node(&net, "racer");
    for (unsigned i = 0; i < N; i++)
        tickets[i] = rig_send_register(rig, &nodes[i], &link, 0);
    for (unsigned i = 0; i < N; i++) {
        CoreAnswer *answer = rig_wait(rig, tickets[i]);

        in += answer->status == 200;
        if (answer->status != 200)
            g_assert_cmpstr(answer->code, ==, "key-used");
        core_answer_free(answer);
    }
    g_assert_cmpuint(in, ==, 1);
}

static void test_no_ip4(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", "10.9.9.0/24", &net);
    MeshJoinlink     link = rig_key(rig, "home", true);
    RigNode          a = rig_node(&net, "a"), b = rig_node(&net, "b");

    (void)unused;
    g_autoptr(MeshMember) first = member_of(rig, &a, rig_register(rig, &a, &link));
    assert_ip4(first, "10.9.9.1");
    a.no_ip4 = true; /* its host has a clash: the address is given back, a new M follows */
    g_autoptr(MeshMember) second = member_of(rig, &a, rig_register(rig, &a, NULL));
    assert_ip4(second, "-");
    g_assert_cmpuint(second->serial, >, first->serial);
    g_autoptr(MeshMember) other = member_of(rig, &b, rig_register(rig, &b, &link));
    assert_ip4(other, "10.9.9.2");
}

static void test_full(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "tiny", "10.9.9.0/30", &net);
    MeshJoinlink     link = rig_key(rig, "tiny", true);
    RigNode          a = rig_node(&net, "a"), b = rig_node(&net, "b"), c = rig_node(&net, "c");
    CoreManage       drop = { .verb = CORE_NODE_REMOVE, .network = "tiny", .node = "a" };

    (void)unused;
    rig_assert(rig_register(rig, &a, &link), 200, NULL);
    rig_assert(rig_register(rig, &b, &link), 200, NULL);
    rig_assert(rig_register(rig, &c, &link), 409, "full");
    rig_assert(rig_manage(rig, &drop), 200, NULL); /* held back, but nothing else is free */
    g_autoptr(MeshMember) member = member_of(rig, &c, rig_register(rig, &c, &link));
    assert_ip4(member, "10.9.9.1");
    rig_assert(rig_register(rig, &a, &link), 403, "removed");
}

static void test_conflicts(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    MeshJoinlink     link = rig_key(rig, "home", true);
    RigNode          a = rig_node(&net, "a"), b = rig_node(&net, "b");
    MeshKey          old = a.wg;

    (void)unused;
    rig_assert(rig_register(rig, &a, &link), 200, NULL);
    b.wg = a.wg;
    rig_assert(rig_register(rig, &b, &link), 409, "conflict"); /* the WireGuard key of another */
    mesh_key_random(&a.wg, sizeof a.wg);
    rig_assert(rig_register(rig, &a, NULL), 409, "conflict"); /* the same seq, other bytes */
    a.k_seq++;
    rig_assert(rig_register(rig, &a, NULL), 200, NULL);
    b.wg = old;
    rig_assert(rig_register(rig, &b, &link), 200, NULL); /* nobody uses it any more */
}

static void test_approval(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    CoreManage       set = { .verb = CORE_NETWORK_SET, .network = "home", .approve = 1 };
    CoreManage       approve = { .verb = CORE_NODE_APPROVE, .network = "home", .node = "a" };
    CoreManage       drop = { .verb = CORE_NODE_REMOVE, .network = "home", .node = "b" };
    MeshJoinlink     link = rig_key(rig, "home", true);
    RigNode          a = rig_node(&net, "a"), b = rig_node(&net, "b");
    uint64_t         held, map;

    (void)unused;
    rig_assert(rig_manage(rig, &set), 200, NULL);
    rig_assert(rig_register(rig, &a, &link), 202, NULL);
    map = rig_open(rig, &a, 0, 0);
    rig_assert(rig_wait(rig, map), 403, "not-member");
    held = rig_send_register(rig, &a, NULL, 55);
    rig_assert(rig_register(rig, &b, &link), 202, NULL);
    g_assert_false(rig_is_answered(rig, held, 0));
    rig_assert(rig_manage(rig, &approve), 200, NULL);
    g_autoptr(MeshMember) member = member_of(rig, &a, rig_wait(rig, held));
    g_assert_cmpstr(member->name, ==, "a");
    rig_assert(rig_manage(rig, &approve), 409, "conflict");
    held = rig_send_register(rig, &b, NULL, 55); /* refused while it waits */
    rig_assert(rig_manage(rig, &drop), 200, NULL);
    rig_assert(rig_wait(rig, held), 403, "removed");
}

static void test_expire_and_return(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    CoreManage       expire = { .verb = CORE_NODE_EXPIRE, .network = "home", .node = "a" };
    MeshJoinlink     link = rig_key(rig, "home", true);
    RigNode          a = rig_node(&net, "a");

    (void)unused;
    g_autoptr(MeshMember) before = member_of(rig, &a, rig_register(rig, &a, &link));
    rig_assert(rig_manage(rig, &expire), 200, NULL);
    rig_assert(rig_wait(rig, rig_open(rig, &a, 0, 0)), 403, "expired");
    rig_assert(rig_register(rig, &a, NULL), 403, "expired");
    g_autoptr(MeshMember) after = member_of(rig, &a, rig_register(rig, &a, &link));
    g_assert_true(mesh_ip_equal_addr(&before->ip4, &after->ip4));
    g_assert_cmpuint(after->serial, >, before->serial);
}

static void test_leave(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    MeshJoinlink     link = rig_key(rig, "home", true);
    RigNode          a = rig_node(&net, "a");

    (void)unused;
    rig_assert(rig_register(rig, &a, &link), 200, NULL);
    rig_assert(rig_leave(rig, &a), 200, NULL);
    rig_assert(rig_leave(rig, &a), 403, "removed");
    rig_assert(rig_register(rig, &a, &link), 403, "removed");
}

static void test_replay(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    MeshJoinlink     link = rig_key(rig, "home", true);
    RigNode          a = rig_node(&net, "a");
    MeshNonce        before;
    CoreAnswer      *answer;

    (void)unused;
    rig_assert(rig_register(rig, &a, &link), 200, NULL);
    before = a.nonce;
    rig_assert(rig_register(rig, &a, NULL), 200, NULL);
    a.nonce = before; /* the same number once more */
    answer = rig_register(rig, &a, NULL);
    g_assert_cmpint(answer->after, >, 0);
    rig_assert(answer, 401, "replayed");
    rig_assert(rig_register(rig, &a, NULL), 200, NULL);
}

static void test_forged(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    MeshJoinlink     link = rig_key(rig, "home", true);
    RigNode          a = rig_node(&net, "a"), other = rig_node(&net, "a");

    (void)unused;
    a.key = other.key; /* K signed with another key than the request's */
    rig_assert(rig_register(rig, &a, &link), 400, "bad-request");
    rig_assert(rig_send_raw(rig, &other, "{\"proto\":1}"), 400, "bad-request");
    rig_assert(rig_send_raw(rig, &other, ""), 400, "bad-request");
}

static void test_restart(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    MeshJoinlink     link = rig_key(rig, "home", false);
    RigNode          a = rig_node(&net, "a"), b = rig_node(&net, "b"), c = rig_node(&net, "c");
    MeshJoinlink     many = rig_key(rig, "home", true);

    (void)unused;
    g_autoptr(MeshMember) before = member_of(rig, &a, rig_register(rig, &a, &link));
    rig_assert(rig_register(rig, &c, &many), 200, NULL);
    rig_assert(rig_leave(rig, &c), 200, NULL);
    rig_restart(rig);
    g_autoptr(MeshMember) after = member_of(rig, &a, rig_register(rig, &a, NULL));
    g_assert_cmpuint(after->serial, ==, before->serial);
    g_assert_true(mesh_ip_equal_addr(&before->ip6, &after->ip6));
    rig_assert(rig_register(rig, &b, &link), 403, "key-used");
    rig_assert(rig_register(rig, &c, &many), 403, "removed");
}

/* The disk is full: who writes is told to come back, and no more; nothing is half done. */
static void test_disk_full(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    MeshJoinlink     link = rig_key(rig, "home", false);
    RigNode          a = rig_node(&net, "a");
    struct rlimit    before, none;
    CoreAnswer      *answer;

    (void)unused;
    signal(SIGXFSZ, SIG_IGN); /* a write beyond the limit fails instead */
    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &before), ==, 0);
    none = before;
    none.rlim_cur = 4096;
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &none), ==, 0);
    answer = rig_register(rig, &a, &link);
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &before), ==, 0);
    g_assert_cmpuint(answer->status, ==, 503);
    g_assert_cmpstr(answer->code, ==, "busy");
    g_assert_cmpuint(answer->retry_in_s, >, 0);
    g_assert_cmpstr(answer->message, ==, "the storage cannot be written now");
    core_answer_free(answer);
    rig_assert(rig_register(rig, &a, &link), 200, NULL); /* the key was not consumed */
}

static off_t wal_size(Rig *rig)
{
    g_autofree char *path = g_build_filename(rig->dir, "mesh.db-wal", NULL);
    struct stat      st;

    g_assert_cmpint(stat(path, &st), ==, 0);
    return st.st_size;
}

/* Who has no key costs no write: anybody may ask. */
static void test_refused_writes_nothing(Rig *rig, gconstpointer unused)
{
    MeshNetworkId    net;
    g_autofree char *id = rig_network(rig, "home", NULL, &net);
    MeshJoinlink     link = rig_key(rig, "home", false);
    RigNode          a = rig_node(&net, "a");
    off_t            before = wal_size(rig);

    (void)unused;
    mesh_key_random(link.secret, sizeof link.secret);
    for (unsigned i = 0; i < 20; i++)
        rig_assert(rig_register(rig, &a, &link), 403, "key-unknown");
    g_assert_cmpint(wal_size(rig), ==, before);
}

#define ADD(name, func) g_test_add("/register/" name, Rig, NULL, rig_start, func, rig_stop)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("join-and-repeat", test_join);
    ADD("names-are-unique", test_names);
    ADD("bad-keys", test_bad_keys);
    ADD("single-use-race", test_race);
    ADD("without-ip4", test_no_ip4);
    ADD("full-and-returned-address", test_full);
    ADD("conflicts", test_conflicts);
    ADD("approval", test_approval);
    ADD("expired-member-returns", test_expire_and_return);
    ADD("leave-is-for-ever", test_leave);
    ADD("replayed-nonce", test_replay);
    ADD("forged-or-malformed", test_forged);
    ADD("restart", test_restart);
    ADD("disk-full", test_disk_full);
    ADD("refused-writes-nothing", test_refused_writes_nothing);
    return g_test_run();
}
