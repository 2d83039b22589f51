#include "daemon/path/explain.h"

#include "common/std/endpoint.h"
#include "daemon/path/candidates.h"
#include "daemon/path/doctor.h"

#include <sys/socket.h>

#define MAX_NAMED 3u /* endpoints that a text names */

/* "its endpoint 1.2.3.4:5" or "any of its 4 endpoints (a, b, c …)". */
static char *list_candidates(const PathFacts *facts)
{
    GString *text = g_string_new(NULL);
    char     endpoint[MESH_ENDPOINT_TEXT_SIZE];

    if (facts->n_candidates == 1)
        g_string_append(text, "its endpoint ");
    else
        g_string_append_printf(text, "any of its %zu endpoints (", facts->n_candidates);
    for (size_t i = 0; i < facts->n_candidates && i < MAX_NAMED; i++)
        g_string_append_printf(text, "%s%s", i > 0 ? ", " : "",
                               mesh_endpoint_format(&facts->candidates[i].endpoint, endpoint));
    if (facts->n_candidates > MAX_NAMED)
        g_string_append(text, " …");
    if (facts->n_candidates > 1)
        g_string_append_c(text, ')');
    return g_string_free(text, false);
}

static bool is_peer_public(const PathFacts *facts)
{
    for (size_t i = 0; i < facts->n_candidates; i++)
        if (path_candidates_is_public(&facts->candidates[i]))
            return true;
    return false;
}

static bool is_host_public(const PathHost *host)
{
    for (size_t i = 0; i < host->n_addrs; i++)
        if (mesh_ip_class(&host->addrs[i]) == MESH_IP_GLOBAL)
            return true;
    return false;
}

static bool told_family(const PathPeer *peer, int family)
{
    for (size_t i = 0; i < peer->n_endpoints; i++)
        if (peer->endpoints[i].endpoint.addr.family == family)
            return true;
    return false;
}

static const char *name(const char **out_code, const char *code, const char *text)
{
    *out_code = code;
    return text;
}

/* It told endpoints, and none is left for us. */
static const char *explain_no_candidate(const PathFacts *facts, const char **out_code)
{
    const PathHost *host = facts->host;

    if (host->n_addrs == 0)
        return name(out_code, "no-network", "this host has no network");
    if (!told_family(facts->peer, AF_INET) &&
        !path_candidates_has_family(host->addrs, host->n_addrs, AF_INET6))
        return name(out_code, "no-ipv6", "peer has IPv6 only, and this host has no IPv6 address");
    if (!told_family(facts->peer, AF_INET6) &&
        !path_candidates_has_family(host->addrs, host->n_addrs, AF_INET))
        return name(out_code, "no-ipv4", "peer has IPv4 only, and this host has no IPv4 address");
    return name(out_code, "own-addresses",
                "all endpoints that the peer told are addresses of this host itself");
}

static char *explain_silence(const PathFacts *facts, const char **out_code)
{
    g_autofree char *list = list_candidates(facts);
    const char      *why = NULL;

    if (is_peer_public(facts)) {
        why = name(out_code, "silent-firewall", "a firewall seems to drop UDP between us");
    } else if (is_host_public(facts->host)) {
        *out_code = "silent-peer-nat";
        return g_strdup_printf(
            "no answer from %s: the peer seems to be behind NAT: it has to reach us first", list);
    } else {
        why = name(out_code, "silent-both-nat", "both ends seem to be behind NAT");
    }
    return g_strdup_printf("no answer from %s: %s, and %s", list, why, facts->no_relay);
}

static char *explain_trying(const PathFacts *facts)
{
    g_autofree char *list = list_candidates(facts);

    return g_strdup_printf("waiting for an answer from %s", list);
}

static PathKind judge_live(const PathFacts *facts, const char **out_code, char **out_reason)
{
    if (facts->tcp) {
        *out_reason = g_strdup(name(out_code, "no-udp", "by TCP: UDP does not get through"));
        return PATH_DIRECT_TCP;
    }
    if (facts->relay != NULL && !facts->direct) {
        *out_code = facts->busy ? "searching" : "no-direct-way";
        *out_reason =
            g_strdup_printf("by %s %s%s", facts->peer_relay ? "the relay that is kept by" : "relay",
                            facts->relay,
                            facts->busy ? ", looking for a direct way"
                                        : ": no direct way was found");
        return facts->peer_relay ? PATH_PEER_RELAY : PATH_RELAY;
    }
    *out_reason = g_strdup(name(out_code, "direct", ""));
    return PATH_DIRECT;
}

static PathKind judge_idle(const char **out_code, char **out_reason)
{
    *out_reason = g_strdup(name(out_code, "idle", "not tried yet: connects when there is traffic"));
    return PATH_IDLE;
}

static PathKind judge_by_relay(const PathFacts *facts, const char **out_code, char **out_reason)
{
    if (!facts->trying)
        return judge_idle(out_code, out_reason);
    *out_code = "waiting";
    *out_reason = g_strdup_printf("waiting for an answer by relay %s", facts->relay);
    return PATH_CONNECTING;
}

PathKind path_explain_judge(const PathFacts *facts, const char **out_code, char **out_reason)
{
    bool may_be_online = facts->peer->online || !facts->host->presence_known;

    if (facts->live)
        return judge_live(facts, out_code, out_reason);
    if (!may_be_online) {
        *out_reason = g_strdup(name(out_code, "offline", "peer is offline"));
        return PATH_NONE;
    }
    if (facts->relay != NULL)
        return judge_by_relay(facts, out_code, out_reason);
    if (facts->peer->n_endpoints == 0) {
        *out_reason = g_strdup(name(out_code, "no-endpoint", "peer has told no endpoint"));
        return PATH_NONE;
    }
    if (facts->n_candidates == 0) {
        *out_reason = g_strdup(explain_no_candidate(facts, out_code));
        return PATH_NONE;
    }
    if (facts->failed) {
        *out_reason = explain_silence(facts, out_code);
        return PATH_NONE;
    }
    if (facts->trying) {
        *out_code = "waiting";
        *out_reason = explain_trying(facts);
        return PATH_CONNECTING;
    }
    return judge_idle(out_code, out_reason);
}

void path_clear_info(PathInfo *info)
{
    g_clear_pointer(&info->reason, g_free);
    g_clear_pointer(&info->relay, g_free);
}

const char *path_kind_name(PathKind kind)
{
    static const char *const names[] = { "none",       "idle",       "connecting", "relay",
                                         "peer-relay", "direct-tcp", "direct" };

    return names[kind];
}
