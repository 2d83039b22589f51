/* Tests of daemon/wire/config.c and snapshot.c: the builder's rules, and that a snapshot says what
 * the builder was told. */
#include "common/std/ip.h"
#include "common/std/key.h"
#include "daemon/wire/config.h"
#include "daemon/wire/snapshot.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>

static MeshKey key(unsigned number)
{
    MeshKey value = { { 9 } };

    memcpy(value.bytes + 1, &number, sizeof number);
    return value;
}

static void put_peer(WireConfig *config, unsigned number)
{
    WirePeerSpec spec = { .public_key = key(number), .keepalive_s = (uint16_t)number };

    spec.preshared_key.bytes[0] = (uint8_t)number;
    g_assert_cmpint(wire_config_put_peer(config, &spec), ==, 0);
}

static int add_ip(WireConfig *config, unsigned number, const char *text)
{
    MeshKey    owner = key(number);
    MeshPrefix prefix;

    g_assert_cmpint(mesh_ip_parse_cidr(text, &prefix), ==, 0);
    return wire_config_add_allowed_ip(config, &owner, &prefix);
}

static void remove_ip(WireConfig *config, unsigned number, const char *text)
{
    MeshKey    owner = key(number);
    MeshPrefix prefix;

    g_assert_cmpint(mesh_ip_parse_cidr(text, &prefix), ==, 0);
    wire_config_remove_allowed_ip(config, &owner, &prefix);
}

static void append_ip(const MeshPrefix *prefix, void *data)
{
    char text[MESH_IP_PREFIX_TEXT_SIZE];

    g_ptr_array_add(data, g_strdup(mesh_ip_format_prefix(prefix, text)));
}

static gint compare_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void assert_ips(const WireConfig *config, unsigned number, const char *want)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *text = NULL;
    MeshKey          owner = key(number);

    wire_config_list_allowed_ips(config, &owner, append_ip, list);
    g_ptr_array_sort(list, compare_text);
    g_ptr_array_add(list, NULL);
    text = g_strjoinv(" ", (char **)list->pdata);
    g_assert_cmpstr(text, ==, want);
}

static void append_peer(const WirePeerSpec *spec, void *data)
{
    g_string_append_printf(data, "%u ", (unsigned)spec->keepalive_s);
}

static void assert_peers(const WireConfig *config, const char *want)
{
    g_autoptr(GString) text = g_string_new(NULL);

    wire_config_list_peers(config, append_peer, text);
    g_assert_cmpstr(text->str, ==, want);
}

static void test_peers(void)
{
    WireConfig  *config = wire_config_new();
    WirePeerSpec spec = { .keepalive_s = 5 }, got;
    MeshKey      second = key(2), unknown = key(99);

    g_assert_cmpint(wire_config_put_peer(config, &spec), ==, -EINVAL); /* zero key */
    for (unsigned i = 1; i <= 4; i++)
        put_peer(config, i);
    assert_peers(config, "1 2 3 4 ");
    g_assert_cmpint(add_ip(config, 2, "10.0.0.0/8"), ==, 0);
    spec.public_key = second;
    spec.keepalive_s = 22;
    g_assert_cmpint(wire_config_put_peer(config, &spec), ==, 0);
    assert_ips(config, 2, "10.0.0.0/8"); /* kept */
    g_assert_cmpint(wire_config_get_peer(config, &second, &got), ==, 0);
    g_assert_cmpuint(got.keepalive_s, ==, 22);
    g_assert_cmpint(wire_config_get_peer(config, &unknown, &got), ==, -ENOENT);
    wire_config_remove_peer(config, &second);
    wire_config_remove_peer(config, &second);
    wire_config_remove_peer(config, &unknown);
    assert_peers(config, "1 3 4 ");
    assert_ips(config, 2, "");
    put_peer(config, 2);
    assert_peers(config, "1 3 4 2 ");
    wire_config_remove_peer(config, NULL);
    assert_peers(config, "");
    wire_config_free(config);
    wire_config_free(NULL);
}

static void test_allowed_ips(void)
{
    WireConfig *config = wire_config_new();
    MeshKey     first = key(1);

    put_peer(config, 1);
    put_peer(config, 2);
    g_assert_cmpint(add_ip(config, 9, "10.0.0.0/8"), ==, -ENOENT);
    g_assert_cmpint(add_ip(config, 1, "10.0.0.1/8"), ==, -EINVAL);
    g_assert_cmpint(add_ip(config, 1, "10.0.0.0/8"), ==, 0);
    g_assert_cmpint(add_ip(config, 1, "10.0.0.0/8"), ==, 0);
    g_assert_cmpint(add_ip(config, 1, "10.0.0.0/9"), ==, 0);
    g_assert_cmpint(add_ip(config, 1, "fd00::/8"), ==, 0);
    assert_ips(config, 1, "10.0.0.0/8 10.0.0.0/9 fd00::/8");
    g_assert_cmpint(add_ip(config, 2, "10.0.0.0/9"), ==, 0); /* taken over */
    assert_ips(config, 1, "10.0.0.0/8 fd00::/8");
    assert_ips(config, 2, "10.0.0.0/9");
    remove_ip(config, 1, "10.0.0.0/9"); /* another's now */
    assert_ips(config, 2, "10.0.0.0/9");
    remove_ip(config, 2, "10.0.0.0/9");
    assert_ips(config, 2, "");
    wire_config_remove_allowed_ip(config, &first, NULL);
    assert_ips(config, 1, "");
    wire_config_free(config);
}

static void test_dup(void)
{
    WireConfig *config = wire_config_new(), *copy;

    put_peer(config, 3);
    put_peer(config, 1);
    g_assert_cmpint(add_ip(config, 3, "10.3.0.0/16"), ==, 0);
    g_assert_cmpint(add_ip(config, 3, "fd03::/16"), ==, 0);
    copy = wire_config_dup(config);
    wire_config_remove_peer(config, NULL);
    wire_config_free(config);
    assert_peers(copy, "3 1 ");
    assert_ips(copy, 3, "10.3.0.0/16 fd03::/16");
    wire_config_free(copy);
}

static void test_limits(void)
{
    WireConfig          *config = wire_config_new();
    g_autofree void     *rows = g_malloc0((WIRE_MAX_FILTER_ROWS + 1) * sizeof(WireFilterRow));
    WirePeerSpec         spec = { .keepalive_s = 0 };
    const WireFilterRow *many = rows;

    for (unsigned i = 1; i <= WIRE_MAX_PEERS; i++)
        put_peer(config, i);
    spec.public_key = key(WIRE_MAX_PEERS + 1);
    g_assert_cmpint(wire_config_put_peer(config, &spec), ==, -ENOSPC);
    spec.public_key = key(5);
    g_assert_cmpint(wire_config_put_peer(config, &spec), ==, 0); /* known: fits */
    g_assert_cmpint(wire_config_set_filter(config, many, WIRE_MAX_FILTER_ROWS + 1, true), ==,
                    -ENOSPC);
    g_assert_cmpint(wire_config_set_filter(config, many, WIRE_MAX_FILTER_ROWS, true), ==, 0);
    wire_config_free(config);
}

/* Random adds, moves and removals against a hash table from prefix to owner. */
static void test_model(void)
{
    WireConfig *config = wire_config_new();
    GHashTable *model = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GRand      *rand = g_rand_new_with_seed(3);

    for (unsigned i = 1; i <= 20; i++)
        put_peer(config, i);
    for (int i = 0; i < 60000; i++) {
        unsigned owner = (unsigned)g_rand_int_range(rand, 1, 21);
        char    *text = g_strdup_printf("10.0.%d.0/24", g_rand_int_range(rand, 0, 250));
        gpointer had = g_hash_table_lookup(model, text);

        if (g_rand_boolean(rand)) {
            g_assert_cmpint(add_ip(config, owner, text), ==, 0);
            g_hash_table_replace(model, text, GUINT_TO_POINTER(owner));
            continue;
        }
        remove_ip(config, owner, text);
        if (GPOINTER_TO_UINT(had) == owner)
            g_hash_table_remove(model, text);
        g_free(text);
    }
    for (unsigned owner = 1; owner <= 20; owner++) {
        g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);
        MeshKey owner_key = key(owner);

        wire_config_list_allowed_ips(config, &owner_key, append_ip, list);
        for (guint i = 0; i < list->len; i++) {
            g_assert_cmpuint(GPOINTER_TO_UINT(g_hash_table_lookup(model, list->pdata[i])), ==,
                             owner);
            g_hash_table_remove(model, list->pdata[i]);
        }
    }
    g_assert_cmpuint(g_hash_table_size(model), ==, 0);
    g_rand_free(rand);
    g_hash_table_unref(model);
    wire_config_free(config);
}

/* ---- snapshots ---- */

static WirePeer *find_peer(const WirePeerSpec *spec, void *data)
{
    unsigned *countdown = data;

    if (countdown != NULL && (*countdown)-- == 0)
        return NULL;
    return (WirePeer *)(uintptr_t)(1000u + spec->keepalive_s);
}

static WirePeer *peer_of(const WireSnapshot *snapshot, const char *addr)
{
    MeshAddr parsed;

    g_assert_cmpint(mesh_ip_parse_addr(addr, &parsed), ==, 0);
    return parsed.family == AF_INET ? wire_allowedips_get4(snapshot->allowed_ips, parsed.bytes)
                                    : wire_allowedips_get6(snapshot->allowed_ips, parsed.bytes);
}

static WireConfig *make_config(unsigned n_peers)
{
    WireConfig *config = wire_config_new();

    wire_config_set_listen(config, 51820, 0x99);
    for (unsigned i = n_peers; i >= 1; i--) {
        g_autofree char *v4 = g_strdup_printf("10.%u.0.0/16", i);
        g_autofree char *v6 = g_strdup_printf("fd00:%x::/32", i);

        put_peer(config, i);
        g_assert_cmpint(add_ip(config, i, v4), ==, 0);
        g_assert_cmpint(add_ip(config, i, v6), ==, 0);
    }
    return config;
}

static void test_snapshot(void)
{
    WireConfig     *config = make_config(100);
    WireSnapshot   *snapshot = NULL;
    const WireCard *found;
    MeshKey         wanted = key(42), unknown = key(999);

    g_assert_cmpint(wire_snapshot_new(config, NULL, find_peer, NULL, &snapshot), ==, 0);
    wire_config_free(config); /* it is a copy */
    g_assert_cmpuint(snapshot->listen_port, ==, 51820);
    g_assert_cmphex(snapshot->fwmark, ==, 0x99);
    g_assert_cmpuint(snapshot->n_peers, ==, 100);
    found = wire_snapshot_find(snapshot, &wanted);
    g_assert_nonnull(found);
    g_assert_cmpuint(found->keepalive_s, ==, 42);
    g_assert_cmpuint(wire_card_get_preshared(found)->bytes[0], ==, 42);
    g_assert_true(wire_owner_get_peer(found->owner) == (WirePeer *)(uintptr_t)1042);
    g_assert_null(wire_snapshot_find(snapshot, &unknown));
    g_assert_true(peer_of(snapshot, "10.7.1.2") == (WirePeer *)(uintptr_t)1007);
    g_assert_true(peer_of(snapshot, "fd00:64::1") == (WirePeer *)(uintptr_t)1100);
    g_assert_null(peer_of(snapshot, "10.101.0.1"));
    wire_snapshot_retire(snapshot);
    wire_snapshot_retire(NULL);
    wire_rcu_barrier();
}

static void test_snapshot_empty(void)
{
    WireConfig   *config = wire_config_new();
    WireSnapshot *snapshot = NULL;
    MeshKey       any = key(1);

    g_assert_cmpint(wire_snapshot_new(config, NULL, find_peer, NULL, &snapshot), ==, 0);
    g_assert_null(wire_snapshot_find(snapshot, &any));
    wire_snapshot_free(snapshot);
    wire_config_free(config);
}

static void test_snapshot_out_of_memory(void)
{
    WireConfig   *config = make_config(5);
    WireSnapshot *snapshot = NULL;
    unsigned      countdown = 3;

    g_assert_cmpint(wire_snapshot_new(config, NULL, find_peer, &countdown, &snapshot), ==, -ENOMEM);
    g_assert_null(snapshot);
    wire_config_free(config);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(mesh_key_init(), ==, 0);
    g_test_add_func("/config/peers", test_peers);
    g_test_add_func("/config/allowed-ips", test_allowed_ips);
    g_test_add_func("/config/dup", test_dup);
    g_test_add_func("/config/limits", test_limits);
    g_test_add_func("/config/model", test_model);
    g_test_add_func("/snapshot/whole", test_snapshot);
    g_test_add_func("/snapshot/empty", test_snapshot_empty);
    g_test_add_func("/snapshot/out-of-memory", test_snapshot_out_of_memory);
    return g_test_run();
}
