/* nm-plugin/network.h: a joined network as meshd tells it on the bus: a value, read and looked for
 * without waiting. Main loop. */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

#define PLUGIN_MESHD_NAME      "org.meshvpn.Mesh1"
#define PLUGIN_MESHD_PATH      "/org/meshvpn/Mesh1"
#define PLUGIN_MESHD_INTERFACE "org.meshvpn.Mesh1.Network"

/** PluginNetwork: owned texts and lists, "" and empty where there is nothing. */
typedef struct {
    char   *path; /* of its object */
    char   *id, *name, *state, *error, *management, *ifname, *gateway;
    char  **addresses, **routes, **dns_servers, **dns_domains;
    guint32 mtu;
} PluginNetwork;

/** plugin_network_new: @properties: a{sv}. What is missing or of another type is left empty. */
PluginNetwork *plugin_network_new(const char *path, GVariant *properties);
void           plugin_network_free(PluginNetwork *self); /* NULL is fine */

/** plugin_network_list_async: the joined networks, by name. @start: let the bus start meshd.
 * plugin_network_list_finish: owned, of PluginNetwork; NULL with @error: the bus's or meshd's. */
void       plugin_network_list_async(GDBusConnection *bus, bool start, GCancellable *cancel,
                                     GAsyncReadyCallback done, gpointer user_data);
GPtrArray *plugin_network_list_finish(GAsyncResult *result, GError **error);

/** plugin_network_find: by id, else by name; borrowed. NULL with @error: there is none, or more
 * than one of that name. */
const PluginNetwork *plugin_network_find(GPtrArray *networks, const char *text, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(PluginNetwork, plugin_network_free)
