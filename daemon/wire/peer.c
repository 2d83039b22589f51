/* daemon/wire/peer.c: life and end of a peer object. */
#include "daemon/wire/peer.h"

#include "daemon/wire/talk.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

WirePeer *wire_peer_new(const WirePeerSpec *spec, WireIndexTable *index, unsigned shard)
{
    WirePeer *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return NULL;
    self->public_key = spec->public_key;
    self->shard = (uint8_t)shard;
    atomic_init(&self->references, 1);
    atomic_init(&self->keepalive_s, spec->keepalive_s);
    atomic_init(&self->taken_ns, spec->taken_ns);
    wire_slots_init(&self->slots, index);
    wire_timers_init(&self->timers);
    wire_route_init(&self->route);
    wire_route_init(&self->copy);
    return self;
}

void wire_peer_unref(WirePeer *self)
{
    if (atomic_fetch_sub_explicit(&self->references, 1, memory_order_acq_rel) != 1)
        return;
    wire_slots_done(&self->slots);
    free(self->news);
    wire_talk_free(atomic_load(&self->talk));
    wire_route_done(&self->route);
    wire_route_done(&self->copy);
    mesh_key_wipe(self, sizeof(*self));
    free(self);
}

static void drop_reference(struct rcu_head *head)
{
    WIRE_RCU_ACQUIRE();
    wire_peer_unref((WirePeer *)((char *)head - offsetof(WirePeer, rcu)));
}

void wire_peer_retire(WirePeer *self)
{
    wire_rcu_defer(&self->rcu, drop_reference);
}

int wire_peer_give_route(WirePeer *self, const WireRoute *route)
{
    WireRoute *copy = malloc(sizeof(*copy));

    if (copy == NULL)
        return -ENOMEM;
    *copy = *route;
    free(__atomic_exchange_n(&self->news, copy, __ATOMIC_ACQ_REL));
    return 0;
}

WireRoute *wire_peer_take_route(WirePeer *self)
{
    return __atomic_exchange_n(&self->news, NULL, __ATOMIC_ACQ_REL);
}

static void tell_handshakes(const WirePeerTalk *talk, WirePeerInfo *info)
{
    int64_t handshake_ns = atomic_load_explicit(&talk->handshake_ns, memory_order_relaxed);

    info->suite = atomic_load_explicit(&talk->session_suite, memory_order_relaxed);
    info->last_handshake_s = handshake_ns / 1000000000;
    info->last_handshake_ns = (uint32_t)(handshake_ns % 1000000000);
    info->rx_bytes = wire_count_read(&talk->rx_bytes);
    info->tx_bytes = wire_count_read(&talk->tx_bytes);
    info->handshake_attempts = wire_count_read(&talk->n_attempts);
}

void wire_peer_get_info(WirePeer *self, int64_t now_ms, WirePeerInfo *out_info)
{
    WireHop hop = { .source_if = 0 };
    int64_t received_ms = atomic_load_explicit(&self->timers.received_ms, memory_order_relaxed);
    const WirePeerTalk *talk = atomic_load_explicit(&self->talk, memory_order_acquire);
    WirePeerInfo        info = { .public_key = self->public_key };

    if (wire_route_get(&self->route, &hop))
        info.endpoint = hop.remote;
    info.way = wire_hop_get_way(&hop);
    info.last_data_ms = (uint64_t)atomic_load_explicit(&self->data_ms, memory_order_relaxed);
    info.has_session = now_ms < atomic_load_explicit(&self->session_until_ms, memory_order_relaxed);
    info.last_received_ms = (uint64_t)received_ms;
    if (talk != NULL)
        tell_handshakes(talk, &info);
    info.rx_bytes += wire_count_read(&self->rx_data_bytes);
    info.tx_bytes += wire_count_read(&self->tx_data_bytes);
    info.taken_ns = atomic_load_explicit(&self->taken_ns, memory_order_relaxed);
    *out_info = info;
}
