#include "cli/dataplane.h"

#include "cli/output.h"

#include <glib/gi18n.h>
#include <string.h>

typedef struct {
    const char *code, *words; /* to be translated */
} Word;

static const Word ways[] = {
    { "from-host", N_("from this computer") },
    { "to-host", N_("to this computer") },
    { "to-network", N_("to the network") },
    { "from-network", N_("from the network") },
};

static const Word reasons[] = {
    { "no-peer", N_("sent to an address that no node has") },
    { "no-route", N_("sent to a node that no way is known to") },
    { "staged", N_("sent while there was no session yet, and too many waited") },
    { "send", N_("not taken by this computer's network") },
    { "too-long", N_("too long for the way (the sender was told)") },
    { "queue-full", N_("the link was too slow, and too many waited") },
    { "queue-slow", N_("the link was too slow, and they had waited for too long") },
    { "malformed", N_("received, but no valid packet") },
    { "no-session", N_("received for a session that is not there any more") },
    { "forged", N_("received, but not sealed by a node") },
    { "replayed", N_("received twice, or too late") },
    { "spoofed", N_("received from an address that is not the node's") },
    { "host", N_("received, but not taken by the interface") },
    { "congestion",
      N_("received over a full link, for programs that do not know its marks (ECN)") },
    { "handshakes", N_("too many beginnings of sessions at once") },
    { "filtered", N_("not allowed by the network's policy") },
    { "events", N_("news for meshd that it was too busy to hear") },
};

/* A code that is newer than this program is shown as it is. */
static const char *find_words(const Word *words, size_t n, const char *code)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(words[i].code, code) == 0)
            return _(words[i].words);
    return code;
}

/* 0: it is not there. */
static unsigned long long get_number(GVariant *dict, const char *key)
{
    guint64 number = 0;

    g_variant_lookup(dict, key, "t", &number);
    return number;
}

static void add_line(GString *text, const char *label, const char *line)
{
    g_autofree char *clean = cli_output_clean(line);

    g_string_append_printf(text, "  %-10s %s\n", label, clean);
}

static void add_packets(GString *text, GVariant *found)
{
    g_autofree char *rx = cli_output_format_bytes(get_number(found, "rx-bytes"));
    g_autofree char *tx = cli_output_format_bytes(get_number(found, "tx-bytes"));
    g_autofree char *line =
        g_strdup_printf(_("received %llu (%s), sent %llu (%s)"), get_number(found, "rx-packets"),
                        rx, get_number(found, "tx-packets"), tx);
    g_autofree char *cut = NULL;

    add_line(text, _("packets"), line);
    if (get_number(found, "cut") == 0)
        return;
    cut = g_strdup_printf(_("too long for their way, sent in pieces: %llu"),
                          get_number(found, "cut"));
    add_line(text, "", cut);
}

/* "to the network: on, 5000 packets in 120 bursts; refused by the kernel: 3" */
static char *describe_burst(GVariant *burst)
{
    const char        *way = "", *state = "";
    unsigned long long units = get_number(burst, "units"), refused = get_number(burst, "refused");
    unsigned long long held = get_number(burst, "held");
    GString           *line = g_string_new(NULL);

    g_variant_lookup(burst, "way", "&s", &way);
    g_variant_lookup(burst, "state", "&s", &state);
    g_string_append_printf(line, "%s: %s", find_words(ways, G_N_ELEMENTS(ways), way),
                           strcmp(state, "off") == 0      ? _("off")
                           : strcmp(state, "on") == 0     ? _("on")
                           : strcmp(state, "partly") == 0 ? _("on in part")
                                                          : state);
    if (units != 0)
        g_string_append_printf(line, _(", packets: %llu in %llu bursts"),
                               get_number(burst, "packets"), units);
    if (refused != 0)
        g_string_append_printf(line, _(", refused by the kernel: %llu"), refused);
    if (held != 0)
        g_string_append_printf(line, _(", one by one because the way loses bursts: %llu"), held);
    return g_string_free(line, false);
}

static void add_bursts(GString *text, GVariant *found)
{
    g_autoptr(GVariant) list = g_variant_lookup_value(found, "bursts", G_VARIANT_TYPE("aa{sv}"));

    for (gsize i = 0; list != NULL && i < g_variant_n_children(list); i++) {
        g_autoptr(GVariant) burst = g_variant_get_child_value(list, i);
        g_autofree char *line = describe_burst(burst);

        add_line(text, i == 0 ? _("bursts") : "", line);
    }
}

static void add_queue(GString *text, GVariant *found)
{
    unsigned long long times = get_number(found, "queue-times");
    unsigned long long marked = get_number(found, "marked");
    g_autofree char   *peak = cli_output_format_bytes(get_number(found, "queue-peak"));
    g_autofree char   *line = NULL, *more = NULL;

    if (times == 0)
        return;
    if (marked != 0)
        more = g_strdup_printf(_(", packets marked (ECN): %llu"), marked);
    line = g_strdup_printf(_("times: %llu, at most %s waited%s"), times, peak,
                           more != NULL ? more : "");
    add_line(text, _("full link"), line);
}

static void add_drops(GString *text, GVariant *found)
{
    g_autoptr(GVariant) list = g_variant_lookup_value(found, "drops", G_VARIANT_TYPE("aa{sv}"));

    for (gsize i = 0; list != NULL && i < g_variant_n_children(list); i++) {
        g_autoptr(GVariant) drop = g_variant_get_child_value(list, i);
        const char      *reason = "";
        g_autofree char *line = NULL;

        g_variant_lookup(drop, "reason", "&s", &reason);
        line = g_strdup_printf("%llu %s", get_number(drop, "packets"),
                               find_words(reasons, G_N_ELEMENTS(reasons), reason));
        add_line(text, i == 0 ? _("dropped") : "", line);
    }
}

char *cli_dataplane_describe(GVariant *found)
{
    GString *text = g_string_new(NULL);

    if (g_variant_n_children(found) != 0) {
        add_packets(text, found);
        add_bursts(text, found);
        add_queue(text, found);
        add_drops(text, found);
    }
    return g_string_free(text, false);
}
