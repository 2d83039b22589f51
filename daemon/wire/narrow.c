/* daemon/wire/narrow.c: see narrow.h. Linux only. */
#include "daemon/wire/narrow.h"

#include <sodium.h>
#include <stdlib.h>

#include "daemon/wire/aqm.h"
#include "daemon/wire/udp-open.h"

enum {
    BUFFER_MS = 2, /* of the link's rate; the kernel doubles it */
    LEAST_BYTES = 8 * 1024,
    FIRST_BYTES = 64 * 1024,
    WINDOW_MS = 50,  /* in which the rate is measured */
    QUIET_MS = 500,  /* then it is over */
    STUCK_MS = 250,  /* without any motion: what is there is not on the link */
    ASIDE_MS = 3000, /* for so long that is left aside; as long as a neighbour is asked for */
    MOST_ASIDE = 1024 * 1024,
};

struct WireNarrow {
    WireCounters *counters;
    WireAqm      *aqm;
    int           fd;        /* the one to wait for; -1: off */
    int           other_fd;  /* of the other family, if it was full too; -1: no */
    size_t        limit;     /* bytes: half of what the kernel holds at most, of each */
    size_t        allowance; /* bytes that may go before the socket is asked again */
    int64_t       since_ms;  /* something has waited all this time */
    size_t        n_sent;    /* bytes since then */
    int64_t       waited_ms; /* when something last waited */
    size_t        held;      /* by the kernel, at the last look for motion, at */
    int64_t       looked_ms; /* 0: none since there was room */
    size_t        aside;     /* bytes held that do not move */
    int64_t       aside_until_ms;
};

int wire_narrow_new(WireCounters *counters, WireNarrow **out_self)
{
    WireNarrow *self = calloc(1, sizeof(*self));
    uint64_t    salt;

    if (self == NULL)
        return -ENOMEM;
    randombytes_buf(&salt, sizeof(salt));
    self->counters = counters;
    self->fd = self->other_fd = -1;
    if (wire_aqm_new(salt, &self->aqm) < 0) {
        free(self);
        return -ENOMEM;
    }
    *out_self = self;
    return 0;
}

void wire_narrow_free(WireNarrow *self)
{
    if (self == NULL)
        return;
    wire_aqm_free(self->aqm);
    free(self);
}

static void set_buffers(const WireNarrow *self, size_t bytes)
{
    wire_udp_set_send_buffer(self->fd, bytes);
    if (self->other_fd >= 0)
        wire_udp_set_send_buffer(self->other_fd, bytes);
}

static void set_limit(WireNarrow *self, size_t bytes)
{
    self->limit = bytes < LEAST_BYTES ? LEAST_BYTES : bytes;
    if (self->limit > WIRE_UDP_SEND_BYTES)
        self->limit = WIRE_UDP_SEND_BYTES;
    set_buffers(self, self->limit + self->aside);
}

/* There are two families. A third socket there is not; its buffer would be as it was. */
static void wait_for(WireNarrow *self, int fd)
{
    if (self->other_fd >= 0 && self->other_fd != fd)
        wire_udp_set_send_buffer(self->other_fd, WIRE_UDP_SEND_BYTES);
    self->other_fd = self->fd;
    self->fd = fd;
}

void wire_narrow_enter(WireNarrow *self, int fd, int64_t now_ms)
{
    if (fd < 0)
        return;
    self->waited_ms = now_ms;
    self->allowance = 0;
    if (self->fd < 0) {
        wire_count(&self->counters->queue_times, 1);
        self->limit = FIRST_BYTES;
        self->since_ms = now_ms;
        self->n_sent = 0;
    }
    if (self->fd != fd)
        wait_for(self, fd);
    set_limit(self, self->limit); /* the sender widened it for what was sealed already */
}

static bool is_waiting(const WireNarrow *self)
{
    return self->fd >= 0 && self->allowance == 0 && wire_aqm_bytes(self->aqm) > 0;
}

/* A socket is full of what waits for a neighbour that is no more, too, or for another link that
 * hangs. While that stands, everything else would: it is left aside. */
static void look_for_motion(WireNarrow *self, int64_t now_ms)
{
    size_t before = self->held;
    bool   again = self->looked_ms != 0;

    if (self->aside > 0 && now_ms >= self->aside_until_ms) {
        self->aside = 0;
        set_limit(self, self->limit);
    }
    if (!is_waiting(self)) {
        self->looked_ms = 0;
        return;
    }
    if (again && now_ms - self->looked_ms < STUCK_MS)
        return;
    self->looked_ms = now_ms;
    self->held = wire_udp_get_held(self->fd);
    if (!again || self->held == 0 || self->held < before || self->held > MOST_ASIDE)
        return;
    self->aside = self->held;
    self->aside_until_ms = now_ms + ASIDE_MS;
    set_limit(self, self->limit);
    wire_narrow_wake(self);
}

bool wire_narrow_is_on(WireNarrow *self, int64_t now_ms)
{
    if (self->fd < 0)
        return false;
    look_for_motion(self, now_ms);
    if (wire_aqm_bytes(self->aqm) > 0 || now_ms - self->waited_ms < QUIET_MS)
        return true;
    set_buffers(self, WIRE_UDP_SEND_BYTES);
    self->fd = self->other_fd = -1;
    self->aside = 0;
    return false;
}

void wire_narrow_put(WireNarrow *self, WireSuper *supers, size_t n, int64_t now_ms)
{
    WireCounters *counters = self->counters;

    for (size_t i = 0; i < n; i++) {
        WireSplit  split;
        WirePacket packet;

        if (wire_split_start(&split, &supers[i].vnet, supers[i].packet.data, supers[i].packet.len) <
            0) {
            wire_count_drop(counters, WIRE_DROP_MALFORMED, 1);
            continue;
        }
        if (supers[i].vnet.gso_type != WIRE_VNET_NONE)
            wire_count_unit(&counters->offloads[WIRE_OFFLOAD_TUN_READ], split.n_segments);
        while (wire_split_next(&split, &packet))
            wire_count_drop(counters, WIRE_DROP_QUEUE_FULL,
                            wire_aqm_put(self->aqm, &packet, now_ms * 1000));
    }
    if (wire_aqm_bytes(self->aqm) > wire_count_read(&counters->queue_peak))
        atomic_store_explicit(&counters->queue_peak, wire_aqm_bytes(self->aqm),
                              memory_order_relaxed);
}

/* While something waits, what goes is what the link carries. */
static void measure(WireNarrow *self, int64_t now_ms)
{
    int64_t ms = now_ms - self->since_ms;
    size_t  bytes;

    if (ms < WINDOW_MS)
        return;
    bytes = self->n_sent * BUFFER_MS / (size_t)ms;
    if (bytes > self->limit + self->limit / 4 || bytes + bytes / 4 < self->limit)
        set_limit(self, bytes);
    self->since_ms = now_ms;
    self->n_sent = 0;
}

size_t wire_narrow_take(WireNarrow *self, WireSuper *out_supers, size_t max, int64_t now_ms)
{
    WireAqmToll toll = { 0 };
    size_t      n = 0;

    while (n < max && self->allowance > 0) {
        WireSuper *out = &out_supers[n];
        size_t     len;

        *out = (WireSuper){ .vnet.gso_type = WIRE_VNET_NONE };
        if (!wire_aqm_take(self->aqm, now_ms * 1000, &out->packet, &toll))
            break;
        len = out->packet.len + WIRE_DATA_OVERHEAD;
        self->n_sent += len;
        self->allowance -= len < self->allowance ? len : self->allowance;
        n++;
    }
    wire_count_drop(self->counters, WIRE_DROP_QUEUE_SLOW, toll.dropped);
    if (toll.marked > 0)
        wire_count(&self->counters->marked, toll.marked);
    if (wire_aqm_bytes(self->aqm) > 0) {
        self->waited_ms = now_ms;
        measure(self, now_ms);
    } else {
        self->since_ms = now_ms;
        self->n_sent = 0;
    }
    return n;
}

void wire_narrow_sent(WireNarrow *self)
{
    wire_aqm_release(self->aqm);
}

int wire_narrow_fd(const WireNarrow *self)
{
    return self->fd >= 0 && self->allowance == 0 ? self->fd : -1;
}

int wire_narrow_patience(const WireNarrow *self)
{
    return is_waiting(self) ? STUCK_MS : -1;
}

void wire_narrow_wake(WireNarrow *self)
{
    self->allowance = self->limit / 2; /* a datagram costs the kernel more than its bytes */
    self->looked_ms = 0;
}
