/* Tests of common/proto/joinlink.c: links good and bad; texts name the part, never the secret. */
#include "common/glib/error.h"
#include "common/proto/joinlink.h"
#include "common/std/base64.h"
#include "tests/common/proto/objects.h"

#include <string.h>

#define S "6kpsY-KcUgq-9VB7Ey7F-ZVHdq6-vnuSQh7qaRRG0iw"
#define K "AAECAwQFBgcICQoLDA0ODw"
#define N "00112233445566ff"

typedef struct {
    const char *name, *text;
    const char *host;
    unsigned    port;
    bool        secret, webpki;
    const char *again; /* the canonical text; NULL: the same */
} GoodCase;

static const GoodCase good[] = {
    { "plain", "mesh://vpn.example.org/" N "?s=" S "&k=" K, "vpn.example.org", 443, true, false },
    { "port", "mesh://h:8443/" N "?s=" S "&k=" K, "h", 8443, true, false },
    { "default-port", "mesh://h:443/" N "?s=" S, "h", 443, false, false, "mesh://h/" N "?s=" S },
    { "ip4", "mesh://203.0.113.9/" N "?s=" S "&k=" K, "203.0.113.9", 443, true, false },
    { "ip6", "mesh://[2001:db8::9]:444/" N "?s=" S, "2001:db8::9", 444, false, false },
    { "webpki", "mesh://h/" N "?s=" S "&k=" K "&tls=webpki", "h", 443, true, true },
    { "other-order", "mesh://h/" N "?k=" K "&tls=webpki&s=" S, "h", 443, true, true,
      "mesh://h/" N "?s=" S "&k=" K "&tls=webpki" },
};

static void test_good(gconstpointer data)
{
    const GoodCase *c = data;
    g_autoptr(GError) error = NULL;
    MeshJoinlink link;
    char        *text;

    mesh_joinlink_parse(c->text, &link, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(link.host, ==, c->host);
    g_assert_cmpuint(link.port, ==, c->port);
    g_assert_cmpint(link.has_secret, ==, c->secret);
    g_assert_cmpint(link.webpki, ==, c->webpki);
    g_assert_cmpuint(link.server.bytes[0], ==, 0xea);
    g_assert_cmpuint(link.network.bytes[7], ==, 0xff);
    if (c->secret)
        g_assert_cmpuint(link.secret[15], ==, 15);
    text = mesh_joinlink_format(&link);
    g_assert_cmpstr(text, ==, c->again != NULL ? c->again : c->text);
    mesh_joinlink_free_text(text);
    mesh_joinlink_wipe(&link);
    g_assert_false(link.has_secret);
    g_assert_cmpuint(link.secret[15], ==, 0);
}

typedef struct {
    const char *name, *text, *want; /* want: part of the text */
} BadCase;

static const BadCase bad[] = {
    { "empty", "", "does not begin with mesh://" },
    { "scheme", "https://h/" N "?s=" S, "does not begin with mesh://" },
    { "scheme-case", "MESH://h/" N "?s=" S, "does not begin with mesh://" },
    { "user", "mesh://me@h/" N "?s=" S, "user names" },
    { "no-host", "mesh:///" N "?s=" S, "host:" },
    { "host-space", "mesh://h h/" N "?s=" S, "a space" },
    { "host-newline", "mesh://h/" N "?s=" S "\n", "a space" },
    { "host-umlaut", "mesh://hä/" N "?s=" S, "a space or another character" },
    { "host-dash", "mesh://-h/" N "?s=" S, "host:" },
    { "host-dots", "mesh://a..b/" N "?s=" S, "host:" },
    { "host-ip4", "mesh://1.2.3.400/" N "?s=" S, "host:" },
    { "host-ip6-bare", "mesh://fd00::1/" N "?s=" S, "port:" },
    { "host-ip6-bad", "mesh://[fd00::g]/" N "?s=" S, "host: not an IPv6" },
    { "host-ip6-open", "mesh://[fd00::1/" N "?s=" S, "host: an IPv6 address in brackets" },
    { "host-ip4-brackets", "mesh://[1.2.3.4]/" N "?s=" S, "host: not an IPv6" },
    { "port-zero", "mesh://h:0/" N "?s=" S, "port:" },
    { "port-large", "mesh://h:65536/" N "?s=" S, "port:" },
    { "port-empty", "mesh://h:/" N "?s=" S, "port:" },
    { "port-leading-zero", "mesh://h:0443/" N "?s=" S, "port:" },
    { "port-sign", "mesh://h:+443/" N "?s=" S, "port:" },
    { "no-network", "mesh://h?s=" S, "the network is missing" },
    { "network-short", "mesh://h/00?s=" S, "network:" },
    { "network-upper", "mesh://h/00112233445566FF?s=" S, "network:" },
    { "path-long", "mesh://h/" N "/x?s=" S, "network:" },
    { "no-query", "mesh://h/" N, "s= is missing" },
    { "no-server", "mesh://h/" N "?k=" K, "s= is missing" },
    { "server-cut", "mesh://h/" N "?s=6kpsY-KcUgq", "s= is not a server key" },
    { "server-padded", "mesh://h/" N "?s=" S "=", "s= is not a server key" },
    { "secret-cut", "mesh://h/" N "?s=" S "&k=AAEC", "k= is not a join secret" },
    { "secret-trailing-bits", "mesh://h/" N "?s=" S "&k=AAECAwQFBgcICQoLDA0ODx",
      "k= is not a join" },
    { "server-twice", "mesh://h/" N "?s=" S "&s=" S, "s= stands in it twice" },
    { "secret-twice", "mesh://h/" N "?s=" S "&k=" K "&k=" K, "k= stands in it twice" },
    { "tls-twice", "mesh://h/" N "?s=" S "&tls=webpki&tls=webpki", "tls= stands in it twice" },
    { "tls-other", "mesh://h/" N "?s=" S "&tls=none", "tls= may only be webpki" },
    { "unknown", "mesh://h/" N "?s=" S "&x=1", "none of s, k, tls" },
    { "empty-parameter", "mesh://h/" N "?s=" S "&", "none of s, k, tls" },
    { "fragment", "mesh://h/" N "?s=" S "#x", "'#'" },
};

static void test_bad(gconstpointer data)
{
    const BadCase *c = data;
    g_autoptr(GError) error = NULL;
    MeshJoinlink link, blank;

    memset(&link, 0x5a, sizeof(link));
    blank = link;
    g_assert_false(mesh_joinlink_parse(c->text, &link, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_BAD_LINK);
    g_assert_true(g_str_has_prefix(error->message, "join link: "));
    if (strstr(error->message, c->want) == NULL)
        g_error("\"%s\" does not say \"%s\"", error->message, c->want);
    g_assert_null(strstr(error->message, "AAEC")); /* of the secret */
    g_assert_cmpmem(&link, sizeof(link), &blank, sizeof(blank));
}

static void test_long(void)
{
    g_autofree char *host = g_strnfill(500, 'h');
    g_autofree char *text = g_strconcat("mesh://", host, "/" N "?s=" S, NULL);
    g_autoptr(GError) error = NULL;
    MeshJoinlink link;

    g_assert_false(mesh_joinlink_parse(text, &link, &error));
    g_assert_cmpstr(error->message, ==, "join link: longer than 512 characters");
}

static void test_authority(void)
{
    MeshJoinlink     link = { .host = "fd00::1", .port = 443 };
    g_autofree char *v6 = mesh_joinlink_dup_authority(&link), *name = NULL;

    g_assert_cmpstr(v6, ==, "[fd00::1]:443");
    g_strlcpy(link.host, "h", sizeof(link.host));
    name = mesh_joinlink_dup_authority(&link);
    g_assert_cmpstr(name, ==, "h:443");
}

/* Made with hashlib.blake2s and openssl pkey. */
static void test_pair(void)
{
    uint8_t        secret[MESH_JOINLINK_SECRET_BYTES];
    MeshSignSecret pair;
    MeshKey        key, only;
    char           text[44];

    for (unsigned i = 0; i < sizeof(secret); i++)
        secret[i] = (uint8_t)i;
    mesh_joinlink_make_pair(secret, &pair, &key);
    g_assert_cmpint(mesh_base64url_encode(MESH_SPAN(key.bytes, 32), text, sizeof(text)), ==, 0);
    g_assert_cmpstr(text, ==, "CyCR5cUrz7l_MwGUWk5jRrF6ot9JuVjzmbfvNvbsIl8");
    mesh_joinlink_make_pair(secret, NULL, &only);
    g_assert_true(mesh_key_equal(&key, &only));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    fixture_start();
    for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autofree char *path = g_strdup_printf("/joinlink/good/%s", good[i].name);
        g_test_add_data_func(path, &good[i], test_good);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *path = g_strdup_printf("/joinlink/bad/%s", bad[i].name);
        g_test_add_data_func(path, &bad[i], test_bad);
    }
    g_test_add_func("/joinlink/long", test_long);
    g_test_add_func("/joinlink/authority", test_authority);
    g_test_add_func("/joinlink/pair", test_pair);
    return g_test_run();
}
