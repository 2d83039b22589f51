/* daemon/wire/gather.h: when a thread lets packets gather before it looks for more, and how long.
 *
 * Like a network card's interrupt moderation: who would be woken for each of very many small
 * packets sleeps for a moment instead, after which one message takes them all. A conversation that
 * waits for its answers is never so fast, and bulk comes in pieces that are large already. Pure: no
 * clock, no waiting. */
#pragma once
#include <stdint.h>

typedef struct {
    int64_t  ms; /* the millisecond it is in */
    uint64_t n_waits;
    uint64_t n_packets, n_bytes; /* counted when it began */
    long     ns;                 /* how long to gather in it */
} WireGather;

/** wire_gather_wait: the thread has nothing to do at @now_ms; @n_packets and @n_bytes it has done
 * since it began. Returns: ns to sleep first, whatever comes; 0: wait for the next packet. */
long wire_gather_wait(WireGather *self, int64_t now_ms, uint64_t n_packets, uint64_t n_bytes);
