/* daemon/wire/events.c: rings of one producer each behind one descriptor. */
#include "daemon/wire/events.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static bool is_needed(unsigned ring, unsigned n_shards)
{
    return ring < WIRE_THREAD_HANDSHAKE + 2 * n_shards - 1 || ring == WIRE_MAX_THREADS;
}

int wire_events_init(WireEvents *self, unsigned n_shards)
{
    int rc = 0;

    *self = (WireEvents){ .bell = { -1, -1 } };
    if (pipe2(self->bell, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    for (unsigned i = 0; rc == 0 && i < WIRE_N_EVENT_RINGS; i++) {
        if (is_needed(i, n_shards))
            rc = mesh_ring_new(sizeof(WireEvent), WIRE_EVENTS_PER_THREAD, &self->rings[i]);
    }
    if (rc < 0)
        wire_events_done(self);
    return rc;
}

void wire_events_done(WireEvents *self)
{
    for (unsigned i = 0; i < WIRE_N_EVENT_RINGS; i++) {
        mesh_ring_free(self->rings[i]);
        self->rings[i] = NULL;
    }
    for (int i = 0; i < 2; i++) {
        if (self->bell[i] > 0)
            close(self->bell[i]);
        self->bell[i] = -1;
    }
}

static void ring_bell(WireEvents *self)
{
    if (atomic_exchange(&self->rung, true))
        return;
    while (write(self->bell[1], "", 1) < 0 && errno == EINTR) {
    }
}

bool wire_events_push(WireEvents *self, unsigned from, const WireEvent *event)
{
    bool fits = mesh_ring_push(self->rings[from], event);

    ring_bell(self);
    return fits;
}

bool wire_events_push_strange(WireEvents *self, const WireEvent *event)
{
    bool fits = mesh_ring_push(self->rings[WIRE_MAX_THREADS], event);

    ring_bell(self);
    return fits;
}

int wire_events_fd(const WireEvents *self)
{
    return self->bell[0];
}

static bool pop_any(WireEvents *self, WireEvent *out_event)
{
    for (unsigned i = 0; i < WIRE_N_EVENT_RINGS; i++) {
        if (self->rings[i] != NULL && mesh_ring_pop(self->rings[i], out_event))
            return true;
    }
    return false;
}

/* The bell is silenced only once all looked empty, and then they are looked at again: what came in
 * between is not slept over. */
bool wire_events_pop(WireEvents *self, WireEvent *out_event)
{
    char bytes[16];

    if (pop_any(self, out_event))
        return true;
    for (unsigned i = 0; i < WIRE_N_EVENT_RINGS; i++) {
        if (self->rings[i] != NULL)
            mesh_ring_hush(self->rings[i]);
    }
    while (read(self->bell[0], bytes, sizeof(bytes)) > 0) {
    }
    atomic_store(&self->rung, false);
    if (!pop_any(self, out_event))
        return false;
    ring_bell(self); /* there may be more */
    return true;
}

uint64_t wire_events_lost(const WireEvents *self)
{
    uint64_t lost = 0;

    for (unsigned i = 0; i < WIRE_N_EVENT_RINGS; i++) {
        if (self->rings[i] != NULL)
            lost += mesh_ring_dropped(self->rings[i]);
    }
    return lost;
}
