/* tests/fuzz/fuzz-signed.c: bodies of K, E, M, P, tip, R, T and set, signed by the rightful key so
 * that decoding is reached: what is accepted encodes to a body that means the same; under another
 * type, network or key, or with one bit of the signature changed, nothing is accepted.
 *
 * The first byte of the input picks the type ("K", "E", "M", "P", "t", "R", "T", "s"), the rest is
 * the body. */
#include "common/proto/acl.h"
#include "common/proto/member.h"
#include "common/proto/memberset.h"
#include "common/proto/record.h"
#include "common/proto/relaymap.h"
#include "common/proto/tip.h"
#include "common/proto/token.h"
#include "tests/fuzz/fuzz-glib.h"
#include "tests/fuzz/fuzz.h"

#include <sys/socket.h>

/* The key pair of a seed of zeros, and the one network; seeds of the corpus name them. */
static MeshSignSecret      secret;
static MeshKey             signer;
static const MeshNetworkId net = { { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef } };

static void start(void)
{
    static bool   ready;
    const uint8_t seed[MESH_SIGN_SEED_BYTES] = { 0 };

    if (ready || mesh_key_init() < 0)
        return;
    mesh_sign_make_pair(seed, &secret, &signer);
    ready = true;
}

/* True when @again is NULL or has exactly the body that @first has. */
static void check_same_body(MeshSigned *first, MeshSigned *again)
{
    assert(first != NULL && again != NULL && mesh_signed_equal(first, again));
    mesh_signed_unref(first);
    mesh_signed_unref(again);
}

static bool open_k(MeshSigned *object, GError **error)
{
    MeshRecordK k = { 0 }, again = { 0 };
    MeshSigned *first;

    if (!mesh_record_open_k(object, &net, &signer, &k, error))
        return false;
    assert(mesh_key_equal(&k.node, &signer) && k.seq >= 1 && k.n_suites >= 1);
    first = mesh_record_sign_k(&k, &net, &secret, NULL);
    assert(mesh_record_open_k(first, &net, &signer, &again, NULL));
    check_same_body(first, mesh_record_sign_k(&again, &net, &secret, NULL));
    return true;
}

static bool open_e(MeshSigned *object, GError **error)
{
    MeshRecordE e = { 0 }, again = { 0 };
    MeshSigned *first;

    if (!mesh_record_open_e(object, &net, &signer, &e, error))
        return false;
    assert(e.n_endpoints <= MESH_RECORD_MAX_ENDPOINTS);
    for (size_t i = 0; i < e.n_endpoints; i++)
        assert(e.endpoints[i].endpoint.port != 0 && e.endpoints[i].endpoint.scope == 0);
    first = mesh_record_sign_e(&e, &net, &secret, NULL);
    assert(mesh_record_open_e(first, &net, &signer, &again, NULL));
    check_same_body(first, mesh_record_sign_e(&again, &net, &secret, NULL));
    return true;
}

static bool open_m(MeshSigned *object, GError **error)
{
    g_autoptr(MeshMember) m = mesh_member_open(object, &net, &signer, error), again = NULL;
    MeshSigned *first;

    if (m == NULL)
        return false;
    assert(mesh_network_is_label(m->name) && m->ip6.family == AF_INET6);
    assert(m->ip4.family == 0 || m->ip4.family == AF_INET);
    assert(m->n_prefixes <= MESH_MEMBER_MAX_PREFIXES);
    assert(g_strv_length(m->tags) <= MESH_MEMBER_MAX_TAGS);
    if (mesh_member_check_time(m, m->exp, NULL) || mesh_member_check_time(m, m->nbf - 301, NULL))
        abort();
    first = mesh_member_sign(m, &net, &secret, NULL);
    again = mesh_member_open(first, &net, &signer, NULL);
    assert(again != NULL);
    check_same_body(first, mesh_member_sign(again, &net, &secret, NULL));
    return true;
}

/* The rows never accept more than the rules name; the last one refuses. */
static void check_rows(const MeshAcl *acl)
{
    g_autoptr(MeshMember) member = mesh_member_new();
    MeshMember *members[1] = { member };
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) rows = NULL;

    g_strlcpy(member->name, "laptop", sizeof member->name);
    if (mesh_ip_parse_addr("10.64.0.1", &member->ip4) < 0 ||
        mesh_ip_parse_addr("fd00::1", &member->ip6) < 0)
        abort();
    rows = mesh_acl_flatten(acl, members, 1, &error);
    if (!fuzz_outcome(rows != NULL, &error))
        return;
    assert(rows->len >= 1 && rows->len <= MESH_ACL_MAX_ROWS);
    for (guint i = 0; i < rows->len; i++) {
        const MeshAclRow *row = &g_array_index(rows, MeshAclRow, i);

        assert(row->accept == (i + 1 < rows->len));
        assert(row->source.addr.family == 0 || mesh_ip_contains(&row->source, &row->source.addr));
    }
    assert(acl->n_rules > 0 || rows->len == 1);
}

static bool open_p(MeshSigned *object, GError **error)
{
    g_autoptr(MeshAcl) p = mesh_acl_open(object, &net, &signer, error), again = NULL;
    g_autofree char *body = NULL, *second = NULL;
    g_autoptr(MeshSigned) made = NULL;

    if (p == NULL)
        return false;
    assert(p->n_rules <= MESH_ACL_MAX_RULES && p->net6.bits == 48 && p->ver >= 1);
    check_rows(p);
    body = mesh_acl_encode(p, &net);
    made = mesh_signed_make(MESH_SIGNED_P, &net, body, &secret, NULL);
    if (made == NULL) /* longer than it came: prefixes written out */
        return true;
    again = mesh_acl_open(made, &net, &signer, NULL);
    assert(again != NULL);
    second = mesh_acl_encode(again, &net);
    assert(strcmp(body, second) == 0);
    return true;
}

static bool open_tip(MeshSigned *object, GError **error)
{
    MeshTip     tip = { 0 }, again = { 0 };
    MeshSigned *first;

    if (!mesh_tip_open(object, &net, &signer, &tip, error))
        return false;
    assert(tip.epoch >= 1);
    first = mesh_tip_sign(&tip, &net, &secret, NULL);
    assert(mesh_tip_open(first, &net, &signer, &again, NULL));
    check_same_body(first, mesh_tip_sign(&again, &net, &secret, NULL));
    return true;
}

static bool open_relays(MeshSigned *object, GError **error)
{
    MeshRelayMap map = { 0 }, again = { 0 };
    MeshSigned  *first;

    if (!mesh_relaymap_open(object, &net, &signer, &map, error))
        return false;
    assert(map.n_relays <= MESH_RELAYMAP_MAX_RELAYS);
    for (size_t i = 0; i < map.n_relays; i++) {
        assert(map.relays[i].id != 0 && (map.relays[i].udp != 0 || map.relays[i].tls != 0));
        assert(map.relays[i].n_addrs <= MESH_RELAYMAP_MAX_ADDRS);
    }
    first = mesh_relaymap_sign(&map, &net, &secret, NULL);
    assert(mesh_relaymap_open(first, &net, &signer, &again, NULL));
    check_same_body(first, mesh_relaymap_sign(&again, &net, &secret, NULL));
    return true;
}

static bool open_token(MeshSigned *object, GError **error)
{
    MeshToken   token = { .index = 0 }, again = token;
    MeshSigned *first;

    if (!mesh_token_open(object, &net, &signer, &token, error))
        return false;
    assert(token.bps > 0 && token.burst > 0 && token.exp >= 0);
    first = mesh_token_sign(&token, &net, &secret, NULL);
    assert(mesh_token_open(first, &net, &signer, &again, NULL));
    check_same_body(first, mesh_token_sign(&again, &net, &secret, NULL));
    return true;
}

static bool open_set(MeshSigned *object, GError **error)
{
    MeshMemberSet set = { .epoch = 0 }, again = set;
    MeshSigned   *first;

    if (!mesh_memberset_open(object, &net, &signer, &set, error))
        return false;
    assert(set.epoch >= 1);
    first = mesh_memberset_sign(&set, &net, &secret, NULL);
    assert(mesh_memberset_open(first, &net, &signer, &again, NULL));
    check_same_body(first, mesh_memberset_sign(&again, &net, &secret, NULL));
    return true;
}

static const struct {
    char           pick;
    MeshSignedType type;
    bool (*open)(MeshSigned *object, GError **error);
} kinds[] = {
    { 'K', MESH_SIGNED_K, open_k },     { 'E', MESH_SIGNED_E, open_e },
    { 'M', MESH_SIGNED_M, open_m },     { 'P', MESH_SIGNED_P, open_p },
    { 't', MESH_SIGNED_TIP, open_tip }, { 'R', MESH_SIGNED_R, open_relays },
    { 'T', MESH_SIGNED_T, open_token }, { 's', MESH_SIGNED_SET, open_set },
};

/* What @object says, signed anew. Owned; NULL: it is refused. */
static MeshSigned *repeat(MeshSigned *object, MeshSignedType type)
{
    g_autoptr(MeshMember) m = NULL;
    MeshRecordK k;
    MeshRecordE e;

    if (type == MESH_SIGNED_K)
        return mesh_record_open_k(object, &net, &signer, &k, NULL)
                   ? mesh_record_sign_k(&k, &net, &secret, NULL)
                   : NULL;
    if (type == MESH_SIGNED_E)
        return mesh_record_open_e(object, &net, &signer, &e, NULL)
                   ? mesh_record_sign_e(&e, &net, &secret, NULL)
                   : NULL;
    if (type == MESH_SIGNED_M)
        m = mesh_member_open(object, &net, &signer, NULL);
    return m != NULL ? mesh_member_sign(m, &net, &secret, NULL) : NULL;
}

/* A blank before it, and a body is read by the table of its fields, not by the scanner for our own
 * form: that must make no difference. */
static void check_reader(MeshSigned *object, MeshSignedType type)
{
    g_autofree char *loose = g_strconcat(" ", mesh_signed_get_body(object, NULL), NULL);
    g_autoptr(MeshSigned) other = mesh_signed_make(type, &net, loose, &secret, NULL);
    g_autoptr(MeshSigned) one = repeat(object, type), two = NULL;

    if (other == NULL) /* one byte too long */
        return;
    two = repeat(other, type);
    assert(mesh_signed_equal(one, two));
}

/* What the signature does not cover must not be believed. */
static void check_border(MeshSigned *object, size_t kind, uint8_t bit)
{
    MeshNetworkId other = net;
    MeshSignature signature = *mesh_signed_get_signature(object);
    size_t        len;
    const char   *body = mesh_signed_get_body(object, &len);
    g_autoptr(JsonObject) wrong_type = NULL, wrong_net = NULL;
    g_autoptr(MeshSigned) forged = NULL;

    other.bytes[bit % sizeof other.bytes] ^= 1;
    signature.bytes[bit % sizeof signature.bytes] ^= (uint8_t)(1u << bit / 64 % 8);
    forged = mesh_signed_new(body, len, signature.bytes, NULL);
    assert(!kinds[kind].open(forged, NULL));
    wrong_net = mesh_signed_open(object, kinds[kind].type, &other, &signer, NULL);
    wrong_type =
        mesh_signed_open(object, kinds[(kind + 1) % G_N_ELEMENTS(kinds)].type, &net, &signer, NULL);
    assert(wrong_net == NULL && wrong_type == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    FuzzInput in = fuzz_make_input(data, len);
    uint8_t   pick = fuzz_take_u8(&in);
    char     *body = fuzz_dup_text(in.at, in.left);
    g_autoptr(GError) error = NULL;

    start();
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autoptr(MeshSigned) object = NULL;

        if (pick != (uint8_t)kinds[i].pick)
            continue;
        object = mesh_signed_make(kinds[i].type, &net, body, &secret, &error);
        if (object != NULL)
            check_reader(object, kinds[i].type);
        if (fuzz_outcome(object != NULL, &error) &&
            fuzz_outcome(kinds[i].open(object, &error), &error))
            check_border(object, i, (uint8_t)len);
    }
    free(body);
    return 0;
}
