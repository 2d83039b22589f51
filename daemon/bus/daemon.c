#include "common/glib/error.h"
#include "common/glib/logring.h"
#include "common/proto/joinlink.h"
#include "daemon/bus/answer.h"
#include "daemon/bus/bus.h"
#include "daemon/bus/interfaces.h"
#include "daemon/bus/options.h"
#include "daemon/proxy.h"
#include "daemon/view.h"
#include "mesh-dbus.h"

#include <string.h>

enum {
    MAX_LOG_LINES = 500, /* in one answer */
    API_VERSION = 4,     /* raised with each addition to data/dbus/ */
};

static const char *const features[] = { "aes",     "data-plane",   "dns",          "hard-nat",
                                        "lan",     "log",          "netcheck",     "networks",
                                        "nm",      "path-history", "peer-relay",   "ping",
                                        "portmap", "proxy",        "proxy-exempt", "reason-codes",
                                        "repair",  "statistics",   "why",          NULL };

/* A link without a secret joins nothing: it moves a joined network to another address. */
const char *bus_daemon_judge(const char *interface, const char *method, GVariant *arguments)
{
    MeshJoinlink link;
    const char  *text;
    bool         moves;

    if (strcmp(interface, BUS_NAME ".Daemon") != 0 || strcmp(method, "Join") != 0)
        return NULL;
    g_variant_get_child(arguments, 0, "&s", &text);
    if (!mesh_joinlink_parse(text, &link, NULL))
        return NULL;
    moves = !link.has_secret;
    mesh_joinlink_wipe(&link);
    return moves ? "set-server" : NULL;
}

typedef struct {
    MeshDBusDaemon        *skeleton; /* ref */
    GDBusMethodInvocation *invocation;
} JoinCall;

char *bus_daemon_dup_path(const char *id)
{
    return g_strdup_printf("%s/%s", BUS_NETWORK_PATH, id);
}

/* What went wrong after the server said yes is a warning too: the network is joined. */
static char **list_warnings(const MeshdView *view)
{
    GStrvBuilder *builder = g_strv_builder_new();
    char        **list;

    g_strv_builder_addv(builder, (const char **)view->warnings);
    if (view->error[0] != '\0')
        g_strv_builder_add(builder, view->error);
    list = g_strv_builder_end(builder);
    g_strv_builder_unref(builder);
    return list;
}

static void on_joined(MeshdEngine *engine, const GError *error, void *user_data)
{
    JoinCall *call = user_data;
    g_autoptr(MeshdView) view = NULL;
    g_autofree char *path = NULL;
    g_auto(GStrv) warnings = NULL;

    if (error != NULL) {
        bus_answer_error(call->invocation, error);
    } else {
        view = meshd_view_make(engine);
        path = bus_daemon_dup_path(view->id);
        warnings = list_warnings(view);
        mesh_dbus_daemon_complete_join(call->skeleton, call->invocation, path,
                                       (const char *const *)warnings);
    }
    g_object_unref(call->skeleton);
    g_free(call);
}

static gboolean handle_join(MeshDBusDaemon *skeleton, GDBusMethodInvocation *invocation,
                            const char *link, GVariant *options, gpointer user_data)
{
    MeshdNetworks          *networks = user_data;
    MeshdJoinOptions        join = { 0 };
    gboolean                ip4 = true;
    g_autofree const char **endpoints = NULL;
    const BusOption         table[] = {
                { "name", "s", &join.name, NULL },
                { "interface", "s", &join.ifname, NULL },
                { "ip4", "b", &ip4, NULL },
                { "port", "q", &join.port, NULL },
                { "endpoints", "as", &endpoints, NULL },
    };
    g_autoptr(GError) error = NULL;
    JoinCall *call;

    if (!bus_options_read(options, table, G_N_ELEMENTS(table), &error)) {
        bus_answer_error(invocation, error);
        return true;
    }
    join.no_ip4 = !ip4;
    join.endpoints = endpoints;
    call = g_new0(JoinCall, 1);
    call->skeleton = g_object_ref(skeleton);
    call->invocation = invocation;
    meshd_networks_join(networks, link, &join, on_joined, call);
    return true;
}

static void add_line(const MeshLogringLine *line, void *user_data)
{
    g_autofree char *text = g_utf8_make_valid(line->text, -1);

    g_variant_builder_add(user_data, "(txss)", line->serial, line->time_us,
                          mesh_logring_name_level(line->level), text);
}

static gboolean handle_log(MeshDBusDaemon *skeleton, GDBusMethodInvocation *invocation,
                           guint64 after, guint limit, gpointer user_data)
{
    GVariantBuilder lines;
    guint64         newest;

    (void)user_data;
    if (limit == 0 || limit > MAX_LOG_LINES)
        limit = MAX_LOG_LINES;
    g_variant_builder_init(&lines, G_VARIANT_TYPE("a(txss)"));
    newest = mesh_logring_walk(after, limit, add_line, &lines);
    mesh_dbus_daemon_complete_log(skeleton, invocation, newest, g_variant_builder_end(&lines));
    return true;
}

static gboolean handle_repair(MeshDBusDaemon *skeleton, GDBusMethodInvocation *invocation,
                              gpointer user_data)
{
    g_auto(GStrv) found = meshd_networks_repair(user_data);

    for (char **text = found; *text != NULL; text++) {
        char *valid = g_utf8_make_valid(*text, -1);

        g_free(*text);
        *text = valid;
    }
    mesh_dbus_daemon_complete_repair(skeleton, invocation, (const char *const *)found);
    return true;
}

static void show_proxy(MeshDBusDaemon *skeleton)
{
    g_autofree char *proxy = meshd_proxy_describe();

    mesh_dbus_daemon_set_proxy(skeleton, proxy);
    mesh_dbus_daemon_set_proxy_exempt(skeleton, meshd_proxy_get_exempt());
}

static gboolean handle_set_proxy(MeshDBusDaemon *skeleton, GDBusMethodInvocation *invocation,
                                 const char *proxy, GVariant *options, gpointer user_data)
{
    const char     *exempt = NULL;
    const BusOption table[] = { { "exempt", "s", &exempt, NULL } };
    g_autoptr(GError) error = NULL;

    if (!bus_options_read(options, table, G_N_ELEMENTS(table), &error) ||
        !meshd_proxy_set(proxy, exempt, &error)) {
        bus_answer_error(invocation, error);
        return true;
    }
    show_proxy(skeleton);
    meshd_networks_wake(user_data); /* conversations go by the old way */
    mesh_dbus_daemon_complete_set_proxy(skeleton, invocation);
    return true;
}

GDBusInterfaceSkeleton *bus_daemon_new(MeshdNetworks *networks)
{
    MeshDBusDaemon *skeleton = mesh_dbus_daemon_skeleton_new();

    mesh_dbus_daemon_set_version(skeleton, MESH_VERSION);
    mesh_dbus_daemon_set_api_version(skeleton, API_VERSION);
    mesh_dbus_daemon_set_features(skeleton, features);
    show_proxy(skeleton);
    g_signal_connect(skeleton, "handle-set-proxy", G_CALLBACK(handle_set_proxy), networks);
    g_signal_connect(skeleton, "handle-join", G_CALLBACK(handle_join), networks);
    g_signal_connect(skeleton, "handle-log", G_CALLBACK(handle_log), networks);
    g_signal_connect(skeleton, "handle-repair", G_CALLBACK(handle_repair), networks);
    return G_DBUS_INTERFACE_SKELETON(skeleton);
}
