/* daemon/wire/handshake.h: the thread that starts, answers and renews sessions: the only holder of
 * the private key. The rest of the plane reaches it by notes and by queued messages. */
#pragma once
#include "common/std/attr.h"
#include "daemon/wire/state.h"

/** wire_handshake_start: Returns: 0; -ENOMEM; -EAGAIN: no thread. */
MESH_CHECKED int wire_handshake_start(WirePlane *plane, WireHandshaker **out_self);

/** wire_handshake_stop: after plane->stopping was set; rings, joins, wipes. NULL is fine. */
void wire_handshake_stop(WireHandshaker *self);
