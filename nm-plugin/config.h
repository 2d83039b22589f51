/* nm-plugin/config.h: what NetworkManager is told of a network, in its words. Pure; no I/O. */
#pragma once

#include "nm-plugin/network.h"

#include <gio/gio.h>

/** PluginConfig: variants of type a{sv}; ip4, ip6 NULL: no address of that family. */
typedef struct {
    GVariant *general, *ip4, *ip6; /* owned */
} PluginConfig;

/** plugin_config_make: owned. NULL with @error (G_IO_ERROR_INVALID_DATA) where @network says what
 * is no address, or lacks what NetworkManager needs. */
PluginConfig *plugin_config_make(const PluginNetwork *network, GError **error);
void          plugin_config_free(PluginConfig *self); /* NULL is fine */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(PluginConfig, plugin_config_free)
