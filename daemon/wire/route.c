/* daemon/wire/route.c: the sequence lock around a peer's way. */
#include "daemon/wire/route.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/std/endpoint.h"

#define WORDS ((sizeof(WireHop) + 7u) / 8u)

typedef union {
    WireHop  hop;
    uint64_t words[WORDS];
} HopWords;

struct WireRouteWords {
    _Atomic uint32_t sequence; /* odd: being written */
    _Atomic uint64_t words[WORDS];
};

void wire_route_init(WireRouteCell *self)
{
    atomic_init(&self->words, NULL);
}

void wire_route_done(WireRouteCell *self)
{
    free(atomic_load(&self->words));
}

int wire_route_prepare(WireRouteCell *self)
{
    WireRouteWords *before = NULL, *words;

    if (atomic_load(&self->words) != NULL)
        return 0;
    words = calloc(1, sizeof(*words));
    if (words == NULL)
        return -ENOMEM;
    if (!atomic_compare_exchange_strong(&self->words, &before, words))
        free(words); /* the other thread was first */
    return 0;
}

static WireRouteWords *get_words(const WireRouteCell *self)
{
    return atomic_load_explicit(&self->words, memory_order_acquire);
}

/* Relaxed loads between two looks at the sequence. All words are ordered by acquire loads, so that
 * the second look cannot come before them. */
static bool try_read(const WireRouteWords *self, HopWords *out)
{
    uint32_t before = atomic_load_explicit(&self->sequence, memory_order_acquire);

    if (before & 1u)
        return false;
    for (size_t i = 0; i < WORDS; i++)
        out->words[i] = atomic_load_explicit(&self->words[i], memory_order_acquire);
    return atomic_load_explicit(&self->sequence, memory_order_relaxed) == before;
}

static void read_words(const WireRouteWords *self, HopWords *out)
{
    while (!try_read(self, out))
        sched_yield(); /* a writer holds it for a few stores */
}

/* Returns: true: we are the writer until end_write(). */
static bool begin_write(WireRouteWords *self)
{
    uint32_t sequence = atomic_load_explicit(&self->sequence, memory_order_relaxed);

    return (sequence & 1u) == 0 &&
           atomic_compare_exchange_strong_explicit(&self->sequence, &sequence, sequence + 1,
                                                   memory_order_acquire, memory_order_relaxed);
}

static void end_write(WireRouteWords *self, const WireHop *hop)
{
    HopWords news = { .words = { 0 } };

    news.hop.remote = hop->remote;
    news.hop.source = hop->source;
    news.hop.source_if = hop->source_if;
    news.hop.index = hop->index;
    news.hop.link = hop->link;
    news.hop.socket = hop->socket;
    for (size_t i = 0; i < WORDS; i++)
        atomic_store_explicit(&self->words[i], news.words[i], memory_order_release);
    atomic_fetch_add_explicit(&self->sequence, 1, memory_order_release);
}

WireHop wire_hop_from_way(const WireWay *way)
{
    if (way->link != 0)
        return (WireHop){ .link = way->link, .index = way->index };
    return (WireHop){ .remote = way->endpoint, .socket = way->socket };
}

WireWay wire_hop_get_way(const WireHop *hop)
{
    if (hop->link != 0)
        return (WireWay){ .link = hop->link, .index = hop->index };
    return (WireWay){ .endpoint = hop->remote, .socket = hop->socket };
}

MeshEndpoint wire_hop_get_source(const WireHop *hop)
{
    uint8_t bytes[16] = { 0xfe, 0xff, hop->link, 0 };

    if (hop->link == 0)
        return hop->remote;
    for (int i = 0; i < 4; i++) /* in the first half: the limiter knows /64 */
        bytes[4 + i] = (uint8_t)(hop->index >> (24 - 8 * i));
    return (MeshEndpoint){ .addr = mesh_ip_make_addr(AF_INET6, bytes), .port = 1 };
}

static bool same_remote(const WireHop *a, const WireHop *b)
{
    return a->link == b->link && a->socket == b->socket && a->index == b->index &&
           mesh_endpoint_equal(&a->remote, &b->remote);
}

static bool same_way(const WireHop *a, const WireHop *b)
{
    return same_remote(a, b) && mesh_ip_equal_addr(&a->source, &b->source) &&
           a->source_if == b->source_if;
}

bool wire_route_get(const WireRouteCell *self, WireHop *out_hop)
{
    const WireRouteWords *words = get_words(self);
    HopWords              now;

    if (words == NULL)
        return false;
    read_words(words, &now);
    if (!wire_hop_is_set(&now.hop))
        return false;
    *out_hop = now.hop;
    return true;
}

void wire_route_set(WireRouteCell *self, const WireHop *hop)
{
    WireRouteWords *words = get_words(self);

    if (words == NULL)
        return;
    while (!begin_write(words))
        sched_yield();
    end_write(words, hop);
}

bool wire_route_learn(WireRouteCell *self, const WireHop *hop)
{
    WireRouteWords *words = get_words(self);
    HopWords        now;

    if (words == NULL)
        return false;
    read_words(words, &now);
    if (same_way(&now.hop, hop) || !begin_write(words))
        return false;
    end_write(words, hop);
    return !same_remote(&now.hop, hop);
}

bool wire_route_learn_source(WireRouteCell *self, const WireHop *hop)
{
    WireRouteWords *words = get_words(self);
    HopWords        now;

    if (words == NULL)
        return false;
    read_words(words, &now);
    if (!same_remote(&now.hop, hop))
        return false;
    if (!same_way(&now.hop, hop) && begin_write(words))
        end_write(words, hop);
    return true;
}

void wire_route_forget_source(WireRouteCell *self, const WireHop *hop)
{
    WireRouteWords *words = get_words(self);
    HopWords        now;

    if (words == NULL)
        return;
    read_words(words, &now);
    if (now.hop.source.family == 0 || !same_way(&now.hop, hop) || !begin_write(words))
        return;
    now.hop.source = (MeshAddr){ .family = 0 };
    now.hop.source_if = 0;
    end_write(words, &now.hop);
}
