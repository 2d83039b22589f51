/* daemon/wire/counters.h: what happened to packets, one set a thread, summed when somebody asks.
 * Only the owner counts, so no atomic read-modify-write is needed; anybody may read. */
#pragma once
#include <stdatomic.h>
#include <stdint.h>

#include "daemon/wire/plane.h"

typedef _Atomic uint64_t WireCount;

typedef struct {
    WireCount units, packets, refused, held, given_up;
} WireOffloadCount;

typedef struct {
    _Alignas(64) WireCount rx_packets;
    WireCount        tx_packets, rx_bytes, tx_bytes;
    WireCount        queue_times, queue_peak, marked, cut; /* as in WireStats */
    WireCount        drops[WIRE_N_DROPS];
    WireOffloadCount offloads[WIRE_N_OFFLOADS];
} WireCounters;

static inline void wire_count(WireCount *count, uint64_t n)
{
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

/* For the few that several threads count, once a run at most. */
static inline void wire_count_shared(WireCount *count, uint64_t n)
{
    atomic_fetch_add_explicit(count, n, memory_order_relaxed);
}

static inline uint64_t wire_count_read(const WireCount *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

static inline void wire_count_drop(WireCounters *self, WireDrop why, uint64_t n)
{
    if (n != 0)
        wire_count(&self->drops[why], n);
}

/* One unit of @n_packets went over. */
static inline void wire_count_unit(WireOffloadCount *count, uint64_t n_packets)
{
    wire_count(&count->units, 1);
    wire_count(&count->packets, n_packets);
}
