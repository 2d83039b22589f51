/* nm-plugin/settings.h: what a connection of NetworkManager may say of a mesh network, and the file
 * it is imported from and exported to. One table; what it does not name is refused by name.
 *
 * The service runs as root for users who may no more than edit their own connections, so nothing
 * here can ask for more than bringing a joined network up. Any thread; no I/O but the file's. */
#pragma once

#include <NetworkManager.h>
#include <stdbool.h>

#define PLUGIN_SERVICE     "org.freedesktop.NetworkManager.mesh"
#define PLUGIN_NETWORK     "network" /* of the table: id or name of a joined network */
#define PLUGIN_FILE_SUFFIX ".mesh"

/** plugin_settings_check_network: whether @text may be an id (16 hexadecimal digits) or a name. */
bool plugin_settings_check_network(const char *text, GError **error);

/** plugin_settings_check: all of a connection, its addresses, DNS and routes too.
 * Errors: NM_CONNECTION_ERROR, naming setting and property. */
bool plugin_settings_check(NMConnection *connection, GError **error);

/** plugin_settings_get_network: borrowed; "" where there is none. Checks nothing. */
const char *plugin_settings_get_network(NMConnection *connection);

/** plugin_settings_set_network: makes the connection one of ours that names @network, alone. */
void plugin_settings_set_network(NMConnection *connection, const char *network);

/** plugin_settings_decode: the text of a connection file; owned.
 * plugin_settings_encode: the same text again; owned, NULL with @error for what is none of ours. */
NMConnection *plugin_settings_decode(const char *text, size_t len, GError **error);
char         *plugin_settings_encode(NMConnection *connection, GError **error);
