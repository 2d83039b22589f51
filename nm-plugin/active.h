/* nm-plugin/active.h: the active connection of NetworkManager's that this process serves, and how
 * it ends: Disconnect comes without a reason, be it a person's wish or the loss of the link below.
 * Main loop. */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

typedef struct PluginActive PluginActive;

/** plugin_active_new: of the connection @uuid, which is being activated; nothing waits. Its path is
 * known before NetworkManager hears that it is up. */
PluginActive *plugin_active_new(GDBusConnection *bus, const char *uuid);
void          plugin_active_free(PluginActive *self); /* NULL is fine */

/** plugin_active_is_switched_off: somebody asked NetworkManager to end it. A link that went, sleep,
 * a deleted connection or a failure are none of that. NULL: false. */
bool plugin_active_is_switched_off(const PluginActive *self);
