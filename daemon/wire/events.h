/* daemon/wire/events.h: news for the control thread: one bounded ring a producing thread, one bell.
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/std/attr.h"
#include "common/std/ring.h"
#include "daemon/wire/plane.h"

#define WIRE_EVENTS_PER_THREAD 256u
#define WIRE_N_EVENT_RINGS \
    (WIRE_N_THREADS + 1u) /* the last: what anybody may send, from the in thread */

/* The threads that have news. */
typedef enum { WIRE_THREAD_OUT, WIRE_THREAD_IN, WIRE_THREAD_HANDSHAKE, WIRE_N_THREADS } WireThread;

typedef struct {
    MeshRing    *rings[WIRE_N_EVENT_RINGS];
    int          bell[2]; /* pipe: read end is the control thread's to poll */
    _Atomic bool rung;
} WireEvents;

MESH_CHECKED int wire_events_init(WireEvents *self); /* 0; -ENOMEM, -EMFILE, -ENFILE */
void             wire_events_done(WireEvents *self); /* once init passed or on zeroed */

/** wire_events_push: thread @from only. Returns: false: full, the event is counted and lost. */
bool wire_events_push(WireEvents *self, WireThread from, const WireEvent *event);

/** wire_events_push_strange: in thread only: a datagram that anybody may have sent. It takes no
 * room from the others, and comes after them. */
bool wire_events_push_strange(WireEvents *self, const WireEvent *event);

/* Control thread. */
int      wire_events_fd(const WireEvents *self);
bool     wire_events_pop(WireEvents *self, WireEvent *out_event);
uint64_t wire_events_lost(const WireEvents *self);
