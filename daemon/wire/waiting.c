/* daemon/wire/waiting.c: see waiting.h. */
#include "daemon/wire/waiting.h"

/* Either the thread that obeys a note sees the bit, or we see what the note was about. Then we look
 * in the next round, and the bell is what makes it come before anything else does. */
void wire_waiting_own(WirePlane *plane, unsigned shard, WirePeer *peer, WireStaged *staged)
{
    wire_peer_ref(peer);
    staged->owner = peer;
    staged->mark = atomic_load(&peer->n_drops);
    atomic_fetch_or(&peer->staged_in, 1u << shard);
    if (shard != peer->shard && (atomic_load(&peer->slots.current) != NULL ||
                                 atomic_load(&peer->n_drops) != staged->mark)) {
        atomic_store(&plane->look[shard], true);
        wire_mailbox_ring(&plane->to_out[shard]);
    }
}

void wire_waiting_disown(unsigned shard, WirePeer *peer)
{
    atomic_fetch_and(&peer->staged_in, ~(1u << shard));
}

void wire_waiting_pass_on(WirePlane *plane, unsigned shard, WirePeer *peer)
{
    uint32_t shards = atomic_load(&peer->staged_in) & ~(1u << shard);

    for (unsigned i = 0; shards != 0; i++, shards >>= 1) {
        if ((shards & 1u) == 0)
            continue;
        atomic_store(&plane->look[i], true);
        wire_mailbox_ring(&plane->to_out[i]);
    }
}

bool wire_waiting_take(WirePlane *plane, unsigned shard)
{
    return atomic_load_explicit(&plane->look[shard], memory_order_relaxed) &&
           atomic_exchange(&plane->look[shard], false);
}

bool wire_waiting_is_over(const WireSnapshot *snapshot, const WireStaged *staged)
{
    WirePeer *peer = staged->owner;

    return wire_snapshot_get_peer(snapshot, &peer->public_key) != peer ||
           atomic_load(&peer->n_drops) != staged->mark;
}
