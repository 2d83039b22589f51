#include "gui/netcheck.h"

#include "gui/words.h"

#include <glib/gi18n.h>
#include <string.h>

static const struct {
    const char *key, *value, *words;
} rows[] = {
    { "udp4", "yes", N_("Packets pass to the internet by IPv4.") },
    { "udp4", "no", N_("No packet passes by IPv4: UDP is blocked, or there is no internet.") },
    { "udp6", "yes", N_("Packets pass to the internet by IPv6.") },
    { "udp6", "no", N_("No packet passes by IPv6: UDP is blocked, or there is no internet.") },
};

/* Each kind of "nat"; one that is not here is newer than this window, and the service's words do.
 */
static const struct {
    const char *kind, *words;
} nats[] = {
    { "open", N_("No NAT and no firewall stand before this computer.") },
    { "firewall", N_("A firewall lets in answers only; there is no NAT.") },
    { "full-cone", N_("The NAT keeps one port and lets everybody in.") },
    { "cone", N_("The NAT keeps one port for all destinations.") },
    { "restricted",
      N_("The NAT keeps one port and lets in whoever was written to, from any port.") },
    { "port-restricted", N_("The NAT keeps one port and lets in answers only.") },
    { "address-dependent", N_("The NAT takes another port for each address: some peers may stay "
                              "reached by a relay.") },
    { "symmetric", N_("The NAT takes a random port for each destination: a direct way is searched "
                      "for, and not always found.") },
    { "sequential", N_("The NAT takes the next port for each destination: a direct way is "
                       "searched for.") },
    { "block", N_("The NAT takes a port of a small range for each destination: a direct way is "
                  "searched for.") },
};

static void add_relay(GString *words, GVariant *relay)
{
    const char      *name = "";
    gboolean         home = false, down = false;
    guint64          rtt_us = 0;
    g_autofree char *latency = NULL;

    g_variant_lookup(relay, "name", "&s", &name);
    g_variant_lookup(relay, "home", "b", &home);
    g_variant_lookup(relay, "down", "b", &down);
    g_variant_lookup(relay, "rtt-us", "t", &rtt_us);
    latency = gui_words_dup_latency(rtt_us);
    if (down)
        /* Translators: %s is the name of a relay */
        g_string_append_printf(words, _("Relay %s does not answer."), name);
    else if (home)
        /* Translators: the name of a relay, and its round trip, e.g. 12 ms */
        g_string_append_printf(words, _("Peers find this computer by relay %s (%s)."), name,
                               latency);
    else
        return;
    g_string_append_c(words, '\n');
}

static void add_nat(GString *words, GVariant *found)
{
    const char *kind = "unknown", *text = "";

    g_variant_lookup(found, "nat", "&s", &kind);
    g_variant_lookup(found, "nat-text", "&s", &text);
    for (size_t i = 0; i < G_N_ELEMENTS(nats); i++)
        if (strcmp(kind, nats[i].kind) == 0)
            text = _(nats[i].words);
    if (text[0] != '\0' && strcmp(kind, "unknown") != 0) /* else it would say that it has no news */
        g_string_append_printf(words, "%s\n", text);
}

char *gui_netcheck_dup_words(GVariant *found)
{
    g_autoptr(GString) words = g_string_new(NULL);
    g_autoptr(GVariant) relays = g_variant_lookup_value(found, "relays", G_VARIANT_TYPE("aa{sv}"));
    const char *value;

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if (g_variant_lookup(found, rows[i].key, "&s", &value) && strcmp(value, rows[i].value) == 0)
            g_string_append_printf(words, "%s\n", _(rows[i].words));
    add_nat(words, found);
    for (gsize i = 0; relays != NULL && i < g_variant_n_children(relays); i++) {
        g_autoptr(GVariant) relay = g_variant_get_child_value(relays, i);

        add_relay(words, relay);
    }
    if (words->len == 0)
        return g_strdup(_("Nothing could be found out."));
    g_string_truncate(words, words->len - 1);
    return g_string_free(g_steal_pointer(&words), false);
}
