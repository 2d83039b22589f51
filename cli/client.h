/* cli/client.h: meshd over the system bus. One thread; calls wait. */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

typedef struct CliClient CliClient;

/** CliNetwork: one joined network; owned by the client. */
typedef struct {
    GDBusProxy *proxy;
    const char *id, *name; /* borrowed from cached properties */
} CliNetwork;

/** cli_client_new: MESH_ERROR_NO_DAEMON, with what to do, when there is no bus or no meshd. */
CliClient *cli_client_new(GError **error);
void       cli_client_free(CliClient *self); /* NULL is fine */

/** cli_client_list: of CliNetwork, by name; borrowed. */
GPtrArray *cli_client_list(CliClient *self);

/** cli_client_find: by name or id, or (@wish NULL) the only one. NULL: MESH_ERROR_NO_SUCH_NETWORK,
 * or MESH_ERROR_INVALID_ARGUMENT when one has to be named. Borrowed. */
const CliNetwork *cli_client_find(CliClient *self, const char *wish, GError **error);

/** cli_client_call: a method of a network (@network) or of the daemon (NULL); @arguments floating.
 * Returns: owned reply; errors in our domain, without D-Bus words. */
GVariant *cli_client_call(CliClient *self, const CliNetwork *network, const char *method,
                          GVariant *arguments, GError **error);

/** cli_client_get: a cached property; NULL: none. Owned. */
GVariant *cli_client_get(const CliNetwork *network, const char *property);
char     *cli_client_dup_text(const CliNetwork *network, const char *property); /* "" if none */

/** cli_client_dup_daemon_text: a text of the daemon itself, asked for now. NULL: @error. Owned. */
char *cli_client_dup_daemon_text(CliClient *self, const char *property, GError **error);

/** cli_client_refresh: the network at object path @path, with its properties of now. NULL: none. */
const CliNetwork *cli_client_refresh(CliClient *self, const char *path, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CliClient, cli_client_free)
