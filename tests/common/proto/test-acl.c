/* Tests of common/proto/acl.c and aclrows.c: strict reading, rows. */
#include "common/glib/error.h"
#include "common/glib/json.h"
#include "tests/common/proto/objects.h"

#include <string.h>
#include <sys/socket.h>

#define P(rules)                                                               \
    "{\"ver\":1,\"format\":1,\"net4\":\"10.71.0.0/16\",\"net6\":\"fd00:1:2::/" \
    "48\",\"suffix\":\"home.mesh\",\"minproto\":1,\"rules\":[" rules "]}"
#define RULE(src, dst) "{\"action\":\"accept\",\"src\":[" src "],\"dst\":[" dst "]}"

typedef struct {
    const char *name, *text, *want; /* NULL: fine */
} DecodeCase;

static const DecodeCase decodes[] = {
    { "no-rules", P(""), NULL },
    { "all", P(RULE("\"*\"", "\"*\"")), NULL },
    { "kinds", P(RULE("\"a\",\"tag:b\",\"10.0.0.0/8\",\"fd00::1\",\"1.2.3.4\"", "\"*\"")), NULL },
    { "unknown-key", P("{\"action\":\"accept\",\"src\":[],\"dst\":[],\"ports\":[]}"),
      "P.rules[0]: unknown key \"ports\"" },
    { "unknown-action", P(RULE("", "") ",{\"action\":\"drop\",\"src\":[],\"dst\":[]}"),
      "P.rules[1]: action: only \"accept\" is known" },
    { "no-action", P("{\"src\":[],\"dst\":[]}"), "P.rules[0].action: missing" },
    { "bad-selector", P(RULE("\"*\",\"A\"", "")),
      "P.rules[0].src[1]: none of *, a node name, tag:NAME, an address or a prefix" },
    { "bad-tag", P(RULE("", "\"tag:\"")),
      "P.rules[0].dst[0]: none of *, a node name, tag:NAME, an address or a prefix" },
    { "host-bits", P(RULE("\"10.0.0.1/8\"", "")),
      "P.rules[0].src[0]: none of *, a node name, tag:NAME, an address or a prefix" },
    { "17-selectors",
      P(RULE("\"*\",\"*\",\"*\",\"*\",\"*\",\"*\",\"*\",\"*\",\"*\",\"*\",\"*\",\"*\",\"*\",\"*\","
             "\"*\",\"*\",\"*\"",
             "")),
      "P.rules[0].src: 17 elements, at most 16 allowed" },
    { "rule-as-text", P("\"*\""), "P.rules[0]: an object was expected" },
    { "format-2",
      "{\"ver\":1,\"format\":2,\"net6\":\"fd00:1:2::/48\",\"suffix\":\"a\",\"minproto\":1,"
      "\"rules\":[]}",
      "P.format: 2 is not within 1 … 1" },
    { "minproto-2",
      "{\"ver\":1,\"format\":1,\"net6\":\"fd00:1:2::/48\",\"suffix\":\"a\",\"minproto\":2,"
      "\"rules\":[]}",
      "P.minproto: 2 is not within 0 … 1" },
    { "public-net4",
      "{\"ver\":1,\"format\":1,\"net4\":\"8.8.0.0/16\",\"net6\":\"fd00:1:2::/48\",\"suffix\":"
      "\"a\",\"minproto\":1,\"rules\":[]}",
      "P.net4: not inside 10/8, 172.16/12, 192.168/16 or 100.64/10" },
    { "wide-net4",
      "{\"ver\":1,\"format\":1,\"net4\":\"0.0.0.0/0\",\"net6\":\"fd00:1:2::/48\",\"suffix\":"
      "\"a\",\"minproto\":1,\"rules\":[]}",
      "P.net4: not inside 10/8, 172.16/12, 192.168/16 or 100.64/10" },
    { "wider-than-private",
      "{\"ver\":1,\"format\":1,\"net4\":\"172.16.0.0/11\",\"net6\":\"fd00:1:2::/48\",\"suffix\":"
      "\"a\",\"minproto\":1,\"rules\":[]}",
      "P.net4: not a prefix (IPv4) with host bits zero" },
    { "shared-net4",
      "{\"ver\":1,\"format\":1,\"net4\":\"100.64.0.0/10\",\"net6\":\"fd00:1:2::/48\",\"suffix\":"
      "\"a\",\"minproto\":1,\"rules\":[]}",
      NULL },
    { "public-net6",
      "{\"ver\":1,\"format\":1,\"net6\":\"2001:db8:1::/48\",\"suffix\":\"a\",\"minproto\":1,"
      "\"rules\":[]}",
      "P.net6: not a /48 inside fd00::/8" },
    { "short-net6",
      "{\"ver\":1,\"format\":1,\"net6\":\"fd00::/8\",\"suffix\":\"a\",\"minproto\":1,\"rules\":[]}",
      "P.net6: not a /48 inside fd00::/8" },
    { "bad-suffix",
      "{\"ver\":1,\"format\":1,\"net6\":\"fd00:1:2::/48\",\"suffix\":\"a..b\",\"minproto\":1,"
      "\"rules\":[]}",
      "P.suffix: not a DNS name" },
};

static MeshAcl *decode(const char *text, GError **error)
{
    g_autoptr(JsonObject) object = mesh_json_parse(text, strlen(text), 100000, error);

    return object != NULL ? mesh_acl_decode(object, error) : NULL;
}

static void test_decode(gconstpointer data)
{
    const DecodeCase *c = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(MeshAcl) acl = decode(c->text, &error);

    if (c->want == NULL)
        g_assert_no_error(error);
    else
        g_assert_cmpstr(error != NULL ? error->message : "no error", ==, c->want);
    g_assert_cmpint(acl != NULL, ==, c->want == NULL);
}

static void test_round(void)
{
    MeshNetwork network = fixture_network();
    g_autoptr(MeshSigned) p = fixture_policy(3);
    g_autoptr(GError) error = NULL;
    g_autoptr(MeshAcl) acl = mesh_acl_open(p, &network.id, &network.server, &error);
    g_autofree char *body = NULL;

    g_assert_no_error(error);
    g_assert_cmpuint(acl->ver, ==, 3);
    g_assert_cmpstr(acl->suffix, ==, "home.mesh");
    g_assert_true(mesh_ip_equal_prefix(&acl->net4, &network.ip4));
    body = mesh_acl_encode(acl, &network.id);
    g_assert_cmpstr(body, ==, mesh_signed_get_body(p, NULL));
}

typedef struct {
    const char *name, *rules;
    const char *want; /* "src>dst" rows, the last (refusing) one left out */
} RowCase;

static const RowCase rows[] = {
    { "nothing", P(""), "" },
    { "all", P(RULE("\"*\"", "\"*\"")), "*>*" },
    { "name", P(RULE("\"node-1\"", "\"*\"")), "10.71.0.11/32>* fd00:1:2::b/128>*" },
    { "unknown-name", P(RULE("\"nobody\"", "\"*\"")), "" },
    { "tag", P(RULE("\"*\"", "\"tag:web\"")), "*>10.71.0.12/32 *>fd00:1:2::c/128" },
    { "families-apart", P(RULE("\"node-1\"", "\"node-2\"")),
      "10.71.0.11/32>10.71.0.12/32 fd00:1:2::b/128>fd00:1:2::c/128" },
    { "prefix", P(RULE("\"10.0.0.0/8\"", "\"node-1\"")), "10.0.0.0/8>10.71.0.11/32" },
    { "two-rules", P(RULE("\"*\"", "\"10.71.0.11\"") "," RULE("\"10.71.0.11\"", "\"*\"")),
      "*>10.71.0.11/32 10.71.0.11/32>*" },
};

static char *format_side(const MeshPrefix *prefix)
{
    char text[MESH_IP_PREFIX_TEXT_SIZE];

    return g_strdup(prefix->addr.family == 0 ? "*" : mesh_ip_format_prefix(prefix, text));
}

static void test_rows(gconstpointer data)
{
    const RowCase *c = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(MeshAcl) acl = decode(c->rules, &error);
    g_autoptr(MeshMember) one = fixture_member(1), two = fixture_member(2);
    MeshMember *members[] = { one, two };
    g_autoptr(GArray) got = NULL;
    g_autoptr(GString) text = g_string_new(NULL);

    g_assert_no_error(error);
    g_strfreev(two->tags);
    two->tags = g_strsplit("web", " ", 0);
    got = mesh_acl_flatten(acl, members, G_N_ELEMENTS(members), &error);
    g_assert_no_error(error);
    for (guint i = 0; i + 1 < got->len; i++) {
        MeshAclRow      *row = &g_array_index(got, MeshAclRow, i);
        g_autofree char *src = format_side(&row->source), *dst = format_side(&row->destination);

        g_assert_true(row->accept);
        g_assert_cmpuint(row->port_last, ==, 65535);
        g_string_append_printf(text, "%s%s>%s", i > 0 ? " " : "", src, dst);
    }
    g_assert_cmpstr(text->str, ==, c->want);
    g_assert_false(g_array_index(got, MeshAclRow, got->len - 1).accept);
    g_assert_cmpuint(g_array_index(got, MeshAclRow, got->len - 1).source.addr.family, ==, 0);
}

/* Rows by hand: so far no rule makes one of a single protocol. */
static void test_may_pass(void)
{
    static const struct {
        const char *source, *destination;
        bool        want;
    } cases[] = {
        { "10.0.0.1", "10.0.0.2", true },   { "10.0.0.2", "10.0.0.1", true }, /* one port is some */
        { "10.0.0.3", "10.0.0.2", false },  { "10.0.0.1", "10.0.0.3", false },
        { "fd00::1", "10.0.0.2", false },   { "10.0.0.9", "10.0.0.2", true },
        { "10.0.0.9", "10.0.0.10", false },
    };
    static const struct {
        bool        accept;
        uint8_t     protocol;
        const char *source, *destination;
        uint16_t    last;
    } lines[] = {
        { true, 0, "10.0.0.1/32", "10.0.0.2/32", 65535 },
        { false, 6, "10.0.0.2/32", "10.0.0.1/32", 65535 }, /* the rest of it is judged below */
        { true, 17, "10.0.0.2/32", "10.0.0.1/32", 53 },
        { false, 0, "10.0.0.3/32", "10.0.0.2/32", 65535 }, /* before what would accept it */
        { true, 0, "10.0.0.0/24", "10.0.0.2/32", 65535 },
        { false, 0, NULL, NULL, 65535 },
    };
    MeshAclRow table[G_N_ELEMENTS(lines)] = { 0 };

    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        table[i] = (MeshAclRow){ .accept = lines[i].accept,
                                 .protocol = lines[i].protocol,
                                 .port_last = lines[i].last };
        if (lines[i].source == NULL)
            continue;
        g_assert_cmpint(mesh_ip_parse_prefix(lines[i].source, &table[i].source), ==, 0);
        g_assert_cmpint(mesh_ip_parse_prefix(lines[i].destination, &table[i].destination), ==, 0);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        MeshAddr source, destination;

        g_assert_cmpint(mesh_ip_parse_addr(cases[i].source, &source), ==, 0);
        g_assert_cmpint(mesh_ip_parse_addr(cases[i].destination, &destination), ==, 0);
        g_assert_cmpint(mesh_acl_may_pass(table, G_N_ELEMENTS(table), &source, &destination), ==,
                        cases[i].want);
        g_assert_false(mesh_acl_may_pass(table, 0, &source, &destination));
    }
}

static void test_too_many_rows(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MeshAcl) acl = decode(P(RULE("\"tag:a\"", "\"tag:a\"")), &error);
    g_autoptr(GPtrArray) members =
        g_ptr_array_new_with_free_func((GDestroyNotify)mesh_member_unref);
    g_autoptr(GArray) got = NULL;

    for (unsigned i = 1; i <= 100; i++) {
        MeshMember *member = fixture_member(i);

        g_strfreev(member->tags);
        member->tags = g_strsplit("a", " ", 0);
        g_ptr_array_add(members, member);
    }
    /* n members with two families: 2 n² rows and the last one */
    got = mesh_acl_flatten(acl, (MeshMember *const *)members->pdata, 45, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(got->len, ==, 2 * 45 * 45 + 1);
    g_assert_null(mesh_acl_flatten(acl, (MeshMember *const *)members->pdata, 46, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_LIMIT);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    fixture_start();
    for (size_t i = 0; i < G_N_ELEMENTS(decodes); i++) {
        g_autofree char *path = g_strdup_printf("/acl/decode/%s", decodes[i].name);
        g_test_add_data_func(path, &decodes[i], test_decode);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strdup_printf("/acl/rows/%s", rows[i].name);
        g_test_add_data_func(path, &rows[i], test_rows);
    }
    g_test_add_func("/acl/round", test_round);
    g_test_add_func("/acl/may-pass", test_may_pass);
    g_test_add_func("/acl/too-many-rows", test_too_many_rows);
    return g_test_run();
}
