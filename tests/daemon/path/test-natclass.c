/* Tests of daemon/path/natclass.c: synthetic observations and the class they make. */
#include "common/std/endpoint.h"
#include "daemon/path/natclass.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>

#define MAX_LOOKS 16

/* A look: "SOCKET SERVER PORT-OR-ADDRESS:PORT"; servers are A:1, A:2, B:1, B:2 of 192.0.2.1 and .2.
 * Our own address is 10.0.0.2, sockets are bound to 5000 + their number. A mapped port alone is of
 * 203.0.113.7. */
typedef struct {
    const char *name;
    const char *looks[MAX_LOOKS];
    PathAnswer  other_port, hairpin, stranger;
    /* expected */
    PathAnswer  behind;
    const char *word;
    const char *text; /* in the description */
    PathAnswer  kept;
    int         step;
    unsigned    first, last;
    bool        pool, two_addresses;
} ClassCase;

static const ClassCase cases[] = {
    { .name = "nothing-seen", .word = "unknown", .text = "not known" },
    { .name = "one-look-tells-no-mapping",
      .looks = { "0 A:1 5000" },
      .behind = PATH_YES,
      .word = "unknown",
      .text = "not known",
      .kept = PATH_YES },
    { .name = "open",
      .looks = { "1 A:1 10.0.0.2:5001", "1 A:2 10.0.0.2:5001" },
      .other_port = PATH_YES,
      .behind = PATH_NO,
      .word = "open",
      .text = "no NAT",
      .kept = PATH_YES },
    { .name = "firewall",
      .looks = { "1 A:1 10.0.0.2:5001", "1 A:2 10.0.0.2:5001" },
      .other_port = PATH_NO,
      .behind = PATH_NO,
      .word = "firewall",
      .text = "firewall",
      .kept = PATH_YES },
    { .name = "port-restricted",
      .looks = { "0 A:1 5000", "1 A:1 5001", "1 A:2 5001" },
      .other_port = PATH_NO,
      .hairpin = PATH_NO,
      .behind = PATH_YES,
      .word = "port-restricted",
      .text = "lets in answers only",
      .kept = PATH_YES },
    { .name = "port-not-kept",
      .looks = { "1 A:1 31007", "1 A:2 31007" },
      .other_port = PATH_NO,
      .behind = PATH_YES,
      .word = "port-restricted",
      .kept = PATH_NO },
    { .name = "restricted",
      .looks = { "1 A:1 5001", "1 A:2 5001" },
      .other_port = PATH_YES,
      .hairpin = PATH_YES,
      .behind = PATH_YES,
      .word = "restricted",
      .text = "perhaps everybody",
      .kept = PATH_YES },
    { .name = "restricted-for-sure",
      .looks = { "1 A:1 5001", "1 A:2 5001", "1 B:1 5001" },
      .other_port = PATH_YES,
      .stranger = PATH_NO,
      .behind = PATH_YES,
      .word = "restricted",
      .text = "any port of an address we sent to",
      .kept = PATH_YES,
      .two_addresses = true },
    { .name = "full-cone",
      .looks = { "1 A:1 5001", "1 A:2 5001", "1 B:1 5001" },
      .other_port = PATH_YES,
      .stranger = PATH_YES,
      .behind = PATH_YES,
      .word = "full-cone",
      .text = "lets everybody in",
      .kept = PATH_YES,
      .two_addresses = true },
    { .name = "open-for-strangers",
      .looks = { "1 A:1 10.0.0.2:5001", "1 B:1 10.0.0.2:5001" },
      .other_port = PATH_YES,
      .stranger = PATH_YES,
      .behind = PATH_NO,
      .word = "open",
      .kept = PATH_YES,
      .two_addresses = true },
    { .name = "filtering-unknown",
      .looks = { "1 A:1 5001", "1 A:2 5001" },
      .behind = PATH_YES,
      .word = "cone",
      .text = "one port for all",
      .kept = PATH_YES },
    { .name = "same-server-twice-tells-nothing",
      .looks = { "1 A:1 7000", "1 A:1 7009" },
      .behind = PATH_YES,
      .word = "unknown",
      .kept = PATH_NO },
    { .name = "symmetric",
      .looks = { "0 A:1 1200", "1 A:1 60000", "1 A:2 20000", "2 A:1 41000", "2 A:2 3000" },
      .other_port = PATH_NO,
      .behind = PATH_YES,
      .word = "symmetric",
      .text = "another port for each destination, at random",
      .kept = PATH_NO },
    { .name = "by-address",
      .looks = { "1 A:1 9000", "1 A:2 9000", "1 B:1 52000", "1 B:2 52000", "2 A:1 30000" },
      .behind = PATH_YES,
      .word = "address-dependent",
      .text = "another port for each address",
      .kept = PATH_NO,
      .two_addresses = true },
    { .name = "one-port-at-two-addresses",
      .looks = { "1 A:1 9000", "1 A:2 9000", "1 B:1 9000" },
      .other_port = PATH_NO,
      .behind = PATH_YES,
      .word = "port-restricted",
      .kept = PATH_NO,
      .two_addresses = true },
    { .name = "sequential",
      .looks = { "0 A:1 40000", "1 A:1 40001", "1 A:2 40002", "2 A:1 40003", "2 A:2 40004" },
      .behind = PATH_YES,
      .word = "sequential",
      .text = "in steps of 1",
      .kept = PATH_NO,
      .step = 1 },
    { .name = "downwards-by-two",
      .looks = { "0 A:1 40008", "1 A:1 40006", "1 A:2 40004", "2 A:1 40002", "2 A:2 40000" },
      .behind = PATH_YES,
      .word = "sequential",
      .text = "in steps of -2",
      .kept = PATH_NO,
      .step = -2 },
    { .name = "sequential-and-others-busy",
      .looks = { "0 A:1 40000", "1 A:1 40001", "1 A:2 40005", "2 A:1 40006", "2 A:2 40013" },
      .behind = PATH_YES,
      .word = "sequential",
      .kept = PATH_NO,
      .step = 1 },
    { .name = "sequential-turned-round",
      .looks = { "0 A:1 43998", "1 A:1 43999", "1 A:2 40000", "2 A:1 40001", "2 A:2 40002" },
      .behind = PATH_YES,
      .word = "sequential",
      .kept = PATH_NO,
      .step = 1 },
    { .name = "up-and-down-is-no-rule",
      .looks = { "0 A:1 20500", "1 A:1 20501", "1 A:2 20500", "2 A:1 20503", "2 A:2 20502" },
      .behind = PATH_YES,
      .word = "block",
      .kept = PATH_NO,
      .first = 20480,
      .last = 21503 },
    { .name = "block",
      .looks = { "0 A:1 20490", "1 A:1 21400", "1 A:2 20900", "2 A:1 20600", "2 A:2 21503" },
      .behind = PATH_YES,
      .word = "block",
      .text = "of the block 20480-21503",
      .kept = PATH_NO,
      .first = 20480,
      .last = 21503 },
    { .name = "block-across-a-border",
      .looks = { "0 A:1 21000", "1 A:1 22000", "1 A:2 21600", "2 A:1 21900", "2 A:2 21100" },
      .behind = PATH_YES,
      .word = "block",
      .kept = PATH_NO,
      .first = 20480,
      .last = 22527 },
    { .name = "block-not-aligned",
      .looks = { "0 A:1 32700", "1 A:1 32800", "1 A:2 32600", "2 A:1 32900", "2 A:2 32650" },
      .behind = PATH_YES,
      .word = "block",
      .kept = PATH_NO,
      .first = 32525,
      .last = 32975 },
    { .name = "too-few-ports-for-a-block",
      .looks = { "1 A:1 20490", "1 A:2 21400" },
      .behind = PATH_YES,
      .word = "symmetric",
      .kept = PATH_NO },
    { .name = "pool",
      .looks = { "1 A:1 203.0.113.7:5001", "1 A:2 203.0.113.8:5001" },
      .behind = PATH_YES,
      .word = "cone",
      .text = "several addresses",
      .kept = PATH_YES,
      .pool = true },
};

static void read_look(const char *text, PathNatLook *out)
{
    char     server, mapped[64], full[80];
    unsigned socket, port;

    g_assert_cmpint(sscanf(text, "%u %c:%u %63s", &socket, &server, &port, mapped), ==, 4);
    out->socket = socket;
    out->local_port = (uint16_t)(5000 + socket);
    g_snprintf(full, sizeof full, "192.0.2.%d:%u", server - 'A' + 1, 3477 + port);
    g_assert_cmpint(mesh_endpoint_parse(full, &out->asked), ==, 0);
    g_snprintf(full, sizeof full, "%s%s", strchr(mapped, ':') == NULL ? "203.0.113.7:" : "",
               mapped);
    g_assert_cmpint(mesh_endpoint_parse(full, &out->mapped), ==, 0);
}

static void test_class(gconstpointer data)
{
    const ClassCase *c = data;
    PathNatLook      looks[MAX_LOOKS];
    MeshAddr         own;
    PathNatLooks     seen = { .looks = looks, .own = &own, .n_own = 1 };
    PathNat          nat;
    g_autofree char *text = NULL;

    seen.other_port = c->other_port;
    seen.hairpin = c->hairpin;
    seen.stranger = c->stranger;
    g_assert_cmpint(mesh_ip_parse_addr("10.0.0.2", &own), ==, 0);
    for (; seen.n < MAX_LOOKS && c->looks[seen.n] != NULL; seen.n++)
        read_look(c->looks[seen.n], &looks[seen.n]);
    path_natclass_judge(&seen, &nat);
    text = path_natclass_describe(&nat);
    g_assert_cmpstr(path_natclass_name(nat.behind, &nat.what), ==, c->word);
    if (c->text != NULL && strstr(text, c->text) == NULL)
        g_error("\"%s\" does not say \"%s\"", text, c->text);
    g_assert_cmpint(nat.behind, ==, c->behind);
    g_assert_cmpint(nat.port_kept, ==, c->kept);
    g_assert_cmpint(nat.hairpin, ==, c->hairpin);
    g_assert_cmpint(nat.what.step, ==, c->step);
    g_assert_cmpuint(nat.what.block_first, ==, c->first);
    g_assert_cmpuint(nat.what.block_last, ==, c->last);
    g_assert_cmpint(nat.pool, ==, c->pool);
    g_assert_cmpint(nat.one_address, ==, !c->two_addresses);
}

/* Servers may say what they like: what is made of it stays in bounds, and is the same each time. */
static void check_bounds(const PathNatLooks *seen)
{
    PathNat          nat, again;
    g_autofree char *text = NULL;

    path_natclass_judge(seen, &nat);
    path_natclass_judge(seen, &again);
    g_assert_cmpint(memcmp(&nat.what, &again.what, sizeof nat.what), ==, 0);
    text = path_natclass_describe(&nat);
    g_assert_cmpuint(strlen(text), >, 0);
    g_assert_cmpstr(path_natclass_name(nat.behind, &nat.what), !=, NULL);
    g_assert_cmpint(nat.what.mapping, <=, MESH_PROBE_BY_ADDRESS_AND_PORT);
    g_assert_cmpint(ABS(nat.what.step), <=, 20);
    g_assert_cmpuint(nat.what.block_first, <=, nat.what.block_last);
    g_assert_true(nat.what.block_last == 0 ||
                  (nat.what.step == 0 && path_natclass_is_hard(&nat.what)));
    g_assert_cmpuint(nat.what.block_last - nat.what.block_first, <, 2 * PATH_NATCLASS_MAX_BLOCK);
}

static MeshEndpoint draw_endpoint(void)
{
    static const char *const hosts[] = { "192.0.2.1", "192.0.2.2", "10.0.0.2", "2001:db8::1" };
    MeshAddr                 addr;

    g_assert_cmpint(mesh_ip_parse_addr(hosts[g_test_rand_int_range(0, G_N_ELEMENTS(hosts))], &addr),
                    ==, 0);
    /* Ports close to each other as often as far apart, and at both ends of the range. */
    return mesh_endpoint_make(&addr, (uint16_t)(g_test_rand_int_range(0, 2) == 0
                                                    ? g_test_rand_int_range(-8, 8)
                                                    : g_test_rand_int()));
}

static void test_liars(void)
{
    PathNatLook looks[80];
    MeshAddr    own;

    g_assert_cmpint(mesh_ip_parse_addr("10.0.0.2", &own), ==, 0);
    for (unsigned round = 0; round < 20000; round++) {
        PathNatLooks seen = { .looks = looks, .own = &own, .n_own = 1 };

        seen.n = (size_t)g_test_rand_int_range(0, G_N_ELEMENTS(looks) + 1);
        seen.other_port = (PathAnswer)g_test_rand_int_range(0, 3);
        for (size_t i = 0; i < seen.n; i++) {
            looks[i] = (PathNatLook){ .socket = (unsigned)g_test_rand_int_range(0, 5),
                                      .local_port = 5000 };
            looks[i].asked = draw_endpoint();
            looks[i].mapped = draw_endpoint();
        }
        check_bounds(&seen);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/natclass/servers-that-lie", test_liars);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/natclass/", cases[i].name, NULL);

        g_test_add_data_func(path, &cases[i], test_class);
    }
    return g_test_run();
}
