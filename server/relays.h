/* server/relays.h: joins the relay with the rules: its key on disk, whose tokens it takes, whose
 * sessions end. Started before the core and stopped after it. */
#pragma once

#include "server/api/router.h"
#include "server/config.h"
#include "server/core/core.h"
#include "server/relay/relay.h"

#include <glib.h>

typedef struct ServerRelays ServerRelays;

/* Starts the relay of @config and describes it in @out_core. A port that is taken is no reason not
 * to serve: that is logged, and there is no relay. NULL and @error: the key. */
ServerRelays *server_relays_start(const ServerConfig *config, CoreRelays *out_core, GError **error);

/* A relay that is all there is (--role=relay): tokens of [relay] trust count. NULL and @error: the
 * key, or a port that is taken. */
ServerRelays *server_relays_start_alone(const ServerConfig *config, GError **error);

/* Once the core runs: tokens of its key count, and of those that the file trusts. */
void server_relays_serve(ServerRelays *self, const MeshKey *server);

/* For ApiConfig: the relay over TLS. */
ApiUpgrade server_relays_make_upgrade(ServerRelays *self);

/* Tells the sessions to come back in @wait_ms. */
void server_relays_drain(ServerRelays *self, unsigned wait_ms);

void server_relays_stop(ServerRelays *self); /* NULL is fine */
