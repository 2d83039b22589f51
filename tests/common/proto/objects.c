/* tests/common/proto/objects.c: see objects.h. */
#include "tests/common/proto/objects.h"

#include "common/std/endpoint.h"

MeshMember *fixture_member(unsigned n)
{
    MeshMember *member = mesh_member_new();
    char        text[64];

    member->node = fixture_node(n).key;
    g_snprintf(member->name, sizeof(member->name), "node-%u", n);
    g_snprintf(text, sizeof(text), "10.71.0.%u", 10 + n);
    member->ip4 = fixture_addr(text);
    g_snprintf(text, sizeof(text), "fd00:1:2::%x", 10 + n);
    member->ip6 = fixture_addr(text);
    member->serial = n;
    member->nbf = FIXTURE_NOW - 1000;
    member->exp = FIXTURE_NOW + 86400;
    return member;
}

MeshSigned *fixture_sign_member(const MeshMember *member)
{
    MeshNetwork network = fixture_network();
    FixturePair server = fixture_server();
    g_autoptr(GError) error = NULL;
    MeshSigned *m = mesh_member_sign(member, &network.id, &server.secret, &error);

    g_assert_no_error(error);
    return m;
}

MeshSigned *fixture_k(unsigned n, uint64_t seq)
{
    MeshNetwork network = fixture_network();
    FixturePair node = fixture_node(n);
    MeshKey     wg = fixture_wg(n);
    MeshRecordK record = mesh_record_make_k(&node.key, &wg, seq);
    g_autoptr(GError) error = NULL;
    MeshSigned *k = mesh_record_sign_k(&record, &network.id, &node.secret, &error);

    g_assert_no_error(error);
    return k;
}

MeshSigned *fixture_e(unsigned n, uint64_t seq, const char *endpoint, MeshRecordKind kind)
{
    MeshNetwork network = fixture_network();
    FixturePair node = fixture_node(n);
    MeshRecordE record = { .node = node.key, .seq = seq, .exp = FIXTURE_NOW + 3600 };
    g_autoptr(GError) error = NULL;
    MeshSigned *e;

    record.n_endpoints = 1;
    record.endpoints[0].kind = kind;
    g_assert_cmpint(mesh_endpoint_parse(endpoint, &record.endpoints[0].endpoint), ==, 0);
    e = mesh_record_sign_e(&record, &network.id, &node.secret, &error);
    g_assert_no_error(error);
    return e;
}

MeshSigned *fixture_policy(uint64_t ver)
{
    MeshNetwork network = fixture_network();
    FixturePair server = fixture_server();
    g_autoptr(MeshAcl) acl = mesh_acl_new_open(ver, &network);
    g_autofree char *body = mesh_acl_encode(acl, &network.id);
    g_autoptr(GError) error = NULL;
    MeshSigned *p = mesh_signed_make(MESH_SIGNED_P, &network.id, body, &server.secret, &error);

    g_assert_no_error(error);
    return p;
}

MeshSigned *fixture_tip(uint64_t epoch, uint64_t ver, uint64_t pver, const MeshNonce *nonce)
{
    MeshNetwork network = fixture_network();
    FixturePair server = fixture_server();
    MeshTip     tip = { .epoch = epoch, .ver = ver, .pver = pver, .time = FIXTURE_NOW };
    g_autoptr(GError) error = NULL;
    MeshSigned *object;

    if (nonce != NULL) {
        tip.has_nonce = true;
        tip.nonce = *nonce;
    }
    object = mesh_tip_sign(&tip, &network.id, &server.secret, &error);
    g_assert_no_error(error);
    return object;
}

MeshPeer fixture_peer(unsigned n)
{
    g_autoptr(MeshMember) member = fixture_member(n);

    return (MeshPeer){
        .index = n, .online = true, .m = fixture_sign_member(member), .k = fixture_k(n, 1)
    };
}
