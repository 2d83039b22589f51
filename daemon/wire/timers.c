/* daemon/wire/timers.c: WireGuard's timer rules; see timers.h.
 *
 * A mark and the handshake thread's look may cross. The mark stores its time and then reads
 * look_ms; the look stores look_ms and then reads the times again: with sequential consistency one
 * of the two sees the other. */
#include "daemon/wire/timers.h"

#include "daemon/wire/keypair.h"

#include <string.h>

#define RELAXED memory_order_relaxed

static int64_t load(const _Atomic int64_t *time)
{
    return atomic_load_explicit(time, RELAXED);
}

static void store(_Atomic int64_t *time, int64_t value)
{
    if (load(time) !=
        value) /* usually unchanged within a millisecond: keep the cache line shared */
        atomic_store_explicit(time, value, RELAXED);
}

void wire_timers_init(WireTimers *self)
{
    memset(self, 0, sizeof *self);
    atomic_store_explicit(&self->look_ms, WIRE_TIMERS_NEVER, RELAXED);
}

/* How long data may go unanswered before somebody looks. */
static int64_t patience(const WireTimers *self)
{
    uint16_t silent_ms = atomic_load_explicit(&self->silent_ms, RELAXED);

    return silent_ms != 0 ? silent_ms : WIRE_TIMERS_UNANSWERED;
}

/* Starts a waiting time. True: it ends before the handshake thread would look. */
static bool begin(WireTimers *self, _Atomic int64_t *since, int64_t now_ms, int64_t length_ms)
{
    atomic_store(since, now_ms);
    return now_ms + length_ms < atomic_load(&self->look_ms);
}

/* Persistent keepalives fall on whole seconds, so that those of many peers share wake-ups. */
static int64_t persistent_due(int64_t traffic_ms, uint16_t keepalive_s)
{
    return (traffic_ms + keepalive_s * INT64_C(1000) + 999) / 1000 * 1000;
}

static bool mark_traffic(WireTimers *self, uint16_t keepalive_s, int64_t now_ms)
{
    store(&self->traffic_ms, now_ms);
    return keepalive_s != 0 && persistent_due(now_ms, keepalive_s) < load(&self->look_ms);
}

bool wire_timers_sent(WireTimers *self, bool data, uint16_t keepalive_s, int64_t now_ms)
{
    bool wake = mark_traffic(self, keepalive_s, now_ms);

    store(&self->owed_ms, 0);
    if (data && load(&self->unanswered_ms) == 0)
        wake |= begin(self, &self->unanswered_ms, now_ms, patience(self));
    return wake;
}

bool wire_timers_received(WireTimers *self, bool data, uint16_t keepalive_s, int64_t now_ms)
{
    bool wake = mark_traffic(self, keepalive_s, now_ms);

    store(&self->unanswered_ms, 0);
    store(&self->received_ms, now_ms);
    if (atomic_load_explicit(&self->silent, RELAXED))
        atomic_store_explicit(&self->silent, false, RELAXED);
    if (data && load(&self->owed_ms) == 0)
        wake |= begin(self, &self->owed_ms, now_ms, WIRE_KEEPALIVE_MS);
    return wake;
}

static bool may_initiate(const WireTimers *self, int64_t now_ms)
{
    return self->initiated_ms == 0 || now_ms - self->initiated_ms >= WIRE_REKEY_TIMEOUT_MS;
}

bool wire_timers_request(WireTimers *self, int64_t now_ms)
{
    self->attempts = 0;
    return may_initiate(self, now_ms);
}

void wire_timers_initiated(WireTimers *self, unsigned jitter_ms, int64_t now_ms)
{
    self->initiated_ms = now_ms;
    self->jitter_ms = (uint16_t)jitter_ms;
    self->retry_ms = now_ms + WIRE_REKEY_TIMEOUT_MS + jitter_ms;
    self->attempts++;
}

void wire_timers_derived(WireTimers *self, int64_t now_ms)
{
    self->zero_ms = now_ms + WIRE_TIMERS_ZERO_MS;
}

void wire_timers_completed(WireTimers *self)
{
    self->retry_ms = 0;
    self->attempts = 0;
    atomic_store_explicit(&self->last_minute, false, RELAXED);
}

void wire_timers_cleared(WireTimers *self)
{
    wire_timers_completed(self);
    self->zero_ms = 0;
    self->initiated_ms = 0;
    store(&self->unanswered_ms, 0);
    store(&self->owed_ms, 0);
}

/* When each waiting time ends; WIRE_TIMERS_NEVER: it does not run. */
static int64_t unanswered_due(const WireTimers *self)
{
    int64_t since_ms = atomic_load(&self->unanswered_ms);

    return since_ms == 0 ? WIRE_TIMERS_NEVER : since_ms + WIRE_TIMERS_UNANSWERED + self->jitter_ms;
}

static int64_t silent_due(const WireTimers *self)
{
    int64_t  since_ms = atomic_load(&self->unanswered_ms);
    uint16_t silent_ms = atomic_load_explicit(&self->silent_ms, RELAXED);

    return since_ms == 0 || silent_ms == 0 || atomic_load_explicit(&self->silent, RELAXED)
               ? WIRE_TIMERS_NEVER
               : since_ms + silent_ms;
}

static int64_t owed_due(const WireTimers *self)
{
    int64_t since_ms = atomic_load(&self->owed_ms);

    return since_ms == 0 ? WIRE_TIMERS_NEVER : since_ms + WIRE_KEEPALIVE_MS;
}

static int64_t keepalive_due(const WireTimers *self, uint16_t keepalive_s)
{
    int64_t since_ms = atomic_load(&self->traffic_ms);

    return keepalive_s == 0 || since_ms == 0 ? WIRE_TIMERS_NEVER
                                             : persistent_due(since_ms, keepalive_s);
}

static unsigned expire_retry(WireTimers *self, int64_t now_ms)
{
    if (self->retry_ms == 0 || now_ms < self->retry_ms)
        return 0;
    self->retry_ms = 0;
    if (self->attempts < WIRE_TIMERS_ATTEMPTS)
        return WIRE_TIMER_INITIATE;
    self->attempts = 0;
    store(&self->owed_ms, 0);
    if (self->zero_ms == 0)
        self->zero_ms = now_ms + WIRE_TIMERS_ZERO_MS;
    return WIRE_TIMER_GIVE_UP;
}

unsigned wire_timers_expire(WireTimers *self, uint16_t keepalive_s, int64_t now_ms)
{
    unsigned actions = expire_retry(self, now_ms);

    if (now_ms >= silent_due(self)) {
        atomic_store_explicit(&self->silent, true, RELAXED);
        actions |= WIRE_TIMER_SILENT;
    }
    if (now_ms >= unanswered_due(self)) {
        store(&self->unanswered_ms, 0);
        if (wire_timers_request(self, now_ms))
            actions |= WIRE_TIMER_INITIATE;
    }
    if (now_ms >= owed_due(self)) {
        store(&self->owed_ms, 0);
        actions |= WIRE_TIMER_KEEPALIVE;
    }
    if (now_ms >= keepalive_due(self, keepalive_s)) {
        store(&self->traffic_ms, now_ms); /* again later, even if nothing can be sent now */
        actions |= WIRE_TIMER_KEEPALIVE;
    }
    if (self->zero_ms != 0 && now_ms >= self->zero_ms) {
        self->zero_ms = 0;
        actions |= WIRE_TIMER_ZERO;
    }
    return actions;
}

static int64_t min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t earliest(const WireTimers *self, uint16_t keepalive_s)
{
    int64_t next_ms = min(unanswered_due(self), owed_due(self));

    next_ms = min(next_ms, silent_due(self));
    next_ms = min(next_ms, keepalive_due(self, keepalive_s));
    if (self->retry_ms != 0)
        next_ms = min(next_ms, self->retry_ms);
    if (self->zero_ms != 0)
        next_ms = min(next_ms, self->zero_ms);
    return next_ms;
}

int64_t wire_timers_next(WireTimers *self, uint16_t keepalive_s)
{
    int64_t next_ms = earliest(self, keepalive_s), again_ms;

    atomic_store(&self->look_ms, next_ms);
    again_ms = earliest(self, keepalive_s);
    if (again_ms < next_ms) {
        next_ms = again_ms;
        atomic_store(&self->look_ms, next_ms);
    }
    return next_ms;
}
