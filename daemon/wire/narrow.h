/* daemon/wire/narrow.h: the road out while its link takes less than the host gives.
 *
 * When a socket is full, its buffer is cut to what the link carries in some milliseconds, and what
 * is read from the TUN waits in a queue (aqm.h) until there is room; when that has stayed empty for
 * half a second, all is as before. Owner: who has the road out. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/std/attr.h"
#include "daemon/wire/counters.h"
#include "daemon/wire/tun.h"

typedef struct WireNarrow WireNarrow;

MESH_CHECKED int wire_narrow_new(WireCounters *counters, WireNarrow **out_self); /* 0; -ENOMEM */
void             wire_narrow_free(WireNarrow *self);                             /* NULL is fine */

/** wire_narrow_enter: the socket @fd was full. -1: none was, and nothing happens. */
void wire_narrow_enter(WireNarrow *self, int fd, int64_t now_ms);

/** wire_narrow_is_on: a round at @now_ms; what is read is to be put. */
bool wire_narrow_is_on(WireNarrow *self, int64_t now_ms);

void wire_narrow_put(WireNarrow *self, WireSuper *supers, size_t n, int64_t now_ms);

/** wire_narrow_take: packets to send now, at most @max. They are there until wire_narrow_sent().
 * Returns: how many. */
size_t wire_narrow_take(WireNarrow *self, WireSuper *out_supers, size_t max, int64_t now_ms);
void   wire_narrow_sent(WireNarrow *self);

/** wire_narrow_fd: to poll for room; -1: nothing waits for any. */
int wire_narrow_fd(const WireNarrow *self);

/** wire_narrow_patience: ms to poll for that at most; -1: for ever. */
int wire_narrow_patience(const WireNarrow *self);

/** wire_narrow_wake: poll said that there is room. */
void wire_narrow_wake(WireNarrow *self);
