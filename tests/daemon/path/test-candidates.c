/* Tests of daemon/path/candidates.c: which endpoints are tried and told, in which order. */
#include "common/std/endpoint.h"
#include "daemon/path/candidates.h"

#include <string.h>

/* Lists are texts: addresses by blanks, endpoints as "KIND=ENDPOINT" by blanks; l, s, o. */
static size_t read_addrs(const char *text, MeshAddr *out)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    size_t n = 0;

    for (char **word = words; *word != NULL; word++)
        if (**word != '\0')
            g_assert_cmpint(mesh_ip_parse_addr(*word, &out[n++]), ==, 0);
    return n;
}

static size_t read_endpoints(const char *text, MeshRecordEndpoint *out)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    size_t n = 0;

    for (char **word = words; *word != NULL; word++) {
        if (**word == '\0')
            continue;
        out[n].kind = **word == 's'   ? MESH_RECORD_STATIC
                      : **word == 'o' ? MESH_RECORD_OBSERVED
                                      : MESH_RECORD_LOCAL;
        g_assert_cmpint(mesh_endpoint_parse(*word + 2, &out[n].endpoint), ==, 0);
        n++;
    }
    return n;
}

static char *format(const MeshRecordEndpoint *list, size_t n)
{
    GString *text = g_string_new(NULL);
    char     endpoint[MESH_ENDPOINT_TEXT_SIZE];

    for (size_t i = 0; i < n; i++)
        g_string_append_printf(text, "%s%c=%s", i > 0 ? " " : "",
                               mesh_record_kind_name(list[i].kind)[0],
                               mesh_endpoint_format(&list[i].endpoint, endpoint));
    return g_string_free(text, false);
}

typedef struct {
    const char *name, *own, *told, *want;
} ChooseCase;

static const ChooseCase choices[] = {
    { "order", "192.168.1.2 2001:db8::2",
      "o=203.0.113.9:4 l=192.168.1.5:4 l=[fd00::5]:4 l=[2001:db8::5]:4 s=198.51.100.7:5",
      "s=198.51.100.7:5 l=[2001:db8::5]:4 l=192.168.1.5:4 l=[fd00::5]:4 o=203.0.113.9:4" },
    { "own-address-left-out", "192.168.1.2", "l=192.168.1.2:4 l=192.168.1.5:4", "l=192.168.1.5:4" },
    { "no-ipv6-here", "192.168.1.2 ::1 fe80::1", "l=[2001:db8::5]:4 l=10.0.0.5:4", "l=10.0.0.5:4" },
    { "no-ipv4-here", "2001:db8::2 127.0.0.1", "l=[2001:db8::5]:4 o=198.51.100.1:4",
      "l=[2001:db8::5]:4" },
    { "useless-numbers", "10.0.0.2 2001:db8::2",
      "l=127.0.0.1:4 l=169.254.3.3:4 l=224.0.0.1:4 l=[::1]:4 l=[fe80::1]:4", "" },
    { "twice-is-once", "10.0.0.2", "o=10.0.0.5:4 l=10.0.0.5:4", "l=10.0.0.5:4" },
    { "at-most-eight", "10.0.0.2",
      "l=10.1.0.1:1 l=10.1.0.1:2 l=10.1.0.1:3 l=10.1.0.1:4 l=10.1.0.1:5 l=10.1.0.1:6 "
      "l=10.1.0.1:7 l=10.1.0.1:8 s=10.1.0.1:9",
      "s=10.1.0.1:9 l=10.1.0.1:1 l=10.1.0.1:2 l=10.1.0.1:3 l=10.1.0.1:4 l=10.1.0.1:5 "
      "l=10.1.0.1:6 l=10.1.0.1:7" },
    { "no-network", "", "l=10.0.0.5:4", "" },
};

static void test_choose(gconstpointer data)
{
    const ChooseCase  *c = data;
    MeshAddr           own[8];
    MeshRecordEndpoint told[16], out[WIRE_MAX_CANDIDATES];
    size_t             n_own = read_addrs(c->own, own), n_told = read_endpoints(c->told, told);
    size_t             n = path_candidates_choose(own, n_own, told, n_told, out);
    g_autofree char   *found = format(out, n);

    g_assert_cmpstr(found, ==, c->want);
}

typedef struct {
    const char *name, *addrs, *statics, *observed;
    uint16_t    port;
    const char *want;
} OwnCase;

static const OwnCase own_cases[] = {
    { "behind-nat", "192.168.1.2 fe80::2", "", "203.0.113.9", 7,
      "l=192.168.1.2:7 o=203.0.113.9:7" },
    { "public", "203.0.113.9 2001:db8::2", "", "203.0.113.9", 7,
      "l=[2001:db8::2]:7 l=203.0.113.9:7" },
    { "forwarded", "192.168.1.2", "s=198.51.100.7:5", "198.51.100.7", 7,
      "s=198.51.100.7:5 l=192.168.1.2:7 o=198.51.100.7:7" },
    { "no-port-yet", "192.168.1.2", "s=198.51.100.7:5", "203.0.113.9", 0, "s=198.51.100.7:5" },
    { "nothing", "127.0.0.1", "", NULL, 7, "" },
};

static void test_own(gconstpointer data)
{
    const OwnCase     *c = data;
    MeshAddr           addrs[8];
    MeshEndpoint       statics[8];
    MeshRecordEndpoint read[8], out[MESH_RECORD_MAX_ENDPOINTS];
    PathOwn            own = { .addrs = addrs, .statics = statics, .port = c->port };
    g_autofree char   *found = NULL;

    own.n_addrs = read_addrs(c->addrs, addrs);
    own.n_statics = read_endpoints(c->statics, read);
    for (size_t i = 0; i < own.n_statics; i++)
        statics[i] = read[i].endpoint;
    if (c->observed != NULL)
        g_assert_cmpint(mesh_ip_parse_addr(c->observed, &own.observed), ==, 0);
    found = format(out, path_candidates_list_own(&own, out));
    g_assert_cmpstr(found, ==, c->want);
}

/* Twenty interfaces: the list is full, and the observed address still has its place. */
static void test_own_full(void)
{
    MeshAddr           addrs[20];
    MeshRecordEndpoint out[MESH_RECORD_MAX_ENDPOINTS];
    PathOwn            own = { .addrs = addrs, .n_addrs = 20, .port = 7 };
    size_t             n;

    for (uint8_t i = 0; i < 20; i++)
        addrs[i] = mesh_ip_make_addr(AF_INET, (const uint8_t[]){ 10, 0, 0, (uint8_t)(i + 1) });
    g_assert_cmpint(mesh_ip_parse_addr("203.0.113.9", &own.observed), ==, 0);
    n = path_candidates_list_own(&own, out);
    g_assert_cmpuint(n, ==, MESH_RECORD_MAX_ENDPOINTS);
    g_assert_cmpint(out[n - 1].kind, ==, MESH_RECORD_OBSERVED);
}

/* Whoever names them: a relay, a peer, a packet. */
static void test_can_try(void)
{
    static const struct {
        const char *text;
        bool        want;
    } cases[] = { { "203.0.113.5:9", true },   { "10.0.0.5:9", true },
                  { "10.0.0.2:9", false },     { "127.0.0.1:9", false },
                  { "224.0.0.1:9", false },    { "255.255.255.255:9", false },
                  { "169.254.1.1:9", false },  { "203.0.113.5:0", false },
                  { "[2001:db8::1]:9", false } };
    MeshAddr own;

    g_assert_cmpint(mesh_ip_parse_addr("10.0.0.2", &own), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        MeshEndpoint to = { .port = 0 };

        (void)!mesh_endpoint_parse(cases[i].text, &to); /* port 0 is none to it */
        g_assert_cmpint(path_candidates_can_try(&own, 1, &to), ==, cases[i].want);
    }
    g_assert_false(path_candidates_can_try(&own, 1, &(MeshEndpoint){ .port = 9 }));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(choices); i++) {
        g_autofree char *path = g_strconcat("/candidates/choose/", choices[i].name, NULL);

        g_test_add_data_func(path, &choices[i], test_choose);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(own_cases); i++) {
        g_autofree char *path = g_strconcat("/candidates/own/", own_cases[i].name, NULL);

        g_test_add_data_func(path, &own_cases[i], test_own);
    }
    g_test_add_func("/candidates/can-try", test_can_try);
    g_test_add_func("/candidates/own/full", test_own_full);
    return g_test_run();
}
