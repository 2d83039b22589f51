/* Tests of daemon/bus/plane.h: what became of packets, as clients read it. */
#include "daemon/bus/plane.h"

#include <string.h>

/* Of @list, the entry whose @key is @text. Owned; NULL: none. */
static GVariant *find(GVariant *found, const char *list, const char *key, const char *text)
{
    g_autoptr(GVariant) entries = g_variant_lookup_value(found, list, G_VARIANT_TYPE("aa{sv}"));

    g_assert_nonnull(entries);
    for (gsize i = 0; i < g_variant_n_children(entries); i++) {
        GVariant   *entry = g_variant_get_child_value(entries, i);
        const char *is = NULL;

        g_assert_true(g_variant_lookup(entry, key, "&s", &is));
        if (strcmp(is, text) == 0)
            return entry;
        g_variant_unref(entry);
    }
    return NULL;
}

static guint64 get_number(GVariant *dict, const char *key)
{
    guint64 number = 0;

    g_assert_true(g_variant_lookup(dict, key, "t", &number));
    return number;
}

static void test_down(void)
{
    g_autoptr(GVariant) found = g_variant_ref_sink(bus_plane_make(NULL));

    g_assert_cmpuint(g_variant_n_children(found), ==, 0);
}

/* Each reason has a word of its own; none is told that did not happen. */
static void test_drops(void)
{
    WireStats stats = { .rx_packets = 1 };
    g_autoptr(GHashTable) words = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (int i = WIRE_DROP_NONE + 1; i < WIRE_N_DROPS; i++) {
        g_autoptr(GVariant) found = NULL, list = NULL, drop = NULL;
        const char *reason = NULL;

        memset(stats.drops, 0, sizeof stats.drops);
        stats.drops[i] = (uint64_t)i + 7;
        found = g_variant_ref_sink(bus_plane_make(&stats));
        list = g_variant_lookup_value(found, "drops", G_VARIANT_TYPE("aa{sv}"));
        g_assert_cmpuint(g_variant_n_children(list), ==, 1);
        drop = g_variant_get_child_value(list, 0);
        g_assert_true(g_variant_lookup(drop, "reason", "&s", &reason));
        g_assert_cmpuint(get_number(drop, "packets"), ==, (uint64_t)i + 7);
        g_assert_true(g_hash_table_add(words, g_strdup(reason)));
    }
}

static void check_state(const WireStats *stats, const char *way, const char *want)
{
    g_autoptr(GVariant) found = g_variant_ref_sink(bus_plane_make(stats));
    g_autoptr(GVariant) burst = find(found, "bursts", "way", way);
    const char *state = NULL;

    g_assert_nonnull(burst);
    g_assert_true(g_variant_lookup(burst, "state", "&s", &state));
    g_assert_cmpstr(state, ==, want);
}

static void test_states(void)
{
    WireStats         stats = { 0 };
    WireOffloadStats *send = &stats.offloads[WIRE_OFFLOAD_UDP_SEND];

    check_state(&stats, "to-network", "off");
    send->on = true;
    check_state(&stats, "to-network", "on");
    check_state(&stats, "from-network", "off");
    send->given_up = 1;
    check_state(&stats, "to-network", "partly");
    send->on = false;
    check_state(&stats, "to-network", "off");
}

static void test_numbers(void)
{
    const WireStats stats = {
        .rx_packets = 1,
        .tx_packets = 2,
        .rx_bytes = 3,
        .tx_bytes = 4,
        .queue_times = 5,
        .queue_peak = 6,
        .marked = 7,
        .cut = 8,
        .offloads[WIRE_OFFLOAD_TUN_WRITE] = { .units = 9,
                                              .packets = 10,
                                              .refused = 11,
                                              .held = 12 },
    };
    static const char *const totals[] = { "rx-packets",  "tx-packets", "rx-bytes", "tx-bytes",
                                          "queue-times", "queue-peak", "marked",   "cut" };
    static const char *const parts[] = { "units", "packets", "refused", "held" };
    g_autoptr(GVariant) found = g_variant_ref_sink(bus_plane_make(&stats));
    g_autoptr(GVariant) burst = find(found, "bursts", "way", "to-host");

    for (guint i = 0; i < G_N_ELEMENTS(totals); i++)
        g_assert_cmpuint(get_number(found, totals[i]), ==, i + 1);
    for (guint i = 0; i < G_N_ELEMENTS(parts); i++)
        g_assert_cmpuint(get_number(burst, parts[i]), ==, i + 9);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/bus/plane/down", test_down);
    g_test_add_func("/bus/plane/drops", test_drops);
    g_test_add_func("/bus/plane/states", test_states);
    g_test_add_func("/bus/plane/numbers", test_numbers);
    return g_test_run();
}
