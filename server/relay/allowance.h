/* server/relay/allowance.h: how much may pass: one number that says when what passed is paid off
 * (the generic cell rate algorithm). Plain value; its owner's thread, or its owner's lock. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    int64_t paid_ns;  /* boot time at which all that passed is paid off */
    int64_t kib_ns;   /* what 1024 units cost */
    int64_t ahead_ns; /* how far paid_ns may be ahead of now */
} RelayAllowance;

/* @rate units a second (≥ 1), @burst of them at once; both are cut to what 64 bits of ns hold. */
RelayAllowance relay_allowance_make(uint64_t rate, uint64_t burst);

/* Takes @units when some are left; the last taking may overdraw by itself. False: none left. */
static inline bool relay_allowance_take(RelayAllowance *self, uint64_t units, int64_t now_ns)
{
    if (self->paid_ns < now_ns)
        self->paid_ns = now_ns;
    if (self->paid_ns - now_ns > self->ahead_ns)
        return false;
    self->paid_ns += (int64_t)units * self->kib_ns >> 10;
    return true;
}

/* When the next taking may pass; not above now: at once. */
static inline int64_t relay_allowance_due_ns(const RelayAllowance *self)
{
    return self->paid_ns - self->ahead_ns;
}
