/* daemon/wire/route.c: the sequence lock around a peer's way. */
#include "daemon/wire/route.h"

#include <sched.h>
#include <string.h>

#include "common/std/endpoint.h"

typedef union {
    WireHop  hop;
    uint64_t words[WIRE_ROUTE_WORDS];
} HopWords;

void wire_route_init(WireRouteCell *self)
{
    atomic_init(&self->sequence, 0);
    for (size_t i = 0; i < WIRE_ROUTE_WORDS; i++)
        atomic_init(&self->words[i], 0);
}

/* Relaxed loads between two looks at the sequence. All words are ordered by acquire loads, so that
 * the second look cannot come before them. */
static bool try_read(const WireRouteCell *self, HopWords *out)
{
    uint32_t before = atomic_load_explicit(&self->sequence, memory_order_acquire);

    if (before & 1u)
        return false;
    for (size_t i = 0; i < WIRE_ROUTE_WORDS; i++)
        out->words[i] = atomic_load_explicit(&self->words[i], memory_order_acquire);
    return atomic_load_explicit(&self->sequence, memory_order_relaxed) == before;
}

static void read_words(const WireRouteCell *self, HopWords *out)
{
    while (!try_read(self, out))
        sched_yield(); /* a writer holds it for a few stores */
}

/* Returns: true: we are the writer until end_write(). */
static bool begin_write(WireRouteCell *self)
{
    uint32_t sequence = atomic_load_explicit(&self->sequence, memory_order_relaxed);

    return (sequence & 1u) == 0 &&
           atomic_compare_exchange_strong_explicit(&self->sequence, &sequence, sequence + 1,
                                                   memory_order_acquire, memory_order_relaxed);
}

static void end_write(WireRouteCell *self, const WireHop *hop)
{
    HopWords news = { .words = { 0 } };

    news.hop.remote = hop->remote;
    news.hop.source = hop->source;
    news.hop.source_if = hop->source_if;
    for (size_t i = 0; i < WIRE_ROUTE_WORDS; i++)
        atomic_store_explicit(&self->words[i], news.words[i], memory_order_release);
    atomic_fetch_add_explicit(&self->sequence, 1, memory_order_release);
}

static bool same_way(const WireHop *a, const WireHop *b)
{
    return mesh_endpoint_equal(&a->remote, &b->remote) &&
           mesh_ip_equal_addr(&a->source, &b->source) && a->source_if == b->source_if;
}

bool wire_route_get(const WireRouteCell *self, WireHop *out_hop)
{
    HopWords now;

    read_words(self, &now);
    if (now.hop.remote.addr.family == 0)
        return false;
    *out_hop = now.hop;
    return true;
}

void wire_route_set(WireRouteCell *self, const WireHop *hop)
{
    while (!begin_write(self))
        sched_yield();
    end_write(self, hop);
}

bool wire_route_learn(WireRouteCell *self, const WireHop *hop)
{
    HopWords now;

    read_words(self, &now);
    if (same_way(&now.hop, hop) || !begin_write(self))
        return false;
    end_write(self, hop);
    return !mesh_endpoint_equal(&now.hop.remote, &hop->remote);
}

void wire_route_forget_source(WireRouteCell *self, const WireHop *hop)
{
    HopWords now;

    read_words(self, &now);
    if (now.hop.source.family == 0 || !same_way(&now.hop, hop) || !begin_write(self))
        return;
    now.hop.source = (MeshAddr){ .family = 0 };
    now.hop.source_if = 0;
    end_write(self, &now.hop);
}
