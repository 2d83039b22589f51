#include "daemon/bus/doctor.h"

#include "common/std/endpoint.h"

static const char *name_answer(PathAnswer answer)
{
    static const char *const names[] = { "unknown", "no", "yes" };

    return names[answer];
}

static void add_text(GVariantBuilder *dict, const char *key, const char *text)
{
    g_variant_builder_add(dict, "{sv}", key, g_variant_new_string(text));
}

static void add_endpoint(GVariantBuilder *dict, const char *key, const MeshEndpoint *endpoint)
{
    char text[MESH_ENDPOINT_TEXT_SIZE];

    add_text(dict, key, endpoint->addr.family != 0 ? mesh_endpoint_format(endpoint, text) : "");
}

/* All false for a relay that has just come or gone. */
static PathRelayInfo find_info(const MeshdDoctorReport *report, uint16_t id)
{
    for (size_t i = 0; i < report->n_relays; i++)
        if (report->relays[i].id == id)
            return report->relays[i];
    return (PathRelayInfo){ .id = id };
}

static void add_flag(GVariantBuilder *dict, const char *key, bool value)
{
    g_variant_builder_add(dict, "{sv}", key, g_variant_new_boolean(value));
}

static GVariant *make_relay(const MeshdDoctorReport *report, const PathNetcheckRelay *relay)
{
    GVariantBuilder dict;
    PathRelayInfo   info = find_info(report, relay->id);

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    add_text(&dict, "name", relay->name);
    add_flag(&dict, "home", info.home && info.bound);
    add_flag(&dict, "second", info.second);
    add_flag(&dict, "usable", relay->usable);
    add_flag(&dict, "draining", info.draining);
    add_flag(&dict, "down", info.down);
    add_text(&dict, "session", !info.bound ? "" : info.tls ? "tls" : "udp");
    g_variant_builder_add(&dict, "{sv}", "rtt-us", g_variant_new_uint64((guint64)info.rtt_us));
    g_variant_builder_add(&dict, "{sv}", "udp4-us", g_variant_new_uint64((guint64)relay->udp4_us));
    g_variant_builder_add(&dict, "{sv}", "udp6-us", g_variant_new_uint64((guint64)relay->udp6_us));
    return g_variant_builder_end(&dict);
}

static void add_nat(GVariantBuilder *dict, const PathNat *nat)
{
    const uint16_t   block[] = { nat->what.block_first, nat->what.block_last };
    g_autofree char *words = path_natclass_describe(nat);

    add_text(dict, "nat", path_natclass_name(nat->behind, &nat->what));
    add_text(dict, "nat-text", words);
    add_text(dict, "behind-nat", name_answer(nat->behind));
    add_text(dict, "port-kept", name_answer(nat->port_kept));
    add_text(dict, "hairpin", name_answer(nat->hairpin));
    g_variant_builder_add(dict, "{sv}", "one-address", g_variant_new_boolean(nat->one_address));
    if (nat->what.step != 0)
        g_variant_builder_add(dict, "{sv}", "step", g_variant_new_int64(nat->what.step));
    if (nat->what.block_last != 0)
        g_variant_builder_add(dict, "{sv}", "block",
                              g_variant_new_fixed_array(G_VARIANT_TYPE_UINT16, block, 2,
                                                        sizeof block[0]));
}

static void add_portmaps(GVariantBuilder *dict, const MeshdDoctorReport *report)
{
    static const char *const names[MESHD_PORTMAPS][3] = {
        [MESHD_PORTMAP_UDP4] = { "port-map", "port-map-error", "port-mapped" },
        [MESHD_PORTMAP_TCP4] = { "tcp-map", "tcp-map-error", "tcp-map-at" },
        [MESHD_PORTMAP_UDP6] = { "pinhole", "pinhole-error", "pinhole-at" },
        [MESHD_PORTMAP_TCP6] = { "tcp-pinhole", "tcp-pinhole-error", "tcp-pinhole-at" },
    };

    for (size_t i = 0; i < MESHD_PORTMAPS; i++) {
        add_text(dict, names[i][0], report->portmaps[i].state);
        add_text(dict, names[i][1], report->portmaps[i].why);
        add_endpoint(dict, names[i][2], &report->portmaps[i].at);
    }
}

GVariant *bus_doctor_make_report(const MeshdDoctorReport *report)
{
    const PathNetcheckReport *found = report->found;
    GVariantBuilder           dict, relays;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    add_text(&dict, "udp4", name_answer(found->udp4));
    add_text(&dict, "udp6", name_answer(found->udp6));
    add_endpoint(&dict, "mapped", &found->mapped);
    add_nat(&dict, &found->nat);
    g_variant_builder_add(&dict, "{sv}", "kept-s", g_variant_new_uint32(report->lifetime.kept_s));
    g_variant_builder_add(&dict, "{sv}", "lost-s", g_variant_new_uint32(report->lifetime.lost_s));
    add_portmaps(&dict, report);
    g_variant_builder_init(&relays, G_VARIANT_TYPE("aa{sv}"));
    for (size_t i = 0; i < found->n_relays; i++)
        g_variant_builder_add_value(&relays, make_relay(report, &found->relays[i]));
    g_variant_builder_add(&dict, "{sv}", "relays", g_variant_builder_end(&relays));
    return g_variant_builder_end(&dict);
}

GVariant *bus_doctor_make_why(const char *name, const PathWhy *why)
{
    static const char *const policies[] = { "both", "out", "in", "none" };
    GVariantBuilder          dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    add_text(&dict, "peer", name);
    add_text(&dict, "path", path_kind_name(why->path.kind));
    add_text(&dict, "relay", why->path.relay != NULL ? why->path.relay : "");
    add_text(&dict, "why", why->words.why);
    add_text(&dict, "why-code", why->words.code);
    add_text(&dict, "remedy", why->words.remedy);
    add_text(&dict, "remedy-code", why->words.remedy_code);
    add_endpoint(&dict, "endpoint", &why->path.wire.endpoint);
    g_variant_builder_add(&dict, "{sv}", "rtt-us",
                          g_variant_new_uint64((guint64)MAX(why->path.rtt_us, 0)));
    g_variant_builder_add(&dict, "{sv}", "mtu", g_variant_new_uint32(why->path.mtu));
    add_flag(&dict, "again", why->path.again);
    add_flag(&dict, "singly", why->path.singly);
    add_text(&dict, "own-nat", why->own_nat);
    add_text(&dict, "peer-nat", why->peer_nat);
    add_text(&dict, "policy", policies[why->policy]);
    add_text(&dict, "cipher",
             why->path.wire.has_session ? wire_suite_get_cipher(why->path.wire.suite) : "");
    g_variant_builder_add(&dict, "{sv}", "searching", g_variant_new_boolean(why->path.busy));
    return g_variant_builder_end(&dict);
}

GVariant *bus_doctor_make_history(const MeshdHistoryStep *steps, size_t n)
{
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("a(xsss)"));
    for (size_t i = 0; i < n; i++) {
        const MeshEndpoint *at = &steps[i].endpoint;
        char                text[MESH_ENDPOINT_TEXT_SIZE];

        g_variant_builder_add(&list, "(xsss)", steps[i].time_us, path_kind_name(steps[i].kind),
                              steps[i].relay != NULL ? steps[i].relay : "",
                              at->addr.family != 0 ? mesh_endpoint_format(at, text) : "");
    }
    return g_variant_builder_end(&list);
}
