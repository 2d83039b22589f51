#include "daemon/bus/plane.h"

static const char *const reasons[WIRE_N_DROPS] = {
    [WIRE_DROP_NONE] = NULL, /* is no drop */
    [WIRE_DROP_NO_PEER] = "no-peer",
    [WIRE_DROP_NO_ROUTE] = "no-route",
    [WIRE_DROP_STAGED] = "staged",
    [WIRE_DROP_SEND] = "send",
    [WIRE_DROP_MALFORMED] = "malformed",
    [WIRE_DROP_NO_SESSION] = "no-session",
    [WIRE_DROP_FORGED] = "forged",
    [WIRE_DROP_REPLAYED] = "replayed",
    [WIRE_DROP_SPOOFED] = "spoofed",
    [WIRE_DROP_FILTERED] = "filtered",
    [WIRE_DROP_TUN] = "host",
    [WIRE_DROP_EVENTS] = "events",
    [WIRE_DROP_HANDSHAKES] = "handshakes",
    [WIRE_DROP_CONGESTION] = "congestion",
    [WIRE_DROP_TOO_LONG] = "too-long",
    [WIRE_DROP_QUEUE_FULL] = "queue-full",
    [WIRE_DROP_QUEUE_SLOW] = "queue-slow",
};

static const char *const ways[WIRE_N_OFFLOADS] = {
    [WIRE_OFFLOAD_TUN_READ] = "from-host",
    [WIRE_OFFLOAD_TUN_WRITE] = "to-host",
    [WIRE_OFFLOAD_UDP_SEND] = "to-network",
    [WIRE_OFFLOAD_UDP_RECEIVE] = "from-network",
};

static void add_text(GVariantBuilder *dict, const char *key, const char *text)
{
    g_variant_builder_add(dict, "{sv}", key, g_variant_new_string(text));
}

static void add_number(GVariantBuilder *dict, const char *key, uint64_t number)
{
    g_variant_builder_add(dict, "{sv}", key, g_variant_new_uint64(number));
}

static GVariant *make_drops(const WireStats *stats)
{
    GVariantBuilder list, dict;

    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (int i = 0; i < WIRE_N_DROPS; i++) {
        if (stats->drops[i] == 0 || reasons[i] == NULL)
            continue;
        g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
        add_text(&dict, "reason", reasons[i]);
        add_number(&dict, "packets", stats->drops[i]);
        g_variant_builder_add_value(&list, g_variant_builder_end(&dict));
    }
    return g_variant_builder_end(&list);
}

static GVariant *make_bursts(const WireStats *stats)
{
    GVariantBuilder list, dict;

    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (int i = 0; i < WIRE_N_OFFLOADS; i++) {
        const WireOffloadStats *offload = &stats->offloads[i];

        g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
        add_text(&dict, "way", ways[i]);
        add_text(&dict, "state", !offload->on ? "off" : offload->given_up != 0 ? "partly" : "on");
        add_number(&dict, "units", offload->units);
        add_number(&dict, "packets", offload->packets);
        add_number(&dict, "refused", offload->refused);
        add_number(&dict, "held", offload->held);
        g_variant_builder_add_value(&list, g_variant_builder_end(&dict));
    }
    return g_variant_builder_end(&list);
}

GVariant *bus_plane_make(const WireStats *stats)
{
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    if (stats == NULL)
        return g_variant_builder_end(&dict);
    add_number(&dict, "rx-packets", stats->rx_packets);
    add_number(&dict, "tx-packets", stats->tx_packets);
    add_number(&dict, "rx-bytes", stats->rx_bytes);
    add_number(&dict, "tx-bytes", stats->tx_bytes);
    add_number(&dict, "queue-times", stats->queue_times);
    add_number(&dict, "queue-peak", stats->queue_peak);
    add_number(&dict, "marked", stats->marked);
    add_number(&dict, "cut", stats->cut);
    g_variant_builder_add(&dict, "{sv}", "bursts", make_bursts(stats));
    g_variant_builder_add(&dict, "{sv}", "drops", make_drops(stats));
    return g_variant_builder_end(&dict);
}
