#include "common/glib/reason.h"

#include <glib/gi18n.h>
#include <string.h>

static const struct {
    const char *code, *text;
} rows[] = {
    /* of a peer that is relayed, or goes by TCP */
    { "no-direct-way", N_("no direct way was found") },
    { "searching", N_("a direct way is being looked for") },
    { "no-udp", N_("UDP does not get through") },
    { "both-blocked", N_("neither end's network lets UDP through") },
    { "own-blocked", N_("this host's network lets no UDP through") },
    { "peer-blocked", N_("the peer's network lets no UDP through") },
    { "peer-ipv6-only", N_("the peer has IPv6 only, and this host IPv4 only") },
    { "peer-ipv4-only", N_("the peer has IPv4 only, and this host IPv6 only") },
    { "one-nat", N_("both ends are behind one NAT, which does not turn round what one of them "
                    "sends to the other") },
    { "both-hard", N_("both ends are behind NATs that use another port for each destination, so "
                      "neither can tell the other where to send") },
    { "own-off", N_("the NAT of this host uses another port for each destination, and searches "
                    "through such NATs are switched off here") },
    { "peer-off", N_("the peer's NAT uses another port for each destination, and searches through "
                     "such NATs are switched off here") },
    { "own-hard", N_("the NAT of this host uses another port for each destination, and what stands "
                     "before the peer lets in only answers") },
    { "peer-hard", N_("the peer's NAT uses another port for each destination, and what stands "
                      "before this host lets in only answers") },
    { "own-alone", N_("the NAT of this host uses another port for each destination") },
    { "peer-alone", N_("the peer's NAT uses another port for each destination") },
    { "unchecked", N_("no direct way was found, and what stands before this host is not known") },
    { "peer-silent",
      N_("no direct way was found, and the peer did not tell what stands before it") },
    { "firewall", N_("no direct way was found though both NATs would allow one: a firewall between "
                     "us seems to drop UDP") },
    /* of one that is not reached, or not yet */
    { "blocked-no-relay", N_("this host's network lets no UDP through, and no relay is reached") },
    { "network-down", N_("the network is down") },
    { "offline", N_("peer is offline") },
    { "idle", N_("not tried yet: connects when there is traffic") },
    { "waiting", N_("waiting for an answer") },
    { "no-endpoint", N_("peer has told no endpoint") },
    { "no-network", N_("this host has no network") },
    { "no-ipv6", N_("peer has IPv6 only, and this host has no IPv6 address") },
    { "no-ipv4", N_("peer has IPv4 only, and this host has no IPv4 address") },
    { "own-addresses", N_("all endpoints that the peer told are addresses of this host itself") },
    { "silent-firewall",
      N_("no answer: a firewall seems to drop UDP between us, and there is no relay") },
    { "silent-peer-nat",
      N_("no answer: the peer seems to be behind NAT: it has to reach us first") },
    { "silent-both-nat", N_("no answer: both ends seem to be behind NAT, and there is no relay") },
    /* what would help */
    { "open-udp-both", N_("letting UDP out of both networks would make it direct") },
    { "open-udp-here", N_("letting UDP out of this host's network would make it direct") },
    { "open-udp-there", N_("letting UDP out of the peer's network would make it direct") },
    { "faster-here", N_("letting UDP out of this host's network would make it faster") },
    { "faster-there", N_("letting UDP out of the peer's network would make it faster") },
    { "get-ipv6", N_("IPv6 at this host, or IPv4 at the peer, would make it direct") },
    { "get-ipv4", N_("IPv4 at this host, or IPv6 at the peer, would make it direct") },
    { "inside", N_("a network that leads from one to the other inside, or IPv6 at both ends would "
                   "make it direct") },
    { "search", N_("such a search (\"mesh set --hard-nat=on\") may make it direct") },
    { "open-port", N_("a UDP port that a router forwards to either end (see \"mesh set "
                      "--endpoint\"), a router that maps ports by itself, or IPv6 at both ends "
                      "would make it direct") },
    { "accept", N_("a rule of the network's policy that accepts the two would let them talk") },
};

const char *mesh_reason_get_english(const char *code)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if (strcmp(rows[i].code, code) == 0)
            return rows[i].text;
    return NULL;
}

/* NULL: there is none in this language, or the code is not known. */
static const char *translate(const char *code)
{
    const char *english = mesh_reason_get_english(code);
    const char *text = english != NULL ? _(english) : NULL;

    return text == english ? NULL : text; /* gettext gives back the very same where it has none */
}

static const char *get_text(GVariant *dict, const char *key)
{
    const char *text = "";

    g_variant_lookup(dict, key, "&s", &text);
    return text;
}

static char *join(const char *path, const char *relay, const char *text)
{
    if (strcmp(path, "relay") == 0)
        /* Translators: the name of a relay, and why it is needed */
        return g_strdup_printf(_("by relay %s: %s"), relay, text);
    if (strcmp(path, "peer-relay") == 0)
        /* Translators: the name of a node, and why it is needed */
        return g_strdup_printf(_("by the relay that is kept by %s: %s"), relay, text);
    return g_strdup(text);
}

char *mesh_reason_dup_peer(const char *code, const char *text, const char *path, const char *relay)
{
    const char *words = translate(code);

    return words != NULL ? join(path, relay, words) : g_strdup(text);
}

static char *join_why(GVariant *why, const char *path, const char *text)
{
    if (strcmp(path, "direct-tcp") == 0)
        /* Translators: an endpoint, and why it is so */
        return g_strdup_printf(_("directly by TCP at %s: %s"), get_text(why, "endpoint"), text);
    if (strcmp(path, "none") == 0)
        /* Translators: %s is why */
        return g_strdup_printf(_("not reached: %s"), text);
    if (strcmp(path, "idle") == 0 || strcmp(path, "connecting") == 0)
        /* Translators: %s is why */
        return g_strdup_printf(_("not yet: %s"), text);
    return join(path, get_text(why, "relay"), text);
}

static char *say_direct(GVariant *why)
{
    const char *endpoint = get_text(why, "endpoint");
    guint64     rtt_us = 0;

    g_variant_lookup(why, "rtt-us", "t", &rtt_us);
    if (rtt_us == 0)
        return g_strdup_printf(_("directly at %s"), endpoint);
    /* Translators: an endpoint, and a round trip in milliseconds */
    return g_strdup_printf(_("directly at %s, %.1f ms away"), endpoint, (double)rtt_us / 1000);
}

/* Takes @said. */
static char *add_policy(GVariant *why, char *said)
{
    const char      *policy = get_text(why, "policy");
    g_autofree char *before = said;

    if (strcmp(policy, "out") == 0)
        return g_strdup_printf(
            /* Translators: %s is how the peer is reached */
            _("%s; by the network's policy only this host may begin, the peer only answer"),
            before);
    if (strcmp(policy, "in") == 0)
        return g_strdup_printf(
            /* Translators: %s is how the peer is reached */
            _("%s; by the network's policy only the peer may begin, this host only answer"),
            before);
    if (strcmp(policy, "none") == 0)
        /* Translators: %s is how the peer is reached */
        return g_strdup_printf(_("%s; the network's policy lets nothing pass between the two"),
                               before);
    return g_steal_pointer(&before);
}

char *mesh_reason_dup_why(GVariant *why)
{
    const char      *code = get_text(why, "why-code"), *text = translate(code);
    const char      *path = get_text(why, "path");
    const bool       is_direct = strcmp(code, "direct") == 0;
    gboolean         again = false;
    g_autofree char *said = NULL;

    /* without a translation meshd's own text: "offline" stands for all of them */
    if (text == NULL && (!is_direct || translate("offline") == NULL))
        return g_strdup(get_text(why, "why"));
    said = is_direct ? say_direct(why) : join_why(why, path, text);
    g_variant_lookup(why, "again", "b", &again);
    if (again && g_str_has_suffix(path, "relay")) {
        char *before = said;

        /* Translators: %s is how the peer is reached */
        said = g_strdup_printf(_("%s; another search is under way"), before);
        g_free(before);
    }
    return add_policy(why, g_steal_pointer(&said));
}

char *mesh_reason_dup_remedy(GVariant *why)
{
    const char *text = translate(get_text(why, "remedy-code"));

    return g_strdup(text != NULL ? text : get_text(why, "remedy"));
}
