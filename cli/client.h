/* cli/client.h: meshd over the system bus. One thread; calls wait. */
#pragma once

#include "cli/cli.h"

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

/** cli_client_open: asks meshd, and finds the network that argument @at names. @out_client (NULL
 * before) is the caller's to free, also when the network is not found. */
const CliNetwork *cli_client_open(const CliArguments *arguments, int at, CliClient **out_client,
                                  GError **error);

/** cli_client_ask_peer: @method about the peer that the first argument names; the network is that
 * of the second: @out_network, which is @out_client's (as of cli_client_open()). Returns: the
 * answer, owned. MESH_ERROR_INVALID_ARGUMENT: no peer is named. */
GVariant *cli_client_ask_peer(const CliArguments *arguments, const char *method,
                              CliClient **out_client, const CliNetwork **out_network,
                              GError **error);

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
