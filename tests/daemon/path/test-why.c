/* Tests of daemon/path/why.c: the sentence for each pair of ends. */
#include "common/glib/reason.h"
#include "daemon/path/why.h"

#include <string.h>

typedef enum { NOT_TOLD, OPEN, EASY, CLOSED, SYMMETRIC, SYMMETRIC_OPEN } End;

static const MeshProbeNat ends[] = {
    [OPEN] = { .mapping = MESH_PROBE_INDEPENDENT, .filtering = MESH_PROBE_BY_ADDRESS },
    [EASY] = { .mapping = MESH_PROBE_INDEPENDENT, .filtering = MESH_PROBE_BY_ADDRESS },
    [CLOSED] = { .mapping = MESH_PROBE_INDEPENDENT, .filtering = MESH_PROBE_BY_ADDRESS_AND_PORT },
    [SYMMETRIC] = { .mapping = MESH_PROBE_BY_ADDRESS_AND_PORT,
                    .filtering = MESH_PROBE_BY_ADDRESS_AND_PORT },
    [SYMMETRIC_OPEN] = { .mapping = MESH_PROBE_BY_ADDRESS_AND_PORT,
                         .filtering = MESH_PROBE_BY_ADDRESS },
};

typedef struct {
    const char *name;
    PathKind    kind;
    End         own, peer; /* own NOT_TOLD: not checked */
    PathAnswer  udp4, udp6, peer_udp;
    bool        busy, again, no_relay, no_hard, one_nat;
    const char *families; /* "46 46": the host's, the peer's; NULL: not known */
    PathAnswer  hairpin;
    PathPolicy  policy;
    const char *reason;
    int64_t     rtt_us;
    const char *why, *remedy; /* in the texts; remedy "": none */
} WhyCase;

static const WhyCase cases[] = {
    { "direct", PATH_DIRECT, CLOSED, CLOSED, PATH_YES, .why = "directly at 192.0.2.9:7",
      .remedy = "" },
    { "direct-with-rtt", PATH_DIRECT, CLOSED, CLOSED, PATH_YES, .rtt_us = 12340,
      .why = "192.0.2.9:7, 12.3 ms away", .remedy = "" },
    { "offline", PATH_NONE, CLOSED, CLOSED, PATH_YES, .reason = "peer is offline",
      .why = "not reached: peer is offline", .remedy = "" },
    { "idle", PATH_IDLE, CLOSED, CLOSED, PATH_YES, .reason = "not tried yet",
      .why = "not yet: not tried yet", .remedy = "" },
    { "connecting", PATH_CONNECTING, CLOSED, CLOSED, PATH_YES, .reason = "waiting",
      .why = "not yet: waiting", .remedy = "" },
    { "blocked-and-no-relay", PATH_NONE, OPEN, NOT_TOLD, PATH_NO, .no_relay = true,
      .reason = "no answer", .why = "lets no UDP through, and no relay is reached",
      .remedy = "letting UDP out of this host's network" },
    { "searching", PATH_RELAY, SYMMETRIC, SYMMETRIC, PATH_YES, .busy = true,
      .why = "by relay hub: a direct way is being looked for", .remedy = "" },
    { "searching-again", PATH_RELAY, SYMMETRIC, SYMMETRIC, PATH_YES, .busy = true, .again = true,
      .why = "tell the other where to send; another search is under way",
      .remedy = "UDP port that a router forwards" },
    { "by-a-node", PATH_PEER_RELAY, SYMMETRIC, SYMMETRIC, PATH_YES,
      .why = "by the relay that is kept by hub: both ends are behind NATs",
      .remedy = "UDP port that a router forwards" },
    { "own-blocked-tcp", PATH_DIRECT_TCP, NOT_TOLD, CLOSED,
      .why = "directly by TCP at 192.0.2.9:7: UDP does not get", .remedy = "" },
    { "own-blocked-4-tcp", PATH_DIRECT_TCP, CLOSED, OPEN, PATH_NO,
      .why = "directly by TCP at 192.0.2.9:7: this host's network lets no UDP through",
      .remedy = "of this host's network would make it faster" },
    { "peer-blocked-tcp", PATH_DIRECT_TCP, OPEN, NOT_TOLD, PATH_YES, .peer_udp = PATH_NO,
      .why = "directly by TCP at 192.0.2.9:7: the peer's network lets no UDP through",
      .remedy = "of the peer's network would make it faster" },
    { "own-blocked", PATH_RELAY, NOT_TOLD, CLOSED, .why = "not known", .remedy = "IPv6" },
    { "own-blocked-4", PATH_RELAY, CLOSED, CLOSED, PATH_NO, PATH_UNKNOWN,
      .why = "this host's network lets no UDP through", .remedy = "of this host's network" },
    { "own-blocked-4-not-6", PATH_RELAY, CLOSED, CLOSED, PATH_NO, PATH_YES, .why = "firewall",
      .remedy = "IPv6" },
    { "peer-blocked", PATH_RELAY, CLOSED, CLOSED, PATH_YES, .peer_udp = PATH_NO,
      .why = "the peer's network lets no UDP through", .remedy = "of the peer's network" },
    { "both-blocked", PATH_RELAY, CLOSED, CLOSED, PATH_NO, .peer_udp = PATH_NO,
      .why = "neither end's network lets UDP through", .remedy = "both networks" },
    { "both-symmetric", PATH_RELAY, SYMMETRIC, SYMMETRIC, PATH_YES,
      .why = "both ends are behind NATs", .remedy = "UDP port that a router forwards" },
    { "peer-ipv6-only", PATH_RELAY, CLOSED, CLOSED, PATH_YES, .families = "4 6",
      .why = "the peer has IPv6 only, and this host IPv4 only", .remedy = "IPv6 at this host" },
    { "peer-ipv4-only", PATH_RELAY, NOT_TOLD, CLOSED, PATH_UNKNOWN, PATH_YES, .families = "6 4",
      .why = "the peer has IPv4 only, and this host IPv6 only", .remedy = "IPv4 at this host" },
    { "one-family-in-common", PATH_RELAY, CLOSED, CLOSED, PATH_YES, .families = "46 6",
      .why = "a firewall between us", .remedy = "IPv6" },
    { "peer-told-no-family", PATH_RELAY, CLOSED, CLOSED, PATH_YES, .families = "4 ",
      .why = "a firewall between us", .remedy = "IPv6" },
    { "one-nat", PATH_RELAY, CLOSED, CLOSED, PATH_YES, .one_nat = true, .hairpin = PATH_NO,
      .why = "both ends are behind one NAT, which does not turn round", .remedy = "inside" },
    { "one-nat-with-hairpin", PATH_RELAY, CLOSED, CLOSED, PATH_YES, .one_nat = true,
      .hairpin = PATH_YES, .why = "a firewall between us", .remedy = "IPv6" },
    { "policy-refuses-all", PATH_RELAY, SYMMETRIC, SYMMETRIC, PATH_YES, .policy = PATH_POLICY_NONE,
      .why = "send; the network's policy lets nothing pass between the two",
      .remedy = "a rule of the network's policy" },
    { "policy-out-only", PATH_DIRECT, CLOSED, CLOSED, PATH_YES, .policy = PATH_POLICY_OUT,
      .why = "directly at 192.0.2.9:7; by the network's policy only this host may begin",
      .remedy = "" },
    { "policy-in-only", PATH_IDLE, CLOSED, CLOSED, PATH_YES, .reason = "not tried yet",
      .policy = PATH_POLICY_IN,
      .why = "not yet: not tried yet; by the network's policy only the peer may begin",
      .remedy = "" },
    { "own-symmetric-not-wanted", PATH_RELAY, SYMMETRIC, CLOSED, PATH_YES, .no_hard = true,
      .why = "the NAT of this host uses another port for each destination, and searches through "
             "such NATs are switched off here",
      .remedy = "mesh set --hard-nat=on" },
    { "peer-symmetric-not-wanted", PATH_RELAY, CLOSED, SYMMETRIC, PATH_YES, .no_hard = true,
      .why = "the peer's NAT uses another port for each destination, and searches through such "
             "NATs are switched off here",
      .remedy = "mesh set --hard-nat=on" },
    { "both-easy-not-wanted", PATH_RELAY, CLOSED, CLOSED, PATH_YES, .no_hard = true,
      .why = "both NATs would allow one: a firewall between us", .remedy = "IPv6" },
    { "own-symmetric", PATH_RELAY, SYMMETRIC, CLOSED, PATH_YES,
      .why = "the NAT of this host uses another port for each destination, and what stands before "
             "the peer lets in only answers",
      .remedy = "IPv6 at both ends" },
    { "peer-symmetric", PATH_RELAY, CLOSED, SYMMETRIC, PATH_YES,
      .why = "the peer's NAT uses another port for each destination, and what stands before this "
             "host lets in only answers",
      .remedy = "maps ports" },
    { "own-symmetric-peer-easy", PATH_RELAY, SYMMETRIC, EASY, PATH_YES,
      .why = "the NAT of this host uses another port for each destination",
      .remedy = "maps ports" },
    { "peer-symmetric-own-easy", PATH_RELAY, EASY, SYMMETRIC_OPEN, PATH_YES,
      .why = "the peer's NAT uses another port for each destination", .remedy = "maps ports" },
    { "own-symmetric-peer-silent", PATH_RELAY, SYMMETRIC, NOT_TOLD, PATH_YES,
      .why = "the NAT of this host uses another port for each destination",
      .remedy = "maps ports" },
    { "peer-silent", PATH_RELAY, CLOSED, NOT_TOLD, PATH_YES,
      .why = "the peer did not tell what stands before it", .remedy = "maps ports" },
    { "not-checked", PATH_RELAY, NOT_TOLD, CLOSED, PATH_UNKNOWN,
      .why = "what stands before this host is not known", .remedy = "maps ports" },
    { "both-easy", PATH_RELAY, CLOSED, CLOSED, PATH_YES,
      .why = "both NATs would allow one: a firewall between us", .remedy = "IPv6" },
};

static void check_text(const char *text, const char *want)
{
    if (want[0] == '\0')
        g_assert_cmpstr(text, ==, "");
    else if (strstr(text, want) == NULL)
        g_error("\"%s\" does not say \"%s\"", text, want);
}

/* What clients translate is what the sentence says. */
static void check_codes(const PathWhyWords *said, bool is_told_here)
{
    if (said->remedy[0] == '\0')
        g_assert_cmpstr(said->remedy_code, ==, "");
    else
        g_assert_cmpstr(mesh_reason_get_english(said->remedy_code), ==, said->remedy);
    if (strcmp(said->code, "direct") == 0)
        return;
    g_assert_nonnull(mesh_reason_get_english(said->code));
    if (is_told_here)
        check_text(said->why, mesh_reason_get_english(said->code));
}

static void read_families(const char *text, PathWhyFacts *out)
{
    g_auto(GStrv) words = g_strsplit(text, " ", 2);

    out->own4 = strchr(words[0], '4') != NULL;
    out->own6 = strchr(words[0], '6') != NULL;
    out->peer4 = strchr(words[1], '4') != NULL;
    out->peer6 = strchr(words[1], '6') != NULL;
}

static void test_why(gconstpointer data)
{
    const WhyCase *c = data;
    PathWhyFacts   facts = { .kind = c->kind,
                             .reason = c->reason,
                             .code = "idle",
                             .relay = c->no_relay ? NULL : "hub",
                             .endpoint = "192.0.2.9:7",
                             .rtt_us = c->rtt_us,
                             .busy = c->busy,
                             .again = c->again,
                             .no_hard = c->no_hard,
                             .one_nat = c->one_nat,
                             .policy = c->policy,
                             .checked = c->own != NOT_TOLD,
                             .udp4 = c->udp4,
                             .udp6 = c->udp6,
                             .peer_udp = c->peer_udp,
                             .peer_told = c->peer != NOT_TOLD,
                             .peer = ends[c->peer] };
    PathWhyWords   said;

    facts.own.what = ends[c->own];
    facts.own.hairpin = c->hairpin;
    if (c->families != NULL)
        read_families(c->families, &facts);
    path_why_tell(&facts, &said);
    check_text(said.why, c->why);
    check_text(said.remedy, c->remedy);
    check_codes(&said, c->reason == NULL || c->no_relay);
    g_free(said.why);
    g_free(said.remedy);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/why/", cases[i].name, NULL);

        g_test_add_data_func(path, &cases[i], test_why);
    }
    return g_test_run();
}
