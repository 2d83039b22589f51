/* daemon/wire/spin.h: a flag as a lock, for what is nearly always free and held for microseconds.
 *
 * One byte beside what it guards, where a mutex would be the larger part. Whoever finds it taken
 * lets others run. Any thread; not twice by one. */
#pragma once
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

static inline void wire_spin_lock(_Atomic bool *self)
{
    while (atomic_exchange_explicit(self, true, memory_order_acquire))
        sched_yield();
}

static inline void wire_spin_unlock(_Atomic bool *self)
{
    atomic_store_explicit(self, false, memory_order_release);
}
