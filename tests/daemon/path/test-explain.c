/* Tests of daemon/path/explain.c: the kind and the words for each situation. */
#include "common/glib/reason.h"
#include "common/std/endpoint.h"
#include "daemon/path/candidates.h"
#include "daemon/path/explain.h"

#include <string.h>

typedef struct {
    const char    *name;
    const char    *own;  /* addresses of this host */
    const char    *told; /* endpoints of the peer */
    MeshRecordKind kind; /* of all of them */
    bool           online, unknown, live, trying, failed;
    PathKind       want;
    const char    *words; /* in the reason */
} ExplainCase;

static const ExplainCase cases[] = {
    { "direct", "10.0.0.2", "10.0.0.5:4", MESH_RECORD_LOCAL, .online = true, .live = true,
      .want = PATH_DIRECT, .words = "" },
    { "direct-though-offline", "10.0.0.2", "10.0.0.5:4", MESH_RECORD_LOCAL, .live = true,
      .want = PATH_DIRECT, .words = "" },
    { "offline", "10.0.0.2", "10.0.0.5:4", MESH_RECORD_LOCAL, .want = PATH_NONE,
      .words = "peer is offline" },
    { "server-away", "10.0.0.2", "10.0.0.5:4", MESH_RECORD_LOCAL, .unknown = true, .trying = true,
      .want = PATH_CONNECTING, .words = "its endpoint 10.0.0.5:4" },
    { "told-nothing", "10.0.0.2", "", MESH_RECORD_LOCAL, .online = true, .want = PATH_NONE,
      .words = "told no endpoint" },
    { "ipv6-only-peer", "10.0.0.2", "[2001:db8::5]:4", MESH_RECORD_LOCAL, .online = true,
      .want = PATH_NONE, .words = "peer has IPv6 only, and this host has no IPv6 address" },
    { "ipv4-only-peer", "2001:db8::2", "10.0.0.5:4", MESH_RECORD_LOCAL, .online = true,
      .want = PATH_NONE, .words = "peer has IPv4 only, and this host has no IPv4 address" },
    { "own-address", "10.0.0.2", "10.0.0.2:4", MESH_RECORD_LOCAL, .online = true, .want = PATH_NONE,
      .words = "addresses of this host itself" },
    { "no-network", "", "10.0.0.5:4", MESH_RECORD_LOCAL, .online = true, .want = PATH_NONE,
      .words = "this host has no network" },
    { "idle", "10.0.0.2", "10.0.0.5:4", MESH_RECORD_LOCAL, .online = true, .want = PATH_IDLE,
      .words = "not tried yet" },
    { "both-behind-nat", "10.0.0.2", "192.168.1.5:4 192.168.2.5:4", MESH_RECORD_LOCAL,
      .online = true, .trying = true, .failed = true, .want = PATH_NONE,
      .words = "any of its 2 endpoints (192.168.1.5:4, 192.168.2.5:4): both ends seem to be behind "
               "NAT, and no relay can be reached" },
    { "peer-public", "10.0.0.2", "203.0.113.5:4", MESH_RECORD_LOCAL, .online = true, .failed = true,
      .want = PATH_NONE, .words = "a firewall seems to drop UDP" },
    { "we-are-public", "203.0.113.2", "192.168.1.5:4", MESH_RECORD_LOCAL, .online = true,
      .failed = true, .want = PATH_NONE, .words = "it has to reach us first" },
    { "many-endpoints", "10.0.0.2", "10.0.0.5:1 10.0.0.5:2 10.0.0.5:3 10.0.0.5:4",
      MESH_RECORD_OBSERVED, .online = true, .trying = true, .want = PATH_CONNECTING,
      .words = "any of its 4 endpoints (10.0.0.5:1, 10.0.0.5:2, 10.0.0.5:3 …)" },
};

/* @endpoints has room for WIRE_MAX_CANDIDATES. */
static void read_peer(const ExplainCase *c, MeshRecordEndpoint *endpoints, PathPeer *out)
{
    g_auto(GStrv) words = g_strsplit(c->told, " ", -1);

    out->online = c->online;
    out->endpoints = endpoints;
    for (char **word = words; *word != NULL; word++) {
        MeshRecordEndpoint *endpoint = &endpoints[out->n_endpoints];

        if (**word == '\0')
            continue;
        g_assert_cmpint(mesh_endpoint_parse(*word, &endpoint->endpoint), ==, 0);
        endpoint->kind = c->kind;
        out->n_endpoints++;
    }
}

static void test_explain(gconstpointer data)
{
    const ExplainCase *c = data;
    MeshAddr           own;
    PathHost           host = { .addrs = &own, .presence_known = !c->unknown };
    PathPeer           peer = { 0 };
    MeshRecordEndpoint candidates[WIRE_MAX_CANDIDATES], told[WIRE_MAX_CANDIDATES];
    PathFacts          facts = { .peer = &peer,
                                 .host = &host,
                                 .candidates = candidates,
                                 .no_relay = "no relay can be reached" };
    g_autofree char   *reason = NULL;
    const char        *code = NULL;

    host.n_addrs = c->own[0] != '\0' ? 1 : 0;
    if (host.n_addrs > 0)
        g_assert_cmpint(mesh_ip_parse_addr(c->own, &own), ==, 0);
    read_peer(c, told, &peer);
    facts.n_candidates = path_candidates_choose(host.addrs, host.n_addrs, peer.endpoints,
                                                peer.n_endpoints, candidates);
    facts.live = c->live;
    facts.trying = c->trying;
    facts.failed = c->failed;
    g_assert_cmpint(path_explain_judge(&facts, &code, &reason), ==, c->want);
    g_assert_true(c->words[0] == '\0' ? strcmp(code, "direct") == 0
                                      : mesh_reason_get_english(code) != NULL);
    if (c->words[0] == '\0')
        g_assert_cmpstr(reason, ==, "");
    else if (strstr(reason, c->words) == NULL)
        g_error("\"%s\" does not say \"%s\"", reason, c->words);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/explain/", cases[i].name, NULL);

        g_test_add_data_func(path, &cases[i], test_explain);
    }
    return g_test_run();
}
