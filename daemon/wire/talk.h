/* daemon/wire/talk.h: what a peer takes only once somebody talks to it (WirePeerTalk of peer.h). */
#pragma once

#include "daemon/wire/peer.h"

#include <stdbool.h>

/** wire_talk_ready: makes peer->talk if it is not there. Handshake thread. Returns: false: out of
 * memory. */
bool wire_talk_ready(WirePeer *peer);

void wire_talk_free(WirePeerTalk *talk); /* wipes; NULL is fine */
