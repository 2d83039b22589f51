#include "common/glib/error.h"
#include "common/std/endpoint.h"
#include "daemon/bus/answer.h"
#include "daemon/bus/doctor.h"
#include "daemon/bus/holder.h"
#include "daemon/bus/interfaces.h"
#include "daemon/bus/options.h"
#include "daemon/bus/peers.h"
#include "daemon/bus/plane.h"
#include "daemon/bus/watch.h"
#include "daemon/view.h"
#include "mesh-dbus.h"

#include <string.h>

#define NETWORK_MANAGER "NetworkManager" /* the only one beside us */
#define GATHER_MS       250u             /* at most 4 rounds of signals a second */

struct BusNetwork {
    MeshdNetworks   *networks; /* borrowed */
    char            *id;
    MeshDBusNetwork *skeleton;
    BusPeers        *told;
    BusWatch        *watch;
    BusHolder       *holder; /* for whom NetworkManager sets the addresses */
    guint64          serial;
    guint            timer; /* signals are held back until it fires; 0: none */
    bool             dirty, peers_dirty;
};

/* A call that waits for the engine. */
typedef struct {
    MeshDBusNetwork       *skeleton; /* ref */
    GDBusMethodInvocation *invocation;
    void (*complete)(MeshDBusNetwork *skeleton, GDBusMethodInvocation *invocation);
} Call;

static void show_properties(MeshDBusNetwork *skeleton, const MeshdView *view)
{
    mesh_dbus_network_set_id(skeleton, view->id);
    mesh_dbus_network_set_name(skeleton, view->name);
    mesh_dbus_network_set_node_name(skeleton, view->node_name);
    mesh_dbus_network_set_node_key(skeleton, view->node_key);
    mesh_dbus_network_set_public_key(skeleton, view->public_key);
    mesh_dbus_network_set_state(skeleton, view->state);
    mesh_dbus_network_set_error(skeleton, view->error);
    mesh_dbus_network_set_problem(skeleton, view->problem);
    mesh_dbus_network_set_server(skeleton, view->server);
    mesh_dbus_network_set_server_key(skeleton, view->server_key);
    mesh_dbus_network_set_server_state(skeleton, view->server_state);
    mesh_dbus_network_set_server_error(skeleton, view->server_error);
    mesh_dbus_network_set_interface(skeleton, view->ifname);
    mesh_dbus_network_set_listen_port(skeleton, view->port);
    mesh_dbus_network_set_addresses(skeleton, (const char *const *)view->addresses);
    mesh_dbus_network_set_prefixes(skeleton, (const char *const *)view->prefixes);
    mesh_dbus_network_set_endpoints(skeleton, (const char *const *)view->endpoints);
    mesh_dbus_network_set_warnings(skeleton, (const char *const *)view->warnings);
    mesh_dbus_network_set_suffix(skeleton, view->suffix);
    mesh_dbus_network_set_dns_state(skeleton, view->dns_state);
    mesh_dbus_network_set_port_map_state(skeleton, view->portmap_state);
    mesh_dbus_network_set_port_map_error(skeleton, view->portmap_why);
    mesh_dbus_network_set_dns(skeleton, view->dns);
    mesh_dbus_network_set_port_map(skeleton, view->portmap);
    mesh_dbus_network_set_lan(skeleton, view->lan);
    mesh_dbus_network_set_aes(skeleton, view->aes);
    mesh_dbus_network_set_aes_state(skeleton, view->aes_state);
    mesh_dbus_network_set_engines(skeleton, (const char *const *)view->engines);
    mesh_dbus_network_set_hard_nat(skeleton, view->hard_nat);
    mesh_dbus_network_set_peer_relay_state(skeleton, view->peerrelay_state);
    mesh_dbus_network_set_peer_relay_error(skeleton, view->peerrelay_why);
    mesh_dbus_network_set_peer_relay_port(skeleton, view->peerrelay_port);
    mesh_dbus_network_set_lan_state(skeleton, view->lan_state);
    mesh_dbus_network_set_map_version(skeleton, view->map_version);
    mesh_dbus_network_set_peers_online(skeleton, view->peers_online);
    mesh_dbus_network_set_peers_total(skeleton, view->peers_total);
    mesh_dbus_network_set_management(skeleton, view->management);
    mesh_dbus_network_set_routes(skeleton, (const char *const *)view->routes);
    mesh_dbus_network_set_dns_servers(skeleton, (const char *const *)view->dns_servers);
    mesh_dbus_network_set_dns_domains(skeleton, (const char *const *)view->dns_domains);
    mesh_dbus_network_set_mtu(skeleton, view->mtu);
    mesh_dbus_network_set_gateway(skeleton, view->gateway);
}

static void emit_peers(GVariant *changed, const char *const *removed, void *user_data)
{
    BusNetwork *self = user_data;

    self->serial++;
    mesh_dbus_network_emit_peers_changed(self->skeleton, self->serial, changed, removed);
    mesh_dbus_network_set_peers_serial(self->skeleton, self->serial);
}

static void compare_peers(BusNetwork *self, MeshdEngine *engine)
{
    static const char *const none[] = { NULL };
    g_autoptr(GPtrArray) gone = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) peers = meshd_view_list_changed(engine, gone);
    bool told;

    if (peers != NULL) {
        told = bus_peers_compare_some(self->told, peers, gone, emit_peers, self);
    } else {
        peers = meshd_view_list_peers(engine);
        told = bus_peers_compare(self->told, peers, emit_peers, self);
    }
    if (told)
        return;
    self->serial++; /* a gap: list again */
    emit_peers(g_variant_new("aa{sv}", NULL), none, self);
}

static void show(BusNetwork *self)
{
    MeshdEngine *engine = meshd_networks_find(self->networks, self->id);
    g_autoptr(MeshdView) view = NULL;
    bool peers = self->peers_dirty;

    self->dirty = self->peers_dirty = false;
    if (engine == NULL)
        return;
    view = meshd_view_make(engine);
    show_properties(self->skeleton, view);
    if (peers)
        compare_peers(self, engine);
    g_dbus_interface_skeleton_flush(G_DBUS_INTERFACE_SKELETON(self->skeleton));
}

static gboolean on_gathered(gpointer user_data)
{
    BusNetwork *self = user_data;

    if (!self->dirty) {
        self->timer = 0;
        return G_SOURCE_REMOVE;
    }
    show(self);
    return G_SOURCE_CONTINUE; /* one quiet round ends it */
}

void bus_network_show(BusNetwork *self)
{
    show(self);
}

void bus_network_changed(BusNetwork *self, bool peers)
{
    self->dirty = true;
    self->peers_dirty = self->peers_dirty || peers;
    if (self->timer == 0)
        self->timer = g_timeout_add(GATHER_MS, on_gathered, self);
}

/* ---- methods ---- */

/* Looked up anew at each call: authorising takes its time. Answers the call when there is none. */
static MeshdEngine *find_engine(BusNetwork *self, GDBusMethodInvocation *invocation)
{
    MeshdEngine *engine = meshd_networks_find(self->networks, self->id);

    if (engine == NULL)
        g_dbus_method_invocation_return_error(invocation, MESH_ERROR, MESH_ERROR_NOT_FOUND,
                                              "this network is not joined any more");
    return engine;
}

static bool read_options(GDBusMethodInvocation *invocation, GVariant *options,
                         const BusOption *table, size_t n)
{
    g_autoptr(GError) error = NULL;

    if (bus_options_read(options, table, n, &error))
        return true;
    bus_answer_error(invocation, error);
    return false;
}

static Call *make_call(BusNetwork *self, GDBusMethodInvocation *invocation,
                       void (*complete)(MeshDBusNetwork *, GDBusMethodInvocation *))
{
    Call *call = g_new0(Call, 1);

    call->skeleton = g_object_ref(self->skeleton);
    call->invocation = invocation;
    call->complete = complete;
    return call;
}

static void free_call(Call *call)
{
    g_object_unref(call->skeleton);
    g_free(call);
}

static void on_done(MeshdEngine *engine, const GError *error, void *user_data)
{
    Call *call = user_data;
    g_autoptr(MeshdView) view = engine != NULL ? meshd_view_make(engine) : NULL;

    if (view != NULL) /* who reads a property after the answer sees what was answered */
        show_properties(call->skeleton, view);
    if (error != NULL)
        bus_answer_error(call->invocation, error);
    else
        call->complete(call->skeleton, call->invocation);
    free_call(call);
}

static bool check_manager(const char *manager, GError **error)
{
    if (strcmp(manager, NETWORK_MANAGER) == 0)
        return true;
    g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                "option \"manager\" is not \"" NETWORK_MANAGER "\"");
    return false;
}

static gboolean handle_up(MeshDBusNetwork *skeleton, GDBusMethodInvocation *invocation,
                          GVariant *options, gpointer user_data)
{
    BusNetwork     *self = user_data;
    gboolean        temporary = false;
    const char     *manager = "";
    const BusOption table[] = { { "temporary", "b", &temporary, NULL },
                                { "manager", "s", &manager, NULL } };
    MeshdUpHow      how;
    MeshdEngine    *engine = find_engine(self, invocation);
    g_autoptr(GError) error = NULL;

    (void)skeleton;
    if (engine == NULL || !read_options(invocation, options, table, G_N_ELEMENTS(table)))
        return true;
    how = temporary ? MESHD_UP_TEMPORARY : MESHD_UP_KEPT;
    if (manager[0] != '\0') {
        if (!check_manager(manager, &error) || !bus_holder_take(self->holder, invocation, &error)) {
            bus_answer_error(invocation, error);
            return true;
        }
        how = MESHD_UP_MANAGED;
    }
    meshd_networks_up(self->networks, engine, how, on_done,
                      make_call(self, invocation, mesh_dbus_network_complete_up));
    return true;
}

static bool release(BusNetwork *self, GDBusMethodInvocation *invocation, const char *manager,
                    GError **error)
{
    if (!check_manager(manager, error))
        return false;
    bus_holder_release(self->holder, invocation);
    return true;
}

static gboolean handle_down(MeshDBusNetwork *skeleton, GDBusMethodInvocation *invocation,
                            GVariant *options, gpointer user_data)
{
    BusNetwork     *self = user_data;
    gboolean        temporary = false;
    const char     *manager = "";
    const BusOption table[] = { { "temporary", "b", &temporary, NULL },
                                { "manager", "s", &manager, NULL } };
    MeshdEngine    *engine = find_engine(self, invocation);
    g_autoptr(GError) error = NULL;

    if (engine == NULL || !read_options(invocation, options, table, G_N_ELEMENTS(table)))
        return true;
    if (manager[0] != '\0' ? release(self, invocation, manager, &error)
                           : meshd_networks_down(self->networks, engine, temporary, &error)) {
        show(self);
        mesh_dbus_network_complete_down(skeleton, invocation);
    } else {
        bus_answer_error(invocation, error);
    }
    return true;
}

static gboolean handle_leave(MeshDBusNetwork *skeleton, GDBusMethodInvocation *invocation,
                             GVariant *options, gpointer user_data)
{
    BusNetwork     *self = user_data;
    gboolean        force = false, local = false;
    const BusOption table[] = { { "force", "b", &force, NULL }, { "local", "b", &local, NULL } };
    MeshdLeaveHow   how;
    MeshdEngine    *engine = find_engine(self, invocation);

    (void)skeleton;
    if (engine == NULL || !read_options(invocation, options, table, G_N_ELEMENTS(table)))
        return true;
    how = local ? MESHD_LEAVE_LOCAL : force ? MESHD_LEAVE_FORCE : MESHD_LEAVE_TOLD;
    meshd_networks_leave(self->networks, engine, how, on_done,
                         make_call(self, invocation, mesh_dbus_network_complete_leave));
    return true;
}

static gboolean handle_set(MeshDBusNetwork *skeleton, GDBusMethodInvocation *invocation,
                           GVariant *options, gpointer user_data)
{
    BusNetwork             *self = user_data;
    MeshdSetOptions         set = { 0 };
    g_autofree const char **endpoints = NULL;
    gboolean                dns = false, portmap = false, hard_nat = false;
    guint16                 relay_port = 0;
    gboolean                lan = false, aes = false;
    const BusOption         table[] = { { "port", "q", &set.port, &set.set_port },
                                        { "endpoints", "as", &endpoints, NULL },
                                        { "dns", "b", &dns, &set.set_dns },
                                        { "portmap", "b", &portmap, &set.set_portmap },
                                        { "hard-nat", "b", &hard_nat, &set.set_hard_nat },
                                        { "peer-relay", "q", &relay_port, &set.set_peer_relay },
                                        { "lan", "b", &lan, &set.set_lan },
                                        { "aes", "b", &aes, &set.set_aes },
                                        { "engine", "s", &set.engine, NULL } };
    MeshdEngine            *engine = find_engine(self, invocation);
    g_autoptr(GError) error = NULL;

    if (engine == NULL || !read_options(invocation, options, table, G_N_ELEMENTS(table)))
        return true;
    set.endpoints = endpoints;
    set.dns = dns;
    set.portmap = portmap;
    set.peer_relay = relay_port;
    set.hard_nat = hard_nat;
    set.lan = lan;
    set.aes = aes;
    if (meshd_networks_set(self->networks, engine, &set, &error)) {
        show(self);
        mesh_dbus_network_complete_set(skeleton, invocation);
    } else {
        bus_answer_error(invocation, error);
    }
    return true;
}

static gboolean list_peers(BusNetwork *self, GDBusMethodInvocation *invocation, const char *after,
                           guint limit, BusPeersDetail detail)
{
    MeshdEngine *engine = find_engine(self, invocation);
    g_autoptr(GPtrArray) peers = NULL;
    GVariant *page;

    if (engine == NULL)
        return true;
    compare_peers(self, engine); /* so that the serial is that of what is answered */
    peers = meshd_view_list_peers(engine);
    page = bus_peers_make_page(peers, after, limit, detail);
    if (detail == BUS_PEERS_INSPECT)
        mesh_dbus_network_complete_inspect_peers(self->skeleton, invocation, self->serial,
                                                 peers->len, page);
    else
        mesh_dbus_network_complete_list_peers(self->skeleton, invocation, self->serial, peers->len,
                                              page);
    return true;
}

static gboolean handle_list_peers(MeshDBusNetwork *skeleton, GDBusMethodInvocation *invocation,
                                  const char *after, guint limit, gpointer user_data)
{
    (void)skeleton;
    return list_peers(user_data, invocation, after, limit, BUS_PEERS_LIST);
}

static gboolean handle_inspect_peers(MeshDBusNetwork *skeleton, GDBusMethodInvocation *invocation,
                                     const char *after, guint limit, gpointer user_data)
{
    (void)skeleton;
    return list_peers(user_data, invocation, after, limit, BUS_PEERS_INSPECT);
}

static void on_ping_done(const MeshdPingAnswer *answer, const GError *error, void *user_data)
{
    Call           *call = user_data;
    GVariantBuilder dict;
    char            address[MESH_IP_ADDR_TEXT_SIZE], endpoint[MESH_ENDPOINT_TEXT_SIZE];

    if (error != NULL) {
        bus_answer_error(call->invocation, error);
        free_call(call);
        return;
    }
    g_variant_builder_init(&dict, G_VARIANT_TYPE("a{sv}"));
    g_variant_builder_add(&dict, "{sv}", "address",
                          g_variant_new_string(mesh_ip_format_addr(&answer->address, address)));
    g_variant_builder_add(&dict, "{sv}", "rtt-us", g_variant_new_uint64(answer->rtt_us));
    g_variant_builder_add(&dict, "{sv}", "path",
                          g_variant_new_string(path_kind_name(answer->path)));
    g_variant_builder_add(&dict, "{sv}", "endpoint",
                          g_variant_new_string(
                              answer->endpoint.addr.family != 0
                                  ? mesh_endpoint_format(&answer->endpoint, endpoint)
                                  : ""));
    g_variant_builder_add(&dict, "{sv}", "relay", g_variant_new_string(answer->relay));
    mesh_dbus_network_complete_ping(call->skeleton, call->invocation, g_variant_builder_end(&dict));
    free_call(call);
}

static gboolean handle_ping(MeshDBusNetwork *skeleton, GDBusMethodInvocation *invocation,
                            const char *peer, GVariant *options, gpointer user_data)
{
    BusNetwork      *self = user_data;
    guint32          family = 0, timeout_ms = 0;
    const BusOption  table[] = { { "family", "u", &family, NULL },
                                 { "timeout-ms", "u", &timeout_ms, NULL } };
    MeshdEngine     *engine = find_engine(self, invocation);
    MeshdPingRequest request = { .peer = peer };

    (void)skeleton;
    if (engine == NULL || !read_options(invocation, options, table, G_N_ELEMENTS(table)))
        return true;
    if (family != 0 && family != 4 && family != 6) {
        g_dbus_method_invocation_return_error(invocation, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                                              "option \"family\" is neither 4 nor 6");
        return true;
    }
    request.family = family;
    request.timeout_ms = timeout_ms;
    meshd_engine_ping(engine, &request, on_ping_done, make_call(self, invocation, NULL));
    return true;
}

static void on_checked(const MeshdDoctorReport *report, const GError *error, void *user_data)
{
    Call *call = user_data;

    if (error != NULL)
        bus_answer_error(call->invocation, error);
    else
        mesh_dbus_network_complete_net_check(call->skeleton, call->invocation,
                                             bus_doctor_make_report(report));
    free_call(call);
}

static gboolean handle_net_check(MeshDBusNetwork *skeleton, GDBusMethodInvocation *invocation,
                                 GVariant *options, gpointer user_data)
{
    BusNetwork  *self = user_data;
    MeshdEngine *engine = find_engine(self, invocation);

    (void)skeleton;
    if (engine != NULL && read_options(invocation, options, NULL, 0))
        meshd_doctor_check(engine, on_checked, make_call(self, invocation, NULL));
    return true;
}

static gboolean handle_why(MeshDBusNetwork *skeleton, GDBusMethodInvocation *invocation,
                           const char *peer, gpointer user_data)
{
    MeshdEngine *engine = find_engine(user_data, invocation);
    g_autoptr(GError) error = NULL;
    g_autofree char *name = NULL;
    PathWhy          why;

    if (engine == NULL)
        return true;
    if (!meshd_doctor_explain(engine, peer, &why, &name, &error)) {
        bus_answer_error(invocation, error);
        return true;
    }
    mesh_dbus_network_complete_why(skeleton, invocation, bus_doctor_make_why(name, &why));
    path_doctor_clear(&why);
    return true;
}

static gboolean handle_history(MeshDBusNetwork *skeleton, GDBusMethodInvocation *invocation,
                               const char *peer, gpointer user_data)
{
    MeshdEngine            *engine = find_engine(user_data, invocation);
    const MeshdHistoryStep *steps;
    size_t                  n = 0;
    g_autoptr(GError) error = NULL;

    if (engine == NULL)
        return true;
    steps = meshd_doctor_recall(engine, peer, &n, &error);
    if (steps == NULL)
        bus_answer_error(invocation, error);
    else
        mesh_dbus_network_complete_path_history(skeleton, invocation,
                                                bus_doctor_make_history(steps, n));
    return true;
}

static gboolean handle_data_plane(MeshDBusNetwork *skeleton, GDBusMethodInvocation *invocation,
                                  gpointer user_data)
{
    MeshdEngine *engine = find_engine(user_data, invocation);
    WireStats    stats;

    if (engine == NULL)
        return true;
    mesh_dbus_network_complete_get_data_plane(skeleton, invocation,
                                              bus_plane_make(meshd_view_read_plane(engine, &stats)
                                                                 ? &stats
                                                                 : NULL));
    return true;
}

static gboolean handle_watch(MeshDBusNetwork *skeleton, GDBusMethodInvocation *invocation,
                             const char *peer, GVariant *options, gpointer user_data)
{
    BusNetwork     *self = user_data;
    guint32         interval_ms = 1000;
    const BusOption table[] = { { "interval-ms", "u", &interval_ms, NULL } };
    g_autoptr(GError) error = NULL;

    if (find_engine(self, invocation) == NULL ||
        !read_options(invocation, options, table, G_N_ELEMENTS(table)))
        return true;
    if (bus_watch_start(self->watch, invocation, peer, interval_ms, &error))
        mesh_dbus_network_complete_watch(skeleton, invocation);
    else
        bus_answer_error(invocation, error);
    return true;
}

static gboolean handle_unwatch(MeshDBusNetwork *skeleton, GDBusMethodInvocation *invocation,
                               gpointer user_data)
{
    BusNetwork *self = user_data;

    bus_watch_stop(self->watch, g_dbus_method_invocation_get_sender(invocation));
    mesh_dbus_network_complete_unwatch(skeleton, invocation);
    return true;
}

/* ---- life ---- */

BusNetwork *bus_network_new(MeshdNetworks *networks, const char *id)
{
    BusNetwork *self = g_new0(BusNetwork, 1);

    self->networks = networks;
    self->id = g_strdup(id);
    self->skeleton = mesh_dbus_network_skeleton_new();
    self->told = bus_peers_new();
    self->watch = bus_watch_new(networks, id);
    self->holder = bus_holder_new(networks, self->id);
    g_signal_connect(self->skeleton, "handle-up", G_CALLBACK(handle_up), self);
    g_signal_connect(self->skeleton, "handle-down", G_CALLBACK(handle_down), self);
    g_signal_connect(self->skeleton, "handle-leave", G_CALLBACK(handle_leave), self);
    g_signal_connect(self->skeleton, "handle-set", G_CALLBACK(handle_set), self);
    g_signal_connect(self->skeleton, "handle-list-peers", G_CALLBACK(handle_list_peers), self);
    g_signal_connect(self->skeleton, "handle-inspect-peers", G_CALLBACK(handle_inspect_peers),
                     self);
    g_signal_connect(self->skeleton, "handle-ping", G_CALLBACK(handle_ping), self);
    g_signal_connect(self->skeleton, "handle-net-check", G_CALLBACK(handle_net_check), self);
    g_signal_connect(self->skeleton, "handle-why", G_CALLBACK(handle_why), self);
    g_signal_connect(self->skeleton, "handle-path-history", G_CALLBACK(handle_history), self);
    g_signal_connect(self->skeleton, "handle-get-data-plane", G_CALLBACK(handle_data_plane), self);
    g_signal_connect(self->skeleton, "handle-watch", G_CALLBACK(handle_watch), self);
    g_signal_connect(self->skeleton, "handle-unwatch", G_CALLBACK(handle_unwatch), self);
    show(self);
    return self;
}

void bus_network_free(BusNetwork *self)
{
    g_clear_handle_id(&self->timer, g_source_remove);
    g_signal_handlers_disconnect_by_data(self->skeleton, self);
    g_object_unref(self->skeleton);
    bus_peers_free(self->told);
    bus_watch_free(self->watch);
    bus_holder_free(self->holder);
    g_free(self->id);
    g_free(self);
}

GDBusInterfaceSkeleton *bus_network_get_skeleton(BusNetwork *self)
{
    return G_DBUS_INTERFACE_SKELETON(self->skeleton);
}
