/* daemon/wire/talk.c: see talk.h. */
#include "daemon/wire/talk.h"

#include "daemon/wire/freshness.h"

#include <stdlib.h>

bool wire_talk_ready(WirePeer *peer)
{
    int64_t       taken_ns = atomic_load_explicit(&peer->taken_ns, memory_order_relaxed);
    WirePeerTalk *talk;

    if (atomic_load_explicit(&peer->talk, memory_order_relaxed) != NULL)
        return true;
    talk = calloc(1, sizeof(*talk));
    if (talk == NULL)
        return false;
    wire_cookie_jar_init(&talk->jar, &peer->public_key);
    if (taken_ns > 0)
        wire_freshness_encode(taken_ns, talk->freshness.newest);
    atomic_store_explicit(&peer->talk, talk, memory_order_release);
    return true;
}

void wire_talk_free(WirePeerTalk *talk)
{
    if (talk == NULL)
        return;
    free(talk->candidates);
    mesh_key_wipe(talk, sizeof(*talk));
    free(talk);
}
