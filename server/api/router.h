/* server/api/router.h: the node's side of mesh-server: docs/PROTOCOL.md §5 over the connections of
 * server/loop and the rules of server/core. Front door.
 *
 * An Api has no thread: it runs on the loop's shards, and what it holds is fixed once the loop
 * runs, but for the table of auth.h, which has its own lock. */
#pragma once

#include "server/core/core.h"
#include "server/loop/loop.h"

#include <glib.h>

typedef struct Api Api;

typedef struct {
    LoopConn      *conn;
    const MeshKey *node;      /* signed the request */
    const char    *token;     /* its Mesh-Token */
    bool           websocket; /* what follows goes in messages of RFC 6455 */
} ApiUpgradeRequest;

/* What takes over a connection after GET /v1/relay with "Upgrade: mesh-relay/1", or websocket: the
 * relay, joined by the program. All on the connection's shard. */
typedef struct {
    /* False and @error: 400 and up. */
    bool (*open)(void *data, const ApiUpgradeRequest *request, void **out_stream, GError **error);
    void (*start)(void *stream); /* "101" is on its way */
    void (*input)(void *stream, const uint8_t *data, size_t len);
    void (*close)(void *stream); /* the connection ends */
    void *data;
    /* Servers whose nodes may ask beside the core's own; they stay as they are. */
    const CoreIdentity *others;
    unsigned            n_others;
} ApiUpgrade;

typedef struct {
    Core      *core;         /* outlives the loop's threads; NULL: a relay and nothing else */
    unsigned   header_ms;    /* limit for a request's header, from its first byte */
    unsigned   body_ms;      /* limit for its body */
    unsigned   idle_ms;      /* how long a connection without a request is kept */
    bool       behind_proxy; /* the address a connection comes from says nothing about the node */
    ApiUpgrade upgrade;      /* open NULL: there is none */
} ApiConfig;

Api *api_router_new(const ApiConfig *config);

/* When the loop is freed. */
void api_router_free(Api *self);

/* For LoopConfig, with the Api as its user_data. */
const LoopEvents *api_router_get_events(void);

/* Between loop_stop() and core_stop(): the core is not called any more. */
void api_router_detach(Api *self);
