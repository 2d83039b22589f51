#include "daemon/path/doctor.h"

#include "common/std/endpoint.h"
#include "daemon/path/why.h"

/* One outer address for both, and it is not this host's own. */
static bool is_one_nat(Path *self, const PathNetcheckReport *report, const MeshEndpoint *peer)
{
    PathSelf about;

    path_get_self(self, &about);
    return report->nat.behind == PATH_YES && about.seen.addr.family != 0 &&
           mesh_ip_equal_addr(&about.seen.addr, &peer->addr);
}

bool path_doctor_explain(Path *self, const MeshKey *peer, PathPolicy policy, PathWhy *out)
{
    const PathNetcheckReport *report = path_netcheck_get(path_get_netcheck(self));
    PathWhy                   why = { .policy = policy };
    PathWhyFacts              facts = { .checked = report->done };
    char                      endpoint[MESH_ENDPOINT_TEXT_SIZE] = "";

    if (!path_explain(self, peer, &why.path))
        return false;
    if (why.path.wire.endpoint.addr.family != 0)
        (void)mesh_endpoint_format(&why.path.wire.endpoint, endpoint);
    facts.udp4 = report->udp4;
    facts.udp6 = report->udp6;
    facts.own = report->nat;
    facts.kind = why.path.kind;
    facts.reason = why.path.reason;
    facts.code = why.path.code;
    facts.relay = why.path.relay;
    facts.endpoint = endpoint;
    facts.rtt_us = why.path.rtt_us;
    facts.busy = why.path.busy;
    facts.again = why.path.again;
    facts.peer_udp = why.path.peer_udp;
    facts.peer_told = why.path.peer_told;
    facts.peer = why.path.peer_nat;
    facts.no_hard = !path_has_hard_nat(self);
    facts.one_nat = is_one_nat(self, report, &why.path.peer_seen);
    facts.own4 = why.path.own4;
    facts.own6 = why.path.own6;
    facts.peer4 = why.path.peer4;
    facts.peer6 = why.path.peer6;
    facts.policy = policy;
    path_why_tell(&facts, &why.words);
    why.own_nat = path_natclass_name(report->nat.behind, &report->nat.what);
    why.peer_nat = path_natclass_name(PATH_UNKNOWN, &why.path.peer_nat);
    *out = why;
    return true;
}

void path_doctor_clear(PathWhy *why)
{
    path_clear_info(&why->path);
    g_clear_pointer(&why->words.why, g_free);
    g_clear_pointer(&why->words.remedy, g_free);
}
