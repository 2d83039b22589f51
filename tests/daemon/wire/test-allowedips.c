/* Tests of daemon/wire/allowedips.c: rows by hand, random tries against a slow model. */
#include "common/std/ip.h"
#include "daemon/wire/allowedips.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>

static WireOwner owners[128]; /* never the last reference */

/* Peers are only pointers here. */
static WirePeer *peer(char name)
{
    return name == 0 ? NULL : (WirePeer *)(uintptr_t)name;
}

static WireOwner *owner(char name)
{
    WireOwner *self = &owners[(size_t)name];

    if (self->references == 0) {
        atomic_init(&self->references, 1);
        atomic_init(&self->peer, peer(name));
    }
    return self;
}

static const struct {
    const char *prefix;
    char        peer;
} table[] = {
    { "10.7.0.0/16", 'a' },     { "10.7.3.0/24", 'b' },      { "10.7.3.9", 'c' },
    { "10.7.3.8/31", 'd' },     { "0.0.0.0/0", 'e' },        { "172.20.0.0/25", 'f' },
    { "172.20.0.128/25", 'g' }, { "198.51.100.64/27", 'h' }, { "fd7a:1::/32", 'a' },
    { "fd7a:1:2:3::/64", 'b' }, { "fd7a:1:2:3::9", 'c' },    { "2001:db8:8000::/33", 'd' },
    { "2001:db8::/33", 'e' },   { "fe00::/7", 'f' },         { "fe00::/7", 'g' },
};

typedef struct {
    const char *addr;
    char        want;
} LookupCase;

static const LookupCase lookups[] = {
    { "10.7.200.1", 'a' },
    { "10.7.3.1", 'b' },
    { "10.7.3.9", 'c' },
    { "10.7.3.8", 'd' },
    { "10.7.3.10", 'b' },
    { "10.8.0.0", 'e' },
    { "0.0.0.0", 'e' },
    { "255.255.255.255", 'e' },
    { "172.20.0.127", 'f' },
    { "172.20.0.128", 'g' },
    { "172.20.1.0", 'e' },
    { "198.51.100.95", 'h' },
    { "198.51.100.96", 'e' },
    { "fd7a:1:ffff::", 'a' },
    { "fd7a:1:2:3:ffff::", 'b' },
    { "fd7a:1:2:3::9", 'c' },
    { "fd7a:1:2:3::8", 'b' },
    { "fd7a:2::1", 0 },
    { "2001:db8:7fff::1", 'e' },
    { "2001:db8:8000::1", 'd' },
    { "ff02::1", 'g' }, /* replaced */
    { "::1", 0 },
    { "::ffff:10.7.3.9", 0 }, /* IPv4 in IPv6 is IPv6 */
};

static WireAllowedIps *make_table(void)
{
    WireAllowedIps *ips = NULL;

    g_assert_cmpint(wire_allowedips_new(&ips), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        MeshPrefix prefix;

        g_assert_cmpint(mesh_ip_parse_prefix(table[i].prefix, &prefix), ==, 0);
        g_assert_cmpint(wire_allowedips_put(ips, &prefix, owner(table[i].peer)), ==, 0);
    }
    return ips;
}

static WirePeer *get(const WireAllowedIps *ips, const MeshAddr *addr)
{
    return addr->family == AF_INET ? wire_allowedips_get4(ips, addr->bytes)
                                   : wire_allowedips_get6(ips, addr->bytes);
}

static void test_lookup(gconstpointer data)
{
    const LookupCase *c = data;
    WireAllowedIps   *ips = make_table();
    MeshAddr          addr;

    g_assert_cmpint(mesh_ip_parse_addr(c->addr, &addr), ==, 0);
    g_assert_true(get(ips, &addr) == peer(c->want));
    wire_allowedips_free(ips);
}

static void test_packets(void)
{
    WireAllowedIps *ips = make_table();
    uint8_t         v4[20] = { 0x45, [12] = 10, 7, 3, 9, 172, 20, 0, 200 };
    uint8_t         v6[40] = { 0x60, [8] = 0xfd, 0x7a, 0, 1, [24] = 0x20, 0x01, 0x0d, 0xb8 };

    g_assert_true(wire_allowedips_get_source(ips, v4, 20) == peer('c'));
    g_assert_true(wire_allowedips_get_destination(ips, v4, 20) == peer('g'));
    g_assert_true(wire_allowedips_get_source(ips, v6, 40) == peer('a'));
    g_assert_true(wire_allowedips_get_destination(ips, v6, 40) == peer('e'));
    g_assert_null(wire_allowedips_get_source(ips, v4, 19));
    g_assert_null(wire_allowedips_get_source(ips, v6, 39));
    g_assert_null(wire_allowedips_get_source(ips, v4, 0));
    v4[0] = 0x55;
    g_assert_null(wire_allowedips_get_destination(ips, v4, 20));
    wire_allowedips_free(ips);
}

static void test_bad_prefix(void)
{
    WireAllowedIps *ips = NULL;
    MeshPrefix      none = { .bits = 0 }, long4 = { .addr.family = AF_INET, .bits = 33 };

    g_assert_cmpint(wire_allowedips_new(&ips), ==, 0);
    g_assert_cmpint(wire_allowedips_put(ips, &none, owner('a')), ==, -EINVAL);
    g_assert_cmpint(wire_allowedips_put(ips, &long4, owner('a')), ==, -EINVAL);
    wire_allowedips_free(ips);
    wire_allowedips_free(NULL);
}

/* Addresses that share many leading bits with each other, so that tries get deep. */
static MeshAddr draw_addr(GRand *rand, int family)
{
    uint8_t bytes[16];
    size_t  len = family == AF_INET ? 4 : 16;
    size_t  wild = (size_t)g_rand_int_range(rand, 0, (gint32)len + 1);

    for (size_t i = 0; i < len; i++)
        bytes[i] = i < wild ? (uint8_t)(g_rand_int(rand) & 3) : (uint8_t)g_rand_int(rand);
    return mesh_ip_make_addr(family, bytes);
}

typedef struct {
    MeshPrefix prefix;
    WirePeer  *peer;
} ModelRow;

static WirePeer *model_get(const GArray *model, const MeshAddr *addr)
{
    const ModelRow *best = NULL;

    for (guint i = 0; i < model->len; i++) {
        const ModelRow *row = &g_array_index(model, ModelRow, i);

        if (mesh_ip_contains(&row->prefix, addr) &&
            (best == NULL || row->prefix.bits > best->prefix.bits))
            best = row;
    }
    return best == NULL ? NULL : best->peer;
}

static void model_remove(GArray *model, const MeshPrefix *prefix)
{
    for (guint i = 0; i < model->len; i++)
        if (mesh_ip_equal_prefix(&g_array_index(model, ModelRow, i).prefix, prefix)) {
            g_array_remove_index_fast(model, i);
            return;
        }
}

/* Puts or removes one. */
static void change(GRand *rand, int family, WireAllowedIps *ips, GArray *model)
{
    ModelRow row = { .prefix.addr = draw_addr(rand, family) };
    char     name = (char)g_rand_int_range(rand, 1, 100);

    row.prefix.bits = (uint8_t)g_rand_int_range(rand, 0, family == AF_INET ? 33 : 129);
    if (model->len > 0 && g_rand_int_range(rand, 0, 3) == 0) /* one that is there */
        row.prefix = g_array_index(model, ModelRow, g_rand_int(rand) % model->len).prefix;
    row.prefix = mesh_ip_mask_prefix(&row.prefix);
    row.peer = peer(name);
    model_remove(model, &row.prefix);
    if (g_rand_int_range(rand, 0, 3) == 0) {
        g_assert_cmpint(wire_allowedips_remove(ips, &row.prefix), ==, 0);
        g_assert_null(wire_allowedips_find(ips, &row.prefix));
        return;
    }
    g_array_append_val(model, row);
    g_assert_cmpint(wire_allowedips_put(ips, &row.prefix, owner(name)), ==, 0);
    g_assert_true(wire_allowedips_find(ips, &row.prefix) == owner(name));
}

static void assert_alike(GRand *rand, int family, const WireAllowedIps *ips, const GArray *model)
{
    for (int i = 0; i < 1000; i++) {
        MeshAddr addr = draw_addr(rand, family);

        g_assert_true(get(ips, &addr) == model_get(model, &addr));
    }
}

static GArray *copy_model(const GArray *model)
{
    GArray *copy = g_array_new(FALSE, FALSE, sizeof(ModelRow));

    if (model->len > 0)
        g_array_append_vals(copy, model->data, model->len);
    return copy;
}

/* A table and copies of it from before, each of which stays what it was while others change. */
static void compare_with_model(GRand *rand, int family)
{
    GArray         *models[4] = { g_array_new(FALSE, FALSE, sizeof(ModelRow)) };
    WireAllowedIps *tables[4] = { NULL };

    g_assert_cmpint(wire_allowedips_new(&tables[0]), ==, 0);
    for (size_t n = 1; n < G_N_ELEMENTS(tables); n++) {
        for (int i = g_rand_int_range(rand, 1, 100); i > 0; i--)
            change(rand, family, tables[0], models[0]);
        tables[n] = wire_allowedips_dup(tables[0]);
        models[n] = copy_model(models[0]);
    }
    for (int i = 0; i < 200; i++) {
        size_t n = g_rand_int(rand) % G_N_ELEMENTS(tables);

        change(rand, family, tables[n], models[n]);
    }
    for (size_t n = 0; n < G_N_ELEMENTS(tables); n++) {
        assert_alike(rand, family, tables[n], models[n]);
        wire_allowedips_free(tables[n]);
        g_array_unref(models[n]);
    }
}

static void test_model(void)
{
    GRand *rand = g_rand_new_with_seed(771);

    for (int round = 0; round < 60; round++)
        compare_with_model(rand, round % 2 == 0 ? AF_INET : AF_INET6);
    for (size_t i = 0; i < G_N_ELEMENTS(owners); i++) /* no reference was lost or forgotten */
        g_assert_cmpuint(owners[i].references, <=, 1);
    g_rand_free(rand);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(lookups); i++) {
        g_autofree char *path = g_strdup_printf("/allowedips/lookup/%s", lookups[i].addr);

        g_test_add_data_func(path, &lookups[i], test_lookup);
    }
    g_test_add_func("/allowedips/packets", test_packets);
    g_test_add_func("/allowedips/bad-prefix", test_bad_prefix);
    g_test_add_func("/allowedips/model", test_model);
    return g_test_run();
}
