/* daemon/wire/waiting.h: packets of one peer may wait in the stages of several shards, for the
 * host's flows are divided among them; but its notes come to one out thread, which tells the
 * others. Internal to outbound.c. */
#pragma once
#include <stdbool.h>

#include "daemon/wire/stage.h"
#include "daemon/wire/state.h"

/** wire_waiting_own: @staged, which just got its first packet, is @peer's from now on and holds a
 * reference to it. A note that went past before that was known is made up for. */
void wire_waiting_own(WirePlane *plane, unsigned shard, WirePeer *peer, WireStaged *staged);

/** wire_waiting_disown: the block is to be dropped; then the reference is the caller's. */
void wire_waiting_disown(unsigned shard, WirePeer *peer);

/** wire_waiting_pass_on: the others that hold packets of @peer shall look at them. */
void wire_waiting_pass_on(WirePlane *plane, unsigned shard, WirePeer *peer);

/** wire_waiting_take: was this shard told to look? Once. */
bool wire_waiting_take(WirePlane *plane, unsigned shard);

/** wire_waiting_is_over: what is staged is to be dropped: the peer was given up, or has left. */
bool wire_waiting_is_over(const WireSnapshot *snapshot, const WireStaged *staged);
