/* daemon/wire/events.h: news for the control thread: one bounded ring a producing thread, one bell.
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/std/attr.h"
#include "common/std/ring.h"
#include "daemon/wire/index.h"
#include "daemon/wire/plane.h"

#define WIRE_EVENTS_PER_THREAD 256u
#define WIRE_N_EVENT_RINGS \
    (WIRE_MAX_THREADS + 1u) /* the last: what anybody may send, from the first in thread */

/* The threads that have news, or count: out and in of the first shard, and so on. */
enum {
    WIRE_THREAD_OUT,
    WIRE_THREAD_IN,
    WIRE_THREAD_HANDSHAKE,
    WIRE_MAX_THREADS = WIRE_THREAD_HANDSHAKE + 2 * WIRE_MAX_SHARDS - 1,
};

static inline unsigned wire_thread_out(unsigned shard)
{
    return shard == 0 ? WIRE_THREAD_OUT : WIRE_THREAD_HANDSHAKE + 2 * shard - 1;
}

static inline unsigned wire_thread_in(unsigned shard)
{
    return shard == 0 ? WIRE_THREAD_IN : WIRE_THREAD_HANDSHAKE + 2 * shard;
}

typedef struct {
    MeshRing    *rings[WIRE_N_EVENT_RINGS]; /* NULL: there is no such thread */
    int          bell[2];                   /* pipe: read end is the control thread's to poll */
    _Atomic bool rung;
} WireEvents;

/* Returns: 0; -ENOMEM, -EMFILE, -ENFILE. */
MESH_CHECKED int wire_events_init(WireEvents *self, unsigned n_shards);
void             wire_events_done(WireEvents *self); /* once init passed or on zeroed */

/** wire_events_push: thread @from only. Returns: false: full, the event is counted and lost. */
bool wire_events_push(WireEvents *self, unsigned from, const WireEvent *event);

/** wire_events_push_strange: the first in thread only: a datagram that anybody may have sent. It
 * takes no room from the others, and comes after them. */
bool wire_events_push_strange(WireEvents *self, const WireEvent *event);

/* Control thread. */
int      wire_events_fd(const WireEvents *self);
bool     wire_events_pop(WireEvents *self, WireEvent *out_event);
uint64_t wire_events_lost(const WireEvents *self);
