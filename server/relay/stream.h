/* server/relay/stream.h: a session over TLS, after HTTP has switched protocols. All on the shard of
 * its connection; part of relay.h's front door. */
#pragma once

#include "server/loop/loop.h"
#include "server/relay/relay.h"

typedef struct RelayStream RelayStream;

/* Makes a session of @grant, whose node asked on @conn. @websocket: its frames travel in binary
 * messages. Returns: OK and @out_stream; why not. */
MeshRelayStatus relay_stream_open(Relay *relay, LoopConn *conn, const RelayGrant *grant,
                                  bool websocket, RelayStream **out_stream);

/* Says BOUND: the answer to the request is on its way. */
void relay_stream_start(RelayStream *self);

void relay_stream_input(RelayStream *self, const uint8_t *data, size_t len); /* takes all of it */
void relay_stream_close(RelayStream *self); /* the connection ends; frees @self */
