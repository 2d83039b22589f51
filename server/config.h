/* server/config.h: the configuration file of mesh-server, a key file (man mesh-server). Read once,
 * by the main thread; values after that. */
#pragma once

#include "common/glib/log.h"
#include "server/loop/loop.h"
#include "server/relay/relay.h"

#include <glib.h>

#define SERVER_CONFIG_PATH       "/etc/mesh-server/mesh-server.conf"
#define SERVER_CONFIG_PATH_RELAY "/etc/mesh-server/mesh-relay.conf"

enum { SERVER_MAX_TRUST = 16 };

typedef struct {
    char        *path; /* of the file itself */
    MeshEndpoint listen[LOOP_MAX_LISTEN];
    unsigned     n_listen;
    char        *public_host; /* NULL: not set */
    uint16_t     public_port;
    char        *state_dir;
    char        *admin_socket;
    bool         behind_proxy;
    MeshLogLevel log_level;
    unsigned     threads, connections, accept_rate, accept_burst;
    unsigned     handshake_ms, header_ms, body_ms, idle_ms;
    bool         relay; /* serve as one */
    uint16_t     relay_udp;
    unsigned     relay_alt;                               /* 0: none */
    char        *relay_host;                              /* NULL: the join link's */
    unsigned     relay_rate, relay_burst, relay_sessions; /* Mbit/s and KB of a node */
    MeshKey      relay_trust[SERVER_MAX_TRUST];           /* Ed25519 keys of other servers */
    unsigned     n_relay_trust;
    bool         alone; /* --role=relay: a relay and nothing else */
} ServerConfig;

/* Reads @path; what it does not say has its default. NULL and @error: file, group, key, and what is
 * wrong. An unknown group or key is an error: a typing mistake must not be a silent default. */
ServerConfig *server_config_load(const char *path, GError **error);

/* The same for --role=relay, which needs somebody to trust. */
ServerConfig *server_config_load_relay(const char *path, GError **error);
void          server_config_free(ServerConfig *self); /* NULL is fine */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ServerConfig, server_config_free)
