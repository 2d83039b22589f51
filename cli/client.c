#include "cli/client.h"

#include "cli/agent.h"
#include "common/glib/error.h"
#include "mesh-dbus.h"

#include <glib/gi18n.h>
#include <string.h>

#define BUS_NAME "org.meshvpn.Mesh1"
#define BUS_PATH "/org/meshvpn/Mesh1"

enum { CALL_TIMEOUT_MS = 120000 }; /* join and an administrator who types a password */

struct CliClient {
    GDBusConnection    *bus;
    GDBusObjectManager *manager;
    GDBusProxy         *daemon;
    GPtrArray          *networks; /* owned CliNetwork */
};

static void free_network(gpointer data)
{
    CliNetwork *network = data;

    g_free((char *)network->id);
    g_free((char *)network->name);
    g_object_unref(network->proxy);
    g_free(network);
}

GVariant *cli_client_ask_peer(const CliArguments *arguments, const char *method,
                              CliClient **out_client, const CliNetwork **out_network,
                              GError **error)
{
    g_autoptr(GVariant) reply = NULL;
    char *peer = cli_main_get_argument(arguments, 1);

    if (peer == NULL) {
        g_set_error_literal(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                            _("name a peer, see \"mesh peers\""));
        return NULL;
    }
    *out_network = cli_client_open(arguments, 2, out_client, error);
    if (*out_network != NULL)
        reply =
            cli_client_call(*out_client, *out_network, method, g_variant_new("(s)", peer), error);
    return reply != NULL ? g_variant_get_child_value(reply, 0) : NULL;
}

GVariant *cli_client_get(const CliNetwork *network, const char *property)
{
    return g_dbus_proxy_get_cached_property(network->proxy, property);
}

char *cli_client_dup_text(const CliNetwork *network, const char *property)
{
    g_autoptr(GVariant) value = cli_client_get(network, property);

    if (value == NULL || !g_variant_is_of_type(value, G_VARIANT_TYPE_STRING))
        return g_strdup("");
    return g_variant_dup_string(value, NULL);
}

char *cli_client_dup_daemon_text(CliClient *self, const char *property, GError **error)
{
    g_autoptr(GVariant) reply = NULL;
    g_autoptr(GVariant) value = NULL;

    reply = g_dbus_connection_call_sync(self->bus, BUS_NAME, BUS_PATH,
                                        "org.freedesktop.DBus.Properties", "Get",
                                        g_variant_new("(ss)", "org.meshvpn.Mesh1.Daemon", property),
                                        G_VARIANT_TYPE("(v)"), G_DBUS_CALL_FLAGS_NO_AUTO_START,
                                        CALL_TIMEOUT_MS, NULL, error);
    if (reply == NULL)
        return NULL;
    g_variant_get(reply, "(v)", &value);
    return g_variant_is_of_type(value, G_VARIANT_TYPE_STRING) ? g_variant_dup_string(value, NULL)
                                                              : g_strdup("");
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    const CliNetwork *left = *(const CliNetwork *const *)a;
    const CliNetwork *right = *(const CliNetwork *const *)b;

    return g_strcmp0(left->name, right->name);
}

static void list_networks(CliClient *self)
{
    GList *objects = g_dbus_object_manager_get_objects(self->manager);

    for (GList *at = objects; at != NULL; at = at->next) {
        GDBusInterface *interface =
            g_dbus_object_get_interface(at->data, "org.meshvpn.Mesh1.Network");
        CliNetwork *network;

        if (interface == NULL)
            continue;
        network = g_new0(CliNetwork, 1);
        network->proxy = G_DBUS_PROXY(interface);
        network->id = cli_client_dup_text(network, "Id");
        network->name = cli_client_dup_text(network, "Name");
        g_ptr_array_add(self->networks, network);
    }
    g_list_free_full(objects, g_object_unref);
    g_ptr_array_sort(self->networks, compare_names);
}

static bool connect_manager(CliClient *self, GError **error)
{
    g_autofree char *owner = NULL;

    self->manager = mesh_dbus_object_manager_client_new_sync(
        self->bus, G_DBUS_OBJECT_MANAGER_CLIENT_FLAGS_DO_NOT_AUTO_START, BUS_NAME, BUS_PATH, NULL,
        error);
    if (self->manager == NULL)
        return false;
    owner =
        g_dbus_object_manager_client_get_name_owner(G_DBUS_OBJECT_MANAGER_CLIENT(self->manager));
    if (owner != NULL)
        return true;
    g_set_error_literal(error, MESH_ERROR, MESH_ERROR_NO_DAEMON,
                        _("meshd is not running: start it with \"systemctl start meshd\""));
    return false;
}

CliClient *cli_client_new(GError **error)
{
    g_autoptr(CliClient) self = g_new0(CliClient, 1);
    g_autoptr(GError) bus_error = NULL;

    (void)mesh_error_quark(); /* from here on D-Bus errors of ours become ours again */
    self->networks = g_ptr_array_new_with_free_func(free_network);
    self->bus = g_bus_get_sync(G_BUS_TYPE_SYSTEM, NULL, &bus_error);
    if (self->bus == NULL) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_NO_DAEMON,
                    _("there is no system bus, so meshd cannot be reached: %s"),
                    bus_error->message);
        return NULL;
    }
    if (!connect_manager(self, error))
        return NULL;
    self->daemon =
        g_dbus_proxy_new_sync(self->bus,
                              G_DBUS_PROXY_FLAGS_DO_NOT_LOAD_PROPERTIES |
                                  G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START,
                              NULL, BUS_NAME, BUS_PATH, "org.meshvpn.Mesh1.Daemon", NULL, error);
    if (self->daemon == NULL)
        return NULL;
    list_networks(self);
    return g_steal_pointer(&self);
}

void cli_client_free(CliClient *self)
{
    if (self == NULL)
        return;
    g_ptr_array_unref(self->networks);
    g_clear_object(&self->daemon);
    g_clear_object(&self->manager);
    g_clear_object(&self->bus);
    g_free(self);
}

GPtrArray *cli_client_list(CliClient *self)
{
    return self->networks;
}

/* "home, work" for error texts. */
static char *join_names(CliClient *self)
{
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < self->networks->len; i++) {
        const CliNetwork *network = self->networks->pdata[i];

        g_string_append_printf(text, "%s%s", i > 0 ? ", " : "", network->name);
    }
    return g_string_free(text, false);
}

static const CliNetwork *find_only(CliClient *self, GError **error)
{
    g_autofree char *names = NULL;

    if (self->networks->len == 1)
        return self->networks->pdata[0];
    if (self->networks->len == 0) {
        g_set_error_literal(error, MESH_ERROR, MESH_ERROR_NO_SUCH_NETWORK,
                            _("no network is joined: use \"mesh join\""));
        return NULL;
    }
    names = join_names(self);
    g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                _("there are several networks, name one of: %s"), names);
    return NULL;
}

const CliNetwork *cli_client_find(CliClient *self, const char *wish, GError **error)
{
    const CliNetwork *found = NULL;

    if (wish == NULL)
        return find_only(self, error);
    for (unsigned i = 0; i < self->networks->len; i++) {
        const CliNetwork *network = self->networks->pdata[i];

        if (strcmp(network->id, wish) == 0)
            return network;
        if (strcmp(network->name, wish) != 0)
            continue;
        if (found != NULL) {
            g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                        _("two networks have the name %s, use an id: %s, %s"), wish, found->id,
                        network->id);
            return NULL;
        }
        found = network;
    }
    if (found == NULL)
        g_set_error(error, MESH_ERROR, MESH_ERROR_NO_SUCH_NETWORK,
                    _("no network \"%s\": see \"mesh networks\""), wish);
    return found;
}

const CliNetwork *cli_client_open(const CliArguments *arguments, int at, CliClient **out_client,
                                  GError **error)
{
    *out_client = cli_client_new(error);
    return *out_client != NULL
               ? cli_client_find(*out_client, cli_main_get_argument(arguments, at), error)
               : NULL;
}

GVariant *cli_client_call(CliClient *self, const CliNetwork *network, const char *method,
                          GVariant *arguments, GError **error)
{
    GDBusProxy *proxy = network != NULL ? network->proxy : self->daemon;
    g_autoptr(CliAgent) agent = cli_agent_start(); /* asks for a password on the terminal */
    GError   *call_error = NULL;
    GVariant *reply;

    reply = g_dbus_proxy_call_sync(proxy, method, arguments,
                                   G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION |
                                       G_DBUS_CALL_FLAGS_NO_AUTO_START,
                                   CALL_TIMEOUT_MS, NULL, &call_error);
    if (reply != NULL)
        return reply;
    g_dbus_error_strip_remote_error(call_error);
    if (g_error_matches(call_error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
        g_error_matches(call_error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER))
        g_set_error_literal(error, MESH_ERROR, MESH_ERROR_NO_DAEMON,
                            _("meshd is not running: start it with \"systemctl start meshd\""));
    else
        g_propagate_error(error, g_steal_pointer(&call_error));
    g_clear_error(&call_error);
    return NULL;
}

const CliNetwork *cli_client_refresh(CliClient *self, const char *path, GError **error)
{
    g_clear_object(&self->manager);
    g_ptr_array_set_size(self->networks, 0);
    if (!connect_manager(self, error))
        return NULL;
    list_networks(self);
    for (unsigned i = 0; i < self->networks->len; i++) {
        const CliNetwork *network = self->networks->pdata[i];

        if (strcmp(g_dbus_proxy_get_object_path(network->proxy), path) == 0)
            return network;
    }
    g_set_error(error, MESH_ERROR, MESH_ERROR_NO_SUCH_NETWORK, _("the network is gone again"));
    return NULL;
}
