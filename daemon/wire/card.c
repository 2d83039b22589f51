/* daemon/wire/card.c: see card.h. */
#include "daemon/wire/card.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

WireOwner *wire_owner_new(const MeshKey *public_key, uint32_t order)
{
    WireOwner *self = calloc(1, sizeof *self);

    if (self == NULL)
        return NULL;
    atomic_init(&self->references, 1);
    self->public_key = *public_key;
    self->order = order;
    return self;
}

WireOwner *wire_owner_ref(WireOwner *self)
{
    atomic_fetch_add_explicit(&self->references, 1, memory_order_relaxed);
    return self;
}

void wire_owner_unref(WireOwner *self)
{
    if (atomic_fetch_sub_explicit(&self->references, 1, memory_order_acq_rel) == 1)
        free(self);
}

static size_t size_for(uint32_t room)
{
    return sizeof(WireCard) + room * sizeof(MeshPrefix);
}

WireCard *wire_card_new(WireOwner *owner, const WirePeerSpec *spec)
{
    WireCard *self = calloc(1, size_for(1));

    if (self == NULL)
        return NULL;
    atomic_init(&self->references, 1);
    self->room = 1; /* most peers have one or two */
    self->owner = wire_owner_ref(owner);
    if (wire_card_set(self, spec) == 0)
        return self;
    wire_card_unref(self);
    return NULL;
}

static void free_key(MeshKey *key)
{
    if (key != NULL)
        mesh_key_wipe(key, sizeof *key);
    free(key);
}

void wire_card_unref(WireCard *self)
{
    if (atomic_fetch_sub_explicit(&self->references, 1, memory_order_acq_rel) != 1)
        return;
    wire_owner_unref(self->owner);
    free_key(self->preshared_key);
    free(self);
}

static WireCard *copy_card(const WireCard *self, uint32_t room)
{
    WireCard    *copy;
    WirePeerSpec spec;

    wire_card_get_spec(self, &spec);
    copy = calloc(1, size_for(room));
    if (copy != NULL) {
        atomic_init(&copy->references, 1);
        copy->owner = wire_owner_ref(self->owner);
        copy->room = room;
        copy->n_ips = self->n_ips;
        memcpy(copy->ips, self->ips, self->n_ips * sizeof self->ips[0]);
        if (wire_card_set(copy, &spec) < 0) {
            wire_card_unref(copy);
            copy = NULL;
        }
    }
    mesh_key_wipe(&spec, sizeof spec);
    return copy;
}

int wire_card_own(WireCard **inout_card, uint32_t more)
{
    WireCard *self = *inout_card, *own;
    uint32_t  room = self->n_ips + more;
    bool      alone = atomic_load_explicit(&self->references, memory_order_acquire) == 1;

    if (alone && room <= self->room)
        return 0;
    if (room > 2 && more > 0)
        room += room / 2; /* for what comes next, so that adding stays cheap */
    if (!alone) {
        own = copy_card(self, room);
        if (own != NULL)
            wire_card_unref(self);
    } else {
        own = realloc(self, size_for(room));
        if (own != NULL)
            own->room = room;
    }
    if (own == NULL)
        return -ENOMEM;
    *inout_card = own;
    return 0;
}

int wire_card_set(WireCard *self, const WirePeerSpec *spec)
{
    MeshKey *key = NULL;

    if (!mesh_key_is_zero(&spec->preshared_key)) {
        key = malloc(sizeof *key);
        if (key == NULL)
            return -ENOMEM;
        *key = spec->preshared_key;
    }
    free_key(self->preshared_key);
    self->preshared_key = key;
    self->keepalive_s = spec->keepalive_s;
    self->suite = (uint8_t)spec->suite;
    self->answers = spec->answers != 0 ? spec->answers : (uint8_t)WIRE_SUITE_BIT(WIRE_SUITE_WG1);
    return 0;
}

void wire_card_get_spec(const WireCard *self, WirePeerSpec *out_spec)
{
    *out_spec = (WirePeerSpec){ .public_key = self->owner->public_key,
                                .preshared_key = *wire_card_get_preshared(self),
                                .keepalive_s = self->keepalive_s,
                                .suite = (WireSuite)self->suite,
                                .answers = self->answers,
                                .taken_ns = self->owner->taken_ns };
}

const MeshKey *wire_card_get_preshared(const WireCard *self)
{
    static const MeshKey none;

    return self->preshared_key != NULL ? self->preshared_key : &none;
}

static int compare(const MeshPrefix *a, const MeshPrefix *b)
{
    int difference;

    if (a->addr.family != b->addr.family)
        return a->addr.family < b->addr.family ? -1 : 1;
    difference = memcmp(a->addr.bytes, b->addr.bytes, sizeof a->addr.bytes);
    return difference != 0 ? difference : (int)a->bits - (int)b->bits;
}

/* The first that is not before @prefix. */
static uint32_t find_place(const WireCard *self, const MeshPrefix *prefix)
{
    uint32_t first = 0, end = self->n_ips;

    while (first < end) {
        uint32_t middle = first + (end - first) / 2;

        if (compare(&self->ips[middle], prefix) < 0)
            first = middle + 1;
        else
            end = middle;
    }
    return first;
}

static bool is_at(const WireCard *self, uint32_t place, const MeshPrefix *prefix)
{
    return place < self->n_ips && compare(&self->ips[place], prefix) == 0;
}

void wire_card_add_ip(WireCard *self, const MeshPrefix *prefix)
{
    uint32_t place = find_place(self, prefix);

    if (is_at(self, place, prefix))
        return;
    memmove(&self->ips[place + 1], &self->ips[place], (self->n_ips - place) * sizeof self->ips[0]);
    self->ips[place] = *prefix;
    self->n_ips++;
}

void wire_card_remove_ip(WireCard *self, const MeshPrefix *prefix)
{
    uint32_t place = find_place(self, prefix);

    if (!is_at(self, place, prefix))
        return;
    self->n_ips--;
    memmove(&self->ips[place], &self->ips[place + 1], (self->n_ips - place) * sizeof self->ips[0]);
}
