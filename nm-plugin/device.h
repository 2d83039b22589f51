/* nm-plugin/device.h: our interface as a device of NetworkManager's own. Main loop.
 *
 * NetworkManager watches interfaces that others set up, and manages one where meshd had it set name
 * servers: it would clear that one once meshd takes its addresses away, some time after a VPN
 * brought the same. So it lets go of it first, and may have it again before meshd's come back. */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

/** plugin_device_release_async: NetworkManager lets go of the interface as a device; done when it
 * did. No such device, or one that it does not have, is fine.
 * plugin_device_release_finish: true: it had it, and is to have it again. */
void plugin_device_release_async(GDBusConnection *bus, const char *ifname, GCancellable *cancel,
                                 GAsyncReadyCallback done, gpointer user_data);
bool plugin_device_release_finish(GAsyncResult *result, GError **error);

/** plugin_device_restore_async: it may have it again; what fails is of no matter by then. */
void plugin_device_restore_async(GDBusConnection *bus, const char *ifname, GAsyncReadyCallback done,
                                 gpointer user_data);
