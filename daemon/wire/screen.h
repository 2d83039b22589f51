/* daemon/wire/screen.h: the first look at handshake messages, before they are queued for their
 * thread: those that show a cookie are told from the rest, so that a flood of others cannot crowd
 * them out. Who shows none costs nothing here, who shows a wrong one ends here.
 *
 * The in thread judges; the handshake thread, which gives the cookies, tells it what to judge by.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/std/attr.h"
#include "daemon/wire/cookie.h"
#include "daemon/wire/packet.h"
#include "daemon/wire/plane.h"

typedef struct WireScreen WireScreen;

MESH_CHECKED int wire_screen_new(WireScreen **out_screen); /* 0; -ENOMEM */
void             wire_screen_free(WireScreen *self);       /* no readers any more; NULL is fine */

/** wire_screen_set: from now on judges by a copy of @checker. NULL, and as long as nothing was set:
 * judges nothing, the handshake thread does. Any thread. Out of memory is as NULL. */
void wire_screen_set(WireScreen *self, const WireCookieChecker *checker);

/** wire_screen_set_loaded: from now on who shows a cookie is held to the limiter's rate. Any
 * thread. */
void wire_screen_set_loaded(WireScreen *self, bool loaded);

/** wire_screen_judge: @packet: an initiation, response or cookie reply of its exact length (a
 * cookie reply has no macs). @source: outer address and port. @now_ms: boot clock.
 *
 * *out_mac: what was shown; WIRE_MAC_UNJUDGED: no cookie, or not known here.
 * Thread: in, as an RCU reader.
 * Returns: WIRE_DROP_NONE: queue it; FORGED: mac1 is wrong; HANDSHAKES: the source is over its
 * rate. Cost: three BLAKE2s where a mac2 is not zero. */
WireDrop wire_screen_judge(WireScreen *self, const WirePacket *packet, const MeshEndpoint *source,
                           int64_t now_ms, WireMac *out_mac);
