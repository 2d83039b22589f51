#include "nm-plugin/network.h"

#include <glib/gi18n-lib.h>
#include <string.h>

enum { LIST_TIMEOUT_MS = 10000 };

static char *dup_text(GVariant *properties, const char *name)
{
    char *text = NULL;

    return g_variant_lookup(properties, name, "s", &text) ? text : g_strdup("");
}

static char **dup_list(GVariant *properties, const char *name)
{
    char **list = NULL;

    return g_variant_lookup(properties, name, "^as", &list) ? list : g_new0(char *, 1);
}

PluginNetwork *plugin_network_new(const char *path, GVariant *properties)
{
    PluginNetwork *self = g_new0(PluginNetwork, 1);

    self->path = g_strdup(path);
    self->id = dup_text(properties, "Id");
    self->name = dup_text(properties, "Name");
    self->state = dup_text(properties, "State");
    self->error = dup_text(properties, "Error");
    self->management = dup_text(properties, "Management");
    self->ifname = dup_text(properties, "Interface");
    self->gateway = dup_text(properties, "Gateway");
    self->addresses = dup_list(properties, "Addresses");
    self->routes = dup_list(properties, "Routes");
    self->dns_servers = dup_list(properties, "DnsServers");
    self->dns_domains = dup_list(properties, "DnsDomains");
    g_variant_lookup(properties, "Mtu", "u", &self->mtu);
    return self;
}

void plugin_network_free(PluginNetwork *self)
{
    if (self == NULL)
        return;
    g_free(self->path);
    g_free(self->id);
    g_free(self->name);
    g_free(self->state);
    g_free(self->error);
    g_free(self->management);
    g_free(self->ifname);
    g_free(self->gateway);
    g_strfreev(self->addresses);
    g_strfreev(self->routes);
    g_strfreev(self->dns_servers);
    g_strfreev(self->dns_domains);
    g_free(self);
}

static void free_network(gpointer data)
{
    plugin_network_free(data);
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    const PluginNetwork *left = *(const PluginNetwork *const *)a;
    const PluginNetwork *right = *(const PluginNetwork *const *)b;
    int                  order = strcmp(left->name, right->name);

    return order != 0 ? order : strcmp(left->id, right->id);
}

/* @objects: a{oa{sa{sv}}} of the object manager. */
static GPtrArray *read_objects(GVariant *objects)
{
    GPtrArray   *networks = g_ptr_array_new_with_free_func(free_network);
    GVariantIter iter;
    const char  *path;
    GVariant    *interfaces;

    g_variant_iter_init(&iter, objects);
    while (g_variant_iter_loop(&iter, "{&o@a{sa{sv}}}", &path, &interfaces)) {
        g_autoptr(GVariant) properties =
            g_variant_lookup_value(interfaces, PLUGIN_MESHD_INTERFACE, G_VARIANT_TYPE_VARDICT);

        if (properties != NULL)
            g_ptr_array_add(networks, plugin_network_new(path, properties));
    }
    g_ptr_array_sort(networks, compare_names);
    return networks;
}

static void on_listed(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GTask) task = user_data;
    g_autoptr(GVariant) reply = NULL;
    g_autoptr(GVariant) objects = NULL;
    GError *error = NULL;

    reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    if (reply == NULL) {
        g_dbus_error_strip_remote_error(error);
        g_task_return_error(task, error);
        return;
    }
    objects = g_variant_get_child_value(reply, 0);
    g_task_return_pointer(task, read_objects(objects), (GDestroyNotify)g_ptr_array_unref);
}

void plugin_network_list_async(GDBusConnection *bus, bool start, GCancellable *cancel,
                               GAsyncReadyCallback done, gpointer user_data)
{
    GTask *task = g_task_new(bus, cancel, done, user_data); /* on_listed drops it */

    g_task_set_source_tag(task, plugin_network_list_async);
    g_dbus_connection_call(bus, PLUGIN_MESHD_NAME, PLUGIN_MESHD_PATH,
                           "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL,
                           G_VARIANT_TYPE("(a{oa{sa{sv}}})"),
                           start ? G_DBUS_CALL_FLAGS_NONE : G_DBUS_CALL_FLAGS_NO_AUTO_START,
                           LIST_TIMEOUT_MS, cancel, on_listed, task);
}

GPtrArray *plugin_network_list_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

const PluginNetwork *plugin_network_find(GPtrArray *networks, const char *text, GError **error)
{
    const PluginNetwork *found = NULL;

    for (guint i = 0; i < networks->len; i++)
        if (strcmp(((PluginNetwork *)networks->pdata[i])->id, text) == 0)
            return networks->pdata[i];
    for (guint i = 0; i < networks->len; i++) {
        const PluginNetwork *network = networks->pdata[i];

        if (strcmp(network->name, text) != 0)
            continue;
        if (found != NULL) {
            g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                        _("more than one joined network is called “%s”: name it by its id"), text);
            return NULL;
        }
        found = network;
    }
    if (found == NULL)
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                    _("this computer has not joined a network called “%s”"), text);
    return found;
}
