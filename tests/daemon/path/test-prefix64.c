/* tests/daemon/path/test-prefix64.c: addresses through a NAT64: RFC 6052 §2.4's examples, RFC
 * 7050's discovery. */
#include "daemon/path/prefix64.h"

#include "common/std/endpoint.h"

#include <string.h>
#include <sys/socket.h>

static MeshAddr addr(const char *text)
{
    MeshAddr found = { 0 };

    g_assert_cmpint(mesh_ip_parse_addr(text, &found), ==, 0);
    return found;
}

static void assert_addr(const MeshAddr *found, const char *want)
{
    char text[MESH_IP_ADDR_TEXT_SIZE];

    g_assert_cmpstr(mesh_ip_format_addr(found, text), ==, want);
}

typedef struct {
    const char *prefix;
    uint8_t     bits;
    const char *want; /* of 192.0.2.33 */
    const char *dns;  /* what ipv4only.arpa has there */
} Example;

static const Example examples[] = {
    { "2001:db8::", 32, "2001:db8:c000:221::", "2001:db8:c000:aa::" },
    { "2001:db8:100::", 40, "2001:db8:1c0:2:21::", "2001:db8:1c0:0:aa::" },
    { "2001:db8:122::", 48, "2001:db8:122:c000:2:2100::", "2001:db8:122:c000:0:aa00::" },
    { "2001:db8:122:300::", 56, "2001:db8:122:3c0:0:221::", "2001:db8:122:3c0:0:aa::" },
    { "2001:db8:122:344::", 64, "2001:db8:122:344:c0:2:2100:0", "2001:db8:122:344:c0:0:aa00::" },
    { "2001:db8:122:344::", 96, "2001:db8:122:344::c000:221", "2001:db8:122:344::c000:aa" },
    { "64:ff9b::", 96, "64:ff9b::c000:221", "64:ff9b::c000:ab" },
};

static void test_example(gconstpointer data)
{
    const Example *c = data;
    PathPrefix64   prefix = { .addr = addr(c->prefix), .bits = c->bits }, found;
    MeshAddr       ip4 = addr("192.0.2.33"), made = path_prefix64_make(&prefix, &ip4);
    MeshAddr       told = addr(c->dns);

    assert_addr(&made, c->want);
    g_assert_true(path_prefix64_has(&prefix, &made));
    g_assert_true(path_prefix64_find(&told, 1, &found));
    g_assert_cmpuint(found.bits, ==, c->bits);
    assert_addr(&found.addr, c->prefix);
}

/* Answers that are none: a real IPv6 address, IPv4, another address behind a prefix, a byte that
 * must be zero and is not, an address that reads as two prefixes; of several the first good one. */
static void test_find(void)
{
    static const char *const bad[] = { "2001:db8::1", "192.0.0.170", "64:ff9b::c000:ac",
                                       "2001:db8:122:344:ffc0:0:aa00:0",
                                       "2001:db8:c000:aa::c000:aa" };
    MeshAddr                 both[2];
    PathPrefix64             found = { .bits = 1 };

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        MeshAddr one = addr(bad[i]);

        g_assert_false(path_prefix64_find(&one, 1, &found));
        g_assert_cmpuint(found.bits, ==, 1);
    }
    g_assert_false(path_prefix64_find(NULL, 0, &found));
    both[0] = addr(bad[4]);
    both[1] = addr("2001:db8:c000:ab::c000:aa"); /* no better */
    g_assert_false(path_prefix64_find(both, 2, &found));
    both[1] = addr("64:ff9b::c000:aa");
    g_assert_true(path_prefix64_find(both, 2, &found));
    g_assert_cmpuint(found.bits, ==, 96);
}

typedef struct {
    const char *from, *want;
} Translation;

static const Translation translations[] = {
    { "203.0.113.7", "64:ff9b::cb00:7107" }, { "192.168.1.2", "192.168.1.2" }, /* not public */
    { "100.64.0.1", "100.64.0.1" },          { "127.0.0.1", "127.0.0.1" },
    { "2001:db8::7", "2001:db8::7" },
};

static void test_translate(void)
{
    PathPrefix64       prefix = { .addr = addr("64:ff9b::"), .bits = 96 }, none = { .bits = 0 };
    MeshRecordEndpoint list[G_N_ELEMENTS(translations)], out[MESH_RECORD_MAX_ENDPOINTS];
    size_t             n = G_N_ELEMENTS(translations);

    for (size_t i = 0; i < n; i++) {
        MeshAddr at = addr(translations[i].from);

        list[i] = (MeshRecordEndpoint){ mesh_endpoint_make(&at, (uint16_t)(7 + i)),
                                        MESH_RECORD_OBSERVED };
    }
    g_assert_cmpuint(path_prefix64_translate_all(&prefix, list, n, out), ==, n);
    for (size_t i = 0; i < n; i++) {
        assert_addr(&out[i].endpoint.addr, translations[i].want);
        g_assert_cmpuint(out[i].endpoint.port, ==, 7 + i);
        g_assert_cmpint(out[i].kind, ==, MESH_RECORD_OBSERVED);
    }
    g_assert_cmpuint(path_prefix64_translate_all(&none, list, n, out), ==, n);
    assert_addr(&out[0].endpoint.addr, translations[0].from);
    g_assert_false(path_prefix64_has(&none, &out[0].endpoint.addr));
    g_assert_false(path_prefix64_has(&prefix, &list[0].endpoint.addr));
}

static void test_fill(void)
{
    PathPrefix64 prefix = { .addr = addr("64:ff9b::"), .bits = 96 }, none = { .bits = 0 };
    MeshAddr     ip4 = addr("203.0.113.7"), ip6 = addr("2001:db8::7"), inner = addr("10.0.0.1");
    PathRelay    relay = { .at4 = mesh_endpoint_make(&ip4, 3478),
                           .tls4 = mesh_endpoint_make(&ip4, 443),
                           .tls6 = mesh_endpoint_make(&ip6, 443) };

    path_prefix64_fill(&none, &relay);
    g_assert_cmpint(relay.at6.addr.family, ==, 0);
    path_prefix64_fill(&prefix, &relay);
    assert_addr(&relay.at6.addr, "64:ff9b::cb00:7107");
    g_assert_cmpuint(relay.at6.port, ==, 3478);
    assert_addr(&relay.tls6.addr, "2001:db8::7"); /* it has one of its own */
    relay = (PathRelay){ .at4 = mesh_endpoint_make(&inner, 3478) };
    path_prefix64_fill(&prefix, &relay);
    g_assert_cmpint(relay.at6.addr.family, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(examples); i++) {
        g_autofree char *path =
            g_strdup_printf("/prefix64/%s/%u", examples[i].prefix, examples[i].bits);

        g_test_add_data_func(path, &examples[i], test_example);
    }
    g_test_add_func("/prefix64/find", test_find);
    g_test_add_func("/prefix64/translate", test_translate);
    g_test_add_func("/prefix64/fill", test_fill);
    return g_test_run();
}
