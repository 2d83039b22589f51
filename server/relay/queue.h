/* server/relay/queue.h: what waits for one receiver: what must not wait first, then deficit round
 * robin over the sources (docs/PATHS.md §3).
 *
 * Not thread-safe: the receiver's lock. Bounded by bytes, of packets and of what keeps them; the
 * oldest of the source that has most goes first. Bounded by age, of each source by its own: see
 * common/std/codel.h. Source: RFC 8290. */
#pragma once

#include "common/std/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RELAY_QUEUE_BYTES = 256 << 10,
    RELAY_QUEUE_URGENT_BYTES = 64 << 10,
    RELAY_QUEUE_QUANTUM = 1536,
    RELAY_QUEUE_TARGET_MS = 10, /* CoDel's */
    RELAY_QUEUE_INTERVAL_MS = 100,
    RELAY_QUEUE_MAX_MS = 500, /* who waited longer is of no use to anybody */
    RELAY_PARCEL_HEAD = 16,
};

typedef struct RelayQueue RelayQueue;

/* A packet that waits; free() it. */
typedef struct RelayParcel RelayParcel;
struct RelayParcel {
    RelayParcel *next;                    /* the queue's */
    int64_t      came_ns;                 /* boot time */
    uint32_t     source;                  /* i of who sent it; of another kind: its arg */
    uint8_t      kind;                    /* of its frame */
    uint16_t     len;                     /* bytes of data */
    uint8_t      head[RELAY_PARCEL_HEAD]; /* room for the frame's, in front of data */
    uint8_t      data[];                  /* payload of DATA */
};

RelayQueue *relay_queue_new(void);              /* NULL: no memory */
void        relay_queue_free(RelayQueue *self); /* with what waits; NULL is fine */

/* What is to wait. */
typedef struct {
    uint8_t  kind; /* of its frame */
    bool     urgent;
    uint32_t source;
    MeshSpan payload;
    int64_t  now_ns; /* boot time */
} RelayWaiting;

/* What waited too long and was dropped. Counts up: zeroed at first. */
typedef struct {
    unsigned n;
    bool     has_source; /* @source: whose the last of them was */
    uint32_t source;
} RelayAged;

/* Copies the payload behind what waits; what is urgent goes before all that is not. Returns: 0; 1:
 * something was dropped to make room, of the source in @out_dropped; -ENOMEM: it is lost. */
MESH_CHECKED int relay_queue_push(RelayQueue *self, const RelayWaiting *waiting,
                                  uint32_t *out_dropped);

/* The next packet, the caller's from here on; NULL: none, what was there is in @aged. */
RelayParcel *relay_queue_pop(RelayQueue *self, int64_t now_ns, RelayAged *aged);

bool   relay_queue_is_empty(const RelayQueue *self);
bool   relay_queue_has_urgent(const RelayQueue *self);
size_t relay_queue_get_bytes(const RelayQueue *self);
