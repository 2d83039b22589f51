/* daemon/wire/shard.c: the loops around outbound.c and inbound.c.
 *
 * One thread takes both roads, so that what answers a packet, an acknowledgement or a ping's echo,
 * wakes nobody: it lies in the TUN when the packet has been written. Only while that thread is busy
 * with both directions, as with transfers both ways at once, a second one takes the road out; it
 * gives it back when that has become quiet. Who has it is one word, so each road has one thread at
 * any time, and what the next one finds there is what the last one left. */
#include "daemon/wire/shard.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "common/std/clock.h"
#include "common/std/thread.h"
#include "daemon/wire/gather.h"
#include "daemon/wire/inbound.h"
#include "daemon/wire/outbound.h"
#include "daemon/wire/turns.h"

enum {
    WINDOW_MS = 10,          /* of busy work before it is shared */
    SHARED_MS = 100,         /* between two looks whether that still pays */
    QUIET_UNITS_A_MS = 1024, /* less than this out: it does not */
};

struct WireShard {
    WirePlane    *plane;
    unsigned      number;
    WireOutbound *out;
    WireInbound  *in;
    MeshThread   *out_thread, *in_thread;
    WireTurns     turns;     /* who has the road out */
    WireMailbox   to_helper; /* rung only: the road out is its own now, or all is over */
    _Atomic bool  is_shared; /* the road out is the helper's */

    /* In thread: the window it is in. */
    int64_t    since_ms, asleep_ns;
    uint64_t   since_in, since_out;
    WireGather gather;
};

static bool is_stopping(const WireShard *self)
{
    return atomic_load_explicit(&self->plane->stopping, memory_order_acquire);
}

/* What a thread has done, roughly in bytes: a packet costs as much as half a kilobyte. */
static uint64_t count_units(const WireCount *bytes, const WireCount *packets)
{
    return atomic_load_explicit(bytes, memory_order_relaxed) +
           512 * atomic_load_explicit(packets, memory_order_relaxed);
}

static uint64_t count_in(const WireShard *self)
{
    const WireCounters *counters = &self->plane->counters[wire_thread_in(self->number)];

    return count_units(&counters->rx_bytes, &counters->rx_packets);
}

static uint64_t count_out(const WireShard *self)
{
    const WireCounters *counters = &self->plane->counters[wire_thread_out(self->number)];

    return count_units(&counters->tx_bytes, &counters->tx_packets);
}

/* Once a window. Is this thread full, and a good part of that the other road? That it did not sleep
 * counts, not how much of a CPU it got: where others want the CPU too, two threads get more. */
static bool wants_help(WireShard *self, int64_t now_ms)
{
    int64_t  window_ns = (now_ms - self->since_ms) * 1000000;
    uint64_t in = count_in(self), out = count_out(self);
    uint64_t more_in = in - self->since_in, more_out = out - self->since_out;
    uint64_t less = more_in < more_out ? more_in : more_out;
    int64_t  busy_ns = window_ns / 100 * atomic_load(&self->plane->busy_percent);
    bool     busy = window_ns - self->asleep_ns >= busy_ns;

    self->since_ms = now_ms;
    self->asleep_ns = 0;
    self->since_in = in;
    self->since_out = out;
    return busy && less * 4 > more_in + more_out;
}

static void share(WireShard *self)
{
    wire_outbound_flush(self->out);
    atomic_fetch_add_explicit(&self->plane->n_helped, 1, memory_order_relaxed);
    atomic_store_explicit(&self->is_shared, true, memory_order_release);
    wire_mailbox_ring(&self->to_helper);
}

static bool is_shared(const WireShard *self)
{
    return atomic_load_explicit(&self->is_shared, memory_order_acquire);
}

/* Offline for writers if it waits. Returns: ns asleep. */
static int64_t wait_for(struct pollfd *fds, size_t n_fds, int patience_ms)
{
    int64_t since_ns;

    if (patience_ms == 0) {
        (void)!poll(fds, n_fds, 0);
        return 0;
    }
    wire_rcu_offline();
    since_ns = mesh_clock_boot_ns();
    (void)!poll(fds, n_fds, patience_ms);
    since_ns = mesh_clock_boot_ns() - since_ns;
    wire_rcu_online();
    return since_ns;
}

/* What is due first, of poll's timeouts. */
static int sooner(int a, int b)
{
    if (a < 0 || b < 0)
        return a < 0 ? b : a;
    return a < b ? a : b;
}

/* Before it waits: perhaps packets shall gather. */
static void gather(WireShard *self, int64_t now_ms)
{
    const WireCounters *in = &self->plane->counters[wire_thread_in(self->number)];
    const WireCounters *out = &self->plane->counters[wire_thread_out(self->number)];
    uint64_t            packets = atomic_load_explicit(&in->rx_packets, memory_order_relaxed) +
                       atomic_load_explicit(&out->tx_packets, memory_order_relaxed);
    uint64_t bytes = atomic_load_explicit(&in->rx_bytes, memory_order_relaxed) +
                     atomic_load_explicit(&out->tx_bytes, memory_order_relaxed);
    struct timespec moment = { .tv_nsec = wire_gather_wait(&self->gather, now_ms, packets, bytes) };

    if (moment.tv_nsec == 0)
        return;
    wire_rcu_offline();
    (void)!ppoll(NULL, 0, &moment, NULL);
    wire_rcu_online();
    self->asleep_ns += moment.tv_nsec;
}

/* After a round of the road out, which had more to do. */
static void take_turns(WireShard *self)
{
    const WireCounters *out = &self->plane->counters[wire_thread_out(self->number)];
    uint64_t            n_bytes = atomic_load_explicit(&out->tx_bytes, memory_order_relaxed);
    int64_t             from_ns;

    if (!wire_outbound_is_mixed(self->out))
        return;
    from_ns = mesh_clock_boot_ns();
    if (!wire_turns_is_due(&self->turns, n_bytes, from_ns))
        return;
    (void)sched_yield();
    wire_turns_done(&self->turns, n_bytes, from_ns, mesh_clock_boot_ns());
}

static void run_in(void *user_data)
{
    WireShard    *self = user_data;
    struct pollfd fds[WIRE_INBOUND_FDS + WIRE_OUTBOUND_FDS];

    (void)!prctl(PR_SET_TIMERSLACK, 1000ul); /* ns */
    wire_rcu_register();
    while (!is_stopping(self)) {
        bool    more = wire_inbound_work(self->in), shared = is_shared(self);
        size_t  n_in = wire_inbound_list(self->in, fds), n_out = 0;
        int64_t now_ms = mesh_clock_boot_ms();
        int     patience_ms = wire_inbound_patience(self->in);

        if (!shared) {
            more |= wire_outbound_work(self->out);
            n_out = wire_outbound_list(self->out, fds + n_in);
            patience_ms = sooner(patience_ms, wire_outbound_patience(self->out));
        }
        if (!more)
            gather(self, now_ms);
        self->asleep_ns += wait_for(fds, n_in + n_out, more ? 0 : patience_ms);
        wire_inbound_wake(self->in, fds, n_in);
        if (!shared)
            wire_outbound_wake(self->out, fds + n_in);
        wire_rcu_quiescent();
        if (!shared)
            take_turns(self);
        if (!shared && now_ms - self->since_ms >= WINDOW_MS && wants_help(self, now_ms))
            share(self);
    }
    wire_rcu_unregister();
}

/* The helper's turn with the road out, until there is little to do on it. */
static void help(WireShard *self)
{
    struct pollfd fds[WIRE_OUTBOUND_FDS];
    int64_t       since_ms = mesh_clock_boot_ms();
    uint64_t      since_out = count_out(self);

    while (!is_stopping(self)) {
        bool    more = wire_outbound_work(self->out);
        size_t  n = wire_outbound_list(self->out, fds);
        int64_t now_ms = mesh_clock_boot_ms();

        if (now_ms - since_ms >= SHARED_MS) {
            uint64_t out = count_out(self);

            if (out - since_out < (uint64_t)(now_ms - since_ms) * QUIET_UNITS_A_MS)
                break;
            since_ms = now_ms;
            since_out = out;
        }
        (void)wait_for(fds, n, more ? 0 : SHARED_MS);
        wire_outbound_wake(self->out, fds);
        wire_rcu_quiescent();
        take_turns(self);
    }
    wire_outbound_flush(self->out);
    atomic_store_explicit(&self->is_shared, false, memory_order_release);
    wire_mailbox_ring(&self->plane->to_in[self->number]);
}

static void run_out(void *user_data)
{
    WireShard *self = user_data;

    wire_rcu_register();
    while (!is_stopping(self)) {
        struct pollfd bell = { .fd = wire_mailbox_fd(&self->to_helper), .events = POLLIN };

        if (is_shared(self))
            help(self);
        (void)wait_for(&bell, 1, -1);
        wire_mailbox_hush(&self->to_helper);
    }
    wire_rcu_unregister();
}

/* The first has the names of old. */
static int start_thread(WireShard *self, const char *name, MeshThreadFunc run, MeshThread **out)
{
    char numbered[16];

    if (self->number == 0)
        return mesh_thread_start(name, run, self, out);
    snprintf(numbered, sizeof(numbered), "%s-%u", name, self->number);
    return mesh_thread_start(numbered, run, self, out);
}

int wire_shard_start(WirePlane *plane, unsigned number, WireShard **out_shard)
{
    WireShard *self = calloc(1, sizeof(*self));
    int        rc;

    if (self == NULL)
        return -ENOMEM;
    self->plane = plane;
    self->number = number;
    rc = wire_mailbox_init(&self->to_helper);
    if (rc == 0)
        rc = wire_outbound_new(plane, number, &self->out);
    if (rc == 0)
        rc = wire_inbound_new(plane, number, &self->in);
    if (rc == 0)
        rc = start_thread(self, "mesh-out", run_out, &self->out_thread);
    if (rc == 0)
        rc = start_thread(self, "mesh-in", run_in, &self->in_thread);
    if (rc < 0) {
        atomic_store(&plane->stopping, true);
        wire_shard_stop(self);
        return rc;
    }
    *out_shard = self;
    return 0;
}

void wire_shard_stop(WireShard *self)
{
    if (self == NULL)
        return;
    wire_mailbox_ring(&self->plane->to_out[self->number]);
    wire_mailbox_ring(&self->plane->to_in[self->number]);
    if (self->out_thread != NULL)
        wire_mailbox_ring(&self->to_helper);
    mesh_thread_join(self->out_thread);
    mesh_thread_join(self->in_thread);
    wire_outbound_free(self->out);
    wire_inbound_free(self->in);
    wire_mailbox_done(&self->to_helper);
    free(self);
}
