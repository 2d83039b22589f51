#include "daemon/path/why.h"

#include <glib.h>

#define OPEN_A_PORT                                                                            \
    "a UDP port that a router forwards to either end (see \"mesh set --endpoint\"), a router " \
    "that "                                                                                    \
    "maps ports by itself, or IPv6 at both ends would make it direct"
#define SEARCH         "such a search (\"mesh set --hard-nat=on\") may make it direct"
#define OPEN_UDP_HERE  "letting UDP out of this host's network would make it direct"
#define OPEN_UDP_THERE "letting UDP out of the peer's network would make it direct"

static bool is_blocked(const PathWhyFacts *facts)
{
    return facts->checked && facts->udp4 != PATH_YES && facts->udp6 != PATH_YES &&
           (facts->udp4 == PATH_NO || facts->udp6 == PATH_NO);
}

/* Lets in nothing but answers, so it has to know where the other end sends from. */
static bool is_closed(const MeshProbeNat *nat)
{
    return nat->filtering == MESH_PROBE_BY_ADDRESS_AND_PORT;
}

static bool is_hard(const MeshProbeNat *nat)
{
    return path_natclass_is_hard(nat);
}

static bool both_blocked(const PathWhyFacts *facts)
{
    return is_blocked(facts) && facts->peer_udp == PATH_NO;
}

static bool own_blocked(const PathWhyFacts *facts)
{
    return is_blocked(facts);
}

static bool peer_blocked(const PathWhyFacts *facts)
{
    return facts->peer_udp == PATH_NO;
}

static bool is_busy(const PathWhyFacts *facts)
{
    return facts->busy && !facts->again;
}

static bool both_hard(const PathWhyFacts *facts)
{
    return facts->checked && facts->peer_told && is_hard(&facts->own.what) && is_hard(&facts->peer);
}

/* Neither tells anything where one of the two said nothing. */
static bool peer_only6(const PathWhyFacts *facts)
{
    return facts->own4 && !facts->own6 && facts->peer6 && !facts->peer4;
}

static bool peer_only4(const PathWhyFacts *facts)
{
    return facts->own6 && !facts->own4 && facts->peer4 && !facts->peer6;
}

static bool is_one_nat(const PathWhyFacts *facts)
{
    return facts->one_nat && facts->own.hairpin == PATH_NO;
}

static bool own_off(const PathWhyFacts *facts)
{
    return facts->no_hard && facts->checked && is_hard(&facts->own.what);
}

static bool peer_off(const PathWhyFacts *facts)
{
    return facts->no_hard && facts->peer_told && is_hard(&facts->peer);
}

static bool own_hard(const PathWhyFacts *facts)
{
    return facts->checked && is_hard(&facts->own.what) && facts->peer_told &&
           is_closed(&facts->peer);
}

static bool peer_hard(const PathWhyFacts *facts)
{
    return facts->peer_told && is_hard(&facts->peer) && facts->checked &&
           is_closed(&facts->own.what);
}

static bool own_alone(const PathWhyFacts *facts)
{
    return facts->checked && is_hard(&facts->own.what);
}

static bool peer_alone(const PathWhyFacts *facts)
{
    return facts->peer_told && is_hard(&facts->peer);
}

static bool is_unchecked(const PathWhyFacts *facts)
{
    return !facts->checked || facts->own.what.mapping == MESH_PROBE_UNKNOWN;
}

static bool is_peer_silent(const PathWhyFacts *facts)
{
    return !facts->peer_told || facts->peer.mapping == MESH_PROBE_UNKNOWN;
}

static bool is_any(const PathWhyFacts *facts)
{
    (void)facts;
    return true;
}

/* Of a peer that is relayed; the first that holds. */
static const struct {
    bool (*holds)(const PathWhyFacts *facts);
    const char *code, *why, *remedy, *remedy_code;
} causes[] = {
    { both_blocked, "both-blocked", "neither end's network lets UDP through",
      "letting UDP out of both networks would make it direct", "open-udp-both" },
    { own_blocked, "own-blocked", "this host's network lets no UDP through", OPEN_UDP_HERE,
      "open-udp-here" },
    { peer_blocked, "peer-blocked", "the peer's network lets no UDP through", OPEN_UDP_THERE,
      "open-udp-there" },
    { is_busy, "searching", "a direct way is being looked for", "", "" },
    { peer_only6, "peer-ipv6-only", "the peer has IPv6 only, and this host IPv4 only",
      "IPv6 at this host, or IPv4 at the peer, would make it direct", "get-ipv6" },
    { peer_only4, "peer-ipv4-only", "the peer has IPv4 only, and this host IPv6 only",
      "IPv4 at this host, or IPv6 at the peer, would make it direct", "get-ipv4" },
    { is_one_nat, "one-nat",
      "both ends are behind one NAT, which does not turn round what one of them sends to the other",
      "a network that leads from one to the other inside, or IPv6 at both ends would make it "
      "direct",
      "inside" },
    { both_hard, "both-hard",
      "both ends are behind NATs that use another port for each destination, so neither can tell "
      "the other where to send",
      OPEN_A_PORT, "open-port" },
    { own_off, "own-off",
      "the NAT of this host uses another port for each destination, and searches through such NATs "
      "are switched off here",
      SEARCH, "search" },
    { peer_off, "peer-off",
      "the peer's NAT uses another port for each destination, and searches through such NATs are "
      "switched off here",
      SEARCH, "search" },
    { own_hard, "own-hard",
      "the NAT of this host uses another port for each destination, and what stands before the "
      "peer lets in only answers",
      OPEN_A_PORT, "open-port" },
    { peer_hard, "peer-hard",
      "the peer's NAT uses another port for each destination, and what stands before this host "
      "lets in only answers",
      OPEN_A_PORT, "open-port" },
    { own_alone, "own-alone", "the NAT of this host uses another port for each destination",
      OPEN_A_PORT, "open-port" },
    { peer_alone, "peer-alone", "the peer's NAT uses another port for each destination",
      OPEN_A_PORT, "open-port" },
    { is_unchecked, "unchecked",
      "no direct way was found, and what stands before this host is not known", OPEN_A_PORT,
      "open-port" },
    { is_peer_silent, "peer-silent",
      "no direct way was found, and the peer did not tell what stands before it", OPEN_A_PORT,
      "open-port" },
    { is_any, "firewall",
      "no direct way was found though both NATs would allow one: a firewall between us seems to "
      "drop UDP",
      OPEN_A_PORT, "open-port" },
};

/* Any of the texts that is the same for all. */
static void set_remedy(PathWhyWords *out, const char *code, const char *text)
{
    g_free(out->remedy);
    out->remedy = g_strdup(text);
    out->remedy_code = code;
}

static void tell_relayed(const PathWhyFacts *facts, PathWhyWords *out)
{
    size_t at = 0;

    while (!causes[at].holds(facts)) /* the last one does */
        at++;
    out->code = causes[at].code;
    out->why =
        g_strdup_printf("by %s %s: %s%s",
                        facts->kind == PATH_PEER_RELAY ? "the relay that is kept by" : "relay",
                        facts->relay, causes[at].why,
                        facts->again ? "; another search is under way" : "");
    set_remedy(out, causes[at].remedy_code, causes[at].remedy);
}

static void tell_tcp(const PathWhyFacts *facts, PathWhyWords *out)
{
    const char *why = "UDP does not get through";

    out->code = "no-udp";
    if (own_blocked(facts)) {
        out->code = "own-blocked";
        why = "this host's network lets no UDP through";
        set_remedy(out, "faster-here",
                   "letting UDP out of this host's network would make it faster");
    } else if (peer_blocked(facts)) {
        out->code = "peer-blocked";
        why = "the peer's network lets no UDP through";
        set_remedy(out, "faster-there",
                   "letting UDP out of the peer's network would make it faster");
    }
    out->why = g_strdup_printf("directly by TCP at %s: %s", facts->endpoint, why);
}

static void tell_direct(const PathWhyFacts *facts, PathWhyWords *out)
{
    out->code = "direct";
    if (facts->rtt_us > 0)
        out->why = g_strdup_printf("directly at %s, %.1f ms away", facts->endpoint,
                                   (double)facts->rtt_us / 1000);
    else
        out->why = g_strdup_printf("directly at %s", facts->endpoint);
}

static void tell_none(const PathWhyFacts *facts, PathWhyWords *out)
{
    if (facts->kind == PATH_NONE && is_blocked(facts) && facts->relay == NULL) {
        out->code = "blocked-no-relay";
        out->why = g_strdup(
            "not reached: this host's network lets no UDP through, and no relay is reached");
        set_remedy(out, "open-udp-here", OPEN_UDP_HERE);
        return;
    }
    out->code = facts->code;
    out->why = g_strdup_printf(facts->kind == PATH_NONE ? "not reached: %s" : "not yet: %s",
                               facts->reason);
}

/* Whatever the path is: what it may carry. */
static void add_policy(const PathWhyFacts *facts, PathWhyWords *out)
{
    static const char *const clauses[] = {
        [PATH_POLICY_OUT] =
            "by the network's policy only this host may begin, the peer only answer",
        [PATH_POLICY_IN] = "by the network's policy only the peer may begin, this host only answer",
        [PATH_POLICY_NONE] = "the network's policy lets nothing pass between the two",
    };
    g_autofree char *before = NULL;

    if (facts->policy == PATH_POLICY_BOTH)
        return;
    before = out->why;
    out->why = g_strdup_printf("%s; %s", before, clauses[facts->policy]);
    if (facts->policy == PATH_POLICY_NONE)
        set_remedy(out, "accept",
                   "a rule of the network's policy that accepts the two would let them talk");
}

static bool is_relayed(const PathWhyFacts *facts)
{
    return (facts->kind == PATH_RELAY || facts->kind == PATH_PEER_RELAY) && facts->relay != NULL;
}

void path_why_tell(const PathWhyFacts *facts, PathWhyWords *out)
{
    PathWhyWords words = { .remedy = g_strdup(""), .remedy_code = "" };

    if (facts->kind == PATH_DIRECT)
        tell_direct(facts, &words);
    else if (facts->kind == PATH_DIRECT_TCP)
        tell_tcp(facts, &words);
    else if (is_relayed(facts))
        tell_relayed(facts, &words);
    else
        tell_none(facts, &words);
    add_policy(facts, &words);
    *out = words;
}
