#include "tests/daemon/fakes.h"

#include "common/glib/error.h"
#include "common/proto/netmaplearn.h"
#include "common/std/base64.h"
#include "daemon/dns/hostdns.h"
#include "daemon/dns/resolver.h"
#include "daemon/wire/engines.h"
#include "daemon/wire/time.h"
#include "tests/common/proto/objects.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

Fakes fakes;

/* ---- the server ---- */

struct ControlClient {
    ControlEvents events;
    void         *user_data;
    ControlState  state;
    MeshNetmap   *map;
};

ControlClient *control_client_new(const ControlOptions *options, const ControlEvents *events,
                                  void *user_data)
{
    ControlClient *self = g_new0(ControlClient, 1);

    (void)options;
    self->events = *events;
    self->user_data = user_data;
    self->map = mesh_netmap_new();
    fakes.client = self;
    return self;
}

void control_client_free(ControlClient *self)
{
    if (self == NULL)
        return;
    if (fakes.client == self)
        fakes.client = NULL;
    fakes.streaming = false;
    mesh_netmap_free(self->map);
    g_free(self);
}

void control_client_register(ControlClient *self, const MeshRegister *request, unsigned tries)
{
    gsize       len = 0;
    const char *body = mesh_signed_get_body(request->k, &len);
    g_autoptr(JsonObject) object = NULL;
    JsonParser      *parser = json_parser_new();
    MeshRecordK      k;
    MeshNetwork      network = fixture_network();
    uint8_t          node[MESH_KEY_BYTES];
    g_autofree char *text = NULL;

    (void)self, (void)tries;
    fakes.n_registers++;
    fakes.request_ip4 = request->ip4;
    fakes.has_join = request->has_join;
    g_assert_true(json_parser_load_from_data(parser, body, (gssize)len, NULL));
    object = json_object_ref(json_node_get_object(json_parser_get_root(parser)));
    g_object_unref(parser);
    text = g_strdup(json_object_get_string_member(object, "node"));
    g_assert_cmpint(mesh_base64url_decode(text, node, sizeof node, NULL), ==, 0);
    memcpy(fakes.node.bytes, node, sizeof node);
    g_assert_true(mesh_record_open_k(request->k, &network.id, &fakes.node, &k, NULL));
    fakes.wg = k.wg;
}

void control_client_start(ControlClient *self, const MeshNetmap *map)
{
    fakes.streaming = true;
    if (map != NULL) {
        mesh_netmap_free(self->map);
        self->map = mesh_netmap_copy(map);
    }
}

void control_client_stop(ControlClient *self)
{
    (void)self;
    fakes.streaming = false;
}

void control_client_report(ControlClient *self, MeshSigned *e, MeshSigned *k,
                           const char *const *health)
{
    (void)self, (void)k, (void)health;
    g_assert_nonnull(e);
    fakes.n_reports++;
}

void control_client_leave(ControlClient *self, unsigned timeout_ms, ControlDone done,
                          void *user_data)
{
    g_autoptr(GError) error = NULL;

    (void)timeout_ms;
    fakes.n_leaves++;
    if (fakes.leave_revokes) { /* the stream is first; the answer would come later */
        fakes_tell_fatal(MESH_ERROR_REMOVED);
        return;
    }
    if (fakes.leave_hangs)
        return;
    if (fakes.leave_fails)
        error = g_error_new(MESH_ERROR, MESH_ERROR_UNREACHABLE, "no answer");
    done(self, error, user_data);
}

void control_client_kick(ControlClient *self)
{
    (void)self;
}

bool control_client_learn(ControlClient *self, uint32_t index, MeshSigned *k, MeshSigned *e)
{
    return mesh_netmap_learn(self->map, index, k, e);
}

const MeshNetmap *control_client_get_map(const ControlClient *self)
{
    return self->map;
}

ControlState control_client_get_state(const ControlClient *self, MeshAddr *out_address)
{
    if (out_address != NULL)
        *out_address = fakes.server_address;
    return self->state;
}

const char *control_client_state_name(ControlState state)
{
    static const char *const names[] = { "off", "connecting", "connected", "pending", "offline" };

    return names[state];
}

void fakes_tell_offline(MeshErrorCode code)
{
    ControlClient *client = fakes.client;
    g_autoptr(GError) why = g_error_new_literal(MESH_ERROR, (int)code, "the server's words");

    client->state = CONTROL_OFFLINE;
    client->events.state(client, CONTROL_OFFLINE, why, client->user_data);
}

void fakes_tell_cloned(void)
{
    fakes.client->events.cloned(fakes.client, fakes.client->user_data);
}

void fakes_tell_state(ControlState state)
{
    ControlClient *client = fakes.client;
    g_autoptr(GError) why = g_error_new(MESH_ERROR, MESH_ERROR_UNREACHABLE, "no answer");

    client->state = state;
    client->events.state(client, state, state == CONTROL_OFFLINE ? why : NULL, client->user_data);
}

void fakes_answer(MeshSigned *m, const MeshNetwork *network)
{
    ControlClient     *client = fakes.client;
    MeshRegisterAnswer answer = { .active = true, .m = m, .network = *network };

    client->events.registered(client, &answer, client->user_data);
}

void fakes_tell_map(MeshNetmap *map)
{
    ControlClient *client = fakes.client;

    mesh_netmap_free(client->map);
    client->map = map;
    client->events.map(client, map, MESH_NETMAP_CHANGED, client->user_data);
}

void fakes_tell_fatal(MeshErrorCode code)
{
    ControlClient *client = fakes.client;
    g_autoptr(GError) why = g_error_new(MESH_ERROR, (int)code, "the server says %s",
                                        mesh_error_get_info((int)code)->wire);

    client->state = CONTROL_OFF;
    client->events.fatal(client, why, client->user_data);
}

/* ---- the host's network ---- */

struct Net {
    NetChangedFunc changed;
    void          *user_data;
};

static Net *fake_net;

Net *net_start(const char *ledger_path, NetChangedFunc changed, void *user_data, GError **error)
{
    (void)ledger_path, (void)error;
    fake_net = g_new0(Net, 1);
    fake_net->changed = changed;
    fake_net->user_data = user_data;
    return fake_net;
}

void fakes_tell_net_changed(void)
{
    fake_net->changed(fake_net->user_data);
}

void net_stop(Net *self)
{
    g_free(self);
}

bool net_claim(Net *self, const char *ifname, GError **error)
{
    (void)self, (void)ifname, (void)error;
    return true;
}

void net_release(Net *self, const char *ifname)
{
    (void)self, (void)ifname;
}

char **net_remove_strays(Net *self, const char *const *own)
{
    (void)self, (void)own;
    return g_new0(char *, 1);
}

bool net_exists(Net *self, const char *ifname)
{
    (void)self;
    return strcmp(ifname, "eth0") == 0 || (fakes.running && strcmp(ifname, fakes.set.ifname) == 0);
}

bool net_apply(Net *self, const NetSet *want, GError **error)
{
    (void)self;
    if (fakes.net_fails) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_HOST, "the kernel said no");
        return false;
    }
    g_assert_true(fakes.running); /* the interface is there first */
    fakes.set = *want;
    fakes.applied = fakes.applied || !want->link_only;
    fakes.link_ready = true;
    return true;
}

bool net_lacks_ip6(Net *self)
{
    (void)self;
    return fakes.ip6_off;
}

void net_undo(Net *self, const char *ifname)
{
    (void)self, (void)ifname;
    fakes.applied = false;
}

GArray *net_list_routes(Net *self, GError **error)
{
    GArray  *routes = g_array_new(false, true, sizeof(NetRoute));
    NetRoute route = { .ifname = "eth0" };

    (void)self, (void)error;
    if (fakes.route != NULL) {
        route.destination = fixture_prefix(fakes.route);
        g_array_append_val(routes, route);
    }
    return routes;
}

GArray *net_list_addrs(Net *self, GError **error)
{
    GArray *addrs = g_array_new(false, true, sizeof(NetAddr));
    NetAddr row = { .addr = fixture_addr("192.168.1.2"), .ifname = "eth0" };

    (void)self, (void)error;
    g_array_append_val(addrs, row);
    return addrs;
}

/* ---- the data plane ---- */

struct WirePlane {
    int      fds[2];
    uint16_t port;
    char     ifname[WIRE_IFNAME_SIZE];
};

int wire_plane_start(const WirePlaneOptions *options, WirePlane **out_plane)
{
    WirePlane *self = g_new0(WirePlane, 1);

    g_assert_false(fakes.running);
    g_assert_cmpint(pipe(self->fds), ==, 0);
    g_strlcpy(self->ifname, options->ifname, sizeof self->ifname);
    fakes.running = true;
    *out_plane = self;
    return 0;
}

void wire_plane_stop(WirePlane *self)
{
    if (self == NULL)
        return;
    g_assert_false(fakes.applied); /* addresses and routes go before the interface */
    close(self->fds[0]);
    close(self->fds[1]);
    g_free(self);
    fakes.running = fakes.has_key = fakes.link_ready = false;
    fakes.n_planes++;
}

void wire_time_set(WirePlane *self, const WireTime *time)
{
    (void)self;
    g_assert_cmpint(time->until_s, >, time->from_s);
}

int wire_plane_set_private_key(WirePlane *self, const MeshKey *private_key)
{
    MeshKey public_key;

    (void)self;
    mesh_key_make_public(private_key, &public_key);
    fakes.has_key = mesh_key_equal(&public_key, &fakes.wg) || mesh_key_is_zero(&fakes.wg);
    return 0;
}

static void count_peer(const WirePeerSpec *spec, void *data)
{
    (void)spec;
    (*(size_t *)data)++;
}

int wire_plane_apply(WirePlane *self, const WireConfig *config)
{
    if (fakes.apply_rc != 0)
        return fakes.apply_rc;
    fakes.n_peers = 0;
    wire_config_list_peers(config, count_peer, &fakes.n_peers);
    self->port = fakes.port;
    return 0;
}

int wire_plane_set_route(WirePlane *self, const MeshKey *peer, const WireRoute *route,
                         bool initiate)
{
    (void)self, (void)peer, (void)route, (void)initiate;
    return 0;
}

int wire_plane_ping(WirePlane *self, const MeshAddr *source, const MeshAddr *destination,
                    uint16_t id, uint16_t sequence)
{
    (void)self, (void)source, (void)destination, (void)id, (void)sequence;
    return 0;
}

int wire_plane_event_fd(const WirePlane *self)
{
    return self->fds[0];
}

bool wire_plane_next_event(WirePlane *self, WireEvent *out_event)
{
    (void)self, (void)out_event;
    return false;
}

void wire_plane_get_stats(WirePlane *self, WireStats *out_stats)
{
    (void)self;
    *out_stats = (WireStats){ .rx_packets = 0 };
}

void wire_plane_get_info(WirePlane *self, WirePlaneInfo *out_info)
{
    *out_info = (WirePlaneInfo){ .up = true, .mtu = 1420, .listen_port = self->port };
    g_strlcpy(out_info->ifname, self->ifname, sizeof out_info->ifname);
}

bool wire_engines_can(WireSuite suite)
{
    return suite == WIRE_SUITE_WG1 || fakes.has_aes;
}

bool wire_engines_know(const char *name)
{
    return strcmp(name, "openssl") == 0;
}

void wire_engines_use(WirePlane *self, const char *name)
{
    (void)self, (void)name;
}

int wire_plane_get_peer(WirePlane *self, const MeshKey *peer, WirePeerInfo *out_info)
{
    (void)self;
    *out_info = (WirePeerInfo){ .public_key = *peer };
    return 0;
}

/* ---- DNS ---- */

struct DnsResolver {
    int unused;
};

struct DnsHostdns {
    int unused;
};

DnsResolver *dns_resolver_new(void)
{
    return g_new0(DnsResolver, 1);
}

void dns_resolver_free(DnsResolver *self)
{
    g_free(self);
}

bool dns_resolver_apply(DnsResolver *self, const DnsZone *zone, const DnsListen *listen,
                        GError **error)
{
    (void)self;
    if (fakes.dns_fails) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_HOST, "port 53 is taken");
        return false;
    }
    g_strlcpy(fakes.dns_suffix, zone->suffix, sizeof fakes.dns_suffix);
    fakes.n_dns_hosts = zone->n_hosts;
    fakes.n_dns_addrs = listen->n_addrs;
    fakes.dns_early = listen->early;
    fakes.dns_answers = true;
    return true;
}

void dns_resolver_stop(DnsResolver *self)
{
    (void)self;
    fakes.dns_answers = false;
}

DnsHostdns *dns_hostdns_start(const DnsHostdnsOptions *options, DnsHostdnsChanged changed,
                              void *user_data)
{
    (void)options, (void)changed, (void)user_data;
    return g_new0(DnsHostdns, 1);
}

void dns_hostdns_stop(DnsHostdns *self)
{
    g_free(self);
}

void dns_hostdns_apply(DnsHostdns *self, const DnsHostdnsLink *link)
{
    (void)self;
    g_assert_true(fakes.dns_answers); /* nobody is sent to a resolver that is not there */
    g_assert_cmpuint(link->n_servers, ==, fakes.n_dns_addrs);
    fakes.dns_points = true;
}

void dns_hostdns_undo(DnsHostdns *self, const char *ifname)
{
    (void)self, (void)ifname;
    fakes.dns_points = false;
}

DnsHostdnsState dns_hostdns_get(DnsHostdns *self, const char *ifname, const char **out_reason)
{
    (void)self, (void)ifname;
    *out_reason = "";
    return fakes.dns_points ? DNS_HOSTDNS_FILE : DNS_HOSTDNS_OFF;
}

const char *dns_hostdns_state_name(DnsHostdnsState state)
{
    static const char *const names[] = {
        "off", "waiting", "systemd-resolved", "NetworkManager", "resolv.conf", "error"
    };

    return names[state];
}
