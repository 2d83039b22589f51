/* nm-plugin/service.c: nm-mesh-service, which NetworkManager starts for each connection to a mesh
 * network. It opens no device and does no crypto: meshd has the network up, and what meshd says of
 * it goes on to NetworkManager, again at each change.
 *
 * It runs as root for whoever may edit a connection: all that he reaches by it is Up and Down, of a
 * network that this host has joined. */
#include "nm-plugin/active.h"
#include "nm-plugin/config.h"
#include "nm-plugin/session.h"
#include "nm-plugin/settings.h"

#include <NetworkManager.h>
#include <glib-unix.h>
#include <glib/gi18n.h>
#include <locale.h>
#include <signal.h>

enum { LEAVE_S = 3 };

typedef struct {
    NMVpnServicePlugin parent;
    PluginActive      *active; /* NULL: none; and so both of these */
    PluginSession     *session;
    PluginConfig      *told; /* what NetworkManager heard last; NULL: nothing */
} MeshVpnService;

typedef struct {
    NMVpnServicePluginClass parent;
} MeshVpnServiceClass;

GType mesh_vpn_service_get_type(void);
G_DEFINE_TYPE(MeshVpnService, mesh_vpn_service, NM_TYPE_VPN_SERVICE_PLUGIN)

/* ---- what NetworkManager hears ---- */

static bool is_same(GVariant *a, GVariant *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return g_variant_equal(a, b);
}

static void fail(MeshVpnService *self, NMVpnPluginFailure how, const char *why)
{
    NMVpnServicePlugin *plugin = NM_VPN_SERVICE_PLUGIN(self);

    g_warning("%s", why);
    nm_vpn_service_plugin_failure(plugin, how);
    nm_vpn_service_plugin_disconnect(plugin, NULL);
}

/* NetworkManager (1.42) keeps what it has of a family that is told no more. */
static bool has_other_families(const PluginConfig *a, const PluginConfig *b)
{
    return (a->ip4 == NULL) != (b->ip4 == NULL) || (a->ip6 == NULL) != (b->ip6 == NULL);
}

/* Only what is another: addresses and routes are applied anew. Of name servers it takes the first
 * word until the next connection (1.42). */
static void on_changed(const PluginNetwork *network, void *user_data)
{
    MeshVpnService     *self = user_data;
    NMVpnServicePlugin *plugin = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(PluginConfig) before = g_steal_pointer(&self->told);
    PluginConfig *now = plugin_config_make(network, &error);

    if (now == NULL) {
        fail(self, NM_VPN_PLUGIN_FAILURE_BAD_IP_CONFIG, error->message);
        return;
    }
    self->told = now;
    if (before != NULL && has_other_families(before, now)) {
        fail(self, NM_VPN_PLUGIN_FAILURE_CONNECT_FAILED,
             _("IPv4 or IPv6 came or went: connect again"));
        return;
    }
    if (before == NULL || !is_same(before->general, now->general))
        nm_vpn_service_plugin_set_config(plugin, now->general);
    if (now->ip4 != NULL && (before == NULL || !is_same(before->ip4, now->ip4)))
        nm_vpn_service_plugin_set_ip4_config(plugin, now->ip4);
    if (now->ip6 != NULL && (before == NULL || !is_same(before->ip6, now->ip6)))
        nm_vpn_service_plugin_set_ip6_config(plugin, now->ip6);
}

static void on_ended(PluginSessionEnd how, const char *why, void *user_data)
{
    fail(user_data,
         how == PLUGIN_SESSION_NO_MEMBER ? NM_VPN_PLUGIN_FAILURE_LOGIN_FAILED
                                         : NM_VPN_PLUGIN_FAILURE_CONNECT_FAILED,
         why);
}

static const PluginSessionEvents session_events = { on_changed, on_ended };

/* ---- what NetworkManager asks ---- */

static void stop(MeshVpnService *self)
{
    plugin_session_stop(g_steal_pointer(&self->session), plugin_active_is_switched_off(self->active)
                                                             ? PLUGIN_SESSION_SWITCH_OFF
                                                             : PLUGIN_SESSION_GIVE_BACK);
    g_clear_pointer(&self->active, plugin_active_free);
    g_clear_pointer(&self->told, plugin_config_free);
}

static gboolean service_connect(NMVpnServicePlugin *plugin, NMConnection *connection,
                                GError **error)
{
    MeshVpnService  *self = (MeshVpnService *)plugin;
    GDBusConnection *bus = nm_vpn_service_plugin_get_connection(plugin);
    g_autoptr(GError) refused = NULL;

    if (!plugin_settings_check(connection, &refused)) {
        g_warning("%s", refused->message);
        g_set_error_literal(error, NM_VPN_PLUGIN_ERROR, NM_VPN_PLUGIN_ERROR_BAD_ARGUMENTS,
                            refused->message);
        return FALSE;
    }
    stop(self);
    self->active = plugin_active_new(bus, nm_connection_get_uuid(connection));
    self->session =
        plugin_session_start(bus, plugin_settings_get_network(connection), &session_events, self);
    return TRUE;
}

/* What a network needs to know of this computer meshd has, since it was joined. */
static gboolean service_need_secrets(NMVpnServicePlugin *plugin, NMConnection *connection,
                                     const char **out_setting, GError **error)
{
    (void)plugin, (void)connection, (void)out_setting, (void)error;
    return FALSE;
}

static gboolean service_disconnect(NMVpnServicePlugin *plugin, GError **error)
{
    (void)error;
    stop((MeshVpnService *)plugin);
    return TRUE;
}

static void service_dispose(GObject *object)
{
    stop((MeshVpnService *)object);
    G_OBJECT_CLASS(mesh_vpn_service_parent_class)->dispose(object);
}

static void mesh_vpn_service_class_init(MeshVpnServiceClass *klass)
{
    NMVpnServicePluginClass *plugin_class = NM_VPN_SERVICE_PLUGIN_CLASS(klass);

    G_OBJECT_CLASS(klass)->dispose = service_dispose;
    plugin_class->connect = service_connect;
    plugin_class->need_secrets = service_need_secrets;
    plugin_class->disconnect = service_disconnect;
}

static void mesh_vpn_service_init(MeshVpnService *self)
{
    (void)self;
}

/* ---- main ---- */

static gboolean on_term(gpointer user_data)
{
    g_main_loop_quit(user_data);
    return G_SOURCE_CONTINUE;
}

static gboolean on_late(gpointer user_data)
{
    *(bool *)user_data = true;
    return G_SOURCE_CONTINUE;
}

/* NetworkManager ends us as soon as we are stopped. */
static void finish_leaving(void)
{
    bool  late = false;
    guint timer = g_timeout_add_seconds(LEAVE_S, on_late, &late);

    while (plugin_session_is_leaving() && !late)
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(timer);
}

/* @bus_name: the service's, or of one connection: NAME.Connection_N. */
static int run(const char *bus_name)
{
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_autoptr(GError) error = NULL;
    GDBusConnection *bus;
    GObject         *service;

    service = g_initable_new(mesh_vpn_service_get_type(), NULL, &error,
                             NM_VPN_SERVICE_PLUGIN_DBUS_SERVICE_NAME, bus_name,
                             NM_VPN_SERVICE_PLUGIN_DBUS_WATCH_PEER, TRUE, NULL);
    if (service == NULL) {
        g_printerr("nm-mesh-service: %s\n", error->message);
        return 1;
    }
    bus = g_object_ref(nm_vpn_service_plugin_get_connection(NM_VPN_SERVICE_PLUGIN(service)));
    g_signal_connect_swapped(service, "quit", G_CALLBACK(g_main_loop_quit), loop);
    g_unix_signal_add(SIGTERM, on_term, loop);
    g_unix_signal_add(SIGINT, on_term, loop);
    g_main_loop_run(loop);
    nm_vpn_service_plugin_shutdown(NM_VPN_SERVICE_PLUGIN(service));
    g_object_unref(service);
    finish_leaving();
    g_dbus_connection_flush_sync(bus, NULL, NULL); /* the network is given back */
    g_object_unref(bus);
    return 0;
}

int main(int argc, char **argv)
{
    g_autofree char *bus_name = NULL;
    gboolean         debug = FALSE;
    GOptionEntry     entries[] = {
            { "bus-name", 0, 0, G_OPTION_ARG_STRING, &bus_name, N_("Name on the bus"), "NAME" },
            { "debug", 0, 0, G_OPTION_ARG_NONE, &debug, N_("Say more"), NULL },
            { 0 },
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;

    setlocale(LC_ALL, "");
    bindtextdomain(GETTEXT_PACKAGE, MESH_LOCALEDIR);
    textdomain(GETTEXT_PACKAGE);
    g_option_context_add_main_entries(context, entries, GETTEXT_PACKAGE);
    g_option_context_set_summary(context, _("NetworkManager's service for mesh networks; it is "
                                            "started by NetworkManager."));
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        g_printerr("nm-mesh-service: %s\n", error->message);
        return 2;
    }
    if (debug)
        g_setenv("G_MESSAGES_DEBUG", "all", TRUE);
    return run(bus_name != NULL ? bus_name : PLUGIN_SERVICE);
}
