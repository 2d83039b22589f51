/* daemon/wire/shard.c: the loops around outbound.c and inbound.c. */
#include "daemon/wire/shard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/std/thread.h"
#include "daemon/wire/inbound.h"
#include "daemon/wire/outbound.h"

struct WireShard {
    WirePlane    *plane;
    unsigned      number;
    WireOutbound *out;
    WireInbound  *in;
    MeshThread   *out_thread, *in_thread;
};

static bool is_stopping(const WireShard *self)
{
    return atomic_load_explicit(&self->plane->stopping, memory_order_acquire);
}

static void run_out(void *user_data)
{
    WireShard *self = user_data;

    wire_rcu_register();
    while (!is_stopping(self)) {
        if (!wire_outbound_work(self->out))
            wire_outbound_wait(self->out);
        wire_rcu_quiescent();
    }
    wire_rcu_unregister();
}

static void run_in(void *user_data)
{
    WireShard *self = user_data;

    wire_rcu_register();
    while (!is_stopping(self)) {
        if (!wire_inbound_work(self->in))
            wire_inbound_wait(self->in);
        wire_rcu_quiescent();
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
    mesh_thread_join(self->out_thread);
    mesh_thread_join(self->in_thread);
    wire_outbound_free(self->out);
    wire_inbound_free(self->in);
    free(self);
}
